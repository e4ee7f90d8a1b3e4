"""A curve as HTML: a pure function of its points."""

from html import escape

from engine.experiments.curves import AXES, Curve, Lead, leads
from gradio_app.languages import Language
from gradio_app.views.plots import draw_curves
from gradio_app.views.wording import count, name_figure, name_source


def render_curve(say: Language, curve: Curve, figure: str) -> str:
    """A curve: what it says, its figure, and its numbers with intervals."""
    lines = curve.series()
    across = say.again(AXES[curve.kind])
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in lines)
    body = []
    for x in sorted({row["x"] for rows in lines.values() for row in rows}):
        cells = []
        for rows in lines.values():
            row = next((row for row in rows if row["x"] == x), None)
            half = row[f"{figure}_half"] if row else None
            doubt = "" if half is None else f"<small>± {say.number(half, '.3f')}</small>"
            cells.append(f"<td>{say.number(row[figure], '.3f')}{doubt}</td>" if row else "<td></td>")
        body.append(f'<tr><th scope="row">{count(say, x)}</th>{"".join(cells)}</tr>')
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in say_leads(say, curve, figure))
    said = f'<ul class="oz-said">{sentences}</ul>' if sentences else ""
    note = say(
        "Test {figure}: mean over the seeds, and half of Student's 95 % interval over them (how far other seeds may "
        "fall, not another test set). A seed draws the examples, the weights and the order.",
        figure=name_figure(say, figure),
    )
    return (
        f'<p class="oz-data">{escape(_describe(say, curve))}</p>{draw_curves(say, lines, figure, across)}{said}'
        f'<div class="oz-scroll" tabindex="0" role="region" aria-label="{escape(say("Numbers of the curve"))}">'
        f'<table class="oz-table"><thead><tr><th scope="col">{escape(across)}</th>{head}</tr></thead>'
        f'<tbody>{"".join(body)}</tbody></table></div><p class="oz-note">{escape(note)}</p>'
    )


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
        "points": say.number(last.difference * 100, "+.1f"),
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
