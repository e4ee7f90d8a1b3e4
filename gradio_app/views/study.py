"""A study: how far it is, every trial, what matters, and the best trials in numbers."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from engine.search.report import StudyView
from gradio_app.languages import Language, message
from gradio_app.views.charts.bars import draw_shares
from gradio_app.views.charts.history import draw_history
from gradio_app.views.names import name_source
from gradio_app.views.parts import render_empty, render_progress, render_row, render_table
from gradio_app.views.units import MISSING, compact, count, duration, figure, memory, setting

Row = Mapping[str, Any]

SETTINGS = (
    ("vocab_size", message("vocabulary")),
    ("hidden_size", message("width")),
    ("num_hidden_layers", message("blocks")),
    ("num_attention_heads", message("heads")),
    ("pooling", message("pooling")),
    ("lr", message("rate")),
    ("batch_size", message("batch")),
    ("dropout", message("dropout")),
)
"""The settings that the table of the best trials has room for; the dashboard shows them all."""
STOPS = {
    "epochs": message("epochs"),
    "patience": message("patience"),
    "pruned": message("pruned"),
    "time": message("time"),
    "diverged": message("diverged"),
}
"""What ended a training, as it is called."""
REASONS = {
    one: one
    for one in (
        message("out of memory"),
        message("its worker was lost; its settings were queued again"),
    )
}
"""Reasons of failed trials that aren't about one trial alone."""


def render_study(say: Language, study: StudyView, dashboard: str) -> str:
    """A study: progress, history, importances, the best ten trials, and where to see more."""
    target = int(study.attributes.get("trials") or study.finished or 1)
    note = say(
        "How much each setting decides whether a trial is among the better ones. Other methods, such as fANOVA, rank "
        "differently."
    )
    best = say.plural("The best trial", "The best {n} trials", max(1, len(study.best_trials)))
    return (
        f"{_render_progress(say, study, target, dashboard)}{_render_about(say, study)}"
        f'<div class="oz-columns"><section><h2>{say("Every trial")}</h2>'
        f"{draw_history(say, study.history, target)}</section>"
        f"<section><h2>{say('What matters (PED-ANOVA)')}</h2>"
        f"{draw_shares(say, dict(list(study.importances.items())[:8]))}"
        f'<p class="oz-note">{note}</p></section></div>'
        f"<h2>{best}</h2>{_render_best(say, study)}{_render_failures(say, study)}"
    )


def _render_progress(say: Language, study: StudyView, target: int, dashboard: str) -> str:
    counts = " · ".join(
        (
            say.plural("{n} complete", "{n} complete", study.trials["complete"]),
            say.plural("{n} pruned", "{n} pruned", study.trials["pruned"]),
            say.plural("{n} failed", "{n} failed", study.trials["failed"]),
            say.plural("{n} running", "{n} running", study.trials["running"]),
        )
    )
    link = ""
    if dashboard:
        # Only this site's own mount point is ever linked.
        link = say(
            "{link} (read-only)",
            link=f'<a href="{escape(dashboard)}/studies/{study.study_id}" target="_blank" rel="noopener">'
            f"{say('browse every trial in optuna-dashboard')}</a>",
        )
        link = f" · {link}"
    return (
        f'<p class="oz-summary">{_say_standing(say, study, target)}</p>'
        f"{render_progress(say('finished trials'), min(1.0, study.finished / target))}"
        f'<p class="oz-note">{counts}{link}</p>'
    )


def _say_standing(say: Language, study: StudyView, target: int) -> str:
    """How far it is, in one line."""
    done = say("<b>{finished} of {target} trials</b>", finished=count(say, study.finished), target=count(say, target))
    if study.trials["running"]:
        doing = say("searching now")
    else:
        doing = say("finished") if study.finished >= target else say("paused")
    if study.best_value is None:
        best = say("no trial is complete yet")
    else:
        best = say("best validation loss {loss}", loss=figure(say, study.best_value, 4))
    return f"{done}, {doing}: {best}"


def _render_about(say: Language, study: StudyView) -> str:
    known = study.attributes
    versions = known.get("versions", {})
    source = name_source(say, known.get("source", say("unknown data")))
    told = say(
        "Searched on {source}, fingerprint {fingerprint} · sampler {sampler}, pruner {pruner}, seed {seed} · "
        "Odzera {odzera} ({code}), Optuna {optuna} · {machine}",
        source=f"<b>{escape(source)}</b>",
        fingerprint=f"<code>{escape(str(known.get('fingerprint', '')))}</code>",
        code=f"<code>{escape(str(known.get('code', '')))}</code>",
        odzera=escape(str(versions.get("odzera", ""))),
        optuna=escape(str(versions.get("optuna", ""))),
        **{name: escape(str(known.get(name, ""))) for name in ("sampler", "pruner", "seed", "machine")},
    )
    return f'<p class="oz-data">{told}</p>'


def _render_best(say: Language, study: StudyView) -> str:
    if not study.best_trials:
        return render_empty(say("No trial is complete yet; the first ones take a minute or two."))
    columns: Sequence[tuple[str, Callable[[Row], str]]] = (
        (say("loss"), lambda row: figure(say, row["validation_loss"], 4)),
        (say("accuracy"), lambda row: figure(say, row["validation_accuracy"])),
        (say("macro F1"), lambda row: figure(say, row["validation_macro_f1"])),
        (say("parameters"), lambda row: compact(say, row["parameters"]) if row["parameters"] else MISSING),
        (say("epochs"), lambda row: str(row["epochs_run"] or MISSING)),
        (say("time"), lambda row: duration(say, row["seconds"])),
        (say("memory"), lambda row: memory(say, row["peak_memory_mb"]) if row["peak_memory_mb"] else MISSING),
        (say("stopped by"), lambda row: escape(_say_stop(say, row["stop"]))),
    )
    heads = [say("trial"), *(title for title, _ in columns), *(say(title) for _, title in SETTINGS)]
    rows = [
        render_row(
            row["number"],
            [*(write(row) for _, write in columns), *(_setting(say, row["params"].get(name)) for name, _ in SETTINGS)],
        )
        for row in study.best_trials
    ]
    note = say("All figures are on the validation split, at the best epoch; no trial reads the test split.")
    return f'{render_table(say("Best trials"), heads, rows)}<p class="oz-note">{note}</p>'


def _say_stop(say: Language, stop: object) -> str:
    return say(STOPS[str(stop)]) if stop in STOPS else str(stop or MISSING)


def _setting(say: Language, value: Any) -> str:
    if isinstance(value, float):
        return setting(say, value, 2)
    return count(say, value) if isinstance(value, int) else escape(str(value))


def _render_failures(say: Language, study: StudyView) -> str:
    if not study.failures:
        return ""
    reasons = "; ".join(
        f"{times} × {escape(say(REASONS[reason]) if reason in REASONS else reason)}"
        for reason, times in study.failures.items()
    )
    return f'<p class="oz-note">{say("Failed trials, which count for nothing: {reasons}.", reasons=reasons)}</p>'
