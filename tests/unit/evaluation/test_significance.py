"""Intervals that cover the truth as often as they say, and McNemar's test as by hand."""

import numpy as np
import pytest
from sklearn import metrics as reference

from engine.evaluation.metrics import score, softmax
from engine.evaluation.significance import bootstrap_intervals, class_f1_intervals, mcnemar


def predictions(seed: int, rows: int = 150, sure: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of three classes and probabilities that lean towards them."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, rows, p=(0.5, 0.3, 0.2))
    return labels, softmax(generator.normal(size=(rows, 3)) + sure * np.eye(3)[labels])


def test_intervals_cover_the_true_accuracy_about_95_times_in_100() -> None:
    truth = score(*predictions(0, 200_000)).accuracy
    covered = 0
    for seed in range(1, 201):
        low, high = bootstrap_intervals(*predictions(seed), resamples=200)["accuracy"]
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_the_same_seed_gives_the_same_intervals() -> None:
    labels, probabilities = predictions(3)
    assert bootstrap_intervals(labels, probabilities, seed=5) == bootstrap_intervals(labels, probabilities, seed=5)


def test_another_seed_gives_other_intervals() -> None:
    labels, probabilities = predictions(3)
    assert bootstrap_intervals(labels, probabilities, seed=5) != bootstrap_intervals(labels, probabilities, seed=6)


@pytest.mark.parametrize("figure", ["accuracy", "macro_f1", "weighted_f1", "mcc", "loss"])
def test_an_interval_holds_the_figure_itself(figure: str) -> None:
    labels, probabilities = predictions(4)
    low, high = bootstrap_intervals(labels, probabilities)[figure]
    assert low < getattr(score(labels, probabilities), figure) < high


def test_more_rows_give_a_narrower_interval() -> None:
    def width(rows: int) -> float:
        low, high = bootstrap_intervals(*predictions(8, rows))["accuracy"]
        return high - low

    assert width(1600) == pytest.approx(width(100) / 4, rel=0.3)


def test_543_rows_at_071_give_plus_or_minus_38_points() -> None:
    labels = np.zeros(543, dtype=np.int64)
    right = np.arange(543) < round(0.71 * 543)
    probabilities = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
    low, high = bootstrap_intervals(labels, probabilities)["accuracy"]
    assert (high - low) / 2 == pytest.approx(0.038, abs=0.002)


def test_intervals_agree_with_scikit_learn_on_the_same_resamples() -> None:
    labels, probabilities = predictions(9, rows=40, sure=0.3)
    predicted = probabilities.argmax(1)
    generator = np.random.default_rng(2)
    f1, mcc = [], []
    for _ in range(60):
        rows = generator.integers(0, 40, 40)
        f1.append(reference.f1_score(labels[rows], predicted[rows], labels=[0, 1, 2], average="macro", zero_division=0))
        mcc.append(reference.matthews_corrcoef(labels[rows], predicted[rows]))
    intervals = bootstrap_intervals(labels, probabilities, seed=2, resamples=60)
    assert intervals["macro_f1"] == pytest.approx(np.percentile(f1, (2.5, 97.5)))
    assert intervals["mcc"] == pytest.approx(np.percentile(mcc, (2.5, 97.5)))


def test_perfect_predictions_leave_the_doubt_of_so_many_rows() -> None:
    labels = np.array([0, 1, 2] * 20)
    intervals = bootstrap_intervals(labels, np.eye(3)[labels])
    assert intervals["accuracy"] == pytest.approx((0.9398, 1.0), abs=1e-4)
    assert "macro_f1" not in intervals


def test_one_row_has_wilson_s_interval_alone_and_brings_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    intervals = bootstrap_intervals(np.array([1]), np.array([[0.3, 0.7]]))
    assert set(intervals) == {"accuracy"}
    assert intervals["accuracy"] == pytest.approx((0.2065, 1.0), abs=1e-4)
    assert not recwarn.list


def test_no_interval_has_no_width_where_one_class_alone_has_rows() -> None:
    labels = np.zeros(30, dtype=np.int64)
    probabilities = np.where(np.arange(30)[:, None] < 25, [0.8, 0.1, 0.1], [0.1, 0.2, 0.7])
    intervals = bootstrap_intervals(labels, probabilities)
    assert all(low < high for low, high in intervals.values())
    # Its only class's F1 is all there is to the mean.
    assert intervals["macro_f1"] == pytest.approx(intervals["weighted_f1"])
    assert "mcc" not in intervals


def test_a_class_without_a_mistake_has_an_f1_interval_by_its_rows() -> None:
    few, many = (class_f1_intervals([[rows, 0], [0, rows]])[0] for rows in (3, 300))
    assert few[0] < many[0] < 1
    assert few[1] == many[1] == 1
    assert class_f1_intervals([[3, 0, 0], [0, 3, 0], [0, 0, 0]])[2] == (0, 1)


def test_mcnemar_counts_only_the_rows_on_which_one_model_is_right() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    first = np.array([0, 0, 0, 1, 1, 0])
    second = np.array([0, 1, 1, 0, 1, 0])
    result = mcnemar(labels, first, second)
    assert (result.only_first_right, result.only_second_right) == (2, 1)


def test_mcnemar_p_is_the_binomial_one_by_hand() -> None:
    # Eight rows on which the models differ, seven won by the first: 2 · (C(8,7) + C(8,8)) / 2^8.
    labels = np.zeros(10, dtype=np.int64)
    first = np.array([0] * 7 + [1] + [0, 1])
    second = np.array([1] * 7 + [0] + [0, 1])
    assert mcnemar(labels, first, second).p_value == pytest.approx(2 * (8 + 1) / 256)


def test_mcnemar_does_not_care_which_model_comes_first() -> None:
    labels, probabilities = predictions(1)
    other = predictions(2)[1].argmax(1)
    one, two = mcnemar(labels, probabilities.argmax(1), other), mcnemar(labels, other, probabilities.argmax(1))
    assert one.p_value == pytest.approx(two.p_value)
    assert one.only_first_right == two.only_second_right


def test_models_that_agree_do_not_differ() -> None:
    labels = np.array([0, 1, 2])
    assert mcnemar(labels, labels, labels).p_value == 1.0
    wrong = (labels + 1) % 3
    assert mcnemar(labels, wrong, (labels + 2) % 3).p_value == 1.0
