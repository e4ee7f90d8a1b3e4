"""The product's question: which models it is between, which way it goes, and where there is nothing to say."""

from typing import Any

import numpy as np
import pytest

from engine.evaluation.differences import Verdict
from engine.experiments.curves import Curve
from engine.experiments.repeats_file import Repeats, as_digits
from engine.results.answer import answer_by_comparison, answer_by_repeats, answers_by_curve
from engine.store import Repeat

TERMS, EACH = 40, 4
RIGHT = {
    "scratch": 0.9,
    "mini-full": 0.6,
    "mini-lora": 0.5,
    "tfidf": 0.75,
    "minilm-zero": 0.4,
    "hybrid": 0.95,
    "of-others": 1.0,
}
"""Share of the terms that each model answers right."""


def repeats(**shares: float) -> Repeats:
    """Two seeds on two folds of models that are right on a share of the terms."""
    labels = np.tile([0, 1], TERMS * EACH // 2)
    terms = np.repeat(np.arange(TERMS), EACH)
    jobs = []
    for model, share in shares.items():
        for seed in range(2):
            # Both seeds are right equally often, and not on the same terms.
            right = np.random.default_rng((len(model), seed)).permutation(TERMS) < share * TERMS
            predicted = np.where(right[terms], labels, 1 - labels)
            for fold in range(2):
                figures = {"recipe": model, "trained_with": "x", "backbone": ""}
                own = as_digits(predicted[terms % 2 == fold])
                jobs.append(Repeat("slang", "f", "d", model, fold, seed, "0.7.0", "s", "", figures, own))
    rows = tuple(map(str, range(TERMS * EACH)))
    digits, folds = as_digits(labels), as_digits(terms % 2)
    return Repeats("slang", "own.csv", "f", 2, "term", 0, rows, digits, folds, tuple(map(int, terms)), tuple(jobs))


def test_the_best_of_each_kind_over_seeds_and_folds_answer() -> None:
    answer = answer_by_repeats(repeats(**RIGHT, vectors=0.97), RIGHT, resamples=300)
    assert [(bar.kind, bar.model) for bar in answer.bars] == [
        ("scratch", "scratch"),
        ("pretrained", "mini-full"),
        ("frozen", "minilm-zero"),
        ("hybrid", "hybrid"),
        ("baseline", "tfidf"),
    ]
    assert answer.question is not None
    assert (answer.question.first, answer.question.second) == ("mini-full", "scratch")
    assert answer.question.difference == pytest.approx(-0.3)
    assert answer.question.verdict is Verdict.SECOND
    assert answer.baseline is not None
    assert (answer.baseline.first, answer.baseline.second) == ("scratch", "tfidf")
    assert answer.baseline.difference == pytest.approx(0.15)
    bar = answer.bars[0]
    assert bar.low is not None
    assert bar.high is not None
    assert bar.value == pytest.approx(0.9)
    assert bar.low < bar.value < bar.high
    assert (answer.seeds, answer.folds, answer.test_rows) == (2, 2, TERMS * EACH)


def test_one_kind_alone_leaves_the_question_open() -> None:
    answer = answer_by_repeats(repeats(scratch=0.8, tfidf=0.6), RIGHT, resamples=100)
    assert answer.question is None
    assert answer.baseline is not None
    assert answer_by_repeats(repeats(**{"minilm-zero": 0.5}), RIGHT).baseline is None


def comparison(verdict: str, difference: float, low: float, high: float) -> dict[str, Any]:
    """Three models, compared with the one from scratch in front."""
    names = {"scratch": ("scratch", 0.7), "pretrained": ("mini-full", 0.6), "baseline": ("tfidf", 0.65)}
    rows = [
        {"family": family, "model": name, "recipe": name, "accuracy": value, "intervals": {"accuracy": [0.5, 0.8]}}
        for family, (name, value) in names.items()
    ]
    figures = {"accuracy": {"difference": difference, "low": low, "high": high, "verdict": verdict}}
    pairs = [("scratch", "mini-full"), ("scratch", "tfidf")]
    differences = [{"first": first, "second": second, "figures": figures} for first, second in pairs]
    return {"rows": rows, "differences": differences, "data": {"source": "own.csv", "test_rows": 100}}


@pytest.mark.parametrize(
    ("measured", "turned"),
    [("first better", Verdict.SECOND), ("second better", Verdict.FIRST), ("no clear difference", Verdict.UNCLEAR)],
)
def test_test_figures_answer_whichever_way_round_a_pair_was_compared(measured: str, turned: Verdict) -> None:
    answer = answer_by_comparison(comparison(measured, 0.1, 0.02, 0.18))
    lead = answer.question
    assert lead is not None
    assert (lead.first, lead.second, lead.verdict) == ("mini-full", "scratch", turned)
    assert (lead.difference, lead.low, lead.high) == (-0.1, -0.18, -0.02)
    assert answer.baseline is not None
    assert answer.baseline.verdict == measured
    assert (answer.bars[0].low, answer.bars[0].high) == (0.5, 0.8)


def curve(**series: dict[int, list[float]]) -> Curve:
    points = [
        {"series": name, "recipe": name, "x": x, "seed": seed, "accuracy": value, "macro_f1": value, "loss": 1.0}
        for name, places in series.items()
        for x, values in places.items()
        for seed, value in enumerate(values)
    ]
    return Curve("examples", "slang", "own.csv", "f", 90, tuple(points))


def test_a_curve_answers_at_each_number_of_examples_that_both_kinds_were_tried_at() -> None:
    answers = answers_by_curve(
        curve(
            **{
                "scratch": {50: [0.40, 0.42, 0.41], 800: [0.80, 0.81, 0.80]},
                "mini-full": {50: [0.60, 0.62, 0.62], 800: [0.80, 0.80, 0.81]},
                "mini-lora": {50: [0.50, 0.50, 0.50]},
                "tfidf": {50: [0.45, 0.44, 0.46], 200: [0.6]},
            }
        )
    )
    assert list(answers) == [50, 800]
    few, many = answers[50].question, answers[800].question
    assert few is not None
    assert many is not None
    assert (few.first, few.second, few.verdict) == ("mini-full", "scratch", Verdict.FIRST)
    assert many.verdict is Verdict.UNCLEAR
    assert answers[50].baseline is not None
    assert answers[50].baseline.verdict is Verdict.FIRST
    assert answers[800].baseline is None
    assert (answers[50].train_rows, answers[50].seeds) == (50, 3)


def test_a_single_seed_has_no_interval_and_makes_nothing_clear() -> None:
    (answer,) = answers_by_curve(curve(**{"scratch": {50: [0.3]}, "mini-full": {50: [0.9]}})).values()
    assert answer.question is not None
    assert (answer.question.low, answer.question.verdict) == (None, Verdict.UNCLEAR)
    assert answer.bars[0].low is None
