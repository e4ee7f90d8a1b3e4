"""Measurements in turns: each system once a round, forwards and backwards, and their medians, minima and ratios.

A machine that slows down, warms up or is used by others meets all systems alike, as none of them has a time of its own.
"""

import statistics
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engine.errors import OdzeraError

System = TypeVar("System", bound=Hashable)
Result = TypeVar("Result")
Tick = Callable[[int, int], None]
"""Called with the measurements done and those there are."""


@dataclass(frozen=True)
class Turns(Generic[System, Result]):
    """What was measured of each system, round by round."""

    results: dict[System, list[Result]] = field(default_factory=dict)
    """System → its result of each round; those that failed aren't here."""
    failures: dict[System, str] = field(default_factory=dict)
    """System → why it couldn't be measured."""

    def figures(self, system: System, read: Callable[[Result], float]) -> list[float]:
        """A figure of each round."""
        return [read(result) for result in self.results[system]]

    def median(self, system: System, read: Callable[[Result], float]) -> float:
        """Median of a figure over the rounds."""
        return statistics.median(self.figures(system, read))

    def minimum(self, system: System, read: Callable[[Result], float]) -> float:
        """Least of a figure over the rounds."""
        return min(self.figures(system, read))

    def ratio(self, system: System, base: System, read: Callable[[Result], float]) -> float | None:
        """Median of `base` over that of a system: how many times as fast it is; None where the base failed."""
        return self.median(base, read) / self.median(system, read) if base in self.results else None

    def ratios(self, system: System, base: System, read: Callable[[Result], float]) -> list[float]:
        """The base's figure over the system's in each round; empty where the base failed."""
        theirs = self.figures(base, read) if base in self.results else []
        return [one / own for one, own in zip(theirs, self.figures(system, read), strict=bool(theirs))]


def order_turns(systems: Sequence[System], rounds: int) -> Iterator[tuple[int, System]]:
    """Round and system of each measurement: forwards in even rounds, backwards in odd ones."""
    for turn in range(rounds):
        for system in systems[:: -1 if turn % 2 else 1]:
            yield turn, system


def take_turns(
    systems: Sequence[System], rounds: int, measure: Callable[[System, int], Result], tick: Tick | None = None
) -> Turns[System, Result]:
    """Measure every system once a round, in turns.

    A system that fails is left out of the rounds to come, and its results so far with it; the others go on.

    Args:
        systems: What to measure.
        rounds: How often.
        measure: Called with the system and the number of the round.
        tick: Told of each measurement.

    Raises:
        OdzeraError: Every system failed; the message is the first one's.
    """
    found: Turns[System, Result] = Turns()
    total = rounds * len(systems)
    for done, (turn, system) in enumerate(order_turns(systems, rounds), start=1):
        if system not in found.failures:
            try:
                found.results.setdefault(system, []).append(measure(system, turn))
            except OdzeraError as error:
                found.failures[system] = str(error)
                found.results.pop(system, None)
                if len(found.failures) == len(systems):
                    raise OdzeraError(next(iter(found.failures.values()))) from error
        if tick:
            tick(done, total)
    return found


def time_calls(calls: Mapping[System, Callable[[], object]], rounds: int) -> Turns[System, float]:
    """Milliseconds of each call, one after the other in every round, after one of each that isn't timed.

    Always forwards: backwards, a call of under a millisecond would follow itself at the end of each round, and find its
    own weights in the processor's cache.
    """
    for call in calls.values():
        call()
    found: Turns[System, float] = Turns({name: [] for name in calls})
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            found.results[name].append((time.perf_counter() - start) * 1000)
    return found
