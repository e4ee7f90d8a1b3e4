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


def _left_out() -> re.Pattern[str]:
    """Runs of what a key leaves out: punctuation, white space, and what nobody sees."""
    codes = (*range(0x20000), *range(0xE0000, 0xE0200))
    kinds = ("Cc", "Cf", "Zs", "Zl", "Zp")
    chars = (chr(code) for code in codes)
    dropped = (
        char
        for char in chars
        if (kind := unicodedata.category(char)) in kinds
        or kind[0] == "P"
        or char in string.punctuation
        or "\ufe00" <= char <= "\ufe0f"
    )
    return re.compile(f"[{re.escape(''.join(dropped))}]+")


_LEFT_OUT = _left_out()


def fold(text: str) -> str:
    """A text without case, punctuation and white space, in Unicode NFKC; itself where nothing else is in it.

    Accents, marks of vowels and emoji stay, since they tell words and moods apart.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    if ":" in plain or ";" in plain or "=" in plain:
        plain = _FROWNS.sub(_FROWN, _SMILES.sub(_SMILE, plain))
    return _LEFT_OUT.sub("", plain) or text.strip()


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
