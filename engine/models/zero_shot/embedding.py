"""Frozen embeddings that classify: by likeness to descriptions of the classes, or by a small head on a few examples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.reading import Readings
from engine.data.tasks import SLANG, Task
from engine.data.tokens import count_read, encode
from engine.evaluation.metrics import Floats, softmax
from engine.models.baselines import spread_classes
from engine.models.methods import ParameterCount, count_parameters
from engine.models.networks import MeanState, Network, Tick, TorchNetwork, compute
from engine.models.pretrained import Opened
from engine.models.zero_shot.task_prompts import WORDINGS

TEMPERATURE = 0.05
"""What cosines are divided by before the softmax: without labels it can't be fitted, so it is one for all."""
REGULARISATION = 10.0
"""scikit-learn's `C` of the head on a few examples."""


class Embedder:
    """A backbone without a head: the mean of a text's last hidden states, at unit length."""

    def __init__(self, opened: Opened, max_length: int) -> None:
        """Keep a base model, its tokenizer, and how many tokens of a text are read."""
        self.network: Network = TorchNetwork(MeanState(opened.model))
        self.tokenizer = opened.tokenizer
        self.max_length = max_length
        self.size = count_parameters(opened.model).total

    def embed(self, texts: Sequence[str], tick: Tick | None = None) -> Floats:
        """Shape (n, width)."""
        return self.read(texts, tick)[0]

    def read(self, texts: Sequence[str], tick: Tick | None = None) -> tuple[Floats, Readings]:
        """The embeddings, and how much of each text went into them."""
        # One text a row, whatever the task; the task is asked for its columns alone.
        rows = [(text,) for text in texts]
        encoded = encode(self.tokenizer, rows, SLANG, self.max_length)
        read = count_read(self.tokenizer, rows, SLANG, self.max_length, encoded)
        means = compute(self.network, encoded, tick=tick).astype(np.float64)
        return means / np.linalg.norm(means, axis=1, keepdims=True).clip(min=1e-9), read

    def describe(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """A text's embedding; of a pair both, their distance and their product (as InferSent; Conneau et al., 2017)."""
        return self.describe_and_count(inputs, tick)[0]

    def describe_and_count(
        self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None
    ) -> tuple[Floats, Readings]:
        """The same, and how much of each input went into it."""
        sides = [self.read([row[place] for row in inputs], tick) for place in range(len(inputs[0]))]
        if len(sides) == 1:
            return sides[0]
        (first, of_first), (second, of_second) = sides
        return np.hstack([first, second, np.abs(first - second), first * second]), of_first + of_second


class SimilarityModel:
    """Zero-shot: the class whose descriptions a text is closest to, by cosine."""

    def __init__(self, embedder: Embedder, task: Task) -> None:
        """Keep what embeds, and what to ask."""
        self.embedder = embedder
        self.task = task
        self.directions: Floats = np.zeros((0, 0))

    def fit(self, inputs: Sequence[tuple[str, ...]], labels: NDArray[np.int64], classes: int) -> None:
        """Embed the descriptions; examples are not looked at."""
        means = [self.embedder.embed(texts).mean(axis=0) for texts in WORDINGS[self.task.name].descriptions]
        self.directions = np.stack(means)

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """Softmax of the cosines over `TEMPERATURE`, shape (n, classes)."""
        return self.answer(inputs, tick)[0]

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> tuple[Floats, Readings]:
        """The same, and how much of each input was read."""
        # A pair is one text here: the descriptions say how its two sentences stand to each other.
        texts = [" ".join(row) for row in inputs]
        weights, _ = self.linear()
        embedded, read = self.embedder.read(texts, tick)
        return softmax(embedded @ weights.T), read

    def linear(self) -> tuple[Floats, Floats]:
        """The weights (classes, width) and intercepts (classes,) that a text's embedding is judged by."""
        directions = self.directions / np.linalg.norm(self.directions, axis=1, keepdims=True)
        return directions / TEMPERATURE, np.zeros(len(directions))

    def parameters(self) -> ParameterCount:
        """The backbone's; none is trained."""
        return ParameterCount(self.embedder.size, 0)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The descriptions' embeddings."""
        return {"directions": self.directions}, {}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take a state back."""
        self.directions = np.asarray(arrays["directions"], dtype=np.float64)


class LogisticModel:
    """Few-shot: logistic regression on the frozen embeddings of a few examples."""

    def __init__(self, embedder: Embedder) -> None:
        """Keep what embeds."""
        self.embedder = embedder
        self.coefficients: Floats = np.zeros((0, 0))
        self.intercept: Floats = np.zeros(0)

    def fit(self, inputs: Sequence[tuple[str, ...]], labels: NDArray[np.int64], classes: int) -> None:
        """Embed the examples and fit the head.

        Raises:
            ValueError: They are of one class alone.
        """
        self.fit_described(self.embedder.describe(inputs), labels, classes)

    def fit_described(self, described: Floats, labels: NDArray[np.int64], classes: int) -> None:
        """Fit the head on embeddings, shape (n, width)."""
        from sklearn.linear_model import LogisticRegression

        head = LogisticRegression(C=REGULARISATION, max_iter=500)
        head.fit(described, labels)
        self.coefficients, self.intercept = spread_classes(head, classes)

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """Softmax of the head's scores, shape (n, classes)."""
        return self.answer(inputs, tick)[0]

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> tuple[Floats, Readings]:
        """The same, and how much of each input was read."""
        described, read = self.embedder.describe_and_count(inputs, tick)
        return self.judge(described), read

    def judge(self, described: Floats) -> Floats:
        """The same for embeddings, shape (n, width)."""
        weights, intercept = self.linear()
        return softmax(described @ weights.T + intercept)

    def linear(self) -> tuple[Floats, Floats]:
        """The weights (classes, width) and intercepts (classes,) of the head."""
        return self.coefficients, self.intercept

    def parameters(self) -> ParameterCount:
        """The backbone's and the head's; the head is trained."""
        head = self.coefficients.size + self.intercept.size
        return ParameterCount(self.embedder.size + head, head)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The head."""
        return {"coefficients": self.coefficients, "intercept": self.intercept}, {}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take a state back."""
        self.coefficients = np.asarray(arrays["coefficients"], dtype=np.float64)
        self.intercept = np.asarray(arrays["intercept"], dtype=np.float64)
