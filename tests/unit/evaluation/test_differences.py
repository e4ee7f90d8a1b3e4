"""Differences between systems: intervals that cover the truth as often as they say, over clusters, seeds and folds."""

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from engine.errors import DataError
from engine.evaluation.agreement import MISSING
from engine.evaluation.differences import Difference, Verdict, measure_differences

Runs = dict[str, np.ndarray]
SIMULATIONS = 300
LABELS = np.tile([0, 1, 2], 100)
"""Of 60 clusters of five rows."""
CLUSTERS = np.repeat(np.arange(60), 5)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Thousands of small products, for which threads that wait for each other would take three times as long."""
    with threadpool_limits(1):
        yield


def equal_systems(seed: int, runs: int, by_cluster: float, by_seed: float, folds: int = 1) -> Runs:
    """Two systems that are right on 70 % of all there could be, each better on clusters and with seeds of its own.

    Runs come fold after fold, each with rows of whole clusters.
    """
    generator = np.random.default_rng(seed)
    inside = np.repeat(np.arange(folds)[:, None] == CLUSTERS % folds, runs, axis=0)

    def train() -> np.ndarray:
        share = 0.7 + generator.normal(0, by_cluster, 60)[CLUSTERS] + generator.normal(0, by_seed, (folds * runs, 1))
        right = generator.random(inside.shape) < share
        predicted = np.where(right, LABELS, (LABELS + generator.integers(1, 3, right.shape)) % 3)
        return np.where(inside, predicted, MISSING)

    return {"a": train(), "b": train()}


def compare(systems: Runs, clusters: np.ndarray | None = CLUSTERS, labels: np.ndarray = LABELS) -> Difference:
    return measure_differences(labels, systems, clusters, resamples=300)["a", "b"]["accuracy"]


def covered(
    runs: int,
    by_cluster: float,
    by_seed: float,
    clusters: np.ndarray | None,
    seen: int | None = None,
    simulations: int = SIMULATIONS,
    folds: int = 1,
) -> float:
    """How often the interval holds zero where only the first `seen` runs of each system are known."""
    hits = 0
    for seed in range(simulations):
        systems = equal_systems(seed, runs, by_cluster, by_seed, folds)
        one = compare({name: predicted[:seen] for name, predicted in systems.items()}, clusters)
        hits += one.low <= 0 <= one.high
    return hits / simulations


# Of 300 right intervals, between 0.925 and 0.975 hold the truth in 19 of 20 such tests.
@pytest.mark.parametrize(
    ("runs", "by_cluster", "by_seed"),
    [(1, 0.12, 0.0), (5, 0.12, 0.03), (3, 0.1, 0.05), (5, 0.0, 0.02)],
    ids=["one run", "clusters and five seeds", "three unlike seeds", "seeds alone"],
)
def test_intervals_of_equal_systems_hold_zero_95_times_in_100(runs: int, by_cluster: float, by_seed: float) -> None:
    assert 0.925 <= covered(runs, by_cluster, by_seed, CLUSTERS) <= 0.975


def test_intervals_are_too_narrow_where_clusters_are_left_out() -> None:
    assert covered(5, 0.12, 0.0, None, simulations=150) < 0.9


def test_intervals_are_too_narrow_where_one_seed_speaks_for_all() -> None:
    assert covered(3, 0.0, 0.05, CLUSTERS, seen=1, simulations=150) < 0.8


def test_a_known_difference_is_found_with_its_size_and_its_sign() -> None:
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 3, 4000)
    systems = {
        name: np.where(generator.random((3, 4000)) < share, labels, (labels + 1) % 3)
        for name, share in (("a", 0.75), ("b", 0.70), ("c", 0.7502))
    }
    found = measure_differences(labels, systems)
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    for figure in ("accuracy", "macro_f1"):
        better = found["a", "b"][figure]
        assert better.verdict is Verdict.FIRST
        assert 0 < better.low < 0.05 < better.high < 0.09
        assert found["b", "c"][figure].verdict is Verdict.SECOND
    turned = measure_differences(labels, {name: systems[name] for name in "ba"})["b", "a"]["accuracy"]
    assert turned.estimate == pytest.approx(-found["a", "b"]["accuracy"].estimate)
    assert turned.verdict is Verdict.SECOND


def test_estimates_are_the_differences_of_mean_figures_as_scikit_learn_has_them() -> None:
    systems = equal_systems(3, 4, 0.1, 0.02)
    found = measure_differences(LABELS, systems, CLUSTERS)["a", "b"]

    def mean(name: str, **how: str) -> float:
        return float(np.mean([f1_score(LABELS, run, **how) for run in systems[name]]))

    # F1 over all decisions is accuracy.
    for figure, average in (("accuracy", "micro"), ("macro_f1", "macro")):
        assert found[figure].estimate == pytest.approx(mean("a", average=average) - mean("b", average=average))


def test_an_interval_of_one_run_is_the_percentiles_of_resampled_clusters() -> None:
    systems = equal_systems(4, 1, 0.1, 0.0)
    generator = np.random.default_rng(0)
    gained = (systems["a"][0] == LABELS).astype(float) - (systems["b"][0] == LABELS)
    drawn = gained.reshape(60, 5)[generator.integers(0, 60, (20_000, 60))].mean(axis=(1, 2))
    low, high = np.percentile(drawn, (2.5, 97.5))
    found = measure_differences(LABELS, systems, CLUSTERS, resamples=20_000)["a", "b"]["accuracy"]
    # Wider by Student's t and by one cluster less, 2.9 % in all.
    middle = gained.mean()
    assert found.low == pytest.approx(middle + 1.029 * (low - middle), abs=2e-3)
    assert found.high == pytest.approx(middle + 1.029 * (high - middle), abs=2e-3)
    assert found.resamples == 20_000


def test_equal_within_a_point_takes_enough_rows() -> None:
    def verdict(rows: int) -> Verdict:
        labels = np.arange(rows) % 3
        other = np.where(np.arange(rows) % 100 == 0, (labels + 1) % 3, labels)
        third = np.where(np.arange(rows) % 100 == 1, (labels + 1) % 3, labels)
        return measure_differences(labels, {"a": other, "b": third})["a", "b"]["accuracy"].verdict

    assert verdict(300) is Verdict.UNCLEAR
    assert verdict(6000) is Verdict.EQUAL


@pytest.mark.parametrize(("clusters", "verdict"), [(None, Verdict.UNCLEAR), (np.arange(1000), Verdict.EQUAL)])
def test_the_same_answers_differ_by_nothing_and_are_called_equal_where_rows_are_many(
    clusters: np.ndarray | None, verdict: Verdict
) -> None:
    labels = np.arange(30 if clusters is None else 1000) % 3
    guesses = np.where(labels == 2, 0, labels)
    for one in measure_differences(labels, {"a": guesses, "b": guesses}, clusters)["a", "b"].values():
        assert (one.estimate, one.low, one.high, one.is_flat) == (0, 0, 0, True)
        assert one.verdict is verdict


def test_a_class_without_rows_has_no_part_in_macro_f1() -> None:
    generator = np.random.default_rng(2)
    labels = generator.choice([0, 2], 200)
    first, second = (np.where(generator.random(200) < share, labels, 1) for share in (0.9, 0.5))
    found = measure_differences(labels, {"a": first, "b": second})["a", "b"]["macro_f1"]
    f1 = [f1_score(labels, one, labels=[0, 2], average="macro") for one in (first, second)]
    assert found.estimate == pytest.approx(f1[0] - f1[1])
    assert found.verdict is Verdict.FIRST


@pytest.mark.parametrize("guess", [0, 1])
def test_one_row_or_one_cluster_proves_nothing(guess: int, recwarn: pytest.WarningsRecorder) -> None:
    found = measure_differences(np.array([0]), {"a": np.array([0]), "b": np.array([guess])})["a", "b"]
    assert {one.verdict for one in found.values()} == {Verdict.UNCLEAR}
    assert found["accuracy"].estimate == found["accuracy"].low == guess
    labels = np.zeros(50, dtype=np.int64)
    together = measure_differences(labels, {"a": labels, "b": labels + guess}, labels)["a", "b"]["accuracy"]
    assert together.verdict is Verdict.UNCLEAR
    assert not recwarn.list


def test_figures_of_folds_with_seeds_are_means_over_folds() -> None:
    systems = equal_systems(6, 3, 0.1, 0.02, folds=4)
    # A system without seeds has one run a fold, the other three.
    systems["b"] = systems["b"][::3]

    def mean(predicted: np.ndarray) -> float:
        return float(np.mean([(run == LABELS)[run != MISSING].mean() for run in predicted]))

    assert compare(systems).estimate == pytest.approx(mean(systems["a"]) - mean(systems["b"]))


def test_intervals_over_folds_and_seeds_hold_zero_95_times_in_100() -> None:
    assert 0.92 <= covered(3, 0.12, 0.06, CLUSTERS, simulations=200, folds=4) <= 0.98


def test_other_rows_and_no_rows_are_refused() -> None:
    labels = np.array([0, 1, 2])
    with pytest.raises(DataError, match="same rows"):
        measure_differences(labels, {"a": np.array([0, 1, MISSING]), "b": labels})
    with pytest.raises(DataError, match="same rows"):
        measure_differences(labels, {"a": labels[:2], "b": labels})
    with pytest.raises(DataError, match="no rows"):
        measure_differences(labels, {"a": np.full(3, MISSING), "b": np.full(3, MISSING)})
