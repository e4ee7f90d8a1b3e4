"""A function in a process of its own: started with a pipe to it, heard, and ended with all that it started."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any

import psutil

from engine.errors import OdzeraError
from engine.hub import client
from engine.messages import Message


def be_nice() -> None:
    """Let every other program have the processor first."""
    with suppress(OSError, AttributeError):
        os.nice(10)


def describe_end(code: int | None) -> Message:
    """How a process ended, by its exit code: a sentence."""
    if code is None or code >= 0:
        return Message("The process ended by itself with exit code {code}.", code=code or 0)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    if -code == signal.SIGKILL:
        return Message("The process was killed ({signal}), as the system does where memory runs out.", signal=name)
    return Message("The process was ended by a signal ({signal}).", signal=name)


def kill_tree(pid: int) -> None:
    """Kill a process and all that it started."""
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        # The process itself comes last, as it may be this one.
        for process in (*root.children(recursive=True), root):
            with suppress(psutil.Error):
                process.kill()


class Child:
    """A function that runs in a process of its own, and the pipe to it."""

    def __init__(
        self,
        work: Callable[..., None],
        *given: Any,
        threads: int | None = None,
        ends_with_parent: bool = True,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        """Start it.

        Args:
            work: A function of a module, so that the process can import it; called with `given` and its end of the
                pipe.
            given: What it is called with; travels there.
            threads: Processor threads of torch.
            ends_with_parent: Whether it ends at once when this process does. Otherwise it has to see to that itself.
            environment: Variables that are other than here when its modules are imported; None: not set.

        Raises:
            OSError: The system can't start a process.
        """
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # A daemon's death is tied to this interpreter's orderly end, which isn't for those who end by themselves.
        self.process = context.Process(
            target=_enter, args=(work, given, theirs, threads, ends_with_parent), daemon=ends_with_parent
        )
        try:
            with _changed_environment(environment or {}):
                self.process.start()
        except OSError:
            self.pipe.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int | None:
        """Number of its process."""
        return self.process.pid

    @property
    def exitcode(self) -> int | None:
        """None while it runs; below zero, the signal that ended it."""
        return self.process.exitcode

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.is_alive()

    def receive(self) -> Any:
        """Wait for what it sends.

        Raises:
            OdzeraError: It ended; the message says how.
        """
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise OdzeraError(describe_end(self.exitcode)) from None

    def ask(self, question: Any) -> Any:
        """Send something, and wait for what comes back.

        Raises:
            OdzeraError: It ended; the message says how.
        """
        # Whether it is still there shows when it answers.
        with suppress(ConnectionError):
            self.pipe.send(question)
        return self.receive()

    def kill(self) -> None:
        """Kill it and all that it started; `join` waits for its end."""
        if self.pid is not None and self.is_alive():
            kill_tree(self.pid)

    def join(self, seconds: float | None = None) -> None:
        """Wait until it has ended, or for so long."""
        self.process.join(seconds)

    def close(self) -> None:
        """End it where it still runs, and leave nothing of it."""
        self.kill()
        self.join()
        self.pipe.close()

    def __enter__(self) -> "Child":
        """Start of its use."""
        return self

    def __exit__(self, *_: object) -> None:
        """End of its use, and of itself."""
        self.close()


def _enter(
    work: Callable[..., None], given: tuple[Any, ...], pipe: Connection, threads: int | None, ends_with_parent: bool
) -> None:
    """In the process: see to its end, then work."""
    client.be_quiet()
    # Ctrl-C reaches the whole group; the parent ends its children itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if ends_with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    if threads is not None:
        _use_threads(threads)
    work(*given, pipe)


def _use_threads(number: int) -> None:
    """Have torch compute on so many threads, now or once it is imported, which work without it doesn't wait for."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(number)
    else:
        os.environ["OMP_NUM_THREADS"] = str(number)


def _end_with_parent() -> None:
    """Nobody waits for the work of a process whose parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        kill_tree(os.getpid())


@contextmanager
def _changed_environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}

    def put(values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    put(changes)
    try:
        yield
    finally:
        put(before)
