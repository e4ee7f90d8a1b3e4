"""The lanes that models answer in: cheap calls first, slow models in nobody's way."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import wait
from typing import Any

import pytest

from engine.data.tasks import SLANG
from engine.paths import Places
from engine.serving.answers import Answer, classify_all, classify_in_bursts
from engine.serving.registry import Registry
from engine.serving.runtime import Served
from engine.serving.scheduler import SLOW_MS, Scheduler

TEXT = ["ale kozak, serio"]


@pytest.fixture
def lanes() -> Scheduler:
    """One thread for calls that aren't slow."""
    return Scheduler(1)


class Gate:
    """Work that goes on when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.open.wait(20)
        return "passed"


def test_a_cheap_call_goes_before_costly_ones_that_came_earlier(lanes: Scheduler) -> None:
    lanes.expect("cheap", 1)
    lanes.expect("costly", 100)
    gate, order = Gate(), list[str]()
    held = lanes.call("gate", gate)
    gate.begun.wait(20)
    calls = [lanes.call(name, lambda name=name: order.append(name)) for name in ("costly", "costly", "cheap")]
    gate.open.set()
    wait([held, *calls], 20)
    assert order == ["cheap", "costly", "costly"]


def test_a_costly_call_is_not_put_off_for_ever(lanes: Scheduler) -> None:
    lanes.expect("cheap", 1)
    lanes.expect("costly", 5)
    gate, order = Gate(), list[str]()
    held = lanes.call("gate", gate)
    gate.begun.wait(20)
    first = lanes.call("costly", lambda: order.append("costly"))
    time.sleep(0.15)
    later = lanes.call("cheap", lambda: order.append("cheap"))
    gate.open.set()
    wait([held, first, later], 20)
    assert order == ["costly", "cheap"], "it has waited for more than its share"


def test_costly_calls_are_answered_in_the_order_of_coming_whatever_they_cost(lanes: Scheduler) -> None:
    lanes.expect("dear", 400)
    lanes.expect("costly", 10)
    gate, order = Gate(), list[str]()
    held = lanes.call("gate", gate)
    gate.begun.wait(20)
    asked = ("dear", "costly", "costly", "dear", "costly")
    calls = [lanes.call(name, lambda name=name: order.append(name)) for name in asked]
    gate.open.set()
    wait([held, *calls], 20)
    assert order == list(asked), "who came first would have all answers last"


def test_quick_calls_put_costly_ones_off_for_a_while_only(lanes: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.serving.scheduler.HEAD_START", 0.1)
    lanes.expect("quick", 1)
    lanes.expect("costly", 100)
    gate, order = Gate(), list[str]()
    held = lanes.call("gate", gate)
    gate.begun.wait(20)
    calls = [lanes.call("costly", lambda: order.append("costly"))]
    calls.append(lanes.call("quick", lambda: order.append("quick")))
    time.sleep(0.15)
    calls.append(lanes.call("quick", lambda: order.append("late")))
    gate.open.set()
    wait([held, *calls], 20)
    assert order == ["quick", "costly", "late"]


def test_slow_work_leaves_the_other_lane_free(lanes: Scheduler) -> None:
    lanes.expect("slow", SLOW_MS + 1)
    gate = Gate()
    held = [lanes.call("slow", gate), lanes.call("unopened", gate, slow=True)]
    assert gate.begun.wait(20)
    assert lanes.call("quick", lambda: 7).result(20) == 7
    assert not held[0].done()
    gate.open.set()
    assert [one.result(20) for one in held] == ["passed", "passed"]


def test_calls_of_a_model_that_turns_out_slow_change_lanes_while_they_wait(lanes: Scheduler) -> None:
    gate, slow = Gate(), Gate()
    held = lanes.call("gate", gate)
    gate.begun.wait(20)
    waiting = [lanes.call("model", slow) for _ in range(3)]
    lanes.learn("model", 10 * SLOW_MS)
    gate.open.set()
    assert slow.begun.wait(20)
    assert lanes.call("quick", lambda: 7).result(20) == 7
    slow.open.set()
    assert [one.result(20) for one in (held, *waiting)] == ["passed"] * 4


def test_a_cancelled_call_is_never_made(lanes: Scheduler) -> None:
    gate, made = Gate(), list[int]()
    held = lanes.call("gate", gate)
    gate.begun.wait(20)
    given_up = lanes.call("model", lambda: made.append(1))
    assert given_up.cancel()
    gate.open.set()
    held.result(20)
    assert lanes.call("model", lambda: 7).result(20) == 7
    assert made == []


def test_an_error_comes_back_to_who_asked_and_the_lane_goes_on(lanes: Scheduler) -> None:
    with pytest.raises(ZeroDivisionError):
        lanes.submit(lambda: 1 / 0).result(20)
    assert lanes.submit(pow, 2, 3).result(20) == 8


def test_other_work_that_takes_long_learns_to_stand_aside(lanes: Scheduler) -> None:
    lanes.learn(pow, 3 * SLOW_MS)
    assert lanes.is_slow(pow)
    assert lanes.submit(pow, 2, 3).result(20) == 8
    lanes.submit(pow, 2, 3).result(20)
    lanes.submit(pow, 2, 3).result(20)
    assert not lanes.is_slow(pow), "it has been quick three times"


class Slow:
    """A model that thinks for a second, and from then on until it is let."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.seconds = 1.0
        self.open = threading.Event()
        self.at_once = threading.Lock()

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Any = None) -> Any:
        """The inner one's, late."""
        return self.answer(inputs, tick)[0]

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Any = None) -> Any:
        """The inner one's, late."""
        assert self.at_once.acquire(blocking=False), "it answers one visitor after the other"
        try:
            time.sleep(self.seconds)
            self.seconds = 0
            assert self.open.wait(20)
            return self.inner.answer(inputs, tick)
        finally:
            self.at_once.release()

    def parameters(self) -> Any:
        """The inner one's."""
        return self.inner.parameters()


