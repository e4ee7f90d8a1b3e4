"""Confusion matrices side by side: of each true class, the share that was answered so."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gradio_app.languages import Language
from gradio_app.views.classes import render_class
from gradio_app.views.units import count, percent

DARKEST = 55
"""Per cent of the colour where every row was answered so: one hue from pale to full, and its text stays readable."""


def draw_confusions(say: Language, rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> str:
    """A small table for each model, in the order of the large one."""
    note = say(
        "Of each true class (a row), the share that the model answered with each class (a column). The framed cells "
        "are right answers; point at a cell for its count."
    )
    tables = "".join(_draw_matrix(say, row, labels) for row in rows)
    region = escape(say("Confusion matrices"))
    return (
        f'<p class="oz-note">{note}</p><div class="oz-scroll oz-strip oz-confusions" tabindex="0" role="region" '
        f'aria-label="{region}">{tables}</div>'
    )


def _draw_matrix(say: Language, row: Mapping[str, Any], labels: Sequence[str]) -> str:
    heads = "".join(f'<th scope="col">{render_class(say, label, short=True)}</th>' for label in labels)
    lines = "".join(
        f'<tr><th scope="row">{render_class(say, label, short=True)}</th>'
        f"{''.join(_draw_cell(say, counts, at, at == place) for at in range(len(labels)))}</tr>"
        for place, (label, counts) in enumerate(zip(labels, row["confusion"], strict=True))
    )
    corner = f'<td class="oz-corner">{escape(say("true ↓ answered →"))}</td>'
    return (
        f'<section><table class="oz-confusion"><caption>{escape(row["model"])}</caption>'
        f"<thead><tr>{corner}{heads}</tr></thead><tbody>{lines}</tbody></table></section>"
    )


def _draw_cell(say: Language, counts: Sequence[int], at: int, is_right: bool) -> str:
    total = sum(counts)
    if not total:
        return "<td>–</td>"
    share = counts[at] / total
    title = escape(say("{n} of {total} test rows", n=count(say, counts[at]), total=count(say, total)))
    right = ' class="oz-right"' if is_right else ""
    return f'<td{right} title="{title}" style="--oz-shade:{share * DARKEST:.0f}%">{percent(say, share)}</td>'
