"""How a data set is spread over labels, languages and lengths; and what was looked for in it that would flatter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.data.describe import count_tokens, spread
from engine.data.near_duplicates import count_near_duplicates
from engine.data.sources import TaskData
from engine.data.splits import find_leaks
from engine.data.tasks import SPLITS
from engine.messages import Message

UNITS = ("characters", "words", "tokens")
BINS = 24
"""Most bars of a histogram, but for the last, which holds the long tail."""
TAIL = 0.99
"""Share of the texts that lie before the tail."""


@dataclass(frozen=True)
class Lengths:
    """Histograms on shared edges, one a group."""

    unit: str
    """One of `UNITS`."""
    edges: tuple[int, ...]
    """Where each bin begins; the last one has no end."""
    counts: Mapping[str, tuple[int, ...]]
    """Group → texts in each bin."""
    spreads: Mapping[str, Mapping[str, float]]
    """Group → `rows`, `mean`, `median`, `p95` and `max`."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked for, how often it was found, and what was done about it."""

    looked_for: Message
    found: int
    done: Message
    open: bool = False
    """Whether it was found and is still there."""


def count_labels(data: TaskData) -> dict[str, dict[str, int]]:
    """Split → label → rows, with every label."""
    counts = data.frame.groupby(["split", "label"]).size().to_dict()
    return {
        split: {label: int(counts.get((split, place), 0)) for place, label in enumerate(data.task.labels)}
        for split in SPLITS
    }


def count_languages(data: TaskData) -> dict[str, dict[str, int]]:
    """Language → split → rows, the commonest language first; the task's own where rows name none."""
    frame, own = data.frame, data.task.languages
    if "lang_abv" in frame:
        languages = frame["lang_abv"].astype(str).str.strip().replace("", "unknown")
    else:
        languages = pd.Series(own[0] if len(own) == 1 else "unknown", index=frame.index)
    counts = frame.groupby([languages.rename("code"), "split"]).size().to_dict()
    totals = languages.value_counts().to_dict()
    return {
        str(code): {split: int(counts.get((code, split), 0)) for split in SPLITS}
        for code in sorted(totals, key=lambda code: (-totals[code], str(code)))
    }


def measure_lengths(data: TaskData, unit: str) -> dict[str, pd.Series]:
    """Text column → the length of every text, in the rows' order.

    Words are what white space separates, so Chinese and Thai have few; tokens are those of the byte-level BPE that a
    model from scratch would get from the train split.

    Args:
        data: Cleaned rows.
        unit: One of `UNITS`.

    Raises:
        KeyError: There is no such unit.
    """
    if unit == "tokens":
        return count_tokens(data)
    measure: dict[str, Callable[[str], int]] = {"characters": len, "words": lambda text: len(text.split())}
    return {column: data.frame[column].map(measure[unit]) for column in data.task.text_columns}


def spread_lengths(lengths: pd.Series, groups: pd.Series, unit: str) -> Lengths:
    """Histograms of each group on shared, round edges; what is longer than nearly all others shares the last bin.

    Args:
        lengths: Whole numbers above zero.
        groups: The group of each, in the order in which groups are shown (a categorical's).
        unit: What the numbers count.
    """
    width = _round_up(float(lengths.quantile(TAIL)) / BINS)
    last = int(np.ceil((lengths.quantile(TAIL) + 1) / width))
    edges = np.arange(0, last + 1) * width
    counts, spreads = {}, {}
    for group in groups.cat.categories:
        own = lengths[(groups == group).to_numpy()]
        if own.empty:
            continue
        heights, _ = np.histogram(own, [*edges, np.inf])
        counts[str(group)] = tuple(int(height) for height in heights)
        spreads[str(group)] = {"rows": len(own), **spread(own)}
    return Lengths(unit, tuple(int(edge) for edge in edges), counts, spreads)


def group_rows(data: TaskData, by: str) -> pd.Series:
    """The split or the label of each row, as a categorical in the usual order."""
    if by == "label":
        names = data.frame["label"].map(dict(enumerate(data.task.labels)))
        return names.astype(pd.CategoricalDtype(list(data.task.labels)))
    return data.frame["split"].astype(pd.CategoricalDtype(list(SPLITS)))


def _round_up(width: float) -> int:
    """The next of 1, 2, 5 times a power of ten."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= width:
                return factor * power
        power *= 10


def check_data(data: TaskData) -> list[Check]:
    """What cleaning dropped, what still stands on two sides of a split, and what was done about each."""
    dropped, leaks = data.report.dropped, find_leaks(data.frame, data.task)
    empty = dropped.get("empty", 0) + dropped.get("not plain text", 0)
    checks = [
        Check(Message("Rows without a label"), dropped.get("unlabelled", 0), Message("Left out.")),
        Check(Message("Rows without a text"), empty, Message("Left out.")),
        Check(Message("Rows with a text longer than is read"), dropped.get("too long", 0), Message("Left out.")),
        Check(
            Message("The same text twice in one split"),
            dropped.get("duplicate", 0),
            Message("One copy was kept, so that nothing counts twice."),
        ),
        Check(
            Message("The same text in two splits"),
            dropped.get("in a later split too", 0),
            Message("The copy in the earlier split was left out: no model is tested on what it was trained on."),
        ),
        Check(
            Message("The same text under two labels"),
            data.report.conflicts,
            Message("One copy was kept, with its own label; nobody has judged which one is right."),
        ),
        Check(
            Message("Texts on two sides after that"),
            leaks["texts"],
            Message("None can be: cleaning takes care of it."),
            leaks["texts"] > 0,
        ),
    ]
    alike = count_near_duplicates(data.frame, data.task)
    checks.append(
        Check(
            Message("Texts with nearly the same words as one in an earlier split"),
            alike,
            Message("They are only counted: test figures may flatter by as much."),
            alike > 0,
        )
    )
    groups = {
        "premises": Message("Premises on two sides of a split"),
        "premise groups": Message("Groups of premises on two sides of a split"),
    }
    kept_together = Message("A split made here never cuts one; a split that came with the data is kept and counted.")
    checks += [Check(words, leaks[key], kept_together, leaks[key] > 0) for key, words in groups.items() if key in leaks]
    if "terms" in leaks:
        checks.append(
            Check(Message("Slang terms on two sides of a split"), leaks["terms"], kept_together, leaks["terms"] > 0)
        )
    return checks
