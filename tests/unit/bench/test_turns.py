"""Measurements in turns: their order, their failures, their ratios, and the record beside them."""

import json
import time

import pytest

from engine.bench.turns import BenchRecord
from engine.data.sources import TaskData
from engine.errors import OdzeraError, RecipeError
from engine.evaluation.turns import Turns, order_turns, take_turns, time_calls
from engine.processes.others import Clocks, share_of_others


class Fake:
    """Systems that take so many seconds, by a clock of their own, and note who was asked when."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[tuple[int, str]] = []

    def measure(self, system: str, turn: int) -> float:
        """Slower by a tenth in every round."""
        self.asked.append((turn, system))
        if self.seconds[system] < 0:
            raise RecipeError(f"{system} can't.")
        return self.seconds[system] * (1 + turn / 10)


def test_systems_are_measured_forwards_and_backwards_by_turns() -> None:
    fake = Fake(a=1, b=2, c=3)
    ticks: list[tuple[int, int]] = []
    take_turns(("a", "b", "c"), 3, fake.measure, lambda done, total: ticks.append((done, total)))
    assert "".join(system for _, system in fake.asked) == "abccbaabc"
    assert [turn for turn, _ in fake.asked] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert ticks == [(done, 9) for done in range(1, 10)]
    assert list(order_turns((), 3)) == []


def test_medians_minima_and_ratios_are_over_the_rounds() -> None:
    found = take_turns(("fast", "slow"), 3, Fake(fast=1, slow=4).measure)
    assert found.figures("slow", float) == pytest.approx([4, 4.4, 4.8])
    assert found.median("slow", float) == pytest.approx(4.4)
    assert found.minimum("slow", float) == 4
    assert found.ratio("fast", "slow", float) == pytest.approx(4)
    assert found.ratios("fast", "slow", float) == pytest.approx([4, 4, 4])


def test_a_system_that_slows_down_with_the_machine_is_compared_round_by_round() -> None:
    found: Turns[str, dict[str, float]] = Turns({"ours": [{"s": 1.0}, {"s": 3.0}], "theirs": [{"s": 2.0}, {"s": 9.0}]})
    assert found.ratios("ours", "theirs", lambda one: one["s"]) == [2, 3]
    assert found.ratio("ours", "theirs", lambda one: one["s"]) == pytest.approx(5.5 / 2)


def test_a_system_that_fails_leaves_the_others() -> None:
    fake = Fake(a=1, broken=-1, c=3)
    ticks: list[int] = []
    found = take_turns(("a", "broken", "c"), 4, fake.measure, lambda done, _: ticks.append(done))
    assert found.failures == {"broken": "broken can't."}
    assert {name: len(rows) for name, rows in found.results.items()} == {"a": 4, "c": 4}
    assert [system for _, system in fake.asked].count("broken") == 1, "it isn't asked again"
    assert ticks[-1] == 12
    assert found.ratio("a", "broken", float) is None
    assert found.ratios("a", "broken", float) == []


def test_a_system_that_fails_in_a_later_round_has_no_results() -> None:
    def measure(system: str, turn: int) -> int:
        if (system, turn) == ("late", 2):
            raise OdzeraError("It broke.")
        return turn

    found = take_turns(("late", "sound"), 3, measure)
    assert found.results == {"sound": [0, 1, 2]}
    assert found.failures == {"late": "It broke."}


def test_where_every_system_fails_the_first_reason_is_said() -> None:
    with pytest.raises(OdzeraError, match=r"^a can't\.$"):
        take_turns(("a", "b"), 2, Fake(a=-1, b=-1).measure)


def test_calls_are_timed_one_after_the_other_and_the_first_of_each_is_not() -> None:
    called: list[str] = []
    found = time_calls({"x": lambda: called.append("x"), "y": lambda: called.append("y")}, 2)
    assert "".join(called) == "xy" + "xyxy"
    assert {name: len(times) for name, times in found.results.items()} == {"x": 2, "y": 2}
    slept = time_calls({"nap": lambda: time.sleep(0.02)}, 3)
    assert 20 <= slept.minimum("nap", float) <= slept.median("nap", float)


def test_a_record_says_where_when_and_how_it_was_measured(slang: TaskData) -> None:
    found = BenchRecord("odzera bench nothing", slang).close(threads=1, rounds=2, rows=[])
    assert found["task"] == "slang"
    assert found["fingerprint"] == slang.fingerprint
    assert found["machine"]["threads"] == 1
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["device_name"]
    assert found["machine"]["packages"]["torch"]
    assert found["created"].startswith("20")
    assert found["command"] == "odzera bench nothing"
    assert 0 <= found["others_cpu_share"] <= 1
    assert (found["rounds"], found["rows"]) == (2, [])
    json.dumps(found)


def test_others_have_the_busy_time_that_is_not_our_own() -> None:
    before = Clocks(every=100, busy=40, own=5)
    assert share_of_others(before, Clocks(every=120, busy=52, own=10)) == pytest.approx(7 / 20)
    assert share_of_others(before, Clocks(every=120, busy=44, own=10)) == 0, "clocks tick at different moments"
    assert share_of_others(before, before) == 0
