"""Quality against a cost as a scatter plot, with the models that no other one beats joined by a step line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from engine.results.inspection import pareto_front
from gradio_app.languages import Language, message
from gradio_app.views.labels import Box, Label, place_labels
from gradio_app.views.numbers import count

FAMILIES: Mapping[str, tuple[str, str]] = {
    "baseline": (message("baseline"), "M0,-6.2L6,4.6H-6Z"),
    "scratch": (message("trained from scratch"), "M-4.8,-4.8H4.8V4.8H-4.8Z"),
    "pretrained": (message("pretrained and adapted"), "M-5.4,0A5.4,5.4 0 1 0 5.4,0A5.4,5.4 0 1 0 -5.4,0Z"),
    "frozen": (message("pretrained, not trained here"), "M0,-6.6L6.2,0L0,6.6L-6.2,0Z"),
}
"""Where a model comes from: what it is called, and the outline of its mark around (0, 0)."""

FONT = 12
CHARACTER = 0.58 * FONT
"""Width of a letter, about."""


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
class Size:
    """A drawing's size in pixels; it is shown at about that size, so that its words stay readable."""

    name: str
    width: int
    height: int
    left: int = 46
    right: int = 12
    top: int = 12
    bottom: int = 44

    @property
    def frame(self) -> Box:
        """The plot without its axes."""
        return self.left, self.top, self.width - self.right, self.height - self.bottom


SIZES = (Size("oz-broad", 560, 380), Size("oz-slim", 350, 440))
"""For a wide window, and for a phone: one of them is hidden."""


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
        return f'<p class="oz-empty">{escape(say("Nothing is measured yet."))}</p>'
    front = [points[place] for place in pareto_front([p.cost for p in points], [p.quality for p in points])]
    names = ", ".join(point.name for point in front)
    says = say(
        "{quality} against {cost} of {n} models; best for what they cost: {names}",
        quality=upwards,
        cost=across,
        n=len(points),
        names=names,
    )
    drawings = "".join(_draw(say, size, points, front, across, upwards, guess, says) for size in SIZES)
    told = say("On the front, from the cheapest to the best: {names}.", names=f"<b>{escape(names)}</b>")
    absent = f" {say('Not measured, so not drawn: {names}.', names=escape(', '.join(left_out)))}" if left_out else ""
    shown = [family for family in FAMILIES if any(point.family == family for point in points)]
    legend = "".join(_key(say, family) for family in shown)
    return (
        f'<figure class="oz-figure oz-scatter">{drawings}<figcaption class="oz-note">{legend}<br>{told}{absent}'
        "</figcaption></figure>"
    )


def _key(say: Language, family: str) -> str:
    """A mark and what it means."""
    words, outline = FAMILIES[family]
    return (
        f'<span class="oz-key oz-family-{family}"><svg class="oz-sample" width="15" height="15" viewBox="-8 -8 16 16" '
        f'aria-hidden="true"><path class="oz-shape" d="{outline}"/></svg>{escape(say(words))}</span>'
    )


@dataclass(frozen=True)
class _Axes:
    """From values to pixels."""

    size: Size
    costs: tuple[float, float]
    """Logarithms of both ends."""
    qualities: tuple[float, float]

    def across(self, cost: float) -> float:
        left, _, right, _ = self.size.frame
        return left + (right - left) * (math.log(cost) - self.costs[0]) / (self.costs[1] - self.costs[0])

    def down(self, quality: float) -> float:
        _, top, _, bottom = self.size.frame
        low, high = self.qualities
        share = (min(max(quality, low), high) - low) / (high - low)
        return bottom - (bottom - top) * share


def _draw(
    say: Language,
    size: Size,
    points: Sequence[Point],
    front: Sequence[Point],
    across: str,
    upwards: str,
    guess: float | None,
    says: str,
) -> str:
    axes = _axes(size, points, guess)
    places = [(axes.across(point.cost), axes.down(point.quality)) for point in points]
    whiskers = [
        (x - 1, axes.down(point.high), x + 1, axes.down(point.low))
        for (x, _), point in zip(places, points, strict=True)
    ]
    line, words = _guess(say, axes, guess)
    left, top, _, _ = size.frame
    words.append((left, top, left + (len(upwards) + 3) * CHARACTER, top + FONT + 6))
    steps = [(axes.across(point.cost), axes.down(point.quality)) for point in front]
    labels = place_labels(
        places,
        [(len(point.name) * CHARACTER + 4, FONT + 3) for point in points],
        size.frame,
        hard=words,
        soft=[*whiskers, *_along(steps, size.frame[2])],
    )
    marks = "".join(
        _mark(say, point, place, label, whisker, point in front)
        for point, place, label, whisker in zip(points, places, labels, whiskers, strict=True)
    )
    return (
        f'<svg class="{size.name}" viewBox="0 0 {size.width} {size.height}" role="img" aria-label="{escape(says)}">'
        f"{_grid(say, axes, across, upwards)}{line}{_steps(steps, size.frame[2])}{marks}</svg>"
    )


