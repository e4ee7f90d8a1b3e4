"""The history of a search: every trial's loss by its number."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gradio_app.languages import Language, message
from gradio_app.views.charts import svg
from gradio_app.views.parts import render_empty
from gradio_app.views.units import figure

STATES = {"complete": message("complete"), "pruned": message("pruned")}
"""How a trial ended, where it has a loss."""


def draw_history(say: Language, history: Sequence[Mapping[str, Any]], target: int) -> str:
    """Validation loss of every trial by number, and the lowest of the complete ones so far as a line.

    Args:
        say: The page's language.
        history: Rows with `number`, `state` (`complete` or `pruned`), `loss` and `best`.
        target: Trials that the study is to have; the axis reaches that far.
    """
    if not history:
        return render_empty(say("No trial has reported a loss yet."))
    last = int(max(target - 1, *(row["number"] for row in history), 1))
    low, high = _range([row["loss"] for row in history])
    across, down = svg.Scale(0, last, svg.WIDE.across), svg.Scale(low, high, svg.WIDE.upwards)
    levels = svg.round_values(low, high, 8)
    axes = (
        svg.draw_levels(svg.WIDE, down, levels, svg.write_levels(say, levels))
        + svg.draw_ticks(svg.WIDE, across, range(0, last + 1, max(1, round(svg.nice_step((last + 1) / 6)))), str)
        + svg.draw_axis_names(svg.WIDE, say("trial"), say("validation loss"))
    )
    # The complete ones last, so that they lie on top.
    dots = "".join(
        f'<circle class="oz-{escape(row["state"])}" cx="{across(row["number"]):.1f}" cy="{down(row["loss"]):.1f}" '
        f'r="{3.2 if row["state"] == "complete" else 2.2}">{svg.draw_title(_name(say, row))}</circle>'
        for row in sorted(history, key=lambda row: row["state"] == "complete")
    )
    best = [(across(row["number"]), down(row["best"])) for row in history if row["best"] is not None]
    return svg.render_figure(
        svg.draw_svg(svg.WIDE, _says(say, history), f"{axes}{dots}{svg.draw_steps('oz-line', best)}"),
        f'<span class="oz-key oz-complete">●</span> {say("complete")} '
        f'<span class="oz-key oz-pruned">○</span> {say("pruned, last reported loss")} '
        f'<span class="oz-key oz-lowest">━</span> {say("lowest so far.")} '
        f"{say('Losses above the axis lie on its upper edge.')}",
    )


def _name(say: Language, row: Mapping[str, Any]) -> str:
    state = say(STATES[row["state"]]) if row["state"] in STATES else row["state"]
    return say("trial {number}, {state}: {loss}", number=row["number"], state=state, loss=figure(say, row["loss"], 4))


def _says(say: Language, history: Sequence[Mapping[str, Any]]) -> str:
    final = next((row["best"] for row in reversed(history) if row["best"] is not None), None)
    if final is None:
        return say.plural("Validation loss of {n} trial", "Validation loss of {n} trials", len(history))
    return say.plural(
        "Validation loss of {n} trial; the lowest is {loss}",
        "Validation loss of {n} trials; the lowest is {loss}",
        len(history),
        loss=figure(say, final, 4),
    )


def _range(losses: Sequence[float]) -> tuple[float, float]:
    """From below the lowest loss to what nineteen in twenty stay under: a few that diverge don't flatten the rest."""
    finite = sorted(loss for loss in losses if math.isfinite(loss))
    low, high = finite[0], finite[math.ceil(0.95 * len(finite)) - 1]
    margin = max((high - low) * 0.06, 0.005)
    return low - margin, high + margin
