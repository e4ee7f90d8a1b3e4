"""Quality against an amount of data: where models lead, the chart, and its numbers."""

from collections.abc import Mapping
from html import escape
from typing import Any

from engine.experiments.curves import AXES, Curve, Lead, leads
from gradio_app.languages import Language
from gradio_app.views.charts.curves import draw_curves
from gradio_app.views.names import name_figure, name_source
from gradio_app.views.parts import render_list, render_row, render_table
from gradio_app.views.units import count, points
from gradio_app.views.units import figure as write_figure


def render_curve(say: Language, curve: Curve, figure: str) -> str:
    """A curve: what it says, its figure, and its numbers with intervals."""
    lines = curve.series()
    across = say.again(AXES[curve.kind])
    note = say(
        "Test {figure}: mean over the seeds, and half of Student's 95 % interval over them (how far other seeds may "
        "fall, not another test set). A seed draws the examples, the weights and the order.",
        figure=name_figure(say, figure),
    )
    rows = []
    for x in sorted({row["x"] for line in lines.values() for row in line}):
        there = (next((row for row in line if row["x"] == x), None) for line in lines.values())
        rows.append(render_row(count(say, x), [_cell(say, row, figure) for row in there]))
    return (
        f'<p class="oz-data">{escape(_describe(say, curve))}</p>{draw_curves(say, lines, figure, across)}'
        f"{render_list(map(escape, say_leads(say, curve, figure)), 'oz-said')}"
        f"{render_table(say('Numbers of the curve'), map(escape, (across, *lines)), rows)}"
        f'<p class="oz-note">{escape(note)}</p>'
    )


def _cell(say: Language, row: Mapping[str, Any] | None, figure: str) -> str:
    if row is None:
        return ""
    half = row[f"{figure}_half"]
    return write_figure(say, row[figure]) + ("" if half is None else f"<small>± {write_figure(say, half)}</small>")


def _describe(say: Language, curve: Curve) -> str:
    """The data, the seeds and the machine."""
    seeds = max((row["seeds"] for rows in curve.series().values() for row in rows), default=0)
    parts = [
        name_source(say, curve.source),
        say.plural("{n} test row", "{n} test rows", curve.test_rows),
        say.plural("up to {n} seed a point", "up to {n} seeds a point", seeds),
        say("on {machine}", machine=curve.machine.get("device_name", "")),
    ]
    return ", ".join(parts)


def say_leads(say: Language, curve: Curve, figure: str) -> list[str]:
    """A sentence for each model: where it is ahead of `scratch` beyond the doubt of its seeds, and where behind."""
    names = list(curve.series())
    if curve.kind != "examples" or "scratch" not in names:
        return []
    found = {name: leads(curve, name, "scratch", figure) for name in names if name != "scratch"}
    return [_say_lead(say, name, own) for name, own in found.items() if own]


def _say_lead(say: Language, name: str, found: list[Lead]) -> str:
    ahead, behind = (
        ", ".join(count(say, lead.x) for lead in found if lead.is_clear and lead.difference * sign > 0)
        for sign in (1, -1)
    )
    last = found[-1]
    values = {
        "name": name,
        "ahead": ahead,
        "behind": behind,
        "points": points(say, last.difference),
        "last": count(say, last.x),
    }
    # Whole sentences, so that each language can order them as it likes.
    if ahead and behind:
        return say(
            "{name} against scratch: clearly ahead at {ahead}; clearly behind at {behind} ({points} points at {last}).",
            **values,
        )
    if ahead:
        return say("{name} against scratch: clearly ahead at {ahead} ({points} points at {last}).", **values)
    if behind:
        return say("{name} against scratch: clearly behind at {behind} ({points} points at {last}).", **values)
    return say("{name} against scratch: nowhere clearly apart ({points} points at {last}).", **values)
