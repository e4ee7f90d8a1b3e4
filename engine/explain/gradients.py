"""PyTorch explains a classifier's answer: by gradients of a logit, and by attention up to where it is read."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.data.tokens import Located
from engine.data.word_tokens import WordTokenizer
from engine.errors import CheckpointError
from engine.evaluation.attribution import Completeness, rollout
from engine.evaluation.metrics import Floats
from engine.messages import Message
from engine.models.heads import POOLS, Head, PooledClassifier
from engine.models.networks import BATCH_TOKENS

STEPS = (24, 48, 128, 512)
"""Points on the way from the baseline to the text, tried in turn until the values add up. With 24 they do on three
quarters of the texts tried with the bundled models; where the largest of each feature is read, it takes hundreds."""
CLOSE_ENOUGH = 0.03
"""Share of the difference by which the values may miss it."""
CLOSE_LOGITS = 0.02
"""Or so many logits."""
PATIENCE = 3.0
"""Seconds of this thread in which finer steps have to be done, or they aren't begun and the error is shown as it is."""


class Blank(nn.Module):
    """An embedding that knows an empty place: `EMPTY` gives what stands for no word, every other id its own vector.

    Captum wants a baseline in ids, and not every tokenizer has one that says nothing. Padding is none: it would end
    the text for whoever looks for its last token. Zeros are none for a model that norms what it embeds by its length:
    on the way from them all would happen in the first step.
    """

    EMPTY = -1

    def __init__(self, table: Any, stand_in: int | None = None) -> None:
        """Keep the embedding.

        Args:
            table: From ids to vectors.
            stand_in: The id of the mask, or of the unknown word. Without one, the mean of all vectors stands for no
                word, at their usual length.
        """
        super().__init__()
        self.table = table
        self.stand_in = stand_in
        if stand_in is None:
            weights = table.weight.detach()
            mean = weights.mean(dim=0)
            self.register_buffer("mean", mean * weights.norm(dim=1).mean() / mean.norm().clamp(min=1e-9))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Shape (batch, length), or (batch, length, features), → (batch, length, width)."""
        empty = ids == self.EMPTY
        found: torch.Tensor = self.table(ids.masked_fill(empty, self.stand_in or 0))
        return found if self.stand_in is not None else torch.where(empty[..., None], self.get_buffer("mean"), found)


def stand_in_for_words(tokenizer: Any) -> int | None:
    """The id that stands for any word: the mask, or the unknown word; None where there is neither."""
    if isinstance(tokenizer, WordTokenizer):
        # A word of which nothing is known has no features, which is what padding has.
        return tokenizer.pad_token_id
    found = tokenizer.unk_token_id if tokenizer.mask_token_id is None else tokenizer.mask_token_id
    # Where the unknown word is a name for the end, it is no word.
    return None if found in (None, tokenizer.eos_token_id, tokenizer.pad_token_id) else int(found)


class Cosine(nn.Module):
    """A linear head on features at unit length, as frozen embeddings are judged."""

    def __init__(self, weights: Floats, intercept: Floats) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(weights).float())
        self.register_buffer("intercept", torch.from_numpy(intercept).float())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Shape (batch, width) → (batch, classes)."""
        weights, intercept = self.get_buffer("weights"), self.get_buffer("intercept")
        return nn.functional.linear(nn.functional.normalize(features, dim=-1), weights, intercept)


def judge_embedding(backbone: Any, weights: Floats, intercept: Floats) -> nn.Module:
    """A frozen backbone and what judges the mean of its states, as one classifier."""
    whole = PooledClassifier(backbone, Head("pooled", pooling="mean"), pair=False, num_labels=len(weights))
    whole.pool = POOLS["mean"]
    whole.classifier = Cosine(weights, intercept)
    return whole.eval()


