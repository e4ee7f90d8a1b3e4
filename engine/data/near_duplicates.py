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
ROWS_AT_ONCE, SIGNATURES_AT_ONCE, PAIRS_AT_ONCE = 20_000, 2_000, 50_000
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
    sizes = np.fromiter((len(_part(word)) for word in words), np.int64, len(words))
    indices, names = pd.factorize(np.array(list(chain.from_iterable(map(_part, words))), dtype=object))
    return in_texts @ _truths(indices, sizes, len(names)), names.tolist()


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
        del words, coded
    pa.default_memory_pool().release_unused()
    return _truths(np.concatenate(indices), np.concatenate(sizes), len(numbers)), list(numbers)


def _truths(indices: NDArray[Any], sizes: NDArray[Any], width: int) -> "csr_array":
    """True in the columns of these indices, of which each row has so many."""
    from scipy import sparse

    # With wide numbers, indices take twice the memory.
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32 if len(indices) < 2**31 else np.int64)
    return sparse.csr_array((np.ones(len(indices), bool), indices.astype(np.int32), ends), shape=(len(sizes), width))


def _part(word: str) -> list[str]:
    if len(word) < LONG_WORD:
        return [word] if word else []
    return [word[at : at + 3] for at in range(len(word) - 2)]


def _hash_bands(words: "csr_array", hashes: Hashes) -> Hashes:
    """A hash of each band of each row's signature, which rows with the same band share; shape (bands, rows)."""
    count, size = words.shape[0], PERMUTATIONS // BANDS
    factors = np.random.default_rng(0).integers(2**63, size=size, dtype=np.uint64) * 2 + 1
    bands = np.zeros((BANDS, count), dtype=np.uint64)
    if words.shape[1] > count:
        for at in range(0, count, SIGNATURES_AT_ONCE):
            ends = words.indptr[at : at + SIGNATURES_AT_ONCE + 1]
            signs = _sign(hashes[words.indices[ends[0] : ends[-1]]], ends - ends[0])
            bands[:, at : at + SIGNATURES_AT_ONCE] = (signs.reshape(-1, BANDS, size) * factors).sum(axis=2).T
        return bands
    # Words come again and again: each is signed once, and a row's signature is the least of those of its words.
    of_words = np.empty((PERMUTATIONS, len(hashes)), dtype=np.uint32)
    for at in range(0, len(hashes), SIGNATURES_AT_ONCE):
        own = hashes[at : at + SIGNATURES_AT_ONCE]
        of_words[:, at : at + SIGNATURES_AT_ONCE] = _sign(own, np.arange(len(own) + 1)).T
    filled = np.flatnonzero(np.diff(words.indptr))
    for place, sign in enumerate(of_words):
        least = np.minimum.reduceat(sign[words.indices], words.indptr[filled])
        bands[place // size, filled] += least * factors[place % size]
    return bands


def _sign(hashes: Hashes, ends: NDArray[Any]) -> NDArray[np.uint32]:
    """Signatures of sets of hashes, each of which ends where the next begins; shape (sets, permutations)."""
    from rensa import RMinHash

    made = RMinHash.digest_matrix_from_flat_token_hashes(hashes, ends.astype(np.uint64), PERMUTATIONS, 0)
    return np.array(made.to_rows(), dtype=np.uint32)


def _find_near(words: "csr_array", bands: Hashes, rows: Ints, earlier: Ints) -> NDArray[np.bool_]:
    """Whether each of some rows has a near-duplicate in an earlier one."""
    found = np.zeros(bands.shape[1], dtype=bool)
    for band in bands:
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
