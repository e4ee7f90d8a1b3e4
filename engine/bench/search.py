"""Benchmarks run the search with several pruners, and against `Trainer.hyperparameter_search`."""

import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from operator import attrgetter
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from engine.bench.turns import BenchRecord
from engine.data.sources import TaskData
from engine.errors import SearchError
from engine.evaluation.turns import Tick, Turns, take_turns
from engine.processes import run_all
from engine.search.objective import Objective
from engine.search.search_space import SPACE, make_recipe, starting_points
from engine.search.storage import hold, open_lock, open_storage
from engine.search.study import PRUNERS, SearchRequest, Standing
from engine.search.workers import search


def benchmark_pruners(
    request: SearchRequest, pruners: Sequence[str], folder: Path, command: str = ""
) -> dict[str, Any]:
    """Search with each pruner for the same time on one core each, side by side, so that noise meets all alike.

    Args:
        request: What to search; `minutes` is the time that each pruner gets.
        pruners: Names of `PRUNERS`.
        folder: Where the studies are kept.
        command: What measures it again.

    Returns:
        Plain values: a `BenchRecord` with a row for each pruner, of trials, core-minutes and the best validation loss.
    """
    record = BenchRecord(command, request.data)
    start = time.monotonic()
    latest: dict[str, Standing] = {}
    with ExitStack() as stack:
        running = {}
        for pruner in pruners:
            # One name for all: Hyperband hashes it to choose a trial's ladder.
            one = dataclasses.replace(
                request, pruner=pruner, workers=1, trials=100_000, storage=str(folder / f"{pruner}.db"), name="pruners"
            )
            running[pruner] = stack.enter_context(closing(search(one)))
        while running:
            for pruner, standings in list(running.items()):
                try:
                    latest[pruner] = next(standings)
                except StopIteration:
                    del running[pruner]
    minutes = (time.monotonic() - start) / 60
    rows = [
        {
            "pruner": pruner,
            "core_minutes": round(minutes, 2),
            "finished": latest[pruner].finished,
            "complete": latest[pruner].complete,
            "best_validation_loss": latest[pruner].best_value,
        }
        for pruner in pruners
    ]
    return record.close(seed=request.seed, rows=rows)


OURS = "odzera"
SYSTEMS: Mapping[str, str] = {
    OURS: "odzera search: batches of like length, ASHA, one worker a core",
    "trainer-padded": "Trainer.hyperparameter_search, every text padded to 256 tokens, no pruner",
    "trainer-dynamic": "Trainer.hyperparameter_search, batches padded to their longest text, ASHA",
}
"""What is compared."""


@dataclasses.dataclass(frozen=True)
class SearchBenchmark:
    """What to measure."""

    data: TaskData
    trials: int = 20
    epochs: int = 3
    rounds: int = 2
    rows: int = 800
    """Train rows, and half as many for validation: padded to 256 tokens, all rows would take hours."""
    workers: int = 1
    seed: int = 0
    command: str = ""


@dataclasses.dataclass(frozen=True)
class _Round:
    """One system's share of the trials."""

    seconds: float
    """From the first trial's start to the last one's end: starting the programs is left out for all systems."""
    epochs: int


def benchmark_searches(request: SearchBenchmark, tick: Tick | None = None) -> dict[str, Any]:
    """Run the same trials (settings, data, seed, epochs) on every system of `SYSTEMS`, in turns.

    Returns:
        Plain values: a `BenchRecord` with a row for each system, of trials an hour, epochs run, and how many times as
        fast `odzera` is (median over rounds); and what failed.

    Raises:
        SearchError: The trials can't be shared out over the rounds.
        OdzeraError: Every system failed.
    """
    if request.trials % request.rounds:
        raise SearchError(f"--trials {request.trials} can't be shared out over {request.rounds} rounds.")
    record = BenchRecord(request.command, request.data)
    data = _cut(request.data, request.rows)
    settings = draw_settings(request.trials, request.seed)
    each = request.trials // request.rounds
    with tempfile.TemporaryDirectory() as folder:

        def measure(system: str, turn: int) -> _Round:
            storage = f"sqlite:///{Path(folder) / f'{system}-{turn}.db'}"
            _queue(storage, settings[turn * each : (turn + 1) * each], "none" if system == "trainer-padded" else "asha")
            _run(system, storage, data, request, each)
            return _measure(storage, each)

        found = take_turns(tuple(SYSTEMS), request.rounds, measure, tick)
    rows = [_summarise(found, system, request.trials) for system in found.results]
    return record.close(
        trials=request.trials,
        epochs=request.epochs,
        rounds=request.rounds,
        seed=request.seed,
        rows=rows,
        failures=found.failures,
    )


