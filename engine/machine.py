"""The machine: its description for records, its peak memory, its energy, and its threads."""

import math
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "transformers", "peft", "accelerate", "scikit-learn", "tokenizers")


def reset_peak_memory(device: torch.device) -> None:
    """Forget the largest memory so far, so that one model's figure isn't that of the one trained before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    # Linux alone can do this; elsewhere the figure is that of the whole process.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory since `reset_peak_memory`: the allocator's on a GPU, the process's resident set on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def resident_memory_mb() -> float:
    """Memory that this process holds now; its largest so far where the system doesn't say."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 2**10
    return peak_memory_mb(torch.device("cpu"))


def free_memory_mb(device: torch.device) -> float:
    """Memory that a new process could have; infinite where the system doesn't say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**20
    free = math.inf
    with suppress(OSError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) / 2**10
    with suppress(OSError, ValueError):
        # A container may have less than its machine.
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        free = min(free, limit / 2**20)
    return free


class EnergyMeter:
    """Joules since it was made, from the counters of the machine that this process may read."""

    def __init__(self, device: torch.device) -> None:
        """Read Intel's and AMD's counters of processor packages (RAPL), and NVIDIA's of a GPU where it computes."""
        self._counters = [*_rapl_counters(), *(_nvml_counters(device) if device.type == "cuda" else [])]
        self._before = [read() for read, _ in self._counters]

    def joules(self) -> float | None:
        """Energy so far, of the whole machine; None where there is no counter."""
        if not self._counters:
            return None
        total = 0.0
        for (read, wrap), before in zip(self._counters, self._before, strict=True):
            now = read()
            total += now - before if now >= before else now - before + wrap
        return total


Counter = tuple[Callable[[], float], float]
"""Reads joules, and where it begins again from zero."""


def _rapl_counters(root: Path = Path("/sys/class/powercap")) -> list[Counter]:
    found: list[Counter] = []
    # Packages alone: their parts (`intel-rapl:0:0`) are counted in them.
    for folder in sorted(root.glob("intel-rapl:[0-9]*")):
        if folder.name.count(":") == 1:
            file = folder / "energy_uj"
            with suppress(OSError, ValueError):
                int(file.read_text())
                wrap = int((folder / "max_energy_range_uj").read_text()) / 1e6
                found.append((partial(_microjoules, file), wrap))
    return found


def _microjoules(file: Path) -> float:
    return int(file.read_text()) / 1e6


def _nvml_counters(device: torch.device) -> list[Counter]:
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:
        # No driver, no library or a card without the counter: there is nothing to read.
        return []
    return [(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000, math.inf)]


def serve_on_one_thread() -> None:
    """Compute on one thread from here on, in a process that only answers; see `one_thread`."""
    torch.set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread of the processor.

    One text is too little work to share: where other programs use the cores too, torch's threads wait for each other,
    and 1 ms becomes 100.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def now() -> str:
    """The time, for the record: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Device, processor and versions, for the record; nothing that identifies a person or a host."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    return {
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
