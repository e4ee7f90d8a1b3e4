"""Decoders with a part that was learnt before: frozen word vectors, and out-of-fold TF-IDF."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.data.sources import TaskData
from engine.data.tasks import SLANG, Task, get_task
from engine.errors import DataError, ExportError
from engine.explain.why import Explainer, Explanation, explain_all
from engine.paths import Places
from engine.results.comparison import table_row
from engine.serving.exports import make_export
from engine.serving.registry import Registry
from engine.serving.runtime import Graphs, open_served, served_latency
from engine.sharing.model_card import snippet, write_model_card
from engine.sharing.model_folder import RECORD, write_model
from engine.store import Run, Store
from engine.training.build import batches_of, build
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import NeuralModel, open_checkpoint
from engine.training.hybrid import held_out_logits
from engine.training.recipe import Recipe
from support.models import TINY_DECODER, cut, places_in, tiny_recipe, train_model

WORDS = {**TINY_DECODER, "input": "words", "vocab_size": 2000, "num_hidden_layers": 1, "pooling": "max+sum"}
TEXTS = {
    "slang": [("ale kozak, serio",), ("no i lipa",), ("hulajnoga",), ("😺",)],
    "nli": [("It rains.", "The sky is dry.")],
}
UNSEEN = "hulajnoga"
"""A word of the unlabelled text that no train row has."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return places_in(tmp_path_factory.mktemp("hybrids"))


@pytest.fixture(scope="module", params=["slang-vectors", "slang-hybrid", "nli-hybrid"])
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Task and kind of a trained model."""
    task, _, kind = request.param.partition("-")
    return task, kind


@pytest.fixture(scope="module")
def task(case: tuple[str, str]) -> Task:
    return get_task(case[0])


@pytest.fixture(scope="module")
def data(task: Task, few: TaskData, nli: TaskData) -> TaskData:
    return few if task == SLANG else cut(nli)


@pytest.fixture(scope="module")
def text(few: TaskData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unlabelled lines, two of which are judged rows in another spelling."""
    file = tmp_path_factory.mktemp("text") / "lines.txt"
    told = [few.texts(split)[0][0].upper() + "!!" for split in ("validation", "test")]
    lines = [f"{UNSEEN} stoi pod blokiem numer {number}" for number in range(20)]
    file.write_text("\n".join([*told, *lines]), encoding="utf-8")
    return file


def recipe_of(kind: str, text: Path) -> Recipe:
    """Two epochs, with R-Drop."""
    if kind == "vectors":
        shape = WORDS | {"vectors": 8, "vector_words": 300}
        return tiny_recipe(name=kind, decoder=shape, r_drop=1.0, lr=3e-3, lowercase=True, unlabelled=str(text))
    return tiny_recipe(name=kind, decoder=WORDS, r_drop=1.0, lr=3e-3, lowercase=True, baseline="tfidf")


@pytest.fixture(scope="module")
def checkpoint(case: tuple[str, str], data: TaskData, places: Places, text: Path) -> Checkpoint:
    return train_model(recipe_of(case[1], text), data, places, Store.in_memory()).checkpoint


def test_it_is_opened_again_as_it_was_measured(checkpoint: Checkpoint, data: TaskData) -> None:
    kept = checkpoint.read_json("predictions.json")["probabilities"]
    assert np.allclose(open_checkpoint(checkpoint).probabilities(data.texts("test")), kept, atol=2e-5)


def test_its_graph_answers_the_same(checkpoint: Checkpoint, task: Task) -> None:
    assert make_export(checkpoint).manifest["runtimes"]["fp32"]["difference"] < 1e-4
    served = open_served(checkpoint, None, Graphs(1))
    assert served.runtime != "torch"
    # With weights in 8 bits, it may be.
    said = served.classifier.probabilities(TEXTS[task.name])
    assert np.allclose(said, open_checkpoint(checkpoint).probabilities(TEXTS[task.name]), atol=0.1)
    # What the graph alone takes isn't what a hybrid's answer takes.
    assert (served_latency(checkpoint) is None) == checkpoint.recipe.is_hybrid


def test_it_says_which_words_it_went_by(checkpoint: Checkpoint, task: Task, places: Places) -> None:
    explainer = Explainer(Registry(places.checkpoints))
    for way in ("gradients", "occlusion", "attention"):
        (found,) = explain_all(explainer, task, TEXTS[task.name][0], [checkpoint], way)
        assert isinstance(found, Explanation), found
        assert any(map(any, found.values))
        if way == "gradients":
            assert found.completeness is not None
            assert found.completeness.error < 0.1
            blank = ("",) * len(task.text_columns)
            logs = np.log(open_checkpoint(checkpoint).probabilities([TEXTS[task.name][0], blank]))
            # Of a decoder, blank places are no empty text; TF-IDF is most of a hybrid this small.
            if checkpoint.recipe.is_hybrid:
                centred = logs - logs.mean(axis=1, keepdims=True)
                change = (centred[0] - centred[1])[task.labels.index(found.label)]
                assert found.completeness.total == pytest.approx(change, abs=0.3)
    assert bool(found.notes) == checkpoint.recipe.is_hybrid


def test_it_is_told_apart_in_tables(checkpoint: Checkpoint) -> None:
    row = table_row(Run(**checkpoint.manifest["run"]))
    assert row["family"] == ("hybrid" if checkpoint.recipe.is_hybrid else "pretrained")


