"""How long texts are, as histograms: a pure function of their counts."""

from collections.abc import Mapping
from html import escape

from engine.data.distributions import Lengths
from gradio_app.languages import Language, message
from gradio_app.views.cards import SIGNS
from gradio_app.views.data import COLUMNS, MARKS, SERIES
from gradio_app.views.wording import count, name_split, percent

WIDTH, HEIGHT = 380, 150
LEFT, RIGHT, TOP, BOTTOM = 6, 6, 8, 22
AXIS = {
    "characters": message("characters"),
    "words": message("words"),
    "tokens": message("tokens"),
}
"""Units of length, as they are called."""
LABELS = {
    "negative": "oz-series-1",
    "contradiction": "oz-series-1",
    "neutral": "oz-series-0",
    "neutral or ambiguous": "oz-series-0",
    "positive": "oz-series-2",
    "entailment": "oz-series-2",
}
"""Labels in the colours that they have everywhere."""


def render_lengths(say: Language, columns: Mapping[str, Lengths]) -> str:
    """A section for each text column: a histogram for each group on one axis, and their figures.

    Args:
        say: The page's language.
        columns: Text column → its lengths.
    """
    parts = [_column(say, column, lengths, len(columns) > 1) for column, lengths in columns.items()]
    unit = next(iter(columns.values())).unit
    notes = {
        "characters": say("Characters of the cleaned text, white space included."),
        "words": say("Words are what white space separates; Chinese and Thai put none between words."),
        "tokens": say("Tokens of the byte-level BPE that a model from scratch would get from the train split."),
    }
    lines = say("The full line is the median, the dashed one the 95th percentile. Heights are shares of a group.")
    return f'{"".join(parts)}<p class="oz-note">{escape(notes[unit])} {escape(lines)}</p>'


def _column(say: Language, column: str, lengths: Lengths, named: bool) -> str:
    title = f"<h3>{escape(say(COLUMNS[column]))}</h3>" if named else ""
    tallest = max(
        (height / max(1, sum(heights)) for heights in lengths.counts.values() for height in heights), default=1.0
    )
    figures = "".join(_histogram(say, group, lengths, tallest) for group in lengths.counts)
    table = _table(say, column, lengths)
    return f'<section class="oz-column">{title}<div class="oz-histograms">{figures}</div>{table}</section>'


def _name(say: Language, group: str) -> tuple[str, str]:
    """A group's sign and its words."""
    if group in MARKS:
        return MARKS[group], name_split(say, group)
    return SIGNS.get(group, "■"), say(group)


def _histogram(say: Language, group: str, lengths: Lengths, tallest: float) -> str:
    heights, spread, edges = lengths.counts[group], lengths.spreads[group], lengths.edges
    rows, step = max(1, sum(heights)), edges[1] - edges[0]
    wide = (WIDTH - LEFT - RIGHT) / len(edges)
    end = edges[-1] + step

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(value, end) / end

    bars = "".join(
        f'<rect class="oz-block" x="{LEFT + wide * number + 1:.1f}" '
        f'y="{TOP + (HEIGHT - TOP - BOTTOM) * (1 - height / rows / tallest):.1f}" width="{wide - 2:.1f}" '
        f'height="{(HEIGHT - TOP - BOTTOM) * height / rows / tallest:.1f}">'
        f"<title>{escape(_bin(say, lengths, number))}: {count(say, height)} "
        f"({percent(say, height / rows, 1)})</title></rect>"
        for number, height in enumerate(heights)
        if height
    )
    lines = "".join(
        f'<line class="{style}" x1="{across(spread[key]):.1f}" x2="{across(spread[key]):.1f}" y1="{TOP - 6}" '
        f'y2="{HEIGHT - BOTTOM}"/>'
        for key, style in (("median", "oz-median"), ("p95", "oz-p95"))
    )
    every = -(-len(edges) // 6)
    ticks = "".join(
        f'<text x="{LEFT + wide * number:.1f}" y="{HEIGHT - 7}" '
        f'text-anchor="{"start" if number == 0 else "middle"}">{count(say, edges[number])}</text>'
        for number in range(0, len(edges), every)
    )
    mark, name = _name(say, group)
    unit = say(AXIS[lengths.unit])
    says = say(
        "Length of {rows} in {unit}, {group}: median {median}, 95 % up to {p95}, longest {longest}",
        rows=say.plural("{n} text", "{n} texts", sum(heights)),
        unit=unit,
        group=name,
        median=count(say, spread["median"]),
        p95=count(say, spread["p95"]),
        longest=count(say, spread["max"]),
    )
    style = SERIES.get(group) or LABELS.get(group, "oz-series-5")
    return (
        f'<figure class="oz-figure oz-histogram {style}"><figcaption><span class="oz-key" aria-hidden="true">{mark}'
        f"</span> {escape(name)} <small>{escape(unit)}</small></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">'
        f'<line class="oz-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>'
        f"{bars}{lines}{ticks}</svg></figure>"
    )


def _bin(say: Language, lengths: Lengths, number: int) -> str:
    """`20 to 39`, or `260 and more`."""
    first = lengths.edges[number]
    if number == len(lengths.edges) - 1:
        return say("{first} and more", first=count(say, first))
    last = lengths.edges[number + 1] - 1
    if first == last:
        return count(say, first)
    return say("{first} to {last}", first=count(say, first), last=count(say, last))


def _table(say: Language, column: str, lengths: Lengths) -> str:
    named = escape(say("Lengths in numbers: {text}", text=say(COLUMNS[column])))
    titles = (say("texts"), say("median"), say("mean"), say("95 % up to"), say("longest"))
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = ""
    for group, spread in lengths.spreads.items():
        mark, name = _name(say, group)
        mean = say.number(spread["mean"], ",.1f")
        numbers = [count(say, spread["rows"]), count(say, spread["median"]), mean]
        numbers += [count(say, spread["p95"]), count(say, spread["max"])]
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        body += f'<tr><th scope="row"><span aria-hidden="true">{mark}</span> {escape(name)}</th>{cells}</tr>'
    return (
        f'<div class="oz-scroll" tabindex="0" role="region" aria-label="{named}">'
        f'<table class="oz-table"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
