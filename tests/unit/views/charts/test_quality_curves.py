"""Quality against an amount of data: lines, intervals, signs and a logarithmic axis."""

import pytest

from gradio_app.languages import get_language
from gradio_app.views.charts.curves import draw_curves
from support.html import drawing

ENGLISH = get_language("en")


def place(x: float, accuracy: float, half: float = 0.02) -> dict[str, object]:
    """A place on a curve."""
    return {"x": x, "accuracy": accuracy, "accuracy_half": half, "seeds": 3}


def test_a_curve_has_a_line_a_sign_and_a_legend_for_each_series() -> None:
    html = draw_curves(
        ENGLISH, {"scratch": [place(50, 0.5), place(1000, 0.6)], "<b>": [place(50, 0.7)]}, "accuracy", "rows"
    )
    element = drawing(html)
    assert len(list(element.iter("path"))) == 2
    titles = [(one.text or "").replace("\u00a0", " ") for one in element.iter("title")]
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
