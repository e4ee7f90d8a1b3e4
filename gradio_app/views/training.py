"""How models learned: their curves, what the curves show in words, and every epoch in numbers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape

from engine.results.learning import LearningCurve
from gradio_app.languages import Language, message
from gradio_app.views.charts.learning import MOST, draw_panels
from gradio_app.views.charts.svg import render_key
from gradio_app.views.parts import render_empty, render_list, render_row, render_table
from gradio_app.views.units import MISSING, duration, setting
from gradio_app.views.units import figure as write_figure

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
        return f'{render_empty(empty)}<p class="oz-note">{" ".join(notes)}</p>' if notes else render_empty(empty)
    unknown = [curve.name for curve in drawn if all(row.get("train_accuracy") is None for row in curve.epochs)]
    if figure == "accuracy" and unknown:
        names = escape(", ".join(unknown))
        notes.append(say("Training accuracy isn't recorded for {models}, trained before it was kept.", models=names))
    if figure == "macro_f1":
        notes.append(say("Macro F1 is measured on validation alone."))
    return (
        f"{draw_panels(say, drawn, figure, across)}"
        f"{render_list((_describe(say, curve) for curve in drawn), 'oz-said')}{_render_epochs(say, drawn)}"
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


def _describe(say: Language, curve: LearningCurve) -> str:
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
                before=write_figure(say, turn["validation_loss"]),
                after=write_figure(say, last["validation_loss"]),
                fell=write_figure(say, turn["train_loss"]),
                to=write_figure(say, last["train_loss"]),
            )
        )
    return " ".join(told)


EPOCH_COLUMNS: Sequence[tuple[str, str, Callable[[Language, float], str]]] = (
    ("train_loss", message("training loss"), partial(write_figure, places=4)),
    ("validation_loss", message("validation loss"), partial(write_figure, places=4)),
    ("train_accuracy", message("training accuracy"), write_figure),
    ("validation_accuracy", message("validation accuracy"), write_figure),
    ("validation_macro_f1", message("validation macro F1"), write_figure),
    ("lr", message("learning rate"), partial(setting, digits=2)),
    ("seconds", message("time"), duration),
)
"""Column of the store, its heading, how it is written."""


def _render_epochs(say: Language, curves: Sequence[LearningCurve]) -> str:
    rows = []
    for place, curve in enumerate(curves):
        for row in curve.epochs:
            kept = " ★" if row["number"] == curve.best_epoch else ""
            turn = " ◯" if row["number"] == curve.overfits_from else ""
            figures = [MISSING if row.get(key) is None else write(say, row[key]) for key, _, write in EPOCH_COLUMNS]
            rows.append(render_row(render_key(place, curve.name), [f"{row['number']}{kept}{turn}", *figures]))
    heads = [say("model"), say("epoch"), *(say(title) for _, title, _ in EPOCH_COLUMNS)]
    title = say("Every epoch in numbers")
    table = render_table(title, heads, rows, "oz-curve")
    return f'<details class="oz-more"><summary>{title}</summary>{table}</details>'
