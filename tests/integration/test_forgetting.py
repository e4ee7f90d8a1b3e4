"""What fine-tuning made a decoder forget: nothing where nothing moved, and what adapters add counted exactly."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch

from engine.data.sources import TaskData
from engine.errors import DataError, RecipeError
from engine.models.backbones import get_backbone
from engine.models.heads import Head
from engine.models.methods import Method
from engine.models.pretrained import Opened, open_untouched
from engine.pretraining.forgetting import BATCH, MOST_TOKENS, measure_forgetting, pack
from engine.store import Store
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import NeuralModel, open_checkpoint
from engine.training.recipes import RECIPES
from support.models import cut, places_in, saved_decoder, tiny_recipe, train_model

TEXTS = ["Ala ma kota, a kot ma Alę. " * 20, "", "A kot Ali ma Alę. " * 20]


@pytest.fixture(scope="module")
def small(slang: TaskData) -> TaskData:
    """A few rows of every split."""
    return cut(slang, 48, 16)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A decoder that reads 64 tokens."""
    return str(saved_decoder(tmp_path_factory.mktemp("backbone")))


@pytest.fixture(scope="module")
def tuned(small: TaskData, backbone: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checkpoint]:
    """Method → the decoder trained with it, at a rate that moves it."""
    places, store = places_in(tmp_path_factory.mktemp("tuned")), Store.in_memory()
    base = dataclasses.replace(
        RECIPES["mini-full"], backbone=backbone, max_length=40, epochs=1, lr=0.02, head=Head("pooled", width=16)
    )
    methods = {
        "head": Method("head"),
        "full": Method("full"),
        "lora": Method("lora", rank=4, alpha=32),
        "prompt": Method("prompt", prompt_tokens=4),
    }
    return {
        kind: train_model(dataclasses.replace(base, name=f"own-{kind}", method=method), small, places, store).checkpoint
        for kind, method in methods.items()
    }


@pytest.mark.parametrize("method", ["head", "prompt"])
def test_a_backbone_that_was_not_trained_forgets_nothing(tuned: dict[str, Checkpoint], method: str) -> None:
    result = measure_forgetting(tuned[method], TEXTS)
    assert result.after == pytest.approx(result.before, rel=1e-6)
    assert result.as_dict()["ratio"] == pytest.approx(1, rel=1e-6)
    assert (result.model, result.before > 1) == (f"own-{method}", True)


def test_a_backbone_that_was_trained_changes(tuned: dict[str, Checkpoint]) -> None:
    result = measure_forgetting(tuned["full"], TEXTS)
    assert abs(result.after / result.before - 1) > 0.01


def test_the_perplexity_with_adapters_merged_is_that_with_adapters_beside(
    tuned: dict[str, Checkpoint], backbone: str
) -> None:
    result = measure_forgetting(tuned["lora"], TEXTS)
    classifier = open_checkpoint(tuned["lora"])
    assert isinstance(classifier, NeuralModel)
    unmerged = classifier.model.get_base_model().base_model
    untouched = open_untouched(get_backbone(backbone), True)
    total, seen = 0.0, 0
    with torch.inference_mode():
        for batch in pack(TEXTS, untouched):
            hidden = unmerged(input_ids=batch[:, :-1]).last_hidden_state
            logits = hidden @ untouched.model.get_output_embeddings().weight.T
            targets = batch[:, 1:]
            total += float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum"))
            seen += targets.numel()
    assert seen == result.tokens
    assert result.after == pytest.approx(math.exp(total / seen), rel=1e-5)
    assert abs(result.after / result.before - 1) > 1e-4


def test_progress_is_told_to_the_end(tuned: dict[str, Checkpoint]) -> None:
    told: list[tuple[int, int]] = []
    measure_forgetting(tuned["head"], TEXTS, lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] == len(told)


def test_what_cannot_forget_is_refused_in_one_line(tuned: dict[str, Checkpoint]) -> None:
    kept = tuned["lora"]
    refused = {
        "is an encoder, which has no perplexity": RECIPES["minilm-head"],
        "was not pretrained, so there is nothing": RECIPES["majority"],
        "was not pretrained, so there is nothing that": tiny_recipe(),
        "was not pretrained, so there is nothing that it": RECIPES["mini-random"],
        "was asked as it was pretrained": RECIPES["mini-zero"],
        "reads its backbone in 4 bits": RECIPES["mini-qlora"],
    }
    for message, recipe in refused.items():
        manifest = {**kept.manifest, "name": recipe.name, "recipe": recipe.as_dict(), "origin": {}}
        with pytest.raises(RecipeError, match=f"^{recipe.name} {message}") as caught:
            measure_forgetting(dataclasses.replace(kept, manifest=manifest), TEXTS)
        assert "\n" not in str(caught.value)


def test_no_text_is_told_in_one_line(tuned: dict[str, Checkpoint]) -> None:
    with pytest.raises(DataError, match=r"^There is no text to measure on\.$"):
        measure_forgetting(tuned["head"], ["", " \n"])


@pytest.fixture(scope="module")
def opened(backbone: str) -> Opened:
    """The decoder with its tokenizer."""
    return open_untouched(get_backbone(backbone), True)


def test_texts_are_packed_whole_with_the_end_of_text_between(opened: Opened) -> None:
    tokenizer = opened.tokenizer
    first, _, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS)
    ids = [*first, tokenizer.eos_token_id, *second]
    batches = pack(TEXTS, opened)
    rows = torch.cat(batches)
    assert rows.shape == (len(ids) // 64, 65)
    # Each row's last token is what the next begins with, so that every token but the first is foretold once.
    assert torch.equal(rows[1:, 0], rows[:-1, -1])
    assert rows[:, :-1].flatten().tolist() == ids[: rows[:, :-1].numel()]
    assert (rows[:, :-1] == tokenizer.eos_token_id).sum() == 1
    assert all(len(batch) <= BATCH for batch in batches)


def test_a_text_shorter_than_the_context_is_one_short_sequence(opened: Opened) -> None:
    (batch,) = pack(["Ala ma kota."], opened)
    ids = opened.tokenizer("Ala ma kota.", add_special_tokens=False)["input_ids"]
    expected = [*ids, opened.tokenizer.eos_token_id]
    assert batch.tolist() == [expected]


def test_of_endless_text_no_more_than_the_limit_is_read(opened: Opened) -> None:
    batches = pack(itertools.repeat(TEXTS[0] * 10), opened)
    foretold = sum(batch.shape[0] * (batch.shape[1] - 1) for batch in batches)
    assert foretold == MOST_TOKENS
    assert np.unique([batch.shape[1] for batch in batches]).tolist() == [65]


def test_figures_are_plain_values(tuned: dict[str, Checkpoint]) -> None:
    plain = json.loads(json.dumps(measure_forgetting(tuned["full"], TEXTS).as_dict()))
    assert set(plain) == {"model", "backbone", "tokens", "before", "after", "ratio"}
    assert plain["ratio"] == pytest.approx(plain["after"] / plain["before"])
