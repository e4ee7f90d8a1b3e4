"""How far models agree, with or without knowing who is right: pure functions over arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MISSING = -1
"""In the place of a class number, where a model gave no answer."""


@dataclass(frozen=True)
class Agreement:
    """Which share of rows models give the same class to."""

    models: tuple[str, ...]
    rows: int
    """Rows that all of them answered."""
    unanimous: int
    """Rows that all of them gave the same class."""
    pairs: tuple[tuple[float, ...], ...]
    """Share of the rows both answered that two models agree on, shape (models, models); NaN where there are none."""


def measure_agreement(predicted: Mapping[str, Ints]) -> Agreement:
    """Compare models with each other.

    Args:
        predicted: Model → class numbers of shape (n,), `MISSING` where it gave none.
    """
    table = _stack(predicted)
    answered = (table != MISSING).all(axis=0)
    same = (table == table[:1]).all(axis=0) & answered
    pairs = []
    for one in table:
        both = (table != MISSING) & (one != MISSING)
        counts = both.sum(axis=1)
        with np.errstate(invalid="ignore"):
            shares = ((table == one) & both).sum(axis=1) / counts
        pairs.append(tuple(map(float, shares)))
    return Agreement(tuple(predicted), int(answered.sum()), int(same.sum()), tuple(pairs))


def agreement_of_rows(predicted: Mapping[str, Ints]) -> NDArray[np.float64]:
    """Share of a row's answers that are its most frequent one, shape (n,); NaN with fewer than two answers."""
    table = _stack(predicted)
    votes = np.stack([(table == label).sum(axis=0) for label in range(int(table.max(initial=0)) + 1)])
    total = votes.sum(axis=0)
    return np.where(total > 1, votes.max(axis=0) / np.maximum(total, 1), np.nan)


def _stack(predicted: Mapping[str, Ints]) -> Ints:
    return np.stack(list(predicted.values())) if predicted else np.empty((0, 0), np.int64)
