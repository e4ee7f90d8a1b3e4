"""Tables as plain values: models on the same data, a model on any file, the recipes."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.sources import SourceOptions, TaskData, load, load_for_evaluation
from engine.data.tasks import SLANG, Task
from engine.errors import DataError
from engine.paths import Places
from engine.results.comparison import compare_models, describe_absent, evaluate_model, list_recipes, open_results
from engine.serving.registry import Registry
from engine.store import Store
from engine.training.checkpoints import PREDICTIONS, Checkpoint
from engine.training.recipes import RECIPES
from support.models import places_in, train_model

NAMES = {"majority", "tfidf", "scratch", "scratch-b"}


@pytest.fixture
def data_of(slang: TaskData, nli: TaskData) -> Callable[[Task], TaskData]:
    """The bundled sample of a task."""
    return lambda task: slang if task is SLANG else nli


@pytest.fixture
def results(trained: Places) -> Store:
    """The store of the trained models."""
    return Store.open(trained.store)


def small_file(path: Path) -> Path:
    """A small labelled file of its own."""
    words = {0: "znowu porażka na całego", 1: "lekcja od dziewiątej", 2: "koncert był obłędny"}
    rows = [f"{word} {number},{label}" for label, word in words.items() for number in range(15)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_all_models_on_the_data_are_there_best_first(results: Store, task: Task) -> None:
    comparison = compare_models(results, task)
    rows = comparison["rows"]
    assert {row["model"] for row in rows} == NAMES
    scores = [row[task.select_on] for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_the_data_is_named_with_its_size(results: Store, task: Task, data_of: Callable[[Task], TaskData]) -> None:
    expected = data_of(task)
    about = compare_models(results, task)["data"]
    assert about["source"] == "sample"
    assert about["fingerprint"] == expected.fingerprint
    assert about["rows"] == len(expected.frame)
    assert about["test_rows"] == len(expected.split("test"))


def test_a_row_has_quality_with_intervals_cost_and_latency(results: Store, task: Task) -> None:
    for row in compare_models(results, task)["rows"]:
        for name in ("accuracy", "macro_f1", "weighted_f1", "mcc", "loss"):
            if name not in row["intervals"]:
                # A model with one answer for all rows: no correlation, and one loss where classes are as frequent.
                assert name in ("mcc", "loss")
                assert sum(any(column) for column in zip(*row["confusion"], strict=True)) == 1
                continue
            low, high = row["intervals"][name]
            assert low <= row[name] <= high
        assert np.sum(row["confusion"]) == compare_models(results, task)["data"]["test_rows"]
        assert len(row["per_class"]) == len(task.labels)
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["size_bytes"] > 0
        assert row["total_parameters"] >= row["trained_parameters"] > 0


def test_pairs_of_models_are_tested_once_each(results: Store, task: Task) -> None:
    comparison = compare_models(results, task)
    order = [row["model"] for row in comparison["rows"]]
    pairs = [(one["first"], one["second"]) for one in comparison["mcnemar"]]
    assert pairs == [(a, b) for place, a in enumerate(order) for b in order[place + 1 :]]
    assert all(0 <= one["p"] <= 1 for one in comparison["mcnemar"])


def test_mcnemar_counts_the_rows_that_only_one_gets_right(results: Store) -> None:
    comparison = compare_models(results, SLANG)
    rows = {row["model"]: row for row in comparison["rows"]}
    total = comparison["data"]["test_rows"]
    for one in comparison["mcnemar"]:
        gained = (rows[one["first"]]["accuracy"] - rows[one["second"]]["accuracy"]) * total
        assert one["only_first_right"] - one["only_second_right"] == pytest.approx(gained)


def test_differences_are_of_the_pairs_tested_with_the_figures_of_the_table(results: Store, task: Task) -> None:
    comparison = compare_models(results, task)
    rows = {row["model"]: row for row in comparison["rows"]}
    tests = [(one["first"], one["second"], one["p_holm"]) for one in comparison["mcnemar"]]
    assert [(one["first"], one["second"], one["p_holm"]) for one in comparison["differences"]] == tests
    for one in comparison["differences"]:
        assert one["clusters"] < one["rows"] == comparison["data"]["test_rows"]
        for name, measured in one["figures"].items():
            expected = rows[one["first"]][name] - rows[one["second"]][name]
            assert measured["difference"] == pytest.approx(expected)
            assert measured["low"] <= measured["difference"] <= measured["high"]
            assert measured["verdict"] == (
                "first better"
                if measured["low"] > 0
                else "second better"
                if measured["high"] < 0
                else "no clear difference"
            )


def test_differences_of_older_records_draw_the_terms_of_the_data_at_hand(results: Store) -> None:
    before = compare_models(results, SLANG)
    runs = results.runs("slang", before["data"]["fingerprint"])
    assert all(results.predictions(run.id).clusters for run in runs)
    old, moved = Store.in_memory(), Store.in_memory()
    for run in runs:
        without = dataclasses.replace(results.predictions(run.id), clusters=[])
        old.add(run, [], without)
        moved.add(dataclasses.replace(run, source="mine.csv"), [], without)
    assert compare_models(old, SLANG)["differences"] == before["differences"]
    # The rows of another file aren't at hand, and each stands for itself.
    other = compare_models(moved, SLANG)["differences"]
    assert {one["clusters"] for one in other} == {None}
    assert (
        other[0]["figures"]["accuracy"]["difference"] == before["differences"][0]["figures"]["accuracy"]["difference"]
    )


def test_results_on_different_data_are_never_in_one_table(trained: Places, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints.parent, tmp_path / "home")
    places = places_in(tmp_path / "home")
    store = Store.open(places.store)
    before = compare_models(store, SLANG)
    other = load(SLANG, str(small_file(tmp_path / "rows.csv")))
    for name in ("majority", "tfidf"):
        train_model(RECIPES[name], other, places, store)

    latest = compare_models(store, SLANG)
    assert latest["data"]["source"] == "rows.csv"
    assert latest["data"]["fingerprint"] == other.fingerprint
    assert {row["model"] for row in latest["rows"]} == {"majority", "tfidf"}
    assert [one["fingerprint"] for one in latest["other_data"]] == [before["data"]["fingerprint"]]
    assert latest["other_data"][0]["models"] == len(NAMES)

    named = compare_models(store, SLANG, before["data"]["fingerprint"][:6])
    assert named["rows"] == before["rows"], "training on other data changed an older table"
    assert {row["run"] for row in named["rows"]}.isdisjoint(row["run"] for row in latest["rows"])
    assert [one["source"] for one in named["other_data"]] == ["rows.csv"]


def test_a_retrained_model_stands_in_the_table_once_with_its_latest_run(places: Places, tmp_path: Path) -> None:
    data = load(SLANG, str(small_file(tmp_path / "rows.csv")))
    store = Store.in_memory()
    for _ in range(5):
        latest = train_model(RECIPES["majority"], data, places, store)
        (row,) = compare_models(store, SLANG)["rows"]
        assert row["run"] == latest.run.id, "runs of the same second stand in no order"


def test_unknown_data_is_refused_with_what_there_is(results: Store) -> None:
    known = compare_models(results, SLANG)["data"]["fingerprint"]
    with pytest.raises(DataError, match=rf"data beef.*{known} \(sample\)"):
        compare_models(results, SLANG, "beef")


def test_nothing_trained_is_said_with_the_command_that_helps(store: Store, task: Task) -> None:
    with pytest.raises(DataError, match=f"No model is trained.*odzera train .*--task {task.name}"):
        compare_models(store, task)


def test_results_travel_with_checkpoints(trained: Places, results: Store, tmp_path: Path, task: Task) -> None:
    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    store, notes = open_results(places_in(tmp_path))
    assert notes == []
    assert compare_models(store, task) == compare_models(results, task)
    again, _ = open_results(places_in(tmp_path))
    assert len(compare_models(again, task)["rows"]) == len(NAMES), "adopted twice"


def test_a_broken_database_is_said_and_left_alone_and_checkpoints_still_compare(
    trained: Places, tmp_path: Path
) -> None:
    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    places = places_in(tmp_path)
    places.store.parent.mkdir()
    places.store.write_text("not a database at all, but somebody's notes\n" * 50, encoding="utf-8")
    before = places.store.read_bytes()
    store, notes = open_results(places)
    assert len(notes) == 1
    assert "results.db" in notes[0]
    assert {row["model"] for row in compare_models(store, SLANG)["rows"]} == NAMES
    assert places.store.read_bytes() == before


def test_a_checkpoint_without_its_predictions_is_noted_by_name(trained: Places, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    places = places_in(tmp_path)
    (Registry(places.checkpoints).find("slang", "tfidf").folder / PREDICTIONS).write_text("{}", encoding="utf-8")
    store, notes = open_results(places)
    assert len(notes) == 1
    assert "tfidf@" in notes[0]
    assert {row["model"] for row in compare_models(store, SLANG)["rows"]} == NAMES - {"tfidf"}


def score(registry: Registry, checkpoint: Checkpoint, data: TaskData, split: str) -> dict[str, Any]:
    return evaluate_model(registry.classifier(checkpoint), checkpoint, data, split)


def test_evaluation_on_the_same_test_rows_repeats_the_recorded_figures(
    trained: Places, results: Store, task: Task, data_of: Callable[[Task], TaskData]
) -> None:
    registry = Registry(trained.checkpoints)
    recorded = {row["model"]: row for row in compare_models(results, task)["rows"]}
    for name in NAMES:
        result = score(registry, registry.find(task.name, name), data_of(task), "test")
        for figure in ("accuracy", "macro_f1", "mcc"):
            assert result[figure] == pytest.approx(recorded[name][figure])
        assert result["loss"] == pytest.approx(recorded[name]["loss"], rel=1e-3)
        assert result["confusion"] == recorded[name]["confusion"]


def test_rows_seen_in_training_are_counted(trained: Places, task: Task, data_of: Callable[[Task], TaskData]) -> None:
    registry, data = Registry(trained.checkpoints), data_of(task)
    checkpoint = registry.find(task.name, "tfidf")
    assert score(registry, checkpoint, data, "test")["rows_seen_in_training"] == 0
    train = score(registry, checkpoint, data, "train")
    assert train["rows_seen_in_training"] == train["data"]["rows"] == len(data.split("train"))


def test_any_labelled_file_is_scored_whole(trained: Places, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("tekst,sentyment\nale petarda,2\nco za lipa,0\nspotkanie o szóstej,1\n ,1\n", encoding="utf-8")
    registry = Registry(trained.checkpoints)
    data = load_for_evaluation(SLANG, str(file), SourceOptions(), "all")
    result = score(registry, registry.find("slang", "tfidf"), data, "all")
    assert result["data"] == {"source": "new.csv", "fingerprint": data.fingerprint, "split": "all", "rows": 3}
    assert result["dropped"] == {"empty": 1}
    assert result["trained_on"]["fingerprint"] != data.fingerprint
    assert 0 <= result["accuracy"] <= 1


def test_classes_without_rows_are_named_and_no_interval_claims_certainty(trained: Places, tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("text,label\nspotkanie o szóstej,neutral\n", encoding="utf-8")
    registry = Registry(trained.checkpoints)
    data = load_for_evaluation(SLANG, str(file), SourceOptions(), "all")
    result = score(registry, registry.find("slang", "majority"), data, "all")
    assert (result["accuracy"], result["macro_f1"]) == (1, 1)
    assert result["absent"] == ["negative", "positive"]
    assert list(result["intervals"]) == ["accuracy"]
    assert result["intervals"]["accuracy"][0] < 0.3
    assert describe_absent(result["absent"], result["labels"]) == [
        "No rows of negative, positive: macro F1 is the mean over the classes that have rows (neutral or ambiguous)."
    ]
    # It ignores the text, so that nothing was read; another one says how much was.
    assert result["reading"] is None
    long = tmp_path / "long.csv"
    long.write_text(f"text,label\n{'spotkanie ' * 300},neutral\nlipa,negative\n", encoding="utf-8")
    data = load_for_evaluation(SLANG, str(long), SourceOptions(), "all")
    cut = score(registry, registry.find("slang", "scratch"), data, "all")["reading"]
    assert (cut["rows"], cut["rows_truncated"], cut["share_truncated"]) == (2, 1, 0.5)


def test_every_class_has_rows_in_the_sample(results: Store, task: Task) -> None:
    assert compare_models(results, task)["data"]["absent"] == []


def test_a_split_without_rows_is_refused(trained: Places, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("text,label\nale petarda,positive\n", encoding="utf-8")
    registry = Registry(trained.checkpoints)
    data = load_for_evaluation(SLANG, str(file), SourceOptions(), "all")
    with pytest.raises(DataError, match=r"new\.csv has no test rows"):
        score(registry, registry.find("slang", "tfidf"), data, "test")


def test_nli_is_scored_for_each_language(trained: Places, nli: TaskData) -> None:
    registry = Registry(trained.checkpoints)
    result = score(registry, registry.find("nli", "tfidf"), nli, "test")
    counts = nli.split("test")["lang_abv"].value_counts()
    assert {code: figures["rows"] for code, figures in result["per_language"].items()} == counts.to_dict()


def test_every_recipe_is_listed_for_each_of_its_tasks() -> None:
    listed = {(row["name"], row["task"]) for row in list_recipes()}
    assert listed == {(recipe.name, task) for recipe in RECIPES.values() for task in recipe.tasks}
