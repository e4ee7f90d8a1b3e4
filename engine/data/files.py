"""Reading tables from disk and recognising their columns and labels."""

import csv
import hashlib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from engine.data.tasks import TASKS, Task
from engine.errors import DataError

READERS = {".csv": ",", ".tsv": "\t", ".jsonl": None, ".ndjson": None, ".parquet": None}
_SPLIT_NAMES = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
_SPLIT_ALIASES = {alias: split for split, aliases in _SPLIT_NAMES.items() for alias in aliases}


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV, TSV, JSONL or Parquet file; every value becomes a string, missing ones the empty string.

    Raises:
        DataError: The file is missing, of another kind, not UTF-8, or broken.
    """
    if not path.name:
        raise DataError("--source names no file: give sample, hub, or the path of a table.")
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    kind = path.suffix.lower()
    if kind not in READERS:
        raise DataError(f"{path.name}: files of kind '{kind}' are not read. Kinds: {', '.join(READERS)}.")
    try:
        if kind == ".parquet":
            table = pd.read_parquet(path)
        elif kind in (".jsonl", ".ndjson"):
            table = pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8-sig")
        else:
            with warnings.catch_warnings():
                # Rows with a field too many would be cut with no more than a warning.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                table = pd.read_csv(
                    path,
                    sep=READERS[kind],
                    dtype=str,
                    keep_default_na=False,
                    encoding="utf-8-sig",
                    index_col=False,
                    quoting=csv.QUOTE_NONE
                    if kind == ".tsv" and not quotes_fields(path.read_text(encoding="utf-8-sig"))
                    else csv.QUOTE_MINIMAL,
                )
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}). "
            f"Convert it first; from the usual Polish Windows encoding: iconv -f cp1250 -t utf-8 {path.name}"
        ) from error
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{path.name} can't be read: its rows have more fields than its header. Quote commas."
        ) from error
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path.name} can't be read: {_first_line(error)}") from error
    if table.empty:
        raise DataError(f"{path.name} has no rows.")
    return table.map(as_string).rename(columns=str)


def quotes_fields(text: str) -> bool:
    """Whether a tab-separated file's text quotes its fields, as spreadsheets do, or writes them as they are.

    A message may well begin with a quotation mark; so a whole row with a field that opens one and doesn't close it
    says that marks are just marks.
    """
    rows = [line.rstrip("\r").split("\t") for line in text.removesuffix("\n").split("\n")]
    whole = [row for row in rows if len(row) == len(rows[0])]
    return all(field[-1] == '"' and len(field) > 1 for row in whole for field in row if field[:1] == '"')


def as_string(value: object) -> str:
    """A cell as text; the empty string where there is none."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    # JSON and Parquet may hold the label as 1.0 where another row had none.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def find_beside(path: Path, split: str) -> Path | None:
    """`small_train.csv` → `small_validation.csv` or `small_test.csv` in the same folder, if it is there."""
    stem = path.stem
    if "train" not in stem:
        return None
    for name in _SPLIT_NAMES[split]:
        candidate = path.with_name(stem.replace("train", name) + path.suffix)
        if candidate.is_file():
            return candidate
    return None


def match_columns(columns: Iterable[str], task: Task, given: Mapping[str, str]) -> dict[str, str]:
    """Canonical column → the table's own, for those that are there.

    Raises:
        DataError: A column is given that isn't there, or for something that the task doesn't know.
    """
    columns = list(map(str, columns))
    seen = {column.strip().casefold(): column for column in columns}
    found = {}
    for canonical, names in task.aliases.items():
        if canonical in given:
            if given[canonical] not in columns:
                raise DataError(f"There is no column '{given[canonical]}'. Columns seen: {', '.join(columns)}.")
            found[canonical] = given[canonical]
            continue
        for name in names:
            if name in seen:
                found[canonical] = seen[name]
                break
    unknown = set(given) - set(task.aliases)
    if unknown:
        raise DataError(f"--column names '{sorted(unknown)[0]}', which is none of: {', '.join(task.aliases)}.")
    return found


def text_columns(table: pd.DataFrame, where: str, given: str = "") -> list[str]:
    """The columns of `table` that hold text, for a use that needs no labels: that of either task, or the one given.

    Raises:
        DataError: None is recognised.
    """
    if given:
        if given not in table.columns:
            raise DataError(f"{where}: there is no column '{given}'. Columns seen: {', '.join(table.columns)}.")
        return [given]
    for task in TASKS.values():
        found = match_columns(table.columns, task, {})
        if all(column in found for column in task.text_columns):
            return [found[column] for column in task.text_columns]
    raise DataError(
        f"{where}: no column recognised as text. Columns seen: {', '.join(table.columns)}. Name it with --column NAME."
    )


def has_labels(table: pd.DataFrame, task: Task, given: Mapping[str, str]) -> bool:
    """Whether a label column is recognised in `table`."""
    return "label" in match_columns(table.columns, task, given)


def recognise(
    table: pd.DataFrame, task: Task, given: Mapping[str, str] | None = None, *, where: str, split: str = ""
) -> pd.DataFrame:
    """Rename columns to their canonical names and turn labels into numbers.

    Args:
        table: As `read_table` returns it.
        task: What to look for.
        given: Columns named by the caller.
        where: What to call the table in an error.
        split: Split of all its rows, unless it has a column of its own.

    Raises:
        DataError: A column that the task needs isn't there, or a label is none of the task's.
    """
    found = match_columns(table.columns, task, given or {})
    wanted = [*task.text_columns, "label"]
    missing = [column for column in wanted if column not in found]
    if missing:
        raise DataError(
            f"{where}: no column recognised as {' or '.join(missing)}. Columns seen: {', '.join(table.columns)}. "
            f"Wanted: {', '.join(wanted)}; name them with --column {missing[0]}=NAME."
        )
    frame = table[list(found.values())].set_axis(list(found), axis=1)
    frame = frame.assign(label=parse_labels(frame["label"], task, where))
    own_split = frame["split"].str.strip().str.lower().replace(_SPLIT_ALIASES) if "split" in frame else ""
    return frame.assign(split=split or own_split)


def match_labels(column: pd.Series, task: Task) -> pd.Series:
    """Numbers of labels that are given by number or by name; missing where a value is neither."""
    numbers = {f"{index}{end}": index for index in range(len(task.labels)) for end in ("", ".0")}
    return column.str.strip().str.casefold().map(numbers | dict(task.label_aliases))


def parse_labels(column: pd.Series, task: Task, where: str) -> pd.Series:
    """Numbers or names of labels as numbers.

    Raises:
        DataError: A value is neither; the message names its row (the header is row 1).
    """
    labels = match_labels(column, task)
    wrong = labels.isna()
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        raise DataError(
            f"{where}: label '{column.iloc[place][:40]}' in row {place + 2} is none of {task.describe_labels()} "
            f"({int(wrong.sum())} such rows)."
        )
    return labels.astype(int)


def fill_ids(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Give every row an id: its own, or a hash of its text, so that a result can be traced without storing text."""
    rows = zip(*(frame[column] for column in task.text_columns), strict=True)
    digests = [hashlib.sha256("\x1f".join(row).encode()).hexdigest()[:16] for row in rows]
    hashed = pd.Series(digests, index=frame.index, dtype=frame[task.text_columns[0]].dtype)
    ids = frame["id"].where(frame["id"].fillna("") != "", hashed) if "id" in frame else hashed
    # The same id may stand for a pair in several languages; results are kept by id, so the later ones get a number.
    place = ids.groupby(ids).cumcount()
    return frame.assign(id=ids.where(place == 0, ids + "#" + (place + 1).astype(str)))
