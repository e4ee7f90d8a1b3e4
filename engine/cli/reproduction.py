"""`odzera reproduce`: every recipe trained here, beside what its authors report."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, TaskArgument, app, friendly
from engine.cli.data import show_source
from engine.cli.formats import count, duration, figure, milliseconds, scored
from engine.cli.source import DataNameOption, Given, reads_data
from engine.paths import default_places
from engine.terminal import make_table, note, out, print_json, progress_bar, waiting

if TYPE_CHECKING:
    from engine.bench.against_published import Plan
    from engine.data.sources import TaskData
    from engine.paths import Places
    from engine.store import Store


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
    with waiting("planning", as_json):
        plans = plan_all(loaded, places, store, found, only or [])
    if not as_json:
        for line in notes:
            note(line)
        show_source(loaded)
        show_plans(plans)
    skipped = follow_reproduction(plans, loaded, places, store, found, budget, as_json)
    show_report(report(plans, loaded, places, store), skipped, loaded, as_json)


def show_plans(plans: Sequence["Plan"]) -> None:
    """How much there is to do."""
    done = [plan for plan in plans if plan.done]
    todo = [plan for plan in plans if not plan.done and not plan.why_not]
    about = duration(sum(plan.seconds for plan in todo))
    note(
        f"{len(plans)} recipe{'s' * (len(plans) != 1)}: {len(done)} done, {len(todo)} to run (about {about}), "
        f"{len(plans) - len(done) - len(todo)} that can't be run here"
    )


def follow_reproduction(
    plans: Sequence["Plan"],
    data: "TaskData",
    places: "Places",
    store: "Store",
    device: str,
    budget: float | None,
    quiet: bool,
) -> dict[str, str]:
    """Run the plans with a line for each epoch and result; returns recipe → why it wasn't run to its end."""
    from engine.bench.against_published import Skipped, Started, reproduce
    from engine.experiments.record import Finished

    skipped = {}
    begun = ""
    with progress_bar("training", quiet) as tick:
        for event in reproduce(plans, data, places, store, device, budget, tick):
            if isinstance(event, Skipped):
                skipped[event.plan.recipe.name] = event.reason
            if quiet:
                continue
            if isinstance(event, Started):
                begun = event.plan.recipe.name
                note(f"{begun}: about {duration(event.plan.seconds)}; {event.left} left")
            elif isinstance(event, Skipped):
                # Of those that weren't begun, the report tells.
                if event.plan.recipe.name == begun:
                    note(f"{begun}: {event.reason}")
            elif isinstance(event, Finished):
                test = event.run.record["scores"]["test"]
                accuracy, macro_f1 = figure(test["accuracy"]), figure(test["macro_f1"])
                took = duration(event.run.record["cost"]["seconds"])
                note(f"{event.run.model}: accuracy {accuracy}, macro F1 {macro_f1}, {took}")
            else:
                figures = event.validation
                note(
                    f"  epoch {event.number}: validation loss {figures['loss']:.4f}, accuracy {figures['accuracy']:.4f}"
                )
    return skipped


def show_report(rows: Sequence[Mapping[str, Any]], skipped: Mapping[str, str], data: "TaskData", as_json: bool) -> None:
    """The one table: reported beside here, and a plain word on every difference."""
    if as_json:
        print_json([{**row, "not_run": skipped.get(row["recipe"], "")} for row in rows])
        return
    test_rows = count(len(data.split("test")))
    columns = ("recipe", "reported", "here", "macro F1", "trained", "training", "memory", "ms")
    title = f"{data.task.name} on {escape(data.source)} ({data.fingerprint}), {test_rows} test rows"
    table = make_table(*columns, no_wrap=True, title=title)
    for row in rows:
        here, reported = row["here"], row["reported"]
        theirs = figure(reported["accuracy"], row["reported_interval"]) if "accuracy" in reported else ""
        if here is None:
            table.add_row(row["recipe"], theirs, "[dim]not run[/]", *[""] * 5)
            continue
        table.add_row(
            row["recipe"],
            theirs,
            scored(here, "accuracy"),
            figure(here["macro_f1"]),
            count(here["trained_parameters"]),
            duration(here["training_seconds"]),
            f"{count(here['peak_memory_mb'])} MB",
            milliseconds(here["p50_ms"], 1),
        )
    out.print(table)
    out.print("[dim]accuracy with 95 % intervals: here bootstrap, reported Wilson's where its test rows are known[/]")
    for row in rows:
        if row["differences"]:
            out.print(f"[bold]{row['recipe']}[/]: {escape(' '.join(row['differences']))}", soft_wrap=True)
        elif row["reported"]:
            out.print(f"[bold]{row['recipe']}[/]: reported on {escape(row['reported_on'])}.", soft_wrap=True)
    left: dict[str, list[str]] = {}
    for row in rows:
        if row["here"] is None:
            left.setdefault(skipped.get(row["recipe"], "it was not its turn"), []).append(row["recipe"])
    for reason, recipes in left.items():
        out.print(f"not run: [bold]{', '.join(recipes)}[/]: {escape(reason.rstrip('.'))}.", soft_wrap=True)
