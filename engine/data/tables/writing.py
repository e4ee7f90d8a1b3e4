"""A table written back with columns behind its own, in the format that the ending of a name asks for."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.tables.dialect import Dialect
from engine.data.tables.table import Table, as_string
from engine.errors import DataError

Cell = str | float | None
"""What is added to a row; None where there is nothing to say."""
Added = Mapping[str, Sequence[Cell]]


def written(table: Table, added: Added, kind: str = "") -> bytes:
    """The table with columns added behind its own, whose cells stay as they are.

    Args:
        table: As it was read.
        added: Name → a cell for each row; a name that is taken gets a number.
        kind: One of `WRITERS`; the table's own where it is empty.

    Raises:
        DataError: Files of this kind aren't written.
    """
    names = _free_names(added, table.columns)
    columns = dict(zip(names, added.values(), strict=True))
    return writer(kind or own_kind(table))(table, columns)


def writer(kind: str) -> Callable[[Table, Added], bytes]:
    """What writes files of a kind.

    Raises:
        DataError: Files of this kind aren't written.
    """
    try:
        return WRITERS[kind.lower()]
    except KeyError:
        raise DataError(f"Files of kind '{kind or '?'}' are not written. Kinds: {', '.join(WRITERS)}.") from None


def own_kind(table: Table) -> str:
    """The ending of files in which a table is written as it was read."""
    if table.reading.format == "CSV":
        return ".tsv" if Path(table.name).suffix.lower() == ".tsv" else ".csv"
    return {"JSONL": ".jsonl", "JSON": ".jsonl", "Parquet": ".parquet", "Excel": ".xlsx"}[table.reading.format]


def check_target(path: Path, force: bool) -> None:
    """Refuse a place for a file before anything is computed for it.

    Raises:
        DataError: Its kind isn't written, its folder isn't there or can't be written, or a file is there already.
    """
    import os

    if path.is_dir():
        raise DataError(f"{path} is a folder: give the name of a file in it.")
    writer(path.suffix)
    if not path.parent.is_dir():
        raise DataError(f"There is no folder {path.parent} to write {path.name} in.")
    if path.exists() and not force:
        raise DataError(f"{path} is there already; --force overwrites it.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise DataError(f"{path} can't be written: permission denied.")


def _sheet(table: Table, added: Added, dialect: Dialect) -> bytes:
    """CSV as the table's own where that is its format; new columns can't be taken for formulas by their names."""
    out = io.StringIO(newline="")
    own = [
        [as_string(cell) if not isinstance(cell, (dict, list)) else _dumps(cell) for cell in table.fetch(place)]
        for place in range(len(table.columns))
    ]
    more = [["" if cell is None else str(cell) for cell in column] for column in added.values()]
    lines = [[*table.columns, *added], *map(list, zip(*own, *more, strict=True))]
    if not dialect.quotes and any(dialect.separator in cell or "\n" in cell for line in lines for cell in line):
        dialect = Dialect(dialect.separator, newline=dialect.newline, encoding=dialect.encoding)
    if dialect.quotes:
        csv.writer(
            out,
            delimiter=dialect.separator,
            lineterminator=dialect.newline,
            escapechar=dialect.escape,
            doublequote=dialect.escape is None,
        ).writerows(lines)
    else:
        out.writelines(dialect.separator.join(line) + dialect.newline for line in lines)
    return out.getvalue().encode(dialect.encoding)


def _as_csv(table: Table, added: Added) -> bytes:
    own = table.dialect
    return _sheet(table, added, own if own is not None and own.separator != "\t" else Dialect(",", newline="\r\n"))


def _as_tsv(table: Table, added: Added) -> bytes:
    own = table.dialect
    return _sheet(table, added, own if own is not None and own.separator == "\t" else Dialect("\t"))


def _as_lines(table: Table, added: Added) -> bytes:
    """JSON Lines; lines that are there stay as they were written, to the last digit."""
    out = []
    if table.lines:
        for place, line in enumerate(table.lines):
            more = {name: column[place] for name, column in added.items()}
            # The new columns go before the closing brace.
            head = line[:-1].rstrip() + (", " if line[1:-1].strip() and more else "")
            out.append(head + _dumps(more)[1:])
    else:
        columns = {name: table.fetch(place) for place, name in enumerate(_whole_names(table))} | dict(added)
        out += [_dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    return ("\n".join(out) + "\n").encode("utf-8-sig" if "mark" in table.reading.encoding else "utf-8")


def _as_parquet(table: Table, added: Added) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for place, name in enumerate(_whole_names(table)):
        cells = [None if cell == "" else cell for cell in table.fetch(place)]
        try:
            columns[name] = pa.array(cells)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            # Numbers in one row and words in another.
            columns[name] = pa.array([None if cell is None else as_string(cell) for cell in cells], pa.string())
    for name, column in added.items():
        columns[name] = pa.array(list(column))
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _as_excel(table: Table, added: Added) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    # What begins like a formula is a text like any other, and so is what looks like an address.
    book = xlsxwriter.Workbook(out, {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True})
    sheet = book.add_worksheet()
    own = [table.fetch(place) for place in range(len(table.columns))]
    for row, cells in enumerate([[*table.columns, *added], *zip(*own, *added.values(), strict=True)]):
        for place, cell in enumerate(cells):
            if isinstance(cell, (int, float)) and not isinstance(cell, bool) and cell == cell:
                sheet.write_number(row, place, cell)
            elif text := _dumps(cell) if isinstance(cell, (dict, list)) else as_string(cell):
                # Excel holds no more in a cell.
                sheet.write_string(row, place, text[:32_767])
    book.close()
    return out.getvalue()


@dataclass(frozen=True)
class _Unique:
    taken: set[str]

    def name(self, wanted: str) -> str:
        free, number = wanted, 2
        while free in self.taken:
            free, number = f"{wanted}_{number}", number + 1
        self.taken.add(free)
        return free


def _whole_names(table: Table) -> list[str]:
    """The table's columns, with a name for each that has none."""
    unique = _Unique({name for name in table.columns if name})
    return [name or unique.name("column") for name in table.columns]


def _free_names(wanted: Mapping[str, object], taken: Sequence[str]) -> list[str]:
    """Names for new columns that none of the file's own has; none can be read as a formula by a spreadsheet."""
    unique = _Unique(set(taken))
    return [unique.name(name.lstrip("=+-@\t\r") or "model") for name in wanted]


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


WRITERS: Mapping[str, Callable[[Table, Added], bytes]] = {
    ".csv": _as_csv,
    ".tsv": _as_tsv,
    ".jsonl": _as_lines,
    ".xlsx": _as_excel,
    ".parquet": _as_parquet,
}
"""Endings of the files that are written → what writes them."""
