"""Options that change what training a recipe costs: batching, precision and kernels."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

from engine.errors import RecipeError
from engine.training.loop import choose_precision
from engine.training.recipe import Recipe


@dataclass(frozen=True)
class Option:
    """A way of training a recipe that costs more or less than another."""

    name: str
    says: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the recipe that it changes."""
    batching: str = "grouped"
    fused: bool = True
    cast_frozen: bool = False
    """Whether frozen weights are kept in bfloat16."""


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        option.name: option
        for option in (
            Option("padded", "as published: every text padded to max_length, in random batches", batching="padded"),
            Option("grouped", "as `odzera train`: batches of like length, each padded to its longest"),
            Option("shuffled", "random batches, each padded to its longest", batching="shuffled"),
            Option("checkpointing", "activations computed again instead of kept", {"gradient_checkpointing": True}),
            Option("bf16", "bfloat16 autocast", {"precision": "bfloat16"}),
            Option(
                "frozen-bf16",
                "bfloat16 autocast, and the frozen weights kept in it",
                {"precision": "bfloat16"},
                cast_frozen=True,
            ),
            Option("unaccumulated", "a step's rows as one batch"),
            Option("unfused", "AdamW as single operations", fused=False),
        )
    }
)
"""Each changes one thing about `grouped`; `padded+bf16` is both of two."""
DEFAULT_OPTIONS = ("padded", "grouped")


def get_option(name: str) -> Option:
    """The option called `name`, or several of them joined by `+`.

    Raises:
        RecipeError: One is unknown, or two contradict each other.
    """
    parts = name.split("+")
    for part in parts:
        if part not in OPTIONS:
            raise RecipeError(f"--option takes {', '.join(OPTIONS)}, several joined by +, or all; not '{part}'.")
    chosen = [OPTIONS[part] for part in parts]
    batchings = {one.batching for one in chosen} - {"grouped"}
    if len(batchings) > 1:
        raise RecipeError(f"--option {name}: batches are {' or '.join(sorted(batchings))}, not both.")
    return Option(
        name=name,
        says="; ".join(one.says for one in chosen),
        settings={key: value for one in chosen for key, value in one.settings.items()},
        batching=batchings.pop() if batchings else "grouped",
        fused=all(one.fused for one in chosen),
        cast_frozen=any(one.cast_frozen for one in chosen),
    )


def with_option(recipe: Recipe, option: Option, device: str) -> Recipe:
    """The recipe as the option trains it.

    Raises:
        RecipeError: The option has no meaning for this recipe.
    """
    settings = dict(option.settings)
    if "unaccumulated" in option.name.split("+"):
        settings |= {"batch_size": recipe.batch_size * recipe.accumulation, "accumulation": 1}
    if recipe.kind == "scratch" and "gradient_checkpointing" in settings:
        raise RecipeError(f"{recipe.name}: the decoder from scratch can't compute its activations again.")
    if option.cast_frozen and recipe.method.kind == "full":
        raise RecipeError(f"{recipe.name}: no weights are frozen, so none can be kept in bfloat16.")
    changed = dataclasses.replace(recipe, **settings)
    precision = choose_precision(changed.precision, torch.device(device))
    return dataclasses.replace(changed, precision=str(precision).removeprefix("torch."))
