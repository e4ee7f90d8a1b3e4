"""Plain text without labels: files of paragraphs, and tables whose rows are some."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from pathlib import Path
from typing import Any

from engine.data import tables
from engine.data.columns import text_columns
from engine.data.tables import read_table
from engine.data.white_space import clean_text
from engine.errors import DataError

OPENERS: Mapping[str, Callable[..., Any]] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
TABLES = tuple(kind for kind in tables.KINDS if kind != ".txt")
KINDS = (".txt", ".txt.xz", ".txt.gz", ".txt.bz2", *TABLES)


@dataclass(frozen=True)
class TextSource:
    """One file of text, and what was found in it."""

    name: str
    """The file's name without its endings; fit for tables."""
    path: Path
    column: str = ""
    """The column that holds the text, where a table has a name of its own for it."""


def name_sources(paths: Sequence[Path], column: str = "") -> list[TextSource]:
    """Give every file a name of its own.

    Raises:
        DataError: A file is missing, named twice, or of a kind that isn't read.
    """
    if not paths:
        raise DataError("--text names no file.")
    sources: list[TextSource] = []
    for path in paths:
        if not path.is_file():
            raise DataError(f"There is no file {path}.")
        kind = next((kind for kind in KINDS if path.name.lower().endswith(kind)), None)
        if kind is None:
            raise DataError(f"{path.name}: text of this kind is not read. Kinds: {', '.join(KINDS)}.")
        if any(path.samefile(other.path) for other in sources):
            raise DataError(f"{path.name} is named twice.")
        stem = path.name[: -len(kind)] or path.name
        taken = {other.name for other in sources}
        names = (stem if place == 1 else f"{stem}#{place}" for place in count_from(1))
        sources.append(TextSource(next(name for name in names if name not in taken), path, column))
    return sources


def paragraphs(source: TextSource) -> Iterator[str]:
    """The cleaned, non-empty paragraphs of a source, one a line or one a row; a table's train rows alone.

    Raises:
        DataError: It isn't text, or is damaged.
    """
    path = source.path
    if path.suffix.lower() in TABLES:
        yield from _rows(source)
        return
    opener = OPENERS.get(path.suffix.lower(), open)
    try:
        with opener(path, "rt", encoding="utf-8-sig") as lines:
            for line in lines:
                if text := clean_text(line):
                    yield text
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 text (byte {error.start} of a block can't be read).") from error
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile, OSError) as error:
        raise DataError(f"{path.name} can't be read: {error}") from error


def _rows(source: TextSource) -> Iterator[str]:
    table = read_table(source.path)
    rows = table.frame(text_columns(table, source.column))
    split = next((name for name in table.columns if name.strip().casefold() == "split"), None)
    if split is not None:
        # What a file itself calls validation or test is for judging, never for learning.
        rows = rows[[cell.strip().casefold() in ("train", "") for cell in table.strings(split)]]
    for row in rows.itertuples(index=False, name=None):
        for value in row:
            if text := clean_text(value):
                yield text


def digest_of_files(sources: Sequence[TextSource]) -> str:
    """First 12 hexadecimal digits of a hash over the files' bytes and names."""
    whole = hashlib.sha256()
    for source in sources:
        whole.update(f"{source.name} {source.column} ".encode())
        with source.path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:12]
