"""Learning curves as SVG: pure functions over runs' epochs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Any

from engine.results.learning import LearningCurve
from gradio_app.languages import Language, message
from gradio_app.views.plots import MARKS

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 54, 16, 22, 44
FIGURES: Mapping[str, str] = {
    "loss": message("loss"),
    "accuracy": message("accuracy"),
    "macro_f1": message("macro F1"),
}
"""What is drawn upwards: the end of a column's name, and what it is called."""
ACROSS: Mapping[str, str] = {"epochs": message("epoch"), "seconds": message("seconds of training")}
MOST = len(MARKS)
"""Curves that can be told apart."""


@dataclass(frozen=True)
class _Frame:
    """Where values lie on a panel."""

    last: float
    low: float
    high: float
    first: float

    def across(self, x: float) -> float:
        return LEFT + 10 + (WIDTH - LEFT - RIGHT - 20) * (x - self.first) / ((self.last - self.first) or 1.0)

    def down(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - self.low) / (self.high - self.low))


def draw_panels(say: Language, curves: Sequence[LearningCurve], figure: str, across: str) -> str:
    """Loss on one panel and another figure on the next, all runs over each other.

    Args:
        say: The page's language.
        curves: At most `MOST` runs that have epochs.
        figure: `accuracy` or `macro_f1`.
        across: `epochs` or `seconds`.
    """
    panels = "".join(_panel(say, curves, one, across) for one in ("loss", figure))
    keys = "".join(
        f'<span class="oz-key oz-series-{place}">{MARKS[place]} {escape(curve.name)}</span>'
        for place, curve in enumerate(curves)
    )
    signs = [
        ("━", say("validation")),
        ("╍", say("training")),
        ("★", say("epoch that was kept")),
        ("◯", say("overfitting point")),
    ]
    meaning = "".join(f'<span class="oz-key">{sign} {text}</span>' for sign, text in signs)
    return (
        f'<figure class="oz-figure oz-curve oz-learning"><div class="oz-panels">{panels}</div>'
        f'<figcaption class="oz-note"><div class="oz-keys">{keys}</div><div class="oz-keys">{meaning}</div>'
        "</figcaption></figure>"
    )


def _panel(say: Language, curves: Sequence[LearningCurve], figure: str, across: str) -> str:
    values = [
        row[column]
        for curve in curves
        for row in curve.epochs
        for column in (f"train_{figure}", f"validation_{figure}")
        if _is_number(row.get(column))
    ]
    name = say(FIGURES[figure])
    ends = [one[-1] for one in (_places(curve, across) for curve in curves) if one]
    if not values or not ends:
        return f'<p class="oz-empty">{say("Nothing is measured yet.")}</p>'
    margin = max((max(values) - min(values)) * 0.06, 0.005)
    frame = _Frame(max(ends), min(values) - margin, max(values) + margin, 1.0 if across == "epochs" else 0.0)
    drawn = "".join(_run(say, curve, place, figure, across, frame) for place, curve in enumerate(curves))
    says = say(
        "{figure} by {across}, training and validation, of {models}",
        figure=name,
        across=say(ACROSS[across]),
        models=", ".join(curve.name for curve in curves),
    )
    return (
        f'<div class="oz-panel"><h3>{name}</h3>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">'
        f"{_levels(say, frame)}{_ticks(say, frame, across)}{drawn}</svg></div>"
    )


def _run(say: Language, curve: LearningCurve, place: int, figure: str, across: str, frame: _Frame) -> str:
    """One run: its training line dashed, its validation line solid, and the marks."""
    training, validation = f"train_{figure}", f"validation_{figure}"
    spots = _places(curve, across)
    parts = [
        _trace(curve, spots, training, "oz-trace oz-train", frame),
        _trace(curve, spots, validation, "oz-trace", frame),
    ]
    for x, row in zip(spots, curve.epochs, strict=True):
        about = {"model": curve.name, "n": row["number"]}
        if _is_number(row.get(training)):
            title = say(
                "{model}, epoch {n}: training {figure} {value}",
                **about,
                figure=say(FIGURES[figure]),
                value=say.number(row[training], ".3f"),
            )
            parts.append(
                f'<circle class="oz-dot" cx="{frame.across(x):.1f}" cy="{frame.down(row[training]):.1f}" r="2.5">'
                f"<title>{escape(title)}</title></circle>"
            )
        if _is_number(row.get(validation)):
            parts.append(_mark(say, curve, row, place, figure, (frame.across(x), frame.down(row[validation])), about))
    return f'<g class="oz-series-{place}">{"".join(parts)}</g>'


