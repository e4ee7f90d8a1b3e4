"""What the command line shows of a file that models have answered."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from engine import terminal

REFUSED = {"empty": "empty", "long": "too long", "odd": "not plain text"}


def show_batch(result: Mapping[str, Any], as_json: bool) -> None:
    """Agreement, shares of classes, and scores where the file has labels."""
    from engine.data.reading import describe_summary

    for model, reason in result["failures"].items():
        terminal.fail(f"{model}: {reason}")
    if as_json:
        terminal.print_json(result)
        return
    columns = ", ".join(f"{what} {name!r}" for what, name in result["columns"].items() if name is not None)
    terminal.note(f"{result['file']}: {result['answered']:,} of {result['rows']:,} rows answered; columns: {columns}")
    for why, rows in result["refused"].items():
        terminal.note(f"not answered: {len(rows):,} {REFUSED[why]}, first row {rows[0]}")
    if result["unknown_labels"]:
        rows = result["unknown_labels"]
        terminal.note(f"not scored: {len(rows):,} rows whose label is none of the task's, first row {rows[0]}")
    if result["models"]:
        terminal.out.print(_table(result))
    common = result["agreement"]
    if common and len(common["models"]) > 1 and common["rows"]:
        share = common["unanimous"] / common["rows"]
        terminal.note(
            f"All {len(common['models'])} agree on {common['unanimous']:,} of {common['rows']:,} ({share:.1%})."
        )
    for row in result["models"]:
        for line in describe_summary(row["model"], row.get("reading")):
            terminal.note(line)
        if row["scores"] and row["rows_seen_in_training"]:
            terminal.fail(f"{row['model']} was trained on {row['rows_seen_in_training']:,} of these rows.")


def _table(result: Mapping[str, Any]) -> Table:
    labels = list(next((row["shares"] for row in result["models"] if row["shares"]), {}))
    scored = any(row["scores"] for row in result["models"])
    figures = ("accuracy", "macro_f1", "mcc") if scored else ()
    table = Table(box=None, header_style="bold")
    table.add_column("model")
    for heading in ("seconds", *labels, *figures):
        table.add_column(heading, justify="right")
    for row in result["models"]:
        shares = [f"{row['shares'][label]:.0%}" if row["shares"] else "-" for label in labels]
        table.add_row(row["model"], f"{row['seconds']:.1f}", *shares, *(_figure(row["scores"], one) for one in figures))
    return table


def _figure(scores: Mapping[str, Any] | None, name: str) -> str:
    if scores is None:
        return "-"
    from engine.evaluation.metrics import interval_of

    ends = interval_of(scores, name)
    return f"{scores[name]:.3f} [dim]({ends[0]:.3f}-{ends[1]:.3f})[/]" if ends else f"{scores[name]:.3f}"
