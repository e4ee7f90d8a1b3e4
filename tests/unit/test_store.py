"""The store: real SQLite, in memory and on disk; it keeps ids and numbers, and never mixes data."""

import dataclasses
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.data.sources import TaskData
from engine.errors import StoreError
from engine.store import MIGRATIONS, Predictions, Repeat, Run, Store
from support.models import places_in, tiny_recipe, train_model

FIGURES = {"loss": 0.9, "accuracy": 0.6, "macro_f1": 0.5}
EPOCHS = [
    {"number": number, "train_loss": 1.0 / number, "validation": FIGURES, "lr": 1e-3, "seconds": 2.0}
    for number in (1, 2)
]


def run(name: str, model: str = "scratch", **changes: Any) -> Run:
    """A run with the least that a record holds."""
    latency = {"p50_ms": 1.0, "p95_ms": 2.0, "samples_per_second": 500.0, "calls": 50}
    record = {"rows": {"train": 8, "validation": 1, "test": 1}, "latency": latency, "machine": {"device": "cpu"}}
    plain = Run(name, "slang", model, "sample", "aaaaaaaaaaaa", "2024-05-01T10:00:00+00:00", record)
    return dataclasses.replace(plain, **changes)


def predictions(order: tuple[str, ...] = ("r1", "r2", "r3"), seed: int = 0) -> Predictions:
    """Predictions in the order given, with labels and classes that follow from the row's id."""
    labels = {"r1": 0, "r2": 1, "r3": 2}
    guesses = {row: (label + seed) % 3 for row, label in labels.items()}
    return Predictions(
        rows=list(order),
        labels=[labels[row] for row in order],
        predicted=[guesses[row] for row in order],
        probabilities=[[0.8 if one == guesses[row] else 0.1 for one in range(3)] for row in order],
        languages=["pl"] * len(order),
    )


def test_a_new_store_has_the_latest_schema(store: Store) -> None:
    assert store.db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert set(store.db.table_names()) == {"runs", "epochs", "predictions", "repeats"}


def test_an_opened_store_is_opened_again_with_all_in_it(tmp_path: Path) -> None:
    Store.open(tmp_path / "results.db").add(run("one"), EPOCHS, predictions())
    again = Store.open(tmp_path / "results.db")
    assert again.has("one")
    assert again.db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)


def test_a_store_of_version_0_6_opens_without_its_table_of_latencies_and_with_its_runs(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results.db")
    store.add(run("one"), EPOCHS, predictions())
    columns = {"run": str, "device": str, "p50_ms": float, "batch_p50_ms": float}
    store.db.table("latencies").create(columns, pk=("run", "device"), foreign_keys=[("run", "runs", "id")])
    store.db.table("latencies").insert({"run": "one", "device": "cpu", "p50_ms": 1.0, "batch_p50_ms": 9.0})
    store.db.table("predictions").transform(drop={"cluster"})
    store.db.execute("PRAGMA user_version = 3")
    store.db.close()
    again = Store.open(tmp_path / "results.db")
    assert "latencies" not in again.db.table_names()
    assert again.runs("slang", "aaaaaaaaaaaa") == [run("one")]
    assert again.predictions("one") == predictions()


def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results.db")
    store.add(run("one"), EPOCHS, predictions())
    store.db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    store.db.close()
    with pytest.raises(StoreError, match=f"newer version of Odzera .schema {len(MIGRATIONS) + 1}"):
        Store.open(tmp_path / "results.db")
    assert sqlite3.connect(tmp_path / "results.db").execute("select count(*) from runs").fetchone() == (1,)


def test_a_file_that_is_no_database_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "results.db").write_text("to nie jest baza danych, tylko zwykły tekst. " * 40)
    with pytest.raises(StoreError, match=r"results\.db can't be opened") as caught:
        Store.open(tmp_path / "results.db")
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_made_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("plik")
    with pytest.raises(StoreError, match=r"results\.db can't be opened"):
        Store.open(tmp_path / "studies" / "results.db")


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_runs_are_stored_while_a_page_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str) -> None:
    monkeypatch.setattr("engine.sqlite.choose_journal", lambda: journal)
    writer, reader = Store.open(tmp_path / "results.db"), Store.open(tmp_path / "results.db")
    seen: list[int] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.append(len(reader.runs("slang", "aaaaaaaaaaaa")))

    page = threading.Thread(target=read)
    page.start()
    for number in range(10):
        writer.add(run(f"run {number}", model=f"model {number}"), EPOCHS, predictions())
    ended.set()
    page.join()
    assert len(writer.runs("slang", "aaaaaaaaaaaa")) == 10
    assert seen == sorted(seen)


def test_a_run_comes_back_as_it_went_in(store: Store) -> None:
    store.add(run("one"), EPOCHS, predictions())
    assert store.runs("slang", "aaaaaaaaaaaa") == [run("one")]


def test_predictions_come_back_with_the_clusters_of_their_rows_or_without_any(store: Store) -> None:
    with_clusters = dataclasses.replace(predictions(), clusters=[0, 4, 0])
    store.add(run("one"), EPOCHS, with_clusters)
    store.add(run("two", model="other"), EPOCHS, predictions())
    assert store.predictions("one") == with_clusters
    assert store.predictions("two").clusters == []


def test_adding_a_run_twice_leaves_the_first(store: Store) -> None:
    store.add(run("one"), EPOCHS, predictions())
    store.add(run("one", model="other"), EPOCHS[:1], predictions(seed=1))
    assert [one.model for one in store.runs("slang", "aaaaaaaaaaaa")] == ["scratch"]
    assert len(store.epochs("one")) == 2
    assert store.predictions("one").predicted == [0, 1, 2]


