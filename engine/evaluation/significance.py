"""How sure a figure is, and whether two models really differ: pure functions over arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.metrics import calibration_error, class_f1, confidence_gaps, cross_entropy, from_confusion

RESAMPLES = 1000
BINS = 10
"""Of confidence, for the calibration error."""


def bootstrap_intervals(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals (Efron, 1979) of accuracy, F1, MCC, loss and calibration error over the rows.

    A bootstrap of one row, or of rows that are all right or all wrong, has no width and would claim certainty. Accuracy
    then has Wilson's interval, and the other figures have none.

    All resamples are counted at once as weighted confusion matrices, which takes milliseconds instead of seconds.

    Args:
        labels: True class numbers, shape (n,).
        probabilities: Shape (n, classes).
        seed: Seed of the resampling.
        resamples: How many resamples are drawn.
    """
    n, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    losses = cross_entropy(labels, probabilities)
    generator = np.random.default_rng(seed)
    cell = labels * classes + predicted
    matrices = np.empty((resamples, classes, classes))
    loss = np.empty(resamples)
    for one in range(resamples):
        rows = generator.integers(0, n, n)
        matrices[one] = np.bincount(cell[rows], minlength=classes * classes).reshape(classes, classes)
        loss[one] = losses[rows].mean()
    samples = from_confusion(matrices, np.unique(labels)) | {"loss": loss}
    ends = {name: _ends(values) for name, values in samples.items()}
    ends["calibration_error"] = calibration_interval(labels, probabilities, seed, resamples)
    if is_flat(ends["accuracy"]):
        ends["accuracy"] = wilson_interval(int((predicted == labels).sum()), n)
    return with_width(ends)


def with_width(intervals: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    """The intervals that say something: rows that are all alike, or one alone, give none but their own value."""
    return {name: (ends[0], ends[1]) for name, ends in intervals.items() if not is_flat(ends)}


def calibration_interval(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the calibration error; arguments as for `bootstrap_intervals`.

    The calibration error of few rows is too large on average, and that of a resample more so; where the interval
    would begin above the error itself, it begins there.
    """
    n = len(labels)
    generator = np.random.default_rng(seed)
    place, gap = confidence_gaps(labels, probabilities, BINS)
    errors = np.empty(resamples)
    for one in range(resamples):
        rows = generator.integers(0, n, n)
        errors[one] = np.abs(np.bincount(place[rows], weights=gap[rows])).sum() / n
    low, high = _ends(errors)
    measured = calibration_error(labels, probabilities, BINS)
    return min(low, measured), max(high, measured)


def class_f1_intervals(
    confusion: Sequence[Sequence[int]], seed: int = 0, resamples: int = RESAMPLES
) -> list[tuple[float, float]]:
    """95 % percentile bootstrap interval of each class's F1, from the counts alone.

    Drawing rows anew is drawing the cells of their confusion matrix from a multinomial. Where that has no width, as for
    a class without a mistake, the interval is Wilson's of hits among hits and mistakes, whose share gives F1.

    Args:
        confusion: Shape (classes, classes); rows are true classes, columns predicted ones.
        seed: Seed of the resampling.
        resamples: How many resamples are drawn.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    total = int(counts.sum())
    if not total:
        return [(0.0, 1.0)] * len(counts)
    drawn = np.random.default_rng(seed).multinomial(total, counts.ravel() / total, size=resamples)
    matrices = drawn.reshape(resamples, *counts.shape).astype(np.float64)
    ends = [_ends(column) for column in class_f1(matrices).T]
    return [_wilson_f1(counts, place) if is_flat(both) else both for place, both in enumerate(ends)]


def _wilson_f1(counts: NDArray[np.float64], place: int) -> tuple[float, float]:
    hits = int(counts[place, place])
    low, high = wilson_interval(hits, int(counts[place].sum() + counts[:, place].sum()) - hits)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def wilson_interval(hits: int, rows: int) -> tuple[float, float]:
    """95 % interval of a share of rows (Wilson, 1927), which holds where they are few; all of [0, 1] where none are."""
    if not rows:
        return 0.0, 1.0
    from scipy.stats import binomtest

    ends = binomtest(hits, rows).proportion_ci(method="wilson")
    return float(ends.low), float(ends.high)


def is_flat(ends: Sequence[float]) -> bool:
    """Whether an interval has no width but for rounding."""
    return ends[1] - ends[0] < 1e-9


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True)
class McNemar:
    """McNemar's test between two models on the same rows."""

    only_first_right: int
    only_second_right: int
    p_value: float
    """Two-sided exact binomial p: how likely so uneven a split is if both err equally often (McNemar, 1947)."""


def mcnemar(labels: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> McNemar:
    """Compare two models' predicted classes, each of shape (n,), with the true ones."""
    from scipy.stats import binomtest

    only_first = int(((first == labels) & (second != labels)).sum())
    only_second = int(((first != labels) & (second == labels)).sum())
    discordant = only_first + only_second
    p_value = 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)
    return McNemar(only_first, only_second, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for how many were looked at (Holm, 1979), in the order given."""
    count, largest = len(p_values), 0.0
    corrected = [0.0] * count
    for rank, place in enumerate(sorted(range(count), key=lambda one: p_values[one])):
        largest = max(largest, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
