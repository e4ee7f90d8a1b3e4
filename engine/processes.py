"""Independent work in processes of its own, a few at a time; none of them outlives its parent's call."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from typing import Any

from engine.errors import OdzeraError
from engine.hub import client

# A launcher ends its other processes within a second of the first that fails.
END_SECONDS = 5.0


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], workers: int) -> Iterator[tuple[int, Any]]:
    """Call `work` with each of `arguments`, `workers` at a time.

    Args:
        work: A function of a module, so that other processes can import it; its results travel back.
        arguments: One tuple a call.
        workers: How many processes at a time. Each computes on its share of the cores.

    Yields:
        (place in `arguments`, result), as calls end.

    Raises:
        OdzeraError: A call raised one, or its process died.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, cores() // max(workers, 1))
    waiting = list(enumerate(arguments))
    running: dict[BaseProcess, tuple[int, Connection]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                ours, theirs = context.Pipe(duplex=False)
                place, given = waiting.pop(0)
                process: BaseProcess = context.Process(target=_call, args=(work, given, threads, theirs), daemon=True)
                process.start()
                theirs.close()
                running[process] = (place, ours)
            # A large result fills the pipe, so it is read before its process can end.
            wait_for([*(one.sentinel for one in running), *(pipe for _, pipe in running.values())])
            for process, (place, pipe) in list(running.items()):
                if not pipe.poll() and process.is_alive():
                    continue
                fine, result = _read(pipe, process)
                process.join()
                del running[process]
                if not fine:
                    raise OdzeraError(result)
                yield place, result
    finally:
        for process in running:
            process.kill()
            process.join()


def _read(pipe: Connection, process: BaseProcess) -> tuple[bool, Any]:
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        return False, f"A process ended with exit code {process.exitcode}; try again."


def _call(work: Callable[..., Any], given: tuple[Any, ...], threads: int, pipe: Connection) -> None:
    """In the process: do it, and send back the result or what went wrong."""
    client.be_quiet()
    # Ctrl-C reaches the whole group; the parent ends its processes itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(threads)
    try:
        pipe.send((True, work(*given)))
    except OdzeraError as error:
        pipe.send((False, str(error)))


@contextmanager
def one_voice() -> Iterator[None]:
    """Let one process of a launch say what went wrong, and the launcher end the others.

    What a person can act on, the main process says at once. Any other error may be the echo of a process that is gone,
    so it is held back for as long as the launcher takes; only a process that is still there then says it.

    Raises:
        OdzeraError: What went wrong, as one line.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    try:
        yield
    except KeyboardInterrupt:
        # Ctrl-C reaches all of them.
        if rank:
            raise SystemExit(130) from None
        raise
    except Exception as error:
        if size == 1 or (rank == 0 and isinstance(error, OdzeraError | OSError)):
            raise
        time.sleep(END_SECONDS)
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OdzeraError(f"Process {rank + 1} of {size}: {line}") from error
