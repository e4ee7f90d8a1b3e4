"""The environment of the page: versions and the machine, without a name of a person, a host or a folder."""

import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from engine import __version__
from engine.machine import describe_machine
from engine.processes import cores

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "onnxruntime",
    "scikit-learn",
    "captum",
    "optuna",
    "gradio",
    "pandas",
    "numpy",
    "sqlite-utils",
)
"""What computes and draws what is seen."""


@dataclass(frozen=True)
class Environment:
    """This machine and its software."""

    odzera: str
    python: str
    libraries: dict[str, str]
    """Library → version, for those that are installed."""
    system: str
    """`Linux x86_64`."""
    device: str
    """The processor's or the GPU's model."""
    cores: int
    memory_bytes: int | None
    """Of the machine, or as much of it as this process may have."""


def describe_environment() -> Environment:
    """Look at versions and the machine."""
    machine = describe_machine(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    libraries = {}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            libraries[name] = version(name)
    return Environment(
        __version__,
        machine["python"],
        libraries,
        f"{platform.system()} {platform.machine()}".strip(),
        machine["device_name"],
        cores(),
        _memory(),
    )


def _memory() -> int | None:
    sizes = []
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes.append(next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:")) * 2**10)
    with suppress(OSError, ValueError):
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(sizes) if sizes else None
