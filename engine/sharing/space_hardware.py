"""A Space's hardware decides its Python and the exact version of every package."""

import platform
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from types import MappingProxyType

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from engine.errors import OdzeraError
from engine.paths import ROOT

PRODUCT = "odzera"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch's builds without CUDA are."""

HUB_PINS: Mapping[str, str] = MappingProxyType({"pydantic": "2.12.5", "pydantic-core": "2.41.5"})
"""Older than here: the Hub installs `gradio[oauth,mcp]`, whose second extra takes no newer ones."""


@dataclass(frozen=True)
class Hardware:
    """A kind of Space."""

    name: str
    flavour: str
    """What the Hub calls it when a Space is made."""
    says: str
    python: str = ""
    """Version of Python; the one that runs here when empty."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """Package → version where it isn't the installed one, or isn't installed at all."""
    lends_gpu: bool = False
    """Whether functions are lent a GPU, so that PyTorch needs CUDA."""

    @property
    def python_version(self) -> str:
        """Exact version of Python."""
        return self.python or platform.python_version()


HARDWARE: Mapping[str, Hardware] = MappingProxyType(
    {
        one.name: one
        for one in (
            Hardware(
                "zerogpu",
                "zero-a10g",
                "ZeroGPU",
                # ZeroGPU has this Python and 3.10.13, and PyTorch 2.8.0, 2.9.1, 2.10.0 and 2.11.0.
                python="3.12.12",
                pins=MappingProxyType(
                    {
                        "torch": "2.11.0",
                        "setuptools": "81.0.0",
                        "spaces": "0.51.3",
                        "requests": "2.34.2",
                        "charset-normalizer": "3.5.2",
                        "urllib3": "2.8.0",
                    }
                ),
                lends_gpu=True,
            ),
            Hardware("cpu", "cpu-basic", "CPU basic"),
        )
    }
)


def get_hardware(name: str) -> Hardware:
    """The hardware called `name`.

    Raises:
        OdzeraError: There is none.
    """
    if name not in HARDWARE:
        raise OdzeraError(f"There is no hardware '{name}' for a Space. Hardware: {', '.join(HARDWARE)}.")
    return HARDWARE[name]


def write_requirements(hardware: Hardware) -> str:
    """`requirements.txt`: the product's dependencies and theirs, each at the version it was tested with.

    Raises:
        OdzeraError: The product isn't installed as a package, so nobody knows what it needs.
    """
    versions = dict(sorted((installed_closure(hardware) | dict(HUB_PINS) | dict(hardware.pins)).items()))
    lines = []
    if not hardware.lends_gpu:
        # The build without CUDA, a tenth of the size.
        versions["torch"] = f"{Version(versions['torch']).public}+cpu"
        lines.append(f"--extra-index-url {CPU_INDEX}")
    lines += [f"{name}=={version}" for name, version in versions.items()]
    return "\n".join(lines) + "\n"


def installed_closure(hardware: Hardware) -> dict[str, str]:
    """Name → installed version of all that the product needs on that hardware, itself left out."""
    environment = _environment(hardware)
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = list(_needed(own_requirements(), environment | {"extra": ""}))
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            # Nothing that this machine runs on; the installer finds it, as a dependency of what needs it.
            continue
        found[name] = Version(installed.version).public
        waiting.extend(_needed(installed.requires or [], environment | {"extra": extra}))
    return found


def own_requirements() -> list[str]:
    """What the product itself needs: from its own source, where that is here, as an installed copy may be older.

    Raises:
        OdzeraError: There is neither its source nor an installed package.
    """
    project = ROOT / "pyproject.toml"
    if project.is_file():
        needed: list[str] = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
        return needed
    try:
        return distribution(PRODUCT).requires or []
    except PackageNotFoundError:
        raise OdzeraError("A Space is built by an installed Odzera, which knows what it needs: make setup") from None


def _needed(lines: list[str], environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Name and extra of each requirement that holds in an environment."""
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            for extra in ("", *sorted(requirement.extras)):
                yield canonicalize_name(requirement.name), extra


def _environment(hardware: Hardware) -> dict[str, str]:
    """What markers of requirements are read against: Linux on x86-64, as Spaces are."""
    release = re.match(r"\d+\.\d+", hardware.python_version)
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": hardware.python_version,
        "python_version": release[0] if release else "",
        "sys_platform": "linux",
    }
