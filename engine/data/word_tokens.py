"""Words and their character n-grams as a decoder's input: a position is a word, and an id each of the word's features.

The features of fastText (Bojanowski et al., 2017), with a vocabulary counted on the train split instead of hashed, so
that each of them can be named.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.data.reading import WORDS, Readings

WORD = re.compile(r"\w+|[^\w\s]")
"""Letters and digits; emoji and punctuation are words of one character, as TF-IDF reads them here."""
PAD_ID, SEP_ID, EOS_ID = 0, 1, 2
FIRST_FREE = 3
LEAST_TEXTS = 2
"""Texts that a feature is in before it gets a vector: what stands in one alone would only be learnt by heart."""
SHORTEST, LONGEST = 2, 5
FILE = "word-tokenizer.json"
KEPT_WORDS = 100_000
"""Words of which the features are remembered."""
T = TypeVar("T")


class WordTokenizer:
    """Cuts a text into words, and a word into itself and its character n-grams, marks of its edges included.

    Ids are 0 for padding, 1 between the texts of a pair and 2 at the end; then words, then n-grams, then the words that
    have a vector learnt elsewhere, whether or not they are among the first.
    """

    is_fast = False
    model_input_names = ("input_ids", "attention_mask")
    pad_token_id, sep_token_id, eos_token_id = PAD_ID, SEP_ID, EOS_ID
    mask_token_id = unk_token_id = None
    model_max_length = 256

    def __init__(
        self, words: Sequence[str], ngrams: Sequence[str], lowercase: bool = True, vectors: Sequence[str] = ()
    ) -> None:
        """Keep a vocabulary, in the order of its ids."""
        self.words = {word: place for place, word in enumerate(words, FIRST_FREE)}
        self.ngrams = {ngram: place for place, ngram in enumerate(ngrams, FIRST_FREE + len(self.words))}
        first = FIRST_FREE + len(self.words) + len(self.ngrams)
        self.vectors = {word: place for place, word in enumerate(vectors, first)}
        self.lowercase = lowercase
        self._features = lru_cache(KEPT_WORDS)(self._look_up)

    def __len__(self) -> int:
        return FIRST_FREE + len(self.words) + len(self.ngrams) + len(self.vectors)

    def with_vectors(self, words: Sequence[str]) -> "WordTokenizer":
        """The same, with these words having a vector, in its order."""
        return WordTokenizer(list(self.words), list(self.ngrams), self.lowercase, words)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_features"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._features = lru_cache(KEPT_WORDS)(self._look_up)

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Marks that every input gets."""
        return 2 if pair else 1

    def normalise(self, text: str) -> str:
        """The text as its words are looked up."""
        text = unicodedata.normalize("NFC", text)
        return text.lower() if self.lowercase else text

    def _look_up(self, word: str) -> tuple[int, ...]:
        own = self.words.get(word)
        found = (self.ngrams.get(ngram) for ngram in ngrams_of(word))
        all_found = (own, *dict.fromkeys(found), self.vectors.get(word))
        return tuple(place for place in all_found if place is not None)

    def split(self, text: str) -> list[tuple[int, ...]]:
        """The features of each word of a text."""
        return [self._features(word) for word in WORD.findall(self.normalise(text))]

    def encode(self, inputs: Sequence[tuple[str, ...]], max_length: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Look up `inputs`, each cut at `max_length` positions (the longer text of a pair first).

        Returns:
            Ids of shape (positions of all inputs, features), padded with 0; and where each input begins and the last
            one ends, shape (n + 1,).
        """
        codes: dict[tuple[int, ...], int] = {}
        flat: list[int] = []
        offsets = np.zeros(len(inputs) + 1, dtype=np.int64)
        for row, texts in enumerate(inputs):
            parts = cut([self.split(text) for text in texts], max_length - len(texts))
            marked = [word for part in parts for word in (*part, (SEP_ID,))]
            marked[-1] = (EOS_ID,)
            flat.extend(codes.setdefault(word, len(codes)) for word in marked)
            offsets[row + 1] = len(flat)
        table = np.full((len(codes), max(map(len, codes), default=1)), PAD_ID, dtype=np.int32)
        for word, code in codes.items():
            table[code, : len(word)] = word
        return table[np.array(flat, dtype=np.int64)], offsets

    def count_read(self, inputs: Sequence[tuple[str, ...]], max_length: int) -> Readings:
        """How many words of each input `encode` keeps, and how many of those it knows nothing of."""
        given, read, unknown = (np.zeros(len(inputs), dtype=np.int64) for _ in range(3))
        for row, texts in enumerate(inputs):
            parts = [self.split(text) for text in texts]
            given[row] = sum(map(len, parts))
            parts = cut(parts, max_length - len(texts))
            read[row] = sum(map(len, parts))
            unknown[row] = sum(not word for part in parts for word in part)
        return Readings(read, given, unknown, WORDS)

    def locate(self, texts: tuple[str, ...], max_length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which text each position of one input belongs to, -1 for marks; and the characters that it covers.

        Returns:
            Shapes (positions,) and (positions, 2), as in `engine.data.tokens.Located`.
        """
        spans = cut([self._spans(text) for text in texts], max_length - len(texts))
        sides = [side for number, part in enumerate(spans) for side in (*[number] * len(part), -1)]
        flat = [span for part in spans for span in (*part, (0, 0))]
        return np.array(sides, dtype=np.int64), np.array(flat, dtype=np.int64).reshape(-1, 2)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """The characters of the text that each of its words covers."""
        composed, places = "", []
        # A letter and the accents after it are composed together.
        for piece in re.finditer(r".[\u0300-\u036f]*", text, re.DOTALL):
            low = self.normalise(piece.group())
            composed += low
            places += [piece.span()] * len(low)
        return [(places[one.start()][0], places[one.end() - 1][1]) for one in WORD.finditer(composed)]

    def to_json(self) -> str:
        """Everything there is to know, from which `from_json` makes the same tokenizer."""
        whole = {"lowercase": self.lowercase, "words": list(self.words), "ngrams": list(self.ngrams)}
        if self.vectors:
            whole["vectors"] = list(self.vectors)
        return json.dumps(whole, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "WordTokenizer":
        """The inverse of `to_json`.

        Raises:
            ValueError: It isn't one.
        """
        whole = json.loads(text)
        try:
            return WordTokenizer(whole["words"], whole["ngrams"], bool(whole["lowercase"]), whole.get("vectors", ()))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no words and n-grams are in it ({error})") from error

    def save_pretrained(self, folder: Path) -> None:
        """Write it into a folder, as transformers' tokenizers do."""
        folder.mkdir(parents=True, exist_ok=True)
        whole = json.loads(self.to_json()) | {"max_length": self.model_max_length}
        (folder / FILE).write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")

    @staticmethod
    def from_pretrained(name: str | Path) -> "WordTokenizer":
        """Read it from a folder, or from a repository of the Hub.

        Raises:
            OSError: There is none.
            ValueError: It isn't one.
        """
        from transformers.utils.hub import cached_file

        path = cached_file(str(name), FILE)
        text = Path(str(path)).read_text(encoding="utf-8")
        tokenizer = WordTokenizer.from_json(text)
        tokenizer.model_max_length = int(json.loads(text)["max_length"])
        return tokenizer

    def __call__(self, first: Sequence[str], second: Sequence[str] | None = None, **_: Any) -> dict[str, Any]:
        """A padded batch for a decoder, as transformers' tokenizers make one.

        Args:
            first: Texts, or the first ones of pairs.
            second: The second ones.

        Returns:
            `input_ids` of shape (batch, longest, features) and `attention_mask` of shape (batch, longest), tensors.
        """
        import torch

        inputs = [(text,) for text in first] if second is None else list(zip(first, second, strict=True))
        ids, offsets = self.encode(inputs, self.model_max_length)
        rows = [torch.from_numpy(ids[start:end].astype(np.int64)) for start, end in pairwise(offsets)]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD_ID)
        # A word of which nothing is known is a position nonetheless, though all its ids are those of padding.
        real = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], True)
        return {"input_ids": padded, "attention_mask": real}


