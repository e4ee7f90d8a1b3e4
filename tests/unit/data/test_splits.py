"""Splits: 80/10/10, stratified, the same for the same seed, and nothing on two sides."""

import numpy as np
import pandas as pd
import pytest

from engine.data.sources import SourceOptions, TaskData, load
from engine.data.splits import find_leaks, split_rows
from engine.data.tasks import NLI, SLANG, SPLITS
from engine.errors import DataError
from engine.paths import ROOT

WATSON = ROOT.parent / "shared" / "data" / "watson" / "train.csv"


def messages(counts: tuple[int, int, int]) -> pd.DataFrame:
    labels = np.repeat([0, 1, 2], counts)
    return pd.DataFrame({"text": [f"wiadomość {row} z czatu" for row in range(len(labels))], "label": labels})


def pairs(premises: int = 200, each: int = 3) -> pd.DataFrame:
    numbers = np.repeat(np.arange(premises), each)
    return pd.DataFrame(
        {
            "premise": [f"Pociąg numer {number} przyjechał na czas." for number in numbers],
            "hypothesis": [f"Nikt nie czekał, uwaga {row}." for row in range(len(numbers))],
            "label": np.tile(np.arange(each) % 3, premises),
        }
    )


def sizes(frame: pd.DataFrame) -> list[int]:
    return [int((frame["split"] == split).sum()) for split in SPLITS]


def label_shares(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.groupby("split")["label"].value_counts(normalize=True).unstack(fill_value=0.0)


def assert_on_one_side(frame: pd.DataFrame, column: str) -> None:
    assert (frame.groupby(column)["split"].nunique() == 1).all()


@pytest.mark.parametrize("counts", [(290, 510, 200), (33, 33, 33), (1259, 2219, 859)])
def test_rows_are_split_80_10_10(counts: tuple[int, int, int]) -> None:
    frame = split_rows(messages(counts), SLANG)
    tenth = round(len(frame) / 10)
    assert sizes(frame) == [len(frame) - 2 * tenth, tenth, tenth]


def test_every_split_has_the_labels_in_the_same_shares() -> None:
    shares = label_shares(split_rows(messages((290, 510, 200)), SLANG))
    assert np.abs(shares - [0.29, 0.51, 0.20]).to_numpy().max() < 0.011


def test_a_rare_label_is_in_every_split_when_it_can_be() -> None:
    frame = split_rows(messages((400, 370, 30)), SLANG)
    assert frame[frame["label"] == 2]["split"].value_counts().to_dict() == {"train": 24, "validation": 3, "test": 3}


def test_no_row_is_lost_and_the_rows_keep_their_order() -> None:
    frame = messages((40, 40, 40))
    after = split_rows(frame, SLANG)
    pd.testing.assert_frame_equal(after.drop(columns="split"), frame)
    assert "split" not in frame


@pytest.mark.parametrize("name", ["slang", "nli"])
def test_the_seed_alone_decides_which_row_goes_where(name: str) -> None:
    frame, task = (messages((60, 60, 60)), SLANG) if name == "slang" else (pairs(), NLI)
    first = split_rows(frame, task, seed=3)["split"]
    assert first.equals(split_rows(frame, task, seed=3)["split"])
    assert not first.equals(split_rows(frame, task, seed=4)["split"])


def test_pairs_are_split_80_10_10_without_cutting_a_premise() -> None:
    frame = split_rows(pairs(), NLI)
    assert_on_one_side(frame, "premise")
    assert np.abs(np.array(sizes(frame)) / len(frame) - [0.8, 0.1, 0.1]).max() < 0.02


def test_pairs_are_stratified_by_label_and_language() -> None:
    frame = pairs(300).assign(lang_abv=lambda rows: np.where(rows.index < 600, "sw", "th"))
    frame = split_rows(frame, NLI)
    assert np.abs(label_shares(frame) - 1 / 3).to_numpy().max() < 0.04
    swahili = frame.groupby("split")["lang_abv"].apply(lambda column: (column == "sw").mean())
    assert (swahili - 2 / 3).abs().max() < 0.1


def test_a_premise_group_is_not_cut_though_its_premises_differ() -> None:
    frame = pairs().assign(premise_group=lambda rows: [f"g{row // 9}" for row in range(len(rows))])
    frame = split_rows(frame, NLI)
    assert_on_one_side(frame, "premise_group")
    assert_on_one_side(frame, "premise")


def test_groups_of_very_different_sizes_are_not_cut() -> None:
    group = np.concatenate([np.zeros(90, int), np.arange(1, 511)])
    frame = split_rows(pairs().assign(premise_group=[f"g{number}" for number in group]), NLI)
    assert_on_one_side(frame, "premise_group")
    assert min(sizes(frame)[1:]) >= 40


@pytest.mark.parametrize("counts", [(3, 3, 3), (2, 30, 30), (0, 0, 0)])
def test_too_few_rows_are_refused_with_a_way_out(counts: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match=r"too few to split 80/10/10.*--validation and --test"):
        split_rows(messages(counts), SLANG)


def test_too_few_premises_are_refused() -> None:
    with pytest.raises(DataError, match="2 different premises"):
        split_rows(pairs(premises=2, each=9), NLI)


@pytest.mark.parametrize("rows", [10, 11, 13, 17, 26, 50])
def test_small_sets_get_three_splits_too(rows: int) -> None:
    least = rows // 3
    frame = split_rows(messages((least, rows - 2 * least, least)), SLANG)
    assert min(sizes(frame)) >= 3


def test_leaks_are_counted_by_text_premise_and_group() -> None:
    frame = pd.DataFrame(
        {
            "premise": ["pada", "pada", "leje", "wieje"],
            "hypothesis": ["jest mokro", "jest mokro", "kapie", "huczy"],
            "premise_group": ["deszcz", "deszcz", "deszcz", "wiatr"],
            "split": ["train", "test", "train", "validation"],
        }
    )
    assert find_leaks(frame, NLI) == {"texts": 1, "premises": 1, "premise groups": 1}
    assert find_leaks(frame.assign(split="train"), NLI) == {"texts": 0, "premises": 0, "premise groups": 0}


def test_the_bundled_samples_leak_nothing(slang: TaskData, nli: TaskData) -> None:
    assert find_leaks(slang.frame, SLANG) == {"texts": 0, "terms": 0}
    assert find_leaks(nli.frame, NLI) == {"texts": 0, "premises": 0, "premise groups": 0}


def test_a_resplit_sample_leaks_nothing_either() -> None:
    data = load(NLI, options=SourceOptions(resplit="all", seed=5))
    assert set(find_leaks(data.frame, NLI).values()) == {0}
    assert np.abs(np.array(sizes(data.frame)) / len(data.frame) - [0.8, 0.1, 0.1]).max() < 0.03


@pytest.mark.skipif(not WATSON.is_file(), reason="the Watson pairs are not here")
def test_the_watson_pairs_are_split_without_cutting_a_group() -> None:
    data = load(NLI, str(WATSON))
    assert "premise_group" in data.frame
    assert set(find_leaks(data.frame, NLI).values()) == {0}
    assert np.abs(np.array(sizes(data.frame)) / len(data.frame) - [0.8, 0.1, 0.1]).max() < 0.01
    assert np.abs(label_shares(data.frame).diff().dropna().to_numpy()).max() < 0.03
    assert set(data.split("test")["lang_abv"]) == set(data.split("validation")["lang_abv"]) == set(NLI.languages)
