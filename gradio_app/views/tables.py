"""The table of models as HTML: a pure function over plain values."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from engine.console import seconds
from engine.serving.comparison import describe_few_shot, describe_refit
from gradio_app.views.cards import milliseconds, short

Row = Mapping[str, Any]


def _interval(name: str) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        low, high = row["intervals"][name]
        return f"{row[name]:.3f}<small>{low:.3f}–{high:.3f}</small>"

    return show


def _or_dash(value: float | None, write: Callable[[float], str]) -> str:
    """What wasn't measured is a dash: records from before it was, and machines without an energy counter."""
    return "–" if value is None else write(value)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.0f} kB"


def _with_share(row: Row) -> str:
    total, trained = row["total_parameters"], row["trained_parameters"]
    if trained == total:
        return short(trained)
    if not trained:
        return "none"
    return f"{short(trained)}<small>{100 * trained / total:.2g} %</small>"


COLUMNS: Sequence[tuple[str, str, Callable[[Row], str], Callable[..., float] | None]] = (
    ("accuracy", "accuracy", _interval("accuracy"), max),
    ("macro_f1", "macro F1", _interval("macro_f1"), max),
    ("mcc", "MCC", _interval("mcc"), max),
    ("loss", "loss", _interval("loss"), min),
    ("p50_ms", "ms, p50", lambda row: milliseconds(row["p50_ms"]), None),
    ("p95_ms", "ms, p95", lambda row: milliseconds(row["p95_ms"]), None),
    ("batch_p50_ms", "ms in 32s", lambda row: _or_dash(row["batch_p50_ms"], milliseconds), None),
    ("total_parameters", "parameters", lambda row: short(row["total_parameters"]), None),
    ("trained_parameters", "trained", lambda row: _with_share(row), None),
    ("training_seconds", "training", lambda row: seconds(row["training_seconds"]), None),
    (
        "training_samples_per_second",
        "trained a second",
        lambda row: _or_dash(row["training_samples_per_second"], lambda value: f"{value:,.0f}"),
        None,
    ),
    ("joules", "energy", lambda row: _or_dash(row["joules"], lambda value: f"{value / 3600:,.1f} Wh"), None),
    ("size_bytes", "on disk", lambda row: _size(row["size_bytes"]), None),
    ("peak_memory_mb", "peak memory", lambda row: f"{row['peak_memory_mb']:,.0f} MB", None),
    ("calibration_error", "ECE", lambda row: f"{row['calibration_error']:.3f}", min),
    ("weighted_f1", "weighted F1", _interval("weighted_f1"), max),
    ("samples_per_second", "texts a second", lambda row: f"{row['samples_per_second']:,.0f}", None),
)
"""Key, heading, how a cell is written, and which end of the column is marked as best.

Costs aren't marked: the majority baseline would win all of them and say nothing.
"""


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """The metric and latency table of models trained on the same data, with the data named above it."""
    rows = comparison["rows"]
    devices = ", ".join(dict.fromkeys(row["device"] for row in rows))
    # What ignores the text is perfectly calibrated and worth nothing, so it competes for no mark.
    rivals = [row for row in rows if row["recipe"] != "majority"] or rows
    best = {key: end(row[key] for row in rivals) for key, _, _, end in COLUMNS if end is not None}
    # What no row has measured, as energy on a machine without a counter, needs no column.
    columns = [one for one in COLUMNS if any(row[one[0]] is not None for row in rows)]
    head = "".join(f'<th scope="col">{escape(title)}</th>' for _, title, _, _ in columns)
    body = []
    for row in rows:
        cells = []
        for key, _, write, _ in columns:
            marked = ' class="oz-best"' if key in best and row in rivals and row[key] == best[key] else ""
            cells.append(f"<td{marked}>{write(row)}</td>")
        body.append(f'<tr><th scope="row">{escape(row["model"])}</th>{"".join(cells)}</tr>')
    return (
        f"{describe_data(comparison['data'])}"
        f'<div class="oz-scroll" tabindex="0" role="region" aria-label="Model table">'
        f'<table class="oz-table"><thead><tr><th scope="col">model</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        f'<p class="oz-note">Small figures: 95 % bootstrap intervals over the test rows. '
        "Green: the best of a column. ECE: expected calibration error. "
        f"Milliseconds: one text at a time, warm, {describe_threads(rows)}, on {escape(devices)}."
        f"{''.join(f' {escape(line)}' for line in map(describe_refit, rows) if line)}"
        f"{''.join(f' {escape(line)}' for line in map(describe_few_shot, rows) if line)}{_missing(comparison)}</p>"
    )


def _missing(comparison: Mapping[str, Any]) -> str:
    if not comparison["missing"]:
        return ""
    names = escape(" ".join(comparison["missing"]))
    return (
        " What their backbones can do untrained belongs beside fine-tuned models: "
        f"<code>odzera train {names} --task {escape(comparison['task'])}</code>."
    )


def describe_threads(rows: Sequence[Row]) -> str:
    """`one thread`, with the models that were timed on more of them named."""
    more = [f"{escape(row['model'])} on {row['latency_threads']}" for row in rows if row["latency_threads"] != 1]
    return f"one thread ({', '.join(more)})" if more else "one thread"


def describe_data(data: Mapping[str, Any]) -> str:
    """One line that names the data a table is about."""
    source = "the bundled sample" if data["source"] == "sample" else data["source"]
    licence = f" · {escape(data['licence'])}" if data["licence"] else ""
    return (
        f'<p class="oz-data">Trained and tested on <b>{escape(source)}</b>: {data["rows"]:,} rows, '
        f"{data['test_rows']:,} of them test · fingerprint <code>{escape(data['fingerprint'])}</code>{licence}</p>"
    )
