"""How long an answer takes: warm, one text at a time and in batches."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a model's own work, tokenising included."""

    p50_ms: float
    p95_ms: float
    samples_per_second: float
    calls: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the store."""
        return {
            "p50_ms": self.p50_ms,
            "p95_ms": self.p95_ms,
            "samples_per_second": self.samples_per_second,
            "calls": self.calls,
        }


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
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        classify(many)
        rates.append(batch / (time.perf_counter() - start))
    p50, p95 = np.percentile(single, (50, 95))
    return Latency(float(p50), float(p95), float(np.median(rates)), calls)
