"""Folds: every row is tested once, no term or premise stands on two sides, and the draw is the same again."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from engine.data.folding import fold_all
from engine.data.folds import TESTED_NEVER, cut_fold, make_folds
from engine.data.sources import TaskData
from engine.data.splits import find_leaks
from engine.data.tasks import NLI, SLANG, SPLITS
from engine.errors import DataError


def with_rows(data: TaskData, **columns: object) -> TaskData:
    """Data of the same task with rows of the test's own."""
    frame = pd.DataFrame(columns)
    return dataclasses.replace(data, frame=frame.assign(id=[str(row) for row in range(len(frame))]), source="own.csv")


@pytest.fixture(scope="module")
def terms(slang: TaskData) -> TaskData:
    """Thirty terms with four messages each; one term is written in two ways."""
    names = [f"słowo{number}" for number in range(30) for _ in range(4)]
    names[0] = "SŁOWO0!"
    labels = [(number + row) % 3 for number in range(30) for row in range(4)]
    texts = [f"wiadomość {row} o tym, co jest {name}" for row, name in enumerate(names)]
    return with_rows(slang, text=texts, label=labels, term=names, split=["train"] * 80 + ["validation", "test"] * 20)


def test_every_row_is_tested_once_and_no_term_stands_on_two_sides(terms: TaskData) -> None:
    folds = make_folds(terms, 5)
    assert folds.by == "term"
    tested: list[str] = []
    for place in range(5):
        part = cut_fold(terms, folds, place)
        assert len(part.frame) == len(terms.frame)
        assert all(len(part.split(name)) for name in SPLITS)
        sides = part.frame.assign(term=fold_all(part.frame["term"].tolist())).groupby("term")["split"].nunique()
        assert (sides == 1).all()
        assert find_leaks(part.frame, SLANG)["terms"] == 0
        assert part.fingerprint != terms.fingerprint
        tested += list(part.split("test")["id"])
    assert sorted(tested) == sorted(terms.frame["id"]), "rows of all the source's splits"


def test_an_eighth_of_the_rest_is_for_validation_and_folds_have_the_classes_in_like_shares(slang: TaskData) -> None:
    folds = make_folds(slang, 5)
    part = cut_fold(slang, folds, 3)
    rest = len(slang.frame) - len(part.split("test"))
    assert len(part.split("validation")) == pytest.approx(rest / 8, rel=0.05)
    for name in SPLITS:
        shares = part.split(name)["label"].value_counts(normalize=True)
        assert np.abs(shares - slang.frame["label"].value_counts(normalize=True)).max() < 0.02


def test_the_same_seed_draws_the_same_folds_and_another_others(terms: TaskData) -> None:
    first, again, other = make_folds(terms, 4), make_folds(terms, 4), make_folds(terms, 4, seed=1)
    assert (first.of == again.of).all()
    assert (first.of != other.of).any()
    assert cut_fold(terms, first, 1).fingerprint == cut_fold(terms, again, 1).fingerprint


def test_one_fold_is_the_sources_own_split(terms: TaskData) -> None:
    folds = make_folds(terms, 1)
    assert cut_fold(terms, folds, 0) is terms
    assert (np.array(terms.frame["split"] == "test") == (folds.of == 0)).all()
    assert set(folds.of) == {0, TESTED_NEVER}


def test_without_terms_texts_that_are_the_same_stay_together(slang: TaskData) -> None:
    texts = [f"taki sobie wpis {row // 2}{'!' * (row % 2)}" for row in range(40)]
    data = with_rows(slang, text=texts, label=[row // 2 % 3 for row in range(40)], split=["train"] * 40)
    folds = make_folds(data, 5)
    assert folds.by == "text"
    assert (folds.of[::2] == folds.of[1::2]).all()
    different = make_folds(with_rows(slang, text=texts[::2], label=[0, 1] * 10, split=["train"] * 20), 5)
    assert np.bincount(different.of).tolist() == [4] * 5


def test_pairs_are_cut_by_their_groups(nli: TaskData) -> None:
    folds = make_folds(nli, 3)
    assert folds.by == "premise_group"
    part = cut_fold(nli, folds, 0)
    assert find_leaks(part.frame, NLI) == {"texts": 0, "premises": 0, "premise groups": 0}


def test_more_folds_than_terms_are_refused_in_one_line(slang: TaskData) -> None:
    data = with_rows(
        slang,
        text=[f"wpis {row}" for row in range(12)],
        label=[0, 1, 2] * 4,
        term=["kot", "pies", "mysz"] * 4,
        split=["train"] * 12,
    )
    with pytest.raises(DataError, match=r"^own\.csv can't be cut into 4 folds: it has 3 slang terms, and none of them"):
        make_folds(data, 4)
    two = dataclasses.replace(data, frame=data.frame.assign(term=["kot", "pies"] * 6))
    with pytest.raises(
        DataError, match=r"^own\.csv can't be cut into 2 folds: the rest of a fold needs two slang terms"
    ):
        cut_fold(two, make_folds(two, 2), 0)
