"""Models answer a whole file one after the other, a piece at a time, so that nobody else has to wait for it."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import numpy as np

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.columns import match_columns, other_labels
from engine.data.labels import list_unsettled, read_labels
from engine.data.reading import Readings, join
from engine.data.recognise import FileReport, compare_labels
from engine.data.tables import Table, as_string
from engine.data.tables.table import shorten
from engine.data.tasks import NLI, SLANG, Task
from engine.data.visible import is_visible
from engine.errors import DataError, OdzeraError, TextError
from engine.evaluation.agreement import MISSING
from engine.evaluation.metrics import Floats, Ints
from engine.messages import Message
from engine.serving.answers import Failure, check_input
from engine.serving.registry import Registry
from engine.training.checkpoints import Checkpoint

PIECE_SECONDS = 0.15
"""What a piece of a file should take: a question waits no longer than this for a core, and so does a cancellation."""
MOST_ROWS = 1024
"""Of a piece, however fast the model."""
TELL_SECONDS = 0.25
"""How often progress is told."""

Answered = tuple[Floats, Readings | None]
"""Probabilities, and how much of each input was read."""
EMPTY, LONG, ODD = "empty", "long", "odd"
"""Why a row gets no answer: nothing is written in it, too much is, or it isn't plain text."""


@dataclass(frozen=True)
class Columns:
    """Which of a file's columns is what."""

    task: Task
    texts: tuple[str | None, ...]
    """The file's column for each of the task's text columns; None where none is recognised."""
    label: str | None = None


@dataclass(frozen=True)
class Batch:
    """A file's rows, ready to be answered."""

    table: Table
    columns: Columns
    inputs: list[tuple[str, ...]]
    """Cleaned texts of the rows that can be answered."""
    places: Ints
    """Their places in the table, shape (inputs,)."""
    labels: Ints
    """True class number of each of them, `MISSING` where the file has none; shape (inputs,)."""
    refused: Mapping[str, list[int]] = field(default_factory=dict)
    """Why → numbers of the rows that get no answer."""
    unknown_labels: list[int] = field(default_factory=list)
    """Numbers of the rows whose label is none of the task's."""
    doubt: str = ""
    """Why no label can be taken at its word, so that nothing is scored."""
    notes: tuple[str, ...] = ()
    """What is odd about the labels."""

    @property
    def report(self) -> FileReport:
        """How the file was read."""
        texts = zip(self.columns.task.text_columns, self.columns.texts, strict=True)
        used = {canonical: name for canonical, name in (*texts, ("label", self.columns.label)) if name is not None}
        return FileReport.of(self.table, used, self.notes)

    @property
    def labelled(self) -> int:
        """How many rows can be scored."""
        return int((self.labels != MISSING).sum())


def recognise_columns(table: Table, task: Task | None = None, given: Sequence[str] = ()) -> Columns:
    """Find the columns by the names they usually go by, and the task by its columns where it isn't given.

    Args:
        table: The file.
        task: What to look for.
        given: Columns that are named as `CANONICAL=NAME`, of which there is nothing to find.

    Raises:
        DataError: Two columns differ in nothing but case or accents.
    """
    names = [name for name in table.columns if name]
    named = {canonical for canonical, _, _ in (one.partition("=") for one in given)}
    # A pair's columns say more than one that is called text.
    found = [_recognise(names, one, named) for one in ((NLI, SLANG) if task is None else (task,))]
    whole = [one for one in found if None not in one.texts]
    return (whole or found[-1:])[0]


def _recognise(names: Sequence[str], task: Task, named: Collection[str]) -> Columns:
    wanted = [column for column in (*task.text_columns, "label") if column not in named]
    seen = match_columns(names, task, {}, wanted)
    return Columns(task, tuple(seen.get(column) for column in task.text_columns), seen.get("label"))


