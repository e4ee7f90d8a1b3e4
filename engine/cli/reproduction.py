"""Commands for insight: every system beside what is reported, what options are worth, what fine-tuning forgets."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from engine import terminal
from engine.cli import curves_output as shown_curves
from engine.cli import output
from engine.cli import reproduction_output as shown
from engine.cli.base import (
    ChangeOption,
    JsonOption,
    TaskArgument,
    TaskOption,
    app,
    friendly,
)
from engine.cli.curves import (
    DataNameOption,
    NameOption,
    SeedsOption,
    WorkersOption,
    chosen_recipe,
    count_workers,
    file_of,
)
from engine.cli.source import Given, reads_data
from engine.paths import default_places

ABLATED = ("tfidf", "scratch", "mini-full")


@app.command()
@friendly
@reads_data
def reproduce(
    task: TaskArgument,
    given: Given,
    budget: Annotated[
        float | None,
        typer.Option("--budget-minutes", min=0, help="Minutes for all of it; without it, until all is done."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this recipe. Repeatable.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_name: DataNameOption = "",
    as_json: JsonOption = False,
) -> None:
    """Train every recipe that this machine can hold, the cheapest first, and set it beside what its authors report.

    Stopped at any moment, or ended by its budget, the same command goes on where it was.

    Example: `odzera reproduce slang --source hub --budget-minutes 60`
    """
    from engine.bench.against_published import plan_all, report
    from engine.data.tasks import get_task
    from engine.results.comparison import open_results
    from engine.training.build import choose_device
    from engine.training.checkpoints import require_writable

    chosen = get_task(task)
    found = choose_device(device)
    loaded = given.load(chosen, data_name)
    places = default_places()
    require_writable(places.checkpoints)
    store, notes = open_results(places)
    with terminal.waiting("planning", as_json):
        plans = plan_all(loaded, places, store, found, only or [])
    if not as_json:
        for line in notes:
            terminal.note(line)
        output.show_source(loaded)
        shown.show_plans(plans)
    skipped = shown.follow_reproduction(plans, loaded, places, store, found, budget, as_json)
    shown.show_report(report(plans, loaded, places, store), skipped, loaded, as_json)


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
    models = {one.partition("@")[0]: chosen_recipe(one, loaded, change or []) for one in model or ABLATED}
    jobs = imbalance_jobs(models, seeds)
    file = file_of(name or f"imbalance-{task}", "ablation")
    curve = shown_curves.follow_curve("imbalance", loaded, jobs, file, count_workers(workers), as_json)
    shown.show_ablation(curve, as_json)


@app.command()
@friendly
def forgetting(
    model: Annotated[str, typer.Argument(help="NAME, NAME@DATA or a checkpoint's folder: a fine-tuned decoder.")],
    task: TaskOption,
    text: Annotated[
        list[Path] | None,
        typer.Option(help="Files of text, of which the held-out part is read; else the bundled sample. Repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what fine-tuning made a decoder forget: its perplexity on text, before and after.

    Example: `odzera forgetting mini-full --task slang --text novels.txt.xz`
    """
    from engine.data.sources import load
    from engine.data.tasks import SLANG, get_task
    from engine.pretraining.corpus import held_out_text, name_sources
    from engine.pretraining.forgetting import measure_forgetting
    from engine.serving.registry import Registry

    get_task(task)
    checkpoint = Registry(default_places().checkpoints).find(task, model)
    texts = held_out_text(name_sources(text)) if text else chain.from_iterable(load(SLANG).texts("all"))
    with terminal.progress_bar("reading", as_json) as tick:
        result = measure_forgetting(checkpoint, texts, tick)
    shown.show_forgetting(result.as_dict(), as_json)
