"""Bars: their lengths, their numbers and their names."""

from gradio_app.languages import get_language
from gradio_app.views.charts.bars import draw_bar, draw_shares

ENGLISH = get_language("en")


def test_without_importances_there_is_a_sentence() -> None:
    assert "at least four" in draw_shares(ENGLISH, {})


def test_the_largest_share_fills_its_bar() -> None:
    html = draw_shares(ENGLISH, {"lr": 0.5, "dropout": 0.25})
    assert "width:100.0%" in html
    assert "width:50.0%" in html
    assert "50.0\u00a0%" in html
    assert "12,5" in draw_shares(get_language("pl"), {"lr": 0.125})


def test_names_are_escaped() -> None:
    assert "<b>" not in draw_shares(ENGLISH, {"<b>": 1.0})


def test_a_bar_has_a_colour_only_where_it_is_given_one() -> None:
    assert 'class="oz-fill oz-positive"' in draw_bar("a", "1", 1.0, "oz-positive")
    assert 'class="oz-fill"' in draw_bar("a", "1", 1.0)
