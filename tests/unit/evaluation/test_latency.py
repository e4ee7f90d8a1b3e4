"""Latency: warm calls, one input at a time, and a throughput on batches."""

import time
from collections.abc import Sequence

import pytest

from engine.evaluation.latency import WARM_UP, measure_latency

INPUTS = [("krótko",), ("trochę dłuższe zdanie na próbę",), ("a to już jest zdanie, które ciągnie się i ciągnie",)]


class Sleeper:
    """A classifier whose speed is known: start-up in the first call, then 2 ms a call and 1 ms a row."""

    def __init__(self, start_up: float = 0.0) -> None:
        self.start_up = start_up
        self.calls: list[list[tuple[str, ...]]] = []

    def __call__(self, inputs: Sequence[tuple[str, ...]]) -> None:
        self.calls.append(list(inputs))
        time.sleep(0.002 + 0.001 * len(inputs) + (self.start_up if len(self.calls) == 1 else 0.0))


def test_milliseconds_are_those_of_one_call() -> None:
    assert 3.0 <= measure_latency(Sleeper(), INPUTS, calls=15, batch=4).p50_ms < 12


def test_the_first_call_pays_for_start_up_and_is_not_timed() -> None:
    assert measure_latency(Sleeper(start_up=0.5), INPUTS, calls=4, batch=4).p95_ms < 300


def test_slow_calls_show_in_the_95th_percentile_alone() -> None:
    def sometimes_slow(inputs: Sequence[tuple[str, ...]]) -> None:
        time.sleep(0.2 if inputs == [INPUTS[2]] else 0.001)

    timed = [INPUTS[0]] * 8 + [INPUTS[2]]
    latency = measure_latency(sometimes_slow, timed, calls=18, batch=2)
    assert latency.p50_ms < 100 < 200 <= latency.p95_ms


def test_throughput_is_measured_on_whole_batches() -> None:
    latency = measure_latency(Sleeper(), INPUTS, calls=3, batch=30)
    # 30 rows in 32 ms; one at a time they would take 90 ms.
    assert 1000 / 3 < latency.samples_per_second <= 30 / 0.032


def test_every_timed_call_has_one_input() -> None:
    sleeper = Sleeper()
    measure_latency(sleeper, INPUTS, calls=7, batch=4)
    singles, batches = sleeper.calls[: WARM_UP + 7], sleeper.calls[WARM_UP + 7 :]
    assert {len(call) for call in singles} == {1}
    assert {len(call) for call in batches} == {4}


def test_inputs_of_all_lengths_take_their_turns() -> None:
    sleeper = Sleeper()
    measure_latency(sleeper, INPUTS, calls=6, batch=3)
    timed = [call[0] for call in sleeper.calls[WARM_UP : WARM_UP + 6]]
    assert timed == INPUTS * 2


def test_one_input_is_enough() -> None:
    assert measure_latency(Sleeper(), INPUTS[:1], calls=4, batch=4).calls == 4


def test_plain_values_have_units_in_their_names() -> None:
    plain = measure_latency(Sleeper(), INPUTS, calls=3, batch=2).as_dict()
    assert list(plain) == ["p50_ms", "p95_ms", "samples_per_second", "calls", "batch_p50_ms", "batch_p95_ms"]


def test_a_sample_in_a_batch_is_timed_by_itself() -> None:
    latency = measure_latency(Sleeper(), INPUTS, calls=3, batch=30)
    # 30 rows in 32 ms.
    assert 32 / 30 <= latency.batch_p50_ms <= latency.batch_p95_ms < 3
    assert latency.samples_per_second == pytest.approx(1000 / latency.batch_p50_ms)
