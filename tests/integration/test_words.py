"""A decoder that reads words, from training to everything that is done with a trained model."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from engine.data.sources import TaskData
from engine.data.tasks import NLI, SLANG, Task
from engine.data.word_tokens import WordTokenizer
from engine.errors import CheckpointError
from engine.explain.why import Explainer, Explanation, explain_all
from engine.paths import Places
from engine.serving.exports import make_export
from engine.serving.registry import Registry
from engine.serving.runtime import Graphs, open_served
from engine.sharing.model_card import EXAMPLES, snippet
from engine.sharing.model_folder import write_model
from engine.store import Store
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import open_checkpoint
from support.models import TINY_DECODER, cut, places_in, tiny_recipe, train_model

WORDS = {**TINY_DECODER, "input": "words", "vocab_size": 2000, "num_hidden_layers": 1, "pooling": "max+sum"}
TEXTS = {
    "slang": [("ale kozak, serio",), ("no i lipa",), ("zażółć",), ("😺",)],
    "nli": [("It rains.", "The sky is dry.")],
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return places_in(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module", params=[SLANG, NLI], ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    chosen: Task = request.param
    return chosen


@pytest.fixture(scope="module")
def data(task: Task, few: TaskData, nli: TaskData) -> TaskData:
    return few if task == SLANG else cut(nli)


@pytest.fixture(scope="module")
def checkpoint(data: TaskData, places: Places) -> Checkpoint:
    """Two epochs, with R-Drop."""
    recipe = tiny_recipe(decoder=WORDS, r_drop=1.0, lr=3e-3)
    return train_model(recipe, data, places, Store.in_memory()).checkpoint


def test_it_is_opened_again_as_it_was_measured(checkpoint: Checkpoint, data: TaskData) -> None:
    opened = open_checkpoint(checkpoint)
    right = opened.probabilities(data.texts("test")).argmax(1) == data.split("test")["label"].to_numpy()
    assert right.mean() == pytest.approx(checkpoint.manifest["run"]["record"]["scores"]["test"]["accuracy"])
    vectors = opened.model.config.vocab_size  # type: ignore[attr-defined]
    assert vectors == len(WordTokenizer.from_json(checkpoint.path("tokenizer.json").read_text(encoding="utf-8")))


def test_a_text_answers_alone_as_it_does_among_others(checkpoint: Checkpoint, task: Task) -> None:
    opened, texts = open_checkpoint(checkpoint), TEXTS[task.name] * 3
    together = opened.probabilities(texts)
    alone = np.concatenate([opened.probabilities([one]) for one in texts])
    assert np.allclose(together, alone, atol=1e-5)


def test_its_graph_answers_the_same_and_counts_the_words_it_reads(checkpoint: Checkpoint, task: Task) -> None:
    assert make_export(checkpoint).manifest["runtimes"]["fp32"]["difference"] < 1e-4
    served = open_served(checkpoint, None, Graphs(1))
    assert served.runtime != "torch"
    said, read = served.classifier.answer(TEXTS[task.name])
    # With weights in 8 bits, it may be.
    assert np.allclose(said, open_checkpoint(checkpoint).probabilities(TEXTS[task.name]), atol=0.1)
    assert read is not None
    assert read.unit == "words"
    assert read.given[0] == (4 if task == SLANG else 8)


def test_it_says_which_words_it_went_by(checkpoint: Checkpoint, task: Task, places: Places) -> None:
    explainer = Explainer(Registry(places.checkpoints))
    for way in ("gradients", "occlusion", "attention"):
        (found,) = explain_all(explainer, task, TEXTS[task.name][0], [checkpoint], way)
        assert isinstance(found, Explanation), found
        assert any(map(any, found.values))
        if way == "gradients":
            assert found.completeness is not None
            assert found.completeness.error < 0.1


def test_without_a_block_there_is_no_attention_to_show(few: TaskData, places: Places) -> None:
    bag = tiny_recipe(decoder=WORDS | {"num_hidden_layers": 0, "final_norm": False}, epochs=1)
    checkpoint = train_model(bag, few, places, Store.in_memory(), "bag").checkpoint
    explainer = Explainer(Registry(places.checkpoints))
    (said,) = explain_all(explainer, SLANG, TEXTS["slang"][0], [checkpoint], "attention")
    assert not isinstance(said, Explanation)
    assert said.reason == "Its architecture doesn't give its attention away."
    assert checkpoint.folder.name.startswith("bag@")


def test_a_published_one_answers_the_same_by_the_code_of_its_card(
    checkpoint: Checkpoint, task: Task, tmp_path: Path
) -> None:
    made = write_model(checkpoint, str(tmp_path))
    for name, content in made.files.items():
        (tmp_path / name).write_bytes(content)
    code = "\n".join(snippet(task, str(tmp_path), made))
    assert "WordTokenizer.from_pretrained" in code
    assert "AutoTokenizer" not in code
    names: dict[str, object] = {}
    exec(compile(code.replace("print(", "str("), "card", "exec"), names)  # noqa: S102 (the card's own code)
    inputs = list(zip(*EXAMPLES[task.name], strict=True))
    expected = open_checkpoint(checkpoint).probabilities(inputs)
    probabilities = names["probabilities"]
    assert isinstance(probabilities, torch.Tensor)
    assert np.allclose(probabilities.numpy(), expected, atol=1e-5)
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path).config.input == "words"


def test_a_recipe_of_another_shape_is_one_line(checkpoint: Checkpoint) -> None:
    recipe = checkpoint.manifest["recipe"]
    other = {**recipe, "decoder": {**recipe["decoder"], "hidden_size": 16}}
    with pytest.raises(
        CheckpointError, match=r"^Checkpoint scratch@\w+: its weights are not those of the recipe scratch\.$"
    ):
        open_checkpoint(dataclasses.replace(checkpoint, manifest={**checkpoint.manifest, "recipe": other}))
