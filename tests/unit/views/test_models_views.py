"""The Models tab's drawings: what is in them, that names don't overlap, and that nothing gets in unescaped."""

import re
import xml.etree.ElementTree as xml
from typing import Any

import numpy as np
import pytest

from engine.data.tasks import NLI, SLANG
from engine.paths import Places
from engine.results.inspection import Figure, Mistake
from gradio_app.context import Context, open_context
from gradio_app.handlers import models
from gradio_app.languages import get_language
from gradio_app.views import breakdown, confusion, labels, mistakes, scatter, significance
from gradio_app.views.labels import place_labels
from gradio_app.views.sections import render_heading, render_jumps

ENGLISH, POLISH = get_language("en"), get_language("pl")
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


def points(*costs_and_qualities: tuple[float, float]) -> list[scatter.Point]:
    """Models named a, b, c…"""
    return [
        scatter.Point(chr(ord("a") + place), "scratch", cost, quality, quality - 0.03, quality + 0.03)
        for place, (cost, quality) in enumerate(costs_and_qualities)
    ]


def svgs(html: str) -> list[xml.Element]:
    """The drawings."""
    return [xml.fromstring(one) for one in re.findall(r"<svg class=\"oz-(?:broad|slim).*?</svg>", html, re.DOTALL)]  # noqa: S314


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes share an area."""
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


@pytest.mark.parametrize("seed", range(6))
def test_fourteen_names_in_a_crowd_lie_on_no_other_name_and_no_point(seed: int) -> None:
    generator = np.random.default_rng(seed)
    around = generator.normal((200, 150), (70, 60), (14, 2))
    places = [(float(x), float(y)) for x, y in np.clip(around, (60, 30), (520, 320))]
    sizes = [(float(7 * generator.integers(5, 14)), 15.0) for _ in places]
    placed = place_labels(places, sizes, (46, 12, 548, 336))
    boxes = [one.box for one in placed]
    for one in range(14):
        left, top, right, bottom = boxes[one]
        assert left >= 45.9
        assert right <= 548.1
        assert top >= 11.9
        assert bottom <= 336.1
        assert (right - left, bottom - top) == pytest.approx(sizes[one])
        for other in range(one):
            assert not overlap(boxes[one], boxes[other])
        for other, (x, y) in enumerate(places):
            assert other == one or not overlap(boxes[one], (x - 4, y - 4, x + 4, y + 4))


def test_a_lonely_name_stands_beside_its_point_without_a_line() -> None:
    (label,) = place_labels([(100, 100)], [(40, 15)], (0, 0, 300, 300))
    assert not label.leads
    assert label.box[0] - 100 == pytest.approx(labels.DISTANCES[0])


def test_the_front_is_named_drawn_as_steps_and_marked() -> None:
    html = scatter.draw_scatter(
        ENGLISH, points((1, 0.5), (10, 0.7), (100, 0.6), (20, 0.65)), "ms", "accuracy", 0.4, ["late"]
    )
    assert "<b>a, b</b>" in html
    assert "Not measured, so not drawn: late." in html
    broad, slim = svgs(html)
    for drawing in (broad, slim):
        (front,) = [one for one in drawing.iter("path") if one.get("class") == "oz-front"]
        assert re.fullmatch(r"M[\d.]+,[\d.]+H[\d.]+V[\d.]+H\d+", front.get("d", ""))
        groups = [one for one in drawing.iter("g")]
        assert ["oz-on-front" in one.get("class", "") for one in groups] == [True, True, False, False]
        assert "majority class: 0.40" in [one.text for one in drawing.iter("text")]
        assert "best for what they cost: a, b" in drawing.get("aria-label", "")


def test_costs_go_right_in_equal_steps_for_equal_ratios_and_quality_goes_up() -> None:
    drawing = svgs(scatter.draw_scatter(ENGLISH, points((1, 0.5), (10, 0.6), (100, 0.7)), "ms", "accuracy", None))[0]
    places = [
        tuple(map(float, re.findall(r"[\d.]+", one.get("transform", ""))))
        for one in drawing.iter("path")
        if one.get("class") == "oz-shape"
    ]
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0], abs=0.2)
    assert places[0][1] > places[1][1] > places[2][1]


def test_one_model_and_none_are_drawn() -> None:
    assert len(svgs(scatter.draw_scatter(ENGLISH, points((5, 0.5)), "ms", "accuracy", None))) == 2
    assert "Nothing is measured yet" in scatter.draw_scatter(ENGLISH, [], "ms", "accuracy", None)


def test_names_from_outside_are_escaped_in_every_drawing() -> None:
    point = scatter.Point(SCRIPT, "frozen", 1.0, 0.5, 0.4, 0.6)
    row = {"model": SCRIPT, "confusion": [[1, 0, 0]] * 3}
    tests = [
        {
            "first": SCRIPT,
            "second": "b",
            "difference": 0.1,
            "only_first_right": 3,
            "only_second_right": 1,
            "p": 0.2,
            "p_holm": 0.2,
        }
    ]
    figure = Figure(0.5, 0.4, 0.6, 10)
    mistake = Mistake("1", 0, 1, 0.9, 0.1, SCRIPT, (SCRIPT, "${7*7}"))
    for html in (
        scatter.draw_scatter(ENGLISH, [point], "ms", "accuracy", None, [SCRIPT]),
        confusion.render_confusions(ENGLISH, [row], SLANG.labels),
        significance.render_significance(ENGLISH, [row, {"model": "b"}], tests),
        breakdown.render_classes(
            ENGLISH, {SCRIPT: {name: [figure] * 3 for name in breakdown.CLASS_FIGURES}}, SLANG.labels, "f1"
        ),
        breakdown.render_languages(ENGLISH, {SCRIPT: {"pl": figure, SCRIPT: figure}}),
        mistakes.render_mistakes(ENGLISH, NLI, [mistake], 10, 20),
    ):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_a_confusion_matrix_is_shares_of_rows_with_counts_to_point_at() -> None:
    row = {"model": "scratch", "confusion": [[3, 1, 0], [0, 8, 2], [0, 0, 0]]}
    html = confusion.render_confusions(ENGLISH, [row], SLANG.labels)
    table = xml.fromstring(re.search(r"<table.*</table>", html, re.DOTALL).group())  # type: ignore[union-attr]  # noqa: S314
    assert table.findtext("caption") == "scratch"
    lines = [[cell.text for cell in line.findall("td")] for line in table.findall("tbody/tr")]
    assert lines == [["75 %", "25 %", "0 %"], ["0 %", "80 %", "20 %"], ["–", "–", "–"]]
    assert "3 of 4 test rows" in html
    assert [one.get("scope") for one in table.findall("thead/tr/th")] == ["col"] * 3
    assert [one.get("scope") for one in table.findall("tbody/tr/th")] == ["row"] * 3
    assert html.count('class="oz-right"') == 2


def test_a_clear_difference_has_a_sign_seen_from_both_sides_and_an_unclear_one_none() -> None:
    def test(first: str, second: str, difference: float, p: float) -> dict[str, Any]:
        counts = {"only_first_right": 30, "only_second_right": 10}
        return {"first": first, "second": second, "difference": difference, "p": p / 3, "p_holm": p, **counts}

    tests = [test("a", "b", 0.081, 0.0004), test("a", "c", 0.02, 0.3), test("b", "c", -0.06, 0.05)]
    rows = [{"model": name} for name in "abc"]
    html = significance.render_significance(ENGLISH, rows, tests)
    lines = re.findall(r'<tr><th scope="row">(.)</th>(.*?)</tr>', html)
    cells = {
        (name, other): re.sub("<.*?>", " ", cell)
        for name, line in lines
        for other, cell in zip("abc", re.findall(r"<td(?: .*?)?>.*?</td>", line), strict=True)
    }
    assert "▲" in cells["a", "b"]
    assert "+8.1" in cells["a", "b"]
    assert "p &lt; 0.001" in cells["a", "b"]
    assert "clearly better" in cells["a", "b"]
    assert "▼" in cells["b", "a"]
    assert "−8.1" in cells["b", "a"]
    for pair in (("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")):
        assert "▲" not in cells[pair]
        assert "▼" not in cells[pair]
    assert "1 of 3 pairs differ" in html
    assert "b alone is right on 10 test rows, a alone on 30" in html
    assert "At least two models" in significance.render_significance(ENGLISH, rows[:1], [])


def test_bars_of_classes_are_as_long_as_their_figures_with_whiskers() -> None:
    figures = {name: [Figure(0.25, 0.1, 0.5, 8)] * 3 for name in breakdown.CLASS_FIGURES}
    html = breakdown.render_classes(ENGLISH, {"one": figures, "two": figures}, SLANG.labels, "recall")
    assert html.count("<section") == 3
    assert html.count('style="width:25.0%"') == 6
    assert html.count('style="left:10.0%;width:40.0%"') == 6
    assert "Wilson" in html
    assert "8 test rows" in html


def test_languages_are_named_in_the_pages_language_and_left_out_where_there_is_one() -> None:
    figure = Figure(0.5, 0.4, 0.6, 31)
    assert "niemiecki" in breakdown.render_languages(POLISH, {"a": {"de": figure, "pl": figure}})
    html = breakdown.render_languages(ENGLISH, {"a": {"de": figure, "pl": figure}})
    assert "German<small>31</small>" in html
    assert breakdown.render_languages(ENGLISH, {"a": {"pl": figure}, "b": {}}) == ""


def test_a_mistake_shows_its_text_its_truth_and_how_sure_the_model_was() -> None:
    one = Mistake("1", 2, 0, 0.912, 0.04, "", ("no i sztos",))
    html = mistakes.render_mistakes(ENGLISH, SLANG, [one] * 12, 10, 329)
    assert html.count("<li>") == 10
    assert "12 of 329 test rows were answered wrong; these are the 10" in html
    assert "<blockquote lang=\"pl\" dir='auto'>no i sztos</blockquote>" in html
    assert re.search(r"Answered <b>.*?negative</b> 91 %; right is <b>.*?positive</b> 4 %", html)
    assert "no mistake" in mistakes.render_mistakes(ENGLISH, SLANG, [], 10, 329)


def test_jumps_lead_to_the_headings_that_are_there() -> None:
    html = render_jumps(ENGLISH, models_sections := [("table", "Test figures"), ("mistakes", "Surest <mistakes>")])
    for name, title in models_sections:
        assert f'href="#part-{name}"' in html
        assert f'id="part-{name}"' in render_heading(ENGLISH, name, title)
    assert "<mistakes>" not in html


def test_every_part_is_shown_for_trained_models(context: Context) -> None:
    for task in ("slang", "nli"):
        about = (context, ENGLISH, task, None)
        names = [one.name for one in context.registry.models(task)]
        for html in (models.show_confusions(*about), models.show_significance(*about)):
            assert all(name in html for name in names)
        assert models.show_classes(*about, "recall").count("<section") == 3
        plots = models.show_tradeoffs(*about, "accuracy", "p50_ms", "total_parameters")
        assert len(svgs(plots)) == 4
        assert "majority class" in plots
    assert models.show_languages(context, ENGLISH, "slang", None) == ""
    assert models.show_languages(context, ENGLISH, "nli", None).count("<section") == 4


def test_mistakes_can_be_read_page_by_page(context: Context) -> None:
    about = (context, ENGLISH, "nli", None)
    assert set(models.readable_models(*about)) == {"majority", "tfidf", "scratch", "scratch-b"}
    assert models.readable_models(*about)[-1] == "majority"
    first, more = models.show_mistakes(*about, "tfidf", 10)
    assert first.count("<li>") == 10
    assert more
    second, _ = models.show_mistakes(*about, "tfidf", 20)
    assert second.count("<li>") == 20
    ending = first.index("<li>"), first.index("</ol>")
    assert first[ending[0] : ending[1]] in second, "what was read stays where it was"


@pytest.mark.parametrize("count", [-5, 0, 10**9])
def test_no_odd_number_of_mistakes_is_shown(context: Context, count: int) -> None:
    html, _ = models.show_mistakes(context, ENGLISH, "nli", None, "nobody", count)
    assert models.PAGE <= html.count("<li>") <= models.MOST_MISTAKES


def test_nonsense_choices_are_the_usual_ones(context: Context) -> None:
    about = (context, ENGLISH, "slang", "ffffffffffff")
    usual = models.show_tradeoffs(context, ENGLISH, "slang", None, "macro_f1", "p50_ms", "peak_memory_mb")
    assert models.show_tradeoffs(*about, SCRIPT, None, "run") == usual
    assert models.show_classes(*about, "support") == models.show_classes(*about, "f1")
    for show in (models.show_confusions, models.show_significance, models.show_languages):
        assert show(context, ENGLISH, "no task", None) == ""
    assert models.show_mistakes(context, ENGLISH, None, None, None, 10) == ("", False)


def test_what_was_drawn_once_is_handed_out_again_until_a_run_is_added(context: Context) -> None:
    about = (context, ENGLISH, "slang", None)
    assert models.show_confusions(*about) is models.show_confusions(*about)
    assert context.comparison(SLANG) is context.comparison(SLANG)
    english, polish = (models.show_classes(context, say, "slang", None, "f1") for say in (ENGLISH, POLISH))
    assert polish != english, "what is kept is kept for each language"
    kept = context.results.remember("key", 1, lambda: ["made"])
    assert context.results.remember("key", 1, lambda: ["again"]) is kept
    assert context.results.remember("key", 2, lambda: ["again"]) == ["again"]
