"""Words with their character n-grams: vocabulary, cutting, places in the text, and the way through files."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.data.batches import Batches
from engine.data.tasks import TASKS
from engine.data.tokens import count_read, encode, locate_tokens
from engine.data.word_tokens import EOS_ID, PAD_ID, SEP_ID, WORD, WordTokenizer, cut, ngrams_of, train_words

TEXTS = [("Kot śpi.",), ("Koty śpią!",), ("Mały kot 😺 je",), ("Pies śpi 😺",)]
SLANG, NLI = TASKS["slang"], TASKS["nli"]


@pytest.fixture(scope="module")
def tokenizer() -> WordTokenizer:
    return train_words(TEXTS, 5000)


def names(tokenizer: WordTokenizer, ids: np.ndarray) -> set[str]:
    """What the ids of a position stand for."""
    known = {place: feature for features in (tokenizer.words, tokenizer.ngrams) for feature, place in features.items()}
    return {known[int(one)] for one in ids if one >= 3}


def test_a_word_has_ngrams_of_two_to_five_characters_with_its_edges() -> None:
    assert ngrams_of("ok") == ["<o", "ok", "k>", "<ok", "ok>", "<ok>"]
    assert ngrams_of("a") == ["<a", "a>", "<a>"]
    assert len(ngrams_of("kotek")) == 6 + 5 + 4 + 3


def test_only_what_stands_in_two_texts_has_a_vector(tokenizer: WordTokenizer) -> None:
    assert set(tokenizer.words) == {"kot", "śpi", "😺"}
    assert {"<kot", "śpi>", "<śp"} <= set(tokenizer.ngrams)
    assert "pie" not in tokenizer.ngrams


def test_a_new_word_is_known_by_its_ngrams_and_an_alien_one_not_at_all(tokenizer: WordTokenizer) -> None:
    ids, offsets = tokenizer.encode([("kotka xyz",)], 16)
    assert offsets.tolist() == [0, 3]
    assert "<kot" in names(tokenizer, ids[0])
    assert tokenizer.words["kot"] not in ids[0]
    assert set(ids[1]) == {PAD_ID}
    assert set(ids[2]) == {EOS_ID, PAD_ID}
    read = tokenizer.count_read([("kotka xyz",)], 16)
    assert (read.read[0], read.given[0], read.unknown[0]) == (2, 2, 1)


def test_size_keeps_the_features_of_most_texts() -> None:
    small = train_words(TEXTS, 3 + 4)
    assert len(small) == 7
    # All four texts have them; the whole word "kot" stands in two.
    assert {"<k", "<ko", "<kot"} <= set(small.ngrams)
    assert "kot" not in small.words


def test_case_folds_only_where_it_is_told_to() -> None:
    assert "kot" in train_words([("Kot",), ("KOT",)], 99).words
    assert "kot" not in train_words([("Kot",), ("KOT",)], 99, lowercase=False).words


def test_a_pair_is_marked_between_and_at_the_end_and_its_longer_text_is_cut(tokenizer: WordTokenizer) -> None:
    pair = ("kot śpi kot śpi kot śpi", "kot śpi")
    encoded = encode(tokenizer, [pair], NLI, 7)
    assert encoded.lengths.tolist() == [7]
    assert encoded.ids[3, 0] == SEP_ID
    assert encoded.ids[6, 0] == EOS_ID
    read = count_read(tokenizer, [pair], NLI, 7, encoded)
    assert (read.read[0], read.given[0]) == (5, 8)


@pytest.mark.parametrize(
    ("lengths", "most", "left"), [((6, 2), 5, (3, 2)), ((6, 2), 3, (2, 1)), ((2, 2), 9, (2, 2)), ((3, 0), 1, (1, 0))]
)
def test_the_longest_is_cut_first(lengths: tuple[int, int], most: int, left: tuple[int, int]) -> None:
    parts = cut([list(range(length)) for length in lengths], most)
    assert sum(map(len, parts)) == sum(left)
    assert max(map(len, parts)) == max(left)


@pytest.mark.parametrize("text", ["Kot śpi, ok?", "ŁAŁ! İstanbul 😺", "z\u0301le", "", "  ", "ﬁ kot"])
def test_words_are_where_they_are_said_to_be(tokenizer: WordTokenizer, text: str) -> None:
    located = locate_tokens(tokenizer, (text,), SLANG, 32)
    assert located.sides[-1] == -1
    assert len(located.ids) == len(located.sides) == len(located.spans)
    assert [tuple(one for one in ids.tolist() if one) for ids in located.ids[:-1]] == tokenizer.split(text)
    covered = [tokenizer.normalise(text[first:last]) for first, last in located.spans[:-1]]
    assert all(word.strip() == word != "" for word in covered)
    if "İ" not in text:
        # Its two characters in lower case are words of their own, which both cover it whole.
        assert covered == WORD.findall(tokenizer.normalise(text))


def test_a_tokenizer_survives_json_pickling_between_processes_and_folders(
    tokenizer: WordTokenizer, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path)
    expected, _ = tokenizer.encode(TEXTS, 16)
    for copy in (
        WordTokenizer.from_json(tokenizer.to_json()),
        pickle.loads(pickle.dumps(tokenizer)),  # noqa: S301 (how processes hand it on)
        WordTokenizer.from_pretrained(tmp_path),
    ):
        assert np.array_equal(copy.encode(TEXTS, 16)[0], expected)


@pytest.mark.parametrize("text", ["{}", "[]", '{"words": 3, "ngrams": [], "lowercase": true}'])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no words and n-grams"):
        WordTokenizer.from_json(text)


def test_a_batch_is_padded_in_places_and_in_features(tokenizer: WordTokenizer) -> None:
    encoded = encode(tokenizer, TEXTS, SLANG, 16)
    batch = Batches(encoded, np.zeros(4, np.int64), 4).pack(np.arange(4))
    ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
    assert ids.shape[:2] == mask.shape == (4, int(encoded.lengths.max()))
    assert (ids[mask == 0] == PAD_ID).all()
    # As many features as the richest word of this batch has, and no more.
    short = Batches(encoded, np.zeros(4, np.int64), 4).pack(np.array([3]))
    assert (short.inputs["input_ids"] != PAD_ID).any(dim=1)[0, -1]


def test_it_is_called_as_the_tokenizers_of_transformers_are(tokenizer: WordTokenizer) -> None:
    batch = tokenizer(["kot", "kot śpi 😺"], padding=True, truncation=True, return_tensors="pt")
    assert batch["input_ids"].shape[:2] == (2, 4)
    assert torch.equal(batch["attention_mask"], torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]))


def test_what_is_kept_is_readable(tokenizer: WordTokenizer) -> None:
    whole = json.loads(tokenizer.to_json())
    assert whole["words"] == list(tokenizer.words)
    assert "kot" in whole["words"]
