"""Leafing through the rows of a data set: filters, and pages in an order drawn once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.data.sources import TaskData

PAGE_ROWS = 8
MORE = ("term", "meaning")
"""Columns that some sources have beside the texts, and that help to read them."""


@dataclass(frozen=True)
class Filters:
    """Which rows; what is empty leaves all."""

    split: str = ""
    label: str = ""
    language: str = ""
    contains: str = ""
    """In any of the texts, compared without case."""


@dataclass(frozen=True)
class Leaf:
    """One page of rows."""

    rows: tuple[Mapping[str, Any], ...]
    """Each with `id`, `split`, `label`, `language`, `texts` (column → text) and `more` (column → text)."""
    found: int
    """Rows on all pages."""
    number: int
    """Of this page, from 1."""
    pages: int


def browse(data: TaskData, filters: Filters, number: int = 1) -> Leaf:
    """A page of the rows that pass the filters; the nearest one there is where the number is too small or too large."""
    # Files stand in blocks of one term or one language, which say little of the whole.
    found = _passing(data, filters).sample(frac=1, random_state=0)
    pages = max(1, -(-len(found) // PAGE_ROWS))
    number = min(max(1, number), pages)
    shown = found.iloc[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
    return Leaf(tuple(_plain(data, row) for row in shown.to_dict("records")), len(found), number, pages)


def _passing(data: TaskData, filters: Filters) -> pd.DataFrame:
    frame, task = data.frame, data.task
    keep = pd.Series(True, index=frame.index)
    if filters.split:
        keep &= frame["split"] == filters.split
    if filters.label:
        keep &= frame["label"] == (task.labels.index(filters.label) if filters.label in task.labels else -1)
    if filters.language:
        own = frame["lang_abv"] if "lang_abv" in frame else pd.Series(task.languages[0], index=frame.index)
        keep &= own == filters.language
    if filters.contains:
        wanted = filters.contains.casefold()
        keep &= frame[list(task.text_columns)].apply(lambda row: any(wanted in one.casefold() for one in row), axis=1)
    return frame[keep]


def _plain(data: TaskData, row: Mapping[Any, Any]) -> dict[str, Any]:
    own = data.task.languages
    return {
        "id": str(row["id"]),
        "split": row["split"],
        "label": data.task.labels[int(row["label"])],
        "language": str(row.get("lang_abv") or (own[0] if len(own) == 1 else "")),
        "texts": {column: row[column] for column in data.task.text_columns},
        "more": {column: str(row[column]) for column in MORE if row.get(column) and row[column] == row[column]},
    }
