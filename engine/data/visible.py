"""Whether a text shows anything, and can be written: characters without a shape of their own are no text."""

import unicodedata

import pandas as pd

_BLANK = frozenset(
    code
    for first, last in (
        # What Unicode calls default-ignorable (DerivedCoreProperties): joiners, directional marks, variation selectors,
        # blank Hangul and Khmer letters, tags.
        (0x00AD, 0x00AD),
        (0x034F, 0x034F),
        (0x061C, 0x061C),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFFB),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
        # The blank of Braille, and of musical notation.
        (0x2800, 0x2800),
        (0x1D159, 0x1D159),
    )
    for code in range(first, last + 1)
)


def is_visible(text: str) -> bool:
    """Whether any character of a text can be seen: not where all are spaces, control characters or without a shape."""
    return any(ord(char) not in _BLANK and unicodedata.category(char) not in ("Cc", "Zs", "Zl", "Zp") for char in text)


def find_visible(texts: pd.Series) -> pd.Series:
    """`is_visible` of each text, of which most begin with a character of ASCII that is seen."""
    return texts.map(lambda text: "!" <= text[:1] <= "~" or is_visible(text)).astype(bool)


def find_halves(texts: pd.Series) -> pd.Series:
    """Whether each text holds half of a surrogate pair, as JSON can; no tokenizer and no file takes one."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return texts.map(lambda text: any("\ud800" <= char <= "\udfff" for char in text)).astype(bool)
    return pd.Series(False, index=texts.index)
