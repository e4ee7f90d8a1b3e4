"""A load benchmark starts the page, sends visitors at once, and takes the medians of several runs."""

import asyncio
import os
import socket
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from engine.bench.page_visitors import TIMEOUT, Load, Waits, ask, make_texts, open_page, send_visitors
from engine.bench.turns import BenchRecord
from engine.errors import OdzeraError
from engine.evaluation.turns import Tick, take_turns
from engine.paths import ROOT
from engine.processes import OtherWork, Program, run_program
from engine.serving.registry import Registry

SINGLE = 20
"""Questions of the single visitor."""
START_SECONDS = 120
GOALS: Mapping[str, tuple[str, float]] = {
    "errors": ("errors", 0),
    "full_p95_ms": ("p95 of the full answer, ms", 2000),
    "single_first_ms": ("first result of a single visitor, ms", 150),
    "cold_start_s": ("cold start to the first verdict, s", 10),
    "memory_mb": ("resident memory, MB", 2048),
}
"""What is to be reached on two cores with the bundled models: figure → (words, at most)."""


@dataclass
class Server:
    """A page that listens."""

    url: str
    program: Program | None = None
    """None where it was running before."""
    started: float | None = None
    """`time.perf_counter()` when its process was started."""

    def memory_mb(self) -> float | None:
        """Resident memory of its process and what that has started; None where it can't be seen."""
        if self.program is None:
            return None
        total = 0
        with suppress(psutil.Error):
            for one in (self.program.process, *self.program.process.children(recursive=True)):
                with suppress(psutil.Error):
                    total += one.memory_info().rss
        return total / 2**20


def export_models(checkpoints: Path) -> list[str]:
    """Export the models that the page shows and that aren't exported yet; PyTorch would answer for them.

    The page does that behind its visitors' backs within its first minutes, which are not what is measured.

    Returns:
        Their names, as `TASK/NAME`.
    """
    return [f"{one.task}/{one.name}" for one in Registry(checkpoints).export_missing()]


@contextmanager
def serve_page(arguments: Sequence[str] = ()) -> Iterator[Server]:
    """Start the page in a process of its own on a free port of this machine, and end it afterwards.

    Raises:
        OdzeraError: It ended; the message is its last line.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-m", "gradio_app", "--no-export", "--port", str(port), *arguments]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    url = f"http://127.0.0.1:{port}"
    started = time.perf_counter()
    with run_program(arguments, {"PYTHONPATH": paths}) as program:
        while not _listens(url):
            if not program.is_alive() or time.perf_counter() - started > START_SECONDS:
                raise OdzeraError(f"The page didn't start: {program.last_line() or 'it said nothing'}")
            time.sleep(0.02)
        yield Server(url, program, started)


def _listens(url: str) -> bool:
    host, _, port = url.rpartition("/")[2].partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def benchmark_page(
    open_server: Callable[[], AbstractContextManager[Server]],
    load: Load,
    runs: int = 1,
    tick: Tick | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Measure the page several times, each time on a server that is opened for it.

    Args:
        open_server: Opens the page. One that is started for this is measured from its start.
        load: Who comes at once.
        runs: How often.
        tick: Called with the seconds, or questions, that are done and all there are.
        command: What measures it again.

    Returns:
        Plain values, milliseconds and megabytes: a `BenchRecord` with the medians over `runs` of every figure, and the
        sum of all errors; `goals` says for each figure of `GOALS` what it is and may be; `runs` has each run whole.

    Raises:
        OdzeraError: The page isn't there, or doesn't answer from the start.
    """
    record = BenchRecord(command)

    def measure(_: str, turn: int) -> dict[str, Any]:
        def tell(done: int, total: int) -> None:
            if tick:
                tick(turn * total + done, runs * total)

        with open_server() as server:
            return asyncio.run(_measure(server, load, tell))

    found = take_turns(("page",), runs, measure).results["page"]
    errors: Counter[str] = Counter()
    for run in found:
        errors.update(run["errors"])
    result = medians_of(found) | {"errors": dict(errors)}
    return record.close(crowd=asdict(load), **result, goals=_judge(result), runs=found)


def medians_of(runs: Sequence[Any]) -> Any:
    """The median of every number in plain values of one shape; what isn't a number is left out."""
    there = [run for run in runs if run is not None]
    if not there:
        return None
    if isinstance(there[0], Mapping):
        return {
            name: medians_of([run.get(name) for run in there])
            for name, value in there[0].items()
            if value is None or isinstance(value, Mapping | int | float)
        }
    return round(statistics.median(there), 2)


