"""Means over repeated trainings: figures by hand, and intervals that know of groups and seeds."""

import numpy as np
import pytest

from engine.evaluation.repeated import average

LABELS = np.array([0, 0, 1, 1, 0, 1])
FOLDS = np.array([0, 0, 0, 0, 1, 1])
GROUPS = np.array([0, 0, 1, 1, 2, 3])


def test_means_deviation_and_range_are_those_counted_by_hand() -> None:
    # Right in fold 0: 3 of 4, then 4 of 4; in fold 1: 1 of 2, then 2 of 2.
    predicted = np.array([[0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 1]])
    found = average(LABELS, FOLDS, GROUPS, predicted)
    accuracy = found["accuracy"]
    assert accuracy.mean == pytest.approx((0.75 + 0.5 + 1 + 1) / 4)
    # The seeds' means are 0.625 and 1.
    assert accuracy.deviation == pytest.approx(abs(1 - 0.625) / np.sqrt(2))
    assert (accuracy.lowest, accuracy.highest) == (pytest.approx(0.75), pytest.approx(0.875))
    # F1 of the first seed: 2/3 and 4/5 in fold 0, 2/3 and 0 in fold 1.
    first = ((2 / 3 + 4 / 5) / 2 + (2 / 3 + 0) / 2) / 2
    assert found["macro_f1"].mean == pytest.approx((first + 1) / 2)


def test_a_single_seed_has_no_deviation_and_no_resamples_no_interval() -> None:
    predicted = np.array([[0, 1, 1, 1, 0, 0]])
    accuracy = average(LABELS, FOLDS, GROUPS, predicted, resamples=0)["accuracy"]
    assert accuracy.deviation is None
    assert accuracy.low == accuracy.high == accuracy.mean


def test_macro_f1_is_over_the_classes_that_the_fold_has() -> None:
    found = average(np.array([0, 0, 1, 1]), np.zeros(4, int), np.arange(4), np.array([[0, 0, 1, 1]]))
    assert found["macro_f1"].mean == 1.0


def test_rows_of_one_group_count_as_one_and_widen_the_interval() -> None:
    generator = np.random.default_rng(3)
    labels = np.repeat(generator.integers(0, 2, 60), 10)
    # A whole group is right or wrong.
    predicted = np.where(np.repeat(generator.random(60) < 0.7, 10), labels, 1 - labels)[None]
    folds = np.zeros(600, int)
    together = average(labels, folds, np.repeat(np.arange(60), 10), predicted)["accuracy"]
    alone = average(labels, folds, np.arange(600), predicted)["accuracy"]
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert together.low < together.mean < together.high


def test_seeds_that_differ_widen_the_interval() -> None:
    labels = np.tile([0, 1], 200)
    wrong = np.arange(400) % 10
    same = np.array([np.where(wrong < 3, 1 - labels, labels)] * 3)
    other = np.array([np.where(wrong < share, 1 - labels, labels) for share in (1, 3, 5)])
    widths = []
    for predicted in (same, other):
        found = average(labels, np.zeros(400, int), np.arange(400), predicted)["accuracy"]
        assert found.mean == pytest.approx(0.7)
        widths.append(found.high - found.low)
    assert widths[1] > 1.5 * widths[0]


def test_the_interval_holds_the_truth_of_simulated_groups_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    groups = np.repeat(np.arange(80), 4)
    held = 0
    for _ in range(200):
        shares = np.repeat(generator.beta(4, 2, 80), 4)
        labels = generator.integers(0, 2, 320)
        predicted = np.where(generator.random(320) < shares, labels, 1 - labels)[None]
        found = average(labels, np.zeros(320, int), groups, predicted, resamples=200)["accuracy"]
        held += found.low <= 4 / 6 <= found.high
    assert 0.90 <= held / 200 <= 0.985
