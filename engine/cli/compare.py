"""`odzera compare`: the table of models trained on the same data, and its details."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, TaskArgument, app, friendly
from engine.cli.formats import count, duration, figure, milliseconds, p_value, percent, scored
from engine.cli.source import Given, reads_data
from engine.errors import DataError
from engine.paths import default_places
from engine.terminal import make_table, note, out, print_json


@app.command()
@friendly
@reads_data
def compare(
    task: TaskArgument,
    given: Given | None = None,
    data: Annotated[str | None, typer.Option(help="Compare on the data with this fingerprint.")] = None,
    details: Annotated[
        bool,
        typer.Option("--details", help="Differences from the best model, accuracy by language, confusion matrices."),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table in Markdown, or write it where --into says.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(help="A document with a mark `<!-- table TASK-all: … -->`, whose tables are written anew."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the table of all models trained on the same data: quality with intervals, cost, latency.

    Example: `odzera compare slang --json`
    """
    if into is not None and not markdown:
        raise DataError("--into takes tables in Markdown: give --markdown too.")
    from engine.data.tasks import get_task
    from engine.results.comparison import compare_models, open_results

    chosen = get_task(task)
    places = default_places()
    store, notes = open_results(places)
    fingerprint = data
    if given and given.source is not None:
        fingerprint = given.load(chosen).fingerprint
    comparison = compare_models(store, chosen, fingerprint)
    if markdown:
        write_markdown(comparison, into)
        return
    show_comparison(comparison, notes, as_json)
    if details and not as_json:
        show_details(comparison, chosen.labels)


def write_markdown(comparison: Mapping[str, Any], into: Path | None) -> None:
    """The table in Markdown, on the terminal or between its marks in a document.

    Raises:
        DataError: The document can't be read, or has no mark for it.
    """
    from engine.results.markdown import comparison_table, fill_file

    if into is None:
        print(comparison_table(comparison), end="")
        return
    fill_file(into, comparison)
    note(f"written into {into}")


def show_comparison(comparison: Mapping[str, Any], notes: Sequence[str], as_json: bool) -> None:
    """The table of models trained on the same data."""
    for line in notes:
        note(line)
    if as_json:
        print_json(comparison)
        return
    data = comparison["data"]
    out.print(
        f"[bold]{comparison['task']}[/] on {escape(data['source'])} ({data['fingerprint']}): "
        f"{count(data['rows'])} rows, {count(data['test_rows'])} of them test. "
        "Figures on test, 95 % bootstrap intervals in brackets."
    )
    columns = ("model", "accuracy", "macro F1", "MCC", "loss", "ECE", "parameters", "trained", "training", "ms")
    table = make_table(*columns, no_wrap=True)
    for row in comparison["rows"]:
        table.add_row(
            row["model"],
            *(scored(row, name) for name in ("accuracy", "macro_f1")),
            *(figure(row[name], digits=3) for name in ("mcc", "loss", "calibration_error")),
            *(count(row[name]) for name in ("total_parameters", "trained_parameters")),
            duration(row["training_seconds"]),
            milliseconds(row["p50_ms"]),
        )
    out.print(table)
    for line in _remarks(comparison):
        note(line)


def _remarks(comparison: Mapping[str, Any]) -> Iterator[str]:
    """The tests between models, the spread of searches and few-shot models, and what is missing from the table."""
    from engine.data.reading import describe_summary
    from engine.results.comparison import describe_absent, describe_few_shot, describe_foundations, describe_refit

    names = [row["model"] for row in comparison["rows"]]
    # The best one, and the one that everything pretrained has to beat.
    for chosen in dict.fromkeys([*names[:1], *(name for name in names if name == "scratch")]):
        against = [one for one in comparison["mcnemar"] if chosen in (one["first"], one["second"])]
        others = (one["second"] if one["first"] == chosen else one["first"] for one in against)
        tests = ", ".join(f"{name} p {p_value(one['p_holm'])}" for name, one in zip(others, against, strict=True))
        if tests:
            yield f"McNemar's test of {chosen}, p after Holm's correction for all pairs of models, against: {tests}."
    for describe in (describe_refit, describe_few_shot, describe_foundations):
        yield from filter(None, map(describe, comparison["rows"]))
    yield from describe_absent(comparison["data"].get("absent", ()), comparison["data"].get("labels", ()))
    for row in comparison["rows"]:
        yield from describe_summary(row["model"], row.get("reading"))
    if comparison["missing"]:
        yield (
            "Fine-tuned rows want their backbones untrained beside them: "
            f"odzera train {' '.join(comparison['missing'])} --task {comparison['task']}"
        )
    for other in comparison["other_data"]:
        yield f"Not in this table: {other['models']} models on {other['source']} (--data {other['fingerprint']})."


def show_details(comparison: Mapping[str, Any], labels: tuple[str, ...]) -> None:
    """The best model against the others, languages against models, each model's confusion matrix, row-normalised."""
    rows = comparison["rows"]
    _show_differences(comparison)
    if any(row["per_language"] for row in rows):
        _show_languages(rows)
    _show_confusions(rows, labels)


def _show_differences(comparison: Mapping[str, Any]) -> None:
    from engine.data.tasks import get_task
    from engine.results.pairs import describe_difference, describe_verdict

    best = comparison["rows"][0]["model"]
    against = [one for one in comparison["differences"] if one["first"] == best]
    if not against:
        return
    one = against[0]
    kind = "premises" if get_task(comparison["task"]).is_pair else "terms"
    drawn = f"{count(one['rows'])} test rows" if one["clusters"] is None else f"{count(one['clusters'])} {kind}"
    title = f"{escape(best)} against each other model, points ahead"
    columns = ("against", "accuracy", "in accuracy", "macro F1", "in macro F1", "Holm's p")
    table = make_table(*columns, left=("in accuracy", "in macro F1"), title=title)
    for one in against:
        cells = (
            cell
            for name in ("accuracy", "macro_f1")
            for cell in (describe_difference(one["figures"][name]), escape(describe_verdict(one, name)))
        )
        table.add_row(escape(one["second"]), *cells, p_value(one["p_holm"]))
    out.print(table)
    note(
        f"Points ahead: 95 % intervals of a paired bootstrap, {count(one['resamples'])} resamples of {drawn}, each for "
        "its pair alone, while Holm's p counts all pairs; one training run of each model, so another seed may differ."
    )


def _show_languages(rows: list[Mapping[str, Any]]) -> None:
    models = (escape(row["model"]) for row in rows)
    table = make_table("language", "rows", *models, left=("rows",), title="test accuracy by language")
    codes = {code: one["rows"] for row in rows for code, one in row["per_language"].items()}
    for code, there in sorted(codes.items(), key=lambda one: (-one[1], one[0])):
        cells = (row["per_language"].get(code) for row in rows)
        table.add_row(code, count(there), *(figure(cell["accuracy"], digits=3) if cell else "" for cell in cells))
    out.print(table)


def _show_confusions(rows: list[Mapping[str, Any]], labels: tuple[str, ...]) -> None:
    short = [label.split(" or ")[0] for label in labels]
    title = "of each true class (row), the share answered as (column)"
    table = make_table("model", "true class", *short, left=("true class",), title=title)
    for row in rows:
        for place, counts in enumerate(row["confusion"]):
            total = max(1, sum(counts))
            shares = (
                f"[bold]{percent(hits / total)}[/]" if at == place else percent(hits / total)
                for at, hits in enumerate(counts)
            )
            table.add_row("" if place else escape(row["model"]), short[place], *shares, end_section=place == 2)
    out.print(table)
