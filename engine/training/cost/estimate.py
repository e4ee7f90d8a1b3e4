"""Estimates of a recipe's training time and memory on this machine, before it runs."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from engine.data.sources import TaskData
from engine.models.backbones import get_backbone
from engine.models.methods import count_parameters
from engine.models.pretrained import build_untouched
from engine.models.zero_shot.answerers import Frozen
from engine.models.zero_shot.prompting import MOST_POSITIONS
from engine.training.build import build_random
from engine.training.cost.measure import PROGRAM_MB, Configuration, needed_mb
from engine.training.cost.options import get_option, with_option
from engine.training.cost.workload import Workload, make_workload
from engine.training.recipe import Recipe

PRODUCTS = 8
PRODUCT_SIZE = 1024
READ_TOKENS = 64.0
"""Tokens of a text in a prompt, about."""
REACHED = 0.35
"""Share of the speed of a large product that training reaches, about."""
START_SECONDS = 5.0
"""What opening, scoring and keeping a model take beside its training, about."""
SHARES: Mapping[str, float] = {"full": 6.0, "last": 3.0, "head": 2.0, "lora": 4.5, "qlora": 6.0, "prompt": 4.5}
"""Operations a weight and token of each method: two forwards, two back to the inputs, two to the weights."""


def estimate(
    recipe: Recipe, data: TaskData, device: str, speed: float, workloads: dict[tuple[Any, ...], Workload]
) -> tuple[float, float]:
    """How long a recipe takes and how much memory it needs, about.

    Args:
        recipe: Which one.
        data: What it is trained on.
        device: `cpu` or `cuda`.
        speed: What `operations_a_second` gave.
        workloads: Keeps what was tokenised, for recipes of the same tokens.

    Returns:
        Seconds, and MB (2^20 bytes).
    """
    if recipe.kind == "baseline" or recipe.asks_nli:
        return START_SECONDS, 0.0
    rows = {split: len(data.split(split)) for split in ("train", "validation", "test")}
    judged = rows["validation"] + rows["test"]
    if recipe.kind == "frozen":
        whole = build_untouched(get_backbone(recipe.backbone), recipe.frozen.way == "likelihood")
        read = _tokens_read(recipe.frozen, judged, rows["test"], len(data.task.labels), whole.config)
        return (
            START_SECONDS + 2 * _multiplied(whole) * read / speed,
            4 * count_parameters(whole).total / 2**20 + PROGRAM_MB,
        )
    option = get_option("grouped")
    own = (recipe.reads_words, recipe.decoder.get("vocab_size"), recipe.lowercase)
    reader = own if recipe.kind == "scratch" else (recipe.backbone,)
    key = (*reader, recipe.max_length)
    if key not in workloads:
        workloads[key] = make_workload(recipe, data)
    workload = workloads[key]
    memory = needed_mb(Configuration(with_option(recipe, option, device), option, workload, device, 1))
    tokens = float(workload.lengths.sum())
    if recipe.kind == "pretrained":
        multiplied = _multiplied(build_untouched(get_backbone(recipe.backbone), False))
    else:
        multiplied = _multiplied(build_random(recipe, data.task.is_pair, len(data.task.labels), torch.device("meta")))
    share = SHARES[recipe.method.kind] if recipe.kind == "pretrained" else SHARES["full"]
    # Validation is read after every epoch, and both splits once at the end.
    passes = share * recipe.epochs + 2 * (rows["validation"] * recipe.epochs + judged) / rows["train"]
    seconds = passes * multiplied * tokens / speed
    if recipe.max_minutes:
        seconds = min(seconds, recipe.max_minutes * 60)
    return START_SECONDS + seconds, memory


def _tokens_read(frozen: Frozen, judged: int, test: int, classes: int, config: Any) -> float:
    """Tokens that an untrained model reads, about: of `judged` rows once, and of the `test` ones on each rung."""
    shots = [size * classes for size in frozen.sizes]
    if frozen.way != "likelihood":
        # All heads read the same embeddings.
        return READ_TOKENS * (judged + (test + frozen.draws * max(shots) if max(shots) else 0))
    positions = min(getattr(config, "max_position_embeddings", MOST_POSITIONS), MOST_POSITIONS)
    prompts = [min(READ_TOKENS * (examples + 1), positions) for examples in shots]
    ladder = test * frozen.draws * sum(prompts) if max(shots) else 0.0
    return judged * max(prompts) + ladder


def _multiplied(model: Any) -> float:
    """Weights that every token is multiplied with: all but embeddings."""
    tables = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    inside = sum(weight.numel() for table in tables for weight in table.parameters())
    return float(count_parameters(model).total - inside)


def operations_a_second(device: str) -> float:
    """What this machine's large products reach, cut to what training makes of it."""
    left = torch.ones(PRODUCT_SIZE, PRODUCT_SIZE, device=device)
    times = []
    for _ in range(PRODUCTS):
        start = time.perf_counter()
        (left @ left)[0, 0].item()
        times.append(time.perf_counter() - start)
    return REACHED * 2 * PRODUCT_SIZE**3 / min(times)
