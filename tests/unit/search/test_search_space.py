"""The search space: one pure function, every point of it a decoder of at most 14M parameters."""

import itertools
import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from engine.search.search_space import (
    MAX_PARAMETERS,
    SPACE,
    describe_space,
    grid,
    make_recipe,
    space_digest,
    starting_points,
    suggest,
)
from engine.training.parameter_counts import count_recipe
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES

ASKED_FOR = {
    "vocab_size",
    "hidden_size",
    "num_attention_heads",
    "num_hidden_layers",
    "feed_forward_ratio",
    "dropout",
    "pooling",
    "head",
    "lr",
    "weight_decay",
    "warmup",
    "schedule",
    "batch_size",
    "label_smoothing",
    "class_weights",
    "epochs",
}


def drawn(count: int, seed: int = 0) -> list[optuna.trial.FrozenTrial]:
    """Random points of the space."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.optimize(lambda trial: float(suggest(trial).lr), n_trials=count)
    return study.trials


def ends(name: str) -> tuple[object, object]:
    """The two ends of one setting."""
    one = SPACE[name]
    if isinstance(one, CategoricalDistribution):
        return one.choices[0], one.choices[-1]
    return one.low, one.high  # type: ignore[attr-defined]


def test_a_trial_is_asked_for_every_setting_of_the_space_and_no_other() -> None:
    assert set(drawn(1)[0].params) == set(SPACE)
    assert set(SPACE) >= ASKED_FOR


def test_the_same_trial_gives_the_same_recipe() -> None:
    trial = drawn(1)[0]
    assert suggest(trial) == suggest(trial) == make_recipe(trial.params)


def test_every_corner_of_the_space_has_at_most_fourteen_million_parameters() -> None:
    names = ("input", "vocab_size", "hidden_size", "num_hidden_layers", "feed_forward_ratio", "head")
    largest = 0
    for corner in itertools.product(*(ends(name) for name in names)):
        settings = starting_points()[0] | dict(zip(names, corner, strict=True))
        counted = count_recipe(make_recipe(settings))
        assert counted is not None
        largest = max(largest, counted.total)
    assert 13_000_000 < largest <= MAX_PARAMETERS


def test_every_number_of_heads_divides_every_width() -> None:
    for trial in drawn(200):
        shape = suggest(trial).decoder
        assert shape["hidden_size"] % shape["num_attention_heads"] == 0


def test_a_point_becomes_the_settings_of_its_recipe() -> None:
    settings = drawn(1, seed=3)[0].params
    recipe = make_recipe(settings)
    assert recipe.decoder["intermediate_size"] == settings["hidden_size"] * settings["feed_forward_ratio"]
    for name in (
        "lr",
        "weight_decay",
        "warmup",
        "schedule",
        "batch_size",
        "label_smoothing",
        "class_weights",
        "epochs",
    ):
        assert getattr(recipe, name) == settings[name]
    for name in ("vocab_size", "hidden_size", "num_attention_heads", "num_hidden_layers", "dropout", "pooling", "head"):
        assert recipe.decoder[name] == settings[name]
    assert recipe.select_on == "loss"


def test_the_recipe_of_a_point_survives_json() -> None:
    recipe = make_recipe(starting_points()[1])
    assert Recipe.from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe


def test_the_first_points_are_a_small_model_of_each_input_and_the_two_published_ones() -> None:
    words, tokens, first, second = (make_recipe(settings) for settings in starting_points())
    for recipe, name in ((words, "scratch"), (tokens, "scratch-bpe")):
        assert {key: recipe.decoder[key] for key in RECIPES[name].decoder} == RECIPES[name].decoder
        assert (recipe.lr, recipe.r_drop) == (RECIPES[name].lr, RECIPES[name].r_drop)
    assert (words.decoder["input"], tokens.decoder["input"]) == ("words", "tokens")
    for recipe, name in ((first, "scratch-3m4"), (second, "scratch-5m7")):
        published = RECIPES[name]
        for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
            assert recipe.decoder[key] == published.decoder[key], (name, key)
        assert (recipe.lr, recipe.weight_decay) == (published.lr, published.weight_decay)


@pytest.mark.parametrize("place", range(4))
def test_the_first_points_lie_in_the_space(place: int) -> None:
    for name, value in starting_points()[place].items():
        assert SPACE[name]._contains(SPACE[name].to_internal_repr(value)), name


def test_the_grid_has_864_points_in_the_space() -> None:
    size = 1
    for name, values in grid().items():
        size *= len(values)
        assert all(SPACE[name]._contains(SPACE[name].to_internal_repr(value)) for value in values), name
    assert size == 864
    assert set(grid()) == set(SPACE)


def test_the_digest_changes_with_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    before = space_digest()
    assert before == space_digest()
    monkeypatch.setattr("engine.search.search_space.SPACE", dict(SPACE) | {"epochs": SPACE["num_hidden_layers"]})
    assert space_digest() != before


def test_the_space_is_described_in_plain_values() -> None:
    plain = json.loads(json.dumps(describe_space()))
    assert plain["lr"]["attributes"]["log"] is True
