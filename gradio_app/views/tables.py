"""The table of models: figures, costs and latency, the best marked. `assets/tables.js` sorts it."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from engine.data.reading import describe_summary
from engine.data.tasks import get_task
from engine.evaluation.metrics import interval_of
from engine.results.csv_export import to_csv
from gradio_app.languages import Language, message
from gradio_app.views import units
from gradio_app.views.names import RUNTIMES, name_source
from gradio_app.views.parts import render_list, render_row, render_table

Row = Mapping[str, Any]
Served = Mapping[str, tuple[str, float]]
Means = Mapping[str, Row]
Write = Callable[[Language, Row], str]


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    key: str
    title: str
    write: Write
    better: str
    """`higher` or `lower`: which end is marked as best, and stands on top when the column is first sorted by."""


def _interval(name: str) -> Write:
    def show(say: Language, row: Row) -> str:
        ends = interval_of(row, name)
        return units.figure(say, row[name]) + (f"<small>{units.interval(say, ends)}</small>" if ends else "")

    return show


def _with_share(say: Language, row: Row) -> str:
    total, trained = row["total_parameters"], row["trained_parameters"]
    if trained == total:
        return units.compact(say, trained)
    if not trained:
        return say("none")
    return f"{units.compact(say, trained)}<small>{units.percent(say, trained / total, None)}</small>"


def _served(say: Language, row: Row) -> str:
    return f"{units.milliseconds(say, row['served_ms'])}<small>{escape(RUNTIMES[row['served_runtime']])}</small>"


def _spread(name: str) -> Write:
    def show(say: Language, row: Row) -> str:
        mean = row["means"][name]
        return f"{units.spread(say, mean['mean'], mean['deviation'])}<small>{say_repeats(say, row['means'])}</small>"

    return show


def say_repeats(say: Language, means: Row) -> str:
    """Over how many seeds and folds a mean is: `5 seeds × 5 folds`."""
    seeds = say.plural("{n} seed", "{n} seeds", means["seeds"])
    return seeds if means["folds"] == 1 else f"{seeds} × {say.plural('{n} fold', '{n} folds', means['folds'])}"


def _column(key: str, title: str, better: str, write: Callable[[Language, float], str]) -> Column:
    """A column that holds one quantity."""
    return Column(key, title, lambda say, row: write(say, row[key]), better)


COLUMNS: Sequence[Column] = (
    Column("accuracy", message("accuracy"), _interval("accuracy"), "higher"),
    Column("macro_f1", message("macro F1"), _interval("macro_f1"), "higher"),
    Column("mean_accuracy", message("mean accuracy"), _spread("accuracy"), "higher"),
    Column("mean_macro_f1", message("mean macro F1"), _spread("macro_f1"), "higher"),
    Column("weighted_f1", message("weighted F1"), _interval("weighted_f1"), "higher"),
    Column("mcc", message("MCC"), _interval("mcc"), "higher"),
    Column("loss", message("loss"), _interval("loss"), "lower"),
    Column("calibration_error", message("ECE"), _interval("calibration_error"), "lower"),
    Column("served_ms", message("ms, as served"), _served, "lower"),
    _column("p50_ms", message("ms, p50"), "lower", units.milliseconds),
    _column("total_parameters", message("parameters"), "lower", units.compact),
    Column("trained_parameters", message("trained"), _with_share, "lower"),
    _column("training_seconds", message("training"), "lower", units.duration),
    _column("peak_memory_mb", message("peak memory"), "lower", units.memory),
    _column("size_bytes", message("on disk"), "lower", units.size),
    _column("p95_ms", message("ms, p95"), "lower", units.milliseconds),
    _column("batch_p50_ms", message("ms in 32s"), "lower", units.milliseconds),
    _column("samples_per_second", message("texts a second"), "higher", units.count),
    _column("training_samples_per_second", message("trained a second"), "higher", units.count),
    _column("joules", message("energy"), "lower", units.energy),
)
"""What the table shows, from left to right."""


def render_comparison(
    say: Language, comparison: Mapping[str, Any], served: Served | None = None, means: Means | None = None
) -> str:
    """The metric and latency table of models trained on the same data, with the data named above it.

    Args:
        say: The page's language.
        comparison: As `compare_models` makes it.
        served: Model → runtime and milliseconds of what answers now, as `served_latency` finds them.
        means: Model → means over seeds and folds, as `read_means` finds them.
    """
    rows = [
        row | _served_row((served or {}).get(row["model"])) | _mean_row((means or {}).get(row["model"]))
        for row in comparison["rows"]
    ]
    # What no row has measured, as energy on a machine without a counter, needs no column.
    columns = [one for one in COLUMNS if any(row[one.key] is not None for row in rows)]
    best = _best(rows, columns)
    chosen = get_task(comparison["task"]).select_on
    heads = [f'<th scope="col">{_button(say("model"))}</th>', *(_head(say, one, one.key == chosen) for one in columns)]
    table = render_table(
        say("Table of models"), heads, [_row(say, row, columns, best) for row in rows], "oz-sortable", "oz-wide"
    )
    return (
        f"{describe_data(say, comparison['data'])}{table}"
        f'<p class="oz-download">{download_link(say, comparison, served or {})}</p>'
        f"{_notes(say, comparison, rows)}"
    )


def _served_row(served: tuple[str, float] | None) -> dict[str, Any]:
    return {"served_runtime": served[0] if served else None, "served_ms": served[1] if served else None}


def _mean_row(means: Row | None) -> dict[str, Any]:
    figures = {f"mean_{name}": means[name]["mean"] if means else None for name in ("accuracy", "macro_f1")}
    return {"means": means, **figures}


def _best(rows: Sequence[Row], columns: Sequence[Column]) -> dict[str, float]:
    """The best value of each column among models that read the text; nothing where there is no contest."""
    # What ignores the text is perfectly calibrated, costs nothing and is worth nothing: it competes for no mark.
    rivals = [row for row in rows if row["recipe"] != "majority"]
    if len(rivals) < 2:
        return {}
    best = {}
    for column in columns:
        values = [row[column.key] for row in rivals if row[column.key] is not None]
        if len(values) > 1:
            best[column.key] = max(values) if column.better == "higher" else min(values)
    return best


def _button(words: str) -> str:
    return f'<button type="button" class="oz-sort">{escape(words)}</button>'


def _head(say: Language, column: Column, is_sorted: bool) -> str:
    order = f' aria-sort="{"descending" if column.better == "higher" else "ascending"}"' if is_sorted else ""
    return f'<th scope="col" data-better="{column.better}"{order}>{_button(say(column.title))}</th>'


def _row(say: Language, row: Row, columns: Sequence[Column], best: Mapping[str, float]) -> str:
    cells = []
    for column in columns:
        value = row[column.key]
        if value is None:
            # Records from before it was measured, and models to which it doesn't apply.
            cells.append(units.MISSING)
            continue
        is_best = row["recipe"] != "majority" and best.get(column.key) == value
        marked, star = (' class="oz-best"', _star(say)) if is_best else ("", "")
        cells.append(f'<td{marked} data-value="{value!r}">{star}{column.write(say, row)}</td>')
    name = escape(row["model"])
    return render_row(f'<th scope="row" data-value="{name}">{name}</th>', cells)


def _star(say: Language) -> str:
    """A sign beside the colour, and a word for those who hear the page."""
    return f'<span class="oz-star" aria-hidden="true">★</span><span class="oz-unseen">{escape(say("best"))} </span>'


def download_link(say: Language, comparison: Mapping[str, Any], served: Served) -> str:
    """A link that holds the table's numbers as CSV: no file lies on the server, so none expires or is found."""
    content = b64encode(to_csv(comparison, served).encode()).decode()
    name = f"odzera-{comparison['task']}-{comparison['data']['fingerprint']}.csv"
    return (
        f'<a class="oz-file" download="{escape(name)}" href="data:text/csv;charset=utf-8;base64,{content}">'
        f"{escape(say('Download the table as CSV'))}</a>"
    )


