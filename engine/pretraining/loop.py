"""Pretraining of a small causal language model: packed text goes in, events come out, and callers write the files."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.errors import OdzeraError, RecipeError
from engine.models.language_model import LanguageModelConfig, next_token_loss
from engine.pretraining.corpus import Corpus
from engine.training.state import pack_optimizer, read_tensors, unpack_optimizer, write_tensors

OPTIMIZERS = ("muon", "adamw")
REPORT_EVERY = 25
"""Steps between two events."""
AVERAGE = 0.995
"""How much of the running mean of the weights a step keeps."""
FIRST_MILESTONE = 2**20
"""Tokens at the first milestone; each of the next has twice as many."""
LOOK_AT_MOST = 2**16
"""Held-out tokens of a source that are read at a milestone; at the end all are."""


@dataclass(frozen=True)
class PretrainConfig:
    """How to pretrain."""

    shape: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    lowercase: bool = True
    """Whether the tokenizer folds case: fewer and better trained tokens, and capitals are lost."""
    passes: float = 2.0
    """How often the text is seen."""
    minutes: float | None = None
    """Minutes of training in all, earlier processes and the cooldown included, however much of the text was seen."""
    optimizer: str = "muon"
    """`muon`: Muon (Jordan et al., 2024) for the blocks' matrices and AdamW for the rest; `adamw`: AdamW for all."""
    batch_size: int = 16
    """Packed sequences in a step."""
    lr: float = 5e-3
    weight_decay: float = 0.1
    warmup_steps: int = 100
    cooldown: float = 0.25
    """Share of the steps over which the rate falls to zero; before, it stays (Hu et al., 2024)."""
    clip: float = 1.0
    precision: str = "auto"
    seed: int = 0
    save_seconds: float = 60.0
    """Seconds between two saves of the state."""

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            RecipeError: A setting is out of range.
        """
        fine = {
            "optimizer": self.optimizer in OPTIMIZERS,
            "passes": 0 < self.passes < math.inf,
            "minutes": self.minutes is None or 0 < self.minutes < math.inf,
            "batch_size": self.batch_size >= 1,
            "lr": 0 < self.lr < 1,
            "weight_decay": 0 <= self.weight_decay < 1,
            "warmup_steps": self.warmup_steps >= 0,
            "cooldown": 0 <= self.cooldown < 1,
            "clip": self.clip > 0,
            "precision": self.precision in ("auto", "float32", "bfloat16"),
            "seed": 0 <= self.seed < 2**32,
        }
        for name, good in fine.items():
            if not good:
                raise RecipeError(f"Pretraining: {name} can't be {getattr(self, name)!r}.")


@dataclass(frozen=True)
class Progress:
    """Where pretraining stands."""

    step: int
    steps: int
    """Steps there will be, as far as is known now: `minutes` may end it earlier."""
    tokens: int
    loss: float
    """Mean training loss since the last event, in nats a token."""
    tokens_per_second: float
    seconds: float
    """Time spent in training, that of earlier processes included."""
    lr: float
    held_out: Mapping[str, float] = field(default_factory=dict)
    """At a milestone and at the end: source → held-out loss of `average`, in nats a token."""
    average: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """At a milestone and at the end: the mean of the latest weights, better than any one of them while the rate is high
    (Izmailov et al., 2018)."""

    @property
    def is_over(self) -> bool:
        """Whether this is the last event."""
        return self.step >= self.steps


def pretrain(
    model: Any,
    corpus: Corpus,
    config: PretrainConfig,
    *,
    device: torch.device,
    precision: torch.dtype,
    state_file: Path,
    tick: Callable[[int, int], None] | None = None,
) -> Iterator[Progress]:
    """Train `model` in place on packed text, and leave it with the mean of its last weights.

    The order of the text depends on the seed alone, and the state holds all that a step needs, so that a run killed
    at any moment and started again ends with the weights of an unbroken one, on the same machine with as many threads
    (with `minutes`, where it ends depends on how fast it was).

    Args:
        model: A `GPT2LMHeadModel` or another causal model.
        corpus: Encoded text.
        config: Rates, passes, limits.
        device: Where to compute.
        precision: What to compute in.
        state_file: Where the state is kept; if it holds one, training goes on from there.
        tick: Called after each step with steps done and steps there are.

    Yields:
        `Progress` every 25 steps, at each milestone, and at the end.

    Raises:
        RecipeError: The text is shorter than one packed sequence.
        OdzeraError: The loss is not a number.
    """
    context = config.shape.context
    blocks = corpus.blocks(context)
    if not blocks:
        raise RecipeError(f"The text has {len(corpus.train)} tokens: less than one sequence of {context}.")
    batch = min(config.batch_size, blocks)
    tokens_a_step = batch * context
    model.to(device)
    model.train()
    _without_dropout(model)
    optimizers = make_optimizers(model, config)
    weights = dict(model.named_parameters())
    average = {name: weight.detach().clone() for name, weight in weights.items()}
    run = _Run(steps=max(1, math.ceil(config.passes * blocks / batch)), precision=str(precision).removeprefix("torch."))
    run.restore(state_file, weights, average, optimizers, device)
    _require_time_left(run, config)
    # Chosen by timing, so another process might choose otherwise.
    precision = getattr(torch, run.precision)
    order = _Order(corpus, context, batch, config.seed)
    mark, marked, saved, stamp = time.perf_counter(), run.step, time.perf_counter(), time.perf_counter()
    losses = torch.zeros((), device=device)

    while run.step < run.steps:
        tokens = torch.from_numpy(order.batch(run.step)).to(device, non_blocking=True)
        rate = config.lr * rate_share(run.step, run.steps, config)
        losses += _take_step(model, tokens, optimizers, rate, config.clip, precision)
        _follow(average, weights, run.step)
        run.step += 1
        # From step to step, so that what a GPU is waited for and what a milestone costs are counted too.
        now = time.perf_counter()
        run.seconds, stamp = run.seconds + now - stamp, now
        _plan_the_end(run, config)
        if tick:
            tick(run.step, run.steps)
        milestone = _passes_milestone((run.step - 1) * tokens_a_step, run.step * tokens_a_step)
        over = run.step >= run.steps
        if run.step % REPORT_EVERY == 0 or milestone or over:
            mean = float(losses) / (run.step - marked)
            if not math.isfinite(mean):
                raise OdzeraError(
                    f"The loss is not a number after {run.step} steps: lr {config.lr:g} is too large here."
                )
            speed = (run.step - marked) * tokens_a_step / (time.perf_counter() - mark)
            losses.zero_()
            seen = run.step * tokens_a_step
            progress = Progress(run.step, run.steps, seen, mean, speed, run.seconds, rate)
            if milestone or over:
                if over:
                    _load(weights, average)
                held = held_out_losses(model, corpus, context, precision, average, None if over else LOOK_AT_MOST)
                progress = replace(progress, held_out=held, average=average)
            yield progress
            # After the event, so that nobody misses it: a kill in between only makes it happen again.
            if over or time.perf_counter() - saved > config.save_seconds:
                run.save(state_file, weights, average, optimizers)
                saved = time.perf_counter()
            mark, marked = time.perf_counter(), run.step


def _take_step(
    model: Any,
    tokens: torch.Tensor,
    optimizers: list[torch.optim.Optimizer],
    rate: float,
    clip: float,
    precision: torch.dtype,
) -> torch.Tensor:
    """Update the weights once; the loss, still on the device."""
    loss = next_token_loss(model, tokens, precision)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    return loss.detach()


def _follow(average: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], step: int) -> None:
    """Move the running mean towards the weights after step `step`."""
    # Young runs forget faster, or the mean would hold the random weights they began with.
    keep = min(AVERAGE, step / (step + 10))
    torch._foreach_lerp_(list(average.values()), [weight.detach() for weight in weights.values()], 1 - keep)


def _load(weights: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(values[name])


def _without_dropout(model: Any) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def rate_share(step: int, steps: int, config: PretrainConfig) -> float:
    """Share of the peak rate at `step`: a linear rise, a plateau, a linear fall over the last steps."""
    rise = (step + 1) / config.warmup_steps if config.warmup_steps else 1.0
    fall = (steps - step) / max(1.0, config.cooldown * steps)
    return min(1.0, rise, fall)


def _require_time_left(run: "_Run", config: PretrainConfig) -> None:
    """Raise where `minutes` leaves a run that goes on no time for its cooldown."""
    if config.minutes is None or run.cooling or not run.step:
        return
    spent = run.seconds / 60
    if spent >= (1 - config.cooldown) * config.minutes:
        raise RecipeError(
            f"This run has trained for {spent:.1f} minutes; {config.minutes:g} in all leave no time for its cooldown: "
            f"give at least --minutes {math.ceil(spent / (1 - config.cooldown)) + 1}."
        )


def _plan_the_end(run: "_Run", config: PretrainConfig) -> None:
    """Let the run end when its time will be over, as long as its cooldown hasn't begun."""
    if not run.cooling and config.minutes is not None and run.step >= 5:
        fitting = math.floor(config.minutes * 60 * run.step / run.seconds)
        # As soon as the cooldown has to begin for the time to suffice, the end is fixed.
        if run.step >= (1 - config.cooldown) * fitting:
            run.steps = max(run.step + 1, min(run.steps, fitting))
    run.cooling = run.cooling or run.step >= (1 - config.cooldown) * run.steps


