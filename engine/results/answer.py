"""The product's question answered by what was measured: the best model of each kind, and how far kinds differ.

There are three sources of it, in the same form: repeated trainings over seeds and folds, single trainings with their
test figures, and a curve of quality against the number of training examples.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DataError
from engine.evaluation.agreement import MISSING
from engine.evaluation.differences import Verdict, measure_differences
from engine.evaluation.metrics import interval_of
from engine.evaluation.repeated import average
from engine.experiments.curves import Curve, leads
from engine.experiments.repeats_file import Repeats, digits
from engine.results.comparison import family_of
from engine.results.repeated import answers_of, find_repeats
from engine.training.recipes import RECIPES

KINDS = ("scratch", "pretrained", "frozen", "hybrid", "baseline")
"""Kinds of models, in the order in which they are told."""
FIGURE = "accuracy"
"""What is told of a model: how often it is right."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Bar:
    """The best model of a kind."""

    kind: str
    """One of `KINDS`."""
    model: str
    recipe: str
    value: float
    """Its accuracy; over seeds and folds, the mean."""
    low: float | None = None
    """Ends of its 95 % interval, where there is one."""
    high: float | None = None


@dataclass(frozen=True)
class Lead:
    """How far a model is ahead of another, as a share of the rows."""

    first: str
    second: str
    difference: float
    low: float | None
    """Ends of the 95 % interval; None where nothing tells them, as for a single seed."""
    high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Answer:
    """Which kind is best on some data."""

    bars: tuple[Bar, ...]
    """In the order of `KINDS`; kinds without a model are left out."""
    question: Lead | None
    """The adapted model against the one trained from scratch; None where one of them is missing."""
    baseline: Lead | None
    """The better one of these two against the baseline."""
    source: str
    test_rows: int
    train_rows: int | None = None
    """Where all its models were trained on as many."""
    seeds: int = 1
    folds: int = 1
    version: str = ""


def _best(found: Iterable[Bar]) -> tuple[Bar, ...]:
    """The best bar of each kind, the first of equal ones."""
    best: dict[str, Bar] = {}
    for bar in found:
        if bar.kind not in best or bar.value > best[bar.kind].value:
            best[bar.kind] = bar
    return tuple(best[kind] for kind in KINDS if kind in best)


def _pairs(bars: Sequence[Bar]) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """Which two models the question is between, and which two tell what a simple baseline is worth."""
    of = {bar.kind: bar for bar in bars}
    tried = [of[kind] for kind in ("scratch", "pretrained") if kind in of]
    question = (of["pretrained"].model, of["scratch"].model) if len(tried) == 2 else None
    better = max(tried, key=lambda bar: bar.value, default=None)
    return question, (better.model, of["baseline"].model) if better and "baseline" in of else None


def answer_of(folders: Sequence[Path], comparison: Mapping[str, Any]) -> Answer:
    """What stands most firmly: trainings over seeds and folds on the same data, if both kinds are among them."""
    data = comparison["data"]
    try:
        repeats, _ = find_repeats(folders, comparison["task"], data["fingerprint"])
    except DataError:
        return answer_by_comparison(comparison)
    # What was tried beside the models that are here, a control or a recipe without its text, answers nothing.
    answer = answer_by_repeats(repeats, {row["model"] for row in comparison["rows"]})
    return answer if answer.question else answer_by_comparison(comparison)


def answer_by_repeats(repeats: Repeats, models: Collection[str], resamples: int = RESAMPLES) -> Answer:
    """What trainings over seeds and folds say; a seed counts only with all its folds.

    Args:
        repeats: Trainings.
        models: Those that count.
        resamples: Of the bootstrap behind each interval.
    """
    labels, folds, groups = digits(repeats.labels), digits(repeats.fold_of), np.array(repeats.groups)
    recipes = {job.model: str(job.figures["recipe"]) for job in repeats.jobs}
    answers: dict[str, Any] = {}
    found = []
    for model, recipe in recipes.items():
        seeds, predicted = answers_of(repeats, model)
        if seeds and model in models and recipe in RECIPES:
            answers[model] = predicted
            mean = average(labels, folds, groups, predicted, 0)[FIGURE].mean
            found.append(Bar(family_of(RECIPES[recipe].as_dict()), model, recipe, mean))
    bars = tuple(_with_ends(bar, repeats, answers[bar.model], resamples) for bar in _best(found))
    runs = {
        bar.model: np.concatenate([np.where(folds == fold, answers[bar.model], MISSING) for fold in np.unique(folds)])
        for bar in bars
    }
    pairs = _pairs(bars)
    measured: dict[tuple[str, str], Lead] = {}
    if any(pairs):
        differences = measure_differences(labels, runs, groups, resamples=resamples)
        for (first, second), figures in differences.items():
            one = figures[FIGURE]
            measured[first, second] = Lead(first, second, one.estimate, one.low, one.high, one.verdict)
    question, baseline = (_oriented(measured, pair) for pair in pairs)
    return Answer(
        bars,
        question,
        baseline,
        repeats.source,
        len(repeats.rows),
        seeds=max((len(answers[bar.model]) for bar in bars), default=0),
        folds=repeats.folds,
        version=repeats.version,
    )


