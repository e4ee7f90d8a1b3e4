"""Figures over repeated trainings: their means, how far seeds and folds differ, and how sure the mean is."""

from dataclasses import dataclass

import numpy as np

from engine.evaluation.agreement import MISSING
from engine.evaluation.metrics import Floats, Ints
from engine.evaluation.resampling import FIGURES, draw, interval, measure

RESAMPLES = 2000


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
    """Ends of the mean's 95 % interval, see `engine.evaluation.resampling`."""
    high: float


def average(labels: Ints, folds: Ints, groups: Ints, predicted: Ints, resamples: int = RESAMPLES) -> dict[str, Mean]:
    """Each of `FIGURES` over repeated trainings.

    Rows of one group (a slang term, a premise) are answered alike, so groups are drawn and not rows; seeds are drawn
    too: another seed is another model.

    Args:
        labels: True class numbers, shape (n,).
        folds: Fold that tests each row, shape (n,).
        groups: Number of each row's group, shape (n,); a group lies in one fold.
        predicted: Class numbers of each seed, shape (seeds, n).
        resamples: How many resamples are drawn; with 0 the interval is the mean itself.
    """
    numbers = np.unique(folds)
    # A run is a seed on a fold, the seeds of a fold one after the other.
    runs = np.concatenate([np.where(folds == fold, predicted, MISSING) for fold in numbers])
    figures = measure(labels, runs).reshape(len(numbers), len(predicted), len(FIGURES))
    low = high = figures.mean(axis=(0, 1))
    if resamples:
        systems, count = draw(labels, {"": runs}, groups, 0, resamples)
        drawn = systems[""]
        low, high = interval(drawn.estimate, drawn.draws, drawn.seeds, drawn.doubt, count)
    return {name: _mean(figures[:, :, at], float(low[at]), float(high[at])) for at, name in enumerate(FIGURES)}


def _mean(figures: Floats, low: float, high: float) -> Mean:
    """What is told of a figure of shape (folds, seeds), and of its interval."""
    seeds, folds = figures.mean(axis=0), figures.mean(axis=1)
    deviation = float(seeds.std(ddof=1)) if len(seeds) > 1 else None
    return Mean(float(figures.mean()), deviation, float(folds.min()), float(folds.max()), max(0.0, low), min(1.0, high))
