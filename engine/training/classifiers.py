"""Trained models as functions from texts to probabilities, opened from their checkpoints."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file as load_tensors

from engine.data.reading import Readings
from engine.data.tasks import Task, get_task
from engine.data.tokens import count_read, encode, own_tokenizer_from_json
from engine.errors import CheckpointError, RecipeError
from engine.evaluation.metrics import Floats, softmax
from engine.evaluation.thresholds import weigh
from engine.models.backbones import get_backbone
from engine.models.baselines import Baseline, make_baseline
from engine.models.methods import ParameterCount, adapt, count_parameters
from engine.models.networks import Logits, Network, TorchNetwork, compute
from engine.models.pretrained import OPENING, Opened, open_backbone
from engine.training.checkpoints import (
    BASELINE,
    EXAMPLES,
    TOKENIZER,
    VOCABULARY,
    WEIGHTS,
    Checkpoint,
    find_checkpoint,
)
from engine.training.few_shot import Nli, restore_frozen
from engine.training.hybrid import TfidfPart, restore_part
from engine.training.loop import Tick, kept_weights
from engine.training.recipe import Recipe
from engine.training.shared_weights import SharedWeights


class Classifier(Protocol):
    """What every model can do, whatever it is made of."""

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """Probabilities of shape (n, classes) for n inputs; `tick` hears how many are done."""

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> tuple[Floats, Readings | None]:
        """The same, and how much of each input was read; None from a model that ignores the text."""

    def parameters(self) -> ParameterCount:
        """Its size."""


class BaselineModel:
    """A baseline as a classifier."""

    def __init__(self, baseline: Baseline, task: Task) -> None:
        self.baseline = baseline
        self.task = task

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """See `Classifier`."""
        return self.baseline.probabilities(inputs)

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> tuple[Floats, Readings | None]:
        """See `Classifier`."""
        return self.baseline.probabilities(inputs), self.baseline.count_read(inputs)

    def parameters(self) -> ParameterCount:
        """Fitted weights; all of them are trained."""
        arrays, _ = self.baseline.state()
        size = sum(array.size for array in arrays.values())
        return ParameterCount(size, size)


class TextModel:
    """A network that gives logits, with its tokenizer, as a classifier."""

    def __init__(
        self,
        network: Network,
        tokenizer: Any,
        task: Task,
        max_length: int,
        size: ParameterCount,
        tfidf: TfidfPart | None = None,
    ) -> None:
        """Keep its parts; the network adds to `tfidf` where there is one."""
        self.network = network
        self.tokenizer = tokenizer
        self.task = task
        self.max_length = max_length
        self.size = size
        self.tfidf = tfidf

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """See `Classifier`."""
        return self.answer(inputs, tick)[0]

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> tuple[Floats, Readings]:
        """See `Classifier`."""
        encoded = encode(self.tokenizer, inputs, self.task, self.max_length)
        read = count_read(self.tokenizer, inputs, self.task, self.max_length, encoded)
        logits = compute(self.network, encoded, tick=tick).astype(np.float64)
        return softmax(logits if self.tfidf is None else logits + self.tfidf.logits(inputs)), read

    def parameters(self) -> ParameterCount:
        """In all and trained."""
        return self.size


class NeuralModel(TextModel):
    """A transformer with its tokenizer as a classifier, to be trained and computed by PyTorch."""

    def __init__(self, opened: Opened, task: Task, max_length: int, tfidf: TfidfPart | None = None) -> None:
        reader = Logits(opened.model)
        reader.pairs = task.is_pair and "token_type_ids" in opened.tokenizer.model_input_names
        size = count_parameters(opened.model)
        if tfidf is not None:
            size = ParameterCount(size.total + tfidf.size, size.trained + tfidf.size)
        super().__init__(TorchNetwork(reader), opened.tokenizer, task, max_length, size, tfidf)
        self.model = opened.model
        self.origin: Mapping[str, str] = opened.origin


class WeighedModel:
    """A model whose classes weigh differently in the decision; see `engine.evaluation.thresholds`."""

    def __init__(self, model: Classifier, weights: Floats) -> None:
        self.model = model
        self.weights = weights

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """See `Classifier`."""
        return weigh(self.model.probabilities(inputs, tick), self.weights)

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> tuple[Floats, Readings | None]:
        """See `Classifier`."""
        probabilities, read = self.model.answer(inputs, tick)
        return weigh(probabilities, self.weights), read

    def parameters(self) -> ParameterCount:
        """See `Classifier`."""
        return self.model.parameters()


Opener = Callable[[Checkpoint], Classifier]
"""Opens the model that another one asks."""


def open_nli(root: Path, name: str, opener: Opener | None = None) -> Nli:
    """The trained NLI model called `NAME` or `NAME@DATA` (the latest of several) under `root`, in PyTorch by default.

    Raises:
        CheckpointError: There is none, or it can't be opened.
    """
    checkpoint = find_checkpoint(root, "nli", name)
    classifier = (opener or open_checkpoint)(checkpoint)
    origin = {"model": checkpoint.folder.name, "run": str(checkpoint.manifest["run"]["id"])}
    return Nli(classifier.answer, classifier.parameters().total, origin)


def _reopen_nli(label: str, root: Path, origin: Mapping[str, str], opener: Opener, _: str) -> Nli:
    """The very NLI model that a checkpoint was made with."""
    nli = open_nli(root, origin["model"], opener)
    if nli.origin != origin:
        raise CheckpointError(f"{label} was made with another {origin['model']} than the one that is here now.")
    return nli


def open_checkpoint(
    checkpoint: Checkpoint, shared: SharedWeights | None = None, opener: Opener | None = None
) -> Classifier:
    """Open a trained model on the CPU.

    Args:
        checkpoint: Which one.
        shared: Backbones in memory already, whose frozen weights it then reads.
        opener: Opens the model that it asks, where it asks one; as this one is opened, when missing.

    Raises:
        CheckpointError: Its files are missing, damaged or don't fit its recipe.
        HubError: Its frozen backbone isn't here and can't be had.
    """
    with OPENING:
        model = _open(checkpoint, shared, opener or partial(open_checkpoint, shared=shared))
    weights = checkpoint.manifest.get("decision_weights")
    return WeighedModel(model, np.asarray(weights, dtype=np.float64)) if weights else model


def _open(checkpoint: Checkpoint, shared: SharedWeights | None, opener: Opener) -> Classifier:
    task = get_task(checkpoint.task)
    label = f"Checkpoint {checkpoint.folder.name}"
    if tuple(checkpoint.manifest["labels"]) != task.labels:
        raise CheckpointError(f"{label}: its labels are not those of the task {task.name}.")
    weights_file = checkpoint.path(WEIGHTS)
    try:
        recipe = checkpoint.recipe
        if recipe.kind == "baseline":
            baseline = make_baseline(recipe.baseline)
            baseline.restore(load_arrays(weights_file), checkpoint.read_json(VOCABULARY))
            return BaselineModel(baseline, task)
        if recipe.kind == "frozen":
            origin = checkpoint.manifest["origin"]
            reopen = partial(_reopen_nli, label, checkpoint.folder.parent.parent, origin, opener)
            state = load_arrays(weights_file), checkpoint.read_json(EXAMPLES)
            untrained = restore_frozen(recipe, task, origin.get("revision"), *state, reopen)
            if shared is not None and untrained.backbone is not None:
                shared.share(untrained.backbone, untrained.origin, untrained=True)
            return untrained
        model = _rebuild(checkpoint, recipe, task)
        stored = load_tensors(weights_file)
    except (SafetensorError, RecipeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{label} can't be opened: {error}") from error
    weights = kept_weights(model.model)
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    if shapes != {name: tuple(tensor.shape) for name, tensor in stored.items()}:
        raise CheckpointError(f"{label}: its weights are not those of the recipe {recipe.name}.")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(stored[name].float())
    model.model.eval()
    if shared is not None and recipe.kind == "pretrained":
        shared.share(model.model, model.origin)
    return model


def _rebuild(checkpoint: Checkpoint, recipe: Recipe, task: Task) -> NeuralModel:
    """The model before its trained weights are put in."""
    if recipe.kind == "pretrained":
        revision = checkpoint.manifest["origin"].get("revision")
        opened = open_backbone(
            get_backbone(recipe.backbone),
            recipe.head,
            task.is_pair,
            len(task.labels),
            revision,
            recipe.random_weights,
            recipe.method.kind == "qlora",
        )
        return NeuralModel(
            Opened(adapt(opened.model, recipe.method), opened.tokenizer, opened.origin), task, recipe.max_length
        )
    stored = checkpoint.path(TOKENIZER).read_text(encoding="utf-8")
    tokenizer = own_tokenizer_from_json(stored, recipe.decoder)
    from engine.models.decoder import make_decoder

    model = make_decoder(recipe.decoder, len(task.labels), tokenizer)
    opened = Opened(model, tokenizer, checkpoint.manifest["origin"])
    return NeuralModel(opened, task, recipe.max_length, open_tfidf(checkpoint))


def open_tfidf(checkpoint: Checkpoint) -> TfidfPart | None:
    """What a hybrid's decoder adds to; None for any other model.

    Raises:
        CheckpointError: Its files are missing, damaged or don't fit each other.
    """
    if not checkpoint.recipe.is_hybrid:
        return None
    arrays = load_arrays(checkpoint.path(BASELINE))
    return restore_part(checkpoint.recipe, arrays, checkpoint.read_json(VOCABULARY))
