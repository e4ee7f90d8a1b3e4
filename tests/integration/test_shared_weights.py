"""Models on one backbone keep its frozen weights in memory once, and answer as if each had its own."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.data.sources import TaskData
from engine.experiments.record import Finished
from engine.models.heads import Head
from engine.models.methods import Method
from engine.store import Store
from engine.training.classifiers import open_checkpoint
from engine.training.few_shot import FrozenModel
from engine.training.recipes import RECIPES
from engine.training.shared_weights import SharedWeights
from support.models import places_in, saved_decoder, train_model

NAMES = ("mini-lora", "mini-last1", "mini-prompt", "mini-head", "mini-zero")
TEXTS = [("to było naprawdę dobre",), ("nie wiem, może jutro",)]


@pytest.fixture(scope="module")
def trained(few: TaskData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """A model of each kind on one small backbone."""
    folder = tmp_path_factory.mktemp("shared")
    backbone = str(saved_decoder(folder / "mini"))
    made = {}
    for name in NAMES:
        recipe = dataclasses.replace(RECIPES[name], backbone=backbone, max_length=40, epochs=1)
        if recipe.kind == "pretrained":
            recipe = dataclasses.replace(recipe, head=Head("pooled", 16))
        if name == "mini-prompt":
            recipe = dataclasses.replace(recipe, method=Method("prompt", prompt_tokens=4))
        made[name] = train_model(recipe, few, places_in(folder), Store.in_memory())
    return made


def module_of(model: object) -> torch.nn.Module:
    """The torch module inside a classifier."""
    return model.backbone if isinstance(model, FrozenModel) else model.model  # type: ignore[attr-defined]


def bytes_of(models: list[object]) -> int:
    """Memory of all weights of all models, each storage once."""
    storages = {
        weight.untyped_storage().data_ptr(): weight.untyped_storage().nbytes()
        for model in models
        for weight in module_of(model).parameters()
    }
    return sum(storages.values())


def test_five_models_on_one_backbone_need_the_memory_of_one(trained: dict[str, Finished]) -> None:
    shared = SharedWeights()
    together = [open_checkpoint(one.checkpoint, shared) for one in trained.values()]
    apart = [open_checkpoint(one.checkpoint) for one in trained.values()]
    backbone = bytes_of([module for module in together if isinstance(module, FrozenModel)])
    assert bytes_of(apart) > 4.5 * backbone
    # Beside the backbone: the last block of one of them, adapters, prompts, and heads of which peft keeps two.
    assert bytes_of(together) < 1.8 * backbone


def test_a_model_answers_the_same_on_shared_weights(trained: dict[str, Finished]) -> None:
    shared = SharedWeights()
    for one in trained.values():
        together, apart = open_checkpoint(one.checkpoint, shared), open_checkpoint(one.checkpoint)
        np.testing.assert_array_equal(together.probabilities(TEXTS), apart.probabilities(TEXTS))


def test_what_a_model_trained_is_its_own(trained: dict[str, Finished]) -> None:
    shared = SharedWeights()
    models = [open_checkpoint(trained[name].checkpoint, shared) for name in ("mini-zero", "mini-last1")]
    places = [
        {name.removeprefix("transformer."): weight.data_ptr() for name, weight in whole.named_parameters()}
        for whole in (module_of(models[0]), module_of(models[1]).base_model)
    ]
    same = {name for name in places[0].keys() & places[1].keys() if places[0][name] == places[1][name]}
    assert "wte.weight" in same
    assert "h.0.mlp.c_fc.weight" in same
    # Its last block and its final norm were trained.
    assert not {name for name in same if name.startswith(("h.1.", "ln_f."))}


def test_other_weights_under_the_same_names_are_not_shared(few: TaskData, tmp_path: Path) -> None:
    shared, models = SharedWeights(), []
    for seed in (0, 1):
        backbone = str(saved_decoder(tmp_path / f"mini-{seed}", seed))
        recipe = dataclasses.replace(RECIPES["mini-zero"], backbone=backbone)
        made = train_model(recipe, few, places_in(tmp_path), Store.in_memory(), f"zero-{seed}")
        models.append(open_checkpoint(made.checkpoint, shared))
    assert bytes_of(models) == 2 * bytes_of(models[:1])
