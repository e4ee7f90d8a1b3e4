"""McNemar's tests of every two models as one table."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gradio_app.languages import Language
from gradio_app.views.parts import render_empty, render_row, render_table
from gradio_app.views.units import count, p_value, points

LEVEL = 0.05
"""Corrected p-values below it are clear differences."""


def render_significance(say: Language, rows: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]]) -> str:
    """Models against models: the difference in accuracy, its corrected p-value, and a sign where it is clear."""
    if not tests:
        words = say("At least two models with predictions for the same test rows are needed to compare them.")
        return render_empty(words)
    by_pair = {(one["first"], one["second"]): (one["difference"], one) for one in tests}
    by_pair |= {(one["second"], one["first"]): (-one["difference"], one) for one in tests}
    names = [row["model"] for row in rows if any(row["model"] in pair for pair in by_pair)]
    heads = [f"<td>{escape(say('row against column; p after Holm'))}</td>"]
    heads += [f'<th scope="col"><span>{escape(name)}</span></th>' for name in names]
    lines = [
        render_row(escape(name), [_cell(say, name, other, by_pair.get((name, other))) for other in names])
        for name in names
    ]
    clear = sum(one["p_holm"] < LEVEL for one in tests)
    said = say(
        "{clear} of {pairs} pairs differ by more than chance (5 % over all pairs together).",
        clear=clear,
        pairs=len(tests),
    )
    table = render_table(say("McNemar tests"), heads, lines, "oz-pairs")
    return f'<p class="oz-summary">{escape(said)}</p>{table}<p class="oz-note">{_note(say)}</p>'


def _cell(say: Language, name: str, other: str, found: tuple[float, Mapping[str, Any]] | None) -> str:
    if name == other:
        return '<td class="oz-same">·</td>'
    if found is None:
        return "<td>–</td>"
    difference, test = found
    is_clear = test["p_holm"] < LEVEL
    sign, kind, words = "", "oz-unclear", say("no clear difference")
    if is_clear and difference > 0:
        sign, kind, words = "▲", "oz-ahead", say("clearly better")
    elif is_clear:
        sign, kind, words = "▼", "oz-behind", say("clearly worse")
    alone = test["only_first_right"] if test["first"] == name else test["only_second_right"]
    others = test["only_second_right"] if test["first"] == name else test["only_first_right"]
    title = say(
        "{model} alone is right on {alone} test rows, {other} alone on {others}; p = {p} before the correction",
        model=name,
        other=other,
        alone=count(say, alone),
        others=count(say, others),
        p=p_value(say, test["p"]),
    )
    p = escape(compared(say, test["p_holm"]))
    return (
        f'<td class="{kind}" title="{escape(title)}"><span aria-hidden="true">{sign}</span>'
        f'<span class="oz-unseen">{escape(words)}: </span>{points(say, difference)}<small>p {p}</small></td>'
    )


def compared(say: Language, p: float) -> str:
    """`= 0.042` or `< 0.001`."""
    shown = p_value(say, p)
    return shown if shown.startswith("<") else f"= {shown}"


def _note(say: Language) -> str:
    return say(
        "Each cell: how many points of accuracy the model of the row is ahead of that of the column, and McNemar's "
        "exact p-value, corrected for all pairs by Holm's method. ▲ and ▼ stand where chance alone would hardly make "
        "so large a difference; where there is no sign, this test set can't tell the two models apart, which doesn't "
        "prove them equal. One training run of each was compared: another seed may move a model as far."
    )
