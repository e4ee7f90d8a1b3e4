"""Words of a text as people see them, the same for every model: where each stands, and the text without it."""

import unicodedata
from collections.abc import Sequence

Span = tuple[int, int]
"""Where a word begins and where it has ended, in characters."""

JOINS = frozenset("'’ʼ-‐")
"""Stand inside a word between two letters: "don't", "e-mail"."""
POINTS = frozenset(".,:")
"""Stand inside a number between two digits: "3,5", "17:30"."""
UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese."""
BEFORE = frozenset("เแโใไເແໂໃໄ")
"""Vowels of Thai and Lao that are written before the consonant that they follow."""
AFTER = frozenset("ะาำๅๆະາຳ")
"""Vowels of Thai and Lao that are written after it."""


def _kind(char: str) -> str:
    """`space`, `alone` (a script without spaces), `word`, `mark`, or `clings` to what is before it."""
    if char.isspace():
        return "space"
    category = unicodedata.category(char)
    # Accents, vowel signs, joiners and the selector that makes a heart red.
    if category[0] == "M" or category == "Cf":
        return "clings"
    if any(first <= ord(char) <= last for first, last in UNSPACED):
        return "alone"
    return "word" if category[0] in "LN" or char == "_" else "mark"


def split_words(text: str) -> tuple[Span, ...]:
    """Words, and runs of punctuation and emoji, in their order; only white space is in none.

    Where a script puts no spaces between words, a Chinese character or a Thai consonant with its vowels takes the
    place of a word: finding real words there takes a dictionary.
    """
    spans: list[Span] = []
    before = "space"
    for place, char in enumerate(text):
        kind = _kind(char)
        if kind == "clings" and before != "space":
            kind = before
            goes_on = True
        else:
            kind = "mark" if kind == "clings" else kind
            goes_on = _goes_on(text, place, kind, before)
        if goes_on and spans and before != "space":
            spans[-1] = (spans[-1][0], place + 1)
            # What joins two halves of a word is part of it.
            kind = before
        elif kind != "space":
            spans.append((place, place + 1))
        before = kind
    return tuple(spans)


def _goes_on(text: str, place: int, kind: str, before: str) -> bool:
    char = text[place]
    if kind == "alone":
        return before == "alone" and (char in AFTER or text[place - 1] in BEFORE)
    if kind == before:
        return kind != "space"
    following = text[place + 1 : place + 2]
    if kind != "mark" or before != "word" or not following:
        return False
    if char in POINTS:
        return text[place - 1].isdigit() and following.isdigit()
    return char in JOINS and _kind(following) == "word"


def leave_out(text: str, span: Span) -> str:
    """The text without one word, its white space squeezed; what stood apart stays apart."""
    left, right = text[: span[0]], text[span[1] :]
    if left and right and _kind(left[-1]) == _kind(right[0]) == "word":
        left += " "
    return " ".join((left + right).split())


def leave_out_each(texts: Sequence[str], words: Sequence[Sequence[Span]]) -> list[tuple[str, ...]]:
    """The input without each of its words in turn, those of the first text first."""
    return [
        (*texts[:place], leave_out(text, span), *texts[place + 1 :])
        for place, (text, spans) in enumerate(zip(texts, words, strict=True))
        for span in spans
    ]


def cut_words(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """The texts with `most` words at most in all, the longer one cut first."""
    words = [split_words(text) for text in texts]
    kept = [len(spans) for spans in words]
    while sum(kept) > most:
        longest = max(range(len(kept)), key=kept.__getitem__)
        kept[longest] -= 1
    return tuple(
        text if count == len(spans) else text[: spans[count - 1][1] if count else 0]
        for text, spans, count in zip(texts, words, kept, strict=True)
    )
