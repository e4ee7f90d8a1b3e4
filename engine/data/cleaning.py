"""Cleaning rows: pure functions over data frames, with a report of what was dropped and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from engine.data.folding import fold_all, join_columns
from engine.data.recognise import PART, ROW, FileReport
from engine.data.tasks import SPLITS, Task
from engine.data.visible import find_halves, find_visible
from engine.data.white_space import clean_texts
from engine.messages import Message

MAX_CHARACTERS = 5000
"""Longest text taken, about five times the longest of the published slang set; rows with a longer one are set aside."""


@dataclass(frozen=True)
class CleaningReport:
    """How many rows were read, how many are left, and why the others went."""

    read: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    conflicts: int = 0
    """Duplicates that had another label than the row kept."""
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Why → numbers of the first rows that went, as their file counts them."""
    files: tuple[FileReport, ...] = ()
    """How each file of the source was read."""


def clean(frame: pd.DataFrame, task: Task) -> tuple[pd.DataFrame, CleaningReport]:
    """Clean the text columns of `frame`, and drop empty and duplicate rows.

    Texts are the same where their keys are (`folding.fold`): case, punctuation and white space tell none apart. Where
    the same text stands in two splits, the copy in the earlier one of train, validation goes, so that no evaluated row
    has been trained on and a published test set keeps its size.

    Args:
        frame: Canonical columns; `split` may hold empty strings.
        task: Says which columns are text.

    Returns:
        The kept rows in their old order with a fresh index, and the report.
    """
    columns = list(task.text_columns)
    cleaned = frame.copy()
    for column in columns:
        cleaned[column] = as_objects(clean_texts(cleaned[column].tolist()), cleaned)
    gone: dict[str, list[int]] = {}
    empty = pd.concat([~find_visible(cleaned[column]) for column in columns], axis=1).any(axis=1)
    gone["empty"] = cleaned.index[empty].tolist()
    long = pd.concat([cleaned[column].str.len() > MAX_CHARACTERS for column in columns], axis=1).any(axis=1)
    gone["too long"] = cleaned.index[long & ~empty].tolist()
    odd = pd.concat([find_halves(cleaned[column]) for column in columns], axis=1).any(axis=1)
    gone["not plain text"] = cleaned.index[odd & ~(empty | long)].tolist()
    cleaned = cleaned[~(empty | long | odd)]

    keys = input_keys(cleaned, task)
    # Most texts stand once; only the others are looked at.
    keys = keys[keys.duplicated(keep=False)]
    several = cleaned.loc[keys.index]
    first_kept = {name: rank for rank, name in enumerate(reversed(SPLITS))}
    rank = several["split"].map(first_kept).fillna(len(SPLITS))
    ordered = pd.DataFrame({"key": keys, "label": several["label"], "split": several["split"], "rank": rank})
    ordered = ordered.sort_values("rank", kind="stable")
    same_text = ordered.duplicated("key", keep="first")
    same_row = ordered.duplicated(["key", "label"], keep="first")
    originals = ordered[~same_text].set_index("key")["split"]
    repeated = ordered[same_text]
    crosses = repeated["key"].map(originals) != repeated["split"]
    gone["in a later split too"] = sorted(repeated.index[crosses])
    gone["duplicate"] = sorted(repeated.index[~crosses])
    conflicts = int((same_text & ~same_row).sum())
    notes = (Message("{n} of the duplicates had another label than the row kept", n=conflicts),) if conflicts else ()
    kept = cleaned.drop(index=repeated.index).reset_index(drop=True)
    dropped = {why: len(places) for why, places in gone.items() if places}
    rows = {why: _numbers(frame, places) for why, places in gone.items() if places and ROW in frame}
    report = CleaningReport(len(frame), len(kept), dropped, notes, conflicts, rows)
    return kept.drop(columns=[ROW, PART], errors="ignore"), report


def input_keys(frame: pd.DataFrame, task: Task) -> pd.Series:
    """The key of each row's whole input."""
    return as_objects(join_columns(fold_all(frame[column].tolist()) for column in task.text_columns), frame)


def as_objects(texts: Iterable[str], frame: pd.DataFrame | pd.Series) -> pd.Series:
    """Texts for the rows of `frame`, as Python's own: Arrow's would be made anew whenever one is looked at."""
    return pd.Series(list(texts), index=frame.index, dtype=object)


def _numbers(frame: pd.DataFrame, places: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(number) for number in frame[ROW].loc[list(places[:5])])
