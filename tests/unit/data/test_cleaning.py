"""Cleaning: nothing that a person wrote is lost but white space and repeats, and the report says what went."""

import unicodedata

import pandas as pd
import pytest

from engine.data.cleaning import clean
from engine.data.tasks import NLI, SLANG
from engine.data.white_space import clean_text


def messages(*rows: tuple[str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["text", "label", "split"])


def pairs(*rows: tuple[str, str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["premise", "hypothesis", "label", "split"])


def test_white_space_is_stripped_and_squeezed() -> None:
    assert clean_text("  ale\tkwas \r\n na\u00a0klatce  ") == "ale kwas na klatce"


def test_text_becomes_nfc() -> None:
    decomposed = unicodedata.normalize("NFD", "żółć mnie zalała")
    assert clean_text(decomposed) == "żółć mnie zalała"


def test_control_characters_and_byte_order_marks_go() -> None:
    assert clean_text("\ufeffno\x00 wi\x07dzę\x7f") == "no widzę"


@pytest.mark.parametrize("separator", ["\n", "\t", "\r\n", "\x0b", "\x0c"])
def test_what_parts_words_still_parts_them(separator: str) -> None:
    assert clean_text(f"koniec{separator}zmiany") == "koniec zmiany"


@pytest.mark.parametrize("emoji", ["😭", "👩‍🚒", "🏳️‍🌈", "❤️", "🤷🏽‍♀️", "🇵🇱"])
def test_emoji_stay_whole(emoji: str) -> None:
    assert clean_text(f"zdane {emoji}") == f"zdane {emoji}"


def test_cleaning_twice_changes_nothing_more() -> None:
    once = clean_text(" \x01a\u0301 \u0301b\x00\u0301 ")
    assert clean_text(once) == once


def test_rows_without_text_are_dropped_and_counted() -> None:
    kept, report = clean(messages(("siema", 1, ""), ("  \n", 0, ""), ("", 2, ""), ("\x00", 2, "")), SLANG)
    assert kept["text"].tolist() == ["siema"]
    assert report.dropped == {"empty": 3}


def test_a_pair_needs_both_its_texts() -> None:
    kept, report = clean(pairs(("pada", "", 0, ""), (" ", "jest mokro", 0, ""), ("pada", "jest mokro", 0, "")), NLI)
    assert len(kept) == 1
    assert report.dropped == {"empty": 2}


def test_repeated_rows_are_dropped_even_when_case_white_space_or_punctuation_tells_them_apart() -> None:
    rows = [("lipa z busem", 0, ""), (" lipa  z busem\n", 0, ""), ("Lipa, z BUSEM!", 0, ""), ("łipa z busem", 0, "")]
    kept, report = clean(messages(*rows), SLANG)
    assert kept["text"].tolist() == ["lipa z busem", "łipa z busem"]
    assert report.dropped == {"duplicate": 2}


def test_a_pair_repeats_only_when_both_texts_do() -> None:
    kept, report = clean(
        pairs(("pada", "jest mokro", 0, ""), ("pada", "jest sucho", 2, ""), ("leje", "jest mokro", 0, "")), NLI
    )
    assert len(kept) == 3
    assert report.dropped == {}


@pytest.mark.parametrize(
    ("splits", "survivor"),
    [(("train", "test"), "test"), (("test", "validation"), "test"), (("train", "validation"), "validation")],
)
def test_of_a_text_in_two_splits_the_copy_for_evaluation_stays(splits: tuple[str, str], survivor: str) -> None:
    kept, report = clean(messages(*[("ten sam tekst", 1, split) for split in splits]), SLANG)
    assert kept["split"].tolist() == [survivor]
    assert report.dropped == {"in a later split too": 1}


def test_the_same_holds_for_pairs() -> None:
    kept, report = clean(pairs(("pada", "jest mokro", 0, "train"), ("pada", "jest mokro", 0, "test")), NLI)
    assert kept["split"].tolist() == ["test"]
    assert report.dropped == {"in a later split too": 1}


def test_repeats_with_another_label_are_noted() -> None:
    kept, report = clean(messages(("no pięknie", 0, ""), ("no pięknie", 2, ""), ("no pięknie", 0, "")), SLANG)
    assert kept["label"].tolist() == [0]
    assert report.notes == ("1 of the duplicates had another label than the row kept",)


def test_the_report_adds_up() -> None:
    frame = messages(("a", 0, "train"), ("a", 0, "train"), ("a", 0, "test"), ("", 1, "test"), ("b", 1, "train"))
    kept, report = clean(frame, SLANG)
    assert report.read == 5
    assert report.kept == len(kept) == 2
    assert report.read - sum(report.dropped.values()) == report.kept


def test_order_and_other_columns_are_kept_and_the_index_is_fresh() -> None:
    frame = messages(("c", 0, "train"), ("", 0, "train"), ("a", 1, "test"), ("b", 2, "train")).assign(term=list("xyzw"))
    kept, _ = clean(frame, SLANG)
    assert kept["text"].tolist() == ["c", "a", "b"]
    assert kept["term"].tolist() == ["x", "z", "w"]
    assert kept.index.tolist() == [0, 1, 2]


def test_the_given_frame_is_left_as_it_was() -> None:
    frame = messages(("  siema ", 0, ""), ("", 1, ""))
    before = frame.copy()
    clean(frame, SLANG)
    pd.testing.assert_frame_equal(frame, before)
