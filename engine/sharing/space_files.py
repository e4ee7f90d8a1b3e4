"""A Space's files: the packages, chosen checkpoints with what they stand on, graphs, figures and a study."""

import hashlib
import json
import re
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.data.tasks import TASKS
from engine.errors import SpaceError
from engine.experiments.foundations import licences_of, of_checkpoint
from engine.hub.cache import find_snapshot, is_commit
from engine.hub.privacy import replaced
from engine.models.backbone_files import SMALL
from engine.models.backbones import get_backbone
from engine.models.onnx_graphs import without_traces
from engine.paths import ROOT, Places, find_pretrained
from engine.serving.exports import EXPORT, SHIPPED_EXPORT, exports_root, find_export
from engine.sharing.space_card import write_app, write_space_card
from engine.sharing.space_hardware import Hardware, write_requirements
from engine.training.checkpoints import MANIFEST, Checkpoint, list_checkpoints, pick_named

MOST_GRAPH_BYTES = 10_000_000
"""A larger graph stays behind: PyTorch answers in its place, or the Space makes it anew behind the page."""
PACKAGES = ("engine", "gradio_app")
MARK = "Made by `odzera space build`"
"""Stands in a built folder's `app.py`, so that another folder is never overwritten."""
STUDY = "studies/slang-sample.db"


@dataclass
class Contents:
    """What goes into a Space, before anything is written."""

    files: dict[str, Path | bytes] = field(default_factory=dict)
    """Path in the Space → a file to copy, or content."""
    models: list[str] = field(default_factory=list)
    """Repositories on the Hub that the models were made from."""
    preload: list[str] = field(default_factory=list)
    """Those whose weights the Space downloads, with the commit."""
    data_sets: list[str] = field(default_factory=list)
    """Repositories on the Hub that they were trained on."""
    licences: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Licence of the data → names of the tasks."""
    checkpoints: list[Checkpoint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def size(self, path: str) -> int:
        """Bytes of one of the files."""
        content = self.files[path]
        return len(content) if isinstance(content, bytes) else content.stat().st_size

    def read(self, path: str) -> bytes:
        """Content of one of the files."""
        content = self.files[path]
        return content if isinstance(content, bytes) else content.read_bytes()


def collect(places: Places, hardware: Hardware, models: Sequence[str] = (), own_studies: bool = False) -> Contents:
    """All files of a Space."""
    contents = Contents()
    for package in PACKAGES:
        for path in _package_files(ROOT / package):
            contents.files[path.relative_to(ROOT).as_posix()] = path
    contents.files["LICENSE"] = ROOT / "LICENSE"
    for checkpoint in choose(places, models, contents.notes):
        _add_checkpoint(contents, checkpoint)
    _add_studies(contents, places, own_studies)
    contents.files["requirements.txt"] = write_requirements(hardware).encode()
    contents.files["app.py"] = write_app(hardware, MARK).encode()
    contents.files["README.md"] = write_space_card(
        hardware,
        gradio=version("gradio"),
        checkpoints=contents.checkpoints,
        models=sorted(set(contents.models)),
        data_sets=sorted(set(contents.data_sets)),
        preload=sorted(set(contents.preload)),
        licences=contents.licences,
    ).encode()
    return contents


def _package_files(root: Path) -> Iterator[Path]:
    """A package's own files: no caches, nothing hidden."""
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and "__pycache__" not in parts and not any(one.startswith(".") for one in parts):
            yield path


def choose(places: Places, models: Sequence[str], notes: list[str]) -> list[Checkpoint]:
    """The checkpoints that are meant, and those that they ask.

    Raises:
        SpaceError: One isn't there, or there are none.
    """
    found: dict[str, list[Checkpoint]] = {}
    for task in TASKS:
        found[task], refused = list_checkpoints(places.checkpoints, task)
        notes.extend(refused)
    everything = [one for task in TASKS for one in found[task]]
    chosen = [one for name in models for one in _named(everything, name)] if models else everything
    if not chosen:
        raise SpaceError("There are no trained models to share: odzera train majority tfidf scratch --task slang")
    keys = {one.folder for one in chosen}
    for one in list(chosen):
        asked = one.manifest["origin"].get("model") if one.recipe.asks_nli else None
        other = next((nli for nli in found["nli"] if nli.folder.name == asked), None)
        if asked and other is None:
            raise SpaceError(f"{one.name} asks the NLI model {asked}, which isn't here; train it, or leave it out.")
        if other is not None and other.folder not in keys:
            keys.add(other.folder)
            chosen.append(other)
            notes.append(f"{other.name} comes along, as {one.name} asks it.")
    return [one for one in everything if one.folder in keys]


def _named(everything: Sequence[Checkpoint], name: str) -> list[Checkpoint]:
    found = pick_named(everything, name)
    if not found:
        known = ", ".join(sorted({f"{one.task}/{one.name}" for one in everything})) or "none"
        raise SpaceError(f"There is no trained model '{name}'. Trained: {known}.")
    return found


