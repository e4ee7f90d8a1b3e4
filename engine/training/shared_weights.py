"""Frozen weights shared in memory by all models on one backbone: adapters, last blocks, prompts, untrained models."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn


class SharedWeights:
    """Backbone weights in memory, by where they came from."""

    def __init__(self) -> None:
        self._weights: dict[tuple[str, ...], torch.Tensor] = {}

    def share(self, model: Any, origin: Mapping[str, str], untrained: bool = False) -> None:
        """Let the frozen weights of `model`'s backbone be those of the models before it.

        Args:
            model: A classifier as `open_backbone` and `adapt` make it, or an untouched backbone.
            origin: Where its backbone came from; only the same commit or digest is the same.
            untrained: Whether nothing of it was trained, though nothing is frozen.
        """
        where = tuple(f"{key}={value}" for key, value in sorted(origin.items()))
        for name, weight in _backbone_weights(model):
            if weight.requires_grad and not untrained:
                continue
            key = (*where, str(weight.dtype), str(tuple(weight.shape)), name)
            weight.data = self._weights.setdefault(key, weight.data)

    def __len__(self) -> int:
        return len(self._weights)


def _backbone_weights(model: Any) -> Iterator[tuple[str, nn.Parameter]]:
    """Name and weight of the backbone alone, by the names that they have without adapters."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    for name, weight in whole.base_model.named_parameters():
        # Packed ones carry what they are unpacked with, which isn't theirs to share.
        if not hasattr(weight, "quant_state"):
            yield name.replace(".base_layer.", "."), weight