def _notes(say: Language, comparison: Mapping[str, Any], rows: Sequence[Row]) -> str:
    devices = ", ".join(dict.fromkeys(row["device"] for row in rows))
    lines = [
        say("Press a column's heading to sort by it."),
        say("Small figures: 95 % bootstrap intervals over the test rows."),
        say("★: the best of a column, the majority baseline left out."),
        say("ECE: expected calibration error."),
        say(
            "ms, p50 and p95: one text at a time, tokenising included, in PyTorch or NumPy, right after training; "
            "{threads}, on {devices}.",
            threads=describe_threads(say, rows),
            devices=escape(devices),
        ),
    ]
    if any(row["served_ms"] is not None for row in rows):
        lines.append(
            say(
                "ms, as served: one call of the network alone on 32 tokens, in the runtime that answers on this page "
                "now, measured when it was exported. It is left out for untrained models, which call their network "
                "several times for a text."
            )
        )
    repeated = [row["means"] for row in rows if row["means"]]
    if repeated:
        lines.append(
            say(
                "Mean accuracy and macro F1: the model trained anew over seeds and folds by version {versions} of "
                "Odzera, ± the standard deviation over the seeds. The other figures are of the one model that answers "
                "here.",
                versions=escape(", ".join(dict.fromkeys(one["version"] for one in repeated))),
            )
        )
    lines += [line for row in rows for line in (_say_refit(say, row), _say_few_shot(say, row)) if line]
    lines += [line for row in rows if (line := _say_foundations(say, row))]
    absent = [say(one) for one in comparison["data"].get("absent", ())]
    if absent:
        lines.append(
            say(
                "No test rows of {classes}: macro F1 is the mean over the classes that have rows.",
                classes=escape(", ".join(absent)),
            )
        )
    lines += [escape(say.again(line)) for row in rows for line in describe_summary(row["model"], row.get("reading"))]
    if comparison["missing"]:
        command = f"odzera train {' '.join(comparison['missing'])} --task {comparison['task']}"
        lines.append(
            say(
                "What their backbones can do untrained belongs beside fine-tuned models: <code>{command}</code>.",
                command=escape(command),
            )
        )
    return render_list(lines, "oz-note oz-notes")


