"""The rows that a model was trained on, where they are still at hand: records name data by fingerprint alone."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from engine.data.sources import RESPLITS, SAMPLE, SourceOptions, TaskData, load
from engine.data.tables import KINDS
from engine.data.tasks import Task, get_task
from engine.errors import DataError

FOLDER = "data"
"""Where a person may put the files that models were trained on, beside `checkpoints/` and `studies/`."""
TABLES = tuple(kind for kind in KINDS if kind != ".txt")
"""Endings of files that may be tables."""
MOST_BYTES = 200_000_000
"""Larger files aren't opened for a page."""


def find_rows(task: Task, fingerprint: str, folder: Path | None) -> TaskData | None:
    """The rows of this fingerprint: those of the bundled sample, or of a file in `folder` that has just these.

    Files are read as `odzera data` reads them, with each way of splitting in turn; None where nothing has the
    fingerprint.
    """
    sample = bundled(task)
    if sample.fingerprint == fingerprint:
        return sample
    for path in _tables(folder):
        data = _read(task.name, path, path.stat().st_mtime_ns, fingerprint)
        if data is not None:
            return data
    return None


def bundled(task: Task) -> TaskData:
    """The bundled sample, read once."""
    return _bundled(task.name)


@lru_cache
def _bundled(name: str) -> TaskData:
    return load(get_task(name), SAMPLE)


def _tables(folder: Path | None) -> Iterator[Path]:
    if folder is not None and folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in TABLES and path.is_file() and path.stat().st_size <= MOST_BYTES:
                yield path


@lru_cache(maxsize=64)
def _read(task: str, path: Path, _: int, fingerprint: str) -> TaskData | None:
    """The file's rows where they have the fingerprint; anew when the file was changed."""
    for resplit in RESPLITS:
        # A file of another task, or one that can't be split, isn't the one looked for.
        with suppress(DataError):
            data = load(get_task(task), str(path), SourceOptions(resplit=resplit))
            if data.fingerprint == fingerprint:
                return data
    return None