def name_columns(columns: Columns, given: Sequence[str]) -> Columns:
    """The same with columns that are named as `CANONICAL=NAME`.

    Raises:
        DataError: One isn't, or names something that isn't a text or the label.
    """
    texts = dict(zip(columns.task.text_columns, columns.texts, strict=True))
    named: dict[str, str | None] = {**texts, "label": columns.label}
    for one in given:
        canonical, equals, name = one.partition("=")
        if not equals or canonical not in named:
            raise DataError(f"--column takes NAME=COLUMN with one of {', '.join(named)}; '{one[:60]}' doesn't.")
        named[canonical] = name
    return Columns(columns.task, tuple(named[column] for column in texts), named["label"] or None)


def prepare(table: Table, columns: Columns, labels: Mapping[str, str] | None = None) -> Batch:
    """Take the texts and labels out of a file, setting rows aside that can't be answered.

    Args:
        table: The file.
        columns: Which of its columns is what.
        labels: Spelling → class, as `--label` names them.

    Raises:
        DataError: A text column isn't known, isn't there, or is named twice; or no row can be answered.
    """
    texts = [table.column(name) for name in _check_columns(table, columns)]
    for name, column in zip(columns.texts, texts, strict=True):
        _refuse_objects(table, str(name), column)
    inputs, places = [], []
    refused: dict[str, list[int]] = {}
    for place, row in enumerate(zip(*texts, strict=True)):
        cells = tuple(cell if isinstance(cell, (list, dict, bytes)) else as_string(cell) for cell in row)
        try:
            inputs.append(check_input(columns.task, cells))  # type: ignore[arg-type]
            places.append(place)
        except TextError:
            refused.setdefault(_reason(cells), []).append(table.numbers[place])
    if not inputs:
        said = Message(
            "No row of {name} can be answered: its texts are empty, or longer than {most} characters.",
            name=table.name,
            most=MAX_CHARACTERS,
        )
        raise DataError(said)
    kept = np.array(places, dtype=np.int64)
    classes, unknown, doubt, notes = _read_labels(table, columns, labels or {})
    return Batch(table, columns, inputs, kept, classes[kept], refused, unknown, doubt, notes)


def _check_columns(table: Table, columns: Columns) -> list[str]:
    given = list(columns.texts)
    for name, canonical in zip(given, columns.task.text_columns, strict=True):
        if name is None:
            said = Message(
                "No column of {name} is recognised as the {column}. Choose it among: {columns}.",
                name=table.name,
                column=canonical,
                columns=shorten(", ".join(table.columns), 300),
            )
            raise DataError(said)
    for name in (*given, columns.label):
        if name is not None and name not in table.columns:
            raise DataError(Message("{name} has no column “{column}”.", name=table.name, column=shorten(name, 60)))
    if len({*given, columns.label}) <= len(given):
        raise DataError(Message("A column of {name} is chosen for two things at once.", name=table.name))
    return [name for name in given if name is not None]


def _refuse_objects(table: Table, name: str, cells: Sequence[object]) -> None:
    """Refuse a column that is no column of texts; where most are texts, the others are set aside by their rows."""
    odd = [place for place, cell in enumerate(cells) if isinstance(cell, (dict, list, bytes))]
    if 2 * len(odd) > len(cells):
        raise DataError(table.describe_odd(name, cells[odd[0]], odd[0]))


def _reason(cells: Sequence[object]) -> str:
    if any(isinstance(cell, str) and not is_visible(cell) for cell in cells):
        return EMPTY
    return LONG if any(isinstance(cell, str) and len(cell) > MAX_CHARACTERS for cell in cells) else ODD


def _read_labels(
    table: Table, columns: Columns, given: Mapping[str, str]
) -> tuple[Ints, list[int], str, tuple[str, ...]]:
    """Class numbers of all rows, the numbers of those whose label is none of the task's, why none counts, and notes."""
    nothing = np.full(len(table.numbers), MISSING, np.int64)
    if columns.label is None:
        return nothing, [], "", ()
    task, chosen = columns.task, columns.label
    cells = _cells(table, chosen)
    found = read_labels(cells, task, given)
    if found.doubt:
        return nothing, [], found.doubt, ()
    try:
        others = other_labels(table.columns, task, chosen)
        notes = tuple(filter(None, (compare_labels(table, task, chosen, other, given, False) for other in others)))
    except DataError as error:
        return nothing, [], str(error), ()
    return found.classes, [table.numbers[place] for place in found.unknown], "", notes


