"""Near-duplicates across splits: texts that share most of their words, found by MinHash (Broder, 1997) and counted."""

from collections.abc import Iterable, Sequence

import pandas as pd

from engine.data.folding import MOST_WORDS, fold_words
from engine.data.tasks import SPLITS, Task

SHARE = 0.8
"""Of the words that two texts have together, those that both have: from here on they are near-duplicates (Jaccard)."""
PERMUTATIONS, BANDS = 60, 10
AT_ONCE = 10_000
LONG_WORD = 16
"""From so many letters on, a word is one of a script that doesn't part words, and is taken in threes."""


def count_near_duplicates(frame: pd.DataFrame, task: Task) -> int:
    """How many validation and test rows have a near-duplicate in an earlier one of train, validation, test.

    Candidates come from MinHash signatures in bands; whether they are near is then counted on their words.

    Args:
        frame: Cleaned rows with `split`, no input twice.
        task: Says which columns are text.
    """
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(SHARE, PERMUTATIONS, BANDS)
    # Words are made anew for the few candidates: all of them together would take more memory than the texts.
    earlier: list[tuple[str, ...]] = []
    found = 0
    for split in SPLITS:
        rows = frame[frame["split"] == split]
        inputs = list(zip(*(rows[column].tolist() for column in task.text_columns), strict=True))
        pieces = [inputs[at : at + AT_ONCE] for at in range(0, len(inputs), AT_ONCE)]
        for piece in pieces if earlier else ():
            queries = RMinHash.from_token_sets(map(_words, piece), PERMUTATIONS, 0)
            for own, candidates in zip(piece, index.query_all(queries), strict=True):
                found += bool(candidates) and _is_near_any(own, (earlier[place] for place in candidates))
        for piece in pieces if split != SPLITS[-1] else ():
            index.insert_matrix(
                RMinHash.digest_matrix_from_token_sets(map(_words, piece), PERMUTATIONS, 0), len(earlier)
            )
            earlier += piece
    return found


def _words(texts: Sequence[str]) -> list[str]:
    """The words of an input by their keys, those of a pair's second text apart from the first's."""
    words = [part for word in texts[0].split() for part in _PARTS[word]]
    for text in texts[1:]:
        words += [f"2 {part}" for word in text.split() for part in _PARTS[word]]
    return words


class _Parts(dict[str, tuple[str, ...]]):
    """A word → its key, or that in threes where it is long; worked out when the word is first met."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        if len(self) > MOST_WORDS:
            self.clear()
        key = "".join(fold_words(word))
        long = len(key) >= LONG_WORD
        self[word] = parts = tuple(key[at : at + 3] for at in range(len(key) - 2)) if long else (key,) if key else ()
        return parts


_PARTS = _Parts()


def _is_near_any(own: Sequence[str], others: Iterable[Sequence[str]]) -> bool:
    words = frozenset(_words(own))
    return any(_are_near(words, frozenset(_words(other))) for other in others)


def _are_near(first: frozenset[str], second: frozenset[str]) -> bool:
    shared = len(first & second)
    return shared > 0 and shared >= SHARE * (len(first) + len(second) - shared)
