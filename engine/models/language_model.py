"""A small causal language model of GPT-2's shape, and a loss that never holds all its logits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.errors import RecipeError

CHUNK = 256
"""Tokens whose logits exist at one time: 256 × 8,192 of them fit a processor's cache."""

GPU_CHUNK = 8192
"""The same where memory is plenty and a small product isn't worth its launch."""


@dataclass(frozen=True)
class LanguageModelConfig:
    """Shape of the model (Radford et al., 2019; `transformers.GPT2LMHeadModel`)."""

    vocab_size: int = 8192
    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 2
    context: int = 256
    """Tokens it sees at once."""
    dropout: float = 0.1
    """Dropout of embeddings and residuals when it is fine-tuned; pretraining sees too much text to need it."""

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            RecipeError: A setting is out of range.
        """
        if self.num_attention_heads < 1 or self.hidden_size % self.num_attention_heads:
            raise RecipeError(f"{self.num_attention_heads} heads don't divide a width of {self.hidden_size}.")
        if self.vocab_size < 300 or self.num_hidden_layers < 1 or self.context < 8 or not 0 <= self.dropout < 1:
            raise RecipeError("The vocabulary is at least 300, the context at least 8, and there is a block or more.")


def make_language_model(config: LanguageModelConfig, tokenizer: Any) -> Any:
    """A `GPT2LMHeadModel` with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=config.context,
            n_embd=config.hidden_size,
            n_layer=config.num_hidden_layers,
            n_head=config.num_attention_heads,
            # The same function as gelu_new, in one kernel.
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=config.dropout,
            embd_pdrop=config.dropout,
            # Dropout of attention weights would keep PyTorch from its fused attention.
            attn_pdrop=0.0,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def open_language_model(folder: str | Path) -> tuple[Any, Any]:
    """A model to go on from, and its tokenizer.

    Raises:
        RecipeError: The folder holds no causal language model of GPT-2's shape.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise RecipeError(f"{folder} holds no causal language model: {str(error).splitlines()[0]}") from error
    # Others have heads that `next_token_loss` doesn't know, or see the tokens that they are to foretell.
    if model.config.model_type != "gpt2" or not tokenizer.is_fast or tokenizer.eos_token_id is None:
        raise RecipeError(
            f"{Path(folder).name} can't be gone on from: it takes a model of GPT-2's shape with a fast tokenizer, "
            f"and this is {model.config.model_type}."
        )
    return model, tokenizer


class _ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy of hidden @ embeddingᵀ, whose gradient is made while the logits are at hand."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        embedding: torch.Tensor,
        targets: torch.Tensor,
        dtype: torch.dtype,
        wanted: bool,
    ) -> torch.Tensor:
        states, weights = hidden.to(dtype), embedding.to(dtype)
        for_states, for_weights = torch.empty_like(states), torch.zeros_like(embedding)
        total = torch.zeros((), device=hidden.device)
        chunk = CHUNK if hidden.device.type == "cpu" else GPU_CHUNK
        for start in range(0, len(targets), chunk):
            part, goal = states[start : start + chunk], targets[start : start + chunk, None]
            log_shares = torch.log_softmax((part @ weights.T).float(), -1)
            total -= log_shares.gather(1, goal).sum()
            if wanted:
                error = log_shares.exp_()
                error.scatter_add_(1, goal, torch.full_like(goal, -1, dtype=error.dtype))
                error = error.to(dtype)
                torch.mm(error, weights, out=for_states[start : start + chunk])
                for_weights += error.T @ part
        ctx.save_for_backward(for_states, for_weights)
        ctx.tokens = len(targets)
        ctx.hidden_dtype = hidden.dtype
        return total / len(targets)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None, None]:
        for_states, for_weights = ctx.saved_tensors
        scale = gradients[0] / ctx.tokens
        return for_states.to(ctx.hidden_dtype) * scale, for_weights * scale, None, None, None


def next_token_loss(model: Any, tokens: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Mean cross-entropy of each token given those before it, in nats.

    The logits of a batch of 4,096 tokens would be 134 MB; made 256 tokens at a time they stay in the cache, which is
    faster on a CPU and needs a sixteenth of the memory (the idea of fused linear cross-entropy, Hsu et al., 2024).

    Args:
        model: A `GPT2LMHeadModel`, or any causal model whose output embedding is a matrix without bias.
        tokens: Shape (batch, length + 1): inputs, and the token after the last.
        dtype: What to multiply in.
    """
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
        hidden = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
    embedding = model.get_output_embeddings().weight
    # Asked here, since gradients are always off inside the function.
    wanted = torch.is_grad_enabled()
    states = hidden.reshape(-1, hidden.shape[-1])
    loss: torch.Tensor = _ChunkedLoss.apply(states, embedding, targets.reshape(-1), dtype, wanted)
    return loss
