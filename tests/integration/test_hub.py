"""Backbones and data sets from a hub on loopback, which the unmodified libraries ask; and what is pinned."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.data.sources import SourceOptions, TaskData, load
from engine.data.tasks import SLANG
from engine.errors import HubError, RecipeError
from engine.hub import cache
from engine.models.backbone_files import locate
from engine.models.backbones import BACKBONES, get_backbone
from engine.models.heads import Head
from engine.models.pretrained import build_without_weights, open_backbone
from engine.paths import ROOT
from engine.training.build import build
from engine.training.recipes import RECIPES
from support.loopback_hub import LoopbackHub
from support.tiny_repos import TERMS, slang_set

SLANG_SET = SLANG.hub.repo_id
SEVERAL = """
import json, sys
from typer.testing import CliRunner
from engine.cli import app
results = [CliRunner().invoke(app, words) for words in json.load(sys.stdin)]
print(json.dumps([[one.exit_code, one.stdout, one.stderr] for one in results]))
"""
"""Commands one after another in a process that was started with the hub's address, as each start costs seconds."""
TRAINED = {
    "gpt2-last1": ("--set", "backbone=tiny/gpt2", "--set", "method.blocks=1"),
    "bielik-last3": ("--set", "backbone=tiny/llama@main", "--set", "method.blocks=1"),
    "herbert-lora": ("--set", "backbone=tiny/bert@refs/pr/2"),
    "minilm-full": ("--set", "backbone=tiny/xlm-r", "--set", "head.kind=linear"),
}
"""Recipe → what makes it the recipe of a tiny model; one for each architecture and way of adapting."""


def environment(hub: LoopbackHub, home: Path) -> dict[str, str]:
    """Where the libraries and the program look and write."""
    ours = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home / "hf"), "HF_HUB_OFFLINE": "0", "ODZERA_HOME": str(home)}
    return {name: value for name, value in os.environ.items() if name != "HF_TOKEN"} | ours


def run(home: Path, hub: LoopbackHub, *words: str, program: tuple[str, ...] = ("-m", "engine"), **more: Any) -> Any:
    """Start the program, or another one, in a process of its own."""
    return subprocess.run(
        [sys.executable, *program, *words],
        cwd=ROOT,
        env=environment(hub, home) | more.pop("env", {}),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        **more,
    )


