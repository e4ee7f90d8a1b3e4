"""Splits: the author's own, or 80/10/10 stratified, with groups that stay together."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.cleaning import as_objects
from engine.data.folding import Folded, fold_all, fold_frame, join_columns, join_words
from engine.data.tasks import SPLITS, Task
from engine.errors import DataError

EVALUATION_SHARE = 10
"""One part in ten for validation, and one for test."""
ALONE = "\x1f"
"""Begins the key of a row that hangs on nothing."""
MANY_GROUPS = 20_000
"""From here on, a fold for each would take minutes."""
GROUPED_BY: Mapping[str, str] = {
    "term": "slang terms",
    "text": "texts",
    "premise": "premises",
    "premise_group": "premise groups",
}
"""What stands on one side alone → several of them, in words."""


def split_rows(frame: pd.DataFrame, task: Task, seed: int = 0) -> pd.DataFrame:
    """Return `frame` with `split` set to 80/10/10, stratified by label (and by language where there is one).

    Pairs are grouped, by `premise_group` or else by their premise, and texts by their slang term where they have one;
    no group is cut.

    Raises:
        DataError: There are too few rows of a class to put one in each split.
    """
    counts = np.bincount(frame["label"].to_numpy(dtype=np.int64), minlength=len(task.labels)).tolist()
    too_few = [f"{task.labels[label]} has {count}" for label, count in enumerate(counts) if 0 < count < len(SPLITS)]
    if too_few or len(frame) < EVALUATION_SHARE:
        why = (
            f"each label needs at least {len(SPLITS)} rows, but {', '.join(too_few)}"
            if too_few
            else f"at least {EVALUATION_SHARE} are needed"
        )
        raise DataError(
            f"{len(frame)} rows are too few to split 80/10/10: {why}. Name separate files with --validation and "
            "--test, or add rows."
        )
    split = np.full(len(frame), "train", dtype=object)
    groups = _groups(frame, task)
    if groups is not None:
        _split_groups(split, frame, groups, seed)
    else:
        from sklearn.model_selection import StratifiedShuffleSplit

        size = round(len(frame) / EVALUATION_SHARE)
        labels = frame["label"].to_numpy()
        rest = np.arange(len(frame))
        for name in ("test", "validation"):
            size_now = max(size, sum(count > 0 for count in counts))
            splitter = StratifiedShuffleSplit(n_splits=1, test_size=size_now, random_state=seed)
            keep, taken = next(splitter.split(rest, labels[rest]))
            split[rest[taken]] = name
            rest = rest[keep]
    return frame.assign(split=split)


def _groups(frame: pd.DataFrame, task: Task) -> pd.Series | None:
    """What no split may cut; None where nothing holds together, or too few terms for three splits.

    Raises:
        DataError: There are too few premises for three splits.
    """
    groups = group_keys(frame, task)
    if groups is None:
        return None
    named = groups[~groups.str.startswith(ALONE)]
    if named.nunique() < len(SPLITS):
        if not task.is_pair:
            return None
        raise DataError(f"{groups.nunique()} different premises are too few for three splits.")
    return groups


def group_keys(frame: pd.DataFrame, task: Task) -> pd.Series | None:
    """What each row hangs on: a pair's premise group or premise, a text's slang term; None where no term is named."""
    if task.is_pair:
        return frame["premise_group"].astype(str) if "premise_group" in frame else _first_of(frame["premise"])
    if "term" not in frame:
        return None
    groups = _term_keys(frame)
    # A row without a term stands alone.
    alone = groups == ""
    groups[alone] = ALONE + _keys(frame["text"][alone])
    return groups


def group_rows(frame: pd.DataFrame, task: Task) -> tuple[pd.Series, str]:
    """Each row's group, which stands on one side alone, and what a group is: a key of `GROUPED_BY`.

    A text without a term is a group with those that have its key.
    """
    groups = group_keys(frame, task)
    if groups is None:
        return ALONE + _keys(frame["text"]), "text"
    if task.is_pair:
        return groups, "premise_group" if "premise_group" in frame else "premise"
    return groups, "text" if groups.str.startswith(ALONE).all() else "term"


def count_terms(frame: pd.DataFrame) -> int:
    """Different slang terms, by their keys."""
    return len(set(_term_keys(frame)) - {""})


def _first_of(texts: pd.Series) -> pd.Series:
    """For each text the first with its key, so that all of them are one group."""
    return texts.groupby(_keys(texts)).transform("first")


def _split_groups(split: "NDArray[np.object_]", frame: pd.DataFrame, groups: pd.Series, seed: int) -> None:
    """Put whole groups into test and validation, stratified by label and language."""
    strata = frame["label"].astype(str) + frame.get("lang_abv", pd.Series("", index=frame.index))
    if groups.nunique() > MANY_GROUPS:
        _split_many(split, strata, groups, seed)
        return
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(EVALUATION_SHARE, groups.nunique())
    parts = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed).split(
        np.zeros(len(frame)), merge_rare(strata, folds), groups
    )
    # Groups of very different sizes may leave a fold without any.
    filled = [rows for _, rows in parts if len(rows)]
    for name, rows in zip(("test", "validation"), filled, strict=False):
        split[rows] = name


def _split_many(split: "NDArray[np.object_]", strata: pd.Series, groups: pd.Series, seed: int) -> None:
    """The same in seconds for very many groups: each is drawn as one row of its first row's stratum."""
    from sklearn.model_selection import StratifiedShuffleSplit

    codes, names = pd.factorize(groups)
    first = merge_rare(strata.groupby(codes).first(), 2 * EVALUATION_SHARE).to_numpy()
    rest = np.arange(len(names))
    size = round(len(names) / EVALUATION_SHARE)
    for name in ("test", "validation"):
        splitter = StratifiedShuffleSplit(n_splits=1, test_size=size, random_state=seed)
        keep, taken = next(splitter.split(rest, first[rest]))
        split[np.isin(codes, rest[taken])] = name
        rest = rest[keep]


