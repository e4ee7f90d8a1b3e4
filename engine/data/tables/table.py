"""What a file holds once it is read: columns of cells, what people call each row, and how the file was read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from engine.data.tables.dialect import Dialect
from engine.errors import DataError
from engine.messages import Message

ROW, LINE, ITEM = "row", "line", "item"
"""What a row's number counts: rows as a spreadsheet shows them, lines of the file, or items of a list."""


@dataclass(frozen=True)
class Reading:
    """How a file was read."""

    format: str
    """`CSV`, `JSONL`, `JSON`, `Parquet` or `Excel`."""
    encoding: str = ""
    """Of its characters, as people call it; empty for Parquet and Excel, which have none."""
    separator: str = ""
    """Between the cells of a CSV file."""
    packed: bool = False
    """Whether it was compressed with gzip."""
    unit: str = ROW
    """What its rows' numbers count."""
    notes: tuple[str, ...] = ()
    """What a reader of its figures should know."""


@dataclass(frozen=True)
class Table:
    """A file's rows, in the file's own words."""

    name: str
    """The file's name, without its folder."""
    columns: Sequence[str]
    """Names of its columns, each once; a column of a spreadsheet may have an empty one."""
    numbers: Sequence[int]
    """What people call each row: its number in a spreadsheet, where the header is row 1, or its line."""
    fetch: Callable[[int], list[Any]]
    """The cells of the column in this place, a value a row; `column` names it instead."""
    reading: Reading
    dialect: Dialect | None = None
    """How a CSV file is written, to write it again."""
    lines: Sequence[str] = field(default=())
    """Each row of a JSONL file as it stands in it."""

    def column(self, name: str) -> list[Any]:
        """The cells of a column, a value a row; the empty string where a row lacks it."""
        return self.fetch(list(self.columns).index(name))

    def strings(self, name: str) -> list[str]:
        """The cells of a column as text.

        Raises:
            DataError: They are objects or lists, or bytes that aren't UTF-8.
        """
        cells = self.column(name)
        if set(map(type, cells)) == {str}:
            return cells
        odd = next((place for place, cell in enumerate(cells) if isinstance(cell, (dict, list, bytes))), None)
        if odd is not None:
            raise DataError(self.describe_odd(name, cells[odd], odd))
        return [cell if type(cell) is str else as_string(cell) for cell in cells]

    def describe_odd(self, name: str, cell: object, place: int) -> Message:
        """Why a cell that isn't text can't be taken for one."""
        row, column = self.numbers[place], shorten(name, 60)
        if isinstance(cell, bytes):
            return Message(
                "{name}: column “{column}” holds bytes that are not UTF-8 (first in row {row}).",
                name=self.name,
                column=column,
                row=row,
            )
        return Message(
            "{name}: column “{column}” holds objects or lists, not texts (first in row {row}).",
            name=self.name,
            column=column,
            row=row,
        )

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Columns as texts, all of them where none are named; a cell that isn't there is the empty string.

        Raises:
            DataError: As `strings`.
        """
        return pd.DataFrame({name: pd.Series(self.strings(name), dtype=object) for name in columns or self.columns})


def as_string(value: object) -> str:
    """A cell as text; the empty string where there is none."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    # JSON, Parquet and Excel may hold the label as 1.0 where another row had none.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def shorten(text: str, most: int) -> str:
    """Text that someone else wrote, cut to what there is room for; halves of surrogate pairs become question marks."""
    plain = text.encode("utf-8", "replace").decode("utf-8")
    return plain if len(plain) <= most else plain[: most - 1] + "…"
