"""One training loop for every model. It yields an epoch at a time; its callers store, show or stop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional

from engine.data.batches import Batches
from engine.errors import OdzeraError
from engine.evaluation.metrics import BETTER, Floats, headline, softmax
from engine.models.heads import is_head
from engine.models.methods import decays
from engine.training.parallel import ALONE, Group
from engine.training.recipe import Recipe
from engine.training.state import TrainingState, load_state, save_state

Tick = Callable[[int, int], None]
"""Called as work goes on with how much is done and how much there is: batches of an epoch, inputs to score."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the train split brought."""

    number: int
    train_loss: float
    validation: dict[str, float]
    """Figures of `engine.evaluation.metrics.FIGURES` on the validation split."""
    lr: float
    """The backbone's learning rate at the end of the epoch."""
    seconds: float
    is_best: bool
    stop: str = ""
    """Why training ends here: `epochs`, `patience`, `time` or `diverged`; empty while it goes on."""
    resumed: bool = False
    """Whether an earlier process trained this epoch."""
    train_accuracy: float | None = None
    """Share of training examples that were right as they went by, with dropout on and weights that moved meanwhile;
    None in records from before it was kept."""


def train(
    model: Any,
    training: Batches,
    validation: Batches,
    recipe: Recipe,
    select_on: str,
    *,
    accelerator: Accelerator | None = None,
    state_file: Path | None = None,
    tick: Tick | None = None,
) -> Iterator[Epoch]:
    """Train `model` in place, and leave it with the weights of its best epoch.

    Args:
        model: A classifier whose trainable weights require gradients; takes `input_ids`, `attention_mask`, and
            `token_type_ids` where it was trained with them, and returns `logits`.
        training: Batches of the train split.
        validation: Batches of the validation split.
        recipe: Rates, schedule, limits; see `Recipe`.
        select_on: Validation figure that the best epoch is chosen on.
        accelerator: Where to compute, and with which other processes; made here when missing.
        state_file: Where to save the state after each epoch. If it holds a state, training goes on from there and
            ends with the same weights as an unbroken run. Of several processes the main one reads and writes it.
        tick: See `Tick`.

    Yields:
        Each epoch, those of an interrupted earlier run first.

    Raises:
        OdzeraError: The loss was not a number in the first epoch already.
    """
    torch.manual_seed(recipe.seed)
    accelerator = accelerator or Accelerator()
    group = Group.of(accelerator)
    state = group.from_main(load_state(state_file) if state_file and group.is_main else None)
    precision = group.from_main(state.precision if state else choose_precision(recipe.precision, accelerator.device))
    model = accelerator.prepare(model)
    optimizer = accelerator.prepare(make_optimizer(accelerator.unwrap_model(model), recipe))
    weights = trainable(accelerator.unwrap_model(model))
    class_weights = (
        balanced_weights(training.labels, training.classes).to(accelerator.device) if recipe.class_weights else None
    )
    history: list[Epoch] = []
    best = {name: weight.detach().clone() for name, weight in weights.items()}
    spent = 0.0
    if state:
        state.restore(weights, optimizer)
        best, spent = state.best, state.seconds
        history = [Epoch(**{**one, "resumed": True}) for one in state.history]
        yield from history

    while not (history and history[-1].stop):
        number = len(history) + 1
        start = time.perf_counter()
        deadline = start + recipe.max_minutes * 60 - spent if recipe.max_minutes else math.inf
        train_loss, train_accuracy, in_time = one_epoch(
            model, optimizer, training, recipe, number, accelerator, precision, class_weights, deadline, tick
        )
        figures = evaluate(accelerator.unwrap_model(model), validation, accelerator.device, precision, group)
        # Clocks and rounding differ; what follows is decided on the main process's numbers, or some would go on alone.
        train_loss, train_accuracy, in_time, figures = group.from_main((train_loss, train_accuracy, in_time, figures))
        finite = math.isfinite(train_loss) and math.isfinite(figures["loss"])
        is_best = finite and _improves(figures, history, select_on)
        if is_best:
            best = {name: weight.detach().clone() for name, weight in weights.items()}
        elif not finite and not history:
            raise OdzeraError(f"The loss is not a number in the first epoch: lr {recipe.lr:g} is too large here.")
        epoch = Epoch(
            number=number,
            train_loss=train_loss,
            validation=figures,
            lr=optimizer.param_groups[0]["lr"],
            seconds=time.perf_counter() - start,
            is_best=is_best,
            train_accuracy=train_accuracy,
        )
        epoch = Epoch(**{**asdict(epoch), "stop": _why_stop(epoch, history, recipe, finite, in_time)})
        history.append(epoch)
        spent += epoch.seconds
        if state_file and group.is_main:
            plain = [asdict(one) for one in history]
            save_state(state_file, TrainingState.take(weights, best, optimizer, plain, spent, precision))
        yield epoch

    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(best[name])


