"""What all charts share: frames, scales, round values, gridlines, ticks, marks, legends and the figure around them.

Words are escaped here, and every drawing says in words what it shows.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from gradio_app.languages import Language

MARKS = ("●", "■", "▲", "◆", "▼", "✚")
"""A sign for each series, so that colour is never the only difference."""
TICK_GAP = 44
"""Pixels between the middles of two numbers under an axis, at least."""

Place = Callable[[float], float]


@dataclass(frozen=True)
class Frame:
    """A chart's size in pixels, and the margins that its axes take."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def across(self) -> tuple[int, int]:
        """Pixels of the plot's left and right end."""
        return self.left, self.width - self.right

    @property
    def upwards(self) -> tuple[int, int]:
        """Pixels of the plot's lower and upper end."""
        return self.height - self.bottom, self.top


WIDE = Frame(720, 320, left=60, right=24, top=12, bottom=58)
"""Shown at half its size on a phone, with letters twice as large, for which there is room below the axis."""


@dataclass(frozen=True)
class Scale:
    """From values to pixels, linear or logarithmic; values beyond the ends lie on them."""

    low: float
    high: float
    pixels: tuple[float, float]
    is_log: bool = False

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        low, high, place = (math.log(one) if self.is_log else one for one in (self.low, self.high, inside))
        first, last = self.pixels
        # Between equal ends there is one place.
        return first + (last - first) * (place - low) / ((high - low) or 1.0)


def nice_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999))


def round_values(low: float, high: float, parts: int) -> list[float]:
    """Multiples of a nice step between two values, in about so many parts."""
    step = nice_step((high - low) / parts)
    return [round(step * n, 9) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def draw_title(text: str) -> str:
    """What a mark says to those who point at it."""
    return f"<title>{escape(text)}</title>"


def draw_line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line."""
    return f'<line class="{style}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def draw_words(x: float, y: float, text: str, anchor: str = "middle", style: str = "", title: str = "") -> str:
    """Words in a drawing: `start`, `middle` or `end` is at x."""
    marked = f'class="{style}" ' if style else ""
    inside = f"{escape(text)}{draw_title(title) if title else ''}"
    return f'<text {marked}x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{inside}</text>'


def draw_path(style: str, points: Iterable[tuple[float, float] | None]) -> str:
    """A line through points, broken where there is None; nothing where fewer than two are joined."""
    steps, pen = [], "M"
    for point in points:
        if point is not None:
            steps.append(f"{pen}{point[0]:.1f},{point[1]:.1f}")
        pen = "M" if point is None else "L"
    return f'<path class="{style}" d="{"".join(steps)}"/>' if len(steps) > 1 else ""


def draw_steps(style: str, points: Sequence[tuple[float, float]], right: float | None = None) -> str:
    """A line that stays level until the next point, and at the end up to `right`."""
    if not points:
        return ""
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:])
    return f'<path class="{style}" d="{path}{"" if right is None else f"H{right:.0f}"}"/>'


def draw_levels(frame: Frame, down: Place, levels: Sequence[float], write: Callable[[float], str]) -> str:
    """Lines across, with their numbers at the left."""
    left, right = frame.across
    return "".join(
        draw_line("oz-grid", left, down(level), right, down(level))
        + draw_words(left - 8, down(level) + 4, write(level), "end")
        for level in levels
    )


def write_levels(say: Language, levels: Sequence[float]) -> Callable[[float], str]:
    """Writes each level with as many decimals as tell it from the next."""
    step = min((after - before for before, after in pairwise(levels)), default=0.01)
    places = 2 if step >= 0.0099 else 3
    return lambda level: say.number(level, f".{places}f")


def draw_ticks(
    frame: Frame, across: Place, values: Sequence[float], write: Callable[[float], str], gap: float = TICK_GAP
) -> str:
    """Numbers under the axis, without those that would touch their neighbour."""
    drawn, last = "", -math.inf
    for value in values:
        if across(value) - last >= gap:
            last = across(value)
            drawn += draw_words(last, frame.upwards[0] + 20, write(value))
    return drawn


def draw_axis_names(frame: Frame, across: str, upwards: str = "") -> str:
    """What the axes are; the one upwards is turned."""
    (left, right), (low, high) = frame.across, frame.upwards
    turned = (
        f'<text class="oz-axis" transform="translate(14 {(low + high) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(upwards)}</text>"
    )
    return draw_words((left + right) / 2, frame.height - 6, across) + (turned if upwards else "")


def series_style(place: int) -> str:
    """The class that gives a series its colour."""
    return f"oz-series-{place % len(MARKS)}"


def series_mark(place: int) -> str:
    """The sign of a series."""
    return MARKS[place % len(MARKS)]


def draw_mark(place: int, x: float, y: float, title: str) -> str:
    """The sign of a series at a point."""
    return draw_words(x, y + 5, series_mark(place), style="oz-mark", title=title)


def draw_trace(place: int, dots: Sequence[tuple[float, float, str]], under: str = "") -> str:
    """A series: its dots (x, y, what one says when pointed at) joined by lines, above what is drawn `under` them."""
    path = "L".join(f"{x:.1f},{y:.1f}" for x, y, _ in dots)
    marks = "".join(draw_mark(place, *dot) for dot in dots)
    return f'<g class="{series_style(place)}"><path class="oz-trace" d="M{path}"/>{under}{marks}</g>'


def render_key(place: int, name: str = "") -> str:
    """The sign of a series in its colour, and its name."""
    return f'<span class="oz-key {series_style(place)}">{f"{series_mark(place)} {escape(name)}".strip()}</span>'


def render_legend(names: Iterable[str]) -> str:
    """Which sign is which series."""
    return "".join(render_key(place, name) for place, name in enumerate(names))


def draw_svg(frame: Frame, says: str, inside: str, style: str = "") -> str:
    """A drawing, with what it says to those who don't see it."""
    marked = f'class="{style}" ' if style else ""
    box = f'viewBox="0 0 {frame.width} {frame.height}"'
    return f'<svg {marked}{box} role="img" aria-label="{escape(says)}">{inside}</svg>'


def render_figure(drawing: str, caption: str, style: str = "") -> str:
    """A drawing with its caption, both HTML."""
    marked = f"oz-figure {style}".strip()
    return f'<figure class="{marked}">{drawing}<figcaption class="oz-note">{caption}</figcaption></figure>'
