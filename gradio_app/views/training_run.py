"""A training run started from the page: what it would do, how far it is, and what came of it."""

from dataclasses import dataclass
from html import escape

from engine.experiments.background import Progress
from engine.experiments.plan import Plan
from engine.results.learning import LearningCurve
from gradio_app.languages import Language, message
from gradio_app.views.charts.learning import draw_panels
from gradio_app.views.parts import render_empty, render_notice, render_progress
from gradio_app.views.training import render_learning
from gradio_app.views.units import duration
from gradio_app.views.units import figure as write_figure

STATES = {
    "opening": message("Opening the data and building the model…"),
    "training": message("Training"),
    "testing": message("Reading the test split once, and timing the answers…"),
    "done": message("Done"),
    "cancelled": message("Cancelled"),
    "failed": message("Failed"),
}
SIGNS = {"opening": "…", "training": "▶", "testing": "…", "done": "✓", "cancelled": "■", "failed": "✕"}
"""A sign beside each word, for readers who can't tell the colours apart."""


@dataclass(frozen=True)
class Took:
    """What a recipe took when it was trained last."""

    seconds: float
    epochs: int
    machine: str


def render_run(say: Language, progress: Progress | None, figure: str = "accuracy") -> str:
    """How far the run is, with its curve; what came of the last one; or that there was none."""
    if progress is None:
        none, how = (
            say("No model has been trained from this page since it was opened."),
            say("Choose a recipe and press Start: its learning curve grows here."),
        )
        return render_empty(f"{none} {how}")
    return (
        f'<section class="oz-run" data-state="{escape(progress.state)}">'
        f"{_render_head(say, progress)}{_render_state(say, progress)}{_render_curve(say, progress, figure)}</section>"
    )


def _render_head(say: Language, progress: Progress) -> str:
    state = progress.state
    chip = f'<span class="oz-chip oz-state-{escape(state)}">{SIGNS[state]} {say(STATES[state])}</span>'
    took = say("{time} so far", time=duration(say, progress.seconds))
    if progress.is_over:
        took = say("after {time}", time=duration(say, progress.seconds))
    return f'<p class="oz-run-head"><b>{escape(progress.plan.name)}</b> {chip} <span class="oz-ms">{took}</span></p>'


def _render_state(say: Language, progress: Progress) -> str:
    """A sentence about where it stands."""
    if progress.state == "failed":
        return render_notice(say.again(progress.reason))
    if progress.state == "cancelled":
        return f"<p>{say('It was cancelled, and nothing of it was kept.')}</p>"
    if progress.state == "done":
        return (
            "<p>"
            + say(
                "On test: accuracy {accuracy}, macro F1 {macro_f1}. It answers beside the other models from now on.",
                accuracy=write_figure(say, progress.scores["accuracy"]),
                macro_f1=write_figure(say, progress.scores["macro_f1"]),
            )
            + "</p>"
        )
    if progress.plan.recipe.kind == "baseline":
        return f"<p>{say('It is fitted in one go, so there is no curve to follow.')}</p>"
    return _render_epochs(say, progress)


def _render_epochs(say: Language, progress: Progress) -> str:
    """How many of its epochs are done, and about how long those that may come would take."""
    most, passed = progress.plan.recipe.epochs, len(progress.epochs)
    done, total = progress.batches
    share = 1.0 if progress.state == "testing" else min(1.0, (passed + (done / total if total else 0.0)) / most)
    number = min(passed + 1, most)
    where = say("epoch {n} of at most {most}", n=number, most=most)
    if total and progress.state == "training":
        where += " · " + say("batch {done} of {total}", done=done, total=total)
    if progress.epochs and progress.state == "training":
        each = sum(row["seconds"] for row in progress.epochs) / passed
        where += " · " + say("at most {time} left", time=duration(say, each * most * (1 - share), rough=True))
    if progress.state != "training":
        where = ""
    return f'{render_progress(say("Training"), share)}<p class="oz-note">{where}</p>'


def _render_curve(say: Language, progress: Progress, figure: str) -> str:
    if not progress.epochs:
        return ""
    curve = LearningCurve(progress.plan.name, progress.epochs, progress.best_epoch, progress.stop)
    if progress.is_over:
        return render_learning(say, [curve], figure, "epochs")
    return draw_panels(say, [curve], figure, "epochs")


def render_plan(say: Language, plan: Plan, took: Took | None, seconds: float | None, waiting: bool = False) -> str:
    """What would be trained: in words, how long that takes, and the command that does the same.

    Args:
        say: The page's language.
        plan: What is asked for.
        took: What the recipe took when it was trained last; None where it wasn't.
        seconds: About how long all its epochs would take here; None where that isn't known.
        waiting: Whether it will be known in a moment.
    """
    parts = [f"{escape(plan.recipe.summary)}."]
    if took is not None:
        values = {"time": duration(say, took.seconds), "machine": escape(took.machine)}
        if took.epochs:
            count = say.plural("{n} epoch", "{n} epochs", took.epochs)
            parts.append(
                say("When it was trained last, it took {time} for {epochs} ({machine}).", epochs=count, **values)
            )
        else:
            parts.append(say("When it was trained last, it took {time} ({machine}).", **values))
    if waiting:
        parts.append(say("How long it takes here is being estimated…"))
    elif seconds is not None:
        parts.append(say("Estimate for this machine: {time} at most.", time=duration(say, seconds, rough=True)))
    return (
        f'<p class="oz-note">{" ".join(parts)}</p>'
        f'<p class="oz-note">{say("The same from the command line:")}</p>'
        f'<pre class="oz-command"><code>{escape(plan.command)}</code></pre>'
    )


def render_refusal(say: Language) -> str:
    """That strangers can't train here, why, and how to do it at home."""
    told = [
        say("Training isn't offered on this public page: a run takes a processor core for minutes, and it is shared."),
        say("On a computer of your own it is one command. Choose the settings here and copy the command."),
    ]
    return f'<div class="oz-notice" role="note">{" ".join(told)}</div>'
