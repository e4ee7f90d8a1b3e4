"""Figures, against scikit-learn and against sums that fit on paper."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from engine.evaluation.metrics import (
    BETTER,
    FIGURES,
    absent_classes,
    calibration_error,
    cross_entropy,
    headline,
    interval_of,
    score,
    softmax,
)

# Five rows on paper: true 0 0 1 1 2, predicted 0 1 1 1 0.
LABELS = np.array([0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.05, 0.9, 0.05], [0.5, 0.25, 0.25]],
)


@pytest.fixture(scope="module")
def random_rows() -> tuple[np.ndarray, np.ndarray]:
    """400 rows of uneven classes with noisy probabilities."""
    generator = np.random.default_rng(7)
    labels = generator.choice(3, 400, p=(0.6, 0.3, 0.1))
    logits = generator.normal(size=(400, 3)) + np.eye(3)[labels]
    return labels, softmax(logits)


def test_accuracy_is_the_share_of_right_rows() -> None:
    assert score(LABELS, PROBABILITIES).accuracy == pytest.approx(3 / 5)


def test_macro_f1_is_the_mean_of_the_three_classes() -> None:
    # By class: 2·1/(2+2), 2·2/(2+3), and 0, as class 2 is never predicted.
    assert score(LABELS, PROBABILITIES).macro_f1 == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)


def test_weighted_f1_counts_classes_by_their_rows() -> None:
    assert score(LABELS, PROBABILITIES).weighted_f1 == pytest.approx((2 * 1 / 2 + 2 * 4 / 5) / 5)


def test_loss_is_the_mean_cross_entropy_in_nats() -> None:
    by_hand = -(math.log(0.8) + math.log(0.2) + math.log(0.6) + math.log(0.9) + math.log(0.25)) / 5
    assert score(LABELS, PROBABILITIES).loss == pytest.approx(by_hand)


def test_a_probability_of_zero_costs_much_but_not_infinity() -> None:
    assert 20 < cross_entropy(np.array([0]), np.array([[0.0, 1.0]]))[0] < 100


def test_confusion_has_true_classes_in_rows() -> None:
    assert score(LABELS, PROBABILITIES).confusion == ((1, 1, 0), (0, 2, 0), (1, 0, 0))


def test_per_class_figures_are_those_on_paper() -> None:
    first, second, third = score(LABELS, PROBABILITIES).per_class
    assert first == pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "support": 2})
    assert second == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 4 / 5, "support": 2})
    assert third == pytest.approx({"precision": 0, "recall": 0, "f1": 0, "support": 1})


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    # Two rows at 0.9, one of them right; two at 0.6, both right.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    by_hand = (2 * abs(1 / 2 - 0.9) + 2 * abs(1 - 0.6)) / 4
    assert calibration_error(np.array([0, 1, 0, 0]), probabilities) == pytest.approx(by_hand)


def test_full_confidence_falls_into_the_last_bin() -> None:
    assert calibration_error(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]])) == pytest.approx(0.5)


def test_softmax_survives_huge_logits() -> None:
    assert softmax(np.array([[1e4, 0.0], [0.0, 0.0]])) == pytest.approx(np.array([[1.0, 0.0], [0.5, 0.5]]))


@pytest.mark.parametrize(
    ("figure", "function"),
    [
        ("accuracy", reference.accuracy_score),
        ("macro_f1", lambda truth, guess: reference.f1_score(truth, guess, average="macro")),
        ("weighted_f1", lambda truth, guess: reference.f1_score(truth, guess, average="weighted")),
        ("mcc", reference.matthews_corrcoef),
    ],
)
def test_figures_agree_with_scikit_learn(figure: str, function, random_rows) -> None:
    labels, probabilities = random_rows
    assert getattr(score(labels, probabilities), figure) == pytest.approx(function(labels, probabilities.argmax(1)))


def test_loss_agrees_with_scikit_learn(random_rows) -> None:
    labels, probabilities = random_rows
    assert score(labels, probabilities).loss == pytest.approx(reference.log_loss(labels, probabilities))


def test_macro_f1_is_the_mean_over_the_classes_that_have_rows() -> None:
    labels, probabilities = np.array([0, 1]), np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05]])
    scores = score(labels, probabilities)
    assert scores.macro_f1 == 1
    assert absent_classes(scores.per_class, ["a", "b", "c"]) == ["c"]
    # An answer of the class that has no rows is a mistake all the same.
    assert score(labels, np.array([[0.9, 0.05, 0.05], [0.1, 0.2, 0.7]])).macro_f1 == 0.5


def test_an_interval_of_no_width_is_none() -> None:
    recorded = {"intervals": {"mcc": [0.0, 0.0], "accuracy": [0.4, 0.6]}}
    assert interval_of(recorded, "accuracy") == (0.4, 0.6)
    assert interval_of(recorded, "mcc") is interval_of(recorded, "loss") is None


def test_constant_predictions_have_no_correlation() -> None:
    assert score(LABELS, np.tile([0.6, 0.2, 0.2], (5, 1))).mcc == 0


def test_one_row_is_enough() -> None:
    one = score(np.array([1]), np.array([[0.2, 0.5, 0.3]]))
    assert (one.rows, one.accuracy) == (1, 1.0)


def test_a_language_with_one_row_brings_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    score(LABELS, PROBABILITIES, ["pl", "pl", "pl", "sw", "pl"])
    assert [str(one.message) for one in recwarn] == []


def test_figures_per_language_use_its_own_rows() -> None:
    scores = score(LABELS, PROBABILITIES, ["pl", "pl", "sw", "sw", "sw"])
    assert scores.per_language["pl"]["accuracy"] == pytest.approx(1 / 2)
    assert scores.per_language["sw"]["accuracy"] == pytest.approx(2 / 3)
    assert {code: values["rows"] for code, values in scores.per_language.items()} == {"pl": 2, "sw": 3}


def test_rows_without_a_language_belong_to_none() -> None:
    assert list(score(LABELS, PROBABILITIES, ["", "pl", "", "", ""]).per_language) == ["pl"]


def test_headline_has_every_figure() -> None:
    assert set(headline(LABELS, PROBABILITIES)) == set(FIGURES)


def test_every_figure_says_which_direction_is_better() -> None:
    assert set(BETTER) == set(FIGURES)
    assert {name for name, better in BETTER.items() if better is min} == {"loss", "calibration_error"}