def _with_ends(bar: Bar, repeats: Repeats, predicted: Any, resamples: int) -> Bar:
    labels, folds, groups = digits(repeats.labels), digits(repeats.fold_of), np.array(repeats.groups)
    mean = average(labels, folds, groups, predicted, resamples)[FIGURE]
    return Bar(bar.kind, bar.model, bar.recipe, mean.mean, mean.low, mean.high)


def answer_by_comparison(comparison: Mapping[str, Any]) -> Answer:
    """What the models' test figures say.

    Args:
        comparison: What `engine.results.comparison.compare_models` returns.
    """
    found = []
    for row in comparison["rows"]:
        low, high = interval_of(row, FIGURE) or (None, None)
        found.append(Bar(row["family"], row["model"], row["recipe"], row[FIGURE], low, high))
    bars = _best(found)
    measured = {}
    for pair in comparison["differences"]:
        one = pair["figures"][FIGURE]
        lead = Lead(pair["first"], pair["second"], one["difference"], one["low"], one["high"], Verdict(one["verdict"]))
        measured[lead.first, lead.second] = lead
    question, baseline = (_oriented(measured, pair) for pair in _pairs(bars))
    data = comparison["data"]
    return Answer(bars, question, baseline, data["source"], data["test_rows"])


def _oriented(measured: Mapping[tuple[str, str], Lead], pair: tuple[str, str] | None) -> Lead | None:
    """The lead of a pair's first model, whichever way round it was measured."""
    if pair is None or pair in measured:
        return None if pair is None else measured[pair]
    other = measured.get((pair[1], pair[0]))
    if other is None:
        return None
    turned = {Verdict.FIRST: Verdict.SECOND, Verdict.SECOND: Verdict.FIRST}
    low, high = (None if end is None else -end for end in (other.high, other.low))
    return Lead(*pair, -other.difference, low, high, turned.get(other.verdict, other.verdict))


def answers_by_curve(curve: Curve) -> dict[int, Answer]:
    """What a curve says at each number of training examples at which there are models of two kinds."""
    recipes = {point["series"]: str(point["recipe"]) for point in curve.points}
    lines = curve.series()
    found = {}
    for x in sorted({row["x"] for rows in lines.values() for row in rows}):
        here = {name: row for name, rows in lines.items() for row in rows if row["x"] == x and recipes[name] in RECIPES}
        bars = _best(_bar_of(name, recipes[name], row) for name, row in here.items())
        question, baseline = (None if pair is None else _lead_at(curve, x, *pair) for pair in _pairs(bars))
        if question is not None:
            seeds = max(row["seeds"] for row in here.values())
            found[int(x)] = Answer(
                bars, question, baseline, curve.source, curve.test_rows, int(x), seeds, version=curve.version
            )
    return found


def _bar_of(name: str, recipe: str, row: Mapping[str, Any]) -> Bar:
    value, half = row[FIGURE], row[f"{FIGURE}_half"]
    low, high = (None, None) if half is None else (max(0.0, value - half), min(1.0, value + half))
    return Bar(family_of(RECIPES[recipe].as_dict()), name, recipe, value, low, high)


def _lead_at(curve: Curve, x: float, first: str, second: str) -> Lead | None:
    """The lead at one place, over the seeds that both have."""
    lead = next((one for one in leads(curve, first, second, FIGURE) if one.x == x), None)
    if lead is None:
        return None
    verdict = Verdict.UNCLEAR
    if lead.is_clear:
        verdict = Verdict.FIRST if lead.difference > 0 else Verdict.SECOND
    low, high = (lead.difference - lead.half, lead.difference + lead.half) if np.isfinite(lead.half) else (None, None)
    return Lead(first, second, lead.difference, low, high, verdict)
