"""Plans of training runs that the page starts: small recipes, checked settings, names of their own."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from engine.data.sources import SAMPLE, load
from engine.data.tasks import TASKS, Task, get_task
from engine.errors import RecipeError
from engine.messages import Message
from engine.store import Store
from engine.training.cost.estimate import START_SECONDS, estimate, operations_a_second
from engine.training.cost.workload import Workload
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES, get_recipe, settings

SMALL = (
    *("scratch", "tfidf", "majority", "scratch-3m4", "mini-full", "mini-lora", "mini-last1", "mini-last3"),
    *("mini-head", "mini-prompt", "mini-random"),
)
"""Recipes that train in minutes on two cores, from what comes with the product alone."""
MOST_EPOCHS = 100
LONGEST_NAME = 40
NAME_RULE = Message(
    "A name takes letters without accents, digits and the signs . _ + - and begins with a letter or a digit; "
    "it has at most 40 of them."
)
RULES: Mapping[str, tuple[Callable[[float], bool], Message]] = {
    "seed": (
        lambda one: 0 <= one < 2**32 and one == int(one),
        Message("The seed is a whole number from 0 to 4294967295."),
    ),
    "epochs": (
        lambda one: 1 <= one <= MOST_EPOCHS and one == int(one),
        Message("The number of epochs is a whole number from 1 to 100."),
    ),
    "lr": (lambda one: 0 < one < 1, Message("The learning rate is a number above 0 and below 1.")),
    "dropout": (lambda one: 0 <= one < 1, Message("Dropout is a number from 0 to below 1.")),
}
"""For each setting that a visitor may change: what it has to be, and a sentence that says so."""
WHOLE = ("seed", "epochs")
DROPOUT: Mapping[str, str] = {"scratch": "decoder.dropout", "pretrained": "head.dropout"}
"""The setting that is meant by dropout, by the recipe's kind."""


@dataclass(frozen=True)
class Plan:
    """A training run that may be started."""

    task: str
    recipe: Recipe
    name: str
    changes: tuple[str, ...]
    """What differs from the recipe as it stands, as `--set` takes it."""

    @property
    def command(self) -> str:
        """The same from the command line."""
        changes = "".join(f" --set {change}" for change in self.changes)
        return f"odzera train {self.recipe.name} --task {self.task} --name {self.name}{changes}"


def small_recipes(task: str) -> list[Recipe]:
    """The small recipes for a task; none for one that isn't known."""
    return [RECIPES[name] for name in SMALL if task in RECIPES[name].tasks]


def usual_dropout(recipe: Recipe) -> float | None:
    """The dropout that a recipe has by default; None for a baseline."""
    if recipe.kind == "scratch":
        from engine.models.decoder_config import DecoderConfig

        return float(recipe.decoder.get("dropout", DecoderConfig.dropout))
    return recipe.head.dropout if recipe.kind == "pretrained" else None


def make_plan(
    task: object,
    recipe: object,
    name: object,
    taken: Collection[str],
    *,
    seed: object = None,
    epochs: object = None,
    lr: object = None,
    dropout: object = None,
) -> Plan:
    """Check what a visitor asks for, whatever it is.

    Args:
        task: Name of the task.
        recipe: Name of a small recipe.
        name: Name of the model to be; a free one when empty.
        taken: Names that models have already.
        seed: Of weights, batches and dropout. This and what follows: the recipe's own when None.
        epochs: At most so many.
        lr: Peak learning rate.
        dropout: Of the decoder from scratch, or of the head on a backbone.

    Raises:
        RecipeError: Something won't do, in one line.
    """
    chosen = TASKS.get(task) if isinstance(task, str) else None
    if chosen is None:
        raise RecipeError(Message("There is no such task."))
    known = {one.name: one for one in small_recipes(chosen.name)}
    if not isinstance(recipe, str) or recipe not in known:
        raise RecipeError(Message("Recipes that can be trained here: {names}.", names=", ".join(known)))
    changes = _changes(known[recipe], {"seed": seed, "epochs": epochs, "lr": lr, "dropout": dropout})
    settled = get_recipe(recipe, chosen, changes)
    return Plan(chosen.name, settled, _check_name(name, recipe, taken), changes)


def _changes(recipe: Recipe, asked: Mapping[str, object]) -> tuple[str, ...]:
    """What differs from the recipe, once it is known to be numbers in range; a baseline takes the seed alone."""
    usual = settings(recipe) | {"dropout": usual_dropout(recipe)}
    changes = []
    for name, value in asked.items():
        if value is None or value == "" or (recipe.kind == "baseline" and name != "seed"):
            continue
        allows, sentence = RULES[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not allows(value):
            raise RecipeError(sentence)
        number = int(value) if name in WHOLE else float(value)
        if number != usual[name]:
            changes.append(f"{DROPOUT[recipe.kind] if name == 'dropout' else name}={number!r}")
    return tuple(changes)


def _check_name(name: object, recipe: str, taken: Collection[str]) -> str:
    """A name that no model has, and that can be part of a path."""
    if not isinstance(name, str | None):
        raise RecipeError(NAME_RULE)
    wanted = (name or "").strip()
    if not wanted:
        return free_name(recipe, taken)
    if len(wanted) > LONGEST_NAME or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", wanted):
        raise RecipeError(NAME_RULE)
    if _is_taken(wanted, taken):
        free = free_name(recipe, taken)
        raise RecipeError(
            Message("There is a model or a recipe called {name}; {free} is free.", name=wanted, free=free)
        )
    return wanted


def free_name(recipe: str, taken: Collection[str]) -> str:
    """`scratch-page-1`, or the next one that is free."""
    return next(name for number in count(1) if not _is_taken(name := f"{recipe}-page-{number}", taken))


def _is_taken(name: str, taken: Collection[str]) -> bool:
    # Some file systems don't tell capitals from small letters.
    return name.casefold() in {one.casefold() for one in (*taken, *RECIPES)}


def list_taken(checkpoints: Path, store: Store, task: Task) -> set[str]:
    """Names that models of a task have, on disk or in the records, whatever data they were trained on."""
    folders = {path.name.rpartition("@")[0] for path in (checkpoints / task.name).glob("[!.]*@*")}
    recorded = {run.model for data in store.data_sets(task.name) for run in store.runs(task.name, data.fingerprint)}
    return folders | recorded


def estimate_small(task: str, source: str = SAMPLE) -> dict[str, tuple[float, float]]:
    """For every small recipe of a task: seconds beside the epochs and seconds an epoch, about, on this machine.

    It opens the data and the backbones' shapes, so a page lets a process of its own do it.
    """
    data = load(get_task(task), source)
    workloads: dict[tuple[Any, ...], Workload] = {}
    speed = operations_a_second("cpu")
    found = {}
    for recipe in small_recipes(task):
        whole = estimate(recipe, data, "cpu", speed, workloads)[0]
        each = 0.0 if recipe.kind == "baseline" else (whole - START_SECONDS) / recipe.epochs
        found[recipe.name] = (min(whole, START_SECONDS), each)
    return found
