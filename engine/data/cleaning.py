"""Cleaning rows: pure functions over data frames, with a report of what was dropped and why."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from engine.data.tasks import SPLITS, Task
from engine.messages import Message

# Control characters carry no meaning in a message, and NUL breaks C strings on the way; line ends, tabs and
# separators stay until white space is squeezed. Zero-width joiners are no control characters, so emoji survive.
_CONTROL = {code: None for code in (*range(0x00, 0x09), *range(0x0E, 0x1C), 0x7F, 0xFEFF)}


@dataclass(frozen=True)
class CleaningReport:
    """How many rows were read, how many are left, and why the others went."""

    read: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    conflicts: int = 0
    """Duplicates that had another label than the row kept."""


def clean_text(text: str) -> str:
    """Strip `text`, bring it to Unicode NFC, drop control characters and squeeze runs of white space."""
    return " ".join(unicodedata.normalize("NFC", text.translate(_CONTROL)).split())


def clean(frame: pd.DataFrame, task: Task) -> tuple[pd.DataFrame, CleaningReport]:
    """Clean the text columns of `frame`, and drop empty and duplicate rows.

    Where the same text stands in two splits, the copy in the earlier one of train, validation goes, so that no
    evaluated row has been trained on and a published test set keeps its size.

    Args:
        frame: Canonical columns; `split` may hold empty strings.
        task: Says which columns are text.

    Returns:
        The kept rows in their old order with a fresh index, and the report.
    """
    columns = list(task.text_columns)
    cleaned = frame.copy()
    for column in columns:
        cleaned[column] = cleaned[column].map(clean_text)
    empty = (cleaned[columns] == "").any(axis=1)
    dropped = {"empty": int(empty.sum())}
    cleaned = cleaned[~empty]

    first_kept = {name: rank for rank, name in enumerate(reversed(SPLITS))}
    by_priority = cleaned.assign(_rank=cleaned["split"].map(first_kept).fillna(len(SPLITS))).sort_values(
        "_rank", kind="stable"
    )
    same_text = by_priority.duplicated(columns, keep="first")
    same_row = by_priority.duplicated([*columns, "label"], keep="first")
    originals = by_priority[~same_text].set_index(columns)["split"]
    repeated = by_priority[same_text]
    crosses = [
        originals.loc[tuple(row) if len(columns) > 1 else row[0]] != split
        for *row, split in repeated[[*columns, "split"]].itertuples(index=False)
    ]
    dropped["in a later split too"] = sum(crosses)
    dropped["duplicate"] = len(repeated) - sum(crosses)
    conflicts = int((same_text & ~same_row).sum())
    notes = (Message("{n} of the duplicates had another label than the row kept", n=conflicts),) if conflicts else ()
    kept = cleaned.drop(index=repeated.index).reset_index(drop=True)
    why = {reason: count for reason, count in dropped.items() if count}
    report = CleaningReport(len(frame), len(kept), why, notes, conflicts)
    return kept, report
