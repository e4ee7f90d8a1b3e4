"""How long texts are: a histogram and a row of figures for each group."""

from collections.abc import Mapping
from html import escape

from engine.data.distributions import Lengths
from gradio_app.languages import Language, message
from gradio_app.views.charts.histogram import Group, draw_histogram
from gradio_app.views.classes import sign
from gradio_app.views.names import COLUMNS, name_split
from gradio_app.views.parts import render_row, render_table
from gradio_app.views.units import count, figure

UNITS = {
    "characters": message("characters"),
    "words": message("words"),
    "tokens": message("tokens"),
}
"""Units of length, as they are called."""
SPLIT_MARKS = {"train": "●", "validation": "■", "test": "▲"}
"""A sign for each split, so that colour is never the only difference."""
STYLES = {
    "train": "oz-series-1",
    "validation": "oz-series-3",
    "test": "oz-series-2",
    "negative": "oz-series-1",
    "contradiction": "oz-series-1",
    "neutral": "oz-series-0",
    "neutral or ambiguous": "oz-series-0",
    "positive": "oz-series-2",
    "entailment": "oz-series-2",
}
"""Splits and classes in the colours that they have everywhere."""


def render_lengths(say: Language, columns: Mapping[str, Lengths]) -> str:
    """A section for each text column: a histogram for each group on one axis, and their figures.

    Args:
        say: The page's language.
        columns: Text column → its lengths.
    """
    parts = [_render_column(say, column, lengths, len(columns) > 1) for column, lengths in columns.items()]
    unit = next(iter(columns.values())).unit
    notes = {
        "characters": say("Characters of the cleaned text, white space included."),
        "words": say("Words are what white space separates; Chinese and Thai put none between words."),
        "tokens": say("Tokens of the byte-level BPE that a model from scratch would get from the train split."),
    }
    lines = say("The full line is the median, the dashed one the 95th percentile. Heights are shares of a group.")
    return f'{"".join(parts)}<p class="oz-note">{escape(notes[unit])} {escape(lines)}</p>'


def _render_column(say: Language, column: str, lengths: Lengths, named: bool) -> str:
    title = f"<h3>{escape(say(COLUMNS[column]))}</h3>" if named else ""
    shares = (height / max(1, sum(heights)) for heights in lengths.counts.values() for height in heights)
    tallest = max(shares, default=1.0)
    groups = {name: _describe(say, name, lengths.unit) for name in lengths.counts}
    figures = "".join(
        draw_histogram(say, groups[name], heights, lengths.edges, lengths.spreads[name], tallest)
        for name, heights in lengths.counts.items()
    )
    table = _render_figures(say, column, lengths)
    return f'<section class="oz-column">{title}<div class="oz-histograms">{figures}</div>{table}</section>'


def _describe(say: Language, group: str, unit: str) -> Group:
    style = STYLES.get(group, "oz-series-5")
    if group in SPLIT_MARKS:
        return Group(SPLIT_MARKS[group], name_split(say, group), say(UNITS[unit]), style)
    return Group(sign(group), say(group), say(UNITS[unit]), style)


def _render_figures(say: Language, column: str, lengths: Lengths) -> str:
    rows = []
    for name, spread in lengths.spreads.items():
        group = _describe(say, name, lengths.unit)
        cells = [count(say, spread["rows"]), count(say, spread["median"]), figure(say, spread["mean"], 1)]
        cells += [count(say, spread["p95"]), count(say, spread["max"])]
        rows.append(render_row(f'<span aria-hidden="true">{group.mark}</span> {escape(group.name)}', cells))
    titles = (say("texts"), say("median"), say("mean"), say("95 % up to"), say("longest"))
    named = say("Lengths in numbers: {text}", text=say(COLUMNS[column]))
    return render_table(named, ["<td></td>", *map(escape, titles)], rows)
