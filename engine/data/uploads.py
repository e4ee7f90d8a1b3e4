"""Files that people hand in to be answered: read with every cell kept, and handed back with columns added."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.data.files import quotes_fields
from engine.errors import DataError
from engine.messages import Message

KINDS = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Ends of the names of files that are taken."""
MAX_ROWS = 10_000
MAX_COLUMNS = 100
MAX_MEGABYTES = 8
"""What a page takes; a command line takes any number of rows."""
EXAMPLE = '{"text": "…"}'

Cell = str | float | None
"""What is added to a row; None where there is nothing to say."""


class Table(Protocol):
    """A file's rows, in the file's own words."""

    @property
    def name(self) -> str:
        """The file's name, without its folder."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of its columns, each once; a column of a spreadsheet may have an empty one."""

    @property
    def numbers(self) -> Sequence[int]:
        """What people call each row: its number in a spreadsheet, where the header is row 1, or its line."""

    def column(self, name: str) -> list[Any]:
        """The cells of a column, a value a row; the empty string where a row lacks it."""

    def extended(self, added: Mapping[str, Sequence[Cell]]) -> bytes:
        """The file in its own format with columns added behind its own, which stay as they are."""


@dataclass(frozen=True)
class Sheet:
    """A CSV or TSV file."""

    name: str
    columns: Sequence[str]
    numbers: Sequence[int]
    rows: Sequence[Sequence[str]]
    delimiter: str
    quotes: bool
    """Whether fields may stand in quotation marks; else marks are just marks."""
    newline: str
    bom: bool

    def column(self, name: str) -> list[Any]:
        """See `Table`."""
        place = list(self.columns).index(name)
        return [row[place] for row in self.rows]

    def extended(self, added: Mapping[str, Sequence[Cell]]) -> bytes:
        """See `Table`."""
        out = io.StringIO(newline="")
        lines = [[*self.columns, *_free_names(added, self.columns)]]
        columns = list(added.values())
        for place, row in enumerate(self.rows):
            lines.append([*row, *("" if column[place] is None else str(column[place]) for column in columns)])
        if self.quotes:
            csv.writer(out, delimiter=self.delimiter, lineterminator=self.newline).writerows(lines)
        else:
            out.writelines(self.delimiter.join(line) + self.newline for line in lines)
        return out.getvalue().encode("utf-8-sig" if self.bom else "utf-8")


@dataclass(frozen=True)
class Lines:
    """A JSONL file."""

    name: str
    columns: Sequence[str]
    numbers: Sequence[int]
    lines: Sequence[str]
    """Each row as it was written."""
    rows: Sequence[Mapping[str, Any]]
    bom: bool

    def column(self, name: str) -> list[Any]:
        """See `Table`."""
        return ["" if row.get(name) is None else row[name] for row in self.rows]

    def extended(self, added: Mapping[str, Sequence[Cell]]) -> bytes:
        """See `Table`."""
        names = _free_names(added, self.columns)
        written = []
        for place, (line, row) in enumerate(zip(self.lines, self.rows, strict=True)):
            more = {name: column[place] for name, column in zip(names, added.values(), strict=True)}
            # What is there stays as it was written, to the last digit; the new columns go before the closing brace.
            head = line[:-1].rstrip() + (", " if row and more else "")
            written.append(head + json.dumps(more, ensure_ascii=False)[1:])
        return ("\n".join(written) + "\n").encode("utf-8-sig" if self.bom else "utf-8")


def read_upload(path: Path, name: str = "", max_rows: int | None = None, max_megabytes: float | None = None) -> Table:
    """Read a CSV, TSV or JSONL file.

    Args:
        path: Where it is.
        name: What its owner calls it; its kind is told by this name's end.
        max_rows: More are refused.
        max_megabytes: A larger file is refused before it is read.

    Raises:
        DataError: It is of another kind, too large, not UTF-8, or broken; the message names the place in it.
    """
    name = name or path.name
    kind = Path(name).suffix.lower()
    if kind not in KINDS:
        said = Message(
            "{name} is of kind “{kind}”; CSV, TSV and JSONL files are taken. A spreadsheet can be saved as CSV.",
            name=name,
            kind=kind or "?",
        )
        raise DataError(said)
    if not path.is_file():
        raise DataError(Message("There is no file {name}.", name=name))
    size = path.stat().st_size / 2**20
    if max_megabytes is not None and size > max_megabytes:
        raise DataError(
            Message(
                "{name} has {size} MB; at most {most} MB are taken.", name=name, size=round(size, 1), most=max_megabytes
            )
        )
    text, bom = _decode(path.read_bytes(), name)
    if not text.strip():
        raise DataError(Message("{name} is empty.", name=name))
    table = _read_sheet(text, bom, name, kind) if kind in (".csv", ".tsv") else _read_lines(text, bom, name)
    if len(table.columns) > MAX_COLUMNS:
        raise DataError(
            Message(
                "{name} has {n} columns; at most {most} are taken.", name=name, n=len(table.columns), most=MAX_COLUMNS
            )
        )
    if max_rows is not None and len(table.numbers) > max_rows:
        raise DataError(
            Message("{name} has {n} rows; at most {most} are taken.", name=name, n=len(table.numbers), most=max_rows)
        )
    return table


