"""The one key by which texts are the same: for duplicates, conflicts, leaks, splits and what was seen in training."""

import hashlib
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.white_space import squeeze_texts

GAP = "\t"
"""What stands between two folded words."""
AT_ONCE = 10_000
"""So many texts are folded in one go: they are long enough for it to pay, and short enough to need little memory."""

Folded = Mapping[str, Sequence[str]]
"""Column of texts → their words, folded."""

_SMILE, _FROWN = "\U0001f642", "\U0001f641"
# Emoticons are written in punctuation, but say more than it. What stands before one is looked at after its eyes, which
# are what a search finds quickly.
_SMILES = re.compile(r"[:;=](?<!\w.)['’]?-?[)\]dDpP3*]+(?!\w)")
_FROWNS = re.compile(r"[:;=](?<!\w.)['’]?-?[(\[/\\|]+(?!\w)")
_LEFT_OUT, _KEPT, _UNSEEN = range(3)
_FATE = np.full(0x110000, _UNSEEN, dtype=np.uint8)
"""Code point → what becomes of it, found out when it is first met."""


def fold_words(texts: Sequence[str]) -> list[str]:
    """The words of each text by their keys, with `GAP` between them; one of punctuation alone has an empty key."""
    return _in_pieces(_fold_piece, texts)


def _in_pieces(change: Callable[[Sequence[str]], list[str]], texts: Sequence[str]) -> list[str]:
    pieces = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]
    return [changed for piece in pieces for changed in change(piece)]


def _fold_piece(texts: Sequence[str]) -> list[str]:
    # Squeezing leaves no other white space in a text, so that these two marks stand for nothing else.
    joined = "\n".join(squeeze_texts(texts)).replace(" ", GAP)
    plain = unicodedata.normalize("NFKC", joined).casefold()
    plain = "\n".join(map(_name_emoticons, plain.split("\n")))
    codes = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    for code in np.unique(codes[_FATE[codes] == _UNSEEN]).tolist():
        _FATE[code] = _LEFT_OUT if _is_left_out(chr(code)) else _KEPT
    return codes[_FATE[codes] == _KEPT].tobytes().decode("utf-32-le").split("\n")


def _name_emoticons(text: str) -> str:
    # Looking for eyes costs nothing beside a search for whole emoticons, and most texts have none.
    if not (":" in text or ";" in text or "=" in text):
        return text
    return _FROWNS.sub(_FROWN, _SMILES.sub(_SMILE, text))


def _is_left_out(char: str) -> bool:
    """Whether a key goes without a character: punctuation, white space, and what nobody sees."""
    if char in (GAP, "\n"):
        return False
    return unicodedata.category(char)[0] in "PZC" or char in string.punctuation or "\ufe00" <= char <= "\ufe0f"


def fold_frame(frame: pd.DataFrame, columns: Sequence[str]) -> Folded:
    """Column → `fold_words` of its texts, for where they are needed several times."""
    return {column: fold_words(frame[column].tolist()) for column in columns}


def fold_all(texts: Sequence[str]) -> list[str]:
    """Each text without case, punctuation and white space, in Unicode NFKC; itself where nothing else is in it.

    Accents, marks of vowels and emoji stay, since they tell words and moods apart.
    """
    return _in_pieces(lambda piece: join_words(_fold_piece(piece), piece), texts)


def join_words(folded: Sequence[str], texts: Sequence[str]) -> list[str]:
    """`fold_all` of texts of which `fold_words` has made these."""
    keys = _in_pieces(lambda piece: "\n".join(piece).replace(GAP, "").split("\n"), folded)
    return [key or text.strip() for key, text in zip(keys, texts, strict=True)]


def join_columns(keys: Iterable[Sequence[str]]) -> list[str]:
    """The key of each whole input, a text or a pair, from those of its texts."""
    return list(map("\x1f".join, zip(*keys, strict=True)))


def hash_keys(inputs: Sequence[tuple[str, ...]]) -> NDArray[np.uint64]:
    """Sorted 64-bit hashes of the inputs' keys; texts can't be read back from them."""
    keys = join_columns(map(fold_all, zip(*inputs, strict=True)))
    digests = [hashlib.sha256(key.encode()).digest()[:8] for key in keys]
    return np.sort(np.frombuffer(b"".join(digests), dtype="<u8"))
