"""Figures over repeated trainings: their means, how far seeds and folds differ, and how sure the mean is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
FIGURES = ("accuracy", "macro_f1")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Mean:
    """A figure over all seeds and folds."""

    mean: float
    deviation: float | None
    """Sample standard deviation of the seeds' means over the folds; None for a single seed."""
    lowest: float
    """Of the folds' means over the seeds."""
    highest: float
    low: float
    """Ends of the mean's 95 % interval: percentiles of a bootstrap over the groups of each fold and the seeds."""
    high: float


def average(
    labels: Ints, folds: Ints, groups: Ints, predicted: Ints, classes: int, resamples: int = RESAMPLES
) -> dict[str, Mean]:
    """Each of `FIGURES` over repeated trainings.

    Rows of one group (a slang term, a premise) are answered alike, so groups are drawn and not rows; within a fold,
    since each fold has models of its own. Seeds are drawn too: another seed is another model.

    Args:
        labels: True class numbers, shape (n,).
        folds: Fold that tests each row, shape (n,).
        groups: Number of each row's group, shape (n,); a group lies in one fold.
        predicted: Class numbers of each seed, shape (seeds, n).
        classes: How many classes there are.
        resamples: How many resamples are drawn; with 0 the interval is the mean itself.
    """
    generator = np.random.default_rng(0)
    seeds = len(predicted)
    drawn_seeds = generator.integers(0, seeds, (resamples, seeds))
    measured: dict[str, list[Floats]] = {name: [] for name in FIGURES}
    sampled: dict[str, list[Floats]] = {name: [] for name in FIGURES}
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        own = np.unique(groups[rows], return_inverse=True)[1]
        count = int(own.max()) + 1
        present = np.unique(labels[rows])
        # How often each group is drawn, the first time each once: the fold as it is.
        weights = np.vstack([np.ones(count), generator.multinomial(count, np.full(count, 1 / count), resamples)])
        figures: dict[str, list[Floats]] = {name: [] for name in FIGURES}
        for answers in predicted[:, rows]:
            cell = (own * classes + labels[rows]) * classes + answers
            counts = np.bincount(cell, minlength=count * classes * classes).reshape(count, -1)
            found = _figures((weights @ counts.astype(np.float64)).reshape(-1, classes, classes), present)
            for name in FIGURES:
                figures[name].append(found[name])
        for name in FIGURES:
            both = np.stack(figures[name], axis=1)
            measured[name].append(both[0])
            sampled[name].append(np.take_along_axis(both[1:], drawn_seeds, axis=1).mean(axis=1))
    return {name: _mean(np.stack(measured[name]), np.mean(sampled[name], axis=0)) for name in FIGURES}


def _mean(figures: Floats, samples: Floats) -> Mean:
    """What is told of a figure of shape (folds, seeds), and of the means of its resamples."""
    seeds, folds, mean = figures.mean(axis=0), figures.mean(axis=1), float(figures.mean())
    low, high = np.percentile(samples, (2.5, 97.5)) if len(samples) else (mean, mean)
    deviation = float(seeds.std(ddof=1)) if len(seeds) > 1 else None
    return Mean(mean, deviation, float(folds.min()), float(folds.max()), float(low), float(high))


def _figures(matrices: Floats, present: Ints) -> Mapping[str, Floats]:
    """Accuracy and macro F1 of confusion matrices of shape (m, classes, classes), of the classes `present`."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.nan_to_num(2 * hits / (matrices.sum(axis=1) + matrices.sum(axis=2)))
        return {
            "accuracy": hits.sum(axis=1) / matrices.sum(axis=(1, 2)),
            "macro_f1": f1[:, present].mean(axis=1),
        }
