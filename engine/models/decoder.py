"""The from-scratch decoder: a small causal transformer with a classification head.

Pre-norm blocks as in GPT-2 (Radford et al., 2019). Its options cover both published from-scratch shapes exactly:
3,410,627 and 5,728,003 parameters.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from engine.models.decoder_config import DecoderConfig


class Dropout(nn.Dropout):
    """Dropout (Srivastava et al., 2014) whose mask, on a CPU, is drawn eight values at a time.

    PyTorch draws one random number a value there, which takes a quarter of a small decoder's training step. A byte a
    value is enough: the share is rounded to 1/256, and the scale follows the rounded share.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """A tensor of any shape → the same shape."""
        if not self.training or not self.p or input.device.type != "cpu":
            return super().forward(input)
        dropped = min(round(self.p * 256), 255)
        words = torch.empty(-(-input.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        draws = words.view(torch.uint8)[: input.numel()].view(input.shape)
        return input * (draws >= dropped).to(input.dtype).mul_(256 / (256 - dropped))


class FeatureEmbedding(nn.Embedding):
    """The sum of the vectors of a position's features; padding has none."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Ids of shape (…, features) → vectors of shape (…, width)."""
        return super().forward(input).sum(-2)


class VectorEmbedding(FeatureEmbedding):
    """The same, and the frozen vector of the word, taken to the width by a trained matrix.

    Ids from `vocab_size` on are words with such a vector; a position has one of them at most.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        # The first row is for words that have none.
        self.frozen = nn.Embedding(config.vector_words + 1, config.vectors, padding_idx=0)
        self.frozen.weight.requires_grad_(False)
        self.project = nn.Linear(config.vectors, config.hidden_size, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See `FeatureEmbedding`."""
        own = super().forward(input.masked_fill(input >= self.num_embeddings, self.padding_idx or 0))
        found: torch.Tensor = self.frozen((input - self.num_embeddings + 1).clamp(min=0).amax(-1))
        return own + self.project(found)

    def fill(self, table: torch.Tensor) -> None:
        """Set the frozen vectors, shape (words, width)."""
        with torch.no_grad():
            self.frozen.weight[1:] = table


class Block(nn.Module):
    """Causal self-attention and a feed-forward layer, each with its norm before it and a residual around it."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=config.attention_bias)
        self.out = nn.Linear(width, width, bias=config.attention_bias)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, width)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Hidden states of shape (batch, length, width) → the same shape; `mask` as in `Decoder.causal_mask`."""
        batch, length, width = hidden.shape
        shape = (batch, length, self.heads, width // self.heads)
        query, key, value = (
            part.view(shape).transpose(1, 2) for part in self.qkv(self.attention_norm(hidden)).split(width, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            is_causal=mask is None,
        )
        hidden = hidden + self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        return hidden + self.dropout(self.down(functional.gelu(self.up(self.feed_forward_norm(hidden)))))

    def attention(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """The weights that `forward` mixes values with, which the fused kernel doesn't give.

        Returns:
            Shape (batch, heads, length, length), rows that add up to one.
        """
        batch, length, width = hidden.shape
        shape = (batch, length, self.heads, width // self.heads)
        query, key, _ = self.qkv(self.attention_norm(hidden)).split(width, dim=-1)
        scores = query.view(shape).transpose(1, 2) @ key.view(shape).permute(0, 2, 3, 1) / shape[-1] ** 0.5
        if mask is None:
            mask = torch.ones(length, length, dtype=torch.bool, device=hidden.device).tril()
        return scores.masked_fill(~mask, -torch.inf).softmax(-1)


class Decoder(PreTrainedModel):
    """A causal transformer that classifies a text by its last token, or by the mean or maximum over its tokens."""

    config_class = DecoderConfig
    base_model_prefix = ""
    _supports_sdpa = True

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        width, classes = config.hidden_size, int(config.num_labels or 0)
        self.tokens: nn.Module
        if config.vectors:
            self.tokens = VectorEmbedding(config)
        elif config.input == "words":
            self.tokens = FeatureEmbedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        else:
            self.tokens = nn.Embedding(config.vocab_size, width)
        self.positions = nn.Embedding(config.max_position_embeddings, width)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(width) if config.final_norm else nn.Identity()
        self.score: nn.Module
        pooled = 2 * width if config.pooling == "max+sum" else width
        if config.head == "mlp":
            self.score = nn.Sequential(
                nn.Linear(pooled, width), nn.GELU(), Dropout(config.dropout), nn.Linear(width, classes)
            )
        else:
            self.score = nn.Linear(pooled, classes)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """GPT-2's initialisation: normal with deviation 0.02, biases zero."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)

    def get_input_embeddings(self) -> nn.Module:
        """The token embedding, where attribution methods hook in."""
        return self.tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the token embedding."""
        self.tokens = cast("nn.Embedding", value)

    @property
    def own_frozen(self) -> tuple[str, ...]:
        """Weights that training leaves alone, and that came from no other model."""
        return ("tokens.frozen.weight",) if self.config.vectors else ()

    @staticmethod
    def causal_mask(attention_mask: torch.Tensor) -> torch.Tensor | None:
        """What each token may look at, shape (batch, 1, length, length), or None for the plain causal mask.

        Padding on the right lies in every real token's future, so it needs no mask of its own; only padding on the
        left does. Padded positions look at themselves, as softmax over nothing is not a number.
        """
        # A graph for other runtimes can't ask, and serves padding on either side.
        if not torch.compiler.is_exporting() and bool(attention_mask[:, 0].all()):
            return None
        length = attention_mask.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=attention_mask.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=attention_mask.device)
        return (causal & attention_mask[:, None, None, :].bool()) | itself

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        base_logits: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: Shape (batch, length), padded on either side; (batch, length, features) where the input is words.
            attention_mask: Shape (batch, length), 1 for real positions; all are real when it is missing.
            inputs_embeds: Shape (batch, length, width), instead of `input_ids`.
            labels: Shape (batch,); the loss is computed when they are given.
            base_logits: What another model says of each input, shape (batch, num_labels), to which the decoder adds.

        Returns:
            `logits` of shape (batch, num_labels), `loss`, and `attentions` where the config asks for them.

        Raises:
            ValueError: An input is longer than `max_position_embeddings`, or there is none.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("Either input_ids or inputs_embeds must be given.")
            inputs_embeds = self.tokens(input_ids)
        batch, length = inputs_embeds.shape[:2]
        if length > self.config.max_position_embeddings:
            raise ValueError(f"{length} tokens are more than the {self.config.max_position_embeddings} positions.")
        if attention_mask is None:
            attention_mask = torch.ones(batch, length, dtype=torch.long, device=inputs_embeds.device)
        mask = self.causal_mask(attention_mask)
        # Real tokens are numbered from 0 wherever the padding lies.
        position_ids = (
            torch.arange(length, device=inputs_embeds.device)
            if mask is None
            else (attention_mask.cumsum(1) - 1).clamp(min=0)
        )
        if self.training and self.config.embedding_dropout:
            keep = torch.rand(batch, length, 1, device=inputs_embeds.device) >= self.config.embedding_dropout
            inputs_embeds = inputs_embeds * keep / (1 - self.config.embedding_dropout)
        hidden = self.dropout(inputs_embeds + self.positions(position_ids))
        attentions = []
        for block in self.blocks:
            if self.config.output_attentions:
                attentions.append(cast("Block", block).attention(hidden, mask))
            hidden = block(hidden, mask)
        logits = self.score(self.pool(self.norm(hidden), attention_mask))
        if base_logits is not None:
            logits = logits + base_logits
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, attentions=tuple(attentions) or None)

    def pool(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """One vector a text, shape (batch, width), or twice as wide, from hidden states (batch, length, width)."""
        if self.config.pooling == "mean":
            weights = attention_mask[:, :, None].to(hidden.dtype)
            return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        if self.config.pooling in ("max", "max+sum"):
            highest = hidden.masked_fill(attention_mask[:, :, None] == 0, -torch.inf).amax(1)
            if self.config.pooling == "max":
                return highest
            total = (hidden * attention_mask[:, :, None].to(hidden.dtype)).sum(1)
            return torch.cat([highest, total], dim=-1)
        places = torch.arange(hidden.shape[1], device=hidden.device)
        last = (places * attention_mask).argmax(1)
        return hidden[torch.arange(len(hidden), device=hidden.device), last]


def make_decoder(shape: Mapping[str, Any], num_labels: int, tokenizer: Any = None) -> Decoder:
    """A freshly initialised decoder.

    Args:
        shape: Arguments of `DecoderConfig`.
        num_labels: Classes.
        tokenizer: What its ids come from. For words, `vocab_size` is the most that it may have, and the decoder has no
            vectors beyond those it has.
    """
    arguments: dict[str, Any] = {**shape, "num_labels": num_labels, "pad_token_id": 0}
    if tokenizer is not None:
        arguments["pad_token_id"] = tokenizer.pad_token_id
        if shape.get("input") == "words":
            arguments["vocab_size"] = len(tokenizer) - len(tokenizer.vectors)
        if shape.get("vectors"):
            arguments["vector_words"] = len(tokenizer.vectors)
    return Decoder(DecoderConfig(**arguments))


AutoConfig.register(DecoderConfig.model_type, DecoderConfig)
AutoModelForSequenceClassification.register(DecoderConfig, Decoder)
