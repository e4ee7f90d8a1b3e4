"""The page under load: a server of its own, visitors at once, and whether the goals are met."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import httpx
import numpy as np
import psutil
import torch

from engine import __version__
from engine.bench.page_visitors import TIMEOUT, Crowd, Measured, ask, make_texts, open_page, send_visitors
from engine.errors import OdzeraError
from engine.machine import describe_machine, now
from engine.paths import ROOT

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
    process: psutil.Process | None = None
    started: float | None = None
    """`time.perf_counter()` when its process was started."""

    def memory_mb(self) -> float | None:
        """Resident memory of its process and what that has started; None where it can't be seen."""
        if self.process is None:
            return None
        total = 0
        with suppress(psutil.Error):
            for one in (self.process, *self.process.children(recursive=True)):
                with suppress(psutil.Error):
                    total += one.memory_info().rss
        return total / 2**20


@contextmanager
def serve_page(arguments: Sequence[str] = ()) -> Iterator[Server]:
    """Start the page in a process of its own on a free port of this machine, and end it afterwards.

    Raises:
        OdzeraError: It ended; the message is its last line.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", "gradio_app", "--no-export", "--port", str(port), *arguments]
    with tempfile.TemporaryFile() as log:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        started = time.perf_counter()
        process = subprocess.Popen(program, env=environment, stdout=log, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        try:
            while not _listens(url):
                if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                    log.seek(0)
                    lines = log.read().decode(errors="replace").strip().splitlines()
                    raise OdzeraError(f"The page didn't start: {lines[-1] if lines else 'it said nothing'}")
                time.sleep(0.02)
            yield Server(url, psutil.Process(process.pid), started)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(url: str) -> bool:
    host, _, port = url.rpartition("/")[2].partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def measure_app(server: Server, crowd: Crowd, tick: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Ask once from cold, then as a single visitor, then as a crowd.

    Args:
        server: The page. One that was started for this is measured from its start.
        crowd: Who comes at once.
        tick: Called with the seconds, or questions, that are done and all there are.

    Returns:
        Plain values, milliseconds and megabytes; `goals` says for each figure of `GOALS` what it is and may be.

    Raises:
        OdzeraError: The page isn't there, or doesn't answer from the start.
    """
    return asyncio.run(_measure(server, crowd, tick))


async def _measure(server: Server, crowd: Crowd, tick: Callable[[int, int], None] | None) -> dict[str, Any]:
    cold = await _ask_first(server)
    alone = await _ask_alone(server, crowd.seed)
    memory: list[tuple[float, float]] = []
    measured = Measured()
    load_before = os.getloadavg() if hasattr(os, "getloadavg") else ()
    started = time.perf_counter()
    watching = asyncio.create_task(_watch(server, crowd, measured, memory, tick, started))
    try:
        await send_visitors(server.url, crowd, measured)
    finally:
        watching.cancel()
    seconds = time.perf_counter() - started
    full = [ms for times in measured.full.values() for ms in times]
    result = {
        "machine": describe_machine(torch.device("cpu")),
        "created": now(),
        "version": __version__,
        "load_average_before": list(load_before),
        "crowd": asdict(crowd),
        "seconds": round(seconds, 1),
        "answered": measured.asked,
        "per_second": round(measured.asked / seconds, 2),
        "errors": measured.errors,
        "first_ms": _quantiles(measured.first),
        "full_ms": _quantiles(full),
        "by_task": {task: _quantiles(times) for task, times in measured.full.items()},
        "page_ms": _quantiles(measured.page),
        "single": alone,
        "cold_start_s": cold,
        "memory_mb": _memory(memory, server.memory_mb()),
    }
    return result | {"goals": _judge(result)}


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
    crowd: Crowd,
    measured: Measured,
    memory: list[tuple[float, float]],
    tick: Callable[[int, int], None] | None,
    started: float,
) -> None:
    """Keep the server's memory by questions answered, and tell how far it is."""
    while True:
        held = server.memory_mb()
        if held is not None:
            memory.append((measured.asked, round(held, 1)))
        if tick and crowd.requests:
            tick(measured.asked, crowd.requests)
        elif tick:
            tick(min(int(time.perf_counter() - started), int(crowd.seconds)), int(crowd.seconds))
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
