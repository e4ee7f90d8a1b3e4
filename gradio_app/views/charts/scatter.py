"""Quality against a cost as a scatter plot, with the models that no other one beats joined by a step line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

from engine.results.inspection import pareto_front
from gradio_app.languages import Language, message
from gradio_app.views.charts import svg
from gradio_app.views.charts.placement import Box, Label, place_labels
from gradio_app.views.parts import render_empty
from gradio_app.views.units import figure, interval, rounded

FAMILIES: Mapping[str, tuple[str, str]] = {
    "baseline": (message("baseline"), "M0,-6.2L6,4.6H-6Z"),
    "scratch": (message("trained from scratch"), "M-4.8,-4.8H4.8V4.8H-4.8Z"),
    "pretrained": (message("pretrained and adapted"), "M-5.4,0A5.4,5.4 0 1 0 5.4,0A5.4,5.4 0 1 0 -5.4,0Z"),
    "frozen": (message("pretrained, not trained here"), "M0,-6.6L6.2,0L0,6.6L-6.2,0Z"),
    "hybrid": (message("TF-IDF and a decoder"), "M0,6.2L6,-4.6H-6Z"),
}
"""Where a model comes from: what it is called, and the outline of its mark around (0, 0)."""
FONT = 12
CHARACTER = 0.58 * FONT
"""Width of a letter, about."""
FRAMES: Mapping[str, tuple[svg.Frame, int]] = {
    "oz-broad": (svg.Frame(560, 380, left=46, right=12, top=12, bottom=44), 7),
    "oz-slim": (svg.Frame(350, 440, left=46, right=12, top=12, bottom=44), 5),
}
"""For a wide window and for a phone, one of which is hidden: shown at about its own size, so that its words stay
readable; and how many ticks there is room for."""


@dataclass(frozen=True)
class Point:
    """A model in the plot."""

    name: str
    family: str
    cost: float
    quality: float
    low: float
    high: float
    """Ends of the quality's 95 % interval."""


@dataclass(frozen=True)
class _Plot:
    """What is drawn in both sizes."""

    points: Sequence[Point]
    front: Sequence[Point]
    across: str
    upwards: str
    guess: float | None
    says: str


def draw_scatter(
    say: Language, points: Sequence[Point], across: str, upwards: str, guess: float | None, left_out: Sequence[str] = ()
) -> str:
    """The plot, what is on the front, and what the signs mean.

    Args:
        say: The page's language.
        points: Models with costs above zero.
        across: Words for the cost, on a logarithmic axis; lower is better.
        upwards: Words for the quality; higher is better.
        guess: Quality of the majority class as an answer to everything: a line across.
        left_out: Models without such a cost.
    """
    if not points:
        return render_empty(say("Nothing is measured yet."))
    front = [points[place] for place in pareto_front([p.cost for p in points], [p.quality for p in points])]
    names = ", ".join(point.name for point in front)
    says = say(
        "{quality} against {cost} of {n} models; best for what they cost: {names}",
        quality=upwards,
        cost=across,
        n=len(points),
        names=names,
    )
    plot = _Plot(points, front, across, upwards, guess, says)
    drawings = "".join(_draw(say, plot, style, *size) for style, size in FRAMES.items())
    told = say("On the front, from the cheapest to the best: {names}.", names=f"<b>{escape(names)}</b>")
    absent = f" {say('Not measured, so not drawn: {names}.', names=escape(', '.join(left_out)))}" if left_out else ""
    there = {point.family for point in points}
    legend = "".join(_key(say, family) for family in FAMILIES if family in there)
    return svg.render_figure(drawings, f"{legend}<br>{told}{absent}", "oz-scatter")


def _key(say: Language, family: str) -> str:
    """A mark and what it means."""
    words, outline = FAMILIES[family]
    return (
        f'<span class="oz-key oz-family-{family}"><svg class="oz-sample" width="15" height="15" viewBox="-8 -8 16 16" '
        f'aria-hidden="true"><path class="oz-shape" d="{outline}"/></svg>{escape(say(words))}</span>'
    )


