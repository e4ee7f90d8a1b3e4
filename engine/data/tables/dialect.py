"""CSV files: which character separates cells, what quotation marks mean, and where a stray one has swallowed rows."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO

from engine.data.labels import looks_like_label
from engine.errors import DataError
from engine.messages import Message

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
SAMPLE_CHARACTERS, SAMPLE_RECORDS = 200_000, 200
PIECE_CHARACTERS = 200_000
# A cell may be as long as the file: what is too long for a model is set aside by its row later.
csv.field_size_limit(2**31 - 1)

_SEP_LINE = re.compile(r'"?sep=(.)"?[;,]*\r?\n', re.IGNORECASE)
_WHOLLY_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    separator: str
    quotes: bool = True
    """Whether fields may stand in quotation marks; else marks are just marks."""
    escape: str | None = None
    """What stands before a quotation mark inside a quoted field, where it isn't doubled."""
    spaced: bool = False
    """Whether a space after a separator is left out."""
    newline: str = "\n"
    encoding: str = "utf-8"

    def records(self, text: str) -> tuple[list[list[str]], list[int]]:
        """Records and, of each, the physical line on which it begins, both with blank lines in them.

        Raises:
            csv.Error: A quotation mark stands where none may.
        """
        reader = csv.reader(
            split_lines(text),
            delimiter=self.separator,
            quoting=csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE,
            escapechar=self.escape,
            skipinitialspace=self.spaced,
            strict=True,
        )
        records, begins, at = [], [], 1
        try:
            for record in reader:
                records.append(record)
                begins.append(at)
                at = reader.line_num + 1
        except csv.Error as error:
            raise _QuoteError(at, str(error)) from None
        begins.append(at)
        return records, begins


