"""Shape of the from-scratch decoder, apart from the decoder itself: transformers' models take seconds to import."""

from transformers import PreTrainedConfig

INPUTS = ("tokens", "words")
POOLINGS = ("last", "mean", "max", "max+sum")
HEADS = ("linear", "mlp")


class DecoderConfig(PreTrainedConfig):
    """Shape of a `Decoder`; `num_labels` and `pad_token_id` come from the base class."""

    model_type = "odzera-decoder"

    input: str = "tokens"
    """`tokens`: a position is a token. `words`: a position is a word, and its vector the sum of its own and those of
    its character n-grams (Bojanowski et al., 2017)."""
    vocab_size: int = 4096
    vectors: int = 0
    """Numbers in the frozen vector that a word has beside its own; 0: there are none. They are learnt from unlabelled
    text by counting (`engine.models.word_vectors`), and a trained matrix takes them to the hidden size."""
    vector_words: int = 20_000
    """Words that have one, at most, where there are any; their ids follow those of the vocabulary."""
    hidden_size: int = 128
    num_hidden_layers: int = 2
    """Blocks; with none, a text is a bag of its positions: the control that says what attention gives."""
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
    """`last`: the last real token; `mean` and `max`: over real tokens; `max+sum`: both, one after the other."""
    head: str = "linear"
    """`linear`, or `mlp`: Linear-GELU-Dropout-Linear."""
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs: object) -> None:
        """Check what the types can't say.

        Raises:
            ValueError: A shape doesn't divide, or an option is unknown.
        """
        super().__post_init__(**kwargs)
        sizes = (self.hidden_size, self.num_attention_heads, self.intermediate_size, self.max_position_embeddings)
        if min(sizes) < 1 or self.num_hidden_layers < 0:
            raise ValueError("Widths, heads and positions are at least 1, and blocks at least 0.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"{self.num_attention_heads} heads don't divide a width of {self.hidden_size}.")
        for name, allowed in (("input", INPUTS), ("pooling", POOLINGS), ("head", HEADS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}.")
        if self.vectors < 0 or self.vector_words < 1:
            raise ValueError("vectors are at least 0 wide, and at least 1 word has one.")
        if self.vectors and self.input != "words":
            raise ValueError("vectors are those of words: they need input=words.")
        if not (0 <= self.dropout < 1 and 0 <= self.embedding_dropout < 1):
            raise ValueError("dropout and embedding_dropout are from 0 to below 1.")
        # 256 bytes and three special tokens: with fewer, some input would be unknown.
        if self.input == "tokens" and self.vocab_size < 259:
            raise ValueError(f"A vocabulary of {self.vocab_size} can't hold all bytes; it needs at least 259.")

    @property
    def ids(self) -> int:
        """How many ids an input may hold."""
        return self.vocab_size + (self.vector_words if self.vectors else 0)
