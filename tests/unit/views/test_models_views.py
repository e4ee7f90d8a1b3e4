"""The Models tab's drawings: what is in them, that names don't overlap, and that nothing gets in unescaped."""

import re
from typing import Any

import pytest

from engine.data.tasks import NLI, SLANG
from engine.paths import Places
from engine.results.inspection import Figure, Mistake
from gradio_app.context import Context, open_context
from gradio_app.handlers import models
from gradio_app.languages import get_language
from gradio_app.views import differences, mistakes, significance
from gradio_app.views.charts import breakdown, confusion, scatter
from support.html import drawings

ENGLISH, POLISH = get_language("en"), get_language("pl")
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


def compared(first: str, second: str, **accuracy: Any) -> dict[str, Any]:
    """A table of two models that differ in accuracy as given, and not at all in macro F1."""
    figures = {
        "accuracy": {"difference": 0.081, "low": 0.02, "high": 0.14, "verdict": "first better", "is_flat": False}
        | accuracy,
        "macro_f1": {"difference": 0.0, "low": 0.0, "high": 0.0, "verdict": "equal within a point", "is_flat": True},
    }
    pair = {"first": first, "second": second, "figures": figures, "p_holm": 0.0004}
    drawn = {"resamples": 2000, "rows": 329, "clusters": 87}
    return {"task": "slang", "rows": [{"model": first}, {"model": second}], "differences": [pair | drawn]}


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
        confusion.draw_confusions(ENGLISH, [row], SLANG.labels),
        significance.render_significance(ENGLISH, [row, {"model": "b"}], tests),
        differences.render_differences(ENGLISH, compared(SCRIPT, "b")),
        differences.render_differences(ENGLISH, compared("b", SCRIPT, verdict="second better")),
        breakdown.draw_classes(
            ENGLISH, {SCRIPT: {name: [figure] * 3 for name in breakdown.CLASS_FIGURES}}, SLANG.labels, "f1"
        ),
        breakdown.draw_languages(ENGLISH, {SCRIPT: {"pl": figure, SCRIPT: figure}}),
        mistakes.render_mistakes(ENGLISH, NLI, [mistake], 10, 20),
    ):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


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


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        ({}, ["▲", "+8.1", "+2.0 to +14", "tfidf better"]),
        ({"difference": -0.05, "low": -0.09, "high": -0.01, "verdict": "second better"}, ["▼", "−5", "scratch better"]),
        (
            {"low": -0.004, "high": 0.005, "verdict": "equal within a point"},
            [">=<", "−0.40 to +0.50", "equal within a point"],
        ),
        ({"low": -0.03, "verdict": "no clear difference"}, ["oz-unclear", "no clear difference"]),
    ],
)
def test_a_difference_from_the_best_model_stands_with_its_interval_and_its_verdict(
    measured: dict[str, Any], says: list[str]
) -> None:
    html = differences.render_differences(ENGLISH, compared("tfidf", "scratch", **measured))
    accuracy, macro_f1, p = re.findall(r"<td.*?</td>", html)
    for words in says:
        assert words in accuracy
    assert "zero width" in macro_f1
    assert "equal within a point" in macro_f1
    assert "&lt; 0.001" in p
    assert "2,000 times: 87 groups of messages with one term" in html


def test_differences_are_said_in_the_page_s_language_and_left_out_without_any() -> None:
    shown = compared("tfidf", "scratch")
    html = differences.render_differences(POLISH, shown)
    assert "lepszy tfidf" in html
    assert "od +2,0 do +14" in html
    assert differences.render_differences(ENGLISH, shown | {"differences": []}) == ""


def test_a_mistake_shows_its_text_its_truth_and_how_sure_the_model_was() -> None:
    one = Mistake("1", 2, 0, 0.912, 0.04, "", ("no i sztos",))
    html = mistakes.render_mistakes(ENGLISH, SLANG, [one] * 12, 10, 329)
    assert html.count("<li>") == 10
    assert "12 of 329 test rows were answered wrong; these are the 10" in html
    assert "<blockquote lang=\"pl\" dir='auto'>no i sztos</blockquote>" in html
    assert re.search(r"Answered <b>.*?negative</b> 91\u00a0%; right is <b>.*?positive</b> 4\u00a0%", html)
    assert "no mistake" in mistakes.render_mistakes(ENGLISH, SLANG, [], 10, 329)


def test_every_part_is_shown_for_trained_models(context: Context) -> None:
    for task in ("slang", "nli"):
        about = (context, ENGLISH, task, None)
        names = [one.name for one in context.registry.models(task)]
        for html in (models.show_confusions(*about), models.show_significance(*about)):
            assert all(name in html for name in names)
        assert models.show_classes(*about, "recall").count("<section") == 3
        plots = models.show_tradeoffs(*about, "accuracy", "p50_ms", "total_parameters")
        assert len(drawings(plots)) == 4
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
