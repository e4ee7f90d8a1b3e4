"""`odzera batch`: a whole file answered by models, with agreement and scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from engine.cli.base import JsonOption, TaskArgument, app, friendly
from engine.cli.formats import count, percent, scored
from engine.cli.reading import reading_lines
from engine.cli.source import LabelOption, name_labels
from engine.errors import DataError
from engine.paths import default_places
from engine.terminal import fail, make_table, note, out, print_json, progress_bar

REFUSED = {"empty": "empty", "long": "too long", "odd": "not plain text"}


@app.command()
@friendly
def batch(
    task: TaskArgument,
    file: Annotated[Path, typer.Argument(help="A CSV, JSON, Parquet or Excel file, with labels or without.")],
    out: Annotated[
        Path, typer.Option("--out", help="Where the file with the answers goes: .csv, .tsv, .jsonl, .xlsx or .parquet.")
    ],
    model: Annotated[list[str] | None, typer.Option(help="Only these models. Repeatable.")] = None,
    data: Annotated[str | None, typer.Option(help="Models trained on this data (fingerprint).")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Name a column: text=body. Repeatable.")] = None,
    label: LabelOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask models about every row of a file: answers in new columns, agreement, and scores where labels are there.

    Without --model, every model trained for the task answers but those that ignore the text or are untrained.

    Example: `odzera batch slang messages.csv --out answered.csv --model tfidf --model scratch`
    """
    from engine.data.tables import read_table
    from engine.data.tables.writing import check_target
    from engine.data.tasks import get_task
    from engine.serving.batch import Outcome, name_columns, prepare, recognise_columns, run_batch
    from engine.serving.batch_results import answered_file, has_vote, summarise, voters
    from engine.serving.registry import Registry

    chosen = get_task(task)
    if out.resolve() == file.resolve() or (out.exists() and file.exists() and out.samefile(file)):
        raise DataError("--out is the file itself; name another one.")
    # Whatever is wrong with the place is said before models run.
    check_target(out, force)
    table = read_table(file)
    named = name_columns(recognise_columns(table, chosen, column or []), column or [])
    batch = prepare(table, named, name_labels(label or []))
    registry = Registry(default_places().checkpoints)
    fitting = registry.models(task, registry.match_data(task, data))
    models = [registry.find(task, one) for one in model] if model else [one for one in fitting if has_vote(one)]
    if not models:
        raise DataError(f"No model is trained for {task}. Train some: odzera train tfidf scratch --task {task}")
    outcome: Outcome | None = None
    with progress_bar("answering", as_json) as tick:
        for event in run_batch(registry, batch, models):
            if isinstance(event, Outcome):
                outcome = event
            else:
                tick(sum(event.done.values()), event.rows * len(models))
    if outcome is None:
        raise RuntimeError("A run ends with its outcome.")
    show_batch(summarise(outcome, models), as_json)
    if not outcome.probabilities:
        raise typer.Exit(2)
    out.write_bytes(answered_file(outcome, voters(outcome, models), out.suffix))
    if not as_json:
        note(f"Answers: {out}")


def show_batch(result: Mapping[str, Any], as_json: bool) -> None:
    """Agreement, shares of classes, and scores where the file has labels."""
    from engine.data.reading import describe_summary

    for model, reason in result["failures"].items():
        fail(f"{model}: {reason}")
    if as_json:
        print_json(result)
        return
    columns = ", ".join(f"{what} {name!r}" for what, name in result["columns"].items() if name is not None)
    note(f"{result['file']}: {count(result['answered'])} of {count(result['rows'])} rows answered; columns: {columns}")
    for line in reading_lines(result["reading"]):
        note(line)
    for why, rows in result["refused"].items():
        note(f"not answered: {count(len(rows))} {REFUSED[why]}, first row {rows[0]}")
    if result["unscored"]:
        fail(f"Nothing is scored. {result['unscored']}")
    elif result["unknown_labels"]:
        rows = result["unknown_labels"]
        note(f"not scored: {count(len(rows))} rows whose label is none of the task's, first row {rows[0]}")
    if result["models"]:
        out.print(_table(result))
    common = result["agreement"]
    if common and len(common["models"]) > 1 and common["rows"]:
        alike, rows = common["unanimous"], common["rows"]
        note(f"All {len(common['models'])} agree on {count(alike)} of {count(rows)} ({percent(alike / rows, 1)}).")
    for row in result["models"]:
        for line in describe_summary(row["model"], row.get("reading")):
            note(line)
        if row["scores"] and row["rows_seen_in_training"]:
            fail(f"{row['model']} was trained on {count(row['rows_seen_in_training'])} of these rows.")


def _table(result: Mapping[str, Any]) -> Table:
    labels = list(next((row["shares"] for row in result["models"] if row["shares"]), {}))
    has_scores = any(row["scores"] for row in result["models"])
    figures = ("accuracy", "macro_f1", "mcc") if has_scores else ()
    table = make_table("model", "seconds", *labels, *figures)
    for row in result["models"]:
        shares = [percent(row["shares"][label]) if row["shares"] else "-" for label in labels]
        scores = row["scores"]
        cells = (scored(scores, name, 3) if scores else "-" for name in figures)
        table.add_row(row["model"], f"{row['seconds']:.1f}", *shares, *cells)
    return table
