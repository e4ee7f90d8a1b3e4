"""QLoRA: adapters on a backbone in 4 bits, which stays as it is; without bitsandbytes it is refused, not replaced."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.experiments.record import Finished
from engine.machine import one_thread
from engine.models import pretrained
from engine.models.backbones import get_backbone
from engine.models.heads import Head, is_head
from engine.models.methods import Method, ParameterCount, adapt, count_parameters
from engine.models.pretrained import open_backbone
from engine.store import Store
from engine.training.build import batches_of, build
from engine.training.checkpoints import WEIGHTS
from engine.training.classifiers import NeuralModel, open_checkpoint
from engine.training.loop import train, trainable
from engine.training.parameter_counts import count_recipe
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES
from support.models import cut, places_in, train_model

pytest.importorskip("bitsandbytes")
QLORA = Method("qlora", rank=4, alpha=8)
HEAD = Head("pooled", 16, 0.1)
TEXTS = [("to było naprawdę dobre",), ("nie wiem, może jutro",)]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # Small models; on machines that others use too, threads wait for each other.
    with one_thread():
        yield


@pytest.fixture(scope="module")
def folders(tiny: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tiny backbones of width 64, which is a block of 4-bit numbers, by architecture."""
    made = {}
    for name in ("gpt2", "llama", "bert"):
        folder = tmp_path_factory.mktemp(name)
        for file, content in tiny[name].items():
            (folder / file).write_bytes(content)
        made[name] = str(folder)
    return made


@pytest.fixture(scope="module")
def small(slang: TaskData) -> TaskData:
    """A few rows of every split."""
    return cut(slang, 48, 16)


def recipe_for(folder: str, method: Method = QLORA) -> Recipe:
    """An epoch of a few steps."""
    return dataclasses.replace(
        RECIPES["mini-qlora"], backbone=folder, method=method, head=HEAD, epochs=1, max_length=48, batch_size=16
    )


def packed_weights(model: torch.nn.Module) -> dict[str, Any]:
    """The weights in 4 bits, by name."""
    return {name: one for name, one in model.named_parameters() if getattr(one, "quant_state", None) is not None}


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_training_changes_adapters_and_head_and_no_bit_of_the_backbone(
    name: str, folders: dict[str, str], small: TaskData
) -> None:
    recipe = recipe_for(folders[name])
    neural = build(recipe, small)
    before = {key: one.detach().clone() for key, one in neural.model.named_parameters()}
    packed, trained = packed_weights(neural.model), trainable(neural.model)
    # Every matrix of both blocks: GPT-2 has 4, Llama 7, BERT 6.
    assert len(packed) == 2 * {"gpt2": 4, "llama": 7, "bert": 6}[name]
    assert all("lora_" in key or is_head(key) for key in trained)
    batches = [batches_of(neural, small, split, recipe) for split in ("train", "validation")]
    list(train(neural.model, *batches, recipe, "loss"))
    after = dict(neural.model.named_parameters())
    assert {one.dtype for one in packed.values()} == {torch.uint8}
    assert [key for key in before if key not in trained and not torch.equal(before[key], after[key])] == []
    assert [key for key in trained if torch.equal(before[key], after[key])] == []


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_an_evaluation_between_two_epochs_changes_no_gradient(
    name: str, folders: dict[str, str], small: TaskData
) -> None:
    model = build(recipe_for(folders[name]), small).model
    ids = torch.arange(5, 45).view(2, 20)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    seen = []
    for _ in range(2):
        torch.manual_seed(0)
        model.train()
        model.zero_grad()
        model(**inputs).logits.square().sum().backward()
        seen.append({key: one.grad.clone() for key, one in trainable(model).items() if one.grad is not None})
        model.eval()
        with torch.inference_mode():
            model(**inputs)
    assert set(seen[0]) == set(trainable(model))
    assert [key for key, one in seen[0].items() if not torch.equal(one, seen[1].get(key, one[:0]))] == []


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
@pytest.mark.parametrize("targets", ["", "all-linear"])
def test_it_has_as_many_weights_as_lora(name: str, targets: str, folders: dict[str, str]) -> None:
    counts = []
    for kind in ("lora", "qlora"):
        opened = open_backbone(get_backbone(folders[name]), HEAD, False, 3, four_bit=kind == "qlora")
        counts.append(count_parameters(adapt(opened.model, Method(kind, rank=4, alpha=8, targets=targets))))
    assert counts[0] == counts[1]
    assert 0 < counts[0].trained < counts[0].total


