"""Ablations: recipes with and without an option, over seeds, in one table."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.experiments.curves import Curve, Job, leads
from engine.training.recipe import Recipe

VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "plain": {},
        "weighted loss": {"class_weights": True},
        "oversampling": {"oversample": True},
        "thresholds": {"tune_thresholds": True},
        "weighted loss, thresholds": {"class_weights": True, "tune_thresholds": True},
    }
)
"""Name → settings, against the imbalance of classes. The first is what the others are compared with."""


def imbalance_jobs(models: Mapping[str, Recipe], seeds: int) -> list[Job]:
    """A job for each model, variant and seed; a variant's place is its number in `VARIANTS`.

    Args:
        models: Series → recipe.
        seeds: Seeds for each; a baseline without chance in it gives the same for all.
    """
    off = {"class_weights": False, "oversample": False, "tune_thresholds": False}
    return [
        Job(series, float(place), seed, dataclasses.replace(recipe, **{**off, **changes, "seed": seed}), 0)
        for series, recipe in models.items()
        for place, changes in enumerate(VARIANTS.values())
        for seed in range(seeds)
    ]


def tabulate(curve: Curve) -> list[dict[str, Any]]:
    """A row for each model and variant: means over the seeds, and the difference from the first with its interval."""
    rows = []
    names: Sequence[str] = tuple(VARIANTS)
    for series, places in curve.series().items():
        for place in places:
            row: dict[str, Any] = {"model": series, "variant": names[int(place["x"])], "seeds": place["seeds"]}
            for figure in ("accuracy", "macro_f1"):
                row[figure] = place[figure]
                row[f"{figure}_gain"] = _gain(curve, series, place["x"], figure)
            rows.append(row)
    return rows


def _gain(curve: Curve, series: str, x: float, figure: str) -> dict[str, float] | None:
    """Mean difference from the plain recipe on the same seeds, and half of its 95 % interval."""
    if x == 0:
        return None
    # The plain recipe as a series of its own at this place, so that seeds are paired as on any curve.
    plain = [{**one, "series": "plain", "x": x} for one in curve.points if one["series"] == series and one["x"] == 0]
    both = dataclasses.replace(curve, points=(*curve.points, *plain))
    lead = next((one for one in leads(both, series, "plain", figure) if one.x == x), None)
    return None if lead is None else {"mean": lead.difference, "half": lead.half}
