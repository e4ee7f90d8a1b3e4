"""The group `odzera bench`, and how its commands find recipes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from engine.cli.base import app

if TYPE_CHECKING:
    from engine.data.tasks import Task
    from engine.training.recipe import Recipe

bench = typer.Typer(
    no_args_is_help=True,
    help="Measure answers, training and the search against what else one would use, and the page under load.",
)
app.add_typer(bench, name="bench")


def whatever_task(recipes: Sequence[str], task: "Task") -> "list[Recipe]":
    """Recipes by name: what an answer costs doesn't depend on the task that a recipe was published for."""
    from engine.data.tasks import get_task
    from engine.training.recipes import RECIPES, get_recipe

    tasks = {name: get_task(one.tasks[0]) for name, one in RECIPES.items()}
    return [get_recipe(name, tasks.get(name, task)) for name in recipes]