def _cells(table: Table, name: str) -> list[str]:
    return [cell if type(cell) is str else as_string(cell) for cell in table.column(name)]


def list_unsettled_labels(table: Table, columns: Columns) -> list[str]:
    """The file's labels that `prepare` knows only where it is told what they mean."""
    if columns.label is None or columns.label not in table.columns:
        return []
    return list_unsettled(_cells(table, columns.label), columns.task)


class Paces:
    """How many rows a second models answer: as was measured here last, or else when they were trained."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._measured: dict[Path, float] = {}

    def rows_a_second(self, model: Checkpoint) -> float:
        """About how many."""
        recorded = model.manifest["run"]["record"]["latency"]["samples_per_second"]
        return max(self._measured.get(model.folder, float(recorded)), 1e-3)

    def seconds(self, model: Checkpoint, rows: int) -> float:
        """About how long a model takes for so many rows."""
        return rows / self.rows_a_second(model)

    def learn(self, model: Checkpoint, rows: int, seconds: float) -> None:
        """Keep what was measured."""
        if rows >= 50 and seconds > 0:
            self._measured[model.folder] = rows / seconds


@dataclass(frozen=True)
class Progress:
    """How far a file is."""

    rows: int
    """That each model is to answer."""
    done: Mapping[str, int]
    """Model → rows it has answered, for all chosen models."""
    model: str
    """That is answering now."""
    elapsed: float
    left: float
    """About how many seconds are left."""
    share: float
    """How much of the work is done, each model by the time it was expected to take; one that failed counts as done."""
    failures: Mapping[str, str]
    """Model → why it can't go on."""


@dataclass(frozen=True)
class Outcome:
    """What models said of a file."""

    batch: Batch
    probabilities: Mapping[str, Floats]
    """Model → probabilities of shape (inputs, classes); rows it hasn't come to are NaN."""
    failures: list[Failure]
    seconds: Mapping[str, float]
    """Model → how long it took, waiting for its turns included."""
    cancelled: bool = False
    readings: Mapping[str, Readings] = field(default_factory=dict)
    """Model → how much it read of each input that it came to; models that ignore the text are left out."""


def run_batch(
    registry: Registry,
    batch: Batch,
    models: Sequence[Checkpoint],
    cancelled: Event | None = None,
    paces: Paces | None = None,
) -> Iterator[Progress | Outcome]:
    """Ask models about every row, one model after the other.

    Pieces of all files stand in one queue and leave a core free, so that questions are answered meanwhile and files
    come on side by side. A model that fails is left, and the others go on.

    Args:
        registry: Where models are opened.
        batch: What to ask.
        models: In this order.
        cancelled: Ends the run within a piece's time when it is set; what is answered by then is kept.
        paces: What is known of the models' pace; it learns from this run.

    Yields:
        `Progress` several times a second, and `Outcome` at the end.
    """
    run = _Run(registry, batch, models, cancelled or Event(), paces or Paces())
    for model in models:
        if run.cancelled.is_set():
            break
        yield from run.ask(model)
    failures = [Failure(name, reason) for name, reason in run.failures.items()]
    said = {name: rows for name, rows in run.probabilities.items() if name not in run.failures}
    read = {name: join(pieces) for name, pieces in run.readings.items() if pieces and name in said}
    yield Outcome(batch, said, failures, run.seconds, run.cancelled.is_set(), read)


