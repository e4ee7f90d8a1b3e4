"""Tokens: nothing is unknown, nothing is cut that fits, and the tokenizer has seen the train split alone."""

import dataclasses
import random
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from engine.data.sources import TaskData
from engine.data.tasks import NLI, SLANG, Task
from engine.data.tokens import EOS, PAD, SEP, Encoded, encode, train_tokenizer
from engine.data.white_space import clean_text
from engine.models.backbone_files import locate
from engine.models.backbones import get_backbone
from engine.training.build import build
from support.models import tiny_recipe

FOREIGN = [
    "ale jazda 😂🔥❤️",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🤷🏽‍♀️ 🇵🇱",
    "今日は寒いね",
    "너무 웃겨 ㅋㅋㅋ",
    "ᚠᛇᚻ ᛒᛦᚦ",
    "كل شيء تمام",
    "ქართული ენა",
    "𝔤𝔬𝔱𝔶𝔨 𓂀 𝄞",
    "zażółć gęślą jaźń",
    "<script>alert('hej')</script>",
    "\x00\x07",
]


@pytest.fixture(scope="module")
def polish(slang: TaskData) -> Any:
    """A tokenizer trained on Polish alone."""
    return train_tokenizer(slang.texts("train"), 1000)


@pytest.fixture(scope="module")
def minilm() -> Any:
    """A pretrained tokenizer that tells the two texts of a pair apart."""
    folder, _ = locate(get_backbone("minilm"))
    return AutoTokenizer.from_pretrained(folder)


def inputs(encoded: Encoded) -> list[list[int]]:
    return [encoded.ids[start:end].tolist() for start, end in zip(encoded.offsets, encoded.offsets[1:], strict=False)]


def decoded(tokenizer: Any, text: str) -> str:
    (ids,) = inputs(encode(tokenizer, [(text,)], SLANG, 512))
    # The byte-level tokenizer puts a space before the first word, as before any other.
    return tokenizer.decode(ids[:-1]).removeprefix(" ")


@pytest.mark.parametrize("text", FOREIGN)
def test_scripts_and_emoji_it_never_saw_come_back_whole(polish: Any, text: str) -> None:
    assert decoded(polish, text) == text


def test_any_string_of_characters_comes_back_whole(polish: Any) -> None:
    generator = random.Random(7)  # noqa: S311
    points = [point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) not in ("Cs", "Cc")]
    for _ in range(200):
        text = clean_text("".join(map(chr, generator.choices(points, k=30))))
        assert decoded(polish, text) == text


def test_there_is_no_unknown_token(polish: Any) -> None:
    assert polish.unk_token is None
    assert set(polish.get_vocab()) & {"<unk>", "[UNK]"} == set()


@pytest.mark.parametrize("text", [f"no {PAD} hej", f"{SEP} ej", f"koniec {EOS} serio"])
def test_a_text_that_spells_a_special_token_is_only_text(polish: Any, text: str) -> None:
    (ids,) = inputs(encode(polish, [(text,)], SLANG, 64))
    assert not set(ids[:-1]) & set(polish.all_special_ids)
    assert decoded(polish, text) == text


def test_polish_letters_may_come_decomposed(polish: Any) -> None:
    assert decoded(polish, unicodedata.normalize("NFD", "żółć")) == "żółć"


def test_every_input_ends_where_a_last_token_head_looks(polish: Any, slang: TaskData) -> None:
    rows = inputs(encode(polish, slang.texts("test"), SLANG, 64))
    assert all(row[-1] == polish.eos_token_id and row.count(polish.eos_token_id) == 1 for row in rows)
    assert not any(polish.pad_token_id in row for row in rows)


def test_inputs_lie_one_after_another_without_padding(polish: Any, slang: TaskData) -> None:
    texts = slang.texts("validation")
    encoded = encode(polish, texts, SLANG, 512)
    assert len(encoded) == len(texts)
    assert encoded.offsets[0] == 0
    assert encoded.offsets[-1] == len(encoded.ids) == encoded.lengths.sum()
    assert inputs(encoded)[17] == polish(texts[17][0])["input_ids"]


@pytest.mark.parametrize("limit", [2, 8, 33])
def test_a_long_text_is_cut_at_its_end_and_still_closed(polish: Any, limit: int) -> None:
    text = "a potem jeszcze raz to samo od początku " * 40
    (whole,) = inputs(encode(polish, [(text,)], SLANG, 10_000))
    (cut,) = inputs(encode(polish, [(text,)], SLANG, limit))
    assert cut == [*whole[: limit - 1], polish.eos_token_id]


def test_a_text_that_fits_exactly_is_not_cut(polish: Any) -> None:
    text = "spoko, wpadnę po szkole"
    (whole,) = inputs(encode(polish, [(text,)], SLANG, 10_000))
    assert inputs(encode(polish, [(text,)], SLANG, len(whole))) == [whole]


def test_a_pair_is_premise_separator_hypothesis_end(polish: Any) -> None:
    (pair,) = inputs(encode(polish, [("pada deszcz", "jest mokro")], NLI, 64))
    (first,) = inputs(encode(polish, [("pada deszcz",)], SLANG, 64))
    (second,) = inputs(encode(polish, [("jest mokro",)], SLANG, 64))
    assert pair == [*first[:-1], polish.sep_token_id, *second]


