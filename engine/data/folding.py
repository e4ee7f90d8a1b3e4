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
_VARIATIONS = range(0xFE00, 0xFE10)


class _Dropped(dict[int, int | None]):
    """Code point → None where a key leaves it out, worked out when it is first met."""

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        left_out = unicodedata.category(char)[0] in "PZC" or char in string.punctuation or code in _VARIATIONS
        self[code] = None if left_out else code
        return self[code]


_DROPPED = _Dropped()


def fold(text: str) -> str:
    """A text without case, punctuation and white space, in Unicode NFKC; itself where nothing else is in it.

    Accents, marks of vowels and emoji stay, since they tell words and moods apart.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    if ":" in plain or ";" in plain or "=" in plain:
        plain = _FROWNS.sub(_FROWN, _SMILES.sub(_SMILE, plain))
    return plain.translate(_DROPPED) or text.strip()


def fold_input(texts: Iterable[str]) -> str:
    """The key of a whole input, a text or a pair."""
    return "\x1f".join(map(fold, texts))


def hash_keys(inputs: Sequence[tuple[str, ...]]) -> NDArray[np.uint64]:
    """Sorted 64-bit hashes of the inputs' keys; texts can't be read back from them."""
    digests = [hashlib.sha256(fold_input(row).encode()).digest()[:8] for row in inputs]
    return np.sort(np.frombuffer(b"".join(digests), dtype="<u8"))
