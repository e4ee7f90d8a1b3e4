"""Near-duplicates across splits: texts that share most of their words, found by MinHash (Broder, 1997) and counted."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.folding import GAP, Folded, fold_frame
from engine.data.tasks import SPLITS, Task

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SHARE = 0.8
"""Of the words that two texts have together, those that both have: from here on they are near-duplicates (Jaccard)."""
PERMUTATIONS, BANDS = 60, 10
ROWS_AT_ONCE, SIGNATURES_AT_ONCE, PAIRS_AT_ONCE = 25_000, 2_000, 50_000
"""So many texts are cut into words, so many signatures are made, and so many pairs are compared, in one go."""
LONG_WORD = 16
"""From so many letters on, a word is one of a script that doesn't part words, and is taken in threes."""

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]


def count_near_duplicates(frame: pd.DataFrame, task: Task, folded: Folded | None = None) -> int:
    """How many validation and test rows have a near-duplicate in an earlier one of train, validation, test.

    Candidates come from MinHash signatures in bands; whether they are near is then counted on their words.

    Args:
        frame: Cleaned rows with `split`, no input twice.
        task: Says which columns are text.
        folded: Their words, where they are folded already.
    """
    if frame.empty:
        return 0
    folded = folded or fold_frame(frame, task.text_columns)
    words, hashes = _input_words([folded[column] for column in task.text_columns])
    bands = _hash_bands(words, hashes)
    some = np.diff(words.indptr) > 0
    rows = [np.flatnonzero((frame["split"] == split).to_numpy() & some) for split in SPLITS]
    return sum(
        int(_find_near(words, bands, rows[place], np.concatenate(rows[:place])).sum())
        for place in range(1, len(SPLITS))
    )


def _input_words(folded: Sequence[Sequence[str]]) -> "tuple[csr_array, Hashes]":
    """Which words each input has, those of a pair's second text apart from the first's.

    Returns:
        Truth values of shape (inputs, words), and a hash of each word.
    """
    from rensa import RMinHash
    from scipy import sparse

    found, hashes = [], []
    for place, column in enumerate(folded):
        words, names = _find_words(column)
        found.append(words)
        hashes += RMinHash.hash_token_sets([[f"{place + 1} {name}" for name in names] if place else names])[0]
    whole = found[0] if len(found) == 1 else sparse.csr_array(sparse.hstack(found, format="csr"))
    whole.sort_indices()
    return whole, np.array(hashes, dtype=np.uint64)


def _find_words(folded: Sequence[str]) -> "tuple[csr_array, list[str]]":
    """Which words each text has, long ones in threes: truth values of shape (texts, words), and the words."""
    in_texts, words = _code_words(folded)
    parts = [_part(word) for word in words]
    indices, names = pd.factorize(np.array(list(chain.from_iterable(parts)), dtype=object))
    return in_texts @ _truths(indices, [len(one) for one in parts], len(names)), names.tolist()


def _code_words(folded: Sequence[str]) -> "tuple[csr_array, list[str]]":
    """The same of whole words, an empty one where a text has punctuation alone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers: dict[str, int] = {}
    indices, sizes = [], []
    for at in range(0, len(folded), ROWS_AT_ONCE):
        words = pc.split_pattern(pa.array(folded[at : at + ROWS_AT_ONCE], pa.string()), GAP)
        coded = words.flatten().dictionary_encode()
        own = [numbers.setdefault(word, len(numbers)) for word in coded.dictionary.to_pylist()]
        indices.append(np.array(own, np.int32)[coded.indices.to_numpy()])
        sizes.append(np.diff(words.offsets.to_numpy()))
    return _truths(np.concatenate(indices), np.concatenate(sizes), len(numbers)), list(numbers)


def _truths(indices: NDArray[Any], sizes: "NDArray[Any] | list[int]", width: int) -> "csr_array":
    """True in the columns of these indices, of which each row has so many."""
    from scipy import sparse

    ends = np.concatenate([[0], np.cumsum(sizes)])
    return sparse.csr_array((np.ones(len(indices), bool), indices, ends), shape=(len(sizes), width))


def _part(word: str) -> list[str]:
    if len(word) < LONG_WORD:
        return [word] if word else []
    return [word[at : at + 3] for at in range(len(word) - 2)]


def _hash_bands(words: "csr_array", hashes: Hashes) -> Hashes:
    """A hash of each band of each row's signature, which rows with the same band share; shape (rows, bands)."""
    count, size = words.shape[0], PERMUTATIONS // BANDS
    factors = np.random.default_rng(0).integers(2**63, size=size, dtype=np.uint64) * 2 + 1
    bands = np.zeros((BANDS, count), dtype=np.uint64)
    filled = np.flatnonzero(np.diff(words.indptr))
    # The signature of a row is the least of those of its words, which are quicker made where they come again and again.
    by_word = words.shape[1] < count
    signs = _sign(hashes) if by_word else _sign(hashes[words.indices], words.indptr)
    for place, sign in enumerate(signs):
        least = np.minimum.reduceat(sign[words.indices], words.indptr[filled]) if by_word else sign[filled]
        bands[place // size, filled] += least * factors[place % size]
    return bands.T


def _sign(hashes: Hashes, ends: NDArray[Any] | None = None) -> NDArray[np.uint32]:
    """Signatures of rows of hashes, of which each ends where the next begins, or of each hash alone.

    Shape (permutations, rows).
    """
    from rensa import RMinHash

    ends = np.arange(len(hashes) + 1) if ends is None else ends
    signs = np.empty((PERMUTATIONS, len(ends) - 1), dtype=np.uint32)
    for at in range(0, len(ends) - 1, SIGNATURES_AT_ONCE):
        own = ends[at : at + SIGNATURES_AT_ONCE + 1].astype(np.uint64)
        flat = hashes[int(own[0]) : int(own[-1])]
        rows = RMinHash.digest_matrix_from_flat_token_hashes(flat, own - own[0], PERMUTATIONS, 0).to_rows()
        signs[:, at : at + SIGNATURES_AT_ONCE] = np.array(rows, dtype=np.uint32).T
    return signs


def _find_near(words: "csr_array", bands: Hashes, rows: Ints, earlier: Ints) -> NDArray[np.bool_]:
    """Whether each of some rows has a near-duplicate in an earlier one."""
    found = np.zeros(len(bands), dtype=bool)
    for band in bands.T:
        queries = rows[~found[rows]]
        # Few have a candidate, and sorting takes longer than looking up which.
        others = earlier[pd.Series(band[earlier]).isin(band[queries])]
        ordered = others[np.argsort(band[others], kind="stable")]
        first, last = (np.searchsorted(band[ordered], band[queries], side) for side in ("left", "right"))
        # A few candidates of each row, then more of those that none of them was near to.
        while len(queries):
            some = np.minimum(last - first, max(1, PAIRS_AT_ONCE // len(queries)))
            steps = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
            own = np.repeat(queries, some)
            found[own[_are_near(words, own, ordered[np.repeat(first, some) + steps])]] = True
            first = first + some
            open_ = (first < last) & ~found[queries]
            queries, first, last = queries[open_], first[open_], last[open_]
    return found[rows]


def _are_near(words: "csr_array", first: Ints, second: Ints) -> NDArray[np.bool_]:
    sizes = np.diff(words.indptr)
    shared = words[first].multiply(words[second]).sum(axis=1, dtype=np.int64)
    return shared >= SHARE * (sizes[first] + sizes[second] - shared)