@pytest.fixture(scope="module")
def served(tiny: dict[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A hub, four models trained and scored through it, and what was said and asked meanwhile."""
    hub, home = LoopbackHub(), tmp_path_factory.mktemp("served")
    hub.add("dataset", SLANG_SET, slang_set())
    commits = {name: hub.add("model", f"tiny/{name}", files) for name, files in tiny.items()}
    # What the branch main of BERT has is a pickle alone.
    commits["bert"] = hub.add("model", "tiny/bert", tiny["bert"], ref="refs/pr/2")
    hub.add("model", "tiny/bert", {"config.json": b"{}", "pytorch_model.bin": b"no pickle"})
    data = ("--task", "slang", "--source", "hub")
    commands = [["train", name, *data, "--set", "epochs=1", "--json", *more] for name, more in TRAINED.items()]
    commands += [["evaluate", name, *data, "--json"] for name in TRAINED]
    commands += [["data", "slang", "--source", "hub", "--json", *more] for more in ((), ("--resplit", "train"))]
    ran = run(home, hub, program=("-c", SEVERAL), input=json.dumps(commands))
    assert ran.returncode == 0, ran.stderr
    results = json.loads(ran.stdout)
    for code, _, stderr in results:
        assert code == 0, stderr
    answers = [json.loads(stdout) for _, stdout, _ in results]
    yield {"hub": hub, "home": home, "commits": commits, "answers": answers, "asked": list(hub.asked)}
    hub.close()


def test_every_architecture_is_trained_and_scored_through_the_hub(served: dict[str, Any]) -> None:
    trained, scored = served["answers"][:4], served["answers"][4:8]
    assert [row["recipe"] for (row,) in trained] == [one["model"] for one in scored] == list(TRAINED)
    for (row,), one in zip(trained, scored, strict=True):
        assert one["data"]["source"].startswith(f"hub:{SLANG_SET}@")
        assert one["data"]["rows"] == 12
        assert one["accuracy"] == pytest.approx(row["accuracy"])
        assert one["loss"] == pytest.approx(row["loss"], abs=1e-6), "what was trained is what is opened again"


def test_a_data_set_in_the_authors_own_columns_keeps_its_splits(served: dict[str, Any]) -> None:
    whole, again = served["answers"][8:]
    rows = {name: split["rows"] for name, split in whole["splits"].items()}
    assert rows == {"train": 36, "validation": 12, "test": 12, "all": 60}
    assert again["splits"]["all"]["rows"] == 36
    assert min(split["rows"] for split in again["splits"].values()) > 0


def test_the_commit_that_was_trained_on_is_kept_and_opened_again_after_the_repository_moves_on(
    served: dict[str, Any], tiny: dict[str, dict[str, bytes]]
) -> None:
    hub, home = served["hub"], served["home"]
    for name in ("gpt2", "llama"):
        moved = {file: one for file, one in tiny[name].items() if "safetensors" not in file}
        hub.add("model", f"tiny/{name}", moved | {"pytorch_model.bin": b"no pickle"})
    hub.add("model", "tiny/bert", {"config.json": b"{}"}, ref="refs/pr/2")
    origins = {}
    for (row,) in served["answers"][:4]:
        manifest = json.loads((Path(row["checkpoint"]) / "manifest.json").read_text(encoding="utf-8"))
        origins[manifest["origin"]["repo_id"]] = manifest["origin"]["revision"]
    assert origins == {f"tiny/{name}": commit for name, commit in served["commits"].items()}

    before = len(hub.asked)
    answered = run(home, hub, "classify", "slang", "ale kozak", "--json")
    assert {one["model"] for one in json.loads(answered.stdout)} == set(TRAINED), answered.stderr
    # The cache has all of it.
    assert len(hub.asked) == before


def test_only_what_a_model_is_opened_from_is_downloaded_and_that_once(served: dict[str, Any]) -> None:
    fetched = [one for one in served["asked"] if one.method == "GET" and ("/resolve/" in one.path or one.cdn)]
    assert not [one.path for one in fetched if one.path.endswith((".bin", ".py", ".md.md"))]
    # The hub itself only says where the weights lie.
    assert not [path for path, _ in served["hub"].sent if "/resolve/" in path and path.endswith(".safetensors")]
    assert len([one for one in fetched if one.cdn]) == 3 + 3
    assert len(fetched) == len({one.path for one in fetched}), "something was downloaded twice"


def test_a_backbone_is_a_name_a_folder_or_a_repository_at_a_revision() -> None:
    plain, at = get_backbone("owner/some.Model-1"), get_backbone("owner/name@refs/pr/2")
    assert (plain.repo_id, plain.revision) == ("owner/some.Model-1", "main")
    assert (at.repo_id, at.revision, at.name) == ("owner/name", "refs/pr/2", "owner/name@refs/pr/2")
    for wrong in ("no-such-model", "/owner/name", "a/b/c", "../name", "owner/..", "owner/name@", "owner/name@../x", ""):
        with pytest.raises(RecipeError, match="or owner/name"):
            get_backbone(wrong)


def test_pinned_backbones_name_a_commit_or_a_conversion() -> None:
    pinned = {name: one.revision for name, one in BACKBONES.items() if not (one.package or one.bundled)}
    assert cache.is_commit(pinned["mbert"])
    assert cache.is_commit(pinned["xlm-roberta"])
    assert pinned["herbert"] == "refs/pr/2"


def test_code_of_a_repository_is_never_trusted() -> None:
    sources = [
        path.read_text(encoding="utf-8") for room in ("engine", "gradio_app") for path in (ROOT / room).rglob("*.py")
    ]
    said = [one for text in sources for one in re.findall(r"trust_remote_code\W+(\w+)", text)]
    assert said
    assert set(said) == {"False"}


def test_a_repository_is_counted_by_its_own_settings(connected: LoopbackHub) -> None:
    counted = build_without_weights(get_backbone("tiny/bert"), Head(), False, 3)
    assert counted.config.hidden_size == 64
    assert all(one.is_meta for one in counted.parameters())


def test_a_branch_stays_at_the_commit_of_its_first_use(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]]
) -> None:
    first = locate(get_backbone("tiny/gpt2"))
    connected.add("model", "tiny/gpt2", tiny["gpt2"])
    connected.asked.clear()
    assert locate(get_backbone("tiny/gpt2")) == first
    assert connected.asked == []
    # Insisted on, the newer one is another snapshot.
    newer = connected.repositories["model", "tiny/gpt2"].refs["main"]
    assert locate(get_backbone(f"tiny/gpt2@{newer}"))[1] == newer != first[1]


def test_what_another_program_left_unfinished_is_completed(connected: LoopbackHub) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download("tiny/llama", "config.json", endpoint=connected.endpoint)
    hf_hub_download("tiny/llama", "model.safetensors.index.json", endpoint=connected.endpoint)
    folder, commit = locate(get_backbone("tiny/llama"))
    assert Path(folder).name == commit
    assert len(list(Path(folder).glob("*.safetensors"))) == 3


def test_without_a_hub_what_another_program_downloaded_serves_if_all_of_it_is_there(
    connected: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download("tiny/llama", endpoint=connected.endpoint)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder, _ = locate(get_backbone("tiny/llama"))
    shard = sorted(Path(folder).glob("*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(HubError, match="can't be reached"):
        locate(get_backbone("tiny/llama"))


def test_a_file_that_was_deleted_from_the_cache_is_downloaded_again(connected: LoopbackHub) -> None:
    folder, _ = locate(get_backbone("tiny/bert"))
    weights = Path(folder) / "model.safetensors"
    weights.resolve().unlink()
    locate(get_backbone("tiny/bert"))
    assert weights.is_file()


def test_a_folder_called_like_a_repository_isnt_taken_for_a_commit_of_it(
    connected: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, commit = locate(get_backbone("tiny/bert"))
    (tmp_path / "tiny" / "bert").mkdir(parents=True)
    (tmp_path / "tiny" / "bert" / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert locate(get_backbone("tiny/bert"))[0] == "tiny/bert"
    assert locate(get_backbone("tiny/bert"), commit)[1] == commit
    (tmp_path / "tiny" / "bert" / "config.json").unlink()
    with pytest.raises(HubError, match="was trained on the folder tiny/bert, which isn't here"):
        locate(get_backbone("tiny/bert"), "sha256:0123456789abcdef")


def test_a_decoder_without_a_padding_token_pads_with_its_end(connected: LoopbackHub) -> None:
    opened = open_backbone(get_backbone("tiny/llama"), Head("mlp", width=8), False, 3)
    assert opened.tokenizer.pad_token == "</s>"  # noqa: S105
    assert opened.model.config.pad_token_id == opened.tokenizer.eos_token_id


@pytest.fixture(scope="module")
def folders(tiny: dict[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models in folders."""
    root = tmp_path_factory.mktemp("folders")
    for name, files in tiny.items():
        (root / name).mkdir()
        for file, content in files.items():
            (root / name / file).write_bytes(content)
    return root


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.kind == "pretrained"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "bert", "xlm-r"])
def test_every_recipe_works_on_every_architecture(folders: Path, few: TaskData, architecture: str, name: str) -> None:
    recipe = RECIPES[name]
    method = dataclasses.replace(recipe.method, blocks=min(recipe.method.blocks, 2))
    model = build(dataclasses.replace(recipe, backbone=str(folders / architecture), method=method), few)
    assert model.probabilities([("ale kozak",), ("sztos, a nie lipa",)]).shape == (2, 3)
    assert 0 < model.parameters().trained <= model.parameters().total


def test_a_data_set_at_a_revision_is_that_revision(connected: LoopbackHub) -> None:
    first = load(SLANG, "hub")
    changed = slang_set()
    changed["data/test.csv"] = b"\n".join(changed["data/test.csv"].splitlines()[:7])
    newer = connected.add("dataset", SLANG_SET, changed)
    assert len(load(SLANG, "hub").split("test")) == 6
    assert load(SLANG, "hub").source == f"hub:{SLANG_SET}@{newer[:12]}"
    commits = list(connected.repositories["dataset", SLANG_SET].commits)
    again = load(SLANG, "hub", SourceOptions(revision=commits[0]))
    assert again.fingerprint == first.fingerprint
    assert len(again.frame) == 3 * len(TERMS)
