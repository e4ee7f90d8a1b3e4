"""How long an answer takes: warm, one text at a time and in batches."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

WARM_UP = 3
MOST_BATCHES = 20
BATCH_SECONDS = 5.0
"""Batches are timed until there are enough of them, or for so long."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a model's own work, tokenising included."""

    p50_ms: float
    p95_ms: float
    samples_per_second: float
    calls: int
    batch_p50_ms: float
    """Milliseconds a sample in batches of 32."""
    batch_p95_ms: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the store."""
        return asdict(self)


def measure_latency(
    classify: Callable[[Sequence[tuple[str, ...]]], object],
    inputs: Sequence[tuple[str, ...]],
    calls: int = 50,
    batch: int = 32,
) -> Latency:
    """Time `classify` on single inputs, and its throughput on batches of `batch`.

    Args:
        classify: Takes a list of inputs.
        inputs: Real inputs of mixed lengths, at least one.
        calls: Timed calls with one input each, after `WARM_UP` calls that aren't timed.
        batch: Inputs in one throughput call.
    """
    for place in range(WARM_UP):
        # The first calls pay for allocation and thread start-up, so they are not timed.
        classify([inputs[place % len(inputs)]])
    single = []
    for place in range(calls):
        start = time.perf_counter()
        classify([inputs[place % len(inputs)]])
        single.append((time.perf_counter() - start) * 1000)
    many = [inputs[place % len(inputs)] for place in range(batch)]
    together: list[float] = []
    while len(together) < 3 or (len(together) < MOST_BATCHES and sum(together) < BATCH_SECONDS * 1000):
        start = time.perf_counter()
        classify(many)
        together.append((time.perf_counter() - start) * 1000)
    p50, p95 = np.percentile(single, (50, 95))
    batch_p50, batch_p95 = np.percentile(together, (50, 95)) / batch
    return Latency(float(p50), float(p95), float(1000 / batch_p50), calls, float(batch_p50), float(batch_p95))