def test_what_is_published_says_where_its_vectors_are_from(
    checkpoint: Checkpoint, task: Task, text: Path, tmp_path: Path
) -> None:
    if checkpoint.recipe.is_hybrid:
        with pytest.raises(ExportError, match="is a decoder and TF-IDF"):
            write_model(checkpoint, str(tmp_path))
        return
    made = write_model(checkpoint, str(tmp_path))
    assert str(text) not in made.files[RECORD].decode()
    card = write_model_card(checkpoint, str(tmp_path), made, None)
    assert text.name in card
    assert "2 more were left out, as they are validation or test rows" in card
    for name, content in made.files.items():
        (tmp_path / name).write_bytes(content)
    names: dict[str, object] = {}
    code = "\n".join(snippet(task, str(tmp_path), made))
    exec(compile(code.replace("print(", "str("), "card", "exec"), names)  # noqa: S102 (the card's own code)
    model, tokenizer = names["model"], names["tokenizer"]
    columns = [list(column) for column in zip(*TEXTS[task.name], strict=True)]
    with torch.inference_mode():
        said = model(**tokenizer(*columns)).logits.softmax(-1)  # type: ignore[operator]
    assert np.allclose(said.numpy(), open_checkpoint(checkpoint).probabilities(TEXTS[task.name]), atol=1e-5)


def test_a_word_of_the_unlabelled_text_alone_is_known(few: TaskData, text: Path) -> None:
    model = build(recipe_of("vectors", text), few)
    (features,) = model.tokenizer.split(UNSEEN)
    assert features[-1] >= model.model.config.vocab_size
    assert UNSEEN not in model.tokenizer.words
    assert int(model.origin["vectors_texts"]) > len(few.split("train"))


def test_vectors_stay_as_they_were_counted(few: TaskData, text: Path, places: Places) -> None:
    recipe = recipe_of("vectors", text)
    trained = open_checkpoint(train_model(recipe, few, places, Store.in_memory(), "kept").checkpoint)
    assert isinstance(trained, NeuralModel)
    before = build(recipe, few).model.tokens.frozen.weight
    assert torch.equal(trained.model.tokens.frozen.weight, before)
    assert before.norm(dim=1)[1:].mean() == pytest.approx(1, abs=0.01)
    assert trained.parameters().total - trained.parameters().trained == before.numel()


def test_a_changed_text_is_another_training_run(few: TaskData, text: Path, tmp_path: Path, places: Places) -> None:
    from engine.experiments.record import Request
    from engine.experiments.run import _state_file

    other = tmp_path / text.name
    other.write_text(text.read_text(encoding="utf-8"), encoding="utf-8")
    recipe = dataclasses.replace(recipe_of("vectors", text), unlabelled=str(other))
    request = Request(recipe, few, places.checkpoints, places.training, device="cpu")
    before = _state_file(request)
    other.write_text("coś innego\n", encoding="utf-8")
    assert _state_file(request) != before


def test_too_little_text_for_vectors_is_one_line(few: TaskData, text: Path) -> None:
    recipe = recipe_of("vectors", text)
    wide = dataclasses.replace(recipe, decoder=recipe.decoder | {"vectors": 5000})
    with pytest.raises(DataError, match=r"^vectors can't learn word vectors from the train split's own texts and "):
        build(wide, few)


def test_a_row_is_told_what_tfidf_says_without_it(few: TaskData, text: Path) -> None:
    recipe = recipe_of("hybrid", text)
    held_out = held_out_logits(recipe, few)
    model = build(recipe, few)
    assert model.tfidf is not None
    labels = few.split("train")["label"].to_numpy()
    assert (model.tfidf.logits(few.texts("train")).argmax(1) == labels).mean() > 0.95
    assert (held_out.argmax(1) == labels).mean() < 0.9
    batches = batches_of(model, few, "train", recipe)
    batch = batches.pack(np.array([3, 1]))
    assert np.allclose(batch.inputs["base_logits"].numpy(), held_out[[3, 1]], atol=1e-5)
    whole = batches_of(model, few, "validation", recipe).pack(np.array([0]))
    assert np.allclose(whole.inputs["base_logits"].numpy(), model.tfidf.logits(few.texts("validation")[:1]), atol=1e-5)


def test_rows_of_one_term_are_never_told_of_each_other(few: TaskData, text: Path) -> None:
    """A word that stands in one term's rows alone says nothing in any of them."""
    train = few.frame["split"] == "train"
    term = few.frame.loc[train, "term"].value_counts().index[0]
    own = train & (few.frame["term"] == term)
    frame = few.frame.assign(text=few.frame["text"].where(~own, "zxq"))
    found = held_out_logits(recipe_of("hybrid", text), dataclasses.replace(few, frame=frame))
    rows = found[own[train].to_numpy()]
    assert len(rows) > 1
    # All of them are in one fold, and are told the intercept.
    assert np.allclose(rows, rows[0])


def test_checkpoint_keeps_both_parts(few: TaskData, text: Path, places: Places) -> None:
    found = train_model(recipe_of("hybrid", text), few, places, Store.in_memory(), "both").checkpoint
    assert {"baseline.safetensors", "vocabulary.json", "weights.safetensors", "tokenizer.json"} <= set(
        found.manifest["files"]
    )
    assert json.loads(found.path("vocabulary.json").read_text(encoding="utf-8"))["terms.char"]
    parameters = open_checkpoint(found).parameters()
    assert parameters.total == found.manifest["run"]["record"]["parameters"]["total"]
