"""Eager models are trained networks opened a second time in PyTorch, with attention that can be looked at."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.data.tasks import Task, get_task
from engine.errors import CheckpointError
from engine.explain.gradients import judge_embedding, prepare_eager
from engine.messages import Message
from engine.models.zero_shot.embedding import LogisticModel, SimilarityModel
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import Classifier, NeuralModel, WeighedModel, open_checkpoint
from engine.training.few_shot import FrozenModel
from engine.training.shared_weights import SharedWeights

BUDGET = 600_000_000
"""Bytes of weights that stay open."""


@dataclass
class Eager:
    """A network to look into."""

    model: Any
    tokenizer: Any
    max_length: int
    joined: bool = False
    """Whether it reads a pair as one text, with a space between."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while it is looked into: what is heard inside it goes by hooks."""


class EagerModels:
    """Opened networks within a budget of memory; frozen backbones are shared among them."""

    def __init__(self, budget: int = BUDGET) -> None:
        """Keep how many bytes may stay open."""
        self.budget = budget
        self._lock = threading.Lock()
        self._open: dict[Path, Eager] = {}
        self._shared = SharedWeights()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def look_into(self, checkpoint: Checkpoint, largest: int) -> Iterator[Eager]:
        """The network of a checkpoint, for one caller at a time.

        Args:
            checkpoint: Which one.
            largest: Weights that it may have at most.

        Raises:
            CheckpointError: It has no network of its own that says what it reads, or one too large; or it can't be
                opened.
        """
        require_network(checkpoint, largest)
        with self._lock:
            eager = self._open.get(checkpoint.folder)
            if eager is None:
                eager = self._open[checkpoint.folder] = self._add(checkpoint)
        with eager.lock:
            yield eager

    def _add(self, checkpoint: Checkpoint) -> Eager:
        classifier = open_checkpoint(checkpoint, self._shared)
        eager = _make(classifier, get_task(checkpoint.task))
        if _bytes([*self._open.values(), eager]) > self.budget:
            # All go at once, since what they share can't be let go while one of them is there.
            self._open.clear()
            self._shared = SharedWeights()
        return eager


def require_network(checkpoint: Checkpoint, largest: int) -> None:
    """Raise unless a checkpoint has a network that can be looked into, without opening it.

    Raises:
        CheckpointError: It hasn't.
    """
    recipe = checkpoint.recipe
    if recipe.kind == "baseline":
        raise CheckpointError(Message("It has no network."))
    if recipe.kind == "frozen" and recipe.frozen.asks_nli:
        raise CheckpointError(
            Message("It asks another model one question for each class, so there is no one pass to look into.")
        )
    if recipe.kind == "frozen" and recipe.frozen.way == "likelihood":
        raise CheckpointError(Message("It reads the text inside a prompt and answers with a word of its vocabulary."))
    if recipe.kind == "frozen" and recipe.frozen.way == "logistic" and get_task(checkpoint.task).is_pair:
        raise CheckpointError(Message("It reads the two texts apart, so there is no one pass to look into."))
    size = int(checkpoint.manifest["run"]["record"]["parameters"]["total"])
    if size > largest:
        raise CheckpointError(
            Message(
                "With {size} million weights it is too large to look into here; at most {most} million are.",
                size=round(size / 1e6),
                most=round(largest / 1e6),
            )
        )
    if recipe.method.kind == "qlora":
        raise CheckpointError(Message("Its weights are in 4 bits, which aren't looked into here."))


def _make(classifier: Classifier, task: Task) -> Eager:
    inner = classifier.model if isinstance(classifier, WeighedModel) else classifier
    if isinstance(inner, NeuralModel):
        eager = Eager(inner.model, inner.tokenizer, inner.max_length)
    elif isinstance(inner, FrozenModel) and isinstance(inner.answerer, SimilarityModel | LogisticModel):
        embedder = inner.answerer.embedder
        whole = judge_embedding(inner.backbone, *inner.answerer.linear())
        eager = Eager(whole, embedder.tokenizer, embedder.max_length, joined=task.is_pair)
    else:
        raise CheckpointError(Message("It has no network."))
    prepare_eager(eager.model)
    return eager


def _bytes(opened: list[Eager]) -> int:
    """Bytes of all weights, shared ones once."""
    sizes = {
        weight.data_ptr(): weight.numel() * weight.element_size() for one in opened for weight in one.model.parameters()
    }
    return sum(sizes.values())
