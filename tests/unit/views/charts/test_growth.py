"""How cost grows: points, round levels, and what is said of them."""

import re

import pytest

from gradio_app.languages import get_language
from gradio_app.views.charts.growth import draw_growth, enclosing_levels
from gradio_app.views.charts.svg import WIDE
from gradio_app.views.growth import render_growth

ENGLISH = get_language("en")


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
    levels = enclosing_levels(low, high, linear=False)
    assert levels[0] <= low * 1.001
    assert levels[-1] >= high * 0.999
    assert levels == sorted(levels)
    assert len(levels) <= 10
    linear = enclosing_levels(low, high, linear=True)
    assert linear[0] == 0
    assert linear[-1] >= high


def test_points_lie_inside_the_frame() -> None:
    html = draw_growth(ENGLISH, {"one": [(1, 0.5), (1000, 70.0)]}, "rows", "s", linear=False)
    marks = [(float(x), float(y)) for x, y in re.findall(r'class="oz-mark" x="([\d.]+)" y="([\d.]+)"', html)]
    assert len(marks) == 2
    assert all(WIDE.left <= x <= WIDE.width and 0 <= y <= WIDE.height for x, y in marks)
    # More is further right and higher up.
    assert marks[1][0] > marks[0][0]
    assert marks[1][1] < marks[0][1]
