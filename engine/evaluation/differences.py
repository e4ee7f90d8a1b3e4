"""By how much systems differ on the same rows, each measured in one run or several: pure functions over arrays.

Draws of the paired bootstrap are `engine.evaluation.resampling`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from engine.evaluation.metrics import Ints
from engine.evaluation.resampling import FIGURES, Drawn, draw, interval
from engine.evaluation.significance import is_flat, wilson_interval

RESAMPLES = 2000
POINT = 0.01
"""Systems whose difference is surely smaller are called equal."""


class Verdict(StrEnum):
    """What an interval says of two systems."""

    FIRST = "first better"
    SECOND = "second better"
    EQUAL = "equal within a point"
    UNCLEAR = "no clear difference"


@dataclass(frozen=True)
class Difference:
    """The first system's figure less the second's, each the mean over its runs."""

    estimate: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    verdict: Verdict
    is_flat: bool
    """Whether all draws gave the same, as where both answer all rows alike: the interval then has no width, and the
    verdict goes by how many clusters there are."""
    resamples: int


Pair = tuple[str, str]


def measure_differences(
    labels: Ints,
    predicted: Mapping[str, Ints],
    clusters: Ints | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[Pair, dict[str, Difference]]:
    """Compare every two systems by accuracy and by macro F1 (of the classes that have rows).

    Args:
        labels: True class numbers, shape (n,).
        predicted: System → predicted classes of its runs, see `resampling.draw`.
        clusters: Number of what each row hangs on, shape (n,); without them each row stands for itself.
        seed: Of the draws.
        resamples: How many draws.

    Returns:
        (first, second) → `accuracy` and `macro_f1` → their difference, for all pairs in the order given.

    Raises:
        DataError: Systems weren't run on the same rows, or on none.
    """
    systems, count = draw(labels, predicted, clusters, seed, resamples)
    return {(a, b): _compare(systems[a], systems[b], count) for a, b in combinations(systems, 2)}


def _compare(first: Drawn, second: Drawn, clusters: int) -> dict[str, Difference]:
    estimate, draws = first.estimate - second.estimate, first.draws - second.draws
    low, high = interval(estimate, draws, first.seeds + second.seeds, first.doubt + second.doubt, clusters)
    return {
        name: _judge(float(estimate[at]), float(low[at]), float(high[at]), clusters, len(draws))
        for at, name in enumerate(FIGURES)
    }


def _judge(estimate: float, low: float, high: float, clusters: int, resamples: int) -> Difference:
    """The difference with its verdict.

    Without any spread in the draws, other clusters may still be unlike those seen: a share of them that Wilson's
    interval leaves open could bring any difference at all.
    """
    no_width = is_flat((low, high))
    if no_width:
        alike = wilson_interval(clusters, clusters)[0]
        bounds = alike * estimate - (1 - alike), alike * estimate + (1 - alike)
        low = high = estimate
    else:
        low, high = bounds = max(-1.0, low), min(1.0, high)
    return Difference(estimate, low, high, _verdict(*bounds), no_width, resamples)


def _verdict(low: float, high: float) -> Verdict:
    if low > 0:
        return Verdict.FIRST
    if high < 0:
        return Verdict.SECOND
    return Verdict.EQUAL if low > -POINT and high < POINT else Verdict.UNCLEAR
