"""The device, tokenizer, model and batches that a recipe asks for, built from the recipe and the data."""

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
import torch

from engine.data.batches import Batches, oversampled
from engine.data.sources import TaskData
from engine.data.tokens import Encoded, encode, train_own_tokenizer
from engine.errors import DataError, RecipeError
from engine.machine import one_thread
from engine.models.backbones import get_backbone
from engine.models.baselines import make_baseline
from engine.models.methods import adapt
from engine.models.pretrained import Opened, build_from_shape, count_positions, open_backbone
from engine.training.classifiers import BaselineModel, NeuralModel
from engine.training.hybrid import fit_part, held_out_logits
from engine.training.recipe import Recipe
from engine.training.unlabelled import learn_from


def choose_device(wanted: str) -> str:
    """`auto` → the GPU where there is one.

    Raises:
        RecipeError: The device isn't there.
    """
    available = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in ("auto", "cpu", "cuda"):
        raise RecipeError(f"--device takes auto, cpu or cuda, not '{wanted}'.")
    if wanted == "cuda" and available != "cuda":
        raise RecipeError("There is no CUDA device here; leave --device out to train on the CPU.")
    return available if wanted == "auto" else wanted


def threads_for(recipe: Recipe, device: str) -> AbstractContextManager[None]:
    """The threads to train on.

    A decoder of this size trains 1.2 times as fast on a second core that is idle, and many times slower on one that
    isn't; pretrained models are worth all cores.
    """
    return one_thread() if recipe.kind == "scratch" and device == "cpu" else nullcontext()


def build(recipe: Recipe, data: TaskData, tokenizer: Any = None) -> NeuralModel:
    """A model to train: its tokenizer, its weights and what of them is frozen; the seed fixes all of it.

    Args:
        recipe: A recipe of the kind `scratch` or `pretrained`.
        data: What the tokenizer is trained on, and how many classes there are.
        tokenizer: The tokenizer of a `scratch` recipe, where it has been trained already.

    Raises:
        RecipeError: The settings don't fit together.
    """
    torch.manual_seed(recipe.seed)
    labels = len(data.task.labels)
    try:
        if recipe.kind == "pretrained":
            opened = open_backbone(
                get_backbone(recipe.backbone),
                recipe.head,
                data.task.is_pair,
                labels,
                random_weights=recipe.random_weights,
                four_bit=recipe.method.kind == "qlora",
            )
            _require_room(recipe, opened)
            opened = dataclasses.replace(opened, model=_prepare(opened.model, recipe))
        else:
            if tokenizer is None:
                tokenizer = train_own_tokenizer(data.texts("train"), recipe.decoder, recipe.lowercase)
            opened = _make_own(recipe, data, tokenizer)
    except ValueError as error:
        raise RecipeError(f"{recipe.name} can't be built: {error}") from error
    return NeuralModel(opened, data.task, recipe.max_length, fit_part(recipe, data) if recipe.is_hybrid else None)


def _make_own(recipe: Recipe, data: TaskData, tokenizer: Any) -> Opened:
    """A decoder from scratch, its word vectors learnt where it has any."""
    from engine.models.decoder import VectorEmbedding, make_decoder

    labels = len(data.task.labels)
    if not recipe.learns_vectors:
        return Opened(make_decoder(recipe.decoder, labels, tokenizer), tokenizer)
    vectors, origin = learn_from(recipe, data)
    tokenizer = tokenizer.with_vectors(vectors.words)
    decoder = make_decoder(recipe.decoder, labels, tokenizer)
    cast("VectorEmbedding", decoder.tokens).fill(torch.from_numpy(vectors.table).float())
    return Opened(decoder, tokenizer, origin)


def build_random(recipe: Recipe, pair: bool, num_labels: int, device: torch.device) -> Any:
    """The recipe's model with random weights on `device`, from its shape alone: for measuring what training it costs.

    Raises:
        RecipeError: The settings don't fit together.
    """
    torch.manual_seed(recipe.seed)
    try:
        if recipe.kind == "scratch":
            from engine.models.decoder import make_decoder

            decoder: Any = make_decoder(recipe.decoder, num_labels)
            return decoder.to(device)
        model = build_from_shape(get_backbone(recipe.backbone), recipe.head, pair, num_labels, device)
        # peft makes its adapters on the CPU.
        return _prepare(model, recipe).to(device)
    except ValueError as error:
        raise RecipeError(f"{recipe.name} can't be built: {error}") from error