class _Run:
    """One file being answered."""

    def __init__(
        self, registry: Registry, batch: Batch, models: Sequence[Checkpoint], cancelled: Event, paces: Paces
    ) -> None:
        self.registry, self.batch, self.models, self.cancelled, self.paces = registry, batch, models, cancelled, paces
        self.rows = len(batch.inputs)
        self.done = {model.name: 0 for model in models}
        self.probabilities: dict[str, Floats] = {}
        self.readings: dict[str, list[Readings]] = {}
        self.failures: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.expected = {model.name: paces.seconds(model, self.rows) for model in models}
        self.start = self.told = time.monotonic()

    def ask(self, model: Checkpoint) -> Iterator[Progress]:
        """All rows of one model."""
        answers = np.full((self.rows, len(self.batch.columns.task.labels)), np.nan)
        self.probabilities[model.name], self.readings[model.name] = answers, []
        begun, computed = time.monotonic(), 0.0
        size = int(np.clip(PIECE_SECONDS * self.paces.rows_a_second(model), 1, 64))
        yield self.progress(model, begun)
        while (at := self.done[model.name]) < self.rows and not self.cancelled.is_set():
            piece = self.batch.inputs[at : at + size]
            future = self.registry.turns.submit(_take_turn, self.registry, model, piece)
            try:
                yield from self._wait(future, model, begun)
                if not future.done():
                    break
                (rows, read), took = future.result()
            except Exception as error:
                # Whatever one model does, the others go on.
                known = isinstance(error, OdzeraError)
                self.failures[model.name] = str(error) if known else repr(error)[:200]
                break
            finally:
                # Somebody who has left keeps nobody waiting.
                future.cancel()
            answers[at : at + len(piece)] = rows
            self.readings[model.name] += [read] if read else []
            self.done[model.name] += len(piece)
            computed += took
            # Never much larger at once: the next texts may be longer.
            size = int(np.clip(len(piece) * min(4.0, PIECE_SECONDS / max(took, 1e-6)), 1, MOST_ROWS))
        self.seconds[model.name] = time.monotonic() - begun
        if model.name not in self.failures:
            self.paces.learn(model, self.done[model.name], computed)

    def _wait(self, future: "Future[tuple[Answered, float]]", model: Checkpoint, begun: float) -> Iterator[Progress]:
        while not wait([future], timeout=0.05).done:
            if self.cancelled.is_set():
                return
            yield from self._tell(model, begun)
        yield from self._tell(model, begun)

    def _tell(self, model: Checkpoint, begun: float) -> Iterator[Progress]:
        if time.monotonic() - self.told >= TELL_SECONDS:
            yield self.progress(model, begun)

    def progress(self, model: Checkpoint, begun: float) -> Progress:
        """How far the file is, with the time left by the pace of the models so far."""
        now = self.told = time.monotonic()
        spent, done = now - begun, self.done[model.name]
        here = spent * (self.rows - done) / done if done else max(0.0, self.expected[model.name] - spent)
        # Models to come are held against those behind: this machine, and its load, aren't those of their training.
        behind = {name: taken for name, taken in self.seconds.items() if name not in self.failures}
        if done:
            behind[model.name] = spent + here
        foreseen = sum(self.expected[name] for name in behind)
        ratio = sum(behind.values()) / foreseen if foreseen else 1.0
        names = [one.name for one in self.models]
        to_come = sum(self.expected[name] for name in names[names.index(model.name) + 1 :])
        left = here + ratio * to_come
        fractions = {name: 1.0 if name in self.failures else count / self.rows for name, count in self.done.items()}
        share = sum(self.expected[name] * fraction for name, fraction in fractions.items()) / sum(
            self.expected.values()
        )
        return Progress(self.rows, dict(self.done), model.name, now - self.start, left, share, dict(self.failures))


def _take_turn(registry: Registry, model: Checkpoint, piece: Sequence[tuple[str, ...]]) -> tuple[Answered, float]:
    """A piece in the queue that questions stand in too, and how long it took once its turn came."""
    return registry.pool.submit(_answer, registry, model, piece).result()


def _answer(registry: Registry, model: Checkpoint, piece: Sequence[tuple[str, ...]]) -> tuple[Answered, float]:
    classifier = registry.classifier(model)
    start = time.perf_counter()
    answered = classifier.answer(piece)
    return answered, time.perf_counter() - start
