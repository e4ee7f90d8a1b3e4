"""What `odzera doctor` looks at."""

import shutil
from dataclasses import dataclass
from typing import Any

import torch

from engine.data.tasks import TASKS
from engine.errors import OdzeraError
from engine.hub import client
from engine.machine import describe_machine
from engine.models.backbones import BACKBONES
from engine.paths import Places, find_pretrained
from engine.serving.registry import Registry
from engine.store import Store
from engine.training.checkpoints import require_writable
from engine.training.loop import bfloat16_pays


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str
    fine: bool
    says: str
    needed: bool = True
    """Whether the product is of little use without it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"name": self.name, "fine": self.fine, "says": self.says, "needed": self.needed}


def examine(places: Places) -> list[Finding]:
    """Check versions, device, models, results, disk and hub."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = describe_machine(device)
    versions = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    bfloat16 = "bfloat16" if bfloat16_pays(device.type) else "float32 (bfloat16 was measured and does not pay here)"
    findings = [
        Finding("versions", "missing" not in versions, f"Python {machine['python']}, {versions}"),
        Finding("device", True, f"{machine['device_name']}, {machine['threads']} threads, trains in {bfloat16}"),
    ]
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
        findings.append(Finding(f"models for {task}", bool(opened) and not broken, "; ".join([says, *broken])))
    bundled = {name: find_pretrained(name) for name, backbone in BACKBONES.items() if backbone.bundled}
    missing = [name for name, folder in bundled.items() if folder is None]
    says = f"missing: {', '.join(missing)}" if missing else f"{', '.join(bundled)} can be adapted"
    findings.append(Finding("pretrained", not missing, says, needed=False))
    try:
        require_writable(places.checkpoints)
        findings.append(Finding("checkpoints", True, "can be written", needed=False))
    except OdzeraError as error:
        findings.append(Finding("checkpoints", False, str(error), needed=False))
    try:
        Store.open(places.store)
        findings.append(Finding("results", True, "can be opened", needed=False))
    except OdzeraError as error:
        findings.append(Finding("results", False, str(error), needed=False))
    free = shutil.disk_usage(places.checkpoints.parent).free / 2**30
    findings.append(Finding("disk", free > 1, f"{free:.1f} GiB free", needed=False))
    reachable = client.is_reachable()
    says = "answers" if reachable else "can not be reached; the bundled data and models need no hub"
    findings.append(Finding("hub", reachable, f"{client.endpoint()} {says}", needed=False))
    return findings
