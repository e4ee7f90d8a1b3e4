"""Training cost of one recipe, measured: the training loop itself runs on random weights of the recipe's shape."""

import gc
import math
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator

from engine.errors import RecipeError
from engine.machine import describe_machine, peak_memory_mb, reset_peak_memory, resident_memory_mb
from engine.models.methods import count_parameters
from engine.training.build import build_random, threads_for
from engine.training.cost.memory import MemorySplit, Stopwatch
from engine.training.cost.options import Option
from engine.training.cost.workload import Chosen, EpochPlan, Workload, make_batches, plan_epoch
from engine.training.loop import balanced_weights, choose_precision, make_optimizer, one_epoch
from engine.training.recipe import Recipe

MB = 2**20
PROGRAM_MB = 800
"""About what Python and the libraries take of a process's memory."""


@dataclass(frozen=True)
class Configuration:
    """One recipe trained in one way."""

    recipe: Recipe
    """With what the option changes, and a precision that isn't `auto`."""
    option: Option
    workload: Workload
    device: str
    steps: int | None
    """Optimizer steps to time; None for a whole epoch."""


def measure(one: Configuration) -> dict[str, Any]:
    """Train some steps, or an epoch, and say what they took; best called in a process of its own.

    Returns:
        Plain values: seconds and MB (2^20 bytes), the model's parameters and the machine.

    Raises:
        RecipeError: The device has too little memory.
    """
    device = torch.device(one.device)
    try:
        with threads_for(one.recipe, device.type):
            return _measure(one, device)
    except torch.OutOfMemoryError as error:
        raise RecipeError(f"{one.recipe.name} ({one.option.name}) doesn't fit into the GPU's memory.") from error


def _measure(one: Configuration, device: torch.device) -> dict[str, Any]:
    recipe, workload = one.recipe, one.workload
    model = build_random(recipe, workload.pair, workload.classes, device)
    if one.option.cast_frozen:
        for weight in model.parameters():
            if not weight.requires_grad:
                weight.data = weight.data.to(torch.bfloat16)
    batches = make_batches(workload, recipe, model.config, one.option.batching)
    plan = plan_epoch(batches, recipe)
    whole = one.steps is None or one.steps >= plan.steps
    windows = () if whole else plan.spread(min(one.steps or 1, len(plan.windows)))
    accelerator = Accelerator(cpu=device.type == "cpu")
    inner = make_optimizer(model, recipe, fused=one.option.fused)
    prepared, optimizer = accelerator.prepare(model), accelerator.prepare(inner)
    class_weights = balanced_weights(batches.labels, batches.classes).to(device) if recipe.class_weights else None
    precision = choose_precision(recipe.precision, device)

    def run(some: Any) -> None:
        one_epoch(prepared, optimizer, some, recipe, 1, accelerator, precision, class_weights, math.inf, None)

    timed = Chosen(batches, windows) if windows else batches
    split = MemorySplit(model, inner)
    gc.collect()
    program = resident_memory_mb() - split.bytes()["weights"] / MB if device.type == "cpu" else 0.0
    reset_peak_memory(device)
    if not (whole or plan.even):
        # The optimizer's state is made at the first step; only after it does the costliest one show the peak.
        run(Chosen(batches, plan.windows[:1]))
    # The first call pays for start-up, so it isn't timed. It is also the step of which the split is taken.
    with split:
        run(Chosen(batches, plan.windows[-1:]))
    with Stopwatch(model, inner, device) as watch:
        run(timed)
    peak = peak_memory_mb(device)
    parts = {name: size / MB for name, size in split.bytes().items()} | {"program": program}
    taken = len(windows) or plan.steps
    return {
        **_describe(one, plan, model),
        "steps_timed": taken,
        "extrapolated": not whole,
        "seconds_per_step": watch.seconds / taken,
        "samples_per_second": plan.rows / (watch.seconds / taken * plan.steps),
        "seconds_per_epoch": watch.seconds / taken * plan.steps,
        "phases": {name: seconds / taken for name, seconds in watch.phases().items()},
        "peak_memory_mb": peak,
        # Less than nothing where the parts are never all there at once.
        "split_mb": parts | {"unexplained": peak - sum(parts.values())},
        "machine": describe_machine(device),
    }


def _describe(one: Configuration, plan: EpochPlan, model: Any) -> dict[str, Any]:
    recipe = one.recipe
    count = count_parameters(model)
    return {
        "recipe": recipe.name,
        "option": one.option.name,
        "total_parameters": count.total,
        "trained_parameters": count.trained,
        "precision": recipe.precision,
        "batch_size": recipe.batch_size,
        "accumulation": recipe.accumulation,
        "rows": plan.rows,
        "steps_per_epoch": plan.steps,
        "mean_tokens": float(one.workload.lengths.mean()),
        "widest_batch": plan.widest,
        "padding": plan.padding,
        "lengths_by": one.workload.tokenizer,
    }


def needed_mb(one: Configuration) -> float:
    """About how much memory a measurement takes, told without its weights.

    Weights, gradients and optimizer state are exact; of activations, the values are counted that a usual block keeps:
    ten of its width and three of its feed-forward's a token, and the attention matrices thrice where they are made.
    """
    recipe, workload = one.recipe, one.workload
    model = build_random(recipe, workload.pair, workload.classes, torch.device("meta"))
    count = count_parameters(model)
    width = model.config.hidden_size
    inner = getattr(model.config, "intermediate_size", None) or 4 * width
    length = recipe.max_length if one.option.batching == "padded" else int(workload.lengths.max())
    kept = 10 * width + 3 * inner
    if one.device == "cpu" and _drops_attention(model.config):
        # PyTorch's fused attention on a CPU knows no dropout.
        kept += 3 * length * model.config.num_attention_heads
    blocks = {"head": 0, "last": recipe.method.blocks}.get(recipe.method.kind, model.config.num_hidden_layers)
    values = recipe.batch_size * length * (kept + width * blocks if recipe.gradient_checkpointing else kept * blocks)
    trained = 16 * count.trained
    frozen = (2 if one.option.cast_frozen else 4) * (count.total - count.trained)
    cast = 2 * count.total if recipe.precision == "bfloat16" else 0
    size = 2 if recipe.precision == "bfloat16" else 4
    program = PROGRAM_MB if one.device == "cpu" else 0
    return (trained + frozen + cast + size * values) / MB + program


def _drops_attention(config: Any) -> bool:
    names = ("attention_probs_dropout_prob", "attn_pdrop", "attention_dropout")
    return any(getattr(config, name, 0) > 0 for name in names)
