"""Decision thresholds: what weights of the classes gain on validation, and that a kept model answers with them."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from engine.data.sources import TaskData
from engine.evaluation import thresholds
from engine.evaluation.metrics import headline
from engine.evaluation.thresholds import _macro_f1, tune_weights, weigh
from engine.machine import one_thread
from engine.paths import Places
from engine.store import Store
from engine.training.build import fit_baseline
from engine.training.checkpoints import read_checkpoint
from engine.training.classifiers import WeighedModel, open_checkpoint
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES
from support.models import saved_decoder, tiny_recipe, train_model


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # Small models; on machines that others use too, threads wait for each other.
    with one_thread():
        yield


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of unlike frequency, and probabilities that know something of them."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, 120, p=[0.7, 0.2, 0.1])
    logits = generator.normal(size=(120, 3)) + 1.2 * np.eye(3)[labels] + generator.normal(size=3)
    return labels, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def f1_of(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Macro F1."""
    return headline(labels, probabilities)["macro_f1"]


@pytest.mark.parametrize("seed", range(3))
def test_tuning_never_lowers_the_validation_figure(seed: int) -> None:
    labels, probabilities = random_case(seed)
    weights = tune_weights(labels, probabilities)
    assert f1_of(labels, weigh(probabilities, weights)) >= f1_of(labels, probabilities)


@pytest.mark.parametrize("seed", range(3))
def test_the_fast_figure_is_scikit_learns(seed: int) -> None:
    labels, probabilities = random_case(seed)
    assert _macro_f1(labels, probabilities) == pytest.approx(f1_of(labels, probabilities))
    # One class is neither there nor predicted.
    labels, probabilities = np.array([0, 1, 1]), np.array([[0.6, 0.4, 0.0], [0.7, 0.3, 0.0], [0.1, 0.9, 0.0]])
    assert _macro_f1(labels, probabilities) == pytest.approx(f1_of(labels, probabilities))


@pytest.mark.parametrize("rounds", [1, 4])
def test_where_nothing_can_be_gained_all_weights_stay_equal(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "ROUNDS", rounds)
    labels = np.array([0, 1, 2, 0, 1, 2])
    # All right, by unlike margins.
    probabilities = np.array([[0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.05, 0.05, 0.9]])[labels]
    weights = tune_weights(labels, probabilities)
    assert weights.tolist() == [1, 1, 1]
    np.testing.assert_allclose(weigh(probabilities, weights), probabilities, rtol=1e-15)


def test_a_rare_class_that_is_always_given_too_little_gets_a_larger_weight() -> None:
    # Right but for a third class whose odds were cut to a quarter: 0.2 where 0.5 would be right.
    labels = np.array([0] * 20 + [1] * 20 + [2] * 4)
    right = np.array([[0.6, 0.2, 0.2]] * 20 + [[0.2, 0.6, 0.2]] * 20 + [[0.25, 0.25, 0.5]] * 4)
    given = right * [1, 1, 0.25]
    given = given / given.sum(1, keepdims=True)
    assert f1_of(labels, given) < 0.7
    weights = tune_weights(labels, given)
    assert f1_of(labels, weigh(given, weights)) == 1
    # From twice on it wins its own rows, and from twelve times on those of the others.
    assert 2 < weights[2] / weights[0] < 12
    assert weights[0] == weights[1]
    assert weights.mean() == pytest.approx(1)


def test_probabilities_that_hardly_differ_are_told_apart_too() -> None:
    # The second class is a thousandth too likely, everywhere.
    labels = np.arange(60) % 3
    given = np.full((60, 3), 1 / 3) + 0.0005 * np.eye(3)[labels] + [0, 0.001, 0]
    assert f1_of(labels, given) < 0.2
    assert f1_of(labels, weigh(given, tune_weights(labels, given))) == 1


@pytest.mark.parametrize("missing", [0, 2])
def test_a_class_without_rows_on_validation_is_no_trouble(missing: int) -> None:
    labels, probabilities = random_case(0)
    kept = labels != missing
    weights = tune_weights(labels[kept], probabilities[kept])
    assert np.isfinite(weights).all()
    assert f1_of(labels[kept], weigh(probabilities[kept], weights)) >= f1_of(labels[kept], probabilities[kept])


