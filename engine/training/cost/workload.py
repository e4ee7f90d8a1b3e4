"""The workload of a measurement: random tokens with the lengths of real texts, in the batches of an epoch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional

from engine.data.batches import Batch, Batches, oversampled
from engine.data.sources import TaskData
from engine.data.tokens import Encoded, encode, train_own_tokenizer, train_tokenizer
from engine.errors import HubError
from engine.models.backbone_files import locate
from engine.models.backbones import Backbone, get_backbone
from engine.training.recipe import Recipe

STAND_IN = 8192
"""Vocabulary of the tokenizer trained on the texts where the backbone's own isn't here. More tokens would swallow whole
words of a small train split, and its texts would seem shorter than they are."""

Window = list[NDArray[np.int64]]
"""The rows of each batch of one optimizer step."""


FEATURES = 22
"""Of a word, itself and its n-grams, where a decoder reads words: Polish words have 21 on average, known ones fewer."""


@dataclass(frozen=True)
class Workload:
    """An epoch's inputs by their lengths."""

    lengths: NDArray[np.int64]
    """Tokens of each input, cut at the recipe's `max_length`; shape (n,)."""
    second: NDArray[np.int64] | None
    """Those of them in the second text of a pair; None for single texts."""
    classes: int
    tokenizer: str
    """Whose lengths these are."""

    @property
    def pair(self) -> bool:
        """Whether an input is two texts."""
        return self.second is not None

    def inputs(self, config: Any) -> Encoded:
        """Random tokens of these lengths, as the tokenizer of a model with `config` would give them."""
        pad_id = int(config.pad_token_id or 0)
        generator = np.random.default_rng(0)
        # Any token but the one for padding, by which some models find where a text ends.
        shape = (int(self.lengths.sum()), *((FEATURES,) if getattr(config, "input", "") == "words" else ()))
        ids = generator.integers(1, config.vocab_size, shape, dtype=np.int32)
        offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        types = None
        if self.second is not None and getattr(config, "type_vocab_size", 0) > 1:
            counts = np.stack([self.lengths - self.second, self.second], axis=1).ravel()
            types = np.repeat(np.tile(np.array([0, 1], np.int32), len(self.lengths)), counts)
        return Encoded(np.where(ids == pad_id, 0, ids), types, offsets, pad_id)

    def labels(self) -> NDArray[np.int64]:
        """A random class for each input."""
        return np.random.default_rng(1).integers(self.classes, size=len(self.lengths))


def make_workload(recipe: Recipe, data: TaskData, rows: int | None = None) -> Workload:
    """The train split's inputs by their lengths, or `rows` of them: each as often as the others."""
    tokenizer, name = find_tokenizer(recipe, data)
    encoded = encode(tokenizer, data.texts("train"), data.task, recipe.max_length)
    chosen = np.resize(np.arange(len(encoded)), rows or len(encoded))
    second = _second_texts(encoded, tokenizer)[chosen] if data.task.is_pair else None
    return Workload(encoded.lengths[chosen], second, len(data.task.labels), name)


def find_tokenizer(recipe: Recipe, data: TaskData) -> tuple[Any, str]:
    """A tokenizer for a recipe without downloading one, and whose it is; it has a token to pad with."""
    texts = data.texts("train")
    if recipe.kind == "scratch":
        return train_own_tokenizer(texts, recipe.decoder, recipe.lowercase), "its own"
    own = _tokenizer_here(get_backbone(recipe.backbone))
    if own is not None:
        return own, "its own"
    return train_tokenizer(texts, STAND_IN), f"byte-level BPE of {STAND_IN:,} tokens trained on these texts"


