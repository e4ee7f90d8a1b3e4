"""Commands about curves: quality against training examples, and against tokens seen in pretraining."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import curves_output as shown
from engine.cli.base import (
    ChangeOption,
    JsonOption,
    TaskArgument,
    app,
    friendly,
)
from engine.cli.source import Given, reads_data
from engine.errors import DataError
from engine.paths import default_places

if TYPE_CHECKING:
    from engine.data.sources import TaskData
    from engine.training.recipe import Recipe

curve = typer.Typer(no_args_is_help=True, help="Measure how quality grows with examples, or with tokens pretrained on.")
app.add_typer(curve, name="curve")

SIZES = (50, 100, 250, 500, 1000, 4337, 28000)
MODELS = ("tfidf", "scratch", "mini-full", "mini-lora")

SeedsOption = Annotated[int, typer.Option(min=1, help="Seeds for each point; intervals need two or more.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")]
NameOption = Annotated[str, typer.Option(help="Name under which the figures are kept in studies/.")]
DataNameOption = Annotated[str, typer.Option(help="Name of the data in tables, instead of the file's.")]


@curve.command()
@friendly
@reads_data
def examples(
    task: TaskArgument,
    given: Given,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Recipe, or NAME@DATA for the settings of a trained model. Repeatable."),
    ] = None,
    rows: Annotated[list[int] | None, typer.Option(min=1, help="Training examples. Repeatable.")] = None,
    change: ChangeOption = None,
    seeds: SeedsOption = 3,
    workers: WorkersOption = 0,
    name: NameOption = "",
    data_name: DataNameOption = "",
    as_json: JsonOption = False,
) -> None:
    """Measure test quality against the number of training examples: where does pretraining stop paying?

    Stopped at any moment, the same command measures what is missing. `--set` changes the pretrained recipes alone.

    Example: `odzera curve examples slang --source train.csv --rows 100 --rows 1000`
    """
    from engine.data.tasks import get_task
    from engine.experiments.curves import example_jobs

    chosen = get_task(task)
    loaded = given.load(chosen, data_name)
    models = {one.partition("@")[0]: chosen_recipe(one, loaded, change or []) for one in model or MODELS}
    jobs = example_jobs(models, rows or SIZES, seeds, len(loaded.split("train")))
    shown.show_curve(
        shown.follow_curve(
            "examples", loaded, jobs, file_of(name or f"examples-{task}"), count_workers(workers), as_json
        ),
        as_json,
    )


@curve.command()
@friendly
@reads_data
def tokens(
    task: TaskArgument,
    given: Given,
    pretrained: Annotated[
        list[str] | None, typer.Option("--pretrained", help="Models of `odzera pretrain`. Repeatable.")
    ] = None,
    model: Annotated[str, typer.Option(help="Recipe that each is fine-tuned with.")] = "mini-full",
    change: ChangeOption = None,
    seeds: SeedsOption = 3,
    workers: WorkersOption = 0,
    name: NameOption = "",
    data_name: DataNameOption = "",
    as_json: JsonOption = False,
) -> None:
    """Measure test quality against the tokens seen in pretraining: when does it start to pay?

    Fine-tunes every state that `odzera pretrain` kept on its way (1, 2, 4, 8… million tokens), its end, and random
    weights.

    Example: `odzera curve tokens slang --pretrained polish-gpt-mini`
    """
    from engine.data.tasks import get_task
    from engine.experiments.curves import token_jobs

    chosen = get_task(task)
    loaded = given.load(chosen, data_name)
    recipe = chosen_recipe(model, loaded, change or [])
    jobs = token_jobs(recipe, pretrained or ["polish-gpt-mini"], default_places().training, seeds)
    shown.show_curve(
        shown.follow_curve("tokens", loaded, jobs, file_of(name or f"tokens-{task}"), count_workers(workers), as_json),
        as_json,
    )


def chosen_recipe(name: str, data: "TaskData", changes: list[str]) -> "Recipe":
    """The recipe of that name, or that of a trained model."""
    from engine.serving.registry import Registry
    from engine.training.recipes import get_recipe

    if "@" in name:
        return Registry(default_places().checkpoints).find(data.task.name, name).recipe
    recipe = get_recipe(name, data.task)
    return get_recipe(name, data.task, changes) if recipe.kind == "pretrained" else recipe


def file_of(name: str, kind: str = "curve") -> Path:
    """Where what is called so is kept: `studies/KIND-NAME.json`."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,80}", name):
        raise DataError(f"--name takes letters, digits and . _ + -, not '{name}'.")
    return default_places().store.with_name(f"{kind}-{name}.json")


def count_workers(workers: int) -> int:
    """Processes asked for, or one a core."""
    return workers or os.cpu_count() or 1