def _passes_milestone(before: int, after: int) -> bool:
    """Whether 1, 2, 4, 8… million tokens lie between."""
    return after >= FIRST_MILESTONE and math.floor(math.log2(after / FIRST_MILESTONE)) > (
        math.floor(math.log2(before / FIRST_MILESTONE)) if before >= FIRST_MILESTONE else -1
    )


class _Order:
    """Which packed sequences a step sees: a new permutation of all for each pass, from the seed alone."""

    def __init__(self, corpus: Corpus, context: int, batch: int, seed: int) -> None:
        self.corpus, self.context, self.size, self.seed = corpus, context, batch, seed
        self.blocks = corpus.blocks(context)
        self.permutations: dict[int, np.ndarray[Any, Any]] = {}

    def batch(self, step: int) -> np.ndarray[Any, Any]:
        """Shape (batch, context + 1), int64."""
        rows = [self._block(place) for place in range(step * self.size, (step + 1) * self.size)]
        return np.stack(rows).astype(np.int64)

    def _block(self, place: int) -> np.ndarray[Any, Any]:
        turn, rank = divmod(place, self.blocks)
        if turn not in self.permutations:
            self.permutations = {turn: np.random.default_rng((self.seed, turn)).permutation(self.blocks)}
        start = int(self.permutations[turn][rank]) * self.context
        return self.corpus.train[start : start + self.context + 1]