def _tokenizer_here(backbone: Backbone) -> Any:
    """The backbone's own tokenizer, where it is on this machine; nothing is downloaded for a measurement."""
    from transformers import AutoTokenizer

    try:
        folder, _ = locate(backbone, download=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (HubError, OSError, ValueError):
        return None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _second_texts(encoded: Encoded, tokenizer: Any) -> NDArray[np.int64]:
    """Tokens of each pair's second text: those of type 1, or those after the mark between the texts."""
    starts = encoded.offsets[:-1]
    if encoded.type_ids is not None:
        return np.add.reduceat(encoded.type_ids.astype(np.int64), starts)
    places = np.arange(len(encoded.ids))
    # A word's features begin with its own id.
    first = encoded.ids if encoded.ids.ndim == 1 else encoded.ids[:, 0]
    marks = np.where(first == tokenizer.sep_token_id, places, len(places))
    return np.maximum(encoded.offsets[1:] - np.minimum.reduceat(marks, starts) - 1, 0)


class Shuffled(Batches):
    """Batches of inputs as chance has it, padded to the longest of the batch."""

    def shuffled(self, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
        """The rows of shuffled batches, not grouped by length."""
        generator = np.random.default_rng((seed, epoch))
        rows = oversampled(self.labels, generator) if self.oversample else np.arange(len(self.encoded))
        rows = generator.permutation(rows)
        for start in range(0, len(rows), self.batch_size):
            yield rows[start : start + self.batch_size]


class Padded(Shuffled):
    """Batches of inputs as chance has it, all padded to one length."""

    max_length: int

    def pack(self, rows: NDArray[np.int64]) -> Batch:
        """Pad the inputs `rows` to `max_length`."""
        batch = super().pack(rows)
        missing = self.max_length - batch.inputs["input_ids"].shape[1]
        fill = {"input_ids": self.encoded.pad_id}
        padded = {
            name: functional.pad(one, (0, missing), value=fill.get(name, 0)) for name, one in batch.inputs.items()
        }
        return Batch(padded, batch.labels, batch.rows)


class Chosen(Batches):
    """Some optimizer steps of an epoch, in the order given."""

    def __init__(self, whole: Batches, windows: Sequence[Window]) -> None:
        super().__init__(whole.encoded, whole.labels, whole.batch_size, classes=whole.classes)
        self._whole = whole
        self._rows = [rows for window in windows for rows in window]

    def __len__(self) -> int:
        """Batches in these steps."""
        return len(self._rows)

    def shuffled(self, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
        """The rows of the batches of these steps."""
        return iter(self._rows)

    def pack(self, rows: NDArray[np.int64]) -> Batch:
        """As the epoch's batches are padded."""
        return self._whole.pack(rows)


BATCHINGS: Mapping[str, type[Batches]] = MappingProxyType({"grouped": Batches, "shuffled": Shuffled, "padded": Padded})
"""Ways of putting an epoch's inputs into batches."""


def make_batches(workload: Workload, recipe: Recipe, config: Any, batching: str) -> Batches:
    """The epoch's batches of random tokens."""
    batches = BATCHINGS[batching](
        workload.inputs(config), workload.labels(), recipe.batch_size, recipe.oversample, workload.classes
    )
    if isinstance(batches, Padded):
        batches.max_length = recipe.max_length
    return batches


@dataclass(frozen=True)
class EpochPlan:
    """An epoch's optimizer steps, the one with the fewest padded tokens first."""

    windows: tuple[Window, ...]
    steps: int
    """Optimizer steps of the epoch."""
    rows: int
    widest: int
    """Tokens to which the widest batch is padded."""
    padding: float
    """Share of the tokens computed on that are padding."""
    even: bool
    """Whether all steps are as costly as each other."""

    def spread(self, steps: int) -> list[Window]:
        """`steps` of them, spread evenly from the cheapest to the costliest, so that their mean is the epoch's."""
        places = (np.arange(steps) + 0.5) / steps * len(self.windows)
        return [self.windows[int(place)] for place in places]


def plan_epoch(batches: Batches, recipe: Recipe) -> EpochPlan:
    """Go through an epoch's batches without training on them."""
    rows: Window = []
    widths: list[int] = []
    for batch in batches.training(recipe.seed, 1):
        rows.append(batch.rows)
        widths.append(batch.inputs["input_ids"].shape[1])
    places = range(0, len(rows), recipe.accumulation)
    # The last window may hold fewer batches than the others, and would make a step look cheaper than it is.
    whole = [at for at in places if at + recipe.accumulation <= len(rows)] or list(places)
    sizes = [len(one) * width for one, width in zip(rows, widths, strict=True)]
    windows = [
        (sum(sizes[at : at + recipe.accumulation]), max(widths[at : at + recipe.accumulation]), at) for at in whole
    ]
    real = sum(int(batches.encoded.lengths[one].sum()) for one in rows)
    return EpochPlan(
        windows=tuple(rows[at : at + recipe.accumulation] for _, _, at in sorted(windows)),
        steps=len(places),
        rows=sum(map(len, rows)),
        widest=max(widths),
        padding=1 - real / sum(sizes),
        even=len({size for size, _, _ in windows}) == 1,
    )