@pytest.fixture
def registry(trained: Places) -> Registry:
    """Trained models, opened."""
    made = Registry(trained.checkpoints)
    for one in made.models("slang"):
        made.served(one)
    return made


@pytest.fixture
def slow(registry: Registry) -> Slow:
    """What `scratch` has become."""
    slot = registry._opened[registry.find("slang", "scratch").folder]
    assert slot.served is not None
    slow = Slow(slot.served.classifier)
    slot.served = Served(slow, slot.served.runtime)
    # The first answer shows how slow it is.
    slow.open.set()
    list(classify_all(registry, SLANG, TEXT, registry.models("slang")))
    slow.open.clear()
    return slow


def test_a_slow_model_holds_up_neither_the_others_nor_other_visitors(registry: Registry, slow: Slow) -> None:
    models = registry.models("slang")
    answers: list[list[str]] = [[] for _ in range(4)]
    quick = [threading.Event() for _ in answers]

    def visit(number: int) -> None:
        for answer in classify_all(registry, SLANG, TEXT, models):
            assert isinstance(answer, Answer)
            answers[number].append(answer.model)
            if len(answers[number]) == len(models) - 1:
                quick[number].set()

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(len(answers))]
    for one in visitors:
        one.start()
    assert all(one.wait(20) for one in quick), "three models of four visitors wait for the slow one"
    slow.open.set()
    for one in visitors:
        one.join(30)
    assert [one[-1] for one in answers] == ["scratch"] * 4
    assert [len(one) for one in answers] == [len(models)] * 4


def test_bursts_show_the_first_answer_at_once_and_never_keep_one_back(registry: Registry, slow: Slow) -> None:
    models = registry.models("slang")
    seen: list[list[str]] = []
    for burst in classify_in_bursts(registry, SLANG, TEXT, models, 0.1):
        # Where a machine is busy, nothing may have come yet.
        if burst:
            seen.append([answer.model for answer in burst])
        if sum(map(len, seen)) == len(models) - 1:
            slow.open.set()
    names = [name for burst in seen for name in burst]
    assert sorted(names) == sorted(one.name for one in models)
    assert names[-1] == "scratch", "they don't wait for the slow one"
    assert 1 <= len(seen[0]) < len(models)
    patient = classify_in_bursts(registry, SLANG, TEXT, models, 600)
    assert next(patient), "what is there is shown, and nothing is waited for"


def test_where_nothing_comes_soon_a_burst_is_empty(registry: Registry, slow: Slow) -> None:
    bursts = []
    for burst in classify_in_bursts(registry, SLANG, TEXT, [registry.find("slang", "scratch")], 0.1):
        bursts.append(len(burst))
        slow.open.set()
    assert bursts == [0, 1]
