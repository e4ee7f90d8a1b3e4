"""Draws of the rows and runs that figures come from, each system measured in one run or several: over arrays alone.

A run is a training with a seed of its own, on all rows or on those of a fold. Each of the bootstrap's draws takes
clusters of rows (all that hang on one term, or one premise) with replacement, the same ones for all systems, which is
what pairs them (Efron & Tibshirani, 1993; Dror et al., 2018, for NLP), and runs of each system with replacement, as
a seed moves a figure as far as other test rows do (Bouthillier et al., 2021).

Three things keep an interval from being too narrow or too wide:

- Runs differ by their seeds and by the rows they happen to get right. The latter is in the clusters' draws already, so
  resampling both doubles it and more (Owen, 2007). Its share is known from the draws, and the deviations of the drawn
  runs are shrunk by it (Davison & Hinkley, 1997, §3.8).
- One run less is drawn than there are, which makes the variance of a mean of few unbiased (McCarthy & Snowden, 1985).
- Percentiles of few runs or clusters are too narrow: they are widened by Student's t over the normal quantile, with
  degrees of freedom of both together (Welch, 1947; Satterthwaite, 1946).

A system with one run a fold has no seeds to draw from, and its interval says nothing of other ones. How far other
training rows would move a figure is in no interval: folds share most of theirs, so nothing tells it
(Bengio & Grandvalet, 2004).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.evaluation.agreement import MISSING
from engine.evaluation.metrics import Floats, Ints

CELLS = 2**23
"""Weights, or counts, held at once: 64 MB of them."""
FIGURES = ("accuracy", "macro_f1")
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """What the draws made of one system; figures are in the order of `FIGURES`."""

    estimate: Floats
    """The mean over its runs, shape (2,)."""
    draws: Floats
    """Shape (resamples, 2)."""
    seeds: Floats
    """Variance that its seeds bring into the draws, shape (2,)."""
    doubt: Floats
    """Sum of squared variances between runs over their degrees of freedom, shape (2,), for Satterthwaite's formula."""


def draw(
    labels: Ints, predicted: Mapping[str, Ints], clusters: Ints | None, seed: int, resamples: int
) -> tuple[dict[str, Drawn], int]:
    """Draw clusters and runs for all systems together.

    Args:
        labels: True class numbers, shape (n,).
        predicted: System → predicted classes of its runs, shape (runs, n), or (n,) for a single run. Systems may have
            different numbers of runs. `MISSING` stands where a row is in no part of a run; runs with the same rows are
            seeds of one fold, and folds count alike.
        clusters: Number of what each row hangs on, shape (n,); without them each row stands for itself.
        seed: Of the draws.
        resamples: How many draws.

    Returns:
        Each system's draws, and how many clusters there are.

    Raises:
        DataError: Systems weren't run on the same rows, or on none.
    """
    runs = {name: np.atleast_2d(one) for name, one in predicted.items()}
    kept = _shared_rows(labels, runs)
    rows = np.unique(np.flatnonzero(kept) if clusters is None else clusters[kept], return_inverse=True)[1]
    generator = np.random.default_rng(seed)
    stacked = np.concatenate([one[:, kept] for one in runs.values()])
    full, moved = _figures(labels[kept], stacked, rows, resamples, generator)
    systems, start = {}, 0
    for name, one in runs.items():
        own = slice(start, start := start + len(one))
        systems[name] = _resample(full[own], moved[:, own], one != MISSING, generator)
    return systems, int(rows.max()) + 1


def measure(labels: Ints, runs: Ints) -> Floats:
    """Accuracy and macro F1 of each run on its own rows, shape (runs, 2)."""
    return _figures(labels, runs, np.zeros_like(labels), 0, np.random.default_rng(0))[0]


def _shared_rows(labels: Ints, runs: Mapping[str, Ints]) -> Bools:
    """Which rows every system was run on, shape (n,)."""
    covered = [(one != MISSING).any(axis=0) for one in runs.values()]
    if any(one.shape != labels.shape or (one != covered[0]).any() for one in covered):
        raise DataError("Systems can be compared on the same rows alone, and these were run on different ones.")
    if not covered or not covered[0].any():
        raise DataError("There are no rows to compare systems on.")
    return covered[0]


