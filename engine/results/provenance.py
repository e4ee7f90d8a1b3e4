"""The provenance of every figure that is shown: its machine, its time, and the command that measures it again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from engine.data.tasks import TASKS
from engine.messages import Message
from engine.pretraining.run import FACTS
from engine.training.checkpoints import Checkpoint

FILES: Mapping[str, tuple[Message, str]] = {
    "bench-classify": (
        Message("Answers compared with transformers.pipeline"),
        "odzera bench classify {recipes} --json",
    ),
    "bench-train": (
        Message("Training compared with transformers.Trainer"),
        "odzera bench train {recipes} --task {task} --against-trainer --json",
    ),
    "bench-app": (
        Message("The page under many visitors at once"),
        "odzera bench app --json",
    ),
    "growth": (
        Message("How cost grows with length, batch, rows and models"),
        "odzera bench growth --json",
    ),
}
"""File of `studies/` → what it holds, and what makes it."""
KINDS: Mapping[str, tuple[Message, str]] = {
    "examples": (Message("Quality by the number of training examples"), "odzera curve examples {task} --source FILE"),
    "tokens": (Message("Quality by the tokens seen in pretraining"), "odzera curve tokens {task} --source FILE"),
    "results": (Message("Means over seeds and folds"), "odzera results make {task} --source FILE"),
    "imbalance": (Message("What remedies against unequal classes are worth"), "odzera ablate {task} --source FILE"),
}
"""Kind of a curve or an ablation → the same."""


@dataclass(frozen=True)
class Measured:
    """One set of figures."""

    what: Message
    command: str
    """What measures it again; FILE stands for data that doesn't come with the product."""
    machine: str = ""
    threads: tuple[int, ...] = ()
    source: str = ""
    fingerprint: str = ""
    first: str = ""
    """When it was measured, or the first of it: ISO 8601, UTC; empty where that wasn't recorded."""
    last: str = ""
    odzera: tuple[str, ...] = ()
    """Versions of Odzera that measured."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Library → version, Python among them."""
    names: tuple[str, ...] = ()
    """Models it is about."""


def of_models(checkpoints: Iterable[Checkpoint]) -> list[Measured]:
    """Test figures, costs and latencies of trained models, by data and machine; of those that a search found apart."""

    def kind(one: Checkpoint) -> tuple[int, str, str, bool]:
        record = one.manifest["run"]["record"]
        return list(TASKS).index(one.task), one.fingerprint, record["machine"]["device_name"], bool(record.get("refit"))

    ordered = sorted(checkpoints, key=kind)
    return [_of_models(group) for group in (list(own) for _, own in groupby(ordered, kind))]


def _of_models(group: Sequence[Checkpoint]) -> Measured:
    task = group[0].task
    records = [one.manifest["run"]["record"] for one in group]
    data, machine = group[0].manifest["data"], records[0]["machine"]
    times = sorted(one.manifest["run"]["created"] for one in group)
    source = "" if data["source"] == "sample" else " --source FILE"
    names = tuple(sorted(one.name for one in group))
    recipes = " ".join(dict.fromkeys(one.recipe.name for one in sorted(group, key=lambda one: one.name)))
    searched = bool(records[0].get("refit"))
    return Measured(
        Message("Test figures and latencies of the model that the search found")
        if searched
        else Message("Test figures, costs and latencies of trained models"),
        f"odzera search {task}{source}" if searched else f"odzera train {recipes} --task {task}{source}",
        machine["device_name"],
        tuple(sorted({record["machine"]["threads"] for record in records})),
        data["source"],
        data["fingerprint"],
        times[0],
        times[-1],
        tuple(sorted({record.get("version", "") for record in records} - {""})),
        {"Python": machine["python"], **machine["packages"]},
        names,
    )


def of_files(folders: Sequence[Path]) -> list[Measured]:
    """Benchmarks, growth, curves and ablations kept as JSON; a name's first file wins, and what can't be read is left.

    Args:
        folders: Where `studies/` may be.
    """
    found: dict[str, Measured] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.json")):
            measured = None if file.stem in found else _of_file(file)
            if measured is not None:
                found[file.stem] = measured
    return list(found.values())


def _of_file(file: Path) -> Measured | None:
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        if file.stem in FILES:
            what, command = FILES[file.stem]
            # A file may hold several runs, each on its own data.
            about = (plain.get("runs") or [plain])[0]
            recipes = " ".join(dict.fromkeys(str(row["recipe"]) for row in plain.get("rows", ())))
            command = str(plain.get("command") or command.format(recipes=recipes, task=about.get("task", "slang")))
        else:
            what, command = KINDS[plain["kind"]]
            about, command = plain, command.format(task=plain["task"])
            command = command.removesuffix(" --source FILE") if plain["source"] == "sample" else command
        return Measured(
            what,
            command,
            source=str(about.get("source", "")),
            fingerprint=str(about.get("fingerprint", "")),
            **_where(plain),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def of_pretrained(folders: Iterable[Path]) -> list[Measured]:
    """Pretraining and its figures on held-out text, from the facts beside pretrained models."""
    found: dict[str, Measured] = {}
    for facts in (path for folder in folders for path in sorted(folder.glob(f"*/{FACTS}"))):
        try:
            plain = json.loads(facts.read_text(encoding="utf-8"))
            name = str(plain["name"])
            what = Message("Pretraining of a language model, and its figures on held-out text")
            command = f"odzera pretrain {name} --text FILE"
            found.setdefault(name, Measured(what, command, names=(name,), **_where(plain)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return list(found.values())


def of_study(name: str, attributes: Mapping[str, Any]) -> Measured:
    """A search's trials."""
    versions = dict(attributes.get("versions", {}))
    own = str(versions.pop("odzera", ""))
    created = str(attributes.get("created", ""))
    source = str(attributes.get("source", ""))
    command = f"odzera search {attributes.get('task', 'slang')}" + ("" if source == "sample" else " --source FILE")
    return Measured(
        Message("Trials of a search for the decoder's settings"),
        command,
        str(attributes.get("machine", "")),
        (),
        source,
        str(attributes.get("fingerprint", "")),
        created,
        created,
        (own,) if own else (),
        versions,
        (name,),
    )


def _where(plain: Mapping[str, Any]) -> dict[str, Any]:
    machine, created = plain["machine"], str(plain.get("created", ""))
    return {
        "machine": str(machine["device_name"]),
        "threads": (int(machine["threads"]),),
        "first": created,
        "last": created,
        "odzera": (str(plain["version"]),) if plain.get("version") else (),
        "packages": {"Python": str(machine["python"]), **{key: str(one) for key, one in machine["packages"].items()}},
    }
