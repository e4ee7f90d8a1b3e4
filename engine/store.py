"""The store: runs, epochs, predictions and repeated trainings in one SQLite file. It keeps no text of a user."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlite_utils import Database
from sqlite_utils.db import Table

from engine.errors import StoreError
from engine.sqlite import require_whole, use_journal

BUSY_SECONDS = 30


def _create_first_tables(db: Database) -> None:
    tables: dict[str, Any] = {
        "runs": (
            {
                "id": str,
                "task": str,
                "model": str,
                "source": str,
                "fingerprint": str,
                "created": str,
                "record": str,
            },
            "id",
        ),
        "epochs": (
            {
                "run": str,
                "number": int,
                "train_loss": float,
                "validation_loss": float,
                "validation_accuracy": float,
                "validation_macro_f1": float,
                "lr": float,
                "seconds": float,
            },
            ("run", "number"),
        ),
        "predictions": (
            {"run": str, "row": str, "label": int, "predicted": int, "probabilities": str, "language": str},
            ("run", "row"),
        ),
    }
    for name, (columns, key) in tables.items():
        foreign = [] if name == "runs" else [("run", "runs", "id")]
        db.table(name).create(columns, pk=key, foreign_keys=foreign, if_not_exists=True)
    db.table("runs").create_index(["task", "fingerprint"], if_not_exists=True)


def _drop_latencies(db: Database) -> None:
    db.table("latencies").drop(ignore=True)


def _keep_train_accuracy(db: Database) -> None:
    db.table("epochs").add_column("train_accuracy", float)


def _keep_clusters(db: Database) -> None:
    db.table("predictions").add_column("cluster", int)


def _keep_repeats(db: Database) -> None:
    columns = {
        **{name: str for name in ("task", "fingerprint", "design", "model", "version", "settings", "created")},
        **{"fold": int, "seed": int, "figures": str, "predicted": str},
    }
    key = ("task", "design", "model", "fold", "seed", "version", "settings")
    db.table("repeats").create(columns, pk=key, if_not_exists=True)


MIGRATIONS: Sequence[Callable[[Database], None]] = (
    _create_first_tables,
    # Once added columns to this table, which repeated the runs' records and was never read.
    _drop_latencies,
    _keep_train_accuracy,
    _drop_latencies,
    _keep_clusters,
    _keep_repeats,
)
"""Schema changes in order; the database's `user_version` says how many it has seen."""


@dataclass(frozen=True)
class Run:
    """One trained model's record: what it is, what it got and what it cost."""

    id: str
    task: str
    model: str
    source: str
    fingerprint: str
    created: str
    """UTC, ISO 8601."""
    record: Mapping[str, Any]
    """`recipe`, `rows`, `scores` (`test`, `validation`), `cost`, `latency`, `machine`, `parameters`, …"""


@dataclass(frozen=True)
class Repeat:
    """One of the trainings that repeat a model over seeds and folds: what it got, and what it answered."""

    task: str
    fingerprint: str
    """Of the source's data, whatever the fold."""
    design: str
    """Digest of which rows are tested in which fold."""
    model: str
    fold: int
    seed: int
    version: str
    settings: str
    """Digest of everything that it was trained with, the fold's rows among it."""
    created: str
    """UTC, ISO 8601."""
    figures: Mapping[str, Any]
    predicted: str
    """Class number of each row of the fold, a digit a row."""


@dataclass(frozen=True)
class DataSet:
    """A data set that models of a task were trained on."""

    source: str
    fingerprint: str
    rows: int
    models: int
    latest: str
    licence: str = ""


