"""`odzera curve`: quality against training examples, and against tokens seen in pretraining."""

import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from engine.cli.base import ChangeOption, JsonOption, TaskArgument, app, friendly
from engine.cli.formats import count, duration
from engine.cli.source import DataNameOption, Given, reads_data
from engine.errors import DataError
from engine.paths import default_places
from engine.terminal import note, out, print_json, progress_bar

if TYPE_CHECKING:
    from engine.data.sources import TaskData
    from engine.experiments.curves import Curve, Job
    from engine.training.recipe import Recipe


curve = typer.Typer(no_args_is_help=True, help="Measure how quality grows with examples, or with tokens pretrained on.")
app.add_typer(curve, name="curve")
app.add_typer(curve, name="curve")

SIZES = (50, 100, 250, 500, 1000, 4337, 28000)
MODELS = ("tfidf", "scratch", "mini-full", "mini-lora")

SeedsOption = Annotated[int, typer.Option(min=1, help="Seeds for each point; intervals need two or more.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")]
NameOption = Annotated[str, typer.Option(help="Name under which the figures are kept in studies/.")]


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
    models = chosen_recipes(model or MODELS, loaded, change or [])
    jobs = example_jobs(models, rows or SIZES, seeds, len(loaded.split("train")))
    show_curve(
        follow_curve("examples", loaded, jobs, file_of(name or f"examples-{task}"), count_workers(workers), as_json),
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
    show_curve(
        follow_curve("tokens", loaded, jobs, file_of(name or f"tokens-{task}"), count_workers(workers), as_json),
        as_json,
    )


def chosen_recipes(names: Sequence[str], data: "TaskData", changes: list[str]) -> "dict[str, Recipe]":
    """The recipe of each name, or that of a trained model; by the name without its data."""
    return {name.partition("@")[0]: chosen_recipe(name, data, changes) for name in names}


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


def follow_curve(
    kind: str, data: "TaskData", jobs: Sequence["Job"], file: Path, workers: int, quiet: bool = False
) -> "Curve":
    """Measure what is missing, with a bar and a line for each point."""
    from engine.experiments.curves import measure, start_curve

    curve = start_curve(kind, data)
    known: int | None = None
    with progress_bar("measuring", quiet) as tick:
        for now in measure(curve, jobs, data, file, workers):
            if known is not None and not quiet:
                point = now.points[-1]
                note(
                    f"{point['series']} {_place(kind, point['x'])}, seed {point['seed']}: "
                    f"accuracy {point['accuracy']:.4f}, macro F1 {point['macro_f1']:.4f}, {duration(point['seconds'])}"
                )
            curve, known = now, len(now.points)
            tick(known, len(jobs))
    if not quiet:
        note(f"kept in {file}")
    return curve


def _place(kind: str, x: float) -> str:
    """`at 1,000`, or the name of what stands there where it is no number."""
    from engine.experiments.ablation import VARIANTS

    return f"with {list(VARIANTS)[int(x)]}" if kind == "imbalance" else f"at {count(x)}"


def show_curve(curve: "Curve", as_json: bool = False) -> None:
    """Every series at every place: mean over the seeds, and half of the 95 % interval."""
    if as_json:
        print_json(asdict(curve) | {"series": curve.series()})
        return
    from engine.experiments.curves import AXES

    lines = curve.series()
    places = sorted({row["x"] for rows in lines.values() for row in rows})
    table = Table(AXES[curve.kind], *(escape(name) for name in lines), title=f"test accuracy on {escape(curve.source)}")
    for place in places:
        cells = []
        for rows in lines.values():
            row = next((row for row in rows if row["x"] == place), None)
            half = f" ± {row['accuracy_half']:.3f}" if row and row["accuracy_half"] is not None else ""
            cells.append(f"{row['accuracy']:.3f}{half}" if row else "")
        table.add_row(count(place), *cells)
    out.print(table)
    out.print("[dim]mean over the seeds ± half of Student's 95 % interval over them[/]")
