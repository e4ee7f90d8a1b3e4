"""Quality against an amount of data: lines over a logarithmic axis, each place with its interval."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gradio_app.languages import Language
from gradio_app.views.charts import svg
from gradio_app.views.names import name_figure
from gradio_app.views.parts import render_empty
from gradio_app.views.units import compact, count, spread

APART = 6
"""Pixels between two series at one place, so that their intervals can be told apart."""
INSET = 14
"""Pixels between an end of the axis and the first place."""

Row = Mapping[str, Any]
Place = Callable[[float], float]


def draw_curves(say: Language, lines: Mapping[str, Sequence[Row]], figure: str, across_name: str) -> str:
    """A line for each series; a place at zero stands at the left edge.

    Args:
        say: The page's language.
        lines: Series → rows with `x`, `seeds`, the figure and `FIGURE_half`.
        figure: Key of what is drawn upwards.
        across_name: Words for the axis.
    """
    rows = [row for line in lines.values() for row in line]
    if not rows:
        return render_empty(say("Nothing is measured yet."))
    places = sorted({row["x"] for row in rows})
    across, down = _across(places), svg.Scale(*_range(rows, figure), svg.WIDE.upwards)
    levels = svg.round_values(down.low, down.high, 8)
    drawn = ""
    for number, (name, line) in enumerate(lines.items()):
        aside = APART * (number - (len(lines) - 1) / 2)
        spots = [(across(row["x"]) + aside, row) for row in line]
        whiskers = "".join(_whisker(x, row, figure, down) for x, row in spots)
        dots = [(x, down(row[figure]), _title(say, name, row, figure)) for x, row in spots]
        drawn += svg.draw_trace(number, dots, whiskers)
    upwards = name_figure(say, figure)
    says = say("{figure} against {across}, for {series}", figure=upwards, across=across_name, series=", ".join(lines))
    inside = (
        svg.draw_levels(svg.WIDE, down, levels, svg.write_levels(say, levels))
        + svg.draw_ticks(svg.WIDE, across, places, partial(compact, say))
        + svg.draw_axis_names(svg.WIDE, across_name, upwards)
        + drawn
    )
    return svg.render_figure(svg.draw_svg(svg.WIDE, says, inside), svg.render_legend(lines), "oz-curve")


def _range(rows: Sequence[Row], figure: str) -> tuple[float, float]:
    """An interval of three seeds may be wider than all that there is to see, so the means set the frame."""
    ends = [row[figure] + sign * (row[f"{figure}_half"] or 0.0) for row in rows for sign in (-1, 1)]
    means = [row[figure] for row in rows]
    margin = max(0.25 * (max(means) - min(means)), 0.02)
    return max(min(ends), min(means) - margin) - 0.01, min(max(ends), max(means) + margin) + 0.01


def _across(places: Sequence[float]) -> Place:
    """A logarithmic axis, with room for zero at its left where there is one."""
    left, right = svg.WIDE.left + INSET, svg.WIDE.across[1] - INSET
    positive = [x for x in places if x > 0] or [1.0]
    start = left + (0.12 * (right - left) if places[0] <= 0 else 0.0)
    scale = svg.Scale(positive[0], positive[-1], (start, right), is_log=True)
    return lambda x: scale(x) if x > 0 else left


def _whisker(x: float, row: Row, figure: str, down: Place) -> str:
    half = row[f"{figure}_half"]
    if half is None:
        return ""
    return svg.draw_line("oz-whisker", x, down(row[figure] - half), x, down(row[figure] + half))


def _title(say: Language, name: str, row: Row, figure: str) -> str:
    """What stands at a place, for those who point at it."""
    value, seeds = spread(say, row[figure], row[f"{figure}_half"]), say.plural("{n} seed", "{n} seeds", row["seeds"])
    return say("{name} at {x}: {value} ({seeds})", name=name, x=count(say, row["x"]), value=value, seeds=seeds)
