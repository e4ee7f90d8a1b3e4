"""Plots as SVG and HTML: pure functions over plain values, in the page's own colours, light and dark."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

from gradio_app.languages import Language, message
from gradio_app.views.wording import compact, foreign, name_figure, percent

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 42


STATES = {"complete": message("complete"), "pruned": message("pruned")}
"""How a trial ended, where it has a loss."""


MANY = 1000
"""More trials than this are drawn without a title each: only those that were the best so far keep theirs."""


def draw_history(
    say: Language, history: Sequence[Mapping[str, Any]], target: int, metric: str = "", maximize: bool = False
) -> str:
    """The value of every trial by number, and the best of the complete ones so far as a line.

    Args:
        say: The page's language.
        history: Rows with `number`, `state` (`complete` or `pruned`), `loss` and `best`, all finite.
        target: Trials that the study is to have; the axis reaches that far.
        metric: Words for the value, instead of the validation loss.
        maximize: Whether a larger value is better.
    """
    if not history:
        return f'<p class="oz-empty">{say("No trial has reported a loss yet.")}</p>'
    last = int(max(target - 1, *(row["number"] for row in history), 1))
    low, high = _range([row["loss"] for row in history], maximize)

    def across(number: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * number / last

    def down(loss: float) -> float:
        share: float = (min(max(loss, low), high) - low) / (high - low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    records = _records(history)
    line = ""
    if records:
        steps = [f"M{across(records[0]['number']):.1f},{down(records[0]['best']):.1f}"]
        steps += [f"H{across(row['number']):.1f}V{down(row['best']):.1f}" for row in records[1:]]
        line = f'<path class="oz-line" d="{"".join(steps)}H{across(history[-1]["number"]):.1f}"/>'
    dots = _dots(say, history if len(history) <= MANY else records, across, down)
    if len(history) > MANY:
        dots = "".join(_bare_dots(state, history, across, down) for state in ("pruned", "complete")) + dots
    says = _describe_history(say, len(history), records[-1]["best"] if records else None, metric)
    best = say("highest so far.") if maximize else say("lowest so far.")
    edge = (
        say("Values below the axis lie on its lower edge.")
        if maximize
        else say("Losses above the axis lie on its upper edge.")
    )
    return (
        f'<figure class="oz-figure"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">'
        f"{_axes(say, low, high, last, across, down, metric)}{dots}{line}</svg>"
        f'<figcaption class="oz-note"><span class="oz-key oz-complete">●</span> {say("complete")} '
        f'<span class="oz-key oz-pruned">○</span> {say("pruned, last reported loss")} '
        f'<span class="oz-key oz-lowest">━</span> {best} {edge}</figcaption></figure>'
    )


def _records(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The trials that were the best so far when they ended."""
    found: list[Mapping[str, Any]] = []
    for row in history:
        if row["best"] is not None and (not found or row["best"] != found[-1]["best"]):
            found.append(row)
    return found


def _dots(say: Language, rows: Sequence[Mapping[str, Any]], across: Any, down: Any) -> str:
    return "".join(
        f'<circle class="oz-{escape(row["state"])}" cx="{across(row["number"]):.1f}" cy="{down(row["loss"]):.1f}" '
        f'r="{3.2 if row["state"] == "complete" else 2.2}"><title>{_title(say, row)}</title></circle>'
        for row in sorted(rows, key=lambda row: row["state"] == "complete")
    )


def _bare_dots(state: str, rows: Sequence[Mapping[str, Any]], across: Any, down: Any) -> str:
    """Dots of one state as one path of lines without length, one a pixel: a page of thousands stays light."""
    places = {(round(across(row["number"])), round(down(row["loss"]))) for row in rows if row["state"] == state}
    marks = "".join(f"M{x},{y}h0" for x, y in sorted(places))
    return f'<path class="oz-dots oz-{state}" d="{marks}"/>' if marks else ""


