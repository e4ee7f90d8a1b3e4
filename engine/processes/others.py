"""Other programs take a share of the processor, which a measurement has to tell."""

from contextlib import suppress
from dataclasses import dataclass

import psutil


class OtherWork:
    """What other programs do from now on, as a share of all cores' time."""

    def __init__(self) -> None:
        """Read the clocks."""
        self._before = read_clocks()

    def share(self) -> float:
        """From 0, nothing, to 1, all cores all the time."""
        return share_of_others(self._before, read_clocks())


@dataclass(frozen=True)
class Clocks:
    """Seconds of the processor since the machine was started."""

    every: float
    """Of all cores together."""
    busy: float
    """Of them, those in which a core did something."""
    own: float
    """Of these, those of this process, the children that run now, and those that were waited for."""


def read_clocks() -> Clocks:
    """What the clocks say now."""
    times = psutil.cpu_times()
    # On Linux a guest's time is counted in the user's, too.
    every = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    process = psutil.Process()
    own = 0.0
    for one in (process, *process.children(recursive=True)):
        # One that ended just now is counted with the children of the process that waits for it.
        with suppress(psutil.Error):
            own += sum(one.cpu_times()[:4])
    return Clocks(every, every - times.idle - getattr(times, "iowait", 0.0), own)


def share_of_others(before: Clocks, after: Clocks) -> float:
    """Share of all cores' time in which other processes were busy."""
    every = after.every - before.every
    others = (after.busy - before.busy) - (after.own - before.own)
    return round(min(1.0, max(0.0, others / every)), 3) if every > 0 else 0.0
