"""Tables to rows of a task: columns under their canonical names, labels as numbers, and a report of how it went."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from engine.data.columns import match_columns, other_labels
from engine.data.labels import MISSING, LabelReading, read_labels
from engine.data.tables import Table
from engine.data.tables.dialect import SEPARATORS
from engine.data.tables.table import shorten
from engine.data.tasks import Task
from engine.errors import DataError
from engine.messages import Message

ROW, PART = "_row", "_part"
"""Columns that say where a row comes from: its number (`7`, or `test.csv 7` where there are several files), and the
place of its file; they go when rows are cleaned."""
SPLIT_NAMES = {"validation": ("validation", "valid", "val", "dev", "trial"), "test": ("test",)}
_SPLIT_ALIASES = {alias: split for split, aliases in SPLIT_NAMES.items() for alias in aliases}
_CODE = re.compile(r"[a-z]{2,3}(-[a-z]{2,8})?", re.IGNORECASE)


@dataclass(frozen=True)
class FileReport:
    """How one file was read."""

    name: str
    format: str
    encoding: str
    separator: str
    packed: bool
    unit: str
    rows: int
    columns: Mapping[str, str]
    """Canonical column → the file's own name for it."""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Table, columns: Mapping[str, str], notes: Sequence[str] = ()) -> "FileReport":
        """The report on a table of which these columns are used."""
        one = table.reading
        return cls(
            *(table.name, one.format, one.encoding, SEPARATORS.get(one.separator, one.separator), one.packed, one.unit),
            len(table.numbers),
            dict(columns),
            (*one.notes, *notes),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**vars(self), "columns": dict(self.columns), "notes": list(map(str, self.notes))}


@dataclass(frozen=True)
class Part:
    """A table of a source, and the split that its rows are for; empty where its own column says."""

    split: str
    table: Table


@dataclass
class Recognised:
    """Rows of a task with numbers for labels."""

    frame: pd.DataFrame
    """Canonical columns, `ROW` and `PART`."""
    files: list[FileReport]
    read: int
    unlabelled: list[str]
    """Numbers of the first rows without a label, as `ROW` has them."""
    without_label: int = 0
    notes: list[str] = field(default_factory=list)


def recognise(parts: Sequence[Part], task: Task, columns: Mapping[str, str], labels: Mapping[str, str]) -> Recognised:
    """Find the columns, and turn labels into numbers; rows without a label are left out and counted.

    Args:
        parts: The source's tables.
        task: What to look for.
        columns: Canonical column → the table's own, named by the caller.
        labels: Spelling → class, named by the caller.

    Raises:
        DataError: A column that the task needs isn't there or holds no texts; a label is none of the task's; or bare
            numbers aren't plainly the task's own.
    """
    frames, files = [], []
    notes: list[str] = []
    for place, part in enumerate(parts):
        frame, used, said = _pick(part, task, columns, labels)
        frames.append(frame.assign(**{PART: place}))
        files.append(FileReport.of(part.table, used, said))
    frame = pd.concat(frames, ignore_index=True)
    reading = read_labels(frame["label"].tolist(), task, labels)
    _refuse_unknown(reading, frame, parts, task)
    if len(parts) > 1 and set(reading.numbers.values()) != set(range(len(task.labels))):
        _refuse_numbers(frame, parts, task, labels)
    if len(reading.unlabelled) == len(frame):
        name = parts[0].table.name
        raise DataError(f"{name}: none of its rows has a label in column “{files[0].columns['label']}”.")
    if reading.numbers:
        read = ", ".join(f"{number} {task.labels[label]}" for number, label in reading.numbers.items())
        notes.append(Message("labels are numbers, read as {labels}", labels=read))
    several = len(parts) > 1
    names = [f"{part.table.name} " if several else "" for part in parts]
    rows = [f"{names[part]}{row}" for part, row in zip(frame[PART], frame[ROW], strict=True)]
    places = [rows[one] for one in reading.unlabelled[:5]]
    kept = frame.assign(label=reading.classes, **{ROW: rows}).drop(index=reading.unlabelled).reset_index(drop=True)
    for place, part in enumerate(parts):
        if part.split and not (kept[PART] == place).any():
            raise DataError(f"{part.table.name}: none of its rows has a label, so it can't be the {part.split} split.")
    return Recognised(kept, files, len(frame), places, len(reading.unlabelled), notes)


