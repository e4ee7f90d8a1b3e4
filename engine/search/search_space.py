"""The search space: a table of distributions, and one pure function from a trial to a recipe."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)

from engine.models.decoder_config import DecoderConfig
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES

MAX_PARAMETERS = 14_000_000

SPACE: Mapping[str, BaseDistribution] = MappingProxyType(
    {
        # Tokens of byte-level BPE, or words with their character n-grams.
        "input": CategoricalDistribution(("tokens", "words")),
        # A handful of sizes rather than a range: trials share tokenizers, which are trained once each.
        "vocab_size": CategoricalDistribution((512, 1024, 2048, 4096, 8192, 16384, 32000, 51200)),
        # With at most 8 blocks of width 192 even the largest vocabulary stays below MAX_PARAMETERS, so no corner of the
        # space has to be cut off; every number of heads divides every width.
        "hidden_size": IntDistribution(32, 192, step=32),
        "num_attention_heads": CategoricalDistribution((1, 2, 4, 8)),
        "num_hidden_layers": IntDistribution(1, 8, log=True),
        "feed_forward_ratio": CategoricalDistribution((1, 2, 4)),
        "dropout": FloatDistribution(0.0, 0.6, step=0.05),
        "embedding_dropout": FloatDistribution(0.0, 0.6, step=0.05),
        "pooling": CategoricalDistribution(("last", "mean", "max", "max+sum")),
        "final_norm": CategoricalDistribution((True, False)),
        "head": CategoricalDistribution(("linear", "mlp")),
        "lr": FloatDistribution(1e-5, 5e-3, log=True),
        "weight_decay": FloatDistribution(1e-3, 0.5, log=True),
        "warmup": FloatDistribution(0.0, 0.3, step=0.05),
        "schedule": CategoricalDistribution(("linear", "cosine", "constant")),
        "batch_size": CategoricalDistribution((32, 64)),
        "label_smoothing": FloatDistribution(0.0, 0.2, step=0.05),
        "r_drop": CategoricalDistribution((0.0, 1.0, 2.0)),
        "class_weights": CategoricalDistribution((False, True)),
        "epochs": IntDistribution(2, 24),
    }
)

_IN_THE_DECODER = (
    "input",
    "vocab_size",
    "hidden_size",
    "num_attention_heads",
    "num_hidden_layers",
    "dropout",
    "embedding_dropout",
    "pooling",
    "final_norm",
    "head",
)
PATIENCE = 3


def suggest(trial: optuna.trial.BaseTrial) -> Recipe:
    """Ask `trial` for every setting of `SPACE`, and return the recipe that they make."""
    return make_recipe({name: _ask(trial, name, one) for name, one in SPACE.items()})


def make_recipe(settings: Mapping[str, Any]) -> Recipe:
    """The recipe of one point of the space; epochs are chosen on the validation loss, which is what is searched on."""
    shape = {name: settings[name] for name in _IN_THE_DECODER}
    shape["intermediate_size"] = settings["hidden_size"] * settings["feed_forward_ratio"]
    return dataclasses.replace(
        RECIPES["scratch"],
        decoder=shape,
        lr=settings["lr"],
        weight_decay=settings["weight_decay"],
        warmup=settings["warmup"],
        schedule=settings["schedule"],
        batch_size=settings["batch_size"],
        label_smoothing=settings["label_smoothing"],
        r_drop=settings["r_drop"],
        class_weights=settings["class_weights"],
        epochs=settings["epochs"],
        patience=PATIENCE,
        select_on="loss",
    )


def starting_points() -> list[dict[str, Any]]:
    """A sensible small model of each input, then both published decoders, as near as the space holds them.

    What lies outside it is moved to its edge (140 epochs become 24); their biases are ours.
    """
    return [_settings_of(RECIPES[name]) for name in ("scratch", "scratch-bpe", "scratch-3m4", "scratch-5m7")]


def grid() -> dict[str, list[Any]]:
    """A coarse grid of 864 points for the grid sampler: seven settings vary, the others are the small model's."""
    varied: dict[str, list[Any]] = {
        "vocab_size": [1024, 4096, 16384],
        "hidden_size": [32, 64, 128],
        "num_hidden_layers": [1, 2],
        "dropout": [0.1, 0.3, 0.5],
        "embedding_dropout": [0.0, 0.2],
        "pooling": ["last", "mean"],
        "lr": [1e-4, 3e-4, 1e-3, 3e-3],
    }
    small = starting_points()[1]
    return {name: varied.get(name, [small[name]]) for name in SPACE}


def describe_space() -> dict[str, Any]:
    """Every distribution as plain values."""
    return {name: json.loads(distribution_to_json(one)) for name, one in SPACE.items()}


def space_digest() -> str:
    """Eight hexadecimal digits that change when the space or what a point of it means does."""
    plain = make_recipe(starting_points()[0]).identity()
    meaning = json.dumps([describe_space(), plain], sort_keys=True)
    return hashlib.sha256(meaning.encode()).hexdigest()[:8]


def _settings_of(recipe: Recipe) -> dict[str, Any]:
    shape = recipe.decoder
    wanted = {
        **{name: shape.get(name, getattr(DecoderConfig, name)) for name in _IN_THE_DECODER},
        "feed_forward_ratio": shape["intermediate_size"] // shape["hidden_size"],
        **{name: getattr(recipe, name) for name in ("lr", "weight_decay", "warmup", "schedule", "batch_size")},
        **{name: getattr(recipe, name) for name in ("label_smoothing", "r_drop", "class_weights", "epochs")},
    }
    return {name: _nearest(one, wanted[name]) for name, one in SPACE.items()}


def _nearest(distribution: BaseDistribution, value: Any) -> Any:
    if isinstance(distribution, IntDistribution | FloatDistribution):
        return min(max(value, distribution.low), distribution.high)
    return value


def _ask(trial: optuna.trial.BaseTrial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case IntDistribution():
            return trial.suggest_int(
                name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
            )
        case FloatDistribution():
            return trial.suggest_float(
                name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
            )
    raise TypeError(f"A {type(distribution).__name__} has no way of being asked for.")
