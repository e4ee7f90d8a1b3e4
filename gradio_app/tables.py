"""Tables as HTML: pure functions over plain values."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from engine.console import seconds
from engine.curves import AXES, Curve, leads
from engine.search.report import StudyView
from engine.serving.comparison import describe_few_shot, describe_refit
from gradio_app.cards import milliseconds, short
from gradio_app.plots import draw_curves, draw_history, draw_shares, words

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


SETTINGS = (
    ("vocab_size", "vocabulary"),
    ("hidden_size", "width"),
    ("num_hidden_layers", "blocks"),
    ("num_attention_heads", "heads"),
    ("pooling", "pooling"),
    ("lr", "rate"),
    ("batch_size", "batch"),
    ("dropout", "dropout"),
)
"""The settings that the table of the best trials has room for; the dashboard shows them all."""


def render_study(study: StudyView, dashboard: str) -> str:
    """A study: progress, history, importances, the best ten trials, and where to see more."""
    target = int(study.attributes.get("trials") or study.finished or 1)
    return (
        f"{_progress(study, target, dashboard)}{_about(study)}"
        f'<div class="oz-columns"><section><h3>Every trial</h3>{draw_history(study.history, target)}</section>'
        "<section><h3>What matters (PED-ANOVA)</h3>"
        f"{draw_shares(dict(list(study.importances.items())[:8]))}"
        '<p class="oz-note">How much each setting decides whether a trial is among the better ones. Other methods, '
        "such as fANOVA, rank differently.</p></section></div>"
        f"<h3>The best {len(study.best_trials)} trials</h3>{_best_trials(study)}{_failures(study)}"
    )


def _progress(study: StudyView, target: int, dashboard: str) -> str:
    share = min(1.0, study.finished / target)
    states = ("complete", "pruned", "failed", "running")
    counts = " · ".join(f"{study.trials[state]:,} {state}" for state in states)
    best = "no trial is complete yet" if study.best_value is None else f"best validation loss {study.best_value:.4f}"
    link = (
        f' · <a href="{escape(dashboard)}/studies/{study.study_id}" target="_blank" rel="noopener">'
        "browse every trial in optuna-dashboard</a> (read-only)"
        if dashboard
        else ""
    )
    doing = "searching now" if study.trials["running"] else ("finished" if share == 1 else "paused")
    return (
        f'<p class="oz-summary"><b>{study.finished:,} of {target:,} trials</b>, {doing}: {best}</p>'
        f'<div class="oz-track" role="progressbar" aria-label="finished trials" aria-valuemin="0" '
        f'aria-valuemax="{target}" aria-valuenow="{min(study.finished, target)}">'
        f'<span class="oz-fill oz-positive" style="width:{share:.1%}"></span></div>'
        f'<p class="oz-note">{counts}{link}</p>'
    )


def _about(study: StudyView) -> str:
    known = study.attributes
    source = "the bundled sample" if known.get("source") == "sample" else str(known.get("source", "unknown data"))
    versions = known.get("versions", {})
    return (
        f'<p class="oz-data">Searched on <b>{escape(source)}</b>, fingerprint '
        f"<code>{escape(str(known.get('fingerprint', '')))}</code> · sampler {escape(str(known.get('sampler', '')))}, "
        f"pruner {escape(str(known.get('pruner', '')))}, seed {escape(str(known.get('seed', '')))} · Odzera "
        f"{escape(str(versions.get('odzera', '')))} (<code>{escape(str(known.get('code', '')))}</code>), Optuna "
        f"{escape(str(versions.get('optuna', '')))} · {escape(str(known.get('machine', '')))}</p>"
    )


def _best_trials(study: StudyView) -> str:
    if not study.best_trials:
        return '<p class="oz-empty">No trial is complete yet; the first ones take a minute or two.</p>'
    figures: Sequence[tuple[str, Callable[[Row], str]]] = (
        ("loss", lambda row: f"{row['validation_loss']:.4f}"),
        ("accuracy", lambda row: _figure(row["validation_accuracy"])),
        ("macro F1", lambda row: _figure(row["validation_macro_f1"])),
        ("parameters", lambda row: short(row["parameters"]) if row["parameters"] else "–"),
        ("epochs", lambda row: str(row["epochs_run"] or "–")),
        ("time", lambda row: seconds(row["seconds"])),
        ("memory", lambda row: f"{row['peak_memory_mb']:,.0f} MB" if row["peak_memory_mb"] else "–"),
        ("stopped by", lambda row: escape(str(row["stop"] or "–"))),
    )
    head = "".join(
        f'<th scope="col">{title}</th>' for title in [*(one for one, _ in figures), *dict(SETTINGS).values()]
    )
    body = []
    for row in study.best_trials:
        cells = [write(row) for _, write in figures] + [_setting(row["params"].get(name)) for name, _ in SETTINGS]
        body.append(f'<tr><th scope="row">{row["number"]}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    return (
        '<div class="oz-scroll" tabindex="0" role="region" aria-label="Best trials"><table class="oz-table"><thead><tr>'
        f'<th scope="col">trial</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
        '<p class="oz-note">All figures are on the validation split, at the best epoch; no trial reads the test split.'
        "</p>"
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _setting(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2g}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _failures(study: StudyView) -> str:
    if not study.failures:
        return ""
    reasons = "; ".join(f"{count} × {escape(reason)}" for reason, count in study.failures.items())
    return f'<p class="oz-note">Failed trials, which count for nothing: {reasons}.</p>'


def render_curve(curve: Curve, figure: str) -> str:
    """A curve: what it says, its figure, and its numbers with intervals."""
    lines = curve.series()
    source = "the bundled sample" if curve.source == "sample" else escape(curve.source)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in lines)
    body = []
    for x in sorted({row["x"] for rows in lines.values() for row in rows}):
        cells = []
        for rows in lines.values():
            row = next((row for row in rows if row["x"] == x), None)
            half = row[f"{figure}_half"] if row else None
            doubt = "" if half is None else f"<small>± {half:.3f}</small>"
            cells.append(f"<td>{row[figure]:.3f}{doubt}</td>" if row else "<td></td>")
        body.append(f'<tr><th scope="row">{x:,.0f}</th>{"".join(cells)}</tr>')
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in say_leads(curve, figure))
    said = f'<ul class="oz-said">{sentences}</ul>' if sentences else ""
    seeds = max((row["seeds"] for rows in lines.values() for row in rows), default=0)
    return (
        f'<p class="oz-data">{source}, {curve.test_rows:,} test rows, up to {seeds} seeds a point, on '
        f"{escape(str(curve.machine.get('device_name', '')))}</p>"
        f"{draw_curves(lines, figure, AXES[curve.kind])}"
        f"{said}"
        f'<div class="oz-scroll" tabindex="0" role="region" aria-label="Numbers of the curve">'
        f'<table class="oz-table"><thead><tr><th scope="col">{escape(AXES[curve.kind])}</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        f'<p class="oz-note">Test {words(figure)}: mean over the seeds, and half of Student\'s 95 % interval over them '
        "(how far other seeds may fall, not another test set). A seed draws the examples, the weights and the "
        "order.</p>"
    )


def say_leads(curve: Curve, figure: str) -> list[str]:
    """A sentence for each model: where it is ahead of `scratch` beyond the doubt of its seeds, and where behind."""
    names = list(curve.series())
    if curve.kind != "examples" or "scratch" not in names:
        return []
    sentences = []
    for name in names:
        found = leads(curve, name, "scratch", figure) if name != "scratch" else []
        if not found:
            continue
        parts = [
            f"{word} at {', '.join(f'{lead.x:,.0f}' for lead in found if lead.is_clear and lead.difference * sign > 0)}"
            for word, sign in (("clearly ahead", 1), ("clearly behind", -1))
            if any(lead.is_clear and lead.difference * sign > 0 for lead in found)
        ]
        last = found[-1]
        told = "; ".join(parts) or "nowhere clearly apart"
        sentences.append(f"{name} against scratch: {told} ({last.difference * 100:+.1f} points at {last.x:,.0f}).")
    return sentences