def merge_rare(strata: pd.Series, least: int) -> pd.Series:
    """Put strata with fewer than `least` rows into one, since they can't be in every fold."""
    counts = strata.map(strata.value_counts())
    return strata.where(counts >= least, "rare")


def find_leaks(frame: pd.DataFrame, task: Task, words: Folded | None = None) -> dict[str, int]:
    """Count what stands on two sides: whole inputs, premises and their groups, slang terms; all by their keys.

    `words` are those of the text columns, where they are folded already.
    """
    words = words or fold_frame(frame, task.text_columns)
    own = {column: as_objects(join_words(words[column], frame[column].tolist()), frame) for column in words}
    keys = {"texts": as_objects(join_columns([own[column].tolist() for column in task.text_columns]), frame)}
    if task.is_pair:
        keys["premises"] = own["premise"]
        if "premise_group" in frame:
            keys["premise groups"] = frame["premise_group"]
    elif "term" in frame:
        terms = _term_keys(frame)
        keys["terms"] = terms[terms != ""]
    return {name: _count_on_two_sides(key, frame["split"]) for name, key in keys.items()}


def _keys(texts: pd.Series) -> pd.Series:
    return as_objects(fold_all(texts.tolist()), texts)


def _term_keys(frame: pd.DataFrame) -> pd.Series:
    """The key of each row's slang term, empty where it has none; a term has many rows, so each is folded once."""
    codes, terms = pd.factorize(frame["term"].fillna(""))
    return as_objects(np.array(fold_all(terms.tolist()), dtype=object)[codes], frame)


def _count_on_two_sides(key: pd.Series, split: pd.Series) -> int:
    key = key[key.duplicated(keep=False)]
    pairs = pd.DataFrame({"key": key, "split": split.loc[key.index]}).drop_duplicates()
    return int((pairs["key"].value_counts() > 1).sum())
