"""Checkpoints: the trained weights alone, as safetensors, with a manifest that describes and verifies them."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.folding import hash_keys
from engine.errors import CheckpointError, RecipeError
from engine.training.recipe import Recipe

FORMAT = 1
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
TOKENIZER = "tokenizer.json"
"""What a decoder from scratch keeps beside its weights."""
VOCABULARY = "vocabulary.json"
"""What a baseline keeps beside its arrays."""
BASELINE = "baseline.safetensors"
"""The arrays of the baseline that a hybrid's decoder adds to."""
EXAMPLES = "examples.json"
"""What an untrained model keeps beside its arrays."""
PREDICTIONS = "predictions.json"
RUN_FIELDS = {"id", "task", "model", "source", "fingerprint", "created", "record"}
SEEN = "seen-keys.bin"
"""Hashes of the training inputs' keys, by which an evaluation notices that it scores rows the model was trained on."""
SEEN_EXACTLY = "seen.bin"
"""Hashes of the training inputs as they are, in checkpoints from before 0.7.0."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model on disk, as its manifest describes it; weights are read later."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The model's name, by default its recipe's."""
        return str(self.manifest["name"])

    @property
    def task(self) -> str:
        """Name of its task."""
        return str(self.manifest["task"])

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the data it was trained on."""
        return str(self.manifest["data"]["fingerprint"])

    @property
    def recipe(self) -> Recipe:
        """The recipe it was made with."""
        return Recipe.from_dict(self.manifest["recipe"])

    def path(self, name: str) -> Path:
        """Path of one of its files, after checking that the file is what the manifest says.

        Raises:
            CheckpointError: The file is missing or has changed.
        """
        listed = self.manifest["files"].get(name)
        file = self.folder / name
        if listed is None or not file.is_file():
            raise CheckpointError(f"Checkpoint {self.folder.name}: {name} is missing.")
        if file.stat().st_size != listed["bytes"] or _sha256(file) != listed["sha256"]:
            raise CheckpointError(f"Checkpoint {self.folder.name}: {name} is damaged (it differs from its manifest).")
        return file

    def read_json(self, name: str) -> Any:
        """Content of one of its JSON files, checked as by `path`."""
        return json.loads(self.path(name).read_text(encoding="utf-8"))

    def count_seen(self, inputs: Sequence[tuple[str, ...]]) -> int:
        """How many of `inputs` the model was trained on, whatever their case and punctuation."""
        if SEEN in self.manifest["files"]:
            kept, own = SEEN, hash_keys(inputs)
        else:
            kept, own = SEEN_EXACTLY, _hash_exactly(inputs)
        return int(np.isin(own, np.frombuffer(self.path(kept).read_bytes(), dtype="<u8")).sum())


def _hash_exactly(inputs: Sequence[tuple[str, ...]]) -> NDArray[np.uint64]:
    hashes = [hashlib.sha256("\x1f".join(row).encode()).digest()[:8] for row in inputs]
    return np.frombuffer(b"".join(hashes), dtype="<u8")


def folder_name(name: str, fingerprint: str) -> str:
    """`scratch@0123456789ab`: models trained on different data live side by side."""
    return f"{name}@{fingerprint}"


def save_checkpoint(folder: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Checkpoint:
    """Write a checkpoint to a temporary folder and rename it, replacing an older one of the same name.

    Args:
        folder: Where it shall be.
        manifest: What it is; `format` and `files` with sizes and SHA-256 are added.
        files: File name → content.

    Raises:
        CheckpointError: The place can't be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    except OSError as error:
        raise CheckpointError(f"{folder.parent} can't be written: {error.strerror}.") from error
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        listed = {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        }
        whole = {"format": FORMAT, **manifest, "files": listed}
        text = json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True)
        (temporary / MANIFEST).write_text(text + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        _swap(temporary, folder)
    except OSError as error:
        raise CheckpointError(f"{folder} can't be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Checkpoint(folder, whole)


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`; if that fails, the old one goes back."""
    if not folder.exists():
        os.rename(new, folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
    os.rename(folder, aside / folder.name)
    try:
        os.rename(new, folder)
    except OSError:
        os.rename(aside / folder.name, folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's manifest.

    Raises:
        CheckpointError: It is missing, broken, of a newer format or not one of ours.
    """
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"Checkpoint {folder.name}: {MANIFEST} is missing.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"Checkpoint {folder.name}: {MANIFEST} can't be read.") from error
    checkpoint = Checkpoint(folder, manifest)
    try:
        newer = int(manifest["format"]) > FORMAT
        if not newer:
            _touch_all(checkpoint)
    except (KeyError, TypeError, AttributeError, ValueError, RecipeError) as error:
        raise CheckpointError(f"Checkpoint {folder.name}: {MANIFEST} is not one of Odzera's ({error!r}).") from error
    if newer:
        raise CheckpointError(f"Checkpoint {folder.name} was made by a newer version of Odzera.")
    if any(Path(name).name != name for name in manifest["files"]):
        raise CheckpointError(f"Checkpoint {folder.name}: {MANIFEST} names files outside its folder.")
    return checkpoint


def _touch_all(checkpoint: Checkpoint) -> None:
    """Read once whatever tables and cards will read, so that a foreign manifest fails here and by name."""
    manifest = checkpoint.manifest
    if set(manifest["run"]) != RUN_FIELDS:
        raise ValueError("run")
    record = manifest["run"]["record"]
    test = record["scores"]["test"]
    ends = (end for both in test["intervals"].values() for end in both)
    for value in (test["accuracy"], test["macro_f1"], *ends, record["latency"]["p50_ms"]):
        float(value)
    for number in (record["parameters"]["total"], record["parameters"]["trained"], *record["rows"].values()):
        int(number)
    float(record["cost"]["seconds"])
    if not all({"bytes", "sha256"} == set(file) for file in manifest["files"].values()):
        raise ValueError("files")
    if checkpoint.recipe.name != record["recipe"] or not isinstance(manifest["labels"], list):
        raise ValueError("recipe")
    if not {"name", "task", "epochs", "origin"} <= set(manifest) or not {"source", "rows"} <= set(manifest["data"]):
        raise ValueError("data")


def list_checkpoints(root: Path, task: str) -> tuple[list[Checkpoint], list[str]]:
    """All readable checkpoints of a task, oldest first, and a line for each one that is refused."""
    found, refused = [], []
    folders = sorted(path for path in (root / task).glob("*") if path.is_dir() and not path.name.startswith("."))
    for folder in folders:
        try:
            checkpoint = read_checkpoint(folder)
            if checkpoint.task != task:
                raise CheckpointError(f"Checkpoint {folder.name} is for {checkpoint.task}, not for {task}.")
            found.append(checkpoint)
        except CheckpointError as error:
            refused.append(str(error))
    return sorted(found, key=lambda one: str(one.manifest["run"].get("created", ""))), refused


def pick_named(checkpoints: Iterable[Checkpoint], name: str) -> list[Checkpoint]:
    """The checkpoints that `NAME`, `NAME@FINGERPRINT` (or its beginning) or `TASK/NAME` stands for, in their order."""
    task, _, rest = name.rpartition("/")
    model, _, fingerprint = rest.partition("@")
    return [
        one
        for one in checkpoints
        if one.name == model and one.fingerprint.startswith(fingerprint) and task in ("", one.task)
    ]


def find_checkpoint(root: Path, task: str, name: str) -> Checkpoint:
    """The checkpoint of a task that `name` stands for, the latest of several; see `pick_named`.

    Raises:
        CheckpointError: There is none.
    """
    found = pick_named(list_checkpoints(root, task)[0], name)
    if not found:
        recipe = name.partition("@")[0]
        raise CheckpointError(f"There is no trained model '{name}' for {task}: odzera train {recipe} --task {task}")
    return found[-1]


def require_writable(root: Path) -> None:
    """Fail before hours of training rather than after them.

    Raises:
        CheckpointError: Nothing can be written to `root`.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise CheckpointError(
            f"{root} can't be written ({error.strerror}); name another place with ODZERA_HOME."
        ) from error


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
