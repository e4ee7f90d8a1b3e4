"""Plots as SVG and HTML, from plain values."""

import math
import re
from xml.etree import ElementTree

import pytest

from gradio_app.languages import get_language
from gradio_app.views import plots
from gradio_app.views.growth import render_growth
from gradio_app.views.plots import draw_curves, draw_history, draw_shares, short_count

ENGLISH = get_language("en")
SVG = "{http://www.w3.org/2000/svg}"

ENGLISH = get_language("en")


def row(number: int, loss: float, state: str = "complete", best: float | None = None) -> dict[str, object]:
    """A trial of a history."""
    return {"number": number, "state": state, "loss": loss, "best": best if best is not None else loss}


def drawing(html: str) -> ElementTree.Element:
    """The SVG of a plot, parsed, so that it must be well formed."""
    found = re.search(r"<svg.*</svg>", html, re.S)
    assert found
    return ElementTree.fromstring(found.group())  # noqa: S314 (our own output)


def test_every_trial_is_a_dot_with_its_number_and_loss() -> None:
    rows = [row(0, 0.9), row(1, 1.1, "pruned", 0.9), row(2, 0.8)]
    dots = list(drawing(draw_history(ENGLISH, rows, 10)).iter("circle"))
    assert len(dots) == 3
    titles = {dot.find("title").text for dot in dots}  # type: ignore[union-attr]
    assert titles == {"trial 0, complete: 0.9000", "trial 1, pruned: 1.1000", "trial 2, complete: 0.8000"}


def test_a_lower_loss_lies_lower_and_a_later_trial_further_right() -> None:
    dots = list(drawing(draw_history(ENGLISH, [row(0, 0.9), row(5, 0.7)], 10)).iter("circle"))
    first, second = sorted(dots, key=lambda dot: float(dot.get("cx", 0)))
    assert float(second.get("cy", 0)) > float(first.get("cy", 0))


def test_the_axis_reaches_to_the_trials_that_are_still_to_come() -> None:
    (dot,) = drawing(draw_history(ENGLISH, [row(50, 0.7)], 101)).iter("circle")
    assert 350 < float(dot.get("cx", 0)) < 420


@pytest.mark.parametrize("count", [1, 2, 30, 500])
def test_nothing_lies_outside_the_frame(count: int) -> None:
    losses = [1.1 - 0.4 * math.sin(number) ** 2 + (50 if number % 40 == 7 else 0) for number in range(count)]
    element = drawing(draw_history(ENGLISH, [row(n, loss) for n, loss in enumerate(losses)], count))
    _, _, width, height = (float(part) for part in element.get("viewBox", "").split())
    for dot in element.iter("circle"):
        assert 0 <= float(dot.get("cx", -1)) <= width
        assert 0 <= float(dot.get("cy", -1)) <= height


def test_equal_losses_can_be_drawn() -> None:
    assert len(list(drawing(draw_history(ENGLISH, [row(n, 0.5) for n in range(4)], 4)).iter("circle"))) == 4


def test_pruned_trials_alone_have_no_line() -> None:
    rows = [{"number": 0, "state": "pruned", "loss": 1.0, "best": None}]
    assert not list(drawing(draw_history(ENGLISH, rows, 3)).iter("path"))


def test_the_picture_says_in_words_what_it_shows() -> None:
    element = drawing(draw_history(ENGLISH, [row(0, 0.91234)], 3))
    assert element.get("role") == "img"
    assert element.get("aria-label") == "Validation loss of 1 trial; the lowest is 0.9123"


def test_without_trials_there_is_a_sentence() -> None:
    assert "No trial has reported" in draw_history(ENGLISH, [], 10)
    assert "at least four" in draw_shares(ENGLISH, {})


def test_numbers_and_words_of_a_plot_are_those_of_its_language() -> None:
    html = draw_history(get_language("pl"), [row(0, 0.91), row(1, 1.1, "pruned", 0.91)], 10)
    assert "0,9100" in html
    assert "0.9100" not in html
    assert "12,5" in draw_shares(get_language("pl"), {"lr": 0.125})


def test_a_complete_trial_and_a_pruned_one_differ_by_more_than_their_colour() -> None:
    html = draw_history(ENGLISH, [row(0, 0.9), row(1, 1.1, "pruned", 0.9)], 10)
    assert "●</span> complete" in html
    assert "○</span> pruned" in html


def test_the_largest_share_fills_its_bar() -> None:
    html = draw_shares(ENGLISH, {"lr": 0.5, "dropout": 0.25})
    assert "width:100.0%" in html
    assert "width:50.0%" in html
    assert "50.0%" in html


def test_names_are_escaped() -> None:
    assert "<b>" not in draw_shares(ENGLISH, {"<b>": 1.0})


