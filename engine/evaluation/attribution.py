"""Which words an answer rests on: pure functions over arrays.

What is shared out among the words is always the same quantity, the centred logit of one class: its logit above the
mean of all classes' logits. Softmax forgets a constant that all logits share, and the centred logit is what it leaves:
it can be had from probabilities alone, so that models are compared on one scale whatever computes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.metrics import Floats, Ints

Span = tuple[int, int]
LEAST_DIFFERENCE = 0.05
"""Logits: below it, a share in per cent of the difference would tell of rounding."""


@dataclass(frozen=True)
class Completeness:
    """Whether the words' values add up to what they are shares of."""

    total: float
    """The centred logit of the text less that of the baseline, which has no words."""
    summed: float
    """The sum of all values."""

    @property
    def error(self) -> float:
        """In logits; zero where they add up (the axiom of completeness; Sundararajan et al., 2017)."""
        return abs(self.summed - self.total)

    @property
    def share(self) -> float | None:
        """The error as a share of the difference; None where there is hardly any."""
        return self.error / abs(self.total) if abs(self.total) >= LEAST_DIFFERENCE else None


def centred_logits(probabilities: Floats) -> Floats:
    """Each class's log-probability above the mean of all, (n, classes) → the same shape."""
    logs = np.log(np.clip(probabilities, np.finfo(np.float64).tiny, None))
    return logs - logs.mean(axis=1, keepdims=True)


def occlusion(probabilities: Floats, chosen: int) -> tuple[Floats, Completeness]:
    """How far the chosen class's centred logit falls as each word is left out (Zeiler & Fergus, 2014; Li et al., 2016).

    Args:
        probabilities: Of the whole input, of the input without any word, and of the input without each word in turn,
            shape (2 + words, classes).
        chosen: The class.

    Returns:
        A value for each word, shape (words,), above zero where it speaks for the class; and how far from the effect of
        all words together their sum is, since each is left out with the others in place.
    """
    logits = centred_logits(probabilities)[:, chosen]
    values = logits[0] - logits[2:]
    return values, Completeness(total=float(logits[0] - logits[1]), summed=float(values.sum()))


def merge_tokens(
    values: Floats, sides: Ints, spans: Ints, words: Sequence[Sequence[Span]]
) -> tuple[list[Floats], float]:
    """Values of tokens → values of words.

    A token that covers parts of several words is divided among them by the letters that it covers of each.

    Args:
        values: Shape (tokens,).
        sides: Which text each token belongs to, shape (tokens,); below zero for none.
        spans: The characters that each covers, shape (tokens, 2).
        words: The words of each text, in order, as the characters that they cover.

    Returns:
        A value for each word of each text, and what falls to no word: special tokens, prompts, white space.
    """
    merged = [np.zeros(len(text)) for text in words]
    for value, side, (start, end) in zip(values, sides, spans, strict=True):
        if side < 0:
            continue
        shared = np.array([max(0, min(end, last) - max(start, first)) for first, last in words[side]], dtype=float)
        if shared.any():
            merged[side] += value * shared / shared.sum()
    return merged, float(values.sum() - sum(text.sum() for text in merged))


def covered(sides: Ints, spans: Ints, words: Sequence[Sequence[Span]]) -> list[NDArray[np.bool_]]:
    """Whether any token covers a part of each word of each text: not where the input was cut before it."""
    ones, _ = merge_tokens(np.ones(len(sides)), sides, spans, words)
    return [text > 0 for text in ones]


def rollout(attentions: Floats) -> Floats:
    """How much of each position's input reaches each position's output (attention rollout; Abnar & Zuidema, 2020).

    Heads are averaged, half of every layer is its residual connection, and layers are multiplied.

    Args:
        attentions: Shape (layers, heads, length, length), the rows of each matrix adding up to one.

    Returns:
        Shape (length, length), rows that add up to one.
    """
    flow = np.eye(attentions.shape[-1])
    for layer in attentions.astype(np.float64).mean(axis=1):
        mixed = layer + np.eye(len(layer))
        flow = mixed / mixed.sum(axis=1, keepdims=True) @ flow
    return flow


def scale(values: Sequence[Floats], least: float) -> list[Floats]:
    """Values of one model's words in [-1, 1], the strongest at the end; weaker ones than `least` don't fill it."""
    strongest = max([least, *(float(np.abs(text).max(initial=0.0)) for text in values)])
    return [text / strongest for text in values]


Measure = Callable[[Sequence[tuple[str, ...]]], Floats]
"""Probabilities of shape (n, classes) for n inputs."""


def occlude(measure: Measure, whole: tuple[str, ...], without: Sequence[tuple[str, ...]]) -> Floats:
    """What `occlusion` takes, from one call for all inputs, each different one computed once.

    Args:
        measure: The model.
        whole: The input.
        without: The input without each word in turn.
    """
    inputs = [whole, ("",) * len(whole), *without]
    places = {one: place for place, one in enumerate(dict.fromkeys(inputs))}
    probabilities = measure(list(places))
    return probabilities[[places[one] for one in inputs]]