def _pick(
    part: Part, task: Task, given: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """A table's columns under their canonical names, all as texts; which they are; and what is odd about them."""
    table = part.table
    found = match_columns(table.columns, task, given)
    wanted = [*task.text_columns, "label"]
    missing = [column for column in wanted if column not in found]
    if missing:
        raise DataError(
            f"{table.name}: no column recognised as {' or '.join(missing)}. Columns seen: "
            f"{shorten(', '.join(table.columns), 200)}. Wanted: {', '.join(wanted)}; name them with "
            f"--column {missing[0]}=NAME."
        )
    frame = table.frame(list(dict.fromkeys(found.values())))
    frame = pd.DataFrame({canonical: frame[own] for canonical, own in found.items()})
    if "lang_abv" not in frame and "language" in frame and all(map(_CODE.fullmatch, frame["language"].unique())):
        frame = frame.assign(lang_abv=frame["language"])
    own_split = frame["split"].str.strip().str.lower().replace(_SPLIT_ALIASES) if "split" in frame else ""
    notes = [
        compare_labels(table, task, found["label"], other, labels, "label" in given)
        for other in other_labels(table.columns, task, found["label"])
    ]
    # A file that stands for one split is that split, whatever a column of its own says.
    frame = frame.assign(split=part.split or own_split, **{ROW: pd.Series(list(table.numbers))})
    return frame, found, [one for one in notes if one]


def compare_labels(table: Table, task: Task, chosen: str, other: str, given: Mapping[str, str], named: bool) -> str:
    """What a second column of labels says otherwise, where it does.

    Raises:
        DataError: It names classes where the chosen one has numbers, which so are read wrongly.
    """
    first = read_labels(table.strings(chosen), task, given)
    second = read_labels(table.strings(other), task, given)
    if 2 * len(second.unknown) > len(table.numbers) or second.doubt:
        return ""
    both = (first.classes != MISSING) & (second.classes != MISSING)
    differ = [place for place in (both & (first.classes != second.classes)).nonzero()[0].tolist()]
    if not differ:
        return ""
    said = Message(
        "column “{other}” says otherwise than column “{column}” in {n} rows (first in row {row})",
        other=shorten(other, 60),
        column=shorten(chosen, 60),
        n=len(differ),
        row=table.numbers[differ[0]],
    )
    if first.numbers and not second.numbers and not named:
        raise DataError(f"{table.name}: {said}. Name the right one: --column label=NAME.")
    return said


def _refuse_unknown(reading: LabelReading, frame: pd.DataFrame, parts: Sequence[Part], task: Task) -> None:
    if not reading.unknown and not reading.doubt:
        return
    if not reading.unknown:
        raise DataError(f"{parts[0].table.name}: {_small(str(reading.doubt))}")
    place = reading.unknown[0]
    value = frame["label"].iloc[place]
    table = parts[int(frame[PART].iloc[place])].table
    means = "It may be either of two classes; say which" if value in reading.ambiguous else "Say what it means"
    how = reading.doubt or f"{means}: --label {_quoted(shorten(value, 40))}=CLASS"
    raise DataError(
        f"{table.name}: label '{shorten(value, 40)}' in {table.reading.unit} {frame[ROW].iloc[place]} is none of "
        f"{task.describe_labels()} ({len(reading.unknown)} such rows). {how}"
    )


def _refuse_numbers(frame: pd.DataFrame, parts: Sequence[Part], task: Task, labels: Mapping[str, str]) -> None:
    """Refuse a file with bare numbers whose scale is known from names in another file alone."""
    for place, part in enumerate(parts):
        doubt = read_labels(frame["label"][frame[PART] == place].tolist(), task, labels).doubt
        if doubt:
            raise DataError(f"{part.table.name}: {_small(str(doubt))}")


def _quoted(value: str) -> str:
    return f"'{value}'" if " " in value else value


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def fill_ids(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Give every row an id: its own, or a hash of its text, so that a result can be traced without storing text."""
    rows = zip(*(frame[column] for column in task.text_columns), strict=True)
    digests = [hashlib.sha256("\x1f".join(row).encode("utf-8", "replace")).hexdigest()[:16] for row in rows]
    hashed = pd.Series(digests, index=frame.index, dtype=object)
    ids = frame["id"].where(frame["id"].fillna("") != "", hashed) if "id" in frame else hashed
    # The same id may stand for a pair in several languages; results are kept by id, so the later ones get a number.
    place = ids.groupby(ids, sort=False).cumcount()
    later = place[place > 0]
    return frame.assign(id=ids.mask(place > 0, ids[later.index] + "#" + (later + 1).astype(str)))