def _draw(say: Language, plot: _Plot, style: str, frame: svg.Frame, most_ticks: int) -> str:
    across, down = _scales(plot, frame)
    (left, right), (bottom, top) = frame.across, frame.upwards
    box = (left, top, right, bottom)
    places = [(across(point.cost), down(point.quality)) for point in plot.points]
    whiskers = [
        (x - 1, down(point.high), x + 1, down(point.low)) for (x, _), point in zip(places, plot.points, strict=True)
    ]
    line, taken = _draw_guess(say, plot.guess, frame, down)
    taken.append((left, top, left + (len(plot.upwards) + 3) * CHARACTER, top + FONT + 6))
    steps = [(across(point.cost), down(point.quality)) for point in plot.front]
    labels = place_labels(
        places,
        [(len(point.name) * CHARACTER + 4, FONT + 3) for point in plot.points],
        box,
        hard=taken,
        soft=[*whiskers, *_along(steps, right)],
    )
    marks = "".join(
        _draw_model(say, point, place, label, whisker, point in plot.front)
        for point, place, label, whisker in zip(plot.points, places, labels, whiskers, strict=True)
    )
    axes = _draw_axes(say, plot, frame, across, down, most_ticks)
    return svg.draw_svg(frame, plot.says, f"{axes}{line}{svg.draw_steps('oz-front', steps, right)}{marks}", style)


def _scales(plot: _Plot, frame: svg.Frame) -> tuple[svg.Scale, svg.Scale]:
    costs = [point.cost for point in plot.points]
    margin = math.exp(max(0.06 * math.log(max(costs) / min(costs)), 0.15))
    ends = [end for point in plot.points for end in (point.low, point.high)]
    ends += [] if plot.guess is None else [plot.guess]
    room = max(0.04 * (max(ends) - min(ends)), 0.01)
    return (
        svg.Scale(min(costs) / margin, max(costs) * margin, frame.across, is_log=True),
        svg.Scale(min(ends) - room, max(ends) + room, frame.upwards),
    )


def _draw_axes(
    say: Language, plot: _Plot, frame: svg.Frame, across: svg.Scale, down: svg.Scale, most_ticks: int
) -> str:
    (left, right), (bottom, top) = frame.across, frame.upwards
    levels = svg.draw_levels(frame, down, svg.round_values(down.low, down.high, 6), partial(figure, say, places=2))
    ticks = "".join(
        svg.draw_line("oz-grid", across(cost), top, across(cost), bottom)
        + svg.draw_words(across(cost), bottom + 18, rounded(say, cost))
        for cost in _ticks(across.low, across.high, most_ticks)
    )
    # Read at the top of its axis, a name needs no turned letters and no room at the side.
    cheaper = say("{cost}, cheaper to the left", cost=plot.across)
    if len(cheaper) * CHARACTER > right:
        cheaper = f"← {plot.across}"
    name = svg.draw_words(right, frame.height - 8, cheaper, "end")
    return f"{levels}{ticks}{name}{svg.draw_words(left + 6, top + 12, f'{plot.upwards} ↑', 'start', 'oz-axis-name')}"


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two costs: 1, 2, 5 times powers of ten, or fewer of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        inside = [value for value in found if low <= value <= high]
        if len(inside) <= most:
            return inside
    return inside[:: math.ceil(len(inside) / most)]


def _draw_guess(say: Language, guess: float | None, frame: svg.Frame, down: svg.Scale) -> tuple[str, list[Box]]:
    """A line for what the majority class gets, and where its words are."""
    if guess is None:
        return "", []
    left, right = frame.across
    words, y = say("majority class: {value}", value=figure(say, guess, 2)), down(guess)
    box = (right - len(words) * CHARACTER - 4, y - FONT - 4, right, y)
    return svg.draw_line("oz-guess", left, y, right, y) + svg.draw_words(right - 2, y - 5, words, "end"), [box]


def _along(places: Sequence[tuple[float, float]], right: float) -> list[Box]:
    """Boxes around the parts of the step line."""
    ends = [*(x for x, _ in places[1:]), right]
    level = [(x, y - 2, end, y + 2) for (x, y), end in zip(places, ends, strict=True)]
    risen = [(x - 2, y, x + 2, before) for (x, y), (_, before) in zip(places[1:], places, strict=False)]
    return level + risen


def _draw_model(
    say: Language, point: Point, place: tuple[float, float], label: Label, whisker: Box, on_front: bool
) -> str:
    x, y = place
    left, top, right, bottom = label.box
    title = say(
        "{model}: {quality} (95 %: {ends}) at {cost}",
        model=point.name,
        quality=figure(say, point.quality),
        ends=interval(say, (point.low, point.high)),
        cost=rounded(say, point.cost),
    )
    lead = ""
    if label.leads:
        lead = svg.draw_line("oz-lead", x, y, min(max(x, left), right), min(max(y, top), bottom))
    return (
        f'<g class="oz-family-{escape(point.family)}{" oz-on-front" if on_front else ""}">{lead}'
        f"{svg.draw_line('oz-whisker', x, whisker[1], x, whisker[3])}"
        f'<path class="oz-shape" transform="translate({x:.1f} {y:.1f})" d="{FAMILIES[point.family][1]}">'
        f"{svg.draw_title(title)}</path>"
        f"{svg.draw_words((left + right) / 2, bottom - 4, point.name, style='oz-label')}</g>"
    )
