"""By how much the best model is ahead of each other one, as one table."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from engine.data.tasks import get_task
from engine.evaluation.differences import Verdict
from gradio_app.languages import Language
from gradio_app.views.names import name_figure
from gradio_app.views.parts import render_row, render_table
from gradio_app.views.units import p_value, points

SIGNS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.FIRST: ("▲", "oz-ahead"),
    Verdict.SECOND: ("▼", "oz-behind"),
    Verdict.EQUAL: ("=", ""),
    Verdict.UNCLEAR: ("", "oz-unclear"),
}
"""A verdict's sign, and the class of its cell."""


def render_differences(say: Language, comparison: Mapping[str, Any]) -> str:
    """Differences in accuracy and macro F1 from the best model, with intervals, verdicts and Holm's p.

    Args:
        say: The page's language.
        comparison: As `compare_models` makes it.

    Returns:
        HTML; nothing where the best model can't be compared.
    """
    best = comparison["rows"][0]["model"]
    pairs = [one for one in comparison["differences"] if one["first"] == best]
    if not pairs:
        return ""
    figures = ("accuracy", "macro_f1")
    heads = [say("against"), *(name_figure(say, one) for one in figures), say("p after Holm")]
    lines = [
        render_row(
            escape(pair["second"]),
            [*(_cell(say, pair, one) for one in figures), escape(p_value(say, pair["p_holm"]))],
        )
        for pair in pairs
    ]
    title = say("Points by which {model} is ahead of each other model", model=best)
    table = render_table(title, map(escape, heads), lines, "oz-pairs")
    note = escape(_note(say, comparison, pairs))
    return f'<p class="oz-summary">{escape(title)}</p>{table}<p class="oz-note">{note}</p>'


def _cell(say: Language, pair: Mapping[str, Any], figure: str) -> str:
    measured = pair["figures"][figure]
    verdict = Verdict(measured["verdict"])
    sign, kind = SIGNS[verdict]
    ends = say("{low} to {high}", low=points(say, measured["low"]), high=points(say, measured["high"]))
    if measured["is_flat"]:
        ends = say("zero width")
    return (
        f'<td class="{kind}"><span aria-hidden="true">{sign}</span>{points(say, measured["difference"])}'
        f"<small>{escape(ends)}</small><small>{escape(_say_verdict(say, pair, verdict))}</small></td>"
    )


def _say_verdict(say: Language, pair: Mapping[str, Any], verdict: Verdict) -> str:
    if verdict is Verdict.EQUAL:
        return say("equal within a point")
    if verdict is Verdict.UNCLEAR:
        return say("no clear difference")
    return say("{model} better", model=pair["first" if verdict is Verdict.FIRST else "second"])


def _note(say: Language, comparison: Mapping[str, Any], pairs: Sequence[Mapping[str, Any]]) -> str:
    rows, clusters = pairs[0]["rows"], pairs[0]["clusters"]
    if clusters is None:
        drawn = say.plural("{n} test row", "{n} test rows", rows)
    elif get_task(comparison["task"]).is_pair:
        drawn = say.plural("{n} group of pairs with one premise", "{n} groups of pairs with one premise", clusters)
    else:
        drawn = say.plural("{n} group of messages with one term", "{n} groups of messages with one term", clusters)
    return say(
        "Small figures: 95 % intervals of a paired bootstrap, each for its pair alone, while p counts all pairs. Drawn "
        "with replacement, {resamples} times: {drawn}. Equal within a point: the whole interval is closer to zero than "
        "one point.",
        resamples=say.number(pairs[0]["resamples"], ","),
        drawn=drawn,
    )
