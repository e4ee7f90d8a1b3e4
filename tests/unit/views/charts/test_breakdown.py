"""Figures by class and by language as bars with whiskers."""

from engine.data.tasks import SLANG
from engine.results.inspection import Figure
from gradio_app.languages import get_language
from gradio_app.views.charts import breakdown

ENGLISH, POLISH = get_language("en"), get_language("pl")


def test_bars_of_classes_are_as_long_as_their_figures_with_whiskers() -> None:
    figures = {name: [Figure(0.25, 0.1, 0.5, 8)] * 3 for name in breakdown.CLASS_FIGURES}
    html = breakdown.draw_classes(ENGLISH, {"one": figures, "two": figures}, SLANG.labels, "recall")
    assert html.count("<section") == 3
    assert html.count('style="width:25.0%"') == 6
    assert html.count('style="left:10.0%;width:40.0%"') == 6
    assert "Wilson" in html
    assert "8 test rows" in html


def test_languages_are_named_in_the_pages_language_and_left_out_where_there_is_one() -> None:
    figure = Figure(0.5, 0.4, 0.6, 31)
    assert "niemiecki" in breakdown.draw_languages(POLISH, {"a": {"de": figure, "pl": figure}})
    html = breakdown.draw_languages(ENGLISH, {"a": {"de": figure, "pl": figure}})
    assert "German<small>31</small>" in html
    assert breakdown.draw_languages(ENGLISH, {"a": {"pl": figure}, "b": {}}) == ""