@pytest.mark.parametrize("name", ["runs", "epochs", "predictions"])
def test_a_run_is_stored_whole_or_not_at_all(name: str, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results.db")
    uneven = dataclasses.replace(predictions(), languages=["pl"])
    with pytest.raises(ValueError, match="shorter"):
        store.add(run("one"), EPOCHS, uneven)
    assert Store.open(tmp_path / "results.db").db[name].count == 0


def test_a_run_that_could_not_be_stored_can_be_stored_later(store: Store) -> None:
    with pytest.raises(ValueError, match="shorter"):
        store.add(run("one"), EPOCHS, dataclasses.replace(predictions(), languages=[]))
    store.add(run("one"), EPOCHS, predictions())
    assert len(store.predictions("one").rows) == 3


def test_epochs_come_in_order(store: Store) -> None:
    store.add(run("one"), EPOCHS[::-1], predictions())
    assert [row["number"] for row in store.epochs("one")] == [1, 2]
    assert store.epochs("one")[1]["train_loss"] == 0.5


def test_epochs_from_before_training_accuracy_was_kept_have_none(store: Store) -> None:
    with_it = [{**EPOCHS[0], "train_accuracy": 0.5}, EPOCHS[1]]
    store.add(run("one"), with_it, predictions())
    assert [row["train_accuracy"] for row in store.epochs("one")] == [0.5, None]


def test_runs_on_different_data_are_never_in_one_list(store: Store) -> None:
    store.add(run("one"), EPOCHS, predictions())
    store.add(run("two", fingerprint="bbbbbbbbbbbb"), EPOCHS, predictions())
    assert [one.id for one in store.runs("slang", "aaaaaaaaaaaa")] == ["one"]
    assert [one.id for one in store.runs("slang", "bbbbbbbbbbbb")] == ["two"]
    assert store.runs("slang", "aaaa") == []


def test_runs_of_another_task_are_never_in_one_list(store: Store) -> None:
    store.add(run("one"), EPOCHS, predictions())
    store.add(run("two", task="nli"), EPOCHS, predictions())
    assert [one.id for one in store.runs("slang", "aaaaaaaaaaaa")] == ["one"]


def test_only_the_latest_run_of_a_model_is_shown(store: Store) -> None:
    store.add(run("new", created="2024-05-02T10:00:00+00:00"), EPOCHS, predictions())
    store.add(run("old", created="2024-05-01T10:00:00+00:00"), EPOCHS, predictions())
    store.add(run("other", model="tfidf", created="2024-04-01T10:00:00+00:00"), EPOCHS, predictions())
    assert {one.model: one.id for one in store.runs("slang", "aaaaaaaaaaaa")} == {"scratch": "new", "tfidf": "other"}


def test_data_sets_come_with_the_one_trained_on_last_in_front(store: Store) -> None:
    store.add(run("one"), EPOCHS, predictions())
    store.add(run("two", model="tfidf"), EPOCHS, predictions())
    later = "2024-06-01T10:00:00+00:00"
    store.add(run("three", fingerprint="bbbbbbbbbbbb", source="rows.csv", created=later), EPOCHS, predictions())
    sets = [(one.source, one.fingerprint, one.rows, one.models) for one in store.data_sets("slang")]
    assert sets == [("rows.csv", "bbbbbbbbbbbb", 10, 1), ("sample", "aaaaaaaaaaaa", 10, 2)]


def test_an_empty_store_has_no_data_sets(store: Store) -> None:
    assert store.data_sets("slang") == []
    assert store.predictions("none").rows == []


def test_predictions_of_two_runs_line_up_whatever_their_order(store: Store) -> None:
    store.add(run("one"), EPOCHS, predictions(("r3", "r1", "r2")))
    store.add(run("two", model="tfidf"), EPOCHS, predictions(("r2", "r3", "r1"), seed=1))
    one, two = store.predictions("one"), store.predictions("two")
    assert one.rows == two.rows == ["r1", "r2", "r3"]
    assert one.labels == two.labels == [0, 1, 2]
    assert (one.predicted, two.predicted) == ([0, 1, 2], [1, 2, 0])
    assert one.probabilities[2] == [0.1, 0.1, 0.8]


def test_no_column_is_made_for_texts(store: Store) -> None:
    columns = {column.name for table in store.db.tables for column in table.columns}
    assert not columns & {"text", "premise", "hypothesis", "texts", "input", "inputs", "tekst"}


def test_no_word_of_the_data_is_in_the_file(slang: TaskData, tmp_path: Path) -> None:
    data = dataclasses.replace(slang, frame=slang.frame.groupby("split").head(40).reset_index(drop=True))
    places = places_in(tmp_path)
    store = Store.open(places.store)
    train_model(tiny_recipe(epochs=1), data, places, store)
    whole = "\n".join(store.db.conn.iterdump())
    assert data.fingerprint in whole
    assert [text for (text,) in data.texts("all") if len(text) > 15 and text in whole] == []


def test_a_repeated_training_is_kept_once_and_read_back_for_its_folds_alone(store: Store) -> None:
    one = Repeat("slang", "aaaa", "folds-a", "scratch", 0, 1, "0.7.0", "set", "2026-05-01", {"accuracy": 0.5}, "0120")
    other = dataclasses.replace(one, design="folds-b")
    later = dataclasses.replace(one, version="0.8.0", created="2026-06-01")
    store.add_repeats([later, one, other])
    store.add_repeats([dataclasses.replace(one, predicted="2222")])
    assert store.repeats("slang", "folds-a") == [one, later]
    assert store.repeats("nli", "folds-a") == []
