"""A histogram of lengths: shares of a group's texts, with lines at the median and the 95th percentile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gradio_app.languages import Language
from gradio_app.views.charts import svg
from gradio_app.views.units import count, percent

FRAME = svg.Frame(380, 150, left=6, right=6, top=8, bottom=22)
LINES = (("median", "oz-median"), ("p95", "oz-p95"))


@dataclass(frozen=True)
class Group:
    """The texts that one histogram is of."""

    mark: str
    name: str
    unit: str
    """Of length, as it is called."""
    style: str
    """The class of its colour."""


def draw_histogram(
    say: Language,
    group: Group,
    heights: Sequence[int],
    edges: Sequence[int],
    spread: Mapping[str, float],
    tallest: float,
) -> str:
    """Bars from zero to the last edge, where all that is longer is counted too.

    Args:
        say: The page's language.
        group: What it is of.
        heights: Texts of each bin.
        edges: The lower end of each bin; all are equally wide.
        spread: `median`, `p95` and `max` of the lengths.
        tallest: The share that fills the frame, so that groups side by side have one scale.
    """
    rows, end = max(1, sum(heights)), edges[-1] + edges[1] - edges[0]
    across, down = svg.Scale(0, end, FRAME.across), svg.Scale(0, tallest, FRAME.upwards)
    (left, right), (bottom, top) = FRAME.across, FRAME.upwards
    wide = (right - left) / len(edges)
    bars = "".join(
        f'<rect class="oz-block" x="{left + wide * number + 1:.1f}" y="{down(height / rows):.1f}" '
        f'width="{wide - 2:.1f}" height="{bottom - down(height / rows):.1f}">'
        f"{svg.draw_title(_say_bin(say, edges, number, height, height / rows))}</rect>"
        for number, height in enumerate(heights)
        if height
    )
    lines = "".join(
        svg.draw_line(style, across(spread[key]), top - 6, across(spread[key]), bottom) for key, style in LINES
    )
    ticks = "".join(
        svg.draw_words(across(edge), FRAME.height - 7, count(say, edge), "middle" if edge else "start")
        for edge in edges[:: -(-len(edges) // 6)]
    )
    says = say(
        "Length of {rows} in {unit}, {group}: median {median}, 95 % up to {p95}, longest {longest}",
        rows=say.plural("{n} text", "{n} texts", sum(heights)),
        unit=group.unit,
        group=group.name,
        median=count(say, spread["median"]),
        p95=count(say, spread["p95"]),
        longest=count(say, spread["max"]),
    )
    drawing = svg.draw_svg(FRAME, says, f"{svg.draw_line('oz-grid', left, bottom, right, bottom)}{bars}{lines}{ticks}")
    return (
        f'<figure class="oz-figure oz-histogram {group.style}"><figcaption><span class="oz-key" aria-hidden="true">'
        f"{group.mark}</span> {escape(group.name)} <small>{escape(group.unit)}</small></figcaption>{drawing}</figure>"
    )


def _say_bin(say: Language, edges: Sequence[int], number: int, height: int, share: float) -> str:
    """`20 to 39: 96 (29.2 %)`, or `260 and more: …` for the last one."""
    first = edges[number]
    last = edges[number + 1] - 1 if number + 1 < len(edges) else None
    if last is None:
        lengths = say("{first} and more", first=count(say, first))
    elif first == last:
        lengths = count(say, first)
    else:
        lengths = say("{first} to {last}", first=count(say, first), last=count(say, last))
    return f"{lengths}: {count(say, height)} ({percent(say, share, 1)})"
