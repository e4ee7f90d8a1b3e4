"""Near-duplicates across splits: texts that share most of their words, found by MinHash (Broder, 1997) and counted."""

from collections.abc import Sequence

import pandas as pd

from engine.data.folding import fold_words
from engine.data.tasks import SPLITS, Task

SHARE = 0.8
"""Of the words that two texts have together, those that both have: from here on they are near-duplicates (Jaccard)."""
PERMUTATIONS, BANDS = 40, 8
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
        if earlier and inputs:
            signatures = RMinHash.from_token_sets(map(_words, inputs), PERMUTATIONS, 0)
            found += sum(
                any(_are_near(_words(own), _words(earlier[place])) for place in candidates)
                for own, candidates in zip(inputs, index.query_all(signatures), strict=True)
            )
        index.insert_matrix(RMinHash.digest_matrix_from_token_sets(map(_words, inputs), PERMUTATIONS, 0), len(earlier))
        earlier += inputs
    return found


def _words(texts: Sequence[str]) -> frozenset[str]:
    """The words of an input by their keys, those of a pair's second text apart from the first's."""
    found: set[str] = set()
    for place, text in enumerate(texts):
        words = fold_words(text)
        if max(map(len, words), default=0) >= LONG_WORD:
            words = [part for word in words for part in _parts(word)]
        found.update(words if not place else (f"{place} {word}" for word in words))
    return frozenset(found)


def _parts(word: str) -> list[str]:
    return [word] if len(word) < LONG_WORD else [word[at : at + 3] for at in range(len(word) - 2)]


def _are_near(first: frozenset[str], second: frozenset[str]) -> bool:
    shared = len(first & second)
    return shared > 0 and shared >= SHARE * (len(first) + len(second) - shared)
