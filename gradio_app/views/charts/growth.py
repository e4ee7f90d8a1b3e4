"""How a cost grows: points joined by lines, on logarithmic axes or on linear ones that begin at zero."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

from gradio_app.languages import Language
from gradio_app.views.charts import svg
from gradio_app.views.parts import render_empty
from gradio_app.views.units import compact, count, rounded

FRAME = svg.Frame(720, 340, left=84, right=34, top=14, bottom=62)
"""Two of them stand side by side, so that their letters are large."""
TICK_GAP = 76
INSET = 14
"""Pixels between an end of the axis and the first place."""


def draw_growth(
    say: Language, series: Mapping[str, Sequence[Sequence[float]]], across_name: str, upwards: str, linear: bool
) -> str:
    """A line for each series.

    Args:
        say: The page's language.
        series: Name → points (x, y), in order of x; above zero unless `linear`.
        across_name: Words for the axis across.
        upwards: Words for the axis upwards.
        linear: Whether both axes begin at zero, instead of being logarithmic.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return render_empty(say("Nothing is measured yet."))
    xs, ys = [x for x, _ in points], [y for _, y in points]
    levels = enclosing_levels(min(ys), max(ys), linear)
    pixels = FRAME.left + INSET, FRAME.across[1] - INSET
    across = svg.Scale(0.0 if linear else min(xs), float(max(xs)) or 1.0, pixels, is_log=not linear)
    down = svg.Scale(levels[0], levels[-1], FRAME.upwards, is_log=not linear)
    drawn = ""
    for place, (name, line) in enumerate(series.items()):
        titles = (say("{name} at {x}: {y}", name=name, x=count(say, x), y=_write(say, y)) for x, y in line)
        drawn += svg.draw_trace(
            place, [(across(x), down(y), title) for (x, y), title in zip(line, titles, strict=True)]
        )
    says = say("{upwards} by {across}, for {names}", upwards=upwards, across=across_name, names=", ".join(series))
    inside = (
        svg.draw_levels(FRAME, down, levels, partial(_write, say))
        + svg.draw_ticks(FRAME, across, sorted(set(xs)), partial(compact, say), TICK_GAP)
        + svg.draw_axis_names(FRAME, across_name)
        + drawn
    )
    return svg.render_figure(svg.draw_svg(FRAME, says, inside), svg.render_legend(series), "oz-curve")


def enclosing_levels(low: float, high: float, linear: bool) -> list[float]:
    """Round values from below the lowest to above the highest."""
    if linear:
        step = svg.nice_step(high / 5)
        return [step * place for place in range(math.ceil(high / step) + 1)]
    steps = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    first = max(place for place, step in enumerate(steps) if step <= low * 1.001)
    last = min((place for place, step in enumerate(steps) if step >= high * 0.999), default=len(steps) - 1)
    every = 1 if last - first <= 7 else 3
    return steps[first : last + 1 : every] + ([] if (last - first) % every == 0 else [steps[last]])


def _write(say: Language, value: float) -> str:
    """Short from a thousand on, as there is little room beside the axis."""
    return compact(say, value) if value >= 1000 else rounded(say, value)
