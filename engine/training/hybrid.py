"""A hybrid: TF-IDF says how likely each class is, and a decoder adds what TF-IDF misses.

In training a row gets what TF-IDF says that was fitted without the row's fold (stacking; Wolpert, 1992): what TF-IDF
says of its own rows is right nearly always, and would leave the decoder nothing to learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.folds import make_folds
from engine.data.sources import TaskData
from engine.errors import DataError
from engine.evaluation.metrics import Floats
from engine.models.baselines import TfidfLogistic, make_baseline
from engine.training.recipe import Recipe

FOLDS = 5
LEAST = 1e-9
"""Of a probability before its logarithm is taken."""


@dataclass(frozen=True)
class TfidfPart:
    """The part of a hybrid that is no network."""

    baseline: TfidfLogistic
    weight: float
    """What its log-probabilities are multiplied with."""

    def logits(self, inputs: Sequence[tuple[str, ...]]) -> Floats:
        """What the decoder adds to, shape (n, classes)."""
        found: Floats = self.weight * np.log(np.maximum(self.baseline.probabilities(inputs), LEAST))
        return found

    @property
    def size(self) -> int:
        """Fitted weights."""
        return sum(array.size for array in self.baseline.state()[0].values())


def fit_part(recipe: Recipe, data: TaskData) -> TfidfPart:
    """TF-IDF fitted on all train rows.

    Raises:
        DataError: It can't learn from these rows.
    """
    baseline = make_tfidf(recipe)
    try:
        baseline.fit(data.texts("train"), _labels(data), len(data.task.labels))
    except ValueError as error:
        raise DataError(f"{recipe.name} can't learn from {data.source}: {error}") from error
    return TfidfPart(baseline, recipe.baseline_weight)


def restore_part(recipe: Recipe, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> TfidfPart:
    """The part as a checkpoint keeps it."""
    baseline = make_tfidf(recipe)
    baseline.restore(arrays, values)
    return TfidfPart(baseline, recipe.baseline_weight)


def make_tfidf(recipe: Recipe) -> TfidfLogistic:
    """The recipe's TF-IDF, not fitted yet."""
    made = make_baseline(recipe.baseline, recipe.class_weights)
    if not isinstance(made, TfidfLogistic):
        raise TypeError("A decoder adds to TF-IDF alone.")
    return made


def held_out_logits(recipe: Recipe, data: TaskData) -> Floats:
    """Of each train row the logits of a TF-IDF that has seen neither it nor another row of its term or premise.

    Raises:
        DataError: The train split has too few groups for folds, or a part of it can't be learnt from.
    """
    train = replace(data, frame=data.frame[data.frame["split"] == "train"].reset_index(drop=True))
    folds = make_folds(train, FOLDS)
    found = np.empty((len(train.frame), len(data.task.labels)))
    for place in range(FOLDS):
        seen = replace(train, frame=train.frame[folds.of != place])
        told = train.frame[folds.of == place]
        found[folds.of == place] = fit_part(recipe, seen).logits(replace(train, frame=told).texts("train"))
    return found


def _labels(data: TaskData) -> NDArray[np.int64]:
    return data.split("train")["label"].to_numpy(dtype=np.int64)