def one_epoch(
    model: nn.Module,
    optimizer: Any,
    training: Batches,
    recipe: Recipe,
    number: int,
    accelerator: Accelerator,
    precision: torch.dtype,
    class_weights: torch.Tensor | None,
    deadline: float,
    tick: Tick | None,
) -> tuple[float, float, bool]:
    """One pass; returns loss and accuracy over all processes and examples, and whether it ended before the deadline."""
    model.train()
    device, group = accelerator.device, Group.of(accelerator)
    group.seed(recipe.seed, number)
    total = len(training)
    losses = torch.zeros((), device=device)
    right, seen = torch.zeros((), dtype=torch.int64, device=device), 0
    parameters = [weight for one in optimizer.param_groups for weight in one["params"]]
    of_class = np.ones(training.classes) if class_weights is None else class_weights.cpu().numpy()
    for index, rows in enumerate(training.shuffled(recipe.seed, number)):
        share = group.share(rows, of_class[training.labels[rows]])
        batch = training.pack(share.rows)
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.inputs.items()}
        labels = batch.labels.to(device)
        if recipe.r_drop:
            # Every input twice: dropout makes two models of one.
            inputs, labels = (
                {name: tensor.repeat_interleave(2, 0) for name, tensor in inputs.items()},
                labels.repeat_interleave(2),
            )
        # The last window of an epoch may hold fewer batches than the others.
        window = min(recipe.accumulation, total - index // recipe.accumulation * recipe.accumulation)
        is_last = (index + 1) % recipe.accumulation == 0 or index + 1 == total
        # Processes tell each other their gradients once a step, not once a batch.
        with nullcontext() if is_last else accelerator.no_sync(model):
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
                logits = model(**inputs).logits
            loss = share.part * functional.cross_entropy(
                logits.float(), labels, weight=class_weights, label_smoothing=recipe.label_smoothing
            )
            if recipe.r_drop:
                loss = loss + share.part * recipe.r_drop * disagreement(logits.float())
            # The mean over the processes is taken of their gradients, where their sum is wanted.
            accelerator.backward(loss / (window / group.size))
        # Summed on the device: reading the loss at every step would make a GPU wait.
        losses += loss.detach()
        if share.part:
            right += (logits.detach().argmax(-1) == labels).sum()
            seen += len(labels)
        if is_last:
            progress = (number - 1 + (0 if recipe.schedule_per_epoch else index / total)) / recipe.epochs
            set_rates(optimizer, recipe, progress)
            accelerator.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            optimizer.zero_grad()
        if tick:
            tick(index + 1, total)
        if deadline < math.inf and group.from_main(time.perf_counter() > deadline):
            return *_over_all(group, losses, right, seen, index + 1), False
    return *_over_all(group, losses, right, seen, total), True


def disagreement(logits: torch.Tensor) -> torch.Tensor:
    """How far two answers to the same input are apart: the mean of both Kullback-Leibler divergences.

    R-Drop (Wu et al., 2021) adds it to the loss, so that what dropout leaves out matters less.

    Args:
        logits: Shape (2 n, classes); the answers to an input follow each other.

    Returns:
        Their mean over the inputs, in nats.
    """
    one, other = torch.log_softmax(logits, -1).unflatten(0, (-1, 2)).unbind(1)
    return ((one.exp() - other.exp()) * (one - other)).sum(-1).mean() / 2


def _over_all(group: Group, losses: torch.Tensor, right: torch.Tensor, seen: int, batches: int) -> tuple[float, float]:
    """Mean loss of the batches and accuracy over the examples, of all processes together."""
    sums = np.sum(group.gather([(float(losses), int(right), seen)]), axis=0)
    return float(sums[0]) / batches, float(sums[1]) / float(sums[2])


def _improves(figures: dict[str, float], history: list[Epoch], select_on: str) -> bool:
    earlier = [one.validation[select_on] for one in history]
    best = BETTER[select_on]([figures[select_on], *earlier])
    return best == figures[select_on] and best not in earlier


def _why_stop(epoch: Epoch, history: list[Epoch], recipe: Recipe, finite: bool, in_time: bool) -> str:
    if not finite:
        return "diverged"
    if not in_time:
        return "time"
    if epoch.number >= recipe.epochs:
        return "epochs"
    best = max((one.number for one in (*history, epoch) if one.is_best), default=0)
    return "patience" if epoch.number - best >= recipe.patience else ""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that training changes, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def kept_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that a checkpoint keeps: those that training changes, and frozen ones that are nowhere else."""
    own = getattr(model, "own_frozen", ())
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad or name in own}


def make_optimizer(model: nn.Module, recipe: Recipe, *, fused: bool = True) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, 2019), with a rate for the backbone and one for the head.

    Weight decay applies to matrices alone. `fused` updates all weights of a group in one kernel.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in trainable(model).items():
        groups.setdefault((is_head(name), decays(name, weight.shape)), []).append(weight)
    return torch.optim.AdamW(
        [
            {
                "params": weights,
                "lr": (recipe.head_lr or recipe.lr) if head else recipe.lr,
                "peak": (recipe.head_lr or recipe.lr) if head else recipe.lr,
                "weight_decay": recipe.weight_decay if decay else 0.0,
            }
            for (head, decay), weights in sorted(groups.items())
        ],
        fused=fused,
    )


def rate_factor(recipe: Recipe, progress: float) -> float:
    """Share of the peak rate at `progress` (0 to 1) through training: a linear rise, then the schedule's decay."""
    if progress < recipe.warmup:
        # From a small share rather than from zero, so that the first step already moves.
        return max(progress / recipe.warmup, 0.01)
    after = (progress - recipe.warmup) / (1 - recipe.warmup)
    return {"constant": 1.0, "linear": 1 - after, "cosine": 0.5 * (1 + math.cos(math.pi * after))}[recipe.schedule]


def set_rates(optimizer: Any, recipe: Recipe, progress: float) -> None:
    """Set each group's rate for `progress` through training."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * rate_factor(recipe, progress)


def balanced_weights(labels: np.ndarray[Any, np.dtype[np.int64]], classes: int) -> torch.Tensor:
    """Inverse class frequencies with mean one over the rows, shape (classes,); zero for a class without rows."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    weights = np.divide(len(labels), (counts > 0).sum() * counts, out=np.zeros_like(counts), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)


def predict(
    model: Any,
    batches: Batches,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    tick: Tick | None = None,
    group: Group = ALONE,
) -> Floats:
    """Probabilities for all inputs in their own order, shape (n, classes).

    `tick` is called with the inputs done and those there are. The processes of `group` take turns at the batches, and
    each gets the whole result.
    """
    model.eval()
    device = torch.device(device)
    rows, logits = [], []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, precision is torch.bfloat16):
        for batch in batches.in_order_of_length(group.rank, group.size):
            inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
            logits.append(model(**inputs).logits.float().cpu().numpy())
            rows.append(batch.rows)
            if tick:
                tick(sum(map(len, rows)), len(batches.encoded))
    rows, logits = group.gather(rows), group.gather(logits)
    result = np.empty((len(batches.encoded), logits[0].shape[1]))
    result[np.concatenate(rows)] = np.concatenate(logits)
    return softmax(result)


def evaluate(
    model: Any, batches: Batches, device: torch.device, precision: torch.dtype, group: Group = ALONE
) -> dict[str, float]:
    """The figures of a labelled split."""
    probabilities = predict(model, batches, device, precision, group=group)
    if not np.isfinite(probabilities).all():
        return dict.fromkeys(BETTER, math.nan)
    return headline(batches.labels, probabilities)


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """The dtype to compute in: bfloat16 on `auto` only where it is measured to pay."""
    if wanted == "auto":
        return torch.bfloat16 if bfloat16_pays(device.type) else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wanted]


@cache
def bfloat16_pays(device_type: str) -> bool:
    """Whether a matrix product in bfloat16 is at least 1.5 times as fast as in float32.

    A CPU that knows bfloat16 (avx512_bf16) may still be slower in it than in float32, where AMX is missing; so it
    is timed. The margin keeps noise from changing the answer.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device_type != "cpu":
        return False

    def seconds(dtype: torch.dtype) -> float:
        left = torch.ones(512, 512, dtype=dtype)
        times = []
        for _ in range(8):
            start = time.perf_counter()
            left @ left
            times.append(time.perf_counter() - start)
        return min(times)

    return seconds(torch.float32) > 1.5 * seconds(torch.bfloat16)
