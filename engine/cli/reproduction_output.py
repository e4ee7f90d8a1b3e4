"""What the command line shows of reproductions, ablations and forgetting."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from engine.cli.output import seconds
from engine.terminal import note, out, print_json, progress_bar

if TYPE_CHECKING:
    from engine.bench.against_published import Plan
    from engine.data.sources import TaskData
    from engine.experiments.curves import Curve
    from engine.paths import Places
    from engine.store import Store


def show_plans(plans: Sequence["Plan"]) -> None:
    """How much there is to do."""
    done = [plan for plan in plans if plan.done]
    todo = [plan for plan in plans if not plan.done and not plan.why_not]
    about = seconds(sum(plan.seconds for plan in todo))
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
                note(f"{begun}: about {seconds(event.plan.seconds)}; {event.left} left")
            elif isinstance(event, Skipped):
                # Of those that weren't begun, the report tells.
                if event.plan.recipe.name == begun:
                    note(f"{begun}: {event.reason}")
            elif isinstance(event, Finished):
                test = event.run.record["scores"]["test"]
                took = seconds(event.run.record["cost"]["seconds"])
                note(f"{event.run.model}: accuracy {test['accuracy']:.4f}, macro F1 {test['macro_f1']:.4f}, {took}")
            else:
                figures = event.validation
                note(
                    f"  epoch {event.number}: validation loss {figures['loss']:.4f}, accuracy {figures['accuracy']:.4f}"
                )
    return skipped


def show_report(rows: Sequence[Mapping[str, Any]], skipped: Mapping[str, str], data: "TaskData", as_json: bool) -> None:
    """The one table: reported beside here, and a plain word on every difference."""
    from engine.evaluation.metrics import interval_of

    if as_json:
        print_json([{**row, "not_run": skipped.get(row["recipe"], "")} for row in rows])
        return
    test_rows = len(data.split("test"))
    table = Table(
        box=None,
        header_style="bold",
        title=f"{data.task.name} on {escape(data.source)} ({data.fingerprint}), {test_rows:,} test rows",
    )
    for column in ("recipe", "reported", "here", "macro F1", "trained", "training", "memory", "ms"):
        table.add_column(column, justify="left" if column == "recipe" else "right", no_wrap=True)
    for row in rows:
        here, reported = row["here"], row["reported"]
        interval = row["reported_interval"]
        theirs = f"{reported['accuracy']:.4f}" if "accuracy" in reported else ""
        if interval:
            theirs += f" [dim]({interval[0]:.3f}-{interval[1]:.3f})[/]"
        if here is None:
            table.add_row(row["recipe"], theirs, "[dim]not run[/]", *[""] * 5)
            continue
        ends = interval_of(here, "accuracy")
        sure = f" [dim]({ends[0]:.3f}-{ends[1]:.3f})[/]" if ends else ""
        table.add_row(
            row["recipe"],
            theirs,
            f"{here['accuracy']:.4f}{sure}",
            f"{here['macro_f1']:.4f}",
            f"{here['trained_parameters']:,}",
            seconds(here["training_seconds"]),
            f"{here['peak_memory_mb']:,.0f} MB",
            f"{here['p50_ms']:.1f}",
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


def show_ablation(curve: "Curve", as_json: bool) -> None:
    """Each recipe with each option: means over the seeds, and what the option changed on the same seeds."""
    from engine.experiments.ablation import tabulate

    rows = tabulate(curve)
    if as_json:
        print_json({"data": {"source": curve.source, "fingerprint": curve.fingerprint}, "rows": rows})
        return
    table = Table(box=None, header_style="bold", title=f"test figures on {escape(curve.source)}")
    for column in ("model", "variant", "seeds", "accuracy", "change", "macro F1", "change"):
        table.add_column(column, justify="left" if column in ("model", "variant") else "right", no_wrap=True)
    for row in rows:
        cells = []
        for figure in ("accuracy", "macro_f1"):
            gain = row[f"{figure}_gain"]
            half = "" if gain is None or gain["half"] == float("inf") else f" ± {gain['half']:.3f}"
            cells += [f"{row[figure]:.3f}", "" if gain is None else f"{gain['mean']:+.3f}{half}"]
        table.add_row(escape(row["model"]), row["variant"], str(row["seeds"]), *cells)
    out.print(table)
    out.print("[dim]means over the seeds; change against plain on the same seeds ± half of Student's 95 % interval[/]")


def show_forgetting(result: Mapping[str, Any], as_json: bool) -> None:
    """Perplexity before and after."""
    if as_json:
        print_json(result)
        return
    out.print(
        f"[bold]{escape(result['model'])}[/] on {result['tokens']:,} tokens: perplexity {result['before']:.1f} before "
        f"fine-tuning ({escape(result['backbone'])}), {result['after']:.1f} after: {result['ratio']:.2f} times."
    )
