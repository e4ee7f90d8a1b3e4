"""Shape of the from-scratch decoder, apart from the decoder itself: transformers' models take seconds to import."""

from transformers import PreTrainedConfig

POOLINGS = ("last", "mean", "max")
HEADS = ("linear", "mlp")


class DecoderConfig(PreTrainedConfig):
    """Shape of a `Decoder`; `num_labels` and `pad_token_id` come from the base class."""

    model_type = "odzera-decoder"

    vocab_size: int = 4096
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 512
    max_position_embeddings: int = 256
    dropout: float = 0.1
    """Of the embeddings and of what each block adds. Attention weights aren't dropped: that would cost the fused
    kernel, and half as much time again in training."""
    embedding_dropout: float = 0.0
    """Share of tokens whose whole embedding is zeroed in training, so that single words aren't learnt by heart."""
    attention_bias: bool = True
    """Biases in the four projections of attention; everywhere else there always are some."""
    final_norm: bool = True
    pooling: str = "last"
    """`last`: the last real token; `mean` and `max`: over real tokens."""
    head: str = "linear"
    """`linear`, or `mlp`: Linear-GELU-Dropout-Linear."""
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs: object) -> None:
        """Check what the types can't say.

        Raises:
            ValueError: A shape doesn't divide, or an option is unknown.
        """
        super().__post_init__(**kwargs)
        sizes = (self.hidden_size, self.num_hidden_layers, self.num_attention_heads, self.intermediate_size)
        if min(*sizes, self.max_position_embeddings) < 1:
            raise ValueError("Widths, blocks, heads and positions are at least 1.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"{self.num_attention_heads} heads don't divide a width of {self.hidden_size}.")
        if self.pooling not in POOLINGS or self.head not in HEADS:
            raise ValueError(f"pooling is one of {', '.join(POOLINGS)} and head one of {', '.join(HEADS)}.")
        if not (0 <= self.dropout < 1 and 0 <= self.embedding_dropout < 1):
            raise ValueError("dropout and embedding_dropout are from 0 to below 1.")
        # 256 bytes and three special tokens: with fewer, some input would be unknown.
        if self.vocab_size < 259:
            raise ValueError(f"A vocabulary of {self.vocab_size} can't hold all bytes; it needs at least 259.")