def _add_checkpoint(contents: Contents, checkpoint: Checkpoint) -> None:
    """A checkpoint's files, its exported graph, and the backbone where the Space couldn't have it otherwise."""
    there = f"checkpoints/{checkpoint.task}/{checkpoint.folder.name}"
    manifest = dict(checkpoint.manifest)
    backbone = checkpoint.recipe.backbone
    if backbone and not checkpoint.recipe.asks_nli:
        alias = _add_backbone(contents, backbone, checkpoint)
        if alias != backbone:
            manifest = replaced(manifest, backbone, alias)
    text = checkpoint.recipe.unlabelled
    if text:
        # It isn't needed to answer, and where it lies on this machine is nobody's business.
        manifest = replaced(manifest, text, Path(text).name)
    for name in sorted(manifest["files"]):
        contents.files[f"{there}/{name}"] = checkpoint.path(name)
    told = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    contents.files[f"{there}/{MANIFEST}"] = told
    _add_export(contents, checkpoint, told)
    source = str(manifest["data"]["source"])
    on_hub = re.match(r"hub:([^@]+)", source)
    if on_hub:
        contents.data_sets.append(on_hub[1])
    # An untrained model has learnt from its backbone's data, not from the rows that it is tested on.
    learnt = checkpoint.recipe.kind != "frozen" or checkpoint.recipe.frozen.shots
    own = [str(manifest["data"].get("licence") or "")] if learnt else []
    for licence in (*own, *licences_of(of_checkpoint(checkpoint))):
        contents.licences[licence].add(checkpoint.task)
    contents.checkpoints.append(checkpoint)


def _add_backbone(contents: Contents, name: str, checkpoint: Checkpoint) -> str:
    """Whatever the Space needs to open a backbone; the name under which it finds it."""
    backbone = get_backbone(name)
    revision = str(checkpoint.manifest["origin"].get("revision", ""))
    if backbone.package:
        contents.models.append(backbone.repo_id)
        return name
    here = find_pretrained(backbone.repo_id)
    if here is None or is_commit(revision):
        contents.models.append(backbone.repo_id)
        contents.preload.append(_preload(backbone.repo_id, revision))
        contents.notes.append(
            f"{checkpoint.name} needs {backbone.repo_id}, which the Space downloads when it is built."
        )
        return name
    alias = name if re.fullmatch(r"[\w][\w.-]*", name) else here.resolve().name
    for path in sorted(here.iterdir()):
        if path.is_file() and path.suffix in (*SMALL, ".safetensors", ".md"):
            contents.files[f"checkpoints/{alias}/{path.name}"] = path
    return alias


def _preload(repo_id: str, revision: str) -> str:
    """A line of the Hub's `preload_from_hub`: repository, files, commit."""
    snapshot = find_snapshot(repo_id, revision) if is_commit(revision) else None
    if snapshot is None:
        return repo_id
    files = sorted(path for path in snapshot.folder.rglob("*") if path.is_file())
    return f"{repo_id} {','.join(path.relative_to(snapshot.folder).as_posix() for path in files)} {revision}"


def _add_export(contents: Contents, checkpoint: Checkpoint, told: bytes) -> None:
    """The proven graph of a small model, so that it is fast from the first text on."""
    export = find_export(checkpoint)
    if export is None or export.serves == "torch" or export.graph.stat().st_size > MOST_GRAPH_BYTES:
        return
    there = f"checkpoints/{checkpoint.task}/{exports_root(checkpoint).parent.name}/{checkpoint.folder.name}"
    graph = without_traces(export.graph.read_bytes())
    listed = {"bytes": len(graph), "sha256": hashlib.sha256(graph).hexdigest()}
    # The Space's PyTorch is another one, by which exports are known elsewhere; the checkpoint must be the same.
    manifest = {**export.manifest, "of": hashlib.sha256(told).hexdigest()}
    manifest["files"] = {**export.manifest["files"], export.graph.name: listed}
    for name in sorted(manifest["files"]):
        contents.files[f"{there}/{SHIPPED_EXPORT}/{name}"] = export.folder / name
    contents.files[f"{there}/{SHIPPED_EXPORT}/{export.graph.name}"] = graph
    contents.files[f"{there}/{SHIPPED_EXPORT}/{EXPORT}"] = _as_json(manifest)


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _add_studies(contents: Contents, places: Places, own: bool) -> None:
    """Curves and figures that the page shows, and a study."""
    for folder in (ROOT / "studies", places.store.parent):
        for path in sorted(folder.glob("*.json")):
            contents.files[f"studies/{path.name}"] = path
    if not own:
        contents.files[STUDY] = ROOT / STUDY
        return
    if not places.studies.is_file():
        raise SpaceError(f"No search was made here yet ({places.studies.name} is missing): odzera search slang")
    contents.files[STUDY] = _copy_of_database(places.studies)


def _copy_of_database(path: Path) -> bytes:
    """An SQLite file as a whole, though others may be writing to it; the same content gives the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
                database.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.Error as error:
            raise SpaceError(f"{path.name} can't be read: {error}.") from error
        return copy.read_bytes()
