"""What a model rests on beside its own rows: its backbone, what that was trained on, and under which licence."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import OdzeraError
from engine.models.backbones import get_backbone
from engine.paths import find_pretrained
from engine.pretraining.run import FACTS
from engine.store import Store
from engine.training.checkpoints import Checkpoint, read_checkpoint


@dataclass(frozen=True)
class Foundation:
    """A model that another one was made from, or asks."""

    name: str
    data: str = ""
    """What it was trained on; empty where that isn't recorded."""
    licence: str = ""
    """What its use is bound to; empty where that isn't recorded."""
    source: str = ""
    """Where the licence is told: an address, or whose record."""


Find = Callable[[str], tuple[Mapping[str, Any], str, str] | None]
"""Name of a trained NLI model → its settings, its data's source and licence; None where it isn't here."""


def of_checkpoint(checkpoint: Checkpoint) -> list[Foundation]:
    """What a trained model rests on, the nearest first."""
    root, asked = checkpoint.folder.parent.parent, checkpoint.manifest["origin"].get("model")

    def find(name: str) -> tuple[Mapping[str, Any], str, str] | None:
        try:
            manifest = read_checkpoint(root / "nli" / str(asked or name)).manifest
        except OdzeraError:
            return None
        return manifest["recipe"], manifest["data"]["source"], manifest["data"].get("licence", "")

    return of_settings(checkpoint.manifest["recipe"], find)


def of_record(store: Store, settings: Mapping[str, Any]) -> list[Foundation]:
    """The same for a run's settings, with the NLI model of that name that was trained last."""

    def find(name: str) -> tuple[Mapping[str, Any], str, str] | None:
        runs = [run for data in store.data_sets("nli") for run in store.runs("nli", data.fingerprint)]
        found = max((run for run in runs if run.model == name), key=lambda run: run.created, default=None)
        return None if found is None else (found.record["settings"], found.source, found.record.get("licence", ""))

    return of_settings(settings, find)


def of_settings(settings: Mapping[str, Any], find: Find) -> list[Foundation]:
    """What settings say that a model rests on; nothing where it begins with random weights."""
    name = str(settings.get("backbone") or "")
    if settings["kind"] not in ("pretrained", "frozen") or not name or settings.get("random_weights"):
        return []
    if settings.get("frozen", {}).get("way") != "entailment":
        return [_backbone(name)]
    asked = find(name.partition("@")[0])
    if asked is None:
        return [Foundation(name)]
    own, data, licence = asked
    return [Foundation(name, data, licence, f"the record of {name}"), *of_settings(own, find)]


def _backbone(name: str) -> Foundation:
    folder = find_pretrained(name)
    try:
        # A model of `odzera pretrain`, the bundled one among them.
        facts = json.loads(((folder or Path(name)) / FACTS).read_text(encoding="utf-8"))
        data = ", ".join(str(source["name"]) for source in facts["sources"])
        return Foundation(str(facts["name"]), data, str(facts.get("licence", "")), FACTS)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if folder:
        # Where it lies on this machine is nobody's business.
        return Foundation(folder.resolve().name)
    backbone = get_backbone(name)
    return Foundation(name, backbone.data, backbone.licence, f"https://huggingface.co/{backbone.repo_id}")


def as_plain(foundations: list[Foundation]) -> list[dict[str, str]]:
    """For JSON."""
    return [asdict(one) for one in foundations]


def licences_of(foundations: list[Foundation]) -> list[str]:
    """Each licence once, the nearest first."""
    return list(dict.fromkeys(one.licence for one in foundations if one.licence))
