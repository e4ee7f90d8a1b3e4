"""After the search, a refit trains the best setting on several seeds and keeps the best of them as `scratch`."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from engine.data.sources import TaskData
from engine.errors import SearchError
from engine.evaluation.metrics import Floats, headline
from engine.experiments.record import Finished, Fitted, Request, conclude
from engine.experiments.run import fit, forget_state
from engine.paths import Places
from engine.processes import run_all
from engine.search.search_space import make_recipe
from engine.search.study import best_trial
from engine.store import Store
from engine.training.build import labels_of

MODEL = "scratch"
SEEDS = (0, 1, 2, 3, 4)
SHOWN = ("accuracy", "macro_f1", "mcc", "loss")


@dataclass(frozen=True)
class Refit:
    """The best setting on several seeds."""

    finished: Finished
    """The seed with the lowest validation loss: the model that is kept."""
    record: Mapping[str, Any]
    """`study`, `trial`, `seeds`, `validation` and `test`, each with `mean`, `deviation` and `values`."""


def requests_for(
    study: optuna.Study, data: TaskData, places: Places, seeds: Sequence[int] = SEEDS, device: str = "cpu"
) -> list[Request]:
    """What to train: the recipe of the study's best trial, once for each seed.

    Raises:
        SearchError: No trial of the study is complete.
    """
    best = best_trial(study.get_trials(deepcopy=False))
    if best is None:
        raise SearchError(f"The study {study.study_name} has no complete trial to train again.")
    recipe = make_recipe(best.params)
    return [
        Request(dataclasses.replace(recipe, seed=seed), data, places.checkpoints, places.training, MODEL, device)
        for seed in seeds
    ]


def refit(
    study: optuna.Study, requests: Sequence[Request], store: Store, workers: int, licence: str = ""
) -> Iterator[int | Refit]:
    """Train every request, as many at a time as there are workers; interrupted, it goes on from the last epochs.

    Yields:
        How many seeds are trained, then `Refit`.

    Raises:
        OdzeraError: One of them can't be trained.
    """
    yield 0
    for done, _ in enumerate(run_all(_train, [(request,) for request in requests], workers), start=1):
        yield done
    # The states on disk say how each ended, so this trains nothing any more.
    fitted = [_ended(request) for request in requests]
    data = requests[0].data
    figures = {split: [_figures(one, data, split) for one in fitted] for split in ("validation", "test")}
    chosen = int(np.argmin([one["loss"] for one in figures["validation"]]))
    best = best_trial(study.get_trials(deepcopy=False))
    record = {
        "study": study.study_name,
        "trial": best.number if best else None,
        "seeds": [request.recipe.seed for request in requests],
        "chosen_seed": requests[chosen].recipe.seed,
        **{split: summarise(rows) for split, rows in figures.items()},
    }
    request = dataclasses.replace(requests[chosen], licence=licence)
    finished = conclude(request, fitted[chosen], store, {"refit": record})
    for one in requests:
        forget_state(one)
    yield Refit(finished, record)


def summarise(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Mean and sample standard deviation of every shown figure over the seeds."""
    summary = {}
    for name in SHOWN:
        values = [row[name] for row in rows]
        summary[name] = {
            "mean": float(np.mean(values)),
            "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
            "values": [round(value, 4) for value in values],
        }
    return summary


def _train(request: Request) -> None:
    """In a process of its own: train to the end; the state stays on disk."""
    for _ in fit(request):
        pass


def _ended(request: Request) -> Fitted:
    return next(event for event in fit(request) if isinstance(event, Fitted))


def _figures(fitted: Fitted, data: TaskData, split: str) -> dict[str, float]:
    probabilities: Floats = fitted.model.probabilities(data.texts(split))
    return headline(labels_of(data, split), probabilities)
