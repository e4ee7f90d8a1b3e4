"""A study: what is searched on which data, how trials are drawn and pruned, and how many there are of each state."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from engine import __version__
from engine.data.sources import TaskData
from engine.errors import SearchError
from engine.machine import describe_machine
from engine.search.search_space import MAX_PARAMETERS, SPACE, grid, space_digest, starting_points
from engine.search.storage import (
    GRACE_SECONDS,
    HEARTBEAT_SECONDS,
    explained,
    hold,
    open_lock,
    open_storage,
    parse_url,
)

PACKAGES = ("optuna", "optuna-dashboard", "torch", "transformers", "tokenizers")
REASON = "reason"
"""Trial attribute: why it failed; a failed trial without it lost its worker."""
WORKER = "worker"
"""Trial attribute: who runs it."""


def _tpe(seed: int) -> BaseSampler:
    # Optuna 5's defaults, written down: settings are drawn together, and points that others are trying count as bad.
    return TPESampler(multivariate=True, constant_liar=True, group=False, n_startup_trials=30, seed=seed)


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = MappingProxyType(
    {
        "tpe": _tpe,
        "random": lambda seed: RandomSampler(seed=seed),
        "grid": lambda seed: GridSampler(grid(), seed=seed),
    }
)
PRUNERS: Mapping[str, Callable[[], BasePruner]] = MappingProxyType(
    {
        # Asynchronous successive halving (Li et al., 2020): a quarter goes on from epochs 1, 4 and 16.
        "asha": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=4, min_early_stopping_rate=0),
        # Hyperband (Li et al., 2018): three such ladders, each starting to prune later than the one before.
        "hyperband": lambda: HyperbandPruner(min_resource=1, max_resource=16, reduction_factor=4),
        "none": NopPruner,
    }
)


@dataclass(frozen=True)
class SearchRequest:
    """What to search, and with what."""

    data: TaskData
    storage: str
    """Address; see `engine.search.storage.parse_url`."""
    trials: int = 500
    """Finished trials (complete and pruned) that the study is to have in the end."""
    workers: int = 1
    name: str = ""
    sampler: str = "tpe"
    pruner: str = "asha"
    seed: int = 0
    device: str = "cpu"
    minutes: float | None = None
    """Wall time after which this call ends; the same request goes on."""
    heartbeat: int = HEARTBEAT_SECONDS
    grace: int = GRACE_SECONDS

    def __post_init__(self) -> None:
        """Check what has a range.

        Raises:
            SearchError: Something is out of it.
            StoreError: The storage's address is none.
        """
        parse_url(self.storage)
        if self.trials < 1:
            raise SearchError(f"--trials takes a number from 1, not {self.trials}.")
        if not 1 <= self.workers <= 256:
            raise SearchError(f"--workers takes a number from 1 to 256, not {self.workers}.")
        if self.minutes is not None and self.minutes <= 0:
            raise SearchError(f"--timeout takes minutes above 0, not {self.minutes:g}.")
        if not 0 <= self.seed < 2**31:
            raise SearchError(f"--seed takes a number from 0 to {2**31 - 1}.")
        for option, value, known in (("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)):
            if value not in known:
                raise SearchError(f"--{option} is one of {', '.join(known)}, not '{value}'.")
        if self.sampler == "grid" and self.trials > _grid_size():
            raise SearchError(f"The grid has {_grid_size()} points; --trials {self.trials} is more than that.")
        for split in ("train", "validation"):
            if not len(self.data.split(split)):
                raise SearchError(f"{self.data.source} has no {split} rows to search on.")

    @property
    def study_name(self) -> str:
        """The name given, or one that the same data and sampler always get, so that the same command joins in."""
        return self.name or f"{self.data.task.name}@{self.data.fingerprint}-{self.sampler}"


def _grid_size() -> int:
    size = 1
    for values in grid().values():
        size *= len(values)
    return size


@dataclass(frozen=True)
class Standing:
    """How far a study is."""

    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int
    best_value: float | None = None
    best_trial: int | None = None
    dropped: int = 0
    """Trials that workers of this call dropped, as others had held them for dead; each was queued again."""

    @property
    def finished(self) -> int:
        """Trials that count: complete and pruned."""
        return self.complete + self.pruned


def standing_of(trials: Sequence[FrozenTrial]) -> Standing:
    """Count trials by state."""
    states = Counter(trial.state for trial in trials)
    best = best_trial(trials)
    return Standing(
        complete=states[TrialState.COMPLETE],
        pruned=states[TrialState.PRUNED],
        failed=states[TrialState.FAIL],
        running=states[TrialState.RUNNING],
        waiting=states[TrialState.WAITING],
        best_value=best.value if best else None,
        best_trial=best.number if best else None,
    )


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The complete trial with the lowest validation loss."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
    return min(complete, key=lambda trial: trial.value or 0.0, default=None)


def open_study(request: SearchRequest) -> optuna.Study:
    """Create the study, or join it; with its attributes, its note and its first settings.

    Raises:
        SearchError: A study of this name searches something else.
        StoreError: The storage can't be used.
    """
    storage = open_storage(request.storage, request.heartbeat, request.grace)
    with explained(request.storage), hold(open_lock(request.storage)):
        study = optuna.create_study(
            study_name=request.study_name,
            storage=storage,
            direction="minimize",
            sampler=SAMPLERS[request.sampler](request.seed),
            pruner=PRUNERS[request.pruner](),
            load_if_exists=True,
        )
        wanted = describe_study(request)
        if not study.user_attrs:
            for name, value in wanted.items():
                study.set_user_attr(name, value)
            study.set_metric_names(["validation loss"])
            from optuna_dashboard import save_note

            save_note(study, write_note(request, wanted))
        _require_the_same(study, wanted)
        if study.user_attrs.get("trials") != request.trials:
            study.set_user_attr("trials", request.trials)
        if request.sampler != "grid":
            _enqueue_starting_points(study, request.trials)
    return study


def join_study(request: SearchRequest, seed: int) -> optuna.Study:
    """Open a study that exists, with a sampler of one's own seed, so that workers don't draw the same points."""
    storage = open_storage(request.storage, request.heartbeat, request.grace)
    with explained(request.storage):
        return optuna.load_study(
            study_name=request.study_name,
            storage=storage,
            sampler=SAMPLERS[request.sampler](seed),
            pruner=PRUNERS[request.pruner](),
        )


def _enqueue_starting_points(study: optuna.Study, trials: int) -> None:
    tried = [
        trial.params or trial.system_attrs.get("fixed_params")
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.FAIL
    ]
    for settings in starting_points()[:trials]:
        if settings not in tried:
            study.enqueue_trial(settings)


def _require_the_same(study: optuna.Study, wanted: Mapping[str, Any]) -> None:
    found = study.user_attrs
    for name, what in (
        ("fingerprint", "other data"),
        ("space", "another search space"),
        ("sampler", "another sampler"),
        ("pruner", "another pruner"),
    ):
        if found.get(name) != wanted[name]:
            raise SearchError(
                f"The study {study.study_name} searches {what} ({found.get(name)}, not {wanted[name]}). "
                "Give this search a name of its own with --name."
            )


def describe_study(request: SearchRequest) -> dict[str, Any]:
    """What is recorded with a study when it is made."""
    data = request.data
    return {
        "task": data.task.name,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "rows": {split: len(data.split(split)) for split in ("train", "validation")},
        "space": space_digest(),
        "sampler": request.sampler,
        "pruner": request.pruner,
        "seed": request.seed,
        "trials": request.trials,
        "device": request.device,
        "versions": {"odzera": __version__, **{name: version(name) for name in PACKAGES}},
        "code": code_digest(),
        "machine": describe_machine_of(request.device),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_machine_of(device: str) -> str:
    """The name of the processor or the GPU."""
    import torch

    return str(describe_machine(torch.device(device))["device_name"])


TRIAL_CODE = (
    *(f"data/{name}.py" for name in ("batches", "cleaning", "sources", "splits", "tasks", "tokens", "word_tokens")),
    "evaluation/metrics.py",
    *(f"models/{name}.py" for name in ("decoder", "decoder_config")),
    *(f"search/{name}.py" for name in ("objective", "search_space")),
    *(f"training/{name}.py" for name in ("build", "loop", "recipe", "recipes")),
)
"""Files of the engine that decide what a trial gets."""


def code_digest() -> str:
    """Eight hexadecimal digits of the source that trials run: which code made a study, released or not."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for name in TRIAL_CODE:
        digest.update(name.encode() + b"\0" + (root / name).read_bytes())
    return digest.hexdigest()[:8]


def write_note(request: SearchRequest, attributes: Mapping[str, Any]) -> str:
    """The study's note in the dashboard, in Markdown."""
    rows, versions = attributes["rows"], attributes["versions"]
    return f"""\
# {request.data.task.title}: settings for the decoder from scratch

Each trial trains one small causal transformer on the train split and reports its **validation loss** (cross-entropy in
nats, lower is better) after every epoch. The test split is not read by any trial.

- **Data**: {request.data.source}, fingerprint `{attributes["fingerprint"]}`, {rows["train"]:,} train and
  {rows["validation"]:,} validation rows
- **Space**: {len(SPACE)} settings, digest `{attributes["space"]}`, at most {MAX_PARAMETERS / 1e6:.0f}M parameters
- **Sampler**: {request.sampler}; **pruner**: {request.pruner}; seed {request.seed}
- **Code**: Odzera {versions["odzera"]} (`{attributes["code"]}`), Optuna {versions["optuna"]}, torch {versions["torch"]}
- **Machine**: {attributes["machine"]} ({request.device})

A trial's attributes say what it got and cost: validation accuracy and macro F1 at its best epoch, parameters, epochs,
seconds, peak memory, and why it stopped. A failed trial has a `{REASON}`, or lost its worker and was queued again.
"""
