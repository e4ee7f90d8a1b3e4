"""Files in which the right value lies one step beside the obvious one: it is read, or one line says why not."""

import gzip
import json
import random
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from engine.data.describe import _count_each
from engine.data.near_duplicates import PERMUTATIONS, _hash_bands, _input_words, _sign
from engine.data.sources import SourceOptions, load, load_for_evaluation
from engine.data.tasks import SLANG
from engine.data.tokens import train_bpe
from engine.data.white_space import clean_text, clean_texts, squeeze_texts
from engine.errors import DataError

CLASSES = ("negative", "neutral", "positive")


def read_all(path: Path, labels: Mapping[str, str] | None = None) -> tuple[list[tuple[str, int]], dict[str, int]]:
    """Texts with class numbers as `evaluate` reads them, and what was dropped."""
    data = load_for_evaluation(SLANG, str(path), SourceOptions(labels=labels or {}), "all")
    return list(zip(data.frame["text"], data.frame["label"].tolist(), strict=True)), dict(data.report.dropped)


def write_classes(path: Path, labels: Sequence[Any]) -> Path:
    """Parquet whose schema names the classes in another order than the task's."""
    features = {"label": {"names": ["positive", "neutral", "negative"], "_type": "ClassLabel"}}
    table = pa.table({"text": list("abcd"[: len(labels)]), "label": labels})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return path


def write_book(path: Path, sheets: Sequence[tuple[str, Sequence[Sequence[Any]]]], hidden: str = "") -> Path:
    """A workbook; the sheet of this name is hidden."""
    book = xlsxwriter.Workbook(str(path))
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row)
        if name == hidden:
            sheet.hide()
        else:
            sheet.activate()
    book.close()
    return path


@pytest.mark.parametrize("labels", [[0.0, 1.0, 2.0, None], ["0", "1", "2", None]], ids=["floats", "texts"])
def test_numbers_of_named_classes_are_read_by_names_whatever_type_pandas_made_of_them(
    tmp_path: Path, labels: list[Any]
) -> None:
    rows, dropped = read_all(write_classes(tmp_path / "a.parquet", labels))
    assert rows == [("a", 2), ("b", 1), ("c", 0)]
    assert dropped == {"unlabelled": 1}


def test_visible_sheet_with_rows_is_read_before_hidden_ones_and_title_pages(tmp_path: Path) -> None:
    head, mine = ["text", "label"], [["widać", "positive"], ["lipa", "negative"]]
    title = ("Opis", [["Wpisy z maja"]])
    path = write_book(
        tmp_path / "a.xlsx", [("Stare", [head, ["kiedyś", "neutral"]]), title, ("Dane", [head, *mine])], "Stare"
    )
    assert read_all(path)[0] == [("widać", 2), ("lipa", 0)]


def test_halves_of_surrogate_pairs_and_texts_that_show_nothing_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    texts = ['"ale \\ud83d sztos"', '"\\u200b\\u2060"', '"no elo"', '"\\ud83d\\ude02"']
    path.write_text("".join(f'{{"text": {text}, "label": "positive"}}\n' for text in texts))
    rows, dropped = read_all(path)
    assert [text for text, _ in rows] == ["no elo", "😂"]
    assert dropped == {"not plain text": 1, "empty": 1}


def test_numbers_of_a_test_file_are_not_taken_for_classes_that_the_train_file_names(tmp_path: Path) -> None:
    train, test = tmp_path / "w_train.csv", tmp_path / "w_test.csv"
    train.write_text("text,label\n" + "".join(f"wpis numer {place},{CLASSES[place % 3]}\n" for place in range(60)))
    test.write_text("text,label\nzupełnie inny,1\ni jeszcze jeden,0\n")
    with pytest.raises(DataError, match=r"w_test\.csv: the labels are bare numbers \(0, 1\)"):
        load(SLANG, str(train))
    told = load(SLANG, str(train), SourceOptions(labels={"1": "positive", "0": "negative"}))
    assert sorted(told.split("test")["label"]) == [0, 2]


def test_minus_is_a_class_beside_a_plus_and_no_label_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nsuper,+\nlipa,-\n")
    assert read_all(path) == ([("super", 2), ("lipa", 0)], {})
    path.write_text("text,label\nsuper,positive\nlipa,-\n")
    assert read_all(path) == ([("super", 2)], {"unlabelled": 1})
    path.write_text("text,label\nsuper,+\nlipa,-\nno,0\n")
    with pytest.raises(DataError, match="--label 0=CLASS"):
        read_all(path)


def test_file_packed_twice_is_refused_by_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(gzip.compress(b"text,label\nelo,positive\n")))
    with pytest.raises(DataError, match="gzip in gzip"):
        read_all(path)


def test_many_texts_are_cleaned_and_squeezed_as_each_alone() -> None:
    draw = random.Random(3)  # noqa: S311
    signs = [*"ab ąe  \t\n\r\x00\x1c\x1f\x7f\x85\xa0\u3000\ufeff\u0301\u200d\ud800ガ가\u1100\u1161", "e\u0301"]
    texts = ["", "a", " a", "a ", "", *("".join(draw.choices(signs, k=draw.randint(0, 7))) for _ in range(21_000))]
    assert clean_texts(texts) == list(map(clean_text, texts))
    assert squeeze_texts(texts) == [" ".join(text.split()) for text in texts]
    assert all(unicodedata.is_normalized("NFC", text) for text in clean_texts(texts))


def test_tokens_counted_by_words_are_those_of_whole_texts() -> None:
    draw = random.Random(2)  # noqa: S311
    signs = [*"abcąęż  '!?:)123", "'s", "<eos>", "<pad>", "😂", "中文", "ก", "\u200b", "don't ", " 'tis"]
    drawn = (clean_text("".join(draw.choices(signs, k=draw.randint(1, 30)))) for _ in range(3000))
    texts = [text for text in drawn if text]
    tokenizer = train_bpe([(text,) for text in texts[:1000]], 600)
    counted = _count_each(tokenizer, texts)
    assert counted.tolist() == [len(one) for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


@pytest.mark.parametrize("vocabulary", [40, 9000], ids=["words that come again", "more words than texts"])
def test_signature_of_a_text_is_the_same_by_its_words_and_as_a_whole(vocabulary: int) -> None:
    draw = random.Random(1)  # noqa: S311
    texts = ["\t".join(f"w{draw.randrange(vocabulary)}" for _ in range(draw.randint(0, 9))) for _ in range(300)]
    words, hashes = _input_words([texts])
    whole = _sign(hashes[words.indices], words.indptr).reshape(-1, 10, PERMUTATIONS // 10)
    factors = np.random.default_rng(0).integers(2**63, size=PERMUTATIONS // 10, dtype=np.uint64) * 2 + 1
    filled = np.diff(words.indptr) > 0
    assert (words.shape[1] > len(texts)) == (vocabulary == 9000)
    assert ((whole * factors).sum(axis=2).T[:, filled] == _hash_bands(words, hashes)[:, filled]).all()


def test_terms_are_grouped_by_their_keys_and_texts_without_one_by_theirs() -> None:
    from engine.data.splits import group_keys

    frame = pd.DataFrame({"text": ["A b", "a  B!", "c", "d"], "term": ["", "", "Sztos!", "sztos"]})
    groups = group_keys(frame, SLANG)
    assert groups is not None
    assert groups.tolist() == ["\x1fab", "\x1fab", "sztos", "sztos"]