def _prepare(model: Any, recipe: Recipe) -> Any:
    """Freeze, add and set what the recipe asks for."""
    if recipe.gradient_checkpointing:
        model.base_model.activation_checkpointing_enable()
    return adapt(model, recipe.method)


def _require_room(recipe: Recipe, opened: Opened) -> None:
    """Raise where the recipe's longest text has more tokens than the backbone has positions."""
    room = count_positions(opened.model.config)
    before = recipe.method.prompt_tokens if recipe.method.kind == "prompt" else 0
    if room is not None and recipe.max_length + before > room:
        raise RecipeError(
            f"{recipe.name}: the backbone reads {room} tokens, so max_length can be {room - before} at most, not "
            f"{recipe.max_length}."
        )


def require_classes(data: TaskData) -> None:
    """Refuse rows that nothing can be told apart by.

    Raises:
        DataError: The train split has rows of one class alone.
    """
    labels = np.unique(labels_of(data, "train"))
    if len(labels) < 2:
        rows = len(data.split("train"))
        raise DataError(
            f"{data.source} can't be learnt from: its {rows:,} train rows are all {data.task.labels[labels[0]]}, and a "
            "model needs rows of two classes at least."
        )


def fit_baseline(recipe: Recipe, data: TaskData) -> BaselineModel:
    """A baseline, fitted on the train split.

    Raises:
        DataError: It can't learn from these rows.
    """
    baseline = make_baseline(recipe.baseline, recipe.class_weights)
    texts, labels = data.texts("train"), labels_of(data, "train")
    rows = None
    if recipe.oversample:
        rows = oversampled(labels, np.random.default_rng(recipe.seed))
    try:
        baseline.fit(texts, labels, len(data.task.labels), rows)
    except ValueError as error:
        raise DataError(f"{recipe.name} can't learn from {data.source}: {error}") from error
    return BaselineModel(baseline, data.task)


def labels_of(data: TaskData, split: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Class numbers of a split, shape (n,)."""
    return data.split(split)["label"].to_numpy(dtype=np.int64)


def batches_of(model: NeuralModel, data: TaskData, split: str, recipe: Recipe) -> Batches:
    """The batches of a split, tokenised for `model`."""
    encoded = encode(model.tokenizer, data.texts(split), data.task, recipe.max_length)
    base = None
    if model.tfidf is not None:
        base = held_out_logits(recipe, data) if split == "train" else model.tfidf.logits(data.texts(split))
    oversample = recipe.oversample and split == "train"
    return Batches(encoded, labels_of(data, split), recipe.batch_size, oversample, base=base)


class TokenisedData:
    """A data set's tokenizers and encoded splits, each made once, for the many trials that share them."""

    def __init__(self, data: TaskData) -> None:
        self.data = data
        self._labels = {split: labels_of(data, split) for split in ("train", "validation")}
        self._made: dict[tuple[Any, ...], tuple[Any, dict[str, Encoded]]] = {}

    def tokenizer(self, recipe: Recipe) -> Any:
        """The tokenizer of a `scratch` recipe."""
        return self._make(recipe)[0]

    def batches(self, recipe: Recipe, split: str) -> Batches:
        """The batches of the train or the validation split."""
        encoded = self._make(recipe)[1][split]
        return Batches(encoded, self._labels[split], recipe.batch_size, recipe.oversample and split == "train")

    def _make(self, recipe: Recipe) -> tuple[Any, dict[str, Encoded]]:
        key = (recipe.decoder.get("input"), recipe.decoder["vocab_size"], recipe.lowercase, recipe.max_length)
        if key not in self._made:
            tokenizer = train_own_tokenizer(self.data.texts("train"), recipe.decoder, recipe.lowercase)
            encoded = {
                split: encode(tokenizer, self.data.texts(split), self.data.task, recipe.max_length)
                for split in self._labels
            }
            self._made[key] = tokenizer, encoded
        return self._made[key]
