"""The answer panel in words, bars and places of the slider."""

from dataclasses import replace

import pytest

from engine.data.tasks import SLANG
from engine.evaluation.differences import Verdict
from engine.results.answer import Answer, Bar, Lead
from engine.training.recipes import RECIPES
from gradio_app.languages import get_language
from gradio_app.views.answer import render_answer
from gradio_app.views.names import name_model

ENGLISH = get_language("en")
LEAD = Lead("mini-full", "scratch", 0.052, 0.011, 0.093, Verdict.FIRST)
ANSWER = Answer(
    (
        Bar("scratch", "scratch", "scratch", 0.64, 0.6, 0.68),
        Bar("pretrained", "mini-full", "mini-full", 0.692, 0.65, 0.73),
        Bar("baseline", "tfidf", "tfidf", 0.7),
    ),
    LEAD,
    Lead("mini-full", "tfidf", -0.008, -0.05, 0.03, Verdict.UNCLEAR),
    "sample",
    329,
)


@pytest.mark.parametrize(
    ("lead", "says"),
    [
        (LEAD, "<b>Adapt.</b> <code><bdi>mini-full</bdi></code> is right more often than"),
        (replace(LEAD, verdict=Verdict.SECOND, difference=-0.052, low=-0.093, high=-0.011), "by +5.2 (+1.1 to +9.3)"),
        (replace(LEAD, verdict=Verdict.EQUAL), "equal within a point (+5.2 (+1.1 to +9.3))"),
        (replace(LEAD, verdict=Verdict.UNCLEAR), "<b>No clear difference.</b>"),
        (replace(LEAD, verdict=Verdict.UNCLEAR, low=None, high=None), "</code>: +5.2 points, which"),
        (None, "No model of both kinds was tried here"),
    ],
)
def test_the_sentence_is_that_of_the_verdict(lead: Lead | None, says: str) -> None:
    assert says in render_answer(ENGLISH, SLANG, replace(ANSWER, question=lead))


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        (Verdict.FIRST, "is clearly better than the baseline"),
        (Verdict.SECOND, "is clearly better than both"),
        (Verdict.UNCLEAR, "Neither is clearly better than the baseline"),
    ],
)
def test_the_baseline_is_told_whatever_it_says(verdict: Verdict, says: str) -> None:
    lead = Lead("mini-full", "tfidf", 0.0, -0.01, 0.01, verdict)
    assert says in render_answer(ENGLISH, SLANG, replace(ANSWER, baseline=lead))


def test_each_kind_has_a_bar_with_its_interval_and_what_it_is() -> None:
    panel = render_answer(ENGLISH, SLANG, ANSWER, recipes={"mini-full": RECIPES["mini-full"]})
    assert panel.count("<li ") == 3
    assert "<small>tfidf</small>" in panel, "what isn't here any more goes by its name"
    assert 'style="left:60.0%;width:8.0%"' in panel
    assert "Polish GPT-mini, all weights trained" in panel
    assert "69\u00a0%" in panel
    assert "the bundled sample</bdi>, 329 test rows, one training each" in panel
    assert "<input" not in panel, "no curve, no slider"


def test_places_of_a_curve_are_there_and_hidden_until_they_are_chosen() -> None:
    curve = [replace(ANSWER, train_rows=rows, source="x<script>", seeds=3, version="0.3.0") for rows in (50, 1000)]
    panel = render_answer(ENGLISH, SLANG, ANSWER, curve, {"scratch": RECIPES["scratch"]})
    assert panel.count("Decoder of words") == 1, "the curve's may have been another"
    assert panel.count('class="oz-state"') == 3
    assert 'data-place="table">' in panel
    assert 'data-place="50" hidden' in panel
    assert 'data-places="50 1000" data-said="50|1,000"' in panel
    assert "1,000 training examples, 329 test rows, mean over 3 seeds, measured by version 0.3.0" in panel
    assert "<script>" not in panel


def test_every_recipe_has_a_name_of_plain_words() -> None:
    names = {recipe.name: name_model(ENGLISH, recipe) for recipe in RECIPES.values()}
    assert names["minilm-last1"] == "MiniLM, last block trained"
    assert names["mini-last3"] == "Polish GPT-mini, last 3 blocks trained"
    assert names["nli-zero"] == "NLI model, asked what follows"
    assert names["mini-random"] == "Polish GPT-mini, from random weights"
    assert all(name and "{" not in name for name in names.values())
