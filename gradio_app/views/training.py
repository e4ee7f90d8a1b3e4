"""How models learned, as HTML: curves, what they show in words, and every epoch in numbers; pure functions."""

from collections.abc import Mapping, Sequence
from html import escape

from engine.results.learning import LearningCurve
from gradio_app.languages import Language, message
from gradio_app.views.learning_curves import MOST, draw_panels
from gradio_app.views.plots import MARKS

STOPS: Mapping[str, str] = {
    "epochs": message("{model}: epoch {best} of {n} was kept; all epochs were used."),
    "patience": message("{model}: epoch {best} of {n} was kept; it stopped early, as validation got no better."),
    "time": message("{model}: epoch {best} of {n} was kept; its time was up."),
    "diverged": message("{model}: epoch {best} of {n} was kept; after that the loss was no number any more."),
    "": message("{model}: epoch {best} of {n} so far is the best."),
}
"""Why training ended → a sentence about it."""


def render_learning(say: Language, curves: Sequence[LearningCurve], figure: str, across: str) -> str:
    """Curves of all runs over each other, and what they show in words and numbers.

    Args:
        say: The page's language.
        curves: Runs; those past the sixth are left out, as they couldn't be told apart.
        figure: What is drawn beside the loss: `accuracy` or `macro_f1`.
        across: `epochs` or `seconds`.
    """
    drawn = [curve for curve in curves if curve.epochs][:MOST]
    whole = [curve.name for curve in curves if not curve.epochs]
    notes = []
    if whole:
        notes.append(say("No curve, as they are fitted in one go: {models}.", models=escape(", ".join(whole))))
    if not drawn:
        empty = say("Choose a model that was trained in epochs, and its curve stands here.")
        return f'<p class="oz-empty">{" ".join([*notes, empty])}</p>'
    unknown = [curve.name for curve in drawn if all(row.get("train_accuracy") is None for row in curve.epochs)]
    if figure == "accuracy" and unknown:
        names = escape(", ".join(unknown))
        notes.append(say("Training accuracy isn't recorded for {models}, trained before it was kept.", models=names))
    if figure == "macro_f1":
        notes.append(say("Macro F1 is measured on validation alone."))
    sentences = "".join(f"<li>{one}</li>" for curve in drawn for one in _sentences(say, curve))
    return (
        f"{draw_panels(say, drawn, figure, across)}"
        f'<ul class="oz-said">{sentences}</ul>'
        f"{_numbers(say, drawn)}"
        f'<p class="oz-note">{" ".join([*notes, explain(say)])}</p>'
    )


def explain(say: Language) -> str:
    """What the lines and the marks mean."""
    return " ".join(
        [
            say(
                "Validation is measured after each epoch. Training is the mean over the epoch's examples as they went "
                "by, with dropout on and, where a recipe has them, label smoothing and class weights in the loss; so "
                "it may lie on the worse side of validation."
            ),
            say(
                "Overfitting point: the epoch with the lowest validation loss, where at least two epochs came after it "
                "and the last one ended at least 1 % above it, while the training loss went on falling."
            ),
        ]
    )


def _sentences(say: Language, curve: LearningCurve) -> list[str]:
    name, count = f"<b>{escape(curve.name)}</b>", len(curve.epochs)
    best = say("none") if curve.best_epoch is None else str(curve.best_epoch)
    told = [say(STOPS.get(curve.stop, STOPS["epochs"]), model=name, best=best, n=count)]
    turn = next((row for row in curve.epochs if row["number"] == curve.overfits_from), None)
    if turn is not None:
        last = curve.epochs[-1]
        told.append(
            say(
                "From epoch {n} on it overfits: validation loss {before} → {after}, training loss {fell} → {to}.",
                n=turn["number"],
                before=say.number(turn["validation_loss"], ".3f"),
                after=say.number(last["validation_loss"], ".3f"),
                fell=say.number(turn["train_loss"], ".3f"),
                to=say.number(last["train_loss"], ".3f"),
            )
        )
    return [" ".join(told)]


EPOCH_COLUMNS: Sequence[tuple[str, str, str]] = (
    ("train_loss", message("training loss"), ".4f"),
    ("validation_loss", message("validation loss"), ".4f"),
    ("train_accuracy", message("training accuracy"), ".3f"),
    ("validation_accuracy", message("validation accuracy"), ".3f"),
    ("validation_macro_f1", message("validation macro F1"), ".3f"),
    ("lr", message("learning rate"), ".2g"),
    ("seconds", message("seconds"), ".1f"),
)
"""Column of the store, its heading, how it is written."""


def _numbers(say: Language, curves: Sequence[LearningCurve]) -> str:
    head = "".join(f'<th scope="col">{say(title)}</th>' for _, title, _ in EPOCH_COLUMNS)
    body = []
    for place, curve in enumerate(curves):
        for row in curve.epochs:
            marks = (" ★" if row["number"] == curve.best_epoch else "") + (
                " ◯" if row["number"] == curve.overfits_from else ""
            )
            cells = "".join(f"<td>{_or_dash(say, row.get(key), spec)}</td>" for key, _, spec in EPOCH_COLUMNS)
            body.append(
                f'<tr><th scope="row"><span class="oz-key oz-series-{place}">{MARKS[place]}</span> '
                f"{escape(curve.name)}</th><td>{row['number']}{marks}</td>{cells}</tr>"
            )
    return (
        f'<details class="oz-more"><summary>{say("Every epoch in numbers")}</summary>'
        f'<div class="oz-scroll" tabindex="0" role="region" aria-label="{say("Every epoch in numbers")}">'
        f'<table class="oz-table oz-curve"><thead><tr><th scope="col">{say("model")}</th>'
        f'<th scope="col">{say("epoch")}</th>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div></details>"
    )


def _or_dash(say: Language, value: float | None, spec: str) -> str:
    return "–" if value is None else say.number(value, spec)
