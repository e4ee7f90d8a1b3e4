"""A program that runs beside this one and ends with it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from engine.processes.child import describe_end

TERMINATE_SECONDS = 10.0
"""What a program may take to end in order, before it is killed."""


class Program:
    """A program that runs beside this one; what it prints is kept."""

    def __init__(self, process: psutil.Popen, log: Path) -> None:
        """Take the process, and the file that it prints to."""
        self.process = process
        self._log = log

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def last_line(self) -> str:
        """What it printed last; how it ended, or nothing, where it printed nothing."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
        return "" if self.is_alive() else describe_end(self.process.returncode)


@contextmanager
def run_program(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Run a program that ends, with all that it started, at the end of the block; on Linux with this thread, too.

    Args:
        arguments: The program and its arguments.
        environment: Variables beside those of this process.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as printed:
            process = psutil.Popen(
                list(arguments),
                env=os.environ | dict(environment or {}),
                stdout=printed,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        try:
            yield Program(process, log)
        finally:
            started = []
            with suppress(psutil.Error):
                started = process.children(recursive=True)
            with suppress(psutil.Error):
                process.terminate()
            _, left = psutil.wait_procs([process], TERMINATE_SECONDS)
            for one in (*left, *started):
                with suppress(psutil.Error):
                    one.kill()
            process.wait()


def _die_with_parent() -> None:
    """Between fork and exec: ask Linux for SIGKILL when the parent ends."""
    import ctypes

    parent_death_signal = 1
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)
