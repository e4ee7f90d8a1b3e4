"""A study as HTML: a pure function of what was read of it."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from engine.console import seconds
from engine.search.report import StudyView
from gradio_app.views.cards import short
from gradio_app.views.plots import draw_history, draw_shares

Row = Mapping[str, Any]

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