def _inside(model: Any) -> tuple[Any, Any]:
    """The classifier without adapters around it, and its backbone."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    return whole, whole.base_model


def prepare_eager(model: Any) -> None:
    """Make a model of one's own fit to be explained: attention computed step by step and kept, no gradients of weights.

    With fused attention, transformers gives an empty tuple of attentions and no error.
    """
    _, backbone = _inside(model)
    if hasattr(backbone, "set_attn_implementation"):
        backbone.set_attn_implementation("eager")
    model.requires_grad_(False)
    model.eval()


def _arguments(located: Located, rows: int) -> dict[str, torch.Tensor]:
    length = len(located.ids)
    given = {"attention_mask": torch.ones(rows, length, dtype=torch.long)}
    if located.type_ids is not None:
        given["token_type_ids"] = torch.from_numpy(located.type_ids)[None].expand(rows, length)
    return given


def integrated_gradients(
    model: Any, located: Located, chosen: int, stand_in: int | None = None
) -> tuple[Floats, Completeness]:
    """Share the centred logit of a class out among the tokens (integrated gradients; Sundararajan et al., 2017).

    The baseline is the same input with every token of the text an empty place: special tokens and length stay, so
    that the head reads where it read before.

    Args:
        model: A classifier that `prepare_eager` made ready.
        located: The input's tokens.
        chosen: The class.
        stand_in: See `Blank`.

    Returns:
        A value for each token, shape (length,), zero for special ones; and how well they add up.
    """
    from captum.attr import LayerIntegratedGradients

    blank = Blank(_inside(model)[1].get_input_embeddings(), stand_in)
    ids = torch.from_numpy(located.ids)[None]
    of_text = torch.from_numpy(located.sides)[None] >= 0
    empty = torch.where(of_text if ids.ndim == 2 else of_text[..., None], Blank.EMPTY, ids)

    def centred(tokens: torch.Tensor) -> torch.Tensor:
        logits = model(inputs_embeds=blank(tokens), **_arguments(located, len(tokens))).logits.float()
        return logits[:, chosen] - logits.mean(dim=1)

    with torch.no_grad():
        total = float(centred(ids) - centred(empty))
    attribute: Callable[..., torch.Tensor] = LayerIntegratedGradients(centred, blank).attribute
    start = time.thread_time()
    together = max(1, BATCH_TOKENS // len(located.ids))
    for steps, finer in pairwise((*STEPS, STEPS[-1])):
        shares = attribute(ids, baselines=empty, n_steps=steps, internal_batch_size=together)
        values = shares[0].sum(dim=-1).double().numpy()
        found = Completeness(total, float(values.sum()))
        if found.error <= max(CLOSE_LOGITS, CLOSE_ENOUGH * abs(total)):
            break
        spent = time.thread_time() - start
        if spent + spent * finer / steps > PATIENCE:
            break
    return values, found


def attention_flow(model: Any, located: Located) -> Floats:
    """How much of each token may have flowed into what the head reads; see `engine.evaluation.attribution.rollout`.

    Args:
        model: A classifier that `prepare_eager` made ready.
        located: The input's tokens.

    Returns:
        Shares of shape (length,) that add up to one with those of a trained prompt before the text.

    Raises:
        CheckpointError: The architecture gives no attention.
    """
    whole, backbone = _inside(model)
    heard: list[Any] = []
    hook = backbone.register_forward_hook(lambda _module, _inputs, output: heard.append(output.attentions))
    backbone.config.output_attentions = True
    try:
        with torch.inference_mode():
            model(input_ids=torch.from_numpy(located.ids)[None], **_arguments(located, 1))
    finally:
        hook.remove()
        backbone.config.output_attentions = False
    if not heard or not heard[0] or any(layer is None for layer in heard[0]):
        raise CheckpointError(Message("Its architecture doesn't give its attention away."))
    flow = rollout(torch.cat(heard[0]).numpy())
    return (_read_at(whole, len(flow), located) @ flow)[len(flow) - len(located.ids) :]


def _read_at(whole: Any, length: int, located: Located) -> Floats:
    """How much the head reads at each position, shape (length,): all at one place, or a mean over places.

    A head that takes the largest value of each feature reads everywhere; it counts as the mean.
    """
    if isinstance(whole, PooledClassifier):
        last, mean = whole.pool is POOLS["last"], whole.pool is not POOLS["last"]
    elif hasattr(whole, "pool"):
        last, mean = whole.config.pooling == "last", whole.config.pooling != "last"
    else:
        # An encoder's own head reads the first token, but for the few that say otherwise.
        last, mean = False, getattr(whole.config, "classifier_pooling", "cls") == "mean"
    if not mean:
        return np.eye(length)[-1 if last else 0]
    if getattr(whole, "apart", False) and located.type_ids is not None:
        # A prompt stands before the first text, and is pooled with it.
        second = np.concatenate([np.zeros(length - len(located.ids)), located.type_ids])
        return ((1 - second) / (1 - second).sum() + second / max(1.0, second.sum())) / 2
    return np.full(length, 1 / length)
