"""How sure a figure is, and whether two models really differ: pure functions over arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from engine.evaluation.metrics import cross_entropy

RESAMPLES = 1000


def bootstrap_intervals(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals (Efron, 1979) of accuracy, F1, MCC and loss over the rows.

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
    samples = _from_confusion(matrices) | {"loss": loss}
    return {name: _ends(values) for name, values in samples.items()}


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _from_confusion(matrices: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Accuracy, F1 and MCC of confusion matrices of shape (m, classes, classes)."""
    total = matrices.sum(axis=(1, 2))
    right = np.trace(matrices, axis1=1, axis2=2)
    truth, guess = matrices.sum(axis=2), matrices.sum(axis=1)
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.nan_to_num(2 * hits / (truth + guess))
        # Multi-class Matthews correlation, R_K (Gorodkin, 2004).
        above = right * total - (truth * guess).sum(axis=1)
        below = np.sqrt((total**2 - (guess**2).sum(axis=1)) * (total**2 - (truth**2).sum(axis=1)))
        mcc = np.nan_to_num(above / below)
    return {
        "accuracy": right / total,
        "macro_f1": f1.mean(axis=1),
        "weighted_f1": (f1 * truth).sum(axis=1) / total,
        "mcc": mcc,
    }


@dataclass(frozen=True)
class McNemar:
    """McNemar's test between two models on the same rows."""

    only_first_right: int
    only_second_right: int
    p_value: float
    """Two-sided exact binomial p: how likely so uneven a split is if both err equally often (McNemar, 1947)."""


def mcnemar(labels: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> McNemar:
    """Compare two models' predicted classes, each of shape (n,), with the true ones."""
    only_first = int(((first == labels) & (second != labels)).sum())
    only_second = int(((first != labels) & (second == labels)).sum())
    discordant = only_first + only_second
    p_value = 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)
    return McNemar(only_first, only_second, p_value)
