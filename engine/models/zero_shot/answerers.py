"""Models that answer without training: zero-shot, or with a few examples; what each needs and how it is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.data.reading import Readings
from engine.data.tasks import Task
from engine.errors import RecipeError
from engine.evaluation.metrics import Floats
from engine.models.methods import ParameterCount
from engine.models.pretrained import Opened
from engine.models.zero_shot.embedding import Embedder, LogisticModel, SimilarityModel
from engine.models.zero_shot.prompting import LikelihoodModel
from engine.models.zero_shot.task_prompts import WORDINGS

WAYS = ("likelihood", "similarity", "logistic", "entailment")
Inputs = Sequence[tuple[str, ...]]
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Frozen:
    """How a backbone answers without training."""

    way: str = "likelihood"
    """`likelihood`: a decoder's likelihood of each class's word after a prompt; `similarity`: an encoder's likeness to
    descriptions of the classes; `logistic`: a head on the frozen embeddings of a few examples; `entailment`: a trained
    NLI model asked whether "this message is positive" follows."""
    shots: str = ""
    """Examples of each class, several numbers with commas; each is tried, and the model with the most is kept."""
    draws: int = 5
    """How often the examples are drawn anew; figures are means over the draws."""

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            RecipeError: A setting is unknown or out of range.
        """
        if self.way not in WAYS:
            raise RecipeError(f"There is no way '{self.way}'. Ways: {', '.join(WAYS)}.")
        if self.draws < 1 or any(not one.strip().isdecimal() or not int(one) for one in self.shots.split(",") if one):
            raise RecipeError("frozen: shots are numbers from 1 with commas between, and draws are at least 1.")
        if self.way in ("similarity", "entailment") and self.shots:
            raise RecipeError(f"frozen: {self.way} looks at no examples, so shots must be empty.")
        if self.way == "logistic" and not self.shots:
            raise RecipeError("frozen: logistic learns from examples; say how many of each class with shots.")

    @property
    def asks_nli(self) -> bool:
        """Whether a trained NLI model takes the backbone's place."""
        return self.way == "entailment"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Examples of each class, ascending; (0,) for zero-shot."""
        return tuple(sorted({int(one) for one in self.shots.split(",") if one.strip()})) or (0,)


class Answerer(Protocol):
    """What every untrained model can do; its state is arrays and plain values, never a pickle."""

    def fit(self, inputs: Inputs, labels: NDArray[np.int64], classes: int) -> None:
        """Take examples, which may be none."""

    def probabilities(self, inputs: Inputs, tick: Tick | None = None) -> Floats:
        """Probabilities of shape (n, classes)."""

    def answer(self, inputs: Inputs, tick: Tick | None = None) -> tuple[Floats, Readings | None]:
        """The same, and how much of each input was read."""

    def parameters(self) -> ParameterCount:
        """In all, and fitted."""

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays, and plain values."""

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take a state back."""


class EntailmentModel:
    """An NLI model as a classifier: the class whose hypothesis follows from the text most (Yin et al., 2019)."""

    def __init__(self, judge: Callable[[Inputs], tuple[Floats, Readings | None]], parameters: int, task: Task) -> None:
        """Keep the NLI model.

        Args:
            judge: From premises and hypotheses to probabilities, entailment first, and how much of them was read.
            parameters: How many it has.
            task: What to ask.

        Raises:
            RecipeError: The task has no hypotheses.
        """
        self.judge, self.size, self.task = judge, parameters, task
        self.hypotheses = WORDINGS[task.name].hypotheses
        self._own: Readings | None = None
        if not self.hypotheses:
            raise RecipeError(f"Entailment answers no task of pairs, so not {task.name}.")

    def fit(self, inputs: Inputs, labels: NDArray[np.int64], classes: int) -> None:
        """Nothing is fitted."""

    def probabilities(self, inputs: Inputs, tick: Tick | None = None) -> Floats:
        """Each hypothesis's probability of following, as shares, shape (n, classes)."""
        return self.answer(inputs, tick)[0]

    def answer(self, inputs: Inputs, tick: Tick | None = None) -> tuple[Floats, Readings | None]:
        """The same, and how much of the text was read: the hypotheses aren't the reader's words."""
        pairs = [(text, hypothesis) for (text,) in inputs for hypothesis in self.hypotheses]
        probabilities, read = self.judge(pairs)
        follows = probabilities[:, 0].reshape(len(inputs), len(self.hypotheses))
        # Where none follows at all, each does as little as the others.
        follows = follows.clip(min=np.finfo(follows.dtype).tiny)
        shares = follows / follows.sum(axis=1, keepdims=True)
        return shares, None if read is None else read.every(len(self.hypotheses)) - self._around()

    def _around(self) -> Readings:
        """What the first hypothesis takes of what is read."""
        if self._own is None:
            self._own = self.judge([("", self.hypotheses[0])])[1]
        if self._own is None:
            raise RuntimeError("A model that reads texts reads a hypothesis.")
        return self._own

    def parameters(self) -> ParameterCount:
        """The NLI model's; none is trained for this task."""
        return ParameterCount(self.size, 0)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Nothing."""
        return {}, {}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Nothing is taken back."""


def make_answerer(frozen: Frozen, opened: Opened, task: Task, max_length: int) -> Answerer:
    """The untrained model for a way that reads a backbone: all but `entailment`."""
    if frozen.way == "likelihood":
        return LikelihoodModel(opened, task)
    embedder = Embedder(opened, max_length)
    return LogisticModel(embedder) if frozen.way == "logistic" else SimilarityModel(embedder, task)
