"""The history of a search: every trial's value by its number."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gradio_app.languages import Language, message
from gradio_app.views.charts import svg
from gradio_app.views.parts import render_empty
from gradio_app.views.units import figure, setting

Row = Mapping[str, Any]

STATES = {"complete": message("complete"), "pruned": message("pruned")}
"""How a trial ended, where it has a loss."""


MANY = 1000
"""More trials than this are drawn without a title each: only those that were the best so far keep theirs."""


def draw_history(say: Language, history: Sequence[Row], target: int, metric: str = "", maximize: bool = False) -> str:
    """The value of every trial by number, and the best of the complete ones so far as a line.

    Args:
        say: The page's language.
        history: Rows with `number`, `state` (`complete` or `pruned`), `loss` and `best`, all finite.
        target: Trials that the study is to have; the axis reaches that far.
        metric: Words for the value, instead of the validation loss.
        maximize: Whether a larger value is better.
    """
    if not history:
        return render_empty(say("No trial has reported a loss yet."))
    last = int(max(target - 1, *(row["number"] for row in history), 1))
    low, high = _range([row["loss"] for row in history], maximize)
    across, down = svg.Scale(0, last, svg.WIDE.across), svg.Scale(low, high, svg.WIDE.upwards)
    records = _records(history)
    best = [(across(row["number"]), down(row["best"])) for row in records]
    line = svg.draw_steps("oz-line", best, across(history[-1]["number"]))
    dots = _draw_dots(say, history if len(history) <= MANY else records, across, down)
    if len(history) > MANY:
        dots = "".join(_draw_bare_dots(state, history, across, down) for state in ("pruned", "complete")) + dots
    edge = (
        say("Values below the axis lie on its lower edge.")
        if maximize
        else say("Losses above the axis lie on its upper edge.")
    )
    says = _describe(say, len(history), records[-1]["best"] if records else None, metric)
    return svg.render_figure(
        svg.draw_svg(svg.WIDE, says, f"{_draw_axes(say, across, down, metric)}{dots}{line}"),
        f'<span class="oz-key oz-complete">●</span> {say("complete")} '
        f'<span class="oz-key oz-pruned">○</span> {say("pruned, last reported loss")} '
        f'<span class="oz-key oz-lowest">━</span> {say("highest so far.") if maximize else say("lowest so far.")} '
        f"{edge}",
    )


def _draw_axes(say: Language, across: svg.Scale, down: svg.Scale, metric: str) -> str:
    levels = svg.round_values(down.low, down.high, 8)
    every = max(1, round(svg.nice_step((across.high + 1) / 6)))
    return (
        svg.draw_levels(svg.WIDE, down, levels, svg.write_levels(say, levels))
        + svg.draw_ticks(svg.WIDE, across, range(0, int(across.high) + 1, every), str)
        + svg.draw_axis_names(svg.WIDE, say("trial"), metric or say("validation loss"))
    )


def _records(history: Sequence[Row]) -> list[Row]:
    """The trials that were the best so far when they ended."""
    found: list[Row] = []
    for row in history:
        if row["best"] is not None and (not found or row["best"] != found[-1]["best"]):
            found.append(row)
    return found


def _draw_dots(say: Language, rows: Sequence[Row], across: svg.Place, down: svg.Place) -> str:
    # The complete ones last, so that they lie on top.
    return "".join(
        f'<circle class="oz-{escape(row["state"])}" cx="{across(row["number"]):.1f}" cy="{down(row["loss"]):.1f}" '
        f'r="{3.2 if row["state"] == "complete" else 2.2}">{svg.draw_title(_name(say, row))}</circle>'
        for row in sorted(rows, key=lambda row: row["state"] == "complete")
    )


def _draw_bare_dots(state: str, rows: Sequence[Row], across: svg.Place, down: svg.Place) -> str:
    """Dots of one state as one path of lines without length, one a pixel: a page of thousands stays light."""
    places = {(round(across(row["number"])), round(down(row["loss"]))) for row in rows if row["state"] == state}
    marks = "".join(f"M{x},{y}h0" for x, y in sorted(places))
    return f'<path class="oz-dots oz-{state}" d="{marks}"/>' if marks else ""


def _name(say: Language, row: Row) -> str:
    state = say(STATES[row["state"]]) if row["state"] in STATES else row["state"]
    return say("trial {number}, {state}: {loss}", number=row["number"], state=state, loss=figure(say, row["loss"], 4))


def _describe(say: Language, count: int, best: float | None, metric: str) -> str:
    if metric:
        words = say.plural("{metric} of {n} trial", "{metric} of {n} trials", count, metric=metric)
        return words if best is None else f"{words}; {say('the best is {value}', value=setting(say, best))}"
    if best is None:
        return say.plural("Validation loss of {n} trial", "Validation loss of {n} trials", count)
    return say.plural(
        "Validation loss of {n} trial; the lowest is {loss}",
        "Validation loss of {n} trials; the lowest is {loss}",
        count,
        loss=figure(say, best, 4),
    )


def _range(values: Sequence[float], maximize: bool = False) -> tuple[float, float]:
    """From beyond the best value to what nineteen in twenty reach, and no further than thrice the way to the median.

    So neither a few that diverge nor many that were pruned early flatten the rest.
    """
    sign = -1.0 if maximize else 1.0
    ranked = sorted(sign * value for value in values)
    best, most = ranked[0], ranked[math.ceil(0.95 * len(ranked)) - 1]
    usual = ranked[len(ranked) // 2] - best
    if usual > 0:
        most = min(most, best + 3 * usual)
    # Half a thousandth of the size, where all are alike: numbers far from zero have few digits left for less.
    margin = max((most - best) * 0.06, 0.005, abs(best) * 5e-4)
    low, high = best - margin, most + margin
    return (-high, -low) if maximize else (low, high)
