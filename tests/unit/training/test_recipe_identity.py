"""A recipe's identity: what was measured with 0.3.0 still counts, and what differs now is told apart."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.sources import TaskData
from engine.data.tasks import TASKS
from engine.models.backbones import BACKBONES
from engine.models.decoder_config import DecoderConfig
from engine.models.methods import Method
from engine.models.zero_shot.answerers import Frozen
from engine.paths import Places
from engine.store import Store
from engine.training.checkpoints import read_checkpoint
from engine.training.classifiers import open_checkpoint
from engine.training.recipe import LATER, Recipe
from engine.training.recipes import RECIPES, get_recipe, settings
from engine.training.settings import change_settings, flatten
from support.models import train_model

IN_0_3_0 = {
    "majority": "a45e551e40bbc00c3513e7fa10189ff70781410fa4e76019e522933d79db0301",
    "tfidf": "fdb00b81445ab5d6e82b7653fead76eb6faf4214627258681747b3ae4b348bb0",
    "minilm-lora": "2aae5334a8148d714c179bdc2c9f5fe6c3a1f093312c0314722dbb140b7935d7",
    "mini-full": "faff8d2897c9be613f85e4817ed8c4b13d27da8c3536a5870291d5860b5bed37",
    "mini-prompt": "48c1cd04fab95c566e19797fe2a73ad62561fd71522265e0b864f4bb832cdcd4",
    "bielik-last3": "d51ca41aae18f53c0c9ed1f08475868738116420d755dbf1693fdb7bce0531ef",
    "herbert-lora": "7c616f2ed8012d5da082e18c7f45c6a001adcdfcfb0ce8c972c199beb9c9ea68",
}
"""SHA-256 of all settings as version 0.3.0 wrote them, but for what its authors report, which is none."""


def digest(plain: dict[str, Any]) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize(("name", "before"), IN_0_3_0.items(), ids=IN_0_3_0)
def test_a_recipe_of_0_3_0_is_still_the_same(name: str, before: str) -> None:
    assert digest(RECIPES[name].identity()) == before
    assert digest(RECIPES[name].as_dict()) != before


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_that_went_through_json_is_still_the_same(name: str) -> None:
    back = Recipe.from_dict(json.loads(json.dumps(RECIPES[name].as_dict())))
    assert back.identity() == RECIPES[name].identity()


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_recipe_fits_the_model_that_it_configures(name: str) -> None:
    recipe = RECIPES[name]
    # The configuration itself takes any name.
    assert set(recipe.decoder) <= set(DecoderConfig.__annotations__)
    assert not recipe.backbone or recipe.backbone in (RECIPES if recipe.asks_nli else BACKBONES)
    assert set(recipe.tasks) <= set(TASKS)
    written = [
        f"{key}={'none' if value is None else value}"
        for key, value in settings(recipe).items()
        if key in flatten(recipe)
    ]
    assert change_settings(recipe, written, settings(recipe)) == recipe


def test_every_setting_of_the_decoder_can_be_changed_whatever_the_recipe_names() -> None:
    changed = get_recipe("scratch-bpe", TASKS["slang"], ["decoder.input=words", "decoder.final_norm=false", "r_drop=2"])
    assert (changed.decoder["input"], changed.decoder["final_norm"], changed.r_drop) == ("words", False, 2.0)


def test_what_authors_report_is_no_setting() -> None:
    told = dataclasses.replace(RECIPES["herbert-lora"], reported={"accuracy": 0.5})
    assert told.identity() == RECIPES["herbert-lora"].identity()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mini-full", {"tune_thresholds": True}),
        ("mini-full", {"gradient_checkpointing": True}),
        ("mini-full", {"frozen": Frozen(draws=4)}),
        ("minilm-lora", {"method": Method("lora", rank=16, alpha=32, targets="all-linear")}),
        ("minilm-lora", {"method": Method("qlora", rank=16, alpha=32)}),
        ("tfidf", {"class_weights": False}),
        ("tfidf", {"oversample": True}),
    ],
)
def test_a_change_of_a_later_setting_makes_another_recipe(name: str, change: dict[str, Any]) -> None:
    assert digest(dataclasses.replace(RECIPES[name], **change).identity()) != IN_0_3_0[name]


def test_no_two_recipes_are_the_same() -> None:
    assert len({digest(recipe.identity()) for recipe in RECIPES.values()}) == len(RECIPES)


def without_later(plain: dict[str, Any]) -> dict[str, Any]:
    """Settings as a version before `LATER` wrote them."""
    plain = json.loads(json.dumps(plain))
    for part, names in LATER.items():
        for name in names:
            del (plain[part] if part else plain)[name]
    return plain


@pytest.mark.parametrize("name", ["scratch-bpe", "mini-full", "minilm-lora"])
def test_settings_without_the_later_ones_are_read_as_before(name: str) -> None:
    assert Recipe.from_dict(without_later(RECIPES[name].as_dict())) == RECIPES[name]


@pytest.mark.parametrize("name", ["majority", "tfidf"])
def test_a_checkpoint_of_0_3_0_still_opens_and_answers_the_same(
    name: str, few: TaskData, places: Places, store: Store
) -> None:
    kept = train_model(RECIPES[name], few, places, store).checkpoint
    expected = open_checkpoint(kept).probabilities(few.texts("test"))
    manifest: Path = kept.folder / "manifest.json"
    plain = json.loads(manifest.read_text(encoding="utf-8"))
    plain["recipe"] = without_later(plain["recipe"]) | {"class_weights": False}
    manifest.write_text(json.dumps(plain), encoding="utf-8")
    again = open_checkpoint(read_checkpoint(kept.folder)).probabilities(few.texts("test"))
    assert (again == expected).all()
