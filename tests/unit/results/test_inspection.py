"""A closer look at results: fronts, intervals, mistakes, served times, and the table as CSV; references by hand."""

import csv
import dataclasses
import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from engine.data.sources import TaskData
from engine.data.tasks import NLI, SLANG, Task
from engine.evaluation.metrics import calibration_error, softmax
from engine.evaluation.significance import (
    bootstrap_intervals,
    calibration_interval,
    class_f1_intervals,
    holm,
    wilson_interval,
)
from engine.paths import Places
from engine.results.comparison import compare_models
from engine.results.csv_export import to_csv
from engine.results.inspection import class_figures, confident_mistakes, find_texts, language_figures, pareto_front
from engine.serving.exports import EXPORT, export_key, exports_root
from engine.serving.registry import Registry
from engine.serving.runtime import served_latency
from engine.store import Predictions, Store
from support.models import places_in


def drawn(seed: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Labels of three classes and probabilities that lean towards them."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, rows, p=(0.5, 0.3, 0.2))
    return labels, softmax(generator.normal(size=(rows, 3)) + np.eye(3)[labels])


@pytest.fixture(scope="module")
def results(trained: Places) -> Store:
    """The store of the trained models."""
    return Store.open(trained.store)


def test_the_front_is_what_no_other_point_beats() -> None:
    generator = np.random.default_rng(0)
    costs, qualities = generator.integers(1, 9, 40).tolist(), generator.integers(1, 9, 40).tolist()
    beaten = {
        one
        for one, other in itertools.permutations(range(40), 2)
        if costs[other] <= costs[one]
        and qualities[other] >= qualities[one]
        and (costs[other], qualities[other]) != (costs[one], qualities[one])
    }
    front = pareto_front(costs, qualities)
    assert set(front) == set(range(40)) - beaten
    assert [costs[one] for one in front] == sorted(costs[one] for one in front)
    assert pareto_front([], []) == []


def test_holm_corrects_by_how_many_are_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_wilsons_interval_is_the_one_of_the_formula() -> None:
    hits, rows, z = 12, 33, 1.959963984540054
    share = hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    assert wilson_interval(hits, rows) == pytest.approx((middle - half, middle + half))
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 5)[0] == 0.0
    assert binomtest(0, 5).proportion_ci(method="wilson").high == pytest.approx(wilson_interval(0, 5)[1])


def test_the_calibration_errors_interval_is_the_percentiles_of_resampled_rows() -> None:
    labels, probabilities = drawn(1)
    generator = np.random.default_rng(7)
    errors = []
    for _ in range(80):
        rows = generator.integers(0, len(labels), len(labels))
        errors.append(calibration_error(labels[rows], probabilities[rows]))
    low, high = np.percentile(errors, (2.5, 97.5))
    measured = calibration_error(labels, probabilities)
    assert calibration_interval(labels, probabilities, seed=7, resamples=80) == pytest.approx(
        (min(low, measured), max(high, measured))
    )


def test_a_calibration_error_lies_in_its_interval_even_where_resampling_makes_it_larger() -> None:
    # As sure as right in each of five bins: no error at all, which hardly any resample has.
    sure = np.repeat([0.55, 0.65, 0.75, 0.85, 0.95], 20)
    right = np.concatenate([np.arange(20) < 20 * one for one in (0.55, 0.65, 0.75, 0.85, 0.95)])
    labels = np.where(right, 0, 1)
    low, high = bootstrap_intervals(labels, np.stack([sure, 1 - sure], axis=1))["calibration_error"]
    assert low == pytest.approx(0, abs=1e-9)
    assert 0.05 < high < 0.25


def test_f1_intervals_of_classes_are_those_of_resampled_rows() -> None:
    labels, probabilities = drawn(2)
    predicted = probabilities.argmax(1)
    generator = np.random.default_rng(3)
    resampled = []
    for _ in range(600):
        rows = generator.integers(0, len(labels), len(labels))
        resampled.append(reference.f1_score(labels[rows], predicted[rows], labels=[0, 1, 2], average=None))
    confusion = reference.confusion_matrix(labels, predicted).tolist()
    for (low, high), expected in zip(
        class_f1_intervals(confusion), np.percentile(resampled, (2.5, 97.5), axis=0).T, strict=True
    ):
        assert (low, high) == pytest.approx(expected, abs=0.025)
    assert class_f1_intervals([[0, 0], [0, 0]]) == [(0.0, 1.0)] * 2