@pytest.mark.parametrize("long_first", [True, False])
def test_the_longer_text_of_a_pair_is_cut_first(polish: Any, long_first: bool) -> None:
    short, long = "jest mokro", "pada deszcz i pada " * 60
    pair = (long, short) if long_first else (short, long)
    (row,) = inputs(encode(polish, [pair], NLI, 40))
    middle = row.index(polish.sep_token_id)
    sides = row[:middle], row[middle + 1 : -1]
    assert len(row) == 40
    assert polish.decode(sides[1] if long_first else sides[0]).strip() == short
    assert row[-1] == polish.eos_token_id


def test_a_backbone_that_tells_texts_apart_gets_their_types(minilm: Any) -> None:
    encoded = encode(minilm, [("it rains", "the street is wet"), ("a", "b")], NLI, 64)
    assert encoded.type_ids is not None
    assert encoded.type_ids.shape == encoded.ids.shape
    first = encoded.type_ids[: encoded.offsets[1]].tolist()
    # [CLS] it rains [SEP] the street is wet [SEP]
    assert first == [0] * 4 + [1] * 5


def test_single_texts_need_no_types(polish: Any, minilm: Any) -> None:
    assert encode(polish, [("siema",)], SLANG, 8).type_ids is None
    assert encode(minilm, [("hi",)], SLANG, 8).type_ids is None


def with_texts(data: TaskData, split: str, text: str) -> TaskData:
    """The same data with other words in one split."""
    chosen = data.frame["split"] == split
    other = data.frame["text"].where(~chosen, text + " " + data.frame["text"])
    return dataclasses.replace(data, frame=data.frame.assign(text=other))


def test_the_tokenizer_is_trained_on_the_train_split_alone(slang: TaskData) -> None:
    recipe = tiny_recipe()
    vocabulary = build(recipe, slang).tokenizer.get_vocab()
    for split in ("validation", "test"):
        assert build(recipe, with_texts(slang, split, "szczebrzeszyn")).tokenizer.get_vocab() == vocabulary
    changed = build(recipe, with_texts(slang, "train", "szczebrzeszyn")).tokenizer.get_vocab()
    assert "Ġszczebrzeszyn" in changed
    assert "Ġszczebrzeszyn" not in vocabulary


def test_frequent_words_become_one_token(polish: Any) -> None:
    assert len(polish("nie")["input_ids"]) == 2
    assert len(polish("nieporównywalnie")["input_ids"]) > 3


@pytest.mark.parametrize("size", [300, 600])
def test_the_vocabulary_has_the_size_asked_for(slang: TaskData, size: int) -> None:
    assert len(train_tokenizer(slang.texts("train")[:500], size)) == size


def test_a_vocabulary_cannot_shrink_below_the_bytes() -> None:
    tokenizer = train_tokenizer([("a",)], 10)
    assert len(tokenizer) == 256 + 3
    assert decoded(tokenizer, "日本 😂") == "日本 😂"


def test_training_twice_gives_the_same_tokenizer(slang: TaskData) -> None:
    texts = slang.texts("train")[:800]
    assert train_tokenizer(texts, 500).get_vocab() == train_tokenizer(texts, 500).get_vocab()


def test_case_is_folded_only_when_asked(slang: TaskData) -> None:
    texts = slang.texts("train")[:500]
    assert decoded(train_tokenizer(texts, 400, lowercase=True), "ŁZY Śmiechu") == "łzy śmiechu"
    assert decoded(train_tokenizer(texts, 400), "ŁZY Śmiechu") == "ŁZY Śmiechu"


def test_a_saved_tokenizer_gives_the_same_tokens(polish: Any, slang: TaskData, tmp_path: Path) -> None:
    polish.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    rows = slang.texts("test") + [(text,) for text in FOREIGN]
    before, after = encode(polish, rows, SLANG, 64), encode(again, rows, SLANG, 64)
    assert np.array_equal(before.ids, after.ids)
    assert np.array_equal(before.offsets, after.offsets)


class Slow:
    """A tokenizer that is only ever called, as slow ones are."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.is_fast = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, *columns: Any, **options: Any) -> Any:
        return self._inner(*columns, **options)


@pytest.mark.parametrize("length", [4, 7, 12, 256])
@pytest.mark.parametrize("name", ["polish", "minilm"])
def test_the_direct_way_gives_what_calling_the_tokenizer_gives(
    name: str, length: int, task: Task, request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(name)
    texts = ["ale sztos", "", "[SEP] <sep> <eos> [CLS]", "bardzo długie zdanie o niczym, " * 5, "🔥"]
    inputs = [(text,) for text in texts] if not task.is_pair else [(one, two) for one in texts for two in texts]
    direct, called = encode(tokenizer, inputs, task, length), encode(Slow(tokenizer), inputs, task, length)
    np.testing.assert_array_equal(direct.ids, called.ids)
    np.testing.assert_array_equal(direct.offsets, called.offsets)
    assert (direct.type_ids is None) == (called.type_ids is None)
    if direct.type_ids is not None and called.type_ids is not None:
        np.testing.assert_array_equal(direct.type_ids, called.type_ids)
