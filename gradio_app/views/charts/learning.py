"""Learning curves: training and validation of several runs, the loss on one panel and a figure of quality beside it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

from engine.results.learning import LearningCurve
from gradio_app.languages import Language, message
from gradio_app.views.charts import svg
from gradio_app.views.names import name_figure
from gradio_app.views.parts import render_empty
from gradio_app.views.units import figure as write_figure
from gradio_app.views.units import rounded

FRAME = svg.Frame(560, 340, left=54, right=16, top=22, bottom=44)
INSET = 10
"""Pixels between an end of the axis and the first epoch."""
ACROSS: Mapping[str, str] = {"epochs": message("epoch"), "seconds": message("seconds of training")}
MOST = len(svg.MARKS)
"""Curves that can be told apart."""


@dataclass(frozen=True)
class _Panel:
    """One figure over epochs or seconds, and where its values lie."""

    figure: str
    name: str
    across: svg.Scale
    down: svg.Scale


def draw_panels(say: Language, curves: Sequence[LearningCurve], figure: str, across: str) -> str:
    """Loss on one panel and another figure on the next.

    Args:
        say: The page's language.
        curves: At most `MOST` runs that have epochs.
        figure: `accuracy` or `macro_f1`.
        across: `epochs` or `seconds`.
    """
    panels = "".join(_draw_panel(say, curves, one, across) for one in ("loss", figure))
    signs = [
        ("━", say("validation")),
        ("╍", say("training")),
        ("★", say("epoch that was kept")),
        ("◯", say("overfitting point")),
    ]
    meaning = "".join(f'<span class="oz-key">{sign} {text}</span>' for sign, text in signs)
    legend = svg.render_legend(curve.name for curve in curves)
    return svg.render_figure(
        f'<div class="oz-panels">{panels}</div>',
        f'<div class="oz-keys">{legend}</div><div class="oz-keys">{meaning}</div>',
        "oz-curve oz-learning",
    )


def _draw_panel(say: Language, curves: Sequence[LearningCurve], figure: str, across: str) -> str:
    values = [
        row[column]
        for curve in curves
        for row in curve.epochs
        for column in (f"train_{figure}", f"validation_{figure}")
        if _is_number(row.get(column))
    ]
    ends = [ended[-1] for curve in curves if (ended := _ends(curve, across))]
    if not values or not ends:
        return render_empty(say("Nothing is measured yet."))
    margin = max((max(values) - min(values)) * 0.06, 0.005)
    name = name_figure(say, figure)
    panel = _Panel(
        figure,
        name,
        svg.Scale(1.0 if across == "epochs" else 0.0, max(ends), (FRAME.left + INSET, FRAME.across[1] - INSET)),
        svg.Scale(min(values) - margin, max(values) + margin, FRAME.upwards),
    )
    levels = svg.round_values(panel.down.low, panel.down.high, 6)
    inside = (
        svg.draw_levels(FRAME, panel.down, levels, svg.write_levels(say, levels))
        + svg.draw_ticks(FRAME, panel.across, _ticks(panel.across, across), partial(rounded, say))
        + svg.draw_axis_names(FRAME, say(ACROSS[across]))
        + "".join(_draw_run(say, curve, place, panel, across) for place, curve in enumerate(curves))
    )
    says = say(
        "{figure} by {across}, training and validation, of {models}",
        figure=name,
        across=say(ACROSS[across]),
        models=", ".join(curve.name for curve in curves),
    )
    return f'<div class="oz-panel"><h3>{name}</h3>{svg.draw_svg(FRAME, says, inside)}</div>'


def _ticks(scale: svg.Scale, across: str) -> list[float]:
    """Round places; whole epochs, and the first of them."""
    if across == "seconds":
        return svg.round_values(0.0, scale.high or 1.0, 6)
    step = max(1.0, svg.nice_step((scale.high - scale.low) / 6 or 1.0))
    rest = (step * n for n in range(1, int(scale.high / step) + 1))
    return [scale.low, *(one for one in rest if one > scale.low)]


def _draw_run(say: Language, curve: LearningCurve, place: int, panel: _Panel, across: str) -> str:
    """One run: its training line dashed, its validation line solid, and the marks."""
    spots = [panel.across(end) for end in _ends(curve, across)]
    training, validation = (
        [
            (x, panel.down(row[column])) if _is_number(row.get(column)) else None
            for x, row in zip(spots, curve.epochs, strict=True)
        ]
        for column in (f"train_{panel.figure}", f"validation_{panel.figure}")
    )
    marks = ""
    for row, trained, validated in zip(curve.epochs, training, validation, strict=True):
        if trained is not None:
            marks += (
                f'<circle class="oz-dot" cx="{trained[0]:.1f}" cy="{trained[1]:.1f}" r="2.5">'
                f"{svg.draw_title(_say_trained(say, curve, row, panel))}</circle>"
            )
        if validated is not None:
            marks += _draw_validated(say, curve, row, place, panel, validated)
    lines = svg.draw_path("oz-trace oz-train", training) + svg.draw_path("oz-trace", validation)
    return f'<g class="{svg.series_style(place)}">{lines}{marks}</g>'


def _say_trained(say: Language, curve: LearningCurve, row: Mapping[str, Any], panel: _Panel) -> str:
    value = write_figure(say, row[f"train_{panel.figure}"])
    words = {"model": curve.name, "n": row["number"], "figure": panel.name, "value": value}
    return say("{model}, epoch {n}: training {figure} {value}", **words)


def _draw_validated(
    say: Language,
    curve: LearningCurve,
    row: Mapping[str, Any],
    place: int,
    panel: _Panel,
    spot: tuple[float, float],
) -> str:
    """A validation point, with a star where its weights were kept and a ring where overfitting begins."""
    x, y = spot
    value = write_figure(say, row[f"validation_{panel.figure}"])
    words = {"model": curve.name, "n": row["number"], "figure": panel.name, "value": value}
    title = say("{model}, epoch {n}: validation {figure} {value}", **words)
    drawn = ""
    if row["number"] == curve.overfits_from:
        title += f" · {say('overfitting point')}"
        drawn += svg.draw_line("oz-turn", x, y + 11, x, FRAME.upwards[0])
        drawn += f'<circle class="oz-ring" cx="{x:.1f}" cy="{y:.1f}" r="11"/>'
    if row["number"] == curve.best_epoch:
        title += f" · {say('epoch that was kept')}"
        drawn += svg.draw_words(x, y - 12, "★", style="oz-star")
    return drawn + svg.draw_mark(place, x, y, title)


def _ends(curve: LearningCurve, across: str) -> list[float]:
    """Where each epoch ends: its number, or the seconds since training began."""
    if across == "epochs":
        return [float(row["number"]) for row in curve.epochs]
    return list(accumulate(float(row["seconds"]) for row in curve.epochs))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
