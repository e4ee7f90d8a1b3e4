"""Baselines that every trained model must beat: the majority class, and TF-IDF with logistic regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.data.reading import WORDS, Readings
from engine.errors import CheckpointError
from engine.models.ngrams import char_ngrams, is_known, lowered, word_ngrams

if TYPE_CHECKING:
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

Inputs = Sequence[tuple[str, ...]]
Floats = NDArray[np.float64]


class Baseline(Protocol):
    """What both baselines can do; their state is arrays and plain values, never a pickle."""

    def fit(
        self, inputs: Inputs, labels: NDArray[np.int64], classes: int, rows: NDArray[np.int64] | None = None
    ) -> None:
        """Learn from the train split, or from these rows of it, some of them several times."""

    def probabilities(self, inputs: Inputs) -> Floats:
        """Probabilities of shape (n, classes)."""

    def count_read(self, inputs: Inputs) -> Readings | None:
        """How much of each input is known; None where the text is ignored."""

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays, and plain values."""

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take a state back."""


class Majority:
    """Answers the shares of the classes in training, whatever the text says."""

    def __init__(self) -> None:
        self.shares: Floats = np.zeros(0)

    def fit(
        self, inputs: Inputs, labels: NDArray[np.int64], classes: int, rows: NDArray[np.int64] | None = None
    ) -> None:
        """Count the classes, with one added to each so that no probability is zero."""
        counts = np.bincount(labels if rows is None else labels[rows], minlength=classes) + 1.0
        self.shares = counts / counts.sum()

    def probabilities(self, inputs: Inputs) -> Floats:
        """The same row for every input, shape (n, classes)."""
        return np.tile(self.shares, (len(inputs), 1))

    def count_read(self, inputs: Inputs) -> None:
        """Nothing is read."""

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The shares."""
        return {"shares": self.shares}, {}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take the shares back."""
        self.shares = np.asarray(arrays["shares"], dtype=np.float64)


class TfidfLogistic:
    """TF-IDF of words (1-2) and characters (2-5) with multinomial logistic regression.

    A pair is described by its hypothesis, by what both texts share (product) and by where they differ (distance).
    """

    VIEWS = ("word", "char")

    def __init__(self, max_features: int = 60_000, regularisation: float = 4.0, balanced: bool = True) -> None:
        """Keep the settings.

        Args:
            max_features: Most frequent n-grams kept, for words and characters each.
            regularisation: Inverse strength, scikit-learn's `C`.
            balanced: Weigh classes by the inverse of their frequency.
        """
        self.max_features = max_features
        self.regularisation = regularisation
        self.balanced = balanced
        self.vectorizers = {"word": self._vectorizer("word", (1, 2)), "char": self._vectorizer("char_wb", (2, 5))}
        self.coefficients: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self.intercept: Floats = np.zeros(0)

    def _vectorizer(self, analyzer: str, ngrams: tuple[int, int]) -> TfidfVectorizer:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            analyzer=analyzer,
            ngram_range=ngrams,
            min_df=2,
            max_features=self.max_features,
            sublinear_tf=True,
            # Emoji and punctuation count as words; the pattern is unused for characters.
            token_pattern=r"(?u)\w+|[^\w\s]" if analyzer == "word" else None,
            dtype=np.float32,
        )

    def fit(
        self, inputs: Inputs, labels: NDArray[np.int64], classes: int, rows: NDArray[np.int64] | None = None
    ) -> None:
        """Fit the vocabularies on the train split, and the weights on it or on these rows of it."""
        from sklearn.linear_model import LogisticRegression

        texts = [text for row in inputs for text in row]
        for vectorizer in self.vectorizers.values():
            vectorizer.fit(texts)
        model = LogisticRegression(
            C=self.regularisation, class_weight="balanced" if self.balanced else None, max_iter=300, tol=1e-3
        )
        features = self._features(inputs)
        # Repeated rows would lift their own rare terms into the vocabularies, so they are repeated only here.
        model.fit(features if rows is None else features[rows], labels if rows is None else labels[rows])
        coefficients, self.intercept = spread_classes(model, classes)
        # As it is stored, so that the figures are those of the file.
        self.coefficients = coefficients.astype(np.float16).astype(np.float32)

    def _features(self, inputs: Inputs) -> sparse.csr_matrix:
        from scipy import sparse

        sides = [
            sparse.hstack([self.vectorizers[view].transform(column) for view in self.VIEWS], format="csr")
            for column in ([row[place] for row in inputs] for place in range(len(inputs[0])))
        ]
        if len(sides) == 1:
            return sides[0]
        premise, hypothesis = sides
        return sparse.hstack([hypothesis, premise.multiply(hypothesis), abs(premise - hypothesis)], format="csr")

    def probabilities(self, inputs: Inputs) -> Floats:
        """Softmax of the linear scores, shape (n, classes)."""
        logits = self._features(inputs) @ self.coefficients.T + self.intercept
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def count_read(self, inputs: Inputs) -> Readings:
        """All words are read; unknown are those of which no n-gram is in the vocabularies, not a stretch of letters."""
        words, chars = (self.vectorizers[view] for view in self.VIEWS)
        counts = []
        for row in inputs:
            parts = [word for text in row for word in text.lower().split()]
            known = sum(
                is_known(one, words.token_pattern, words.vocabulary_, chars.vocabulary_, *chars.ngram_range)
                for one in parts
            )
            counts.append((len(parts), len(parts), len(parts) - known))
        given, read, unknown = np.array(counts, dtype=np.int64).reshape(-1, 3).T
        return Readings(read, given, unknown, WORDS)

    def contributions(self, row: tuple[str, ...]) -> list[Floats]:
        """What each character of an input adds to the linear scores: its n-grams' values times their weights.

        An n-gram's share is divided among its occurrences (those in both texts of a pair, where it is in both), and
        there among the characters that it covers, so that with the intercept all of it adds up to the scores.

        Returns:
            For each text an array of shape (characters, classes).
        """
        features = np.asarray(self._features([row]).todense(), dtype=np.float64)[0]
        width = sum(len(vectorizer.vocabulary_) for vectorizer in self.vectorizers.values())
        shares = [np.zeros((len(text), len(self.intercept))) for text in row]
        found = [self._columns(text) for text in row]
        for column in set().union(*found):
            # Hypothesis, product, distance: see `_features`.
            for block in range(len(features) // width):
                worth = features[block * width + column] * self.coefficients[:, block * width + column]
                sides = [1] if len(features) > width and block == 0 else range(len(row))
                stand = [(side, found[side][column]) for side in sides if column in found[side]]
                for side, places in stand:
                    for occurrence in places:
                        shares[side][occurrence] += worth / (len(stand) * len(places) * len(occurrence))
        return shares

    def _columns(self, text: str) -> dict[int, list[list[int]]]:
        """Column of the vocabularies → its occurrences in the text, each as the characters that it covers."""
        low, places = lowered(text)
        words, chars = (self.vectorizers[view] for view in self.VIEWS)
        terms = (
            word_ngrams(low, words.token_pattern, words.ngram_range[1]),
            char_ngrams(low, *chars.ngram_range),
        )
        columns, first = {}, 0
        for vectorizer, found in zip((words, chars), terms, strict=True):
            for term, occurrences in found.items():
                column = vectorizer.vocabulary_.get(term)
                if column is not None:
                    columns[first + column] = [
                        sorted({places[place] for run in one for place in range(*run)}) for one in occurrences
                    ]
            first += len(vectorizer.vocabulary_)
        return columns

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Weights in half precision, and both vocabularies as lists in the order of their columns."""
        arrays: dict[str, NDArray[Any]] = {
            "coefficients": self.coefficients.astype(np.float16),
            "intercept": self.intercept,
        }
        values: dict[str, Any] = {"max_features": self.max_features}
        for view, vectorizer in self.vectorizers.items():
            arrays[f"idf.{view}"] = vectorizer.idf_.astype(np.float32)
            values[f"terms.{view}"] = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
        return arrays, values

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take a state back.

        Raises:
            CheckpointError: Vocabulary and weights don't fit each other.
        """
        width = 0
        for view, vectorizer in self.vectorizers.items():
            terms = values[f"terms.{view}"]
            if len(terms) != len(arrays[f"idf.{view}"]):
                raise CheckpointError("The TF-IDF vocabulary and its weights have different sizes.")
            vectorizer.vocabulary_ = {term: place for place, term in enumerate(terms)}
            vectorizer.idf_ = np.asarray(arrays[f"idf.{view}"], dtype=np.float32)
            width += len(terms)
        self.coefficients = np.asarray(arrays["coefficients"], dtype=np.float32)
        self.intercept = np.asarray(arrays["intercept"], dtype=np.float64)
        if self.coefficients.shape[1] not in (width, 3 * width):
            raise CheckpointError("The TF-IDF vocabulary and its weights have different sizes.")


def spread_classes(model: LogisticRegression, classes: int) -> tuple[Floats, Floats]:
    """Weights (classes, width) and intercepts (classes,) of a fitted model, for classes it never saw too."""
    weights, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # One row says how much the second is likelier than the first.
        weights = np.vstack([-weights, weights]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    coefficients = np.zeros((classes, weights.shape[1]))
    coefficients[model.classes_] = weights
    # A class that training never saw never wins.
    intercepts = np.full(classes, -30.0)
    intercepts[model.classes_] = intercept
    return coefficients, intercepts


BASELINES = ("majority", "tfidf")


def make_baseline(name: str, balanced: bool = True) -> Majority | TfidfLogistic:
    """The baseline called `name`, fresh; `balanced` weighs the classes by the inverse of their frequency."""
    made: Mapping[str, Callable[[], Majority | TfidfLogistic]] = {
        "majority": Majority,
        "tfidf": lambda: TfidfLogistic(balanced=balanced),
    }
    return made[name]()
