"""The one reader: a file's name and first bytes say what it is, and one of the formats' readers makes a table of it."""

import gzip
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from engine.data.tables.columnar import read_excel, read_parquet
from engine.data.tables.dialect import read_sheet
from engine.data.tables.encoding import decode
from engine.data.tables.json_rows import read_lines, read_list
from engine.data.tables.table import ITEM, LINE, ROW, Reading, Table, shorten
from engine.errors import DataError
from engine.messages import Message

DELIMITED = (".csv", ".tsv", ".tab", ".txt")
JSON = (".jsonl", ".ndjson", ".json")
KINDS = (*DELIMITED, *JSON, ".parquet", ".xlsx")
"""Ends of the names of files that are read, each with `.gz` behind it too."""
MAX_ROWS = 10_000
MAX_COLUMNS = 100
MAX_MEGABYTES = 8
"""What a page takes; a command line takes any number of rows and bytes."""
UNPACKED = 8
"""How many times larger than it may be a file of a page may become when it is unpacked."""

GZIP, ZIP, PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
FOREIGN = {
    b"\xd0\xcf\x11\xe0": ".xls",
    b"%PDF": "PDF",
    GZIP: "gzip in gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"SQLite format 3": "SQLite",
    b"ARROW1": "Arrow",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
}
"""First bytes → what a file is that isn't read."""


def read_table(path: Path, name: str = "", max_rows: int | None = None, max_megabytes: float | None = None) -> Table:
    """Read a table from disk.

    Args:
        path: Where it is.
        name: What its owner calls it, where that isn't the path's name.
        max_rows: More are refused.
        max_megabytes: A larger file is refused before it is read.

    Raises:
        DataError: It is of another kind, too large, broken, or can't be read without guessing; one line says where.
    """
    name = name or path.name
    kind = _kind(path, name)
    size = path.stat().st_size / 2**20
    if max_megabytes is not None and size > max_megabytes:
        raise DataError(
            Message(
                "{name} has {size} MB; at most {most} MB are taken.", name=name, size=round(size, 1), most=max_megabytes
            )
        )
    most = None if max_megabytes is None else max_megabytes * 2**20 * UNPACKED
    content = path.read_bytes()
    packed = content.startswith(GZIP)
    if packed:
        content = _unpack(content, name, most)
    table = _read(content, kind, packed, name, most)
    _check(table, max_rows)
    return table


def _kind(path: Path, name: str) -> str:
    """The ending that says what a file is, without `.gz` behind it.

    Raises:
        DataError: There is no such file, or its kind isn't read.
    """
    plain = Path(name[:-3] if name.lower().endswith(".gz") else name)
    kind = plain.suffix.lower()
    known = kind in KINDS
    if known or not name or name == "-" or (path.exists() and not path.is_file()):
        _refuse_no_file(path, name)
    if not known:
        said = Message(
            "{name}: files of kind “{kind}” are not read. Kinds: {kinds}.",
            name=name,
            kind=kind or "?",
            kinds=", ".join(KINDS),
        )
        raise DataError(said)
    return kind


def _refuse_no_file(path: Path, name: str) -> None:
    if not path.name and name == "":
        raise DataError("--source names no file: give sample, hub, or the path of a table.")
    if name == "-" or str(path) == "-":
        raise DataError("A table is read from a file, not from standard input: save it first and give its path.")
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise DataError(Message("There is no file {name}.", name=shorten(name, 200))) from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{path} is a folder: give the path of a table in it.")
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is a stream or a device: save the table to a file first and give its path.")


def _unpack(content: bytes, name: str, most: float | None) -> bytes:
    try:
        with gzip.open(BytesIO(content)) as file:
            unpacked = file.read() if most is None else file.read(int(most) + 1)
    except (OSError, EOFError, zlib.error):
        raise DataError(Message("{name} can't be unpacked: its gzip is broken.", name=name)) from None
    if most is not None and len(unpacked) > most:
        raise DataError(
            Message("{name} has more than {most} MB once it is unpacked.", name=name, most=round(most / 2**20))
        )
    return unpacked


