"""`odzera evaluate`: a trained model scored on any labelled file."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, TaskOption, app, friendly
from engine.cli.formats import count, figure, scored
from engine.cli.reading import note_reading
from engine.cli.source import Given, reads_data
from engine.paths import default_places
from engine.terminal import fail, make_table, note, out, print_json, progress_bar

FIGURES = ("accuracy", "macro_f1", "weighted_f1", "mcc", "loss")


@app.command()
@friendly
@reads_data
def evaluate(
    model: Annotated[str, typer.Argument(help="NAME, NAME@DATA or a checkpoint's folder.")],
    task: TaskOption,
    given: Given,
    split: Annotated[
        str | None, typer.Option(help="train, validation, test or all; without it, all rows of a file, else test.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a trained model on any labelled file.

    Example: `odzera evaluate minilm-last1 --task nli --source new_pairs.csv --split all --json`
    """
    from engine.data.sources import load_for_evaluation
    from engine.data.tasks import get_task
    from engine.results.comparison import evaluate_model
    from engine.serving.registry import Registry

    chosen = get_task(task)
    registry = Registry(default_places().checkpoints)
    checkpoint = registry.find(task, model)
    source = str(given.source)
    wanted = split or ("test" if source in ("sample", "hub") else "all")
    loaded = load_for_evaluation(chosen, source, given.options, wanted)
    with progress_bar("scoring", as_json) as tick:
        result = evaluate_model(registry.classifier(checkpoint), checkpoint, loaded, wanted, tick)
    show_evaluation(result, as_json)


def show_evaluation(result: Mapping[str, Any], as_json: bool) -> None:
    """A model's figures on any labelled data."""
    from engine.data.reading import describe_summary
    from engine.evaluation.metrics import interval_of
    from engine.results.comparison import describe_absent

    if as_json:
        print_json(result)
        return
    data = result["data"]
    note_reading(result["files"], result["dropped"], result["first_rows"], result["notes"])
    out.print(
        f"[bold]{result['model']}[/], trained on {escape(result['trained_on']['source'])}, "
        f"on {count(data['rows'])} rows of {escape(data['source'])} ({data['split']})"
    )
    for name in FIGURES:
        out.print(f"  {name:<18}{scored(result, name)}")
    out.print(f"  {'calibration_error':<18}{figure(result['calibration_error'])}")
    table = make_table("class", "precision", "recall", "F1", "rows")
    for label, figures in zip(result["labels"], result["per_class"], strict=True):
        numbers = (figure(figures[key], digits=3) for key in ("precision", "recall", "f1"))
        table.add_row(label, *numbers, count(figures["support"]))
    out.print(table)
    for code, figures in result["per_language"].items():
        accuracy, macro_f1 = (figure(figures[name], digits=3) for name in ("accuracy", "macro_f1"))
        out.print(f"  {code}: accuracy {accuracy}, macro F1 {macro_f1} ({figures['rows']} rows)")
    for line in describe_absent(result["absent"], result["labels"]):
        note(line)
    if any(interval_of(result, name) is None for name in FIGURES):
        note("No interval: the rows are too few, or too much alike, to tell how sure that figure is.")
    for line in describe_summary(result["model"], result.get("reading")):
        note(line)
    seen = result["rows_seen_in_training"]
    if seen:
        fail(f"{count(seen)} of these rows were in the training data, so these figures flatter it.")
