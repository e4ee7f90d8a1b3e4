"""What the command line shows of searches and studies."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from engine import terminal
from engine.cli.output import seconds
from engine.terminal import err, note, out, print_json

if TYPE_CHECKING:
    from engine.search.refit import Refit
    from engine.search.study import Standing

LOG_SECONDS = 30


def follow_search(standings: "Iterable[Standing]", name: str, trials: int, quiet: bool = False) -> "Standing":
    """Show how far a search is, until it ends; on a pipe, a line every half minute."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} trials"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    last: Standing | None = None
    logged = time.monotonic()
    start = time.monotonic()
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        bar = progress.add_task(escape(name), total=trials)
        for standing in standings:
            if last is None and not quiet:
                note(f"study {name}: {standing.finished} of {trials} trials are finished")
            last = standing
            progress.update(bar, completed=standing.finished, description=_describe(standing))
            if not quiet and not err.is_terminal and time.monotonic() - logged > LOG_SECONDS:
                logged = time.monotonic()
                note(f"{seconds(logged - start)}: {standing.finished}/{trials} trials, {_describe(standing)}")
    if last is None:
        raise RuntimeError("A search says at least once how far it is.")
    return last


def _describe(standing: "Standing") -> str:
    best = "no best yet" if standing.best_value is None else f"best validation loss {standing.best_value:.4f}"
    failed = f", {standing.failed} failed" if standing.failed else ""
    return f"{best} ({standing.complete} complete, {standing.pruned} pruned{failed}, {standing.running} running)"


def follow_refit(events: "Iterable[int | Refit]", quiet: bool = False) -> "Refit":
    """Show how many seeds of the best setting are trained, until the end."""
    from engine.search.refit import SEEDS

    end = None
    with terminal.progress_bar("training the best setting again", quiet) as tick:
        for event in events:
            if isinstance(event, int):
                tick(event, len(SEEDS))
            else:
                end = event
    if end is None:
        raise RuntimeError("Training the best setting again ends with Refit.")
    return end


def show_search(result: Mapping[str, Any], trials: int, as_json: bool) -> None:
    """The end of a search."""
    if as_json:
        print_json(result)
        return
    counts = result["trials"]
    states = ", ".join(f"{counts[state]} {state}" for state in counts if counts[state])
    out.print(f"[bold]{escape(result['name'])}[/]: {states or 'no trials'}; {seconds(result['seconds'])}")
    if result["best_value"] is not None:
        settings = ", ".join(f"{name}={_short(value)}" for name, value in result["best_params"].items())
        out.print(f"best validation loss {result['best_value']:.4f} with {escape(settings)}", soft_wrap=True)
    if result["finished"] < trials:
        note(f"{trials - result['finished']} trials are missing; the same command goes on.")
    if "refit" in result:
        refit = result["refit"]
        for split in ("validation", "test"):
            figures = refit[split]
            shown = ", ".join(
                f"{title} {figures[name]['mean']:.4f} ± {figures[name]['deviation']:.4f}"
                for name, title in (("accuracy", "accuracy"), ("macro_f1", "macro F1"), ("loss", "loss"))
            )
            out.print(f"{len(refit['seeds'])} seeds, {split}: {shown}")
        note(f"seed {refit['chosen_seed']}, the best on validation, is kept in {result['checkpoint']}")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show_studies(studies: Sequence[Mapping[str, Any]], where: str, as_json: bool) -> None:
    """All studies of a storage."""
    if as_json:
        print_json(studies)
        return
    if not studies:
        note(f"There are no studies in {where} yet. Make one: odzera search slang")
        return
    table = Table(box=None, header_style="bold")
    for column in ("study", "data", "complete", "pruned", "failed", "running", "best validation loss"):
        table.add_column(column, justify="left" if column in ("study", "data") else "right")
    for study in studies:
        counts = study["trials"]
        best = "-" if study["best_value"] is None else f"{study['best_value']:.4f}"
        table.add_row(
            escape(study["name"]),
            escape(str(study["source"] or "-")),
            *(str(counts[state]) for state in ("complete", "pruned", "failed", "running")),
            best,
        )
    out.print(table)
    note(f"in {where}; browse them: odzera dashboard")


def show_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Measurements, one row each, a column for every key."""
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, header_style="bold")
    for name, value in rows[0].items():
        table.add_column(name.replace("_", " "), justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else escape(str(value)) for value in row.values()))
    out.print(table)
