"""Tables that aren't text: Parquet with what `datasets` and pandas write into it, and Excel's workbooks."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data.tables.table import as_string
from engine.errors import DataError
from engine.messages import Message


@dataclass(frozen=True)
class Cells:
    """A table's columns, of which each is made when it is asked for."""

    columns: list[str]
    numbers: Sequence[int]
    fetch: Callable[[int], list[Any]]
    notes: tuple[str, ...] = ()


def read_parquet(content: bytes, name: str, most_bytes: float | None = None) -> Cells:
    """Read a Parquet file: classes of `datasets` by their names, bytes as UTF-8.

    Raises:
        DataError: It is broken, or too large once it is unpacked.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        groups = (file.metadata.row_group(place) for place in range(file.metadata.num_row_groups))
        _refuse_large(sum(group.total_byte_size for group in groups), name, most_bytes)
        table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(Message("{name} can't be read: its Parquet is broken.", name=name)) from error
    return cells_of(table, _class_names(table.schema.metadata or {}), name)


def cells_of(table: Any, names: Mapping[str, Sequence[str]], name: str) -> Cells:
    """The cells of an Arrow table.

    Args:
        table: A `pyarrow.Table`.
        names: Column → names of its classes.
        name: What to call the table in an error.
    """

    # An index that pandas has written is no column of anybody's.
    kept = [column for column in table.column_names if not column.startswith("__index_level_")]
    notes = tuple(
        Message(
            "classes of column {column} are read by their names: {names}", column=column, names=", ".join(names[column])
        )
        for column in kept
        if column in names and _holds_numbers(table.schema.field(column).type)
    )

    def fetch(place: int) -> list[Any]:
        column = kept[place]
        try:
            cells = table.column(column).to_pylist()
        except UnicodeDecodeError:
            said = Message("{name}: column “{column}” holds bytes that are not UTF-8.", name=name, column=column)
            raise DataError(said) from None
        if column in names:
            return [_class_name(cell, names[column]) for cell in cells]
        return [_decoded(cell) if isinstance(cell, bytes) else "" if cell is None else cell for cell in cells]

    return Cells(kept, range(1, table.num_rows + 1), fetch, notes)


def _decoded(cell: bytes) -> str | bytes:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Column → names of its classes, as `datasets` keeps them in a schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            str(column): [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
        }
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _holds_numbers(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _class_name(cell: Any, names: Sequence[str]) -> Any:
    # Where a row has no label, pandas writes the numbers of the others as 1.0.
    is_number = (isinstance(cell, float) and cell.is_integer()) or (isinstance(cell, str) and cell.isdecimal())
    number = int(cell) if is_number and cell not in names else cell
    if isinstance(number, int) and not isinstance(number, bool):
        return names[number] if 0 <= number < len(names) else "" if number == -1 else cell
    return "" if cell is None else cell


def read_excel(content: bytes, name: str, most_bytes: float | None = None) -> Cells:
    """Read a workbook's first sheet with rows, a visible one before a hidden one; rows keep the numbers of Excel.

    Raises:
        DataError: It is broken, empty, or too large once it is unpacked.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        _refuse_large(sum(one.file_size for one in archive.infolist()), name, most_bytes)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet, rows = _choose_sheet(book)
    except (CalamineError, OSError, ValueError) as error:
        raise DataError(
            Message("{name} can't be read: its workbook is broken or has a password.", name=name)
        ) from error
    if not rows:
        raise DataError(Message("{name} is empty.", name=name))
    head = next(place for place, row in enumerate(rows) if any(cell != "" for cell in row))
    columns = [as_string(cell) for cell in rows[head]]
    while columns and not columns[-1] and all(row[len(columns) - 1] == "" for row in rows):
        columns.pop()
    places = [place for place in range(head + 1, len(rows)) if any(cell != "" for cell in rows[place])]
    if not places:
        raise DataError(Message("{name} has no rows below the first one, which names the columns.", name=name))
    notes: tuple[str, ...] = ()
    if len(book.sheet_names) > 1:
        others = len(book.sheet_names) - 1
        notes = (Message("sheet “{sheet}” is read; other sheets are not: {n}", sheet=sheet, n=others),)

    def fetch(place: int) -> list[Any]:
        return [rows[one][place] for one in places]

    return Cells(columns, [place + 1 for place in places], fetch, notes)


def _choose_sheet(book: Any) -> tuple[str, list[list[Any]]]:
    """Name and cells of the first sheet with rows below a header, of the first with any cell where there is none."""
    from python_calamine import SheetVisibleEnum

    found: tuple[str, list[list[Any]]] = ("", [])
    sheets = sorted(book.sheets_metadata, key=lambda one: one.visible != SheetVisibleEnum.Visible)
    for name in (one.name for one in sheets):
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        filled = sum(any(cell != "" for cell in row) for row in rows)
        if filled > 1:
            return name, rows
        if filled and not found[1]:
            found = (name, rows)
    return found


def _refuse_large(size: float, name: str, most: float | None) -> None:
    if most is not None and size > most:
        raise DataError(
            Message(
                "{name} has {size} MB once it is unpacked; at most {most} MB are taken.",
                name=name,
                size=round(size / 2**20, 1),
                most=round(most / 2**20),
            )
        )
