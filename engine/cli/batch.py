"""The command that answers a whole file."""

from pathlib import Path
from typing import Annotated

import typer

from engine import terminal
from engine.cli.base import JsonOption, TaskArgument, app, friendly
from engine.cli.batch_output import show_batch
from engine.cli.source import LabelOption, name_labels
from engine.errors import DataError
from engine.paths import default_places


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
    if out.resolve() == file.resolve():
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
    with terminal.progress_bar("answering", as_json) as tick:
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
        terminal.note(f"Answers: {out}")
