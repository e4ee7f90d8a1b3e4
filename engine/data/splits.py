"""Splits: the author's own, or 80/10/10 stratified, with groups that stay together."""

import numpy as np
import pandas as pd

from engine.data.tasks import SPLITS, Task
from engine.errors import DataError

EVALUATION_SHARE = 10
"""One part in ten for validation, and one for test."""


def split_rows(frame: pd.DataFrame, task: Task, seed: int = 0) -> pd.DataFrame:
    """Return `frame` with `split` set to 80/10/10, stratified by label (and by language where there is one).

    Pairs are grouped, by `premise_group` or else by their premise, and no group is cut.

    Raises:
        DataError: There are too few rows of a class to put one in each split.
    """
    counts = frame["label"].value_counts()
    if len(counts) == 0 or counts.min() < len(SPLITS) or len(frame) < EVALUATION_SHARE:
        raise DataError(
            f"{len(frame)} rows are too few to split 80/10/10: each label needs at least {len(SPLITS)} rows. "
            "Name separate files with --validation and --test, or add rows."
        )
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

    split = np.full(len(frame), "train", dtype=object)
    if task.is_pair:
        strata = frame["label"].astype(str) + frame.get("lang_abv", pd.Series("", index=frame.index))
        groups = frame["premise_group"] if "premise_group" in frame else frame["premise"]
        folds = min(EVALUATION_SHARE, groups.nunique())
        if folds < len(SPLITS):
            raise DataError(f"{groups.nunique()} different premises are too few for three splits.")
        parts = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed).split(
            np.zeros(len(frame)), _merge_rare(strata, folds), groups.astype(str)
        )
        for name, (_, rows) in zip(("test", "validation"), parts, strict=False):
            split[rows] = name
    else:
        size = round(len(frame) / EVALUATION_SHARE)
        labels = frame["label"].to_numpy()
        rest = np.arange(len(frame))
        for name in ("test", "validation"):
            size_now = max(size, len(counts))
            splitter = StratifiedShuffleSplit(n_splits=1, test_size=size_now, random_state=seed)
            keep, taken = next(splitter.split(rest, labels[rest]))
            split[rest[taken]] = name
            rest = rest[keep]
    return frame.assign(split=split)


def _merge_rare(strata: pd.Series, least: int) -> pd.Series:
    """Put strata with fewer than `least` rows into one, since they can't be in every fold."""
    counts = strata.map(strata.value_counts())
    return strata.where(counts >= least, "rare")


def find_leaks(frame: pd.DataFrame, task: Task) -> dict[str, int]:
    """Count what stands on two sides: texts (whole inputs) and, for pairs, premises and premise groups."""
    keys: dict[str, list[str]] = {"texts": list(task.text_columns)}
    if task.is_pair:
        keys["premises"] = ["premise"]
        if "premise_group" in frame:
            keys["premise groups"] = ["premise_group"]
    return {name: int((frame.groupby(columns)["split"].nunique() > 1).sum()) for name, columns in keys.items()}
