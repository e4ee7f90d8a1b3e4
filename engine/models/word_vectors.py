"""Word vectors by counting: which words stand near each other more often than chance would have it, in few dimensions.

Positive pointwise mutual information of words in a window, and its truncated singular value decomposition, which do as
well as trained embeddings on little text (Levy, Goldberg and Dagan, 2015).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy import sparse

WINDOW = 5
"""Words on either side that count as near."""
SMOOTHING = 0.75
"""Power to which the counts of neighbours are raised, so that rare ones don't look too telling."""
LEAST_COUNT = 3
"""Times that a word is in the text before it gets a vector."""


@dataclass(frozen=True)
class WordVectors:
    """Words and their vectors."""

    words: tuple[str, ...]
    """The most frequent first."""
    table: NDArray[np.float16]
    """Shape (words, width), each row as long as the others are on average; half precision, as it is stored."""


def learn_vectors(texts: Sequence[Sequence[str]], width: int, most: int) -> WordVectors:
    """Vectors of the words that stand in the texts most often.

    Args:
        texts: The words of each text.
        width: Numbers in a vector.
        most: Words that get one at most.

    Raises:
        ValueError: There are too few different words for vectors of this width.
    """
    counts = Counter(word for text in texts for word in text)
    kept = [word for word, count in counts.most_common(most) if count >= LEAST_COUNT]
    if len(kept) <= width:
        raise ValueError(
            f"vectors of {width} numbers need more than {width} words that stand in the text {LEAST_COUNT} times, and "
            f"there are {len(kept)}"
        )
    from sklearn.decomposition import TruncatedSVD

    near = mutual_information(count_neighbours(texts, kept))
    reduced = TruncatedSVD(width, n_iter=7, random_state=0)
    # Half of each singular value belongs to the word, and half to its neighbour.
    found = reduced.fit_transform(near) / np.sqrt(np.maximum(reduced.singular_values_, 1e-9))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return WordVectors(tuple(kept), (found / np.maximum(lengths, 1e-9)).astype(np.float16))


def count_neighbours(texts: Sequence[Sequence[str]], words: Sequence[str]) -> "sparse.csr_matrix":
    """How often each of `words` stands within `WINDOW` words of each other one, shape (words, words), symmetric.

    Near ones count more: half as much at twice the distance.
    """
    from scipy import sparse

    places = {word: place for place, word in enumerate(words)}
    # Between two texts lies a gap as wide as the window; unknown words leave theirs.
    gap = [-1] * WINDOW
    flat = np.array([place for text in texts for place in (*(places.get(word, -1) for word in text), *gap)])
    total = sparse.csr_matrix((len(words), len(words)), dtype=np.float64)
    for distance in range(1, WINDOW + 1):
        left, right = flat[:-distance], flat[distance:]
        both = (left >= 0) & (right >= 0)
        pairs = (np.full(int(both.sum()), 1 / distance), (left[both], right[both]))
        total = total + sparse.coo_matrix(pairs, shape=total.shape).tocsr()
    return (total + total.T).tocsr()


def mutual_information(near: "sparse.csr_matrix") -> "sparse.csr_matrix":
    """Positive pointwise mutual information of counts (words, neighbours), in nats."""
    from scipy import sparse

    found = near.tocoo()
    of_word = np.asarray(near.sum(axis=1)).ravel()
    of_neighbour = np.asarray(near.sum(axis=0)).ravel() ** SMOOTHING
    share = of_neighbour / max(of_neighbour.sum(), 1e-9)
    values = np.log(found.data / (of_word[found.row] * share[found.col]))
    positive = values > 0
    return sparse.coo_matrix((values[positive], (found.row[positive], found.col[positive])), shape=near.shape).tocsr()
