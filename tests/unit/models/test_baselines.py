"""Baselines: they learn, they survive being written down without pickle, and nothing they read surprises them."""

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from engine.data.sources import TaskData
from engine.errors import CheckpointError
from engine.models.baselines import BASELINES, Baseline, Majority, TfidfLogistic, make_baseline

TEXTS = [
    ("super mega fajna impreza",),
    ("fajna muzyka, super ludzie",),
    ("super, fajna ekipa 🔥",),
    ("słaba impreza i nuda",),
    ("nuda, słaba muzyka",),
    ("ta ekipa to nuda i słaba gadka",),
    ("jutro jest impreza",),
    ("ekipa ma muzyka o ósmej",),
    ("jutro o ósmej",),
]
LABELS = np.array([2, 2, 2, 0, 0, 0, 1, 1, 1])
PAIRS = [
    ("pies śpi na kanapie", "zwierzę śpi"),
    ("kot śpi na oknie", "zwierzę śpi"),
    ("pies biega po parku", "pies śpi"),
    ("kot skacze po oknie", "kot śpi"),
    ("pies biega po parku", "pies ma piłkę"),
    ("kot skacze po oknie", "kot ma piłkę"),
]
PAIR_LABELS = np.array([0, 0, 2, 2, 1, 1])


def fitted(name: str, inputs=TEXTS, labels=LABELS) -> Baseline:
    """A baseline that has learnt the small texts."""
    baseline = make_baseline(name)
    baseline.fit(inputs, labels, 3)
    return baseline


def written_and_read(baseline: Baseline) -> Baseline:
    """The same baseline after its state has been bytes."""
    arrays, values = baseline.state()
    again = type(baseline)()
    again.restore(load(save(arrays)), json.loads(json.dumps(values)))
    return again


@pytest.mark.parametrize("name", BASELINES)
def test_a_state_is_arrays_and_json(name: str) -> None:
    arrays, values = fitted(name).state()
    assert all(array.dtype.kind == "f" for array in arrays.values())
    assert json.loads(json.dumps(values)) == values


@pytest.mark.parametrize("name", BASELINES)
def test_a_restored_baseline_gives_identical_probabilities(name: str, slang: TaskData) -> None:
    labels = slang.split("train")["label"].to_numpy()[:400]
    baseline = fitted(name, slang.texts("train")[:400], labels)
    texts = slang.texts("test")[:50]
    assert np.array_equal(written_and_read(baseline).probabilities(texts), baseline.probabilities(texts))


def test_restored_pairs_give_identical_probabilities() -> None:
    baseline = fitted("tfidf", PAIRS, PAIR_LABELS)
    assert np.array_equal(written_and_read(baseline).probabilities(PAIRS), baseline.probabilities(PAIRS))


def test_half_precision_is_all_that_weights_take() -> None:
    arrays, _ = fitted("tfidf").state()
    assert arrays["coefficients"].dtype == np.float16


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("text", ["xx qqvv", "👽", "", "日本語", "\u200d"])
def test_unseen_words_still_get_probabilities(name: str, text: str) -> None:
    row = fitted(name).probabilities([(text,)])[0]
    assert row.sum() == pytest.approx(1)
    assert np.isfinite(row).all()


def test_all_unseen_words_are_alike() -> None:
    first, second = fitted("tfidf").probabilities([("xxxx",), ("qqqq",)])
    assert np.array_equal(first, second)


def test_majority_answers_the_shares_with_one_added_to_each() -> None:
    majority = Majority()
    majority.fit(TEXTS[:4], np.array([1, 1, 1, 0]), 3)
    assert majority.probabilities([("cokolwiek",)])[0] == pytest.approx(np.array([2, 4, 1]) / 7)


def test_majority_does_not_read_the_text() -> None:
    first, second = fitted("majority").probabilities([("super",), ("nuda",)])
    assert np.array_equal(first, second)


def test_tfidf_learns_what_words_say() -> None:
    assert fitted("tfidf").probabilities(TEXTS).argmax(1).tolist() == LABELS.tolist()


def test_emoji_count_as_words() -> None:
    _, values = fitted("tfidf", [("no 🔥",), ("ale 🔥",), ("no i",)], np.array([2, 2, 0])).state()
    assert "🔥" in values["terms.word"]


def test_characters_help_with_a_misspelt_word() -> None:
    tfidf = fitted("tfidf")
    right, misspelt, unseen = tfidf.probabilities([("nuda",), ("nudaa",), ("xxxx",)])[:, 0]
    assert unseen < misspelt <= right


def test_a_pair_is_more_than_its_hypothesis() -> None:
    tfidf = fitted("tfidf", PAIRS, PAIR_LABELS)
    sleeps, runs = tfidf.probabilities([("pies śpi na kanapie", "pies śpi"), ("pies biega po parku", "pies śpi")])
    assert sleeps[0] > runs[0]


def test_swapping_a_pair_changes_the_answer() -> None:
    tfidf = fitted("tfidf", PAIRS, PAIR_LABELS)
    there, back = tfidf.probabilities([("pies biega po parku", "pies śpi"), ("pies śpi", "pies biega po parku")])
    assert not np.allclose(there, back)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_that_training_never_saw_never_wins(missing: int) -> None:
    kept = missing != LABELS
    tfidf = fitted("tfidf", [text for text, keep in zip(TEXTS, kept, strict=True) if keep], LABELS[kept])
    probabilities = tfidf.probabilities(TEXTS)
    assert probabilities[:, missing].max() < 1e-9
    assert probabilities[kept].argmax(1).tolist() == LABELS[kept].tolist()


def test_a_vocabulary_of_another_size_is_refused() -> None:
    arrays, values = fitted("tfidf").state()
    with pytest.raises(CheckpointError, match="different sizes"):
        TfidfLogistic().restore(arrays, values | {"terms.word": values["terms.word"][:-1]})


def test_weights_of_another_width_are_refused() -> None:
    arrays, values = fitted("tfidf").state()
    with pytest.raises(CheckpointError, match="different sizes"):
        TfidfLogistic().restore(arrays | {"coefficients": arrays["coefficients"][:, :-1]}, values)


def test_the_same_rows_give_the_same_weights() -> None:
    first, second = fitted("tfidf").state()[0], fitted("tfidf").state()[0]
    assert all(np.array_equal(first[name], second[name]) for name in first)