class _QuoteError(csv.Error):
    """A quotation mark that can't be read: on which line its record begins, and whether it is never closed."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line, self.open = line, words.startswith("unexpected end")


def split_lines(text: str) -> Iterator[str]:
    """Physical lines with their ends, made as they are asked for; one file object would hold the text twice over."""
    at = 0
    while at < len(text):
        end = text.find("\n", at + PIECE_CHARACTERS) + 1 or len(text)
        yield from StringIO(text[at:end], newline="")
        at = end


@dataclass(frozen=True)
class Sheet:
    """The records of a CSV file."""

    columns: list[str]
    numbers: list[int]
    rows: list[list[str]]
    """As wide as the header, each."""
    dialect: Dialect
    notes: tuple[str, ...] = ()


class _UnfitError(Exception):
    """A dialect that doesn't explain the file, with what a person is told where no other does either."""

    def __init__(self, said: Message, inside: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.inside = inside
        """Whether a closed quotation mark is followed by more text, as marks inside plain texts are."""


def read_sheet(text: str, name: str, kind: str) -> Sheet:
    """Read a CSV file's characters.

    Args:
        text: All of it.
        name: What to call it in an error.
        kind: The ending of its name; that of TSV files speaks for tabs where nothing else tells.

    Raises:
        DataError: It can't be read without guessing; the message names the row or the line.
    """
    stated = _SEP_LINE.match(text)
    if stated:
        text = text[stated.end() :]
    newline = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    separator = stated[1] if stated else find_separator(text, "\t" if kind in (".tsv", ".tab") else ",")
    plain = Dialect(separator, newline=newline)
    first: _UnfitError | None = None
    for dialect, note in _dialects(plain, text):
        if first is not None and not dialect.quotes and not first.inside and separator != "\t":
            break
        try:
            sheet = _fit(text, dialect, name)
        except _UnfitError as error:
            first = first or error
            continue
        return replace(sheet, notes=(*([note] if note else []), *sheet.notes))
    assert first is not None
    raise DataError(first.said)


def _dialects(plain: Dialect, text: str) -> Iterator[tuple[Dialect, str]]:
    """The ways to read quotation marks, the usual one first, each with what is said where it is the one."""
    yield plain, ""
    if '"' not in text:
        return
    if f'{plain.separator} "' in text:
        yield replace(plain, spaced=True), ""
    if '\\"' in text:
        yield replace(plain, escape="\\"), Message("quotation marks are escaped by backslashes")
    if plain.separator == "\t" or not _any_wholly_quoted(text, plain.separator):
        yield replace(plain, quotes=False), Message("quotation marks are read as part of the texts")


def _any_wholly_quoted(text: str, separator: str) -> bool:
    return any(
        _WHOLLY_QUOTED.fullmatch(field.strip())
        for line in text.splitlines()
        if '"' in line
        for field in line.split(separator)
    )


def find_separator(text: str, usual: str) -> str:
    """The separator with which the first records are as wide as the header, counted outside quotation marks.

    A file of one column has none; the usual one stands for it, unless texts hold it.
    """
    sample = text[:SAMPLE_CHARACTERS]
    if len(sample) < len(text):
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, found = (0.0, 0, False), usual
    for separator in (usual, *(one for one in SEPARATORS if one != usual)):
        widths = _widths(sample, separator)
        if not widths or widths[0] < 2:
            continue
        fitting = sum(width == widths[0] for width in widths) / len(widths)
        score = (round(fitting, 2), min(widths[0], 3), separator == usual)
        if score > best:
            best, found = score, separator
    if best[1]:
        return found
    # One column: a separator that is in texts alone separates nothing, unless each row has as many of it.
    widths = _widths(sample, usual)
    uneven = len(set(widths[1:])) > 1
    return next((one for one in ("\t", "|", ";", "\x1f") if one not in text), usual) if uneven else usual


def _widths(sample: str, separator: str) -> list[int]:
    reader = csv.reader(split_lines(sample), delimiter=separator)
    widths = []
    for record in reader:
        if record:
            widths.append(len(record))
        if len(widths) > SAMPLE_RECORDS:
            break
    return widths


def _fit(text: str, dialect: Dialect, name: str) -> Sheet:
    """The file in this dialect.

    Raises:
        _UnfitError: It isn't in this dialect.
    """
    try:
        records, begins = dialect.records(text)
    except _QuoteError as error:
        raise _UnfitError(_describe_quote(error, name), inside=not error.open) from None
    filled = [place for place, record in enumerate(records) if record]
    if not filled:
        raise DataError(Message("{name} is empty.", name=name))
    head = next((place for place in filled if any(cell.strip() for cell in records[place])), filled[0])
    columns = records[head]
    width = len(columns)
    places = [place for place in filled if place > head]
    if not places:
        raise DataError(Message("{name} has no rows below the first one, which names the columns.", name=name))
    _refuse_wide(records, places, columns, dialect, name)
    notes = _look_for_swallowed(records, begins, places, width, text, dialect, name)
    short = [place for place in places if len(records[place]) < width]
    if short:
        notes.append(
            Message(
                "rows with fewer cells than columns, the others taken as empty: {n} (first in row {row})",
                n=len(short),
                row=short[0] + 1,
            )
        )
    rows = [record if len(record) == width else _widen(record, width) for record in (records[one] for one in places)]
    return Sheet(columns, [place + 1 for place in places], rows, dialect, tuple(notes))


def _widen(record: list[str], width: int) -> list[str]:
    """A row as wide as the header: spreadsheets leave out empty cells at a row's end, or write too many."""
    return [*record[:width], *[""] * (width - len(record))]


def _describe_quote(error: _QuoteError, name: str) -> Message:
    if error.open:
        return Message(
            "{name} can't be read from line {line} on: a quotation mark opens there that isn't closed. Inside a quoted "
            "text, write every quotation mark twice.",
            name=name,
            line=error.line,
        )
    return Message(
        "{name} can't be read from line {line} on: a quotation mark opens there that isn't closed, or stands inside a "
        "text. Inside a quoted text, write every quotation mark twice.",
        name=name,
        line=error.line,
    )


def _refuse_wide(
    records: Sequence[Sequence[str]], places: Sequence[int], columns: Sequence[str], dialect: Dialect, name: str
) -> None:
    width = len(columns)
    wide = [place for place in places if len(records[place]) > width and any(records[place][width:])]
    if not wide:
        return
    first, called = wide[0], "Tab" if dialect.separator == "\t" else dialect.separator
    if len(wide) == len(places) and len({len(records[place]) for place in wide}) == 1 and len(wide) > 1:
        said = Message(
            "Every row of {name} has {n} cells (see row {row}), but the first row names {width} columns. Name the "
            "others too, or put texts with “{separator}” in quotation marks.",
            name=name,
            row=first + 1,
            n=len(records[first]),
            width=width,
            separator=called,
        )
    else:
        said = Message(
            "Row {row} of {name} has {n} cells, but {width} columns are named in the first row ({rows} such rows). A "
            "text with “{separator}” in it has to stand in quotation marks.",
            row=first + 1,
            name=name,
            n=len(records[first]),
            width=width,
            rows=len(wide),
            separator=called,
        )
    raise _UnfitError(said)


def _look_for_swallowed(
    records: Sequence[Sequence[str]],
    begins: Sequence[int],
    places: Sequence[int],
    width: int,
    text: str,
    dialect: Dialect,
    name: str,
) -> list[str]:
    """Refuse cells over several lines that are rows when read alone; note those whose lines only look like rows."""
    several = [place for place in places if begins[place + 1] - begins[place] > 1 and records[place]]
    if not several or not dialect.quotes:
        return []
    ordinary: list[Counter[str]] = [Counter() for _ in range(width)]
    for place in places:
        if begins[place + 1] - begins[place] == 1 and len(records[place]) == width:
            for column, cell in zip(ordinary, records[place], strict=True):
                if len(cell) <= 40:
                    column[cell] += 1
    lines = list(split_lines(text))
    alike = []
    for place in several:
        inside = [line.rstrip("\r\n") for line in lines[begins[place] - 1 : begins[place + 1] - 1]]
        fields = [line.replace('"', "").split(dialect.separator) for line in inside]
        full = [row for row in fields if len(row) == width]
        as_rows = [row for row in full if width > 1 and _is_row(row, ordinary)]
        if len(as_rows) > 1 and 2 * len(as_rows) >= len(inside):
            said = Message(
                "Row {row} of {name} opens a quotation mark and closes it {n} lines later, with {rows} rows inside. If "
                "they are rows, take the mark out or write it twice.",
                row=place + 1,
                name=name,
                n=len(inside) - 1,
                rows=len(as_rows),
            )
            raise _UnfitError(said)
        if full and (width > 1 or len(inside) > 2):
            alike.append(place)
    if not alike:
        return []
    note = Message(
        "rows with a text over several lines that look like rows themselves: {n} (first in row {row})",
        n=len(alike),
        row=alike[0] + 1,
    )
    return [note]


def _is_row(cells: Sequence[str], ordinary: Sequence[Counter[str]]) -> bool:
    """Whether a cell is what its column usually holds: a value that comes again and again, a label or a number."""
    return any(
        cell and (column[cell] > 1 or looks_like_label(cell)) for cell, column in zip(cells, ordinary, strict=True)
    )