def _decode(content: bytes, name: str) -> tuple[str, bool]:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(Message("{name} is UTF-16. Save it as UTF-8 and try again.", name=name))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        said = Message(
            "{name} is not UTF-8: see line {line}. Save it as UTF-8 and try again; in Excel choose “CSV UTF-8”.",
            name=name,
            line=content.count(b"\n", 0, error.start) + 1,
        )
        raise DataError(said) from None
    if "\0" in text:
        said = Message(
            "{name} holds NUL bytes in line {line}, so it is not plain text.",
            name=name,
            line=text.count("\n", 0, text.index("\0")) + 1,
        )
        raise DataError(said)
    return text.removeprefix("\ufeff"), text.startswith("\ufeff")


def _read_sheet(text: str, bom: bool, name: str, kind: str) -> Sheet:
    first = text.lstrip("\r\n").partition("\n")[0]
    # Spreadsheets write semicolons where numbers are written with commas.
    delimiter = "\t" if kind == ".tsv" else max(",;\t", key=first.count)
    quotes = kind == ".csv" or quotes_fields(text)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        strict=True,
    )
    records: list[list[str]] = []
    numbers: list[int] = []
    begins = 1
    try:
        for number, record in enumerate(reader, start=1):
            begins = reader.line_num + 1
            if record:
                records.append(record)
                numbers.append(number)
    except csv.Error:
        said = Message(
            "{name} can't be read from line {line} on: a quotation mark opens there that isn't closed, or stands "
            "inside a text. Inside a quoted text, write every quotation mark twice.",
            name=name,
            line=begins,
        )
        raise DataError(said) from None
    columns = records[0]
    _refuse_twice(columns, name)
    if len(records) == 1:
        raise DataError(Message("{name} has no rows below the first one, which names the columns.", name=name))
    rows = [_fit(row, len(columns), number, name) for row, number in zip(records[1:], numbers[1:], strict=True)]
    newline = "\r\n" if first.endswith("\r") else "\n"
    return Sheet(name, columns, numbers[1:], rows, delimiter, quotes, newline, bom)


def _fit(row: list[str], width: int, number: int, name: str) -> list[str]:
    """A row as wide as the header: spreadsheets leave out empty cells at a row's end, or write too many."""
    if len(row) > width and any(row[width:]):
        said = Message(
            "Row {row} of {name} has {n} cells, but {width} columns are named in the first row. A text with commas, "
            "semicolons or tabs in it has to stand in quotation marks.",
            row=number,
            name=name,
            n=len(row),
            width=width,
        )
        raise DataError(said)
    return [*row[:width], *[""] * (width - len(row))]


def _refuse_twice(columns: Sequence[str], name: str) -> None:
    seen: set[str] = set()
    for column in filter(None, columns):
        if column in seen:
            raise DataError(
                Message("{name} has two columns called “{column}”. Rename one.", name=name, column=_short(column))
            )
        seen.add(column)


class _TwiceError(ValueError):
    """An object with the same key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in names if names.count(key) > 1))
    return made


def _read_lines(text: str, bom: bool, name: str) -> Lines:
    if text.lstrip().startswith("["):
        raise DataError(
            Message("{name} is one JSON list. Write one object a line instead, without the list.", name=name)
        )
    rows: list[Mapping[str, Any]] = []
    lines: list[str] = []
    numbers: list[int] = []
    columns: dict[str, None] = {}
    # Not `splitlines`: JSON may hold other characters that end lines.
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line:
            continue
        rows.append(_parse(line, number, name))
        lines.append(line)
        numbers.append(number)
        columns |= dict.fromkeys(rows[-1])
    for column in columns:
        if any("\ud800" <= char <= "\udfff" for char in column):
            raise DataError(Message("{name} names a column in characters that aren't valid Unicode.", name=name))
    return Lines(name, list(columns), numbers, lines, rows, bom)


def _parse(line: str, number: int, name: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_object)
    except _TwiceError as error:
        said = Message("Line {line} of {name} has “{column}” twice.", line=number, name=name, column=_short(str(error)))
        raise DataError(said) from None
    except (ValueError, RecursionError) as error:
        at = getattr(error, "colno", 1)
        raise DataError(
            Message("Line {line} of {name} is not JSON: see character {at}.", line=number, name=name, at=at)
        ) from None
    if not isinstance(value, dict):
        said = Message(
            "Line {line} of {name} is not a JSON object such as {example}.", line=number, name=name, example=EXAMPLE
        )
        raise DataError(said)
    return value


def _free_names(wanted: Mapping[str, object], taken: Sequence[str]) -> list[str]:
    """Names for new columns that none of the file's own has; none can be read as a formula by a spreadsheet."""
    used = set(taken)
    names = []
    for name in wanted:
        free = base = name.lstrip("=+-@\t\r") or "model"
        number = 2
        while free in used:
            free, number = f"{base}_{number}", number + 1
        used.add(free)
        names.append(free)
    return names


def _short(name: str) -> str:
    """A name that someone else chose, cut to what a message has room for."""
    plain = name.encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= 60 else plain[:59] + "…"
