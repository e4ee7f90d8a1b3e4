"""Quality against a cost: the front, the axes, and both sizes."""

import re

import pytest

from gradio_app.languages import get_language
from gradio_app.views.charts import scatter
from support.html import drawings

ENGLISH = get_language("en")


def points(*costs_and_qualities: tuple[float, float]) -> list[scatter.Point]:
    """Models named a, b, c…"""
    return [
        scatter.Point(chr(ord("a") + place), "scratch", cost, quality, quality - 0.03, quality + 0.03)
        for place, (cost, quality) in enumerate(costs_and_qualities)
    ]


def test_the_front_is_named_drawn_as_steps_and_marked() -> None:
    html = scatter.draw_scatter(
        ENGLISH, points((1, 0.5), (10, 0.7), (100, 0.6), (20, 0.65)), "ms", "accuracy", 0.4, ["late"]
    )
    assert "<b>a, b</b>" in html
    assert "Not measured, so not drawn: late." in html
    broad, slim = drawings(html)
    for drawing in (broad, slim):
        (front,) = [one for one in drawing.iter("path") if one.get("class") == "oz-front"]
        assert re.fullmatch(r"M[\d.]+,[\d.]+H[\d.]+V[\d.]+H\d+", front.get("d", ""))
        groups = [one for one in drawing.iter("g")]
        assert ["oz-on-front" in one.get("class", "") for one in groups] == [True, True, False, False]
        assert "majority class: 0.40" in [one.text for one in drawing.iter("text")]
        assert "best for what they cost: a, b" in drawing.get("aria-label", "")


def test_costs_go_right_in_equal_steps_for_equal_ratios_and_quality_goes_up() -> None:
    drawing = drawings(scatter.draw_scatter(ENGLISH, points((1, 0.5), (10, 0.6), (100, 0.7)), "ms", "accuracy", None))[
        0
    ]
    places = [
        tuple(map(float, re.findall(r"[\d.]+", one.get("transform", ""))))
        for one in drawing.iter("path")
        if one.get("class") == "oz-shape"
    ]
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0], abs=0.2)
    assert places[0][1] > places[1][1] > places[2][1]


def test_one_model_and_none_are_drawn() -> None:
    assert len(drawings(scatter.draw_scatter(ENGLISH, points((5, 0.5)), "ms", "accuracy", None))) == 2
    assert "Nothing is measured yet" in scatter.draw_scatter(ENGLISH, [], "ms", "accuracy", None)
