"""`odzera ablate`: what options against unequal classes are worth."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from engine.cli.base import ChangeOption, JsonOption, TaskArgument, app, friendly
from engine.cli.curves import (
    NameOption,
    SeedsOption,
    WorkersOption,
    chosen_recipes,
    count_workers,
    file_of,
    follow_curve,
)
from engine.cli.formats import figure
from engine.cli.source import DataNameOption, Given, reads_data
from engine.terminal import make_table, out, print_json

if TYPE_CHECKING:
    from engine.experiments.curves import Curve

ABLATED = ("tfidf", "scratch", "mini-full")


@app.command()
@friendly
@reads_data
def ablate(
    task: TaskArgument,
    given: Given,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Recipe, or NAME@DATA for the settings of a trained model. Repeatable."),
    ] = None,
    change: ChangeOption = None,
    seeds: SeedsOption = 3,
    workers: WorkersOption = 0,
    name: NameOption = "",
    data_name: DataNameOption = "",
    as_json: JsonOption = False,
) -> None:
    """Measure what helps against unequal classes: weighted loss, oversampling, tuned thresholds.

    Stopped at any moment, the same command measures what is missing.

    Example: `odzera ablate slang --model tfidf --model mini-full`
    """
    from engine.data.tasks import get_task
    from engine.experiments.ablation import imbalance_jobs

    chosen = get_task(task)
    loaded = given.load(chosen, data_name)
    models = chosen_recipes(model or ABLATED, loaded, change or [])
    jobs = imbalance_jobs(models, seeds)
    file = file_of(name or f"imbalance-{task}", "ablation")
    curve = follow_curve("imbalance", loaded, jobs, file, count_workers(workers), as_json)
    show_ablation(curve, as_json)


def show_ablation(curve: "Curve", as_json: bool) -> None:
    """Each recipe with each option: means over the seeds, and what the option changed on the same seeds."""
    from engine.experiments.ablation import tabulate

    rows = tabulate(curve)
    if as_json:
        print_json({"data": {"source": curve.source, "fingerprint": curve.fingerprint}, "rows": rows})
        return
    columns = ("model", "variant", "seeds", "accuracy", "change", "macro F1", "change")
    title = f"test figures on {escape(curve.source)}"
    table = make_table(*columns, left=("variant",), no_wrap=True, title=title)
    for row in rows:
        cells = []
        for name in ("accuracy", "macro_f1"):
            gain = row[f"{name}_gain"]
            half = "" if gain is None or gain["half"] == float("inf") else f" ± {gain['half']:.3f}"
            cells += [figure(row[name], digits=3), "" if gain is None else f"{gain['mean']:+.3f}{half}"]
        table.add_row(escape(row["model"]), row["variant"], str(row["seeds"]), *cells)
    out.print(table)
    out.print("[dim]means over the seeds; change against plain on the same seeds ± half of Student's 95 % interval[/]")
