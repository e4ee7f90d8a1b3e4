"""How much of a text is read, and how much of that is known: by tokenizers, by TF-IDF, and what is said of it."""

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from engine.data.reading import Reading, Readings, describe_summary, join
from engine.data.tasks import NLI, SLANG
from engine.data.tokens import count_read, encode, train_tokenizer
from engine.models.baselines import Majority, TfidfLogistic


@pytest.fixture(scope="module")
def words() -> Any:
    """A tokenizer that knows four words, and has one token for all others."""
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "sep_token": "[SEP]"}
    vocabulary = {name: place for place, name in enumerate([*names.values(), "ale", "kozak", "lipa", "serio"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, names["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B [SEP]", special_tokens=[("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def counted(tokenizer: Any, task: Any, max_length: int, *rows: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """Read, given and unknown tokens of each row."""
    read = count_read(tokenizer, rows, task, max_length, encode(tokenizer, rows, task, max_length))
    return [(one.read, one.given, one.unknown) for one in (read[place] for place in range(len(read)))]


def test_tokens_are_counted_before_the_cut_and_after_it(words: Any) -> None:
    short, exact, long = ("ale kozak",), ("ale kozak serio lipa",), ("ale " * 23,)
    assert counted(words, SLANG, 5, short, exact, long) == [(2, 2, 0), (4, 4, 0), (4, 23, 0)]


def test_both_texts_of_a_pair_count(words: Any) -> None:
    long = counted(words, NLI, 8, ("ale " * 20, "kozak serio"), ("ale", "kozak"))
    assert long == [(6, 22, 0), (2, 2, 0)]


def test_unknown_tokens_are_counted_among_those_read(words: Any) -> None:
    assert counted(words, SLANG, 4, ("😂 ale 😭",), ("ale",), ("😂 😂 😂 😂",)) == [(3, 3, 2), (1, 1, 0), (3, 4, 3)]
    # A text that spells the token isn't it.
    assert counted(words, SLANG, 9, ("ale [UNK]",)) == [(2, 2, 1)]


def test_nothing_is_unknown_to_a_tokenizer_over_bytes() -> None:
    tokenizer = train_tokenizer([("ale kozak",), ("no lipa",)], 300)
    ((read, given, unknown),) = counted(tokenizer, SLANG, 64, ("😂 ภาษา",))
    assert read == given > 2
    assert unknown == 0


def test_tfidf_reads_all_and_says_what_its_vocabulary_lacks() -> None:
    model = TfidfLogistic()
    texts = [("ale kozak",), ("ale lipa",), ("kozak serio",), ("lipa serio",)]
    model.fit(texts, np.array([0, 1, 0, 1]), 3)
    read = model.count_read([("ale kozak 😂",), ("ภาษา 😂",), ("KOZAKIEM " * 400,)])
    assert [read[place] for place in range(3)] == [
        Reading(3, 3, 1, "words"),
        Reading(2, 2, 2, "words"),
        Reading(400, 400, 0, "words"),
    ]
    # Where nothing is known, nothing is computed either.
    assert model._features([("ภาษา 😂",)]).nnz == 0
    assert Majority().count_read(texts) is None


def test_what_has_to_be_said_is_said_and_nothing_else() -> None:
    assert Reading(5, 5, 0).warnings() == []
    assert Reading(254, 1412, 0).warnings() == ["Tokens read: 254 of 1,412; the rest was cut off."]
    assert Reading(254, 300, 0, "words").warnings() == ["Words read: 254 of 300; the rest was cut off."]
    assert Reading(5, 5, 3).warnings() == ["Unknown tokens: 3 of 5; it can't tell them apart."]
    assert Reading(5, 5, 2, "words").warnings() == ["Words outside its vocabulary: 2 of 5."]
    assert "by its prior" in Reading(5, 5, 5, "words").warnings()[0]


def test_a_summary_counts_rows_that_were_cut_and_rows_with_something_unknown() -> None:
    pieces = [
        Readings(np.array([4, 4]), np.array([4, 9]), np.array([0, 4])),
        Readings(np.array([2]), np.array([2]), np.array([1])),
    ]
    summary = join(pieces).summary()
    assert (summary["rows"], summary["rows_truncated"], summary["share_truncated"]) == (3, 1, pytest.approx(1 / 3))
    assert (summary["rows_with_unknown"], summary["rows_all_unknown"], summary["share_unknown"]) == (2, 1, 0.5)
    assert describe_summary("mini", summary) == [
        "mini: 1 of 3 texts are longer than it reads; their ends were cut off.",
        "mini: 2 of 3 texts hold tokens unknown to it, 1 of them nothing else.",
    ]
    assert describe_summary("mini", Readings(np.array([4]), np.array([4]), np.array([0])).summary()) == []
    assert describe_summary("majority", None) == []