def ngrams_of(word: str) -> list[str]:
    """Stretches of 2 to 5 characters of a word with its edges marked: `<ok>` → `<o`, `ok`, `k>`, `<ok`, …"""
    marked = f"<{word}>"
    return [
        marked[start : start + size] for size in range(SHORTEST, LONGEST + 1) for start in range(len(marked) - size + 1)
    ]


def cut(parts: list[list[T]], most: int) -> list[list[T]]:
    """Leave `most` items in all, taking from the longest list first."""
    over = sum(map(len, parts)) - most
    while over > 0:
        longest = max(parts, key=len)
        # Down to the next one's length, and evenly from there.
        rest = max((len(one) for one in parts if one is not longest), default=0)
        take = min(over, max(1, len(longest) - rest))
        del longest[len(longest) - take :]
        over -= take
    return parts


def train_words(texts: Iterable[tuple[str, ...]], size: int, lowercase: bool = True) -> WordTokenizer:
    """The tokenizer of the words and n-grams that stand in most texts.

    Args:
        texts: Inputs of the train split, and of no other.
        size: Ids at most, those of the marks included.
        lowercase: Fold case first.
    """
    empty = WordTokenizer((), (), lowercase)
    words: Counter[str] = Counter()
    ngrams: Counter[str] = Counter()
    for row in texts:
        own = {word for text in row for word in WORD.findall(empty.normalise(text))}
        words.update(own)
        ngrams.update({ngram for word in own for ngram in ngrams_of(word)})
    counted = [
        (-count, kind, feature)
        for kind, features in enumerate((words, ngrams))
        for feature, count in features.items()
        if count >= LEAST_TEXTS
    ]
    kept = sorted(counted)[: max(0, size - FIRST_FREE)]
    return WordTokenizer(
        [feature for _, kind, feature in kept if kind == 0],
        [feature for _, kind, feature in kept if kind == 1],
        lowercase,
    )
