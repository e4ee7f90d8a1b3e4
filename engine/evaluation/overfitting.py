"""Where a learning curve turns from learning to memorising: a pure function over its epochs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

LATER = 2
"""Epochs that have to lie above the lowest one: a single one may be noise."""
RISE = 0.01
"""Share of the lowest validation loss by which it has to have risen at the end."""


def overfitting_point(epochs: Sequence[Mapping[str, Any]]) -> int | None:
    """The number of the epoch from which more training only makes the model worse on texts it hasn't seen.

    That is the epoch with the lowest validation loss, where at least two epochs came after it and ended at least one
    per cent above it, while the training loss went on falling (early stopping in hindsight; Prechelt, 1998).

    Args:
        epochs: Rows with `number`, `train_loss` and `validation_loss`, in order. An epoch whose loss is no finite
            number ends the curve: what diverges doesn't overfit.

    Returns:
        None while the loss still falls or has come to rest, where too few epochs came after the lowest one, and where
        the training loss rose too, so that the model has come apart rather than learnt by heart.
    """
    finite: list[Mapping[str, Any]] = []
    for epoch in epochs:
        if not (math.isfinite(epoch["train_loss"]) and math.isfinite(epoch["validation_loss"])):
            break
        finite.append(epoch)
    if not finite:
        return None
    # Of equally low ones the last: the loss hasn't risen for good before it.
    place = min(range(len(finite)), key=lambda one: (finite[one]["validation_loss"], -one))
    lowest, later = finite[place], finite[place + 1 :]
    if len(later) < LATER or later[-1]["train_loss"] >= lowest["train_loss"]:
        return None
    rose = later[-1]["validation_loss"] >= (1 + RISE) * lowest["validation_loss"]
    return int(lowest["number"]) if rose else None
