"""Measuring the search: pruners against each other, and the whole against what one would otherwise write."""

import dataclasses
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from engine.data.sources import TaskData
from engine.errors import SearchError
from engine.hub import client
from engine.search.objective import Objective
from engine.search.search_space import SPACE, make_recipe, starting_points
from engine.search.storage import hold, open_lock, open_storage
from engine.search.study import PRUNERS, SearchRequest, Standing
from engine.search.workers import search


def race_pruners(request: SearchRequest, pruners: Sequence[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Search with each pruner for the same time on one core each, side by side, so that noise meets all alike.

    Args:
        request: What to search; `minutes` is the time that each pruner gets.
        pruners: Names of `PRUNERS`.
        folder: Where the studies are kept.

    Yields:
        A row for each pruner: trials, core-minutes and the best validation loss.
    """
    start = time.monotonic()
    latest: dict[str, Standing] = {}
    with ExitStack() as stack:
        running = {}
        for pruner in pruners:
            # One name for all: Hyperband hashes it to choose a trial's ladder.
            one = dataclasses.replace(
                request, pruner=pruner, workers=1, trials=100_000, storage=str(folder / f"{pruner}.db"), name="race"
            )
            running[pruner] = stack.enter_context(closing(search(one)))
        while running:
            for pruner, standings in list(running.items()):
                try:
                    latest[pruner] = next(standings)
                except StopIteration:
                    del running[pruner]
    minutes = (time.monotonic() - start) / 60
    for pruner in pruners:
        standing = latest[pruner]
        yield {
            "pruner": pruner,
            "core_minutes": round(minutes, 2),
            "finished": standing.finished,
            "complete": standing.complete,
            "best_validation_loss": standing.best_value,
        }


SYSTEMS: Mapping[str, str] = {
    "odzera": "odzera search: batches of like length, ASHA, one worker a core",
    "trainer-padded": "Trainer.hyperparameter_search, every text padded to 256 tokens, no pruner",
    "trainer-dynamic": "Trainer.hyperparameter_search, batches padded to their longest text, ASHA",
}


@dataclasses.dataclass(frozen=True)
class BenchRequest:
    """What to race on."""

    data: TaskData
    trials: int = 20
    epochs: int = 3
    rounds: int = 2
    rows: int = 800
    """Train rows, and half as many for validation: padded to 256 tokens, all rows would take hours."""
    workers: int = 1
    seed: int = 0


def race_searches(request: BenchRequest) -> Iterator[dict[str, Any]]:
    """Run the same trials (settings, data, seed, epochs) on every system of `SYSTEMS`, in turns.

    A round's time runs from its first trial's start to its last one's end: starting the programs is left out for all.

    Yields:
        A row for each system: trials an hour, epochs run, and how many times as fast `odzera` is (median over rounds).
    """
    if request.trials % request.rounds:
        raise SearchError(f"--trials {request.trials} can't be shared out over {request.rounds} rounds.")
    data = _cut(request.data, request.rows)
    settings = draw_settings(request.trials, request.seed)
    each = request.trials // request.rounds
    hours: dict[str, list[float]] = {system: [] for system in SYSTEMS}
    epochs = dict.fromkeys(SYSTEMS, 0)
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(request.rounds):
            share = settings[turn * each : (turn + 1) * each]
            for system in SYSTEMS:
                storage = f"sqlite:///{Path(folder) / f'{system}-{turn}.db'}"
                _queue(storage, share, "none" if system == "trainer-padded" else "asha")
                _run(system, storage, data, request, each)
                seconds, run = _measure(storage, each)
                hours[system].append(seconds / 3600)
                epochs[system] += run
    for system, says in SYSTEMS.items():
        ratios = [theirs / ours for theirs, ours in zip(hours[system], hours["odzera"], strict=True)]
        yield {
            "system": system,
            "what": says,
            "trials": request.trials,
            "epochs_run": epochs[system],
            "trials_per_hour": round(request.trials / sum(hours[system])),
            "epochs_per_hour": round(epochs[system] / sum(hours[system])),
            "odzera_is_times_as_fast": round(statistics.median(ratios), 2),
            "per_round": [round(ratio, 2) for ratio in ratios],
        }


def draw_settings(count: int, seed: int) -> list[dict[str, Any]]:
    """Settings that every system tries: the first ones of a search, then points drawn at random."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    drawn = [study.ask(fixed_distributions=dict(SPACE)).params for _ in range(count)]
    return [*starting_points(), *drawn][:count]


def _cut(data: TaskData, rows: int) -> TaskData:
    """The first rows of train, and half as many of validation."""
    limits = {"train": rows, "validation": rows // 2}
    place = data.frame.groupby("split").cumcount()
    limit = data.frame["split"].map(limits).fillna(0)
    return dataclasses.replace(data, frame=data.frame[(place < limit)].reset_index(drop=True))


def _queue(storage: str, settings: Sequence[Mapping[str, Any]], pruner: str) -> None:
    study = optuna.create_study(study_name="bench", storage=open_storage(storage), pruner=PRUNERS[pruner]())
    for one in settings:
        study.enqueue_trial(dict(one))


def _run(system: str, storage: str, data: TaskData, request: BenchRequest, trials: int) -> None:
    """Run a round in processes of their own, with the threads that each system has by itself."""
    context = multiprocessing.get_context("spawn")
    if system == "odzera":
        calls: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
            (_odzera_worker, (data, storage, request.epochs, request.seed)) for _ in range(request.workers)
        ]
        waiting: dict[str, str | None] = {}
    else:
        padded = system == "trainer-padded"
        pruner = "none" if padded else "asha"
        calls = [(_rival, (data, storage, "bench", trials, request.epochs, padded, pruner, request.workers))]
        # Alone on the machine, threads that wait busily are the faster ones; a user would have them.
        waiting = {"OMP_WAIT_POLICY": None}
    with _environment(waiting):
        processes = [context.Process(target=target, args=arguments) for target, arguments in calls]
        for process in processes:
            process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SearchError(f"{system} ended with exit code {process.exitcode}.")


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}

    def put(values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    put(changes)
    try:
        yield
    finally:
        put(before)


def _rival(*arguments: Any) -> None:
    from engine.bench.trainer_search import trainer_search

    trainer_search(*arguments)


def _odzera_worker(data: TaskData, storage: str, epochs: int, seed: int) -> None:
    """The trials of a search, from a queue that holds them all."""
    import torch

    client.be_quiet()
    torch.set_num_threads(1)
    study = optuna.load_study(study_name="bench", storage=open_storage(storage), pruner=PRUNERS["asha"]())
    lock = open_lock(storage)
    objective = Objective(data, "cpu", seed, str(os.getpid()), started=lock.release, epochs=epochs)
    for trial in study.get_trials(deepcopy=False):
        # The rival's tokenizers aren't timed either.
        objective.tokenised.tokenizer(make_recipe(trial.system_attrs["fixed_params"]))
    while True:
        with hold(lock):
            if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                return
            study.optimize(objective, n_trials=1)


def _measure(storage: str, expected: int) -> tuple[float, int]:
    """Seconds from the first start to the last end, and epochs run in all."""
    study = optuna.load_study(study_name="bench", storage=open_storage(storage))
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    if len(ended) != expected:
        raise SearchError(f"{len(ended)} of {expected} trials were finished.")
    first = min(trial.datetime_start for trial in ended if trial.datetime_start)
    last = max(trial.datetime_complete for trial in ended if trial.datetime_complete)
    return (last - first).total_seconds(), sum(len(trial.intermediate_values) for trial in ended)
