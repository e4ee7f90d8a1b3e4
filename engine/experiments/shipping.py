"""The models that ship for a data set: which they are, and whether a checkpoint is what this version would make."""

from collections.abc import Sequence
from pathlib import Path

import torch

from engine import __version__
from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.experiments.record import Request
from engine.experiments.repeats import digest_settings
from engine.machine import describe_machine
from engine.training.build import choose_device
from engine.training.checkpoints import Checkpoint, list_checkpoints
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES


def list_shipped(checkpoints: Path, data: TaskData) -> list[Checkpoint]:
    """The models trained on this data, the quickest to train first."""
    here = [one for one in list_checkpoints(checkpoints, data.task.name)[0] if one.fingerprint == data.fingerprint]
    return sorted(here, key=seconds_of)


def seconds_of(checkpoint: Checkpoint) -> float:
    """What its training took."""
    return float(checkpoint.manifest["run"]["record"]["cost"]["seconds"])


def present_recipes(shipped: Sequence[Checkpoint]) -> tuple[dict[str, Recipe], list[str]]:
    """Name → recipe of shipped models as this version has it, and a line for each that was made otherwise.

    A model that a search found keeps its settings, as they aren't its recipe's.
    """
    recipes: dict[str, Recipe] = {}
    notes = []
    for checkpoint in shipped:
        name = str(checkpoint.manifest["run"]["record"]["recipe"])
        if "refit" in checkpoint.manifest["run"]["record"]:
            recipes[name] = checkpoint.recipe
            continue
        if name not in RECIPES:
            notes.append(f"{checkpoint.name}: this version has no recipe {name}, so it is left out.")
            continue
        recipes[name] = RECIPES[name]
        if not _has_settings(checkpoint, RECIPES[name]):
            notes.append(
                f"{checkpoint.name} was made with other settings than the recipe {name} has now; its own go by "
                f"{checkpoint.folder.name}."
            )
    return recipes, notes


def find_made(request: Request, shipped: Sequence[Checkpoint]) -> Checkpoint | None:
    """The model as this version, on this machine, makes it of the request, where it is there already."""
    machine = describe_machine(torch.device(choose_device(request.device)))["device_name"]
    for one in shipped:
        record = one.manifest["run"]["record"]
        alike = (record.get("version"), record["machine"]["device_name"]) == (__version__, machine)
        # What another model answers in its place may have been trained anew.
        if one.folder == request.folder and alike and not request.recipe.asks_nli:
            fits = _has_settings(one, request.recipe) and one.recipe.seed == request.recipe.seed
            return one if fits else None
    return None


def _has_settings(checkpoint: Checkpoint, recipe: Recipe) -> bool:
    """Whether it was made with the recipe's settings, its seed apart."""
    try:
        return digest_settings(checkpoint.recipe) == digest_settings(recipe)
    except RecipeError:
        return False
