"""Calls in processes of their own, a few at a time; their results travel back."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

from engine.errors import OdzeraError
from engine.processes.child import Child

Result = TypeVar("Result")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    work: Callable[..., Any],
    arguments: Iterable[tuple[Any, ...]],
    workers: int,
    environment: Mapping[str, str | None] | None = None,
    go_on: bool = False,
) -> Iterator[tuple[int, Any]]:
    """Call `work` with each of `arguments`, `workers` at a time, each call in a process of its own.

    Args:
        work: A function of a module, so that other processes can import it; its results travel back.
        arguments: One tuple a call; each is taken when a process is free for it.
        workers: How many processes at a time. Each computes on its share of the cores.
        environment: See `Child`.
        go_on: Whether a call's failure is its result, and the others go on.

    Yields:
        (place in `arguments`, result), as calls end.

    Raises:
        OdzeraError: A call raised one, or its process died.
    """
    threads = max(1, cores() // max(workers, 1))
    waiting = enumerate(arguments)
    running: dict[Child, int] = {}
    try:
        while True:
            for place, given in islice(waiting, workers - len(running)):
                running[Child(_call, work, given, threads=threads, environment=environment)] = place
            if not running:
                return
            # A large result fills the pipe, so it is read before its process can end.
            wait_for([end for child in running for end in (child.process.sentinel, child.pipe)])
            for child, place in list(running.items()):
                if not child.pipe.poll() and child.is_alive():
                    continue
                fine, result = _receive(child)
                child.join()
                child.close()
                del running[child]
                if not fine and not go_on:
                    raise OdzeraError(result)
                yield place, result if fine else OdzeraError(result)
    finally:
        for child in running:
            child.close()


def _receive(child: Child) -> tuple[bool, Any]:
    """What a call gave, or what went wrong."""
    try:
        fine, result = child.receive()
    except OdzeraError as error:
        return False, error.args[0]
    return fine, result


def _call(work: Callable[..., Any], given: tuple[Any, ...], pipe: Connection) -> None:
    """In the process: do it, and send back the result or what went wrong."""
    try:
        pipe.send((True, work(*given)))
    except OdzeraError as error:
        pipe.send((False, error.args[0] if error.args else str(error)))


def call_apart(work: Callable[..., Result], *given: Any) -> Result:
    """Call `work` in a process of its own, on all cores, and wait for its result.

    Raises:
        OdzeraError: It raised one, or its process died.
    """
    ((_, result),) = run_all(work, [given], workers=1)
    return result