async def _measure(server: Server, load: Load, tick: Tick) -> dict[str, Any]:
    """Ask once from cold, then as a single visitor, then as a crowd."""
    cold = await _ask_first(server)
    alone = await _ask_alone(server, load.seed)
    memory: list[tuple[float, float]] = []
    waits = Waits()
    others = OtherWork()
    load_before = os.getloadavg() if hasattr(os, "getloadavg") else ()
    started = time.perf_counter()
    watching = asyncio.create_task(_watch(server, load, waits, memory, tick, started))
    try:
        await send_visitors(server.url, load, waits)
    finally:
        watching.cancel()
    seconds = time.perf_counter() - started
    return {
        "load_average_before": list(load_before),
        # The work of a page that was running before can't be told from that of others.
        "others_cpu_share": None if server.program is None else others.share(),
        "seconds": round(seconds, 1),
        "answered": waits.asked,
        "per_second": round(waits.asked / seconds, 2),
        "errors": waits.errors,
        "first_ms": _quantiles(waits.first),
        "full_ms": _quantiles([ms for times in waits.full.values() for ms in times]),
        "by_task": {task: _quantiles(times) for task, times in waits.full.items()},
        "page_ms": _quantiles(waits.page),
        "single": alone,
        "cold_start_s": cold,
        "memory_mb": _memory(memory, server.memory_mb()),
    }


async def _ask_first(server: Server) -> float | None:
    """Seconds from the start of the server's process to the first verdict; None where it was running before."""
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT) as client:
        forms = await open_page(client)
        asked = time.perf_counter()
        first_ms, _ = await ask(client, forms["slang"], ("ale kozak, serio",), uuid.uuid4().hex[:12])
    return None if server.started is None else round(asked - server.started + first_ms / 1000, 2)


async def _ask_alone(server: Server, seed: int) -> dict[str, Any]:
    """A single visitor's medians."""
    texts = make_texts(seed)
    times: list[tuple[float, float]] = []
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT) as client:
        forms = await open_page(client)
        session = uuid.uuid4().hex[:12]
        # Models that open behind the page aren't what is measured here.
        for task, form in forms.items():
            await ask(client, form, texts[task][0], session)
        for number in range(SINGLE):
            task = sorted(forms)[number % len(forms)]
            times.append(await ask(client, forms[task], texts[task][number], session))
    first, full = zip(*times, strict=True)
    return {"questions": SINGLE, "first_ms": _quantiles(first), "full_ms": _quantiles(full)}


async def _watch(
    server: Server,
    load: Load,
    waits: Waits,
    memory: list[tuple[float, float]],
    tick: Tick,
    started: float,
) -> None:
    """Keep the server's memory by questions answered, and tell how far it is."""
    while True:
        held = server.memory_mb()
        if held is not None:
            memory.append((waits.asked, round(held, 1)))
        if load.requests:
            tick(waits.asked, load.requests)
        else:
            tick(min(int(time.perf_counter() - started), int(load.seconds)), int(load.seconds))
        await asyncio.sleep(1)


def _quantiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    at = {name: float(np.percentile(values, q)) for name, q in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))}
    return {name: round(value, 1) for name, value in at.items()}


def _memory(series: Sequence[tuple[float, float]], end: float | None) -> dict[str, Any] | None:
    """Megabytes at the start, at most and at the end, and how they grow over the second half, per 1,000 questions."""
    if end is None or not series:
        return None
    half = series[len(series) // 2 :]
    asked, held = [x for x, _ in half], [y for _, y in half]
    slope = float(np.polyfit(asked, held, 1)[0]) * 1000 if len(set(asked)) > 2 else None
    kept = series[:: max(1, len(series) // 100)]
    return {
        "start": series[0][1],
        "peak": max(max(y for _, y in series), round(end, 1)),
        "end": round(end, 1),
        "growth_per_1000": None if slope is None else round(slope, 2),
        "series": kept,
    }


def _judge(result: Mapping[str, Any]) -> dict[str, Any]:
    """Each goal's words, limit, figure, and whether it is met; None where it can't be said."""
    figures = {
        "errors": sum(result["errors"].values()),
        "full_p95_ms": result["full_ms"] and result["full_ms"]["p95"],
        "single_first_ms": result["single"]["first_ms"]["p50"],
        "cold_start_s": result["cold_start_s"],
        "memory_mb": result["memory_mb"] and result["memory_mb"]["peak"],
    }
    return {
        name: {
            "goal": words,
            "at_most": most,
            "is": figures[name],
            "met": None if figures[name] is None else bool(figures[name] <= most),
        }
        for name, (words, most) in GOALS.items()
    }