@dataclass(frozen=True)
class Predictions:
    """Test predictions of one run, ordered by row id."""

    rows: list[str]
    labels: list[int]
    predicted: list[int]
    probabilities: list[list[float]]
    languages: list[str]
    clusters: list[int] = field(default_factory=list)
    """A number for each row, the same for rows of one term or premise; empty where the data names none, and in older
    records."""

    def as_rows(self, run_id: str) -> Iterator[dict[str, Any]]:
        """A row of the table for each test row."""
        clusters: Sequence[int | None] = self.clusters or [None] * len(self.rows)
        columns = (self.rows, self.labels, self.predicted, self.probabilities, self.languages, clusters)
        for row, label, predicted, probabilities, language, cluster in zip(*columns, strict=True):
            yield {
                "run": run_id,
                "row": row,
                "label": label,
                "predicted": predicted,
                "probabilities": json.dumps(probabilities),
                "language": language,
                "cluster": cluster,
            }


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn the database's and the disk's errors into one `StoreError`."""
    try:
        yield
    except (sqlite3.Error, OSError, Timeout) as error:
        raise StoreError(f"{what}: {error}.") from error


class Store:
    """Runs, epochs and test predictions in a `sqlite_utils.Database`."""

    def __init__(self, db: Database) -> None:
        """Take a database and bring its schema up to date.

        Raises:
            StoreError: It was written by a newer version.
        """
        self.db = db
        with _explained("The results can't be opened"):
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise StoreError(f"The results were stored by a newer version of Odzera (schema {version}).")
            for number, migrate in enumerate(MIGRATIONS[version:], start=version + 1):
                migrate(db)
                db.execute(f"PRAGMA user_version = {number}")

    @staticmethod
    def open(path: Path) -> "Store":
        """Open or create the store at `path`; the page reads it while runs write.

        Raises:
            StoreError: The file can't be opened, written, or isn't a database.
        """
        with _explained(f"The results in {path} can't be opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            require_whole(path)
            # Changing the journal and creating the schema don't wait for each other as plain writes do.
            with FileLock(path.with_name(f".{path.name}.lock"), timeout=BUSY_SECONDS):
                connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
                use_journal(connection)
                return Store(Database(connection))

    @staticmethod
    def in_memory() -> "Store":
        """A store that is gone with the process, where the disk can't be written."""
        return Store(Database(sqlite3.connect(":memory:", check_same_thread=False)))

    def add(self, run: Run, epochs: Sequence[Mapping[str, Any]], predictions: Predictions) -> None:
        """Store a run whole or not at all; a run that is there already stays as it is.

        Raises:
            StoreError: It can't be written.
        """
        if self.has(run.id):
            return
        with _explained("The results can't be written"), self.db.atomic():
            self._table("runs").insert(asdict(run) | {"record": json.dumps(run.record, ensure_ascii=False)})
            self._table("epochs").insert_all({"run": run.id, **epoch_row(epoch)} for epoch in epochs)
            self._table("predictions").insert_all(predictions.as_rows(run.id))

    def has(self, run_id: str) -> bool:
        """Whether a run is stored."""
        with _explained("The results can't be read"):
            return self._table("runs").count_where("id = ?", [run_id]) > 0

    def runs(self, task: str, fingerprint: str) -> list[Run]:
        """The latest run of every model on one data set, oldest first; never runs on different data."""
        with _explained("The results can't be read"):
            rows = self._table("runs").rows_where(
                "task = ? and fingerprint = ?", [task, fingerprint], order_by="created, id"
            )
            latest = {row["model"]: row for row in rows}
        return [Run(**{**row, "record": json.loads(row["record"])}) for row in latest.values()]

    def mark(self, task: str, fingerprint: str) -> str:
        """What changes whenever a run on this data is added."""
        with _explained("The results can't be read"):
            found = self.db.execute(
                "select count(*), max(created) from runs where task = ? and fingerprint = ?", [task, fingerprint]
            )
            return "{} {}".format(*found.fetchone())

    def data_sets(self, task: str) -> list[DataSet]:
        """Data sets with at least one run, the one trained on last first."""
        with _explained("The results can't be read"):
            found = list(
                self.db.query(
                    "select fingerprint, max(created) as latest from runs where task = ? group by fingerprint "
                    "order by latest desc",
                    [task],
                )
            )
        sets = []
        for row in found:
            runs = self.runs(task, row["fingerprint"])
            record = runs[-1].record
            sets.append(
                DataSet(
                    source=runs[-1].source,
                    fingerprint=row["fingerprint"],
                    rows=sum(record["rows"].values()),
                    models=len(runs),
                    latest=row["latest"],
                    licence=record.get("licence", ""),
                )
            )
        return sets

    def epochs(self, run_id: str) -> list[dict[str, Any]]:
        """A run's learning curve, one row an epoch."""
        return list(self._table("epochs").rows_where("run = ?", [run_id], order_by="number"))

    def predictions(self, run_id: str) -> Predictions:
        """A run's test predictions, ordered by row id, so that two runs on the same data line up."""
        with _explained("The results can't be read"):
            rows = list(self._table("predictions").rows_where("run = ?", [run_id], order_by="row"))
        return Predictions(
            rows=[row["row"] for row in rows],
            labels=[row["label"] for row in rows],
            predicted=[row["predicted"] for row in rows],
            probabilities=[json.loads(row["probabilities"]) for row in rows],
            languages=[row["language"] for row in rows],
            clusters=[row["cluster"] for row in rows if row["cluster"] is not None],
        )

    def add_repeats(self, repeats: Iterable[Repeat]) -> None:
        """Store repeated trainings; those that are there already stay as they are.

        Raises:
            StoreError: They can't be written.
        """
        rows = (asdict(one) | {"figures": json.dumps(one.figures, ensure_ascii=False)} for one in repeats)
        with _explained("The results can't be written"), self.db.atomic():
            self._table("repeats").insert_all(rows, ignore=True)

    def repeats(self, task: str, design: str) -> list[Repeat]:
        """Every repeated training on these rows and folds, oldest first.

        Raises:
            StoreError: The results can't be read.
        """
        with _explained("The results can't be read"):
            rows = list(
                self._table("repeats").rows_where("task = ? and design = ?", [task, design], order_by="created, rowid")
            )
        return [Repeat(**{**row, "figures": json.loads(row["figures"])}) for row in rows]

    def _table(self, name: str) -> Table:
        return self.db.table(name)


def epoch_row(epoch: Mapping[str, Any]) -> dict[str, Any]:
    """A plain epoch, as manifests keep it, as the store does."""
    figures = epoch["validation"]
    return {
        "number": epoch["number"],
        "train_loss": epoch["train_loss"],
        # Manifests from before it was kept have none.
        "train_accuracy": epoch.get("train_accuracy"),
        "validation_loss": figures["loss"],
        "validation_accuracy": figures["accuracy"],
        "validation_macro_f1": figures["macro_f1"],
        "lr": epoch["lr"],
        "seconds": epoch["seconds"],
    }