def _mark(
    say: Language,
    curve: LearningCurve,
    row: Mapping[str, Any],
    place: int,
    figure: str,
    spot: tuple[float, float],
    about: Mapping[str, Any],
) -> str:
    """A validation point, with a star where its weights were kept and a ring where overfitting begins."""
    x, y = spot
    title = say(
        "{model}, epoch {n}: validation {figure} {value}",
        **about,
        figure=say(FIGURES[figure]),
        value=say.number(row[f"validation_{figure}"], ".3f"),
    )
    drawn = ""
    if row["number"] == curve.overfits_from:
        title += f" · {say('overfitting point')}"
        drawn += (
            f'<line class="oz-turn" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 11:.1f}" y2="{HEIGHT - BOTTOM}"/>'
            f'<circle class="oz-ring" cx="{x:.1f}" cy="{y:.1f}" r="11"/>'
        )
    if row["number"] == curve.best_epoch:
        title += f" · {say('epoch that was kept')}"
        drawn += f'<text class="oz-star" x="{x:.1f}" y="{y - 12:.1f}" text-anchor="middle">★</text>'
    return (
        f'{drawn}<text class="oz-mark" x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle">{MARKS[place]}'
        f"<title>{escape(title)}</title></text>"
    )


def _trace(curve: LearningCurve, spots: Sequence[float], column: str, style: str, frame: _Frame) -> str:
    """A line through the points of a column, broken where it has no number."""
    steps, pen = [], "M"
    for x, row in zip(spots, curve.epochs, strict=True):
        if _is_number(row.get(column)):
            steps.append(f"{pen}{frame.across(x):.1f},{frame.down(row[column]):.1f}")
            pen = "L"
        else:
            pen = "M"
    return f'<path class="{style}" d="{"".join(steps)}"/>' if len(steps) > 1 else ""


def _places(curve: LearningCurve, across: str) -> list[float]:
    """Where each epoch ends: its number, or the seconds since training began."""
    if across == "epochs":
        return [float(row["number"]) for row in curve.epochs]
    return list(accumulate(float(row["seconds"]) for row in curve.epochs))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _levels(say: Language, frame: _Frame) -> str:
    """Lines across at round values, with their numbers."""
    step = _nice((frame.high - frame.low) / 6)
    levels = [step * one for one in range(math.ceil(frame.low / step), math.floor(frame.high / step) + 1)]
    digits = 2 if step >= 0.01 else 3
    return "".join(
        f'<line class="oz-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{frame.down(one):.1f}" '
        f'y2="{frame.down(one):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{frame.down(one) + 4:.1f}" text-anchor="end">{say.number(one, f".{digits}f")}</text>'
        for one in levels
    )


def _ticks(say: Language, frame: _Frame, across: str) -> str:
    """Round places under the axis, and what it is."""
    step = _nice((frame.last - frame.first) / 6 or 1.0)
    if across == "epochs":
        step = max(1.0, step)
        places = [
            frame.first,
            *(one * step for one in range(1, int(frame.last / step) + 1) if one * step > frame.first),
        ]
    else:
        places = [one * step for one in range(int(frame.last / step) + 1)]
    numbers = "".join(
        f'<text x="{frame.across(one):.1f}" y="{HEIGHT - BOTTOM + 19}" text-anchor="middle">'
        f"{say.number(one, ',.6g')}</text>"
        for one in places
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return f'{numbers}<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{say(ACROSS[across])}</text>'


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999))