def _summarise(found: Turns[str, _Round], system: str, trials: int) -> dict[str, Any]:
    """A system's row."""
    seconds = attrgetter("seconds")
    hours = sum(found.figures(system, seconds)) / 3600
    epochs = sum(one.epochs for one in found.results[system])
    ratios = [1 / ratio for ratio in found.ratios(system, OURS, seconds)]
    return {
        "system": system,
        "what": SYSTEMS[system],
        "trials": trials,
        "epochs_run": epochs,
        "trials_per_hour": round(trials / hours),
        "epochs_per_hour": round(epochs / hours),
        "odzera_is_times_as_fast": round(statistics.median(ratios), 2) if ratios else None,
        "per_round": [round(ratio, 2) for ratio in ratios],
    }


def draw_settings(count: int, seed: int) -> list[dict[str, Any]]:
    """Settings that every system can try: a search's first ones of tokens, then such points drawn at random.

    The Trainer pads tokens alone, and its loss has no R-Drop.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    drawn = [study.ask(fixed_distributions=dict(SPACE)).params for _ in range(count)]
    first = [one for one in starting_points() if one["input"] == "tokens"]
    return [*first, *(one | {"input": "tokens", "r_drop": 0.0} for one in drawn)][:count]


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


def _run(system: str, storage: str, data: TaskData, request: SearchBenchmark, trials: int) -> None:
    """Run a round in processes of their own, with the threads that each system has by itself."""
    if system == OURS:
        own = (data, storage, request.epochs, request.seed)
        for _ in run_all(_run_trials, [own] * request.workers, request.workers):
            pass
        return
    # Our own workers don't import the Trainer.
    from engine.bench.trainer_search import trainer_search

    padded = system == "trainer-padded"
    asked = (data, storage, "bench", trials, request.epochs, padded, "none" if padded else "asha", request.workers)
    # Alone on the machine, threads that wait busily are the faster ones; a user would have them.
    for _ in run_all(trainer_search, [asked], 1, {"OMP_WAIT_POLICY": None}):
        pass


def _run_trials(data: TaskData, storage: str, epochs: int, seed: int) -> None:
    """A worker of our own search: runs trials from a queue that holds them all."""
    torch.set_num_threads(1)
    study = optuna.load_study(study_name="bench", storage=open_storage(storage), pruner=PRUNERS["asha"]())
    lock = open_lock(storage)
    objective = Objective(data, "cpu", seed, str(os.getpid()), started=lock.release, epochs=epochs)
    for trial in study.get_trials(deepcopy=False):
        # The Trainer's tokenizers aren't timed either.
        objective.tokenised.tokenizer(make_recipe(trial.system_attrs["fixed_params"]))
    while True:
        with hold(lock):
            if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                return
            study.optimize(objective, n_trials=1)


def _measure(storage: str, expected: int) -> _Round:
    """Read a round's time and epochs from its study."""
    study = optuna.load_study(study_name="bench", storage=open_storage(storage))
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    if len(ended) != expected:
        raise SearchError(f"{len(ended)} of {expected} trials were finished.")
    first = min(trial.datetime_start for trial in ended if trial.datetime_start)
    last = max(trial.datetime_complete for trial in ended if trial.datetime_complete)
    return _Round((last - first).total_seconds(), sum(len(trial.intermediate_values) for trial in ended))
