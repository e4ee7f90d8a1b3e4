"""Classification heads: what reads a backbone's hidden states, and how its tokens are pooled."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from engine.errors import RecipeError

HEADS = ("linear", "mlp", "pooled")
POOLINGS = ("mean", "max", "last")


@dataclass(frozen=True)
class Head:
    """The classification head on top of a backbone."""

    kind: str = "linear"
    """`linear`: one matrix, or an encoder's own head; `mlp`: Linear-LayerNorm-GELU-Dropout-Linear; `pooled`:
    Dropout-Linear-GELU-Dropout-Linear on both texts of a pair apart."""
    width: int = 512
    dropout: float = 0.4
    pooling: str = "mean"
    """What is read of the real tokens: their `mean`, their `max`, or the `last` one. A decoder under a `linear` or
    `mlp` head is read at its last token whatever this says."""

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            RecipeError: A setting is unknown or out of range.
        """
        if self.kind not in HEADS:
            raise RecipeError(f"There is no head '{self.kind}'. Heads: {', '.join(HEADS)}.")
        if self.pooling not in POOLINGS:
            raise RecipeError(f"There is no pooling '{self.pooling}'. Poolings: {', '.join(POOLINGS)}.")
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise RecipeError("head: width is at least 1, and dropout is from 0 to below 1.")


def is_decoder(config: Any) -> bool:
    """Whether the architecture reads from left to right: it foretells the next token and fills no gaps."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_MASKED_LM_MAPPING


def make_head(head: Head, width: int, num_labels: int) -> nn.Module:
    """The module from pooled features (batch, width) to logits (batch, num_labels)."""
    if head.kind == "linear":
        # Without bias, as transformers' heads on decoders are.
        return nn.Linear(width, num_labels, bias=False)
    if head.kind == "mlp":
        return nn.Sequential(
            nn.Linear(width, head.width),
            nn.LayerNorm(head.width),
            nn.GELU(),
            nn.Dropout(head.dropout),
            nn.Linear(head.width, num_labels),
        )
    return nn.Sequential(
        nn.Dropout(head.dropout),
        nn.Linear(width, head.width),
        nn.GELU(),
        nn.Dropout(head.dropout),
        nn.Linear(head.width, num_labels),
    )


class PooledClassifier(nn.Module):
    """A backbone read by pooling its real tokens, wherever the padding is, and a head.

    Mean pooling is how sentence encoders are pretrained. An encoder takes a pair together, so that its texts attend to
    each other, and pools them apart: the head sees both means, their distance and their product (as InferSent does for
    texts encoded apart; Conneau et al., 2017). A decoder's second text has read the first, so a pair is pooled as one.
    """

    def __init__(self, backbone: Any, head: Head, pair: bool, num_labels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.config = backbone.config
        self.knows_types = getattr(backbone.config, "type_vocab_size", 0) > 1
        self.takes = frozenset(inspect.signature(backbone.forward).parameters)
        self.is_decoder = is_decoder(backbone.config)
        self.apart = pair and self.knows_types and head.kind == "pooled"
        # The published heads on decoders read the last token, the only one that has seen all others.
        self.pool = POOLS["last" if self.is_decoder and head.kind != "pooled" else head.pooling]
        width = backbone.config.hidden_size
        self.classifier = make_head(head, 4 * width if self.apart else width, num_labels)

    @property
    def base_model(self) -> Any:
        """The encoder, under the name that transformers' models give it."""
        return self.backbone

    @property
    def device(self) -> torch.device:
        """Where the weights are; peft asks."""
        return next(self.parameters()).device

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: Shape (batch, length).
            attention_mask: Same shape, 1 for real tokens.
            token_type_ids: Same shape, 1 for the second text of a pair.
            inputs_embeds: Shape (batch, length, width), instead of `input_ids`.

        Raises:
            ValueError: Pairs come without `token_type_ids`.
        """
        more: dict[str, Any] = {"token_type_ids": token_type_ids} if self.knows_types else {}
        if "use_cache" in self.takes:
            more["use_cache"] = False
        if self.is_decoder and "position_ids" in self.takes and attention_mask is not None:
            # Counted from the first real token, so that padding on the left changes nothing.
            more["position_ids"] = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
        hidden = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **more
        ).last_hidden_state
        real = torch.ones_like(hidden[..., 0]) if attention_mask is None else attention_mask.to(hidden.dtype)
        if not self.apart:
            return SequenceClassifierOutput(logits=self.classifier(self.pool(hidden, real)))
        if token_type_ids is None:
            raise ValueError("A pair needs token_type_ids to tell its texts apart.")
        first, second = self.pool(hidden, real * (1 - token_type_ids)), self.pool(hidden, real * token_type_ids)
        features = torch.cat([first, second, (first - second).abs(), first * second], dim=-1)
        return SequenceClassifierOutput(logits=self.classifier(features))


def _mean(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean over tokens: (batch, length, width) and (batch, length) → (batch, width)."""
    return (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True).clamp(min=1)


def _max(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Largest value of each feature over the tokens with a weight."""
    return hidden.masked_fill(weights[..., None] == 0, torch.finfo(hidden.dtype).min).amax(1)


def _last(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The last token with a weight, so that padding on either side changes nothing."""
    places = torch.arange(hidden.shape[1], device=hidden.device)
    last = torch.where(weights > 0, places, 0).amax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


POOLS: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = MappingProxyType(
    {"mean": _mean, "max": _max, "last": _last}
)
"""Ways of pooling (batch, length, width) under weights (batch, length) to (batch, width)."""


def is_head(name: str) -> bool:
    """Whether a parameter belongs to the head, by its name."""
    return any(part in ("score", "classifier") for part in name.split("."))


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the modules that were not pretrained: the head, under whatever name the architecture gives it."""
    return tuple(name for name in ("score", "classifier") if hasattr(model, name))