def _describe_history(say: Language, count: int, best: float | None, metric: str) -> str:
    if metric:
        words = say.plural("{metric} of {n} trial", "{metric} of {n} trials", count, metric=metric)
        return words if best is None else f"{words}; {say('the best is {value}', value=say.number(best, '.6g'))}"
    if best is None:
        return say.plural("Validation loss of {n} trial", "Validation loss of {n} trials", count)
    return say.plural(
        "Validation loss of {n} trial; the lowest is {loss}",
        "Validation loss of {n} trials; the lowest is {loss}",
        count,
        loss=say.number(best, ".4f"),
    )


def _title(say: Language, row: Mapping[str, Any]) -> str:
    state = say(STATES[row["state"]]) if row["state"] in STATES else row["state"]
    loss = say.number(row["loss"], ".4f")
    return escape(say("trial {number}, {state}: {loss}", number=row["number"], state=state, loss=loss))


def draw_shares(say: Language, shares: Mapping[str, float], complete: int = 0) -> str:
    """Shares that add up to one, as bars, largest first.

    Args:
        say: The page's language.
        shares: Setting → share.
        complete: Trials that they are of.
    """
    if not shares and complete >= 4:
        return f'<p class="oz-empty">{say("No setting stands out.")}</p>'
    if not shares:
        return f'<p class="oz-empty">{say("Importances need at least four complete trials.")}</p>'
    largest = max(shares.values()) or 1.0
    bars = "".join(
        f'<div class="oz-bar"><span>{foreign(name)}</span><span class="oz-share">{percent(say, share, 1)}</span>'
        f'<span class="oz-track"><span class="oz-fill oz-positive" style="width:{share / largest:.1%}"></span></span>'
        "</div>"
        for name, share in shares.items()
    )
    return f'<div class="oz-bars">{bars}</div>'


def _range(values: Sequence[float], maximize: bool = False) -> tuple[float, float]:
    """From beyond the best value to what nineteen in twenty reach, and no further than thrice the way to the median.

    So neither a few that diverge nor many that were pruned early flatten the rest.
    """
    sign = -1.0 if maximize else 1.0
    ranked = sorted(sign * value for value in values)
    best, most = ranked[0], ranked[math.ceil(0.95 * len(ranked)) - 1]
    usual = ranked[len(ranked) // 2] - best
    if usual > 0:
        most = min(most, best + 3 * usual)
    # Half a thousandth of the size, where all are alike: numbers far from zero have few digits left for less.
    margin = max((most - best) * 0.06, 0.005, abs(best) * 5e-4)
    low, high = best - margin, most + margin
    return (-high, -low) if maximize else (low, high)


def _axes(say: Language, low: float, high: float, last: int, across: Any, down: Any, metric: str) -> str:
    every = max(1, round(_nice((last + 1) / 6)))
    ticks = "".join(
        f'<text x="{across(number):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number}</text>'
        for number in range(0, last + 1, every)
    )
    return _levels(say, low, high, down) + ticks + _names(say("trial"), metric or say("validation loss"))


def _levels(say: Language, low: float, high: float, down: Any) -> str:
    """Lines across at round values, with their numbers."""
    step = _nice((high - low) / 8)
    levels = [round(step * place, 6) for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
    places = 2 if step >= 0.01 else 3
    return "".join(
        f'<line class="oz-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(level):.1f}" y2="{down(level):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{down(level) + 4:.1f}" text-anchor="end">{say.number(level, f".{places}f")}</text>'
        for level in levels
    )


def _names(across: str, upwards: str) -> str:
    """What the axes are."""
    return (
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
        f'<text class="oz-axis" transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(upwards)}</text>'
    )


def _nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999))


APART = 6
"""Between two lines at one place."""
MARKS = ("●", "■", "▲", "◆", "▼", "✚")
"""A sign for each line, so that colour is never the only difference."""


