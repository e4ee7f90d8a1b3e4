"""The harness of every benchmark: systems measured in turns, each measurement a process of its own, and a record of it.

The record says what can't be told from the figures: the processor, its cores, the versions, the date, the command, and
what else the machine did meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch

from engine import __version__
from engine.data.sources import TaskData
from engine.evaluation.turns import System, Tick, Turns, take_turns
from engine.machine import describe_machine, now
from engine.processes import OtherWork, call_apart, cores

Result = TypeVar("Result")


def measure_apart(
    work: Callable[..., Result],
    systems: Sequence[System],
    rounds: int,
    given: Callable[[System, int], tuple[Any, ...]],
    tick: Tick | None = None,
) -> Turns[System, Result]:
    """Measure systems in turns, each measurement in a process of its own.

    Args:
        work: A function of a module, so that the process can import it; its result travels back.
        systems: What to measure.
        rounds: How often.
        given: System and number of the round → what `work` is called with.
        tick: Told of each measurement.

    Raises:
        OdzeraError: Every system failed.
    """
    return take_turns(systems, rounds, lambda system, turn: call_apart(work, *given(system, turn)), tick)


class BenchRecord:
    """What a benchmark keeps beside its figures, from its start to its end."""

    def __init__(self, command: str, data: TaskData | None = None) -> None:
        """Begin.

        Args:
            command: What measures it again.
            data: What is measured on.
        """
        self._command = command
        self._data = data
        self._others = OtherWork()

    def close(self, threads: int | None = None, **figures: Any) -> dict[str, Any]:
        """Plain values: data, machine, time, versions and command, then the figures."""
        data, machine = self._data, describe_machine(torch.device("cpu"))
        about: Mapping[str, Any] = (
            {} if data is None else {"task": data.task.name, "source": data.source, "fingerprint": data.fingerprint}
        )
        return {
            **about,
            "machine": machine | {"cores": cores()} | ({} if threads is None else {"threads": threads}),
            "created": now(),
            "version": __version__,
            "command": self._command,
            "others_cpu_share": self._others.share(),
            **figures,
        }