def test_every_figure_of_a_class_agrees_with_scikit_learn_and_lies_in_its_interval(results: Store, task: Task) -> None:
    for row in compare_models(results, task)["rows"]:
        stored = results.predictions(row["run"])
        precision, recall, f1, support = reference.precision_recall_fscore_support(
            stored.labels, stored.predicted, labels=[0, 1, 2], zero_division=0
        )
        figures = class_figures(row)
        for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert [one.value for one in figures[name]] == pytest.approx(expected)
            assert all(0 <= one.low <= one.value <= one.high <= 1 for one in figures[name])
        assert [one.rows for one in figures["recall"]] == list(support)


def test_languages_have_their_rows_and_wilsons_interval_most_rows_first(results: Store) -> None:
    row = compare_models(results, NLI)["rows"][0]
    stored = results.predictions(row["run"])
    figures = language_figures(row)
    assert set(figures) == set(stored.languages)
    assert [one.rows for one in figures.values()] == sorted((one.rows for one in figures.values()), reverse=True)
    for code, figure in figures.items():
        right = [
            label == predicted
            for label, predicted, language in zip(stored.labels, stored.predicted, stored.languages, strict=True)
            if language == code
        ]
        assert (figure.rows, figure.value) == (len(right), pytest.approx(np.mean(right)))
        assert (figure.low, figure.high) == pytest.approx(wilson_interval(sum(right), len(right)))
    assert language_figures(compare_models(results, SLANG)["rows"][0]) == {}


def test_mistakes_are_the_wrong_rows_alone_the_surest_first() -> None:
    predictions = Predictions(
        rows=["a", "b", "c", "d"],
        labels=[0, 1, 2, 0],
        predicted=[0, 0, 1, 2],
        probabilities=[[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.0, 0.95, 0.05], [0.3, 0.1, 0.6]],
        languages=["pl", "pl", "ru", "ru"],
    )
    found = confident_mistakes(predictions, {"c": ("a text",)})
    # Two are equally sure: the one that gave the truth less comes first where it can be told, else the id decides.
    assert [(one.row, one.probability, one.label_probability) for one in found] == [
        ("c", 0.95, 0.05),
        ("b", 0.6, 0.3),
        ("d", 0.6, 0.3),
    ]
    assert found[0].texts == ("a text",)
    assert found[1].texts == ()
    assert (found[0].label, found[0].predicted, found[0].language) == (2, 1, "ru")


def test_texts_of_the_test_rows_are_found_for_the_bundled_data_alone(
    results: Store, task: Task, slang: TaskData, nli: TaskData
) -> None:
    data = slang if task is SLANG else nli
    texts = find_texts(task, data.fingerprint)
    assert texts is not None
    row = compare_models(results, task)["rows"][0]
    stored = results.predictions(row["run"])
    assert set(texts) == set(stored.rows)
    test = data.split("test").set_index("id")
    for mistake in confident_mistakes(stored, texts)[:20]:
        assert mistake.texts == tuple(test.loc[mistake.row, list(task.text_columns)])
        assert mistake.label == test.loc[mistake.row, "label"] != mistake.predicted
    assert find_texts(task, "0" * 12) is None