def place(x: float, accuracy: float, half: float = 0.02) -> dict[str, object]:
    """A place on a curve."""
    return {"x": x, "accuracy": accuracy, "accuracy_half": half, "seeds": 3}


def test_a_curve_has_a_line_a_sign_and_a_legend_for_each_series() -> None:
    html = draw_curves(
        ENGLISH, {"scratch": [place(50, 0.5), place(1000, 0.6)], "<b>": [place(50, 0.7)]}, "accuracy", "rows"
    )
    element = drawing(html)
    assert len(list(element.iter("path"))) == 2
    titles = [one.text for one in element.iter("title")]
    assert titles == [
        "scratch at 50: 0.500 ± 0.020 (3 seeds)",
        "scratch at 1,000: 0.600 ± 0.020 (3 seeds)",
        "<b> at 50: 0.700 ± 0.020 (3 seeds)",
    ]
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count("●") == 3
    assert html.count("■") == 2


def test_the_axis_of_a_curve_is_logarithmic_and_zero_stands_at_its_left() -> None:
    element = drawing(draw_curves(ENGLISH, {"a": [place(x, 0.5) for x in (0, 1e6, 1e7, 1e8)]}, "accuracy", "tokens"))
    marks = [float(one.get("x", 0)) for one in element.iter("text") if one.get("class") == "oz-mark"]
    assert marks[0] < marks[1]
    assert marks[2] - marks[1] == pytest.approx(marks[3] - marks[2], abs=0.2)
    shown = [one.text for one in element.iter("text")]
    assert {"0", "1M", "10M", "100M"} <= set(shown)


def test_an_interval_wider_than_the_figure_stays_inside_it() -> None:
    element = drawing(draw_curves(ENGLISH, {"a": [place(50, 0.5, 5.0), place(100, 0.6, 0.01)]}, "accuracy", "rows"))
    _, _, width, height = (float(part) for part in element.get("viewBox", "").split())
    for line in element.iter("line"):
        assert 0 <= float(line.get("x1", 0)) <= width
        assert 0 <= float(line.get("y1", 0)) <= height
        assert 0 <= float(line.get("y2", 0)) <= height


def test_a_curve_of_one_place_and_of_none_are_drawn() -> None:
    assert "<svg" in draw_curves(ENGLISH, {"a": [place(50, 0.5)]}, "accuracy", "rows")
    assert "Nothing is measured yet" in draw_curves(ENGLISH, {}, "accuracy", "rows")


@pytest.mark.parametrize(("count", "said"), [(0, "0"), (50, "50"), (4337, "4.3k"), (28000, "28k"), (2_097_152, "2.1M")])
def test_counts_are_short(count: float, said: str) -> None:
    assert short_count(count) == said


GROWTH = {
    "axes": {"length": ("tokens of a text", "ms"), "models": ("models open", "MB resident")},
    "exponents": {"length": {"<b>": 1.25}, "models": {"slang": 0.4}},
    "machine": {"device_name": "a <fast> one"},
    "series": {"length": {"<b>": [[8, 0.2], [256, 4.0]]}, "models": {"slang": [[0, 300.0], [3, 480.0]]}},
}


def test_growth_is_drawn_from_the_first_to_the_last_point_and_told_in_words() -> None:
    html = render_growth(ENGLISH, GROWTH)
    assert html.count("<svg") == 2
    assert "by the text" in html
    assert "1.25" in html
    assert "180 MB for 3 models, on top of 300 MB" in html
    assert "<b>" not in html
    assert "<fast>" not in html


@pytest.mark.parametrize(("low", "high"), [(0.2, 4.0), (3.0, 3.0), (0.001, 90_000.0)])
def test_levels_are_round_and_reach_beyond_both_ends(low: float, high: float) -> None:
    levels = plots._round_levels(low, high, linear=False)
    assert levels[0] <= low * 1.001
    assert levels[-1] >= high * 0.999
    assert levels == sorted(levels)
    assert len(levels) <= 10
    linear = plots._round_levels(low, high, linear=True)
    assert linear[0] == 0
    assert linear[-1] >= high


def test_points_lie_inside_the_frame() -> None:
    html = plots.draw_growth(ENGLISH, {"one": [(1, 0.5), (1000, 70.0)]}, "rows", "s", linear=False)
    marks = [(float(x), float(y)) for x, y in re.findall(r'class="oz-mark" x="([\d.]+)" y="([\d.]+)"', html)]
    assert len(marks) == 2
    assert all(plots.LEFT <= x <= plots.WIDTH and 0 <= y <= plots.HEIGHT for x, y in marks)
    # More is further right and higher up.
    assert marks[1][0] > marks[0][0]
    assert marks[1][1] < marks[0][1]
