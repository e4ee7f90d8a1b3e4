"""The file of a model's repeated trainings: which rows were tested in which fold, and what each training answered."""

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import __version__
from engine.data.folds import TESTED_NEVER, Folds
from engine.data.sources import TaskData
from engine.data.splits import GROUPED_BY
from engine.data.tasks import TASKS
from engine.errors import DataError
from engine.store import Repeat

KIND = "results"
BEGINNING = f"{KIND}-"
OF_THE_FILE = ("task", "fingerprint", "design")
"""What all trainings of a file have in common, and the file says once."""

ALWAYS = ("loss", "epochs", "seconds", "wall_seconds")
SOMETIMES = ("train_accuracy", "best_epoch")
WORDS = ("recipe", "trained_with", "backbone", "machine")
"""Figures of a training that are numbers, that are numbers or null, and that are texts; beside those of its test rows,
which follow from what it answered."""


@dataclass(frozen=True)
class Repeats:
    """Trainings of several models over the same folds and seeds. It holds ids and numbers, never a text."""

    task: str
    source: str
    fingerprint: str
    folds: int
    """1: the source's own split."""
    by: str
    """What stands on one side alone, a key of `engine.data.splits.GROUPED_BY`."""
    fold_seed: int
    """What the folds were drawn with."""
    rows: tuple[str, ...]
    """Ids of the tested rows; what follows is in their order."""
    labels: str
    """True class number of each row, a digit a row."""
    fold_of: str
    """Fold that tests each row, a digit a row."""
    groups: tuple[int, ...]
    """Number of each row's group."""
    jobs: tuple[Repeat, ...] = ()
    """Each training's `predicted` has a digit for each row of its fold, in the rows' order."""
    machine: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    version: str = __version__
    created: str = ""
    """When it was written last: UTC, ISO 8601."""

    @property
    def design(self) -> str:
        """Digest of the rows, their labels, folds and groups."""
        plain = [self.fingerprint, self.folds, self.by, self.rows, self.labels, self.fold_of, self.groups]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:12]

    @property
    def file_name(self) -> str:
        """`results-slang-0123456789ab-folds5.json`, or `…-fixed.json` on the source's own split."""
        split = "fixed" if self.folds == 1 else f"folds{self.folds}"
        return f"{BEGINNING}{self.task}-{self.fingerprint}-{split}.json"

    def places(self, fold: int) -> NDArray[np.int64]:
        """Places in `rows` of those that a fold tests."""
        return np.flatnonzero(digits(self.fold_of) == fold)


def digits(text: str) -> NDArray[np.int64]:
    """`"0120"` → 0, 1, 2, 0."""
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - ord("0")


def as_digits(numbers: Iterable[int]) -> str:
    """0, 1, 2, 0 → `"0120"`."""
    return "".join(str(int(one)) for one in numbers)


def start_repeats(data: TaskData, folds: Folds) -> Repeats:
    """A file without trainings."""
    tested = folds.of != TESTED_NEVER
    frame = data.frame[tested]
    return Repeats(
        data.task.name,
        data.source,
        data.fingerprint,
        folds.count,
        folds.by,
        folds.seed,
        tuple(map(str, frame["id"])),
        as_digits(frame["label"]),
        as_digits(folds.of[tested]),
        tuple(int(one) for one in folds.groups[tested]),
    )


def write_repeats(file: Path, repeats: Repeats) -> None:
    """Write it beside the file, a training a line, and move it there."""
    plain = {"kind": KIND, **{one.name: getattr(repeats, one.name) for one in dataclasses.fields(repeats)}}
    del plain["jobs"]
    head = ",\n".join(f" {json.dumps(name)}: {json.dumps(one, ensure_ascii=False)}" for name, one in plain.items())
    lines = ",\n".join(f"  {json.dumps(_plain_job(one), ensure_ascii=False)}" for one in repeats.jobs)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(f'{{\n{head},\n "jobs": [\n{lines}\n ]\n}}\n', encoding="utf-8")
    os.replace(temporary, file)


def _plain_job(job: Repeat) -> dict[str, Any]:
    return {one.name: getattr(job, one.name) for one in dataclasses.fields(job) if one.name not in OF_THE_FILE}


def read_repeats(file: Path) -> Repeats:
    """Read the file back.

    Raises:
        DataError: It isn't one.
    """
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        if plain.pop("kind") != KIND or plain["task"] not in TASKS or plain["by"] not in GROUPED_BY:
            raise ValueError("its kind or its task is unknown")
        jobs = plain.pop("jobs")
        empty = Repeats(**{**plain, "rows": tuple(plain["rows"]), "groups": tuple(plain["groups"])})
        if len({len(one) for one in (empty.rows, empty.labels, empty.fold_of, empty.groups)}) != 1 or not empty.rows:
            raise ValueError("its rows, labels, folds and groups are not of one number")
        design = empty.design
        own = [Repeat(task=empty.task, fingerprint=empty.fingerprint, design=design, **job) for job in jobs]
        repeats = dataclasses.replace(empty, jobs=tuple(own))
        _check(repeats)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{file.name} can't be read as results over seeds and folds: {error}") from error
    return repeats


def _check(repeats: Repeats) -> None:
    """Raise ValueError or KeyError where a table can't be made of it."""
    classes = len(TASKS[repeats.task].labels)
    folds = digits(repeats.fold_of)
    if not set(folds) <= set(range(repeats.folds)) or not set(digits(repeats.labels)) <= set(range(classes)):
        raise ValueError("a row has an unknown fold or label")
    sizes = np.bincount(folds, minlength=repeats.folds)
    for job in repeats.jobs:
        answers = digits(job.predicted)
        if job.fold not in range(repeats.folds) or len(answers) != sizes[job.fold]:
            raise ValueError(f"{job.model} didn't answer the rows of its fold")
        if not set(answers) <= set(range(classes)):
            raise ValueError(f"{job.model} answered with an unknown label")
        sizes_of = (job.figures["parameters"][name] for name in ("total", "trained"))
        numbers = [job.seed, *sizes_of, *job.figures["f1"], *(job.figures[name] for name in ALWAYS)]
        numbers += [job.figures[name] for name in SOMETIMES if job.figures[name] is not None]
        if not all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
            raise ValueError(f"{job.model} has no numbers")
        if not all(isinstance(job.figures[name], str) for name in WORDS):
            raise ValueError(f"{job.model} doesn't say how it was made")


def list_repeats(folders: Sequence[Path], task: str) -> tuple[list[Repeats], list[str]]:
    """A task's files, a name's first winning, those with most folds in front; and what can't be read."""
    found: dict[str, Repeats] = {}
    refused = []
    for file in list_files(folders, task):
        try:
            found.setdefault(file.name, read_repeats(file))
        except DataError as error:
            refused.append(str(error))
    return sorted(found.values(), key=lambda one: (one.folds, one.created), reverse=True), refused


def list_files(folders: Sequence[Path], task: str) -> list[Path]:
    """Where a task's results may be, whether they can be read or not."""
    return [file for folder in folders for file in sorted(folder.glob(f"{BEGINNING}{task}-*.json"))]
