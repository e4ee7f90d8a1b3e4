"""Ways of adapting a pretrained classifier: which of its weights are trained."""

from collections.abc import Iterable
from dataclasses import dataclass
from logging import ERROR, getLogger
from typing import Any

from torch import nn

from engine.errors import RecipeError
from engine.models.heads import head_names

METHODS = ("full", "last", "head", "lora", "qlora", "prompt")


@dataclass(frozen=True)
class Method:
    """How a backbone is adapted."""

    kind: str = "full"
    """`full`: every weight; `last`: last blocks and head; `head`: the head alone; `lora`: adapters and head;
    `qlora`: the same on a backbone in 4 bits; `prompt`: vectors before the text, and head."""
    blocks: int = 1
    """Blocks that `last` trains."""
    train_final_norm: bool = False
    """Whether `last` trains the norm after the last block too."""
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.1
    targets: str = ""
    """Modules that `lora` adapts, with commas between (`query,key,value,dense`), or `all-linear`; empty: the attention
    projections that peft knows for the architecture (`query` and `value`, `q_proj` and `v_proj`, `c_attn`)."""
    prompt_tokens: int = 16
    """Vectors that `prompt` puts before the text; they count towards the backbone's positions."""

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            RecipeError: A setting is unknown or out of range.
        """
        if self.kind not in METHODS:
            raise RecipeError(f"There is no method '{self.kind}'. Methods: {', '.join(METHODS)}.")
        if min(self.blocks, self.rank, self.alpha, self.prompt_tokens) < 1 or not 0 <= self.dropout < 1:
            raise RecipeError(
                "method: blocks, rank, alpha and prompt_tokens are at least 1, and dropout is from 0 to below 1."
            )


def adapt(model: Any, method: Method) -> Any:
    """Freeze what the method doesn't train, and add what it needs.

    Args:
        model: A classifier of `engine.models.pretrained`, on any device, the meta device included.
        method: What to train.

    Returns:
        The model, wrapped by peft for `lora`, `qlora` and `prompt`.

    Raises:
        RecipeError: The method wants more blocks than there are.
    """
    if method.kind == "full":
        return model
    if method.kind in ("lora", "qlora"):
        return _with_lora(model, method)
    if method.kind == "prompt":
        return _with_prompt(model, method)
    model.requires_grad_(False)
    for name in _new_modules(model):
        model.get_submodule(name).requires_grad_(True)
    if method.kind == "last":
        blocks = find_blocks(model)
        if not 1 <= method.blocks <= len(blocks):
            raise RecipeError(f"The backbone has {len(blocks)} blocks; {method.blocks} can't be trained.")
        for block in list(blocks)[-method.blocks :]:
            block.requires_grad_(True)
        if method.train_final_norm:
            # Llama's name for it, and GPT-2's; an encoder's blocks end in a norm of their own.
            for name in ("norm", "ln_f"):
                getattr(model.base_model, name, nn.Identity()).requires_grad_(True)
    return model


def _new_modules(model: Any) -> list[str]:
    """What was not pretrained: the head, and what else the backbone's weights lack."""
    return [*head_names(model), *getattr(model, "fresh_modules", ())]


def _with_lora(model: Any, method: Method) -> Any:
    """Low-rank adapters (Hu et al., 2022) on the attention projections that peft knows for the architecture."""
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    # Where it is installed, peft imports it, and it tells which kernels it would rather have.
    getLogger("bitsandbytes").setLevel(ERROR)
    # No task type: peft's own wrapper for classifiers drops arguments that a model of ours may want.
    targets: Any = method.targets or None
    if targets and targets != "all-linear":
        targets = [name.strip() for name in targets.split(",")]
    config = LoraConfig(
        r=method.rank,
        target_modules=targets,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        # GPT-2's matrices are transposed, until 4-bit ones take their place.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        modules_to_save=_new_modules(model),
    )
    return get_peft_model(model, config)


def _with_prompt(model: Any, method: Method) -> Any:
    """Trained vectors before the text's own embeddings (prompt tuning; Lester et al., 2021)."""
    from peft import PromptTuningConfig, TaskType, get_peft_model

    config = PromptTuningConfig(
        task_type=TaskType.SEQ_CLS,
        num_virtual_tokens=method.prompt_tokens,
        modules_to_save=_new_modules(model),
    )
    return get_peft_model(model, config)


def find_blocks(model: Any) -> nn.ModuleList:
    """The backbone's stack of blocks: its longest module list."""
    stacks = [module for module in model.base_model.modules() if isinstance(module, nn.ModuleList)]
    return max(stacks, key=len)


@dataclass(frozen=True)
class ParameterCount:
    """Parameters in all, and those that are trained."""

    total: int
    trained: int


def count_parameters(model: nn.Module) -> ParameterCount:
    """Count what the model needs to answer, each weight once.

    peft keeps an untrained copy of the head beside the trained one; it is not counted.
    """
    counted = [(name, weight) for name, weight in model.named_parameters() if "original_module" not in name]
    return ParameterCount(
        total=sum(_size(weight) for _, weight in counted),
        trained=sum(_size(weight) for _, weight in counted if weight.requires_grad),
    )


def _size(weight: Any) -> int:
    """Numbers that a weight holds; one in 4 bits is packed, two to a byte."""
    packed = getattr(weight, "quant_state", None)
    return packed.shape.numel() if packed is not None else int(weight.numel())


def decays(name: str, shape: Iterable[int]) -> bool:
    """Whether weight decay applies: to matrices, not to biases and norms."""
    return len(tuple(shape)) >= 2