def draw_curves(say: Language, lines: Mapping[str, Sequence[Mapping[str, Any]]], figure: str, across_name: str) -> str:
    """Lines over a logarithmic axis, each place with its interval; a place at zero stands at the left edge.

    Args:
        say: The page's language.
        lines: Series → rows with `x`, the figure and `FIGURE_half`.
        figure: Key of what is drawn upwards.
        across_name: Words for the axis.
    """
    rows = [row for line in lines.values() for row in line]
    if not rows:
        return f'<p class="oz-empty">{say("Nothing is measured yet.")}</p>'
    ends = [row[figure] + sign * (row[f"{figure}_half"] or 0.0) for row in rows for sign in (-1, 1)]
    middle = [row[figure] for row in rows]
    # An interval of three seeds may be wider than all that there is to see; the means set the frame.
    margin = max(0.25 * (max(middle) - min(middle)), 0.02)
    low, high = max(min(ends), min(middle) - margin), min(max(ends), max(middle) + margin)
    low, high = low - 0.01, high + 0.01
    places = sorted({row["x"] for row in rows})
    positive = [x for x in places if x > 0] or [1.0]
    zero = 0.12 if places[0] <= 0 else 0.0
    span = math.log(positive[-1] / positive[0]) or 1.0

    def across(x: float) -> float:
        share = zero + (1 - zero) * math.log(x / positive[0]) / span if x > 0 else 0.0
        return LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * share

    def down(value: float) -> float:
        share: float = (min(max(value, low), high) - low) / (high - low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    def aside(place: int) -> Any:
        # Beside each other, so that their intervals can be told apart.
        return lambda x: across(x) + APART * (place - (len(lines) - 1) / 2)

    drawn = "".join(
        _line(say, name, line, figure, place, aside(place), down) for place, (name, line) in enumerate(lines.items())
    )
    upwards = name_figure(say, figure)
    says = say("{figure} against {across}, for {series}", figure=upwards, across=across_name, series=", ".join(lines))
    inside = (
        f"{_levels(say, low, high, down)}{_places(places, across, partial(compact, say))}"
        f"{_names(across_name, upwards)}{drawn}"
    )
    return _with_legend(inside, says, list(lines))


def _with_legend(inside: str, says: str, names: Sequence[str]) -> str:
    """A figure of several series: its drawing, what it says to those who hear it, and which sign is which series."""
    legend = "".join(
        f'<span class="oz-key {_style(place)}">{_sign(place)} {escape(name)}</span>' for place, name in enumerate(names)
    )
    return (
        f'<figure class="oz-figure oz-curve"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(says)}">{inside}</svg><figcaption class="oz-note">{legend}</figcaption></figure>'
    )


def _style(place: int) -> str:
    return f"oz-series-{place % len(MARKS)}"


def _sign(place: int) -> str:
    return MARKS[place % len(MARKS)]


def _trace(dots: Sequence[tuple[float, float, str]], place: int, bars: str = "") -> str:
    """A series: its dots (x, y, what one says when pointed at) joined by lines, under them `bars`."""
    path = "L".join(f"{x:.1f},{y:.1f}" for x, y, _ in dots)
    marks = "".join(
        f'<text class="oz-mark" x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle">{_sign(place)}'
        f"<title>{escape(title)}</title></text>"
        for x, y, title in dots
    )
    return f'<g class="{_style(place)}"><path class="oz-trace" d="M{path}"/>{bars}{marks}</g>'


def _line(
    say: Language,
    name: str,
    line: Sequence[Mapping[str, Any]],
    figure: str,
    place: int,
    across: Any,
    down: Any,
) -> str:
    half = f"{figure}_half"
    bars = "".join(
        f'<line class="oz-whisker" x1="{across(row["x"]):.1f}" x2="{across(row["x"]):.1f}" '
        f'y1="{down(row[figure] - row[half]):.1f}" y2="{down(row[figure] + row[half]):.1f}"/>'
        for row in line
        if row[half] is not None
    )
    dots = [(across(row["x"]), down(row[figure]), _at(say, name, row, figure)) for row in line]
    return _trace(dots, place, bars)


def _at(say: Language, name: str, row: Mapping[str, Any], figure: str) -> str:
    """What stands at a place, for those who point at it."""
    half = row[f"{figure}_half"]
    value = say.number(row[figure], ".3f") + ("" if half is None else f" ± {say.number(half, '.3f')}")
    seeds = say.plural("{n} seed", "{n} seeds", row["seeds"])
    return say("{name} at {x}: {value} ({seeds})", name=name, x=say.number(row["x"], ",.0f"), value=value, seeds=seeds)


def draw_growth(
    say: Language, series: Mapping[str, Sequence[Sequence[float]]], across_name: str, upwards: str, linear: bool
) -> str:
    """How something grows: points (x, y) of each series joined by lines, on logarithmic or linear axes.

    Args:
        say: The page's language.
        series: Name → points, in order of x; above zero unless `linear`.
        across_name: Words for the axis across.
        upwards: Words for the axis upwards.
        linear: Whether both axes begin at zero, instead of being logarithmic.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return f'<p class="oz-empty">{escape(say("Nothing is measured yet."))}</p>'
    xs, ys = [x for x, _ in points], [y for _, y in points]
    levels = _round_levels(min(ys), max(ys), linear)
    across = _axis((0.0 if linear else min(xs), float(max(xs)) or 1.0), (LEFT + 14, WIDTH - RIGHT - 14), linear)
    down = _axis((levels[0], levels[-1]), (HEIGHT - BOTTOM, TOP), linear)
    grid = "".join(
        f'<line class="oz-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(level):.1f}" y2="{down(level):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{down(level) + 4:.1f}" text-anchor="end">{say.written(_plain(level))}</text>'
        for level in levels
    )
    drawn = ""
    for place, (name, line) in enumerate(series.items()):
        titles = (
            say("{name} at {x}: {y}", name=name, x=say.number(x, ",.0f"), y=say.written(_plain(y))) for x, y in line
        )
        drawn += _trace([(across(x), down(y), title) for (x, y), title in zip(line, titles, strict=True)], place)
    says = say("{upwards} by {across}, for {names}", upwards=upwards, across=across_name, names=", ".join(series))
    inside = f"{grid}{_places(sorted(set(xs)), across, partial(compact, say))}{_names(across_name, '')}{drawn}"
    return _with_legend(inside, says, list(series))


def _axis(ends: tuple[float, float], pixels: tuple[float, float], linear: bool) -> Callable[[float], float]:
    """From values to pixels; between equal ends there is one place."""
    scale: Callable[[float], float] = float if linear else math.log
    low, high = scale(ends[0]), scale(ends[1])

    def place(value: float) -> float:
        return pixels[0] + (pixels[1] - pixels[0]) * (scale(value) - low) / ((high - low) or 1.0)

    return place


def _round_levels(low: float, high: float, linear: bool) -> list[float]:
    """Round values from below the lowest to above the highest."""
    if linear:
        step = _nice(high / 5)
        return [step * place for place in range(math.ceil(high / step) + 1)]
    steps = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    first = max(place for place, step in enumerate(steps) if step <= low * 1.001)
    last = min((place for place, step in enumerate(steps) if step >= high * 0.999), default=len(steps) - 1)
    every = 1 if last - first <= 7 else 3
    return steps[first : last + 1 : every] + ([] if (last - first) % every == 0 else [steps[last]])


def _plain(value: float) -> str:
    """A number with three digits at most that matter."""
    if value >= 1000:
        return short_count(value)
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _places(places: Sequence[float], across: Any, write: Callable[[float], str]) -> str:
    """Words under the places, leaving out those that would touch their neighbour."""
    shown, last = [], -math.inf
    for x in places:
        if across(x) - last >= 34:
            shown.append(x)
            last = across(x)
    return "".join(
        f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{write(x)}</text>' for x in shown
    )


def short_count(x: float) -> str:
    """1,000 as `1k`, 2,097,152 as `2.1M`."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if x >= size:
            return f"{x / size:.1f}".removesuffix(".0") + letter
    return f"{x:.0f}"
