"""A curve as HTML: a pure function of its points."""

from html import escape

from engine.curves import AXES, Curve, leads
from gradio_app.views.plots import draw_curves, words


def render_curve(curve: Curve, figure: str) -> str:
    """A curve: what it says, its figure, and its numbers with intervals."""
    lines = curve.series()
    source = "the bundled sample" if curve.source == "sample" else escape(curve.source)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in lines)
    body = []
    for x in sorted({row["x"] for rows in lines.values() for row in rows}):
        cells = []
        for rows in lines.values():
            row = next((row for row in rows if row["x"] == x), None)
            half = row[f"{figure}_half"] if row else None
            doubt = "" if half is None else f"<small>± {half:.3f}</small>"
            cells.append(f"<td>{row[figure]:.3f}{doubt}</td>" if row else "<td></td>")
        body.append(f'<tr><th scope="row">{x:,.0f}</th>{"".join(cells)}</tr>')
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in say_leads(curve, figure))
    said = f'<ul class="oz-said">{sentences}</ul>' if sentences else ""
    seeds = max((row["seeds"] for rows in lines.values() for row in rows), default=0)
    return (
        f'<p class="oz-data">{source}, {curve.test_rows:,} test rows, up to {seeds} seeds a point, on '
        f"{escape(str(curve.machine.get('device_name', '')))}</p>"
        f"{draw_curves(lines, figure, AXES[curve.kind])}"
        f"{said}"
        f'<div class="oz-scroll" tabindex="0" role="region" aria-label="Numbers of the curve">'
        f'<table class="oz-table"><thead><tr><th scope="col">{escape(AXES[curve.kind])}</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        f'<p class="oz-note">Test {words(figure)}: mean over the seeds, and half of Student\'s 95 % interval over them '
        "(how far other seeds may fall, not another test set). A seed draws the examples, the weights and the "
        "order.</p>"
    )


def say_leads(curve: Curve, figure: str) -> list[str]:
    """A sentence for each model: where it is ahead of `scratch` beyond the doubt of its seeds, and where behind."""
    names = list(curve.series())
    if curve.kind != "examples" or "scratch" not in names:
        return []
    sentences = []
    for name in names:
        found = leads(curve, name, "scratch", figure) if name != "scratch" else []
        if not found:
            continue
        parts = [
            f"{word} at {', '.join(f'{lead.x:,.0f}' for lead in found if lead.is_clear and lead.difference * sign > 0)}"
            for word, sign in (("clearly ahead", 1), ("clearly behind", -1))
            if any(lead.is_clear and lead.difference * sign > 0 for lead in found)
        ]
        last = found[-1]
        told = "; ".join(parts) or "nowhere clearly apart"
        sentences.append(f"{name} against scratch: {told} ({last.difference * 100:+.1f} points at {last.x:,.0f}).")
    return sentences
