"""Batches: inputs grouped by length and padded to the longest of their batch, never to a fixed length."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data.tokens import Encoded

# Lengths are sorted within pools of this many batches: long enough to leave little padding, short enough that
# the batches of an epoch still differ from those of the last one.
POOL = 50


@dataclass(frozen=True)
class Batch:
    """One padded batch.

    `input_ids`, `attention_mask` and `token_type_ids` have shape (batch, longest), `input_ids` (batch, longest,
    features) where a position is a word; `base_logits`, where there are any, (batch, classes); `labels` has shape
    (batch,); `rows` says which inputs these are.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    rows: NDArray[np.int64]


class Batches:
    """The batches of one split."""

    def __init__(
        self,
        encoded: Encoded,
        labels: NDArray[np.int64],
        batch_size: int,
        oversample: bool = False,
        classes: int = 3,
        base: NDArray[np.float64] | None = None,
    ) -> None:
        """Keep tokenised inputs and their labels.

        Args:
            encoded: Tokenised inputs.
            labels: Class numbers, shape (n,).
            batch_size: Inputs in a batch.
            classes: How many classes there are, with rows or not.
            oversample: Repeat rows of the rarer classes in training until all classes are as frequent.
            base: Logits that the model adds to, shape (n, classes).
        """
        self.base = base
        self.encoded = encoded
        self.labels = labels
        self.classes = classes
        self.batch_size = batch_size
        self.oversample = oversample

    def __len__(self) -> int:
        """Batches in a training epoch."""
        return -(-self._epoch_rows() // self.batch_size)

    def _epoch_rows(self) -> int:
        if not self.oversample:
            return len(self.encoded)
        counts = np.bincount(self.labels)
        return int(counts.max() * (counts > 0).sum())

    def training(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Shuffled batches; the same seed and epoch give the same ones."""
        yield from map(self.pack, self.shuffled(seed, epoch))

    def shuffled(self, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
        """The rows of each of the `training` batches."""
        generator = np.random.default_rng((seed, epoch))
        rows = oversampled(self.labels, generator) if self.oversample else np.arange(len(self.encoded))
        rows = generator.permutation(rows)
        lengths = self.encoded.lengths
        span = POOL * self.batch_size
        starts: list[NDArray[np.int64]] = []
        for start in range(0, len(rows), span):
            pool = rows[start : start + span]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            starts.extend(pool[at : at + self.batch_size] for at in range(0, len(pool), self.batch_size))
        for place in generator.permutation(len(starts)):
            yield starts[place]

    def in_order_of_length(self, first: int = 0, every: int = 1) -> Iterator[Batch]:
        """All inputs once, longest first (so that a lack of memory shows at once), for evaluation.

        With `every`, only each `every`-th batch, starting at batch `first`.
        """
        rows = np.argsort(-self.encoded.lengths, kind="stable")
        # Without gradients a batch may be larger than in training.
        size = max(self.batch_size, 64)
        for start in range(first * size, len(rows), every * size):
            yield self.pack(rows[start : start + size])

    def pack(self, rows: NDArray[np.int64]) -> Batch:
        """Pad the inputs `rows` to the longest among them."""
        encoded = self.encoded
        starts, lengths = encoded.offsets[rows], encoded.lengths[rows]
        places = np.arange(lengths.max(initial=1))
        real = places < lengths[:, None]
        positions = np.where(real, starts[:, None] + places, 0)
        ids = encoded.ids[positions]
        if ids.ndim == 3:
            # Only as many features as the word with most of them has.
            used = (ids != encoded.pad_id).any(axis=(0, 1))
            ids = ids[:, :, : len(used) - int(used[::-1].argmax())]
        shown = real if ids.ndim == 2 else real[:, :, None]
        inputs = {
            "input_ids": torch.from_numpy(np.where(shown, ids, encoded.pad_id).astype(np.int64)),
            "attention_mask": torch.from_numpy(real.astype(np.int64)),
        }
        if encoded.type_ids is not None:
            inputs["token_type_ids"] = torch.from_numpy(np.where(real, encoded.type_ids[positions], 0).astype(np.int64))
        if self.base is not None:
            inputs["base_logits"] = torch.from_numpy(self.base[rows].astype(np.float32))
        return Batch(inputs, torch.from_numpy(self.labels[rows]), rows)


def oversampled(labels: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Rows with those of the rarer classes repeated until all classes are as frequent."""
    most = np.bincount(labels).max()
    parts = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        parts.append(np.concatenate([own, generator.choice(own, most - len(own))]))
    return np.concatenate(parts)
