"""Where the n-grams that TF-IDF counts stand in a text."""

import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence

Spans = Mapping[str, Sequence[tuple[tuple[int, int], ...]]]
"""Term → its occurrences, each as the stretches of characters that it covers."""


def lowered(text: str) -> tuple[str, list[int]]:
    """The text in lower case, and which character of the text each of its characters comes from."""
    low = text.lower()
    places = [place for place, char in enumerate(text) for _ in char.lower()]
    return low, places


def word_ngrams(low: str, pattern: str, longest: int) -> Spans:
    """Runs of up to `longest` tokens, joined by a space as scikit-learn's `word` analyzer does."""
    tokens = [match.span() for match in re.finditer(pattern, low)]
    found = defaultdict(list)
    for size in range(1, longest + 1):
        for start in range(len(tokens) - size + 1):
            run = tuple(tokens[start : start + size])
            found[" ".join(low[first:last] for first, last in run)].append(run)
    return found


def char_ngrams(low: str, shortest: int, longest: int) -> Spans:
    """Stretches inside words, each with a space at either end, as scikit-learn's `char_wb` analyzer does."""
    found = defaultdict(list)
    for word in re.finditer(r"\S+", low):
        padded = f" {word.group()} "
        for size in range(shortest, longest + 1):
            # A word that is shorter than the stretch is one stretch, and longer ones are the same.
            for start in range(max(1, len(padded) - size + 1)):
                first = max(word.start() + start - 1, word.start())
                last = min(word.start() + start - 1 + size, word.end())
                found[padded[start : start + size]].append(((first, last),))
            if size >= len(padded):
                break
    return found


def is_known(
    word: str, pattern: str, words: Container[str], chars: Container[str], shortest: int, longest: int
) -> bool:
    """Whether a vocabulary holds a word between spaces, or any token or stretch of it; `word` is in lower case."""
    if any(token in words for token in re.findall(pattern, word)):
        return True
    padded = f" {word} "
    return any(
        padded[start : start + size] in chars
        for size in range(shortest, longest + 1)
        for start in range(max(1, len(padded) - size + 1))
    )
