"""The scheduler runs answers on threads: cheap models first, slow ones where they are in nobody's way."""

import itertools
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from engine.machine import serve_on_one_thread

SLOW_MS = 500.0
"""What a call takes in a slow model."""
PATIENCE = 20.0
"""A quick call may wait for so many times what it takes, before quick calls that came later go first."""
QUICK_MS = 5.0
"""What a call takes at most in a quick model."""
HEAD_START = 2.0
"""Seconds by which a quick call may come later than another, and still goes first."""


@dataclass(order=True)
class _Call:
    due: float
    number: int
    key: Hashable = field(compare=False)
    work: Callable[[], Any] = field(compare=False)
    future: "Future[Any]" = field(compare=False)


class _Lane:
    """Threads, and the calls that wait for them by when they are due."""

    def __init__(self, threads: int, name: str) -> None:
        self.pool = ThreadPoolExecutor(threads, name, initializer=serve_on_one_thread)
        self.waiting: list[_Call] = []


class Scheduler(Executor):
    """Runs all visitors' calls, so that models never outnumber the cores by more than one.

    Calls go by when they are due. Quick ones are due soon, by what they are expected to take, `PATIENCE` times (Bender
    et al., 1998, on the stretch of jobs); all others `HEAD_START` after they came. So under load everybody sees quick
    models answer at once, and has the last answer in the order of coming: were costly calls put off by what they take,
    nobody would have all answers before all were nearly done. A model whose calls take longer than
    `SLOW_MS`, or which isn't open yet, has a thread of its own with its like: it can hold up nothing else, and the
    system shares the cores out.
    """

    def __init__(self, threads: int) -> None:
        """Keep so many threads for calls that aren't slow."""
        self._quick = _Lane(threads, "classify")
        self._slow = _Lane(1, "classify-slow")
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._expected: dict[Hashable, float] = {}

    def expect(self, key: Hashable, ms: float) -> None:
        """Say what a call of this model is thought to take, where none has been seen yet."""
        self._expected.setdefault(key, ms)

    def learn(self, key: Hashable, ms: float) -> None:
        """Say what a call of this model took; what is expected moves half the way."""
        self._expected[key] = (self._expected.get(key, ms) + ms) / 2

    def is_slow(self, key: Hashable) -> bool:
        """Whether its calls go to the slow lane."""
        return self._expected.get(key, 0.0) > SLOW_MS

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        with self._lock:
            return len(self._quick.waiting) + len(self._slow.waiting)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have any other work done among the models' calls; what it takes is learned by its function."""

        def timed() -> Any:
            start = time.perf_counter()
            try:
                return fn(*args, **kwargs)
            finally:
                self.learn(fn, (time.perf_counter() - start) * 1000)

        return self.call(fn, timed)

    def call(self, key: Hashable, work: Callable[[], Any], slow: bool = False) -> "Future[Any]":
        """Have a model's work done when it is due; with `slow`, in the slow lane whatever is expected."""
        expected = self._expected.get(key, 0.0)
        due = time.monotonic() + (PATIENCE * expected / 1000 if expected <= QUICK_MS else HEAD_START)
        call = _Call(due, next(self._numbers), key, work, Future())
        self._put(self._slow if slow or self.is_slow(key) else self._quick, call)
        return call.future

    def _put(self, lane: _Lane, call: _Call) -> None:
        with self._lock:
            heappush(lane.waiting, call)
        # One turn for each call; which call it is for is seen when it comes.
        lane.pool.submit(self._turn, lane)

    def _turn(self, lane: _Lane) -> None:
        with self._lock:
            call = heappop(lane.waiting)
        if lane is self._quick and self.is_slow(call.key):
            # That wasn't known when it came.
            self._put(self._slow, call)
            return
        if not call.future.set_running_or_notify_cancel():
            return
        try:
            result = call.work()
        except BaseException as error:
            call.future.set_exception(error)
        else:
            call.future.set_result(result)