def _axes(size: Size, points: Sequence[Point], guess: float | None) -> _Axes:
    costs = [math.log(point.cost) for point in points]
    margin = max(0.06 * (max(costs) - min(costs)), 0.15)
    ends = [end for point in points for end in (point.low, point.high)] + ([] if guess is None else [guess])
    low, high = min(ends), max(ends)
    room = max(0.04 * (high - low), 0.01)
    return _Axes(size, (min(costs) - margin, max(costs) + margin), (low - room, high + room))


def _grid(say: Language, axes: _Axes, across: str, upwards: str) -> str:
    left, top, right, bottom = axes.size.frame
    step = _nice((axes.qualities[1] - axes.qualities[0]) / 6)
    first, last = math.ceil(axes.qualities[0] / step), math.floor(axes.qualities[1] / step)
    heights = [(step * n, axes.down(step * n)) for n in range(first, last + 1)]
    levels = "".join(
        f'<line class="oz-grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{say.number(level, ".2f")}</text>'
        for level, y in heights
    )
    ticks = "".join(
        f'<line class="oz-grid" x1="{axes.across(cost):.1f}" x2="{axes.across(cost):.1f}" y1="{top}" y2="{bottom}"/>'
        f'<text x="{axes.across(cost):.1f}" y="{bottom + 16}" text-anchor="middle">{_short(say, cost)}</text>'
        for cost in _ticks(*axes.costs, most=7 if axes.size.width > 400 else 5)
    )
    # Read at the top of its axis, a name needs no turned letters and no room at the side.
    cheaper = escape(say("{cost}, cheaper to the left", cost=across))
    return (
        f'{levels}{ticks}<text x="{right}" y="{axes.size.height - 8}" text-anchor="end">{cheaper}</text>'
        f'<text class="oz-axis-name" x="{left + 6}" y="{top + 12}">{escape(upwards)} ↑</text>'
    )


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two logarithms: 1, 2, 5 times powers of ten, or fewer of them."""
    powers = range(math.floor(low / math.log(10)), math.ceil(high / math.log(10)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        inside = [value for value in found if low <= math.log(value) <= high]
        if len(inside) <= most:
            return inside
    return inside[:: math.ceil(len(inside) / most)]


def _short(say: Language, cost: float) -> str:
    return count(say, round(cost)) if cost >= 10_000 else say.number(cost, ",g")


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999))


def _guess(say: Language, axes: _Axes, guess: float | None) -> tuple[str, list[Box]]:
    """A line for what the majority class gets, and where its words are."""
    if guess is None:
        return "", []
    left, _, right, _ = axes.size.frame
    words = say("majority class: {value}", value=say.number(guess, ".2f"))
    y = axes.down(guess)
    box = (right - len(words) * CHARACTER - 4, y - FONT - 4, right, y)
    drawn = (
        f'<line class="oz-guess" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{right - 2}" y="{y - 5:.1f}" text-anchor="end">{escape(words)}</text>'
    )
    return drawn, [box]


def _steps(places: Sequence[tuple[float, float]], right: float) -> str:
    """What can be had at each cost: level until the next better model."""
    path = f"M{places[0][0]:.1f},{places[0][1]:.1f}"
    path += "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
    return f'<path class="oz-front" d="{path}H{right}"/>'


def _along(places: Sequence[tuple[float, float]], right: float) -> list[Box]:
    """Boxes around the parts of that line."""
    ends = [*(x for x, _ in places[1:]), right]
    level = [(x, y - 2, end, y + 2) for (x, y), end in zip(places, ends, strict=True)]
    risen = [(x - 2, y, x + 2, before) for (x, y), (_, before) in zip(places[1:], places, strict=False)]
    return level + risen


def _mark(say: Language, point: Point, place: tuple[float, float], label: Label, whisker: Box, on_front: bool) -> str:
    x, y = place
    left, top, right, bottom = label.box
    title = say(
        "{model}: {quality} (95 %: {low}–{high}) at {cost}",
        model=point.name,
        quality=say.number(point.quality, ".3f"),
        low=say.number(point.low, ".3f"),
        high=say.number(point.high, ".3f"),
        cost=_short(say, float(f"{point.cost:.3g}")),
    )
    lead = ""
    if label.leads:
        near = (min(max(x, left), right), min(max(y, top), bottom))
        lead = f'<line class="oz-lead" x1="{x:.1f}" y1="{y:.1f}" x2="{near[0]:.1f}" y2="{near[1]:.1f}"/>'
    return (
        f'<g class="oz-family-{escape(point.family)}{" oz-on-front" if on_front else ""}">{lead}'
        f'<line class="oz-whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{whisker[1]:.1f}" y2="{whisker[3]:.1f}"/>'
        f'<path class="oz-shape" transform="translate({x:.1f} {y:.1f})" d="{FAMILIES[point.family][1]}">'
        f"<title>{escape(title)}</title></path>"
        f'<text class="oz-label" x="{(left + right) / 2:.1f}" y="{bottom - 4:.1f}" text-anchor="middle">'
        f"{escape(point.name)}</text></g>"
    )
