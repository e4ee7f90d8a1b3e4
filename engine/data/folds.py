"""Folds: every row tested once by a model that has seen nothing of its group; or the one split that the source has."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.sources import TaskData, fingerprint
from engine.data.splits import GROUPED_BY, count_terms, group_rows, merge_rare
from engine.errors import DataError

VALIDATION_PARTS = 8
"""One part in so many of what isn't tested is for validation."""
TESTED_NEVER = -1


@dataclass(frozen=True)
class Folds:
    """Which rows are tested in which fold."""

    count: int
    """1: the source's own split."""
    by: str
    """What stands on one side alone, a key of `engine.data.splits.GROUPED_BY`."""
    seed: int
    of: NDArray[np.int64]
    """Fold of each row of the data's frame, shape (n,); `TESTED_NEVER` for those that no fold tests."""
    groups: NDArray[np.int64]
    """Number of each row's group, shape (n,)."""


def make_folds(data: TaskData, count: int, seed: int = 0) -> Folds:
    """Put the rows of all the source's splits into folds, whole groups together, stratified by label and language.

    Args:
        data: Rows; their own splits count only where `count` is 1.
        count: Folds; 1 for the source's own split.
        seed: Of the draw.

    Raises:
        DataError: There are more folds than groups.
    """
    named, by = group_rows(data.frame, data.task)
    groups = pd.factorize(named)[0].astype(np.int64)
    if count == 1:
        tested = (data.frame["split"] == "test").to_numpy()
        return Folds(1, by, seed, np.where(tested, 0, TESTED_NEVER).astype(np.int64), groups)
    different = count_terms(data.frame) if by == "term" else len(np.unique(groups))
    if count > different:
        raise DataError(
            f"{data.source} can't be cut into {count} folds: it has {different:,} {GROUPED_BY[by]}, and none of them "
            "may stand on two sides."
        )
    of = np.full(len(groups), TESTED_NEVER, dtype=np.int64)
    for place, rows in enumerate(_parts(data.frame, groups, count, seed)):
        of[rows] = place
    if len(np.unique(of)) < count:
        raise DataError(f"{data.source} can't be cut into {count} folds: its {GROUPED_BY[by]} are too unequal in size.")
    return Folds(count, by, seed, of, groups)


def cut_fold(data: TaskData, folds: Folds, place: int) -> TaskData:
    """The data with the fold `place` as its test split and a part of the rest as validation, cut likewise.

    Raises:
        DataError: The rest has too few groups for a validation part.
    """
    if folds.count == 1:
        return data
    rest = np.flatnonzero(folds.of != place)
    parts = min(VALIDATION_PARTS, len(np.unique(folds.groups[rest])))
    if parts < 2:
        raise DataError(
            f"{data.source} can't be cut into {folds.count} folds: the rest of a fold needs two {GROUPED_BY[folds.by]} "
            "at least, to train and to validate on."
        )
    found = _parts(data.frame.iloc[rest], folds.groups[rest], parts, folds.seed)
    split = np.full(len(folds.of), "train", dtype=object)
    # Groups of very different sizes may leave a part without any.
    split[rest[next(part for part in found if len(part))]] = "validation"
    split[folds.of == place] = "test"
    frame = data.frame.assign(split=split)
    return replace(data, frame=frame, fingerprint=fingerprint(frame, data.task))


def _parts(frame: pd.DataFrame, groups: NDArray[np.int64], count: int, seed: int) -> list[NDArray[np.int64]]:
    """Places of the rows of each of `count` parts."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    strata = merge_rare(frame["label"].astype(str) + frame.get("lang_abv", pd.Series("", index=frame.index)), count)
    # Where each row is a group, the plain one does the same in no time for any number of rows.
    alone = len(np.unique(groups)) == len(groups)
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # What is rarer than there are parts can't be in each of them.
        warnings.simplefilter("ignore", UserWarning)
        return [part for _, part in splitter.split(np.zeros(len(frame)), strata, groups)]