@pytest.mark.parametrize("name", ["mini", "minilm"])
def test_a_recipe_is_counted_as_that_of_lora(name: str, recwarn: pytest.WarningsRecorder) -> None:
    assert isinstance(count_recipe(RECIPES[f"{name}-qlora"]), ParameterCount)
    assert count_recipe(RECIPES[f"{name}-qlora"]) == count_recipe(RECIPES[f"{name}-lora"])
    assert not [one for one in recwarn if "fan_in_fan_out" in str(one.message)]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_its_matrices_take_less_than_a_quarter_of_their_memory(name: str, folders: dict[str, str]) -> None:
    plain, packed = (
        dict(open_backbone(get_backbone(folders[name]), HEAD, False, 3, four_bit=four).model.named_parameters())
        for four in (False, True)
    )
    matrices = [key for key, one in packed.items() if getattr(one, "quant_state", None) is not None]
    before = sum(plain[key].nbytes for key in matrices)
    state = [packed[key].quant_state for key in matrices]
    # What they are unpacked with counts too.
    after = sum(packed[key].nbytes for key in matrices) + sum(one.absmax.nbytes for one in state)
    assert before > 100_000
    assert after <= before / 4
    # What isn't a matrix of a block keeps its precision, the new head above all.
    assert {one.dtype for key, one in packed.items() if key not in matrices} == {torch.float32}


def test_an_encoders_own_head_is_not_rounded_and_is_trained(folders: dict[str, str]) -> None:
    opened = open_backbone(get_backbone(folders["bert"]), Head("linear"), False, 3, four_bit=True)
    assert type(opened.model.classifier) is torch.nn.Linear
    model = adapt(opened.model, QLORA)
    assert [key for key, one in trainable(model).items() if is_head(key) and one.dtype == torch.float32]
    assert not [key for key in packed_weights(model) if is_head(key)]


@pytest.fixture(scope="module")
def finished(folders: dict[str, str], small: TaskData, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A tiny Llama, trained and kept."""
    places = places_in(tmp_path_factory.mktemp("kept"))
    return train_model(recipe_for(folders["llama"]), small, places, Store.in_memory())


def test_a_checkpoint_opens_again_in_4_bits_and_answers_the_same(finished: Finished, small: TaskData) -> None:
    first, again = open_checkpoint(finished.checkpoint), open_checkpoint(finished.checkpoint)
    assert isinstance(first, NeuralModel)
    assert len(packed_weights(first.model)) == 14
    np.testing.assert_array_equal(first.probabilities(TEXTS), again.probabilities(TEXTS))
    kept = finished.checkpoint.read_json("predictions.json")["probabilities"]
    np.testing.assert_allclose(first.probabilities(small.texts("test")), kept, atol=2e-5)
    # Adapters and head in half precision are all that is kept.
    assert finished.checkpoint.path(WEIGHTS).stat().st_size < 3 * first.parameters().trained


def test_rounding_the_backbone_changes_the_answer(finished: Finished, folders: dict[str, str]) -> None:
    packed = open_checkpoint(finished.checkpoint)
    assert isinstance(packed, NeuralModel)
    plain = open_backbone(get_backbone(folders["llama"]), HEAD, False, 3)
    model = adapt(plain.model, dataclasses.replace(QLORA, kind="lora")).eval()
    with torch.no_grad():
        for name, weight in trainable(model).items():
            weight.copy_(trainable(packed.model)[name])
    unrounded = NeuralModel(dataclasses.replace(plain, model=model), packed.task, packed.max_length)
    one, two = (each.probabilities(TEXTS) for each in (packed, unrounded))
    assert not np.allclose(one, two, atol=1e-6)
    np.testing.assert_allclose(one, two, atol=0.1)


def refused(folders: dict[str, str], small: TaskData) -> str:
    """What is said where it can't be trained."""
    with pytest.raises(RecipeError) as caught:
        build(recipe_for(folders["gpt2"]), small)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_bitsandbytes_it_is_refused_and_lora_is_named(
    folders: dict[str, str], small: TaskData, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    assert refused(folders, small) == (
        "QLoRA needs bitsandbytes, which isn't installed: pip install 'odzera[qlora]'. Without it, use the method "
        "lora: the same adapters on weights that aren't rounded."
    )
    # Nor is a trained one opened on weights that it wasn't trained on.
    with pytest.raises(Exception, match="QLoRA needs bitsandbytes") as caught:
        open_checkpoint(finished.checkpoint)
    assert "\n" not in str(caught.value)
    build(recipe_for(folders["gpt2"], Method("lora")), small)


def test_where_bitsandbytes_fails_it_is_refused_with_the_reason(
    folders: dict[str, str], small: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError("no kernel for this processor\nand a trace of many lines")

    monkeypatch.setattr(pretrained, "import_module", broken)
    assert refused(folders, small) == (
        "QLoRA: bitsandbytes doesn't run on this machine (no kernel for this processor). Use the method lora."
    )


def test_random_weights_are_not_rounded(folders: dict[str, str]) -> None:
    with pytest.raises(RecipeError, match="random_weights are all trained; the method can't be 'qlora'"):
        dataclasses.replace(recipe_for(folders["gpt2"]), random_weights=True)
