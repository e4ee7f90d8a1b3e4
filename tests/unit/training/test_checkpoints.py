"""Checkpoints: written whole or not at all, only what was trained, and refused by name when something is wrong."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from engine.data.sources import TaskData
from engine.errors import CheckpointError, OdzeraError
from engine.serving.registry import Registry
from engine.store import Store
from engine.training.checkpoints import (
    FORMAT,
    MANIFEST,
    WEIGHTS,
    Checkpoint,
    list_checkpoints,
    read_checkpoint,
    save_checkpoint,
)
from engine.training.classifiers import open_checkpoint
from engine.training.recipes import RECIPES
from support.models import places_in, tiny_recipe, train_model


def few(data: TaskData, rows: int = 24) -> TaskData:
    """The first rows of each split."""
    return dataclasses.replace(data, frame=data.frame.groupby("split").head(rows).reset_index(drop=True))


@pytest.fixture(scope="module")
def registry_of_two(tmp_path_factory: pytest.TempPathFactory, slang: TaskData) -> Path:
    """A folder with two trained models: majority and scratch."""
    places = places_in(tmp_path_factory.mktemp("two"))
    for recipe in (RECIPES["majority"], tiny_recipe(epochs=1)):
        train_model(recipe, few(slang), places, Store.in_memory())
    return places.checkpoints


@pytest.fixture
def root(registry_of_two: Path, tmp_path: Path) -> Path:
    """A copy of the two models to damage."""
    return Path(shutil.copytree(registry_of_two, tmp_path / "checkpoints"))


@pytest.fixture
def plain(registry_of_two: Path) -> dict[str, Any]:
    """A manifest as a caller gives it: that of the majority model."""
    (folder,) = registry_of_two.glob("slang/majority@*")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return {key: value for key, value in manifest.items() if key not in ("format", "files")}


def scratch_in(root: Path) -> Path:
    (folder,) = root.glob("slang/scratch@*")
    return folder


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest on disk."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def test_a_saved_checkpoint_reads_back(plain: dict[str, Any], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "probny@0123", plain, {"a.bin": b"abc"})
    checkpoint = read_checkpoint(tmp_path / "probny@0123")
    assert checkpoint.path("a.bin").read_bytes() == b"abc"
    assert (checkpoint.name, checkpoint.task) == ("majority", "slang")
    assert checkpoint.manifest["format"] == FORMAT


def test_a_newer_checkpoint_replaces_the_older_one(plain: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "probny@0123"
    save_checkpoint(folder, plain, {"a.bin": b"old", "b.bin": b"old"})
    save_checkpoint(folder, plain, {"a.bin": b"new"})
    assert sorted(file.name for file in folder.iterdir()) == ["a.bin", MANIFEST]
    assert read_checkpoint(folder).path("a.bin").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["probny@0123"]


@pytest.mark.parametrize("broken", [{"a.bin": b"new", "no/such/folder": b"x"}, {"a.bin": b"new", "b.bin": None}])
def test_a_save_that_fails_midway_leaves_the_old_one(
    broken: dict[str, Any], plain: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "probny@0123"
    save_checkpoint(folder, plain, {"a.bin": b"old"})
    with pytest.raises((CheckpointError, TypeError)):
        save_checkpoint(folder, plain, broken)
    assert read_checkpoint(folder).path("a.bin").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["probny@0123"]


def test_a_save_that_fails_at_the_last_rename_leaves_the_old_one(
    plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename = tmp_path / "probny@0123", os.rename
    save_checkpoint(folder, plain, {"a.bin": b"old"})

    def full_disk(source: Any, target: Any) -> None:
        if ".new-" in str(source):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", full_disk)
    with pytest.raises(CheckpointError, match="No space left"):
        save_checkpoint(folder, plain, {"a.bin": b"new"})
    assert read_checkpoint(folder).path("a.bin").read_bytes() == b"old"


def test_a_place_that_is_a_file_is_refused_with_its_name(plain: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "slang").write_text("nie folder")
    with pytest.raises(CheckpointError, match="slang can't be written"):
        save_checkpoint(tmp_path / "slang" / "probny@0123", plain, {})


def test_unfinished_saves_are_not_listed(root: Path) -> None:
    shutil.copytree(scratch_in(root), root / "slang" / ".new-abc")
    checkpoints, refused = list_checkpoints(root, "slang")
    assert ([one.name for one in checkpoints], refused) == (["majority", "scratch"], [])


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-5] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def truncate(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def truncate_and_sign(folder: Path) -> None:
    """A truncated file whose hash fits, as from a broken export."""
    truncate(folder)
    content = (folder / WEIGHTS).read_bytes()
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != MANIFEST} | {WEIGHTS: content}
    save_checkpoint(folder, json.loads((folder / MANIFEST).read_text(encoding="utf-8")), files)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def set_key(*path: str, value: Any) -> Callable[[Path], None]:
    """Set one value in the manifest."""

    def change(manifest: dict[str, Any]) -> None:
        for key in path[:-1]:
            manifest = manifest[key]
        manifest[path[-1]] = value

    return lambda folder: rewrite(folder, change)


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "one bit of the weights": (flip_a_byte, "weights.safetensors is damaged"),
    "half of the weights": (truncate, "weights.safetensors is damaged"),
    "half of the weights, signed": (truncate_and_sign, "can't be opened"),
    "no weights": (remove(WEIGHTS), "weights.safetensors is missing"),
    "no tokenizer": (remove("tokenizer.json"), "tokenizer.json is missing"),
    "another tokenizer": (write("tokenizer.json", b"{}"), "tokenizer.json is damaged"),
    "other labels": (set_key("labels", value=["a", "b"]), "labels are not those of the task"),
    "an unknown setting": (set_key("recipe", "gravity", value=9.81), "gravity"),
    "a wider decoder": (set_key("recipe", "decoder", "hidden_size", value=64), "not those of the recipe"),
    "a shape of words": (set_key("recipe", "decoder", "hidden_size", value="wide"), "can't be opened"),
    "an impossible shape": (set_key("recipe", "decoder", "num_attention_heads", value=5), "can't be opened"),
    "another kind": (set_key("recipe", "kind", value="pretrained"), "can't be opened"),
    "an unknown baseline": (set_key("recipe", "kind", value="baseline"), "can't be opened"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_refused_by_name_in_one_line(damage: Callable[[Path], None], says: str, root: Path) -> None:
    damage(scratch_in(root))
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(read_checkpoint(scratch_in(root)))
    assert says in str(caught.value)
    assert scratch_in(root).name in str(caught.value)
    assert "\n" not in str(caught.value)


FOREIGN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no manifest": (remove(MANIFEST), "manifest.json is missing"),
    "an empty manifest": (write(MANIFEST, b""), "manifest.json can't be read"),
    "half a manifest": (write(MANIFEST, b'{"format": 1, "na'), "manifest.json can't be read"),
    "a manifest in another encoding": (write(MANIFEST, '{"żółć": 1}'.encode("cp1250")), "manifest.json can't be read"),
    "a manifest of something else": (write(MANIFEST, b'{"manifest_version": 3, "name": "x"}'), "not one of Odzera's"),
    "a list": (write(MANIFEST, b"[1, 2]"), "not one of Odzera's"),
    "a newer format": (set_key("format", value=FORMAT + 1), "newer version"),
    "a format of words": (set_key("format", value="latest"), "not one of Odzera's"),
    "files that are a list": (set_key("files", value=[WEIGHTS]), "not one of Odzera's"),
    "files without sizes": (set_key("files", value={WEIGHTS: None}), "not one of Odzera's"),
    "a run of words": (set_key("run", value="yesterday"), "not one of Odzera's"),
    "a run without figures": (set_key("run", value={}), "not one of Odzera's"),
    "data of words": (set_key("data", value="sample"), "not one of Odzera's"),
    "another task": (set_key("task", value="nli"), "nli"),
    "a path upwards": (set_key("files", "../../secret", value={"bytes": 1, "sha256": ""}), "outside its folder"),
    "a path from the root": (set_key("files", "/etc/hostname", value={"bytes": 1, "sha256": ""}), "outside its folder"),
}


@pytest.mark.parametrize(("damage", "says"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_manifest_is_refused_by_name_and_the_others_are_listed(
    damage: Callable[[Path], None], says: str, root: Path
) -> None:
    damage(scratch_in(root))
    registry = Registry(root)
    assert [one.name for one in registry.models("slang")] == ["majority"]
    (line,) = registry.refused["slang"]
    assert says in line
    assert scratch_in(root).name in line
    assert "\n" not in line


def test_a_file_outside_the_folder_is_never_read(root: Path) -> None:
    (root / "slang" / "secret").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="missing"):
        read_checkpoint(scratch_in(root)).path("../secret")


def test_other_models_answer_when_one_is_damaged(root: Path) -> None:
    truncate(scratch_in(root))
    registry = Registry(root)
    answered = {}
    for checkpoint in registry.models("slang"):
        try:
            registry.classifier(checkpoint).probabilities([("no i git",)])
            answered[checkpoint.name] = True
        except OdzeraError:
            answered[checkpoint.name] = False
    assert answered == {"majority": True, "scratch": False}


def test_a_damaged_model_asked_for_by_name_says_why(root: Path) -> None:
    remove(MANIFEST)(scratch_in(root))
    with pytest.raises(CheckpointError, match=r"scratch@.*manifest.json is missing"):
        Registry(root).find("slang", "scratch")


def test_files_that_are_no_folders_are_passed_over(root: Path) -> None:
    (root / "slang" / "README.md").write_text("# modele")
    checkpoints, refused = list_checkpoints(root, "slang")
    assert (len(checkpoints), refused) == (2, [])


def test_an_empty_place_has_no_models(tmp_path: Path) -> None:
    assert list_checkpoints(tmp_path / "nowhere", "slang") == ([], [])


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory, nli: TaskData) -> Checkpoint:
    """MiniLM's last block, trained on a handful of pairs."""
    recipe = dataclasses.replace(RECIPES["minilm-last1"], epochs=1, max_length=32, precision="float32")
    return train_model(recipe, few(nli), places_in(tmp_path_factory.mktemp("minilm")), Store.in_memory()).checkpoint


def test_a_frozen_backbone_is_not_copied(minilm: Checkpoint) -> None:
    names = load_file(minilm.path(WEIGHTS))
    assert all("encoder.layer.5." in name or "classifier" in name for name in names)
    assert minilm.path(WEIGHTS).stat().st_size < 8_000_000


def test_a_frozen_backbone_is_named_with_its_revision(minilm: Checkpoint) -> None:
    assert minilm.manifest["origin"]["repo_id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert minilm.manifest["origin"]["revision"]


def test_a_model_on_a_frozen_backbone_opens_again(minilm: Checkpoint, nli: TaskData) -> None:
    (row,) = open_checkpoint(minilm).probabilities(nli.texts("test")[:1])
    assert row.sum() == pytest.approx(1)


def test_training_inputs_are_known_again(minilm: Checkpoint, nli: TaskData) -> None:
    rows = few(nli)
    assert minilm.count_seen(rows.texts("train")) == len(rows.split("train"))
    assert minilm.count_seen(rows.texts("test")) == 0