def test_a_probability_of_zero_is_no_trouble() -> None:
    labels, probabilities = random_case(0)
    probabilities = np.where(probabilities < 0.2, 0.0, probabilities)
    assert np.isfinite(weigh(probabilities, tune_weights(labels, probabilities))).all()


def test_weighed_probabilities_are_shares_again() -> None:
    _, probabilities = random_case(0)
    weighed = weigh(probabilities, np.array([0.2, 1.0, 1.8]))
    np.testing.assert_allclose(weighed.sum(1), 1)
    np.testing.assert_allclose(weighed[:, 2] / weighed[:, 0], 9 * probabilities[:, 2] / probabilities[:, 0])


def tuned_recipe(kind: str, places: Places) -> Recipe:
    """A recipe of a kind that trains in a second, with thresholds to tune."""
    if kind == "scratch":
        return tiny_recipe(tune_thresholds=True, epochs=1)
    recipe = dataclasses.replace(RECIPES[{"baseline": "tfidf", "frozen": "mini-zero"}[kind]], tune_thresholds=True)
    if kind == "frozen":
        return dataclasses.replace(recipe, backbone=str(saved_decoder(places.checkpoints.parent / "mini")))
    return recipe


@pytest.mark.parametrize("kind", ["baseline", "scratch", "frozen"])
def test_a_kept_model_answers_with_its_weights(kind: str, few: TaskData, places: Places, store: Store) -> None:
    # Frequencies that the class weights of training don't make up for.
    rows = few.frame[(few.frame["label"] != 1) | (few.frame.groupby("split").cumcount() % 4 == 0)]
    data = dataclasses.replace(few, frame=rows.reset_index(drop=True))
    finished = train_model(tuned_recipe(kind, places), data, places, store)
    kept = read_checkpoint(finished.checkpoint.folder)
    weights, record = kept.manifest["decision_weights"], finished.run.record
    assert record["decision_weights"] == [round(one, 4) for one in weights]
    assert len(set(weights)) > 1
    model = open_checkpoint(kept)
    assert isinstance(model, WeighedModel)
    for split in ("validation", "test"):
        truth = data.split(split)["label"].to_numpy()
        figures = headline(truth, model.probabilities(data.texts(split)))
        for figure in ("accuracy", "macro_f1", "loss"):
            assert figures[figure] == pytest.approx(record["scores"][split][figure], abs=1e-9)
    bare = model.model.probabilities(data.texts("validation"))
    truth = data.split("validation")["label"].to_numpy()
    np.testing.assert_array_equal(weights, tune_weights(truth, bare))
    assert f1_of(truth, bare) <= record["scores"]["validation"]["macro_f1"]
    assert model.parameters() == model.model.parameters()


def test_without_tuning_nothing_is_weighed(few: TaskData, places: Places, store: Store) -> None:
    finished = train_model(RECIPES["majority"], few, places, store)
    assert "decision_weights" not in finished.checkpoint.manifest
    assert "decision_weights" not in finished.run.record
    assert not isinstance(open_checkpoint(finished.checkpoint), WeighedModel)


def test_class_weights_and_oversampling_change_what_tfidf_learns(few: TaskData) -> None:
    # Most rows are of the third class.
    rows = few.frame[(few.frame["label"] == 2) | (few.frame.groupby("split").cumcount() % 5 == 0)]
    data = dataclasses.replace(few, frame=rows)
    rare = data.frame["label"].value_counts().idxmin()
    train, labels = data.texts("train"), data.split("train")["label"].to_numpy()
    shares = {}
    for weighed, repeated in ((True, False), (False, False), (False, True)):
        recipe = dataclasses.replace(RECIPES["tfidf"], class_weights=weighed, oversample=repeated)
        shares[weighed, repeated] = fit_baseline(recipe, data).probabilities(train)[labels == rare, rare].mean()
    # Both give the rare class more, each in its own way.
    assert shares[True, False] > shares[False, False] + 0.02
    assert shares[False, True] > shares[False, False] + 0.02
    assert shares[True, False] != shares[False, True]


def test_the_published_baseline_weighs_its_classes() -> None:
    assert RECIPES["tfidf"].class_weights