def _figures(
    labels: Ints, runs: Ints, clusters: Ints, resamples: int, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Accuracy and macro F1 of each run, shape (runs, 2), and of each run in each draw, (resamples, runs, 2).

    Both follow from how many rows of a class a run hits, and how many are of it or called so: counts of the clusters,
    of which a draw's are one product with how often it took each.
    """
    classes, clustered = int(max(labels.max(), runs.max())) + 1, int(clusters.max()) + 1
    shape = (clustered, 2, classes, len(runs))
    place, row = np.nonzero(runs != MISSING)
    truth, guess, cluster = labels[row], runs[place, row], clusters[row]
    hit = truth == guess
    cells = [
        np.ravel_multi_index((cluster[hit], np.zeros_like(place[hit]), truth[hit], place[hit]), shape),
        *(np.ravel_multi_index((cluster, np.ones_like(place), one, place), shape) for one in (truth, guess)),
    ]
    counts = np.bincount(np.concatenate(cells), minlength=math.prod(shape)).reshape(shape).astype(np.float64)
    # A class without rows in a fold has no part in the fold's macro F1.
    present = np.bincount(truth * len(runs) + place, minlength=classes * len(runs)).reshape(classes, -1) > 0
    full = _score(counts.sum(axis=0, keepdims=True), present)[0]
    moved = np.empty((resamples, len(runs), 2))
    step = max(1, CELLS // max(clustered, counts[0].size))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(0, clustered, (size, clustered)) + clustered * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
        product = weights @ counts.reshape(clustered, -1)
        moved[start : start + size] = _score(product.reshape(size, *counts.shape[1:]), present)
    # A draw that left a fold without rows says nothing of it.
    return full, np.where(np.isnan(moved), full, moved)


def _score(counts: Floats, present: Bools) -> Floats:
    """Accuracy and macro F1 of each draw and run, shape (draws, runs, 2), NaN where there are no rows.

    Args:
        counts: Hits, and rows of a class or called so, shape (draws, 2, classes, runs).
        present: Which classes have rows, shape (classes, runs).
    """
    hits, both = counts[:, 0], counts[:, 1]
    total = both.sum(axis=1) / 2
    f1 = (2 * hits / np.maximum(both, 1) * present).sum(axis=1) / present.sum(axis=0)
    return np.where(total > 0, np.stack([hits.sum(axis=1) / np.maximum(total, 1), f1]), np.nan).transpose(1, 2, 0)


def _resample(full: Floats, moved: Floats, support: Bools, generator: np.random.Generator) -> Drawn:
    """One system's draws: the mean over folds of the mean over the runs drawn in each.

    Args:
        full: Figures of its runs, shape (runs, 2).
        moved: The same in each draw of clusters, shape (resamples, runs, 2).
        support: Which rows each run was on, shape (runs, n).
        generator: Draws the runs.
    """
    known: dict[bytes, int] = {}
    # NumPy's own way to tell rows of a matrix apart takes as long as all else together.
    folds = np.array([known.setdefault(one.tobytes(), len(known)) for one in support])
    share = 1 / len(known)
    estimate, draws = np.zeros(2), np.zeros((len(moved), 2))
    seeds, doubt = np.zeros(2), np.zeros(2)
    for fold in known.values():
        own, by_draw = full[folds == fold], moved[:, folds == fold]
        size, mean = len(own), by_draw.mean(axis=1)
        estimate += share * own.mean(axis=0)
        draws += share * mean
        if size == 1:
            continue
        between = own.var(axis=0, ddof=1) / size
        by_rows = (by_draw - mean[:, None]).var(axis=0).sum(axis=0) / (size - 1) / size
        by_seed = np.maximum(0, between - by_rows)
        shrunk = np.sqrt(by_seed / np.where(between > 0, between, 1))
        picked = generator.multinomial(size - 1, np.full(size, 1 / size), len(moved)) / (size - 1)
        draws += share * shrunk * (picked @ own - own.mean(axis=0))
        seeds += share**2 * by_seed
        doubt += share**4 * between**2 / (size - 1)
    return Drawn(estimate, draws, seeds, doubt)


def interval(estimate: Floats, draws: Floats, seeds: Floats, doubt: Floats, clusters: int) -> tuple[Floats, Floats]:
    """Ends of the 95 % intervals of figures, or of their differences, each of shape (2,).

    Args:
        estimate: The figures, shape (2,).
        draws: What the draws made of them, shape (resamples, 2).
        seeds: See `Drawn`; of a difference, the sum of both systems'.
        doubt: The same.
        clusters: How many there are.
    """
    # scipy.stats has both under plainer names, and takes a second to import.
    from scipy.special import ndtri, stdtrit

    ends = np.percentile(draws, (2.5, 97.5), axis=0)
    whole = draws.var(axis=0)
    by_rows = np.maximum(whole - seeds, 0)
    doubt = by_rows**2 / max(1, clusters - 1) + doubt
    freedom = whole**2 / np.where(doubt > 0, doubt, 1)
    wider = stdtrit(np.maximum(1, freedom), 0.975) / ndtri(0.975) * np.sqrt(clusters / max(1, clusters - 1))
    low, high = estimate + wider * (ends - estimate)
    return low, high
