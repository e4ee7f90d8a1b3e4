"""`odzera data`: what a data set holds."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, app, friendly
from engine.cli.formats import count, percent
from engine.cli.reading import dropped_lines, note_reading, reading_lines
from engine.cli.source import Given, reads_data
from engine.terminal import make_table, note, out, print_json

if TYPE_CHECKING:
    from engine.data.sources import TaskData


@app.command()
@friendly
@reads_data
def data(
    task: Annotated[str, typer.Argument(metavar="TASK|FILE", help="slang, nli, or a file whose columns tell which.")],
    given: Given,
    as_json: JsonOption = False,
) -> None:
    """Describe a data set: how it was read, rows, labels, languages, lengths, leaks between splits.

    Example: `odzera data nli --source train.csv --json`
    """
    from engine.data.columns import find_task
    from engine.data.describe import describe
    from engine.data.tables import read_table
    from engine.data.tasks import TASKS, get_task

    if task not in TASKS and given.source == "sample" and ("." in task or "/" in task):
        given = replace(given, source=task)
        chosen = find_task(read_table(Path(task)).columns, given.options.columns)
    else:
        chosen = get_task(task)
    loaded = given.load(chosen)
    show_data(describe(loaded), as_json)


def show_data(description: Mapping[str, Any], as_json: bool) -> None:
    """Rows, labels, languages, lengths and leaks of a data set."""
    if as_json:
        print_json(description)
        return
    out.print(f"[bold]{description['task']}[/] from {escape(description['source'])} ({description['fingerprint']})")
    labels = list(description["splits"]["all"]["labels"])
    table = make_table("split", "rows", *labels)
    for split, values in description["splits"].items():
        rows = values["rows"]
        shares = (f"{count(values['labels'][one])} ({percent(values['labels'][one] / max(1, rows))})" for one in labels)
        table.add_row(split, count(rows), *shares)
    out.print(table)
    languages = ", ".join(f"{code} {count(rows)}" for code, rows in description["languages"].items())
    out.print(f"languages: {languages}")
    for column, units in description["length"].items():
        for unit, figures in units.items():
            out.print(
                f"{column}, {unit}: median {figures['median']:.0f}, mean {figures['mean']}, 95 % up to "
                f"{figures['p95']:.0f}, longest {figures['max']:.0f}"
            )
    if description["token_rows"] < description["splits"]["all"]["rows"]:
        out.print(f"tokens: counted on {count(description['token_rows'])} rows, drawn evenly")
    leaks = ", ".join(f"{name} {number}" for name, number in description["leaks"].items())
    out.print(f"on two sides of a split: {leaks}")
    out.print(f"nearly the same text on two sides: {description['near_duplicates']}")
    for file in description["files"]:
        for line in reading_lines(file):
            out.print(escape(line), soft_wrap=True)
    cleaning = description["cleaning"]
    dropped = ", ".join(dropped_lines(cleaning["dropped"], cleaning["first_rows"])) or "none"
    out.print(f"cleaning: {count(cleaning['read'])} rows read, {count(cleaning['kept'])} kept; dropped: {dropped}")
    for line in cleaning["notes"]:
        note(line)


def show_source(data: "TaskData") -> None:
    """The data that is about to be trained on, and the rows that cleaning dropped."""
    sizes = data.frame["split"].value_counts()
    rows = ", ".join(f"{count(sizes.get(split, 0))} {split}" for split in ("train", "validation", "test"))
    note(f"{data.source} ({data.fingerprint}): {rows}")
    report = data.report
    note_reading([file.as_dict() for file in report.files], report.dropped, report.rows, report.notes)
