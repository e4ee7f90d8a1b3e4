"""Forgetting: a decoder's perplexity on text, before and after it was fine-tuned."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch

from engine.errors import DataError, RecipeError
from engine.models.backbones import get_backbone
from engine.models.heads import is_decoder
from engine.models.language_model import next_token_loss
from engine.models.pretrained import Opened, open_untouched
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import NeuralModel, WeighedModel, open_checkpoint
from engine.training.loop import Tick

MOST_TOKENS = 2**16
BATCH = 16


@dataclass(frozen=True)
class Forgetting:
    """Perplexity of the next token, before and after."""

    model: str
    backbone: str
    tokens: int
    before: float
    after: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"ratio": self.after / self.before}


def measure_forgetting(checkpoint: Checkpoint, texts: Iterable[str], tick: Tick | None = None) -> Forgetting:
    """Perplexity of the backbone as it was pretrained, and with what a trained classifier changed in it.

    The classifier's backbone is put under the language model's own head. Vectors before the text (prompt tuning) are
    left out, as they are no part of the backbone.

    Args:
        checkpoint: A fine-tuned decoder.
        texts: Text that pretraining hasn't seen; as much as has 65,536 tokens is read.
        tick: Called with packed batches done and those there are.

    Raises:
        RecipeError: The model isn't a fine-tuned decoder.
        DataError: There is no text.
        HubError: Its backbone can't be had.
    """
    recipe = checkpoint.recipe
    if recipe.kind == "frozen":
        raise RecipeError(f"{checkpoint.name} was asked as it was pretrained, so it has forgotten nothing.")
    if recipe.kind != "pretrained" or recipe.random_weights:
        raise RecipeError(f"{checkpoint.name} was not pretrained, so there is nothing that it could forget.")
    if recipe.method.kind == "qlora":
        raise RecipeError(
            f"{checkpoint.name} reads its backbone in 4 bits, whose rounding can't be told from what it forgot; "
            "forgetting is measured on the other methods."
        )
    opened = open_untouched(get_backbone(recipe.backbone), None, checkpoint.manifest["origin"].get("revision"))
    if not is_decoder(opened.model.config):
        raise RecipeError(
            f"{checkpoint.name} is an encoder, which has no perplexity; forgetting is measured on decoders."
        )
    batches = pack(texts, opened)
    seen = sum(batch.shape[0] * (batch.shape[1] - 1) for batch in batches)
    losses = []
    for turn in range(2):
        if turn:
            _take_over(opened.model, checkpoint)
        total = 0.0
        for number, batch in enumerate(batches, start=1):
            with torch.inference_mode():
                loss = next_token_loss(opened.model, batch)
            total += float(loss) * batch.shape[0] * (batch.shape[1] - 1)
            if tick:
                tick(turn * len(batches) + number, 2 * len(batches))
        losses.append(math.exp(total / seen))
    return Forgetting(checkpoint.name, recipe.backbone, seen, *losses)


def pack(texts: Iterable[str], opened: Opened) -> list[torch.Tensor]:
    """Batches of packed sequences, shape (batch, context + 1) each, with the end of text between texts.

    Raises:
        DataError: The texts have fewer tokens than two.
    """
    tokenizer, config = opened.tokenizer, opened.model.eval().config
    context = min(getattr(config, "max_position_embeddings", 512), 512)
    between = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    stream = chain.from_iterable(
        [*tokenizer(text, add_special_tokens=False)["input_ids"], *between] for text in texts if text.strip()
    )
    tokens = np.fromiter(islice(stream, MOST_TOKENS + 1), dtype=np.int64)
    if len(tokens) < 2:
        raise DataError("There is no text to measure on.")
    whole = max((len(tokens) - 1) // context, 0)
    if not whole:
        return [torch.from_numpy(tokens[None])]
    rows = np.stack([tokens[start * context : start * context + context + 1] for start in range(whole)])
    return [torch.from_numpy(rows[first : first + BATCH]) for first in range(0, whole, BATCH)]


def _take_over(language_model: Any, checkpoint: Checkpoint) -> None:
    """Put the classifier's backbone, adapters merged in, into the language model."""
    classifier = open_checkpoint(checkpoint)
    inner = classifier.model if isinstance(classifier, WeighedModel) else classifier
    if not isinstance(inner, NeuralModel):
        raise RecipeError(f"{checkpoint.name} is no neural model.")
    adapted = inner.model
    method = checkpoint.recipe.method.kind
    if method in ("lora", "qlora"):
        adapted = adapted.merge_and_unload()
    elif method == "prompt":
        adapted = adapted.get_base_model()
    language_model.base_model.load_state_dict(adapted.base_model.state_dict())
