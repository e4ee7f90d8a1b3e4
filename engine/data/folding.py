"""The one key by which texts are the same: for duplicates, conflicts, leaks, splits and what was seen in training."""

import hashlib
import re
import string
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_SMILE, _FROWN = "\U0001f642", "\U0001f641"
# Emoticons are written in punctuation, but say more than it.
_SMILES = re.compile(r"(?<!\w)[:;=]['’]?-?[)\]dDpP3*]+(?!\w)")
_FROWNS = re.compile(r"(?<!\w)[:;=]['’]?-?[(\[/\\|]+(?!\w)")
MOST_WORDS = 50_000
"""Of the folded words that are remembered."""


class _Folded(dict[str, str]):
    """A word → its key, worked out when the word is first met: the words of a language come again and again."""

    def __missing__(self, word: str) -> str:
        if len(self) > MOST_WORDS:
            self.clear()
        plain = unicodedata.normalize("NFKC", word).casefold()
        if not plain.isalnum():
            plain = _FROWNS.sub(_FROWN, _SMILES.sub(_SMILE, plain))
            plain = "".join(char for char in plain if not _is_left_out(char))
        self[word] = plain
        return plain


def _is_left_out(char: str) -> bool:
    """Whether a key goes without a character: punctuation, white space, and what nobody sees."""
    return unicodedata.category(char)[0] in "PZC" or char in string.punctuation or "\ufe00" <= char <= "\ufe0f"


_WORDS = _Folded()


def fold_words(text: str) -> list[str]:
    """The keys of a text's words; words of punctuation alone have none."""
    return [key for key in map(_WORDS.__getitem__, text.split()) if key]


def fold(text: str) -> str:
    """A text without case, punctuation and white space, in Unicode NFKC; itself where nothing else is in it.

    Accents, marks of vowels and emoji stay, since they tell words and moods apart.
    """
    return "".join(fold_words(text)) or text.strip()


def fold_all(texts: Iterable[str]) -> list[str]:
    """The key of each text."""
    return [fold(text) for text in texts]


def fold_input(texts: Iterable[str]) -> str:
    """The key of a whole input, a text or a pair."""
    return "\x1f".join(map(fold, texts))


def hash_keys(inputs: Sequence[tuple[str, ...]]) -> NDArray[np.uint64]:
    """Sorted 64-bit hashes of the inputs' keys; texts can't be read back from them."""
    digests = [hashlib.sha256(fold_input(row).encode()).digest()[:8] for row in inputs]
    return np.sort(np.frombuffer(b"".join(digests), dtype="<u8"))