def test_differences_are_of_accuracy_and_p_values_corrected_for_all_pairs(results: Store, task: Task) -> None:
    comparison = compare_models(results, task)
    accuracy = {row["model"]: row["accuracy"] for row in comparison["rows"]}
    for one in comparison["mcnemar"]:
        assert one["difference"] == pytest.approx(accuracy[one["first"]] - accuracy[one["second"]])
        assert one["p"] <= one["p_holm"] <= 1
    smallest = min(comparison["mcnemar"], key=lambda one: one["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, smallest["p"] * len(comparison["mcnemar"])))


def test_a_record_without_the_calibration_errors_interval_gets_it_from_its_predictions(
    results: Store, trained: Places
) -> None:
    old = Store.in_memory()
    (before,) = [row for row in compare_models(results, SLANG)["rows"] if row["model"] == "tfidf"]
    checkpoint = Registry(trained.checkpoints).find("slang", "tfidf")
    (tfidf,) = [one for one in results.runs("slang", checkpoint.fingerprint) if one.model == "tfidf"]
    record = json.loads(json.dumps(tfidf.record))
    del record["scores"]["test"]["intervals"]["calibration_error"]
    old.add(dataclasses.replace(tfidf, record=record), [], results.predictions(tfidf.id))
    (row,) = compare_models(old, SLANG)["rows"]
    # Stored probabilities are rounded, and some sit on the edge of a bin.
    assert row["intervals"]["calibration_error"] == pytest.approx(before["intervals"]["calibration_error"], abs=5e-3)


def test_the_time_of_what_serves_is_that_of_the_export_and_a_baselines_its_own(trained: Places, tmp_path: Path) -> None:
    registry = Registry(trained.checkpoints)
    tfidf = registry.find("slang", "tfidf")
    assert served_latency(tfidf) == ("numpy", tfidf.manifest["run"]["record"]["latency"]["p50_ms"])
    original = registry.find("slang", "scratch")
    folder = places_in(tmp_path).checkpoints / "slang" / original.folder.name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes((original.folder / "manifest.json").read_bytes())
    checkpoint = type(original)(folder, original.manifest)
    assert served_latency(checkpoint) is None, "it isn't exported"

    export = exports_root(checkpoint) / export_key(checkpoint)
    export.mkdir(parents=True)
    (export / "int8.onnx").write_bytes(b"12345")
    manifest = {
        "serves": "int8",
        "reason": "",
        "files": {"int8.onnx": {"bytes": 5, "sha256": ""}},
        "runtimes": {"torch": {"p50_ms": 3.0}, "int8": {"p50_ms": 0.25}},
    }
    (export / EXPORT).write_text(json.dumps(manifest), encoding="utf-8")
    assert served_latency(checkpoint) == ("int8", 0.25)
    (export / "int8.onnx").write_bytes(b"1234")
    assert served_latency(checkpoint) is None, "a damaged export serves nobody"
    (export / EXPORT).write_text("[]", encoding="utf-8")
    assert served_latency(checkpoint) is None


def test_the_csv_gives_back_every_number_as_it_is(results: Store, task: Task) -> None:
    comparison = compare_models(results, task)
    text = to_csv(comparison, {"scratch": ("int8", 0.125)})
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(lines) == len(comparison["rows"])
    for line, row in zip(lines, comparison["rows"], strict=True):
        assert line["model"] == row["model"]
        assert float(line["macro_f1"]) == row["macro_f1"]
        assert float(line["calibration_error_high"]) == row["intervals"]["calibration_error"][1]
        assert float(line["peak_memory_mb"]) == row["peak_memory_mb"]
        assert line["served_ms"] == ("0.125" if row["model"] == "scratch" else "")
        assert line["fingerprint"] == comparison["data"]["fingerprint"]


def test_the_csv_holds_no_formula_and_no_path(results: Store, trained: Places) -> None:
    comparison = compare_models(results, SLANG)
    rows = [
        row | {"model": name} for row, name in zip(comparison["rows"], ('=HYPERLINK("x")', "@a", "-1+2"), strict=False)
    ]
    text = to_csv(comparison | {"rows": rows}, {})
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [line["model"] for line in lines] == ['\'=HYPERLINK("x")', "'@a", "'-1+2"]
    assert str(trained.checkpoints.parent) not in text


def test_a_runs_arrival_changes_the_mark_of_its_data(results: Store) -> None:
    fingerprint = compare_models(results, SLANG)["data"]["fingerprint"]
    run = results.runs("slang", fingerprint)[0]
    store = Store.in_memory()
    before = store.mark("slang", fingerprint)
    store.add(run, [], Predictions([], [], [], [], []))
    assert store.mark("slang", fingerprint) != before
    assert store.mark("slang", fingerprint) == store.mark("slang", fingerprint)
    assert store.mark("nli", fingerprint) == before