def make_optimizers(model: Any, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks and AdamW for embeddings, norms and biases; or AdamW for all."""
    named = dict(model.named_parameters())
    blocks = [w for name, w in named.items() if w.ndim == 2 and ".h." in name and config.optimizer == "muon"]
    taken = set(map(id, blocks))
    left = [weight for weight in named.values() if id(weight) not in taken]
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in left if weight.ndim == 2], "weight_decay": config.weight_decay},
        {"params": [weight for weight in left if weight.ndim != 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.lr, betas=(0.9, 0.95), fused=True
    )
    if not blocks:
        return [adamw]
    # Scaled to the size of AdamW's updates (Liu et al., 2025), so that one rate serves both.
    muon = torch.optim.Muon(blocks, lr=config.lr, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw")
    return [adamw, muon]


def held_out_losses(
    model: Any,
    corpus: Corpus,
    context: int,
    precision: torch.dtype,
    weights: Mapping[str, torch.Tensor] | None = None,
    at_most: int | None = None,
) -> dict[str, float]:
    """Held-out loss of each source, in nats a token, with `weights` in the model's place where they are given.

    Each packed sequence begins without memory of the one before, as in training.
    """
    own = {name: weight.detach().clone() for name, weight in model.named_parameters()} if weights else {}
    if weights:
        _load(dict(model.named_parameters()), weights)
    device = next(model.parameters()).device
    model.eval()
    losses = {}
    with torch.inference_mode():
        for name, tokens in corpus.held_out.items():
            tokens = tokens[:at_most]
            total, seen = 0.0, 0
            for part in _packed(tokens, context):
                loss = next_token_loss(model, torch.from_numpy(part.astype(np.int64)).to(device), precision)
                goals = part.shape[0] * (part.shape[1] - 1)
                total, seen = total + float(loss) * goals, seen + goals
            if seen:
                losses[name] = total / seen
    model.train()
    if weights:
        _load(dict(model.named_parameters()), own)
    return losses


def _packed(tokens: np.ndarray[Any, Any], context: int, rows: int = 32) -> Iterator[np.ndarray[Any, Any]]:
    """Sequences of `context` tokens and the next, up to `rows` together, then what is left."""
    whole = max((len(tokens) - 1) // context, 0)
    for first in range(0, whole, rows):
        starts = range(first, min(first + rows, whole))
        yield np.stack([tokens[start * context : start * context + context + 1] for start in starts])
    if len(tokens) - whole * context > 1:
        yield tokens[None, whole * context :]


@dataclass
class _Run:
    """What changes from step to step, beside the weights."""

    steps: int
    step: int = 0
    seconds: float = 0.0
    precision: str = "float32"
    cooling: bool = False
    """Whether the rate is falling already, so that the end is fixed, whatever `minutes` says in a later process."""

    def save(
        self,
        path: Path,
        weights: Mapping[str, torch.Tensor],
        average: Mapping[str, torch.Tensor],
        optimizers: list[torch.optim.Optimizer],
    ) -> None:
        """Write everything; see `write_tensors`."""
        tensors = {f"weights.{name}": weight for name, weight in weights.items()}
        tensors |= {f"average.{name}": weight for name, weight in average.items()}
        for place, optimizer in enumerate(optimizers):
            tensors |= pack_optimizer(optimizer, f"optimizer.{place}.")
        write_tensors(path, tensors, asdict(self))

    def restore(
        self,
        path: Path,
        weights: Mapping[str, torch.Tensor],
        average: Mapping[str, torch.Tensor],
        optimizers: list[torch.optim.Optimizer],
        device: torch.device,
    ) -> None:
        """Go on from a saved state; a damaged one is left alone and training begins anew."""
        found = read_tensors(path, str(device))
        if found is None:
            return
        tensors, plain = found
        _load(weights, {name: tensors[f"weights.{name}"] for name in weights})
        _load(average, {name: tensors[f"average.{name}"] for name in average})
        for place, optimizer in enumerate(optimizers):
            unpack_optimizer(optimizer, f"optimizer.{place}.", tensors)
        self.step, self.seconds, self.cooling = plain["step"], plain["seconds"], plain["cooling"]
        self.precision = plain.get("precision", self.precision)
        if self.cooling:
            self.steps = plain["steps"]
