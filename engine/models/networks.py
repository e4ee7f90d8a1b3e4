"""Networks as functions from named arrays to one array, whichever runtime computes them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.data.batches import Batch, Batches
from engine.data.tokens import Encoded
from engine.models.heads import POOLS

Arrays = Mapping[str, NDArray[np.int64]]
Tick = Callable[[int, int], None]
BATCH_TOKENS = 512
"""Of a batch, padding included: what it needs then stays in a processor's cache. With batches of 4,096 tokens, MiniLM
and a decoder of 3.4M weights took 1.6 to 2.8 times as long, in every runtime."""


PROBED_FEATURES = 6
"""Features of a word on which runtimes are compared."""


class Network(Protocol):
    """Computes one array from named ones."""

    def __call__(self, inputs: Arrays) -> NDArray[np.float32]:
        """Shape (batch, width); what the inputs are is the network's own affair."""


class Reader(nn.Module):
    """What is read of a model: one tensor from named ones, the same in PyTorch and in every runtime."""

    output = "logits"
    pairs = False
    """Whether it is told which tokens are the second text's."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def probe(self, lengths: Sequence[int], generator: np.random.Generator) -> dict[str, NDArray[np.int64]]:
        """Inputs of random tokens with these lengths, padded on the right, to compare runtimes on."""
        ends = np.concatenate([[0], np.cumsum(lengths)])
        config = self.model.config
        features = (PROBED_FEATURES,) if getattr(config, "input", "") == "words" else ()
        ids = generator.integers(0, getattr(config, "ids", config.vocab_size), (ends[-1], *features), dtype=np.int32)
        # The second half of a pair's tokens is its second text.
        types = [np.arange(length) >= length // 2 for length in lengths] if self.pairs else []
        encoded = Encoded(
            ids,
            np.concatenate(types).astype(np.int32) if types else None,
            ends,
            int(config.pad_token_id or 0),
        )
        return arrays_of(Batches(encoded, np.zeros(len(lengths), np.int64), len(lengths)).pack(np.arange(len(lengths))))


class Logits(Reader):
    """A classifier's logits, shape (batch, classes)."""

    def __init__(self, model: Any, pairs: bool = False) -> None:
        super().__init__(model)
        self.pairs = pairs

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Inputs of shape (batch, length)."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits
        return logits


class MeanState(Reader):
    """The mean of a text's last hidden states, shape (batch, width)."""

    output = "mean"

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Inputs of shape (batch, length)."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        return POOLS["mean"](hidden, attention_mask.to(hidden.dtype))


class NextToken(Reader):
    """Log-probabilities of each token of the vocabulary after chosen places, shape (places, vocabulary)."""

    output = "shares"

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, rows: torch.Tensor, places: torch.Tensor
    ) -> torch.Tensor:
        """Tokens of shape (batch, length); the places of shape (places,) as row and position."""
        hidden = self.model.base_model(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False
        ).last_hidden_state
        # Logits are made where they are read alone.
        return torch.log_softmax(self.model.get_output_embeddings()(hidden[rows, places]).float(), -1)

    def probe(self, lengths: Sequence[int], generator: np.random.Generator) -> dict[str, NDArray[np.int64]]:
        """See `Reader`; each text is read at its last token."""
        places = np.asarray(lengths, dtype=np.int64) - 1
        return super().probe(lengths, generator) | {"rows": np.arange(len(lengths)), "places": places}


class TorchNetwork:
    """A `Reader` computed by PyTorch, wherever its weights are."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __call__(self, inputs: Arrays) -> NDArray[np.float32]:
        """See `Network`."""
        if self.reader.model.training:
            self.reader.eval()
        device = next(self.reader.parameters()).device
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array).to(device) for name, array in inputs.items()}
            result: NDArray[np.float32] = self.reader(**tensors).float().cpu().numpy()
        return result


def arrays_of(batch: Batch) -> dict[str, NDArray[np.int64]]:
    """A batch's inputs as arrays, without copies."""
    return {name: tensor.numpy() for name, tensor in batch.inputs.items()}


def compute(network: Network, encoded: Encoded, tick: Tick | None = None) -> NDArray[np.float32]:
    """The network's output for all inputs in their own order, shape (n, width), in batches of like lengths.

    Args:
        network: Takes the names that `Batches` gives.
        encoded: At least one input.
        tick: Called with the inputs done and those there are.
    """
    if len(encoded) == 1:
        # One text, as on the page, needs no padding: sorting and packing would take a tenth of a small model's time.
        alone = {"input_ids": encoded.ids[None].astype(np.int64)}
        alone["attention_mask"] = np.ones((1, len(encoded.ids)), np.int64)
        if encoded.type_ids is not None:
            alone["token_type_ids"] = encoded.type_ids[None].astype(np.int64)
        result = network(alone)
        if tick:
            tick(1, 1)
        return result
    batches = Batches(encoded, np.zeros(len(encoded), np.int64), 1)
    rows = np.argsort(-encoded.lengths, kind="stable")
    parts = []
    done = 0
    while done < len(rows):
        together = max(1, BATCH_TOKENS // max(1, int(encoded.lengths[rows[done]])))
        batch = batches.pack(rows[done : done + together])
        parts.append(network(arrays_of(batch)))
        done += len(batch.rows)
        if tick:
            tick(done, len(rows))
    result = np.empty((len(rows), parts[0].shape[1]), np.float32)
    result[rows] = np.concatenate(parts)
    return result