def _say_foundations(say: Language, row: Row) -> str:
    """What an untrained model rests on: the data named above the table isn't what it has learnt from."""
    if row.get("family") != "frozen" or not row.get("foundations"):
        return ""
    unknown = say("not recorded")
    rests = "; ".join(
        say(
            "{name}, trained on {data}, licence: {licence}",
            name=escape(one["name"]),
            data=escape(say(one["data"])) or unknown,
            licence=escape(one["licence"]) or unknown,
        )
        for one in row["foundations"]
    )
    return say("{model} is untrained. It rests on {rests}.", model=escape(row["model"]), rests=rests)


def _say_refit(say: Language, row: Row) -> str:
    """How much the seeds of one setting differ, where it was trained on several."""
    refit = row.get("refit")
    if not refit:
        return ""
    accuracy, macro_f1 = (
        units.spread(say, one["mean"], one["deviation"])
        for one in (refit["test"]["accuracy"], refit["test"]["macro_f1"])
    )
    return say(
        "{model}: settings found by a search, the best of {seeds} seeds on validation; all {seeds}: accuracy "
        "{accuracy}, macro F1 {macro_f1}.",
        model=escape(row["model"]),
        seeds=len(refit["seeds"]),
        accuracy=accuracy,
        macro_f1=macro_f1,
    )


def _say_few_shot(say: Language, row: Row) -> str:
    """Accuracy by examples of each class, where it was measured."""
    rungs = row.get("few_shot")
    if not rungs:
        return ""
    steps = ", ".join(
        f"{rung['shots']}: {units.spread(say, rung['accuracy']['mean'], rung['accuracy']['deviation'])}"
        for rung in rungs
    )
    said = say(
        "{model}: accuracy by examples of each class, mean of {draws} draws ± standard deviation: {steps}. Its row is "
        "the first draw of {shots}.",
        model=escape(row["model"]),
        draws=rungs[0]["draws"],
        steps=steps,
        shots=rungs[-1]["shots"],
    )
    left_out = row.get("few_shot_left_out")
    return (
        f"{said} {say('No room for {examples} examples.', examples=', '.join(map(str, left_out)))}"
        if left_out
        else said
    )


def describe_threads(say: Language, rows: Sequence[Row]) -> str:
    """`one thread`, with the models that were timed on more of them named."""
    more = [
        say("{model} on {n}", model=escape(row["model"]), n=row["latency_threads"])
        for row in rows
        if row["latency_threads"] != 1
    ]
    return say("one thread ({more})", more=", ".join(more)) if more else say("one thread")


def describe_data(say: Language, data: Mapping[str, Any]) -> str:
    """One line that names the data a table is about."""
    source = escape(name_source(say, data["source"]))
    licence = f" · {escape(data['licence'])}" if data["licence"] else ""
    said = say(
        "Trained and tested on <b>{source}</b>: {rows} rows, {test_rows} of them test · fingerprint "
        "<code>{fingerprint}</code>",
        source=source,
        rows=units.count(say, data["rows"]),
        test_rows=units.count(say, data["test_rows"]),
        fingerprint=escape(data["fingerprint"]),
    )
    return f'<p class="oz-data">{said}{licence}</p>'
