"""`odzera doctor`: this machine's versions, device, models, results and hub, checked one by one."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, app, friendly
from engine.errors import OdzeraError
from engine.paths import Places, default_places, find_pretrained
from engine.terminal import out, print_json, waiting


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str
    fine: bool
    says: str
    needed: bool = True
    """Whether the product is of little use without it."""


@app.command()
@friendly
def doctor(as_json: JsonOption = False) -> None:
    """Check this machine: versions, device, checkpoints, results, hub.

    Example: `odzera doctor`
    """
    with waiting("looking", as_json):
        findings = list(examine(default_places()))
    show_findings(findings, as_json)
    if any(not finding.fine and finding.needed for finding in findings):
        raise typer.Exit(1)


def examine(places: Places) -> Iterator[Finding]:
    """Check versions, device, models, results, disk and hub."""
    from engine.hub import client
    from engine.store import Store
    from engine.training.checkpoints import require_writable

    yield from _machine()
    yield from _models(places)
    yield _backbones()
    yield _try("checkpoints", "can be written", lambda: require_writable(places.checkpoints))
    yield _try("results", "can be opened", lambda: Store.open(places.store))
    free = shutil.disk_usage(places.checkpoints.parent).free / 2**30
    yield Finding("disk", free > 1, f"{free:.1f} GiB free", needed=False)
    reachable = client.is_reachable()
    says = "answers" if reachable else "can not be reached; the bundled data and models need no hub"
    yield Finding("hub", reachable, f"{client.endpoint()} {says}", needed=False)


def _machine() -> Iterator[Finding]:
    """Versions of the libraries, and the device that computes."""
    import torch

    from engine.machine import describe_machine
    from engine.training.loop import bfloat16_pays

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = describe_machine(device)
    versions = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    bfloat16 = "bfloat16" if bfloat16_pays(device.type) else "float32 (bfloat16 was measured and does not pay here)"
    yield Finding("versions", "missing" not in versions, f"Python {machine['python']}, {versions}")
    yield Finding("device", True, f"{machine['device_name']}, {machine['threads']} threads, trains in {bfloat16}")


def _models(places: Places) -> Iterator[Finding]:
    """Which trained models of each task can be opened."""
    from engine.data.tasks import TASKS
    from engine.serving.registry import Registry

    registry = Registry(places.checkpoints)
    for task in TASKS:
        opened, broken = [], list(registry.refused[task])
        for checkpoint in registry.models(task):
            try:
                registry.classifier(checkpoint)
                opened.append(checkpoint.name)
            except OdzeraError as error:
                broken.append(str(error))
        says = f"{len(opened)} models answer ({', '.join(opened) or 'none'})"
        yield Finding(f"models for {task}", bool(opened) and not broken, "; ".join([says, *broken]))


def _backbones() -> Finding:
    """The bundled pretrained models, which can be adapted without a hub."""
    from engine.models.backbones import BACKBONES

    bundled = {name: find_pretrained(name) for name, backbone in BACKBONES.items() if backbone.bundled}
    missing = [name for name, folder in bundled.items() if folder is None]
    says = f"missing: {', '.join(missing)}" if missing else f"{', '.join(bundled)} can be adapted"
    return Finding("pretrained", not missing, says, needed=False)


def _try(name: str, says: str, check: Callable[[], object]) -> Finding:
    """A finding that is fine where `check` raises nothing."""
    try:
        check()
    except OdzeraError as error:
        return Finding(name, False, str(error), needed=False)
    return Finding(name, True, says, needed=False)


def show_findings(findings: Sequence[Finding], as_json: bool) -> None:
    """A line for each finding: ok, BAD, or a note where the product does without."""
    if as_json:
        print_json([asdict(one) for one in findings])
        return
    for finding in findings:
        mark = "[green]ok[/]  " if finding.fine else ("[red]BAD[/] " if finding.needed else "[yellow]note[/]")
        out.print(f"{mark} [bold]{finding.name}[/]: {escape(finding.says)}", soft_wrap=True)