def _read(content: bytes, kind: str, packed: bool, name: str, most: float | None) -> Table:
    if not content.strip():
        raise DataError(Message("{name} is empty.", name=name))
    if content.startswith(PARQUET) or (kind == ".parquet" and not _is_text(content)):
        cells = read_parquet(content, name, most)
        reading = Reading("Parquet", packed=packed, notes=cells.notes)
        return Table(name, cells.columns, cells.numbers, cells.fetch, reading)
    if content.startswith(ZIP):
        _refuse_archive(content, name)
        cells = read_excel(content, name, most)
        reading = Reading("Excel", packed=packed, notes=cells.notes)
        return Table(name, cells.columns, cells.numbers, cells.fetch, reading)
    for mark, what in FOREIGN.items():
        if content.startswith(mark):
            said = Message(
                "{name} is of a kind that isn't read ({what}). Save it as CSV or as .xlsx.", name=name, what=what
            )
            raise DataError(said)
    text, encoding = decode(content, name)
    if not text.strip():
        raise DataError(Message("{name} is empty.", name=name))
    start = text.lstrip()[:200]
    if kind in JSON or start.startswith(('{"', "[{", "[\n", "[\r")):
        return _read_json(text, start, encoding, packed, name)
    sheet = read_sheet(text, name, kind)
    codec = {"UTF-8": "utf-8"}.get(encoding, "utf-8-sig")
    reading = Reading("CSV", encoding, sheet.dialect.separator, packed, ROW, sheet.notes)
    rows = sheet.rows

    def fetch(place: int) -> list[str]:
        return [row[place] for row in rows]

    return Table(name, sheet.columns, sheet.numbers, fetch, reading, replace(sheet.dialect, encoding=codec))


def _is_text(content: bytes) -> bool:
    return b"\0" not in content[:1000]


def _read_json(text: str, start: str, encoding: str, packed: bool, name: str) -> Table:
    listed = start.startswith("[") or _is_one_object(text)
    found = read_list(text, name) if listed else read_lines(text, name)
    reading = Reading("JSON" if listed else "JSONL", encoding, packed=packed, unit=ITEM if listed else LINE)
    return Table(name, found.columns, found.numbers, found.column, reading, lines=found.lines)


def _is_one_object(text: str) -> bool:
    """Whether a file is one object over several lines, or one that wraps a list of rows."""
    first, _, rest = text.strip().partition("\n")
    if first.strip() == "{":
        return True
    try:
        value = None if rest.strip() else json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), list)


def _refuse_archive(content: bytes, name: str) -> None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names: Sequence[str] = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise DataError(Message("{name} can't be read: its workbook is broken or has a password.", name=name)) from None
    if not any(one.startswith("xl/") for one in names):
        said = Message("{name} is a ZIP archive without a workbook in it. Unpack it and give the table.", name=name)
        raise DataError(said)


def _check(table: Table, max_rows: int | None) -> None:
    """Refuse a table that names a column twice, or has too much.

    Raises:
        DataError: It does, or has.
    """
    seen: set[str] = set()
    for column in filter(None, table.columns):
        if column in seen:
            said = Message(
                "{name} has two columns called “{column}”. Rename one.", name=table.name, column=shorten(column, 60)
            )
            raise DataError(said)
        seen.add(column)
    if not table.numbers:
        raise DataError(Message("{name} has no rows.", name=table.name))
    if max_rows is not None and len(table.columns) > MAX_COLUMNS:
        said = Message(
            "{name} has {n} columns; at most {most} are taken.",
            name=table.name,
            n=len(table.columns),
            most=MAX_COLUMNS,
        )
        raise DataError(said)
    if max_rows is not None and len(table.numbers) > max_rows:
        said = Message(
            "{name} has {n} rows; at most {most} are taken.", name=table.name, n=len(table.numbers), most=max_rows
        )
        raise DataError(said)
