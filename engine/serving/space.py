"""A folder that is a Hugging Face Space: the page with chosen models, their figures and the study, and what it needs.

The same input gives the same bytes: everything is sorted, and nothing is dated.
"""

import hashlib
import json
import os
import re
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.data.tasks import TASKS
from engine.errors import SpaceError
from engine.models.backbones import get_backbone
from engine.models.graphs import without_traces
from engine.models.locate import SMALL
from engine.paths import ROOT, Places, find_pretrained
from engine.serving.exports import EXPORT, SHIPPED_EXPORT, exports_root, find_export
from engine.serving.privacy import find_private, replaced
from engine.serving.publish import Target, Upload, push
from engine.serving.space_card import write_app, write_space_card
from engine.serving.space_profile import Hardware, write_requirements
from engine.snapshots import find_snapshot, is_commit
from engine.training.checkpoints import MANIFEST, Checkpoint, list_checkpoints

MOST_BYTES = 200_000_000
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


@dataclass(frozen=True)
class Built:
    """A written Space."""

    folder: Path
    hardware: Hardware
    models: Sequence[str]
    """`TASK/NAME@DATA` of each checkpoint."""
    parts: Mapping[str, int]
    """Part → bytes, the largest first."""
    notes: Sequence[str]

    @property
    def total_bytes(self) -> int:
        """Of all files."""
        return sum(self.parts.values())


def build_space(
    out: Path, places: Places, hardware: Hardware, models: Sequence[str] = (), own_studies: bool = False
) -> Built:
    """Write a Space to a folder.

    Args:
        out: New, empty, or a folder that this made before.
        places: Where the models are.
        hardware: What the Space runs on.
        models: `NAME`, `NAME@DATA` or `TASK/NAME` each; all models when empty.
        own_studies: Take the searches made here in the place of the bundled one.

    Raises:
        SpaceError: The folder holds something else, a model isn't there, a private path would be shared, or it would
            be larger than `MOST_BYTES`.
    """
    _require_free(out)
    contents = collect(places, hardware, models, own_studies)
    parts = parts_of(contents)
    if sum(parts.values()) > MOST_BYTES:
        raise SpaceError(_too_large(parts))
    private = find_private({path: contents.read(path) for path in sorted(contents.files)}, places)
    if private:
        raise SpaceError(
            f"{private.file} names {private.what}, which strangers needn't know. Nothing was written; leave that "
            "model or study out."
        )
    _write(out, contents)
    names = [f"{one.task}/{one.folder.name}" for one in contents.checkpoints]
    return Built(out, hardware, names, parts, contents.notes)


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
    task, _, rest = name.rpartition("/")
    model, _, fingerprint = rest.partition("@")
    found = [
        one
        for one in everything
        if one.name == model and one.fingerprint.startswith(fingerprint) and task in ("", one.task)
    ]
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
    for name in sorted(manifest["files"]):
        contents.files[f"{there}/{name}"] = checkpoint.path(name)
    told = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    contents.files[f"{there}/{MANIFEST}"] = told
    _add_export(contents, checkpoint, told)
    source = str(manifest["data"]["source"])
    on_hub = re.match(r"hub:([^@]+)", source)
    if on_hub:
        contents.data_sets.append(on_hub[1])
    contents.licences[str(manifest["data"].get("licence") or "")].add(checkpoint.task)
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


def parts_of(contents: Contents) -> dict[str, int]:
    """Bytes by part, the largest first: a checkpoint, its graph, a backbone, a package, the studies, the rest."""
    sizes: dict[str, int] = defaultdict(int)
    for path in contents.files:
        *folders, _ = path.split("/")
        depth = 4 if ".exports" in folders else 3 if folders[:1] == ["checkpoints"] else 1
        sizes["/".join(folders[:depth]) or "README.md and others"] += contents.size(path)
    return dict(sorted(sizes.items(), key=lambda one: (-one[1], one[0])))


def _too_large(parts: Mapping[str, int]) -> str:
    largest = ", ".join(f"{part} {size / 1e6:.1f} MB" for part, size in list(parts.items())[:4])
    return (
        f"The Space would have {sum(parts.values()) / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are shared. "
        f"Largest parts: {largest}. Name the models to share: --models NAME."
    )


def _require_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise SpaceError(f"{out} is no folder; name one that is new or empty.")
    if not out.exists() or not any(out.iterdir()):
        return
    with suppress(OSError, UnicodeDecodeError):
        if MARK in (out / "app.py").read_text(encoding="utf-8"):
            return
    raise SpaceError(f"{out} holds other files; name a folder that is new, empty, or was built before.")


def _write(out: Path, contents: Contents) -> None:
    """Write beside the folder and put it in its place as a whole."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
            new = Path(temporary) / "new"
            for path in sorted(contents.files):
                file = new / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(contents.read(path))
            if out.exists():
                os.rename(out, Path(temporary) / "old")
            os.rename(new, out)
    except OSError as error:
        raise SpaceError(f"{out} can't be written: {error.strerror}.") from error


def push_space(
    repo_id: str,
    places: Places,
    hardware: Hardware,
    models: Sequence[str] = (),
    own_studies: bool = False,
    private: bool = False,
    dry_run: bool = False,
) -> tuple[Built, Upload]:
    """Build a Space and upload it; see `build_space` and `engine.serving.publish.push`.

    Raises:
        SpaceError: It can't be built.
        HubError: The hub refuses or can't be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        built = build_space(Path(folder) / "space", places, hardware, models, own_studies)
        root = built.folder
        files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        target = Target("space", repo_id, "engine/serving/space.py", hardware.flavour)
        return built, push(target, files, private, dry_run)
