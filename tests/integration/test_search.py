"""Searching: exactly as many finished trials as asked for, whoever dies; failures recorded; the rest as one expects."""

import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from engine.data.sources import TaskData
from engine.errors import OdzeraError, SearchError
from engine.paths import ROOT
from engine.search import workers
from engine.search.objective import Objective, TrialFailed, explain
from engine.search.search_space import starting_points
from engine.search.storage import open_storage
from engine.search.study import REASON, WORKER, SearchRequest, open_study
from engine.search.workers import requeue, run_trial, search, work
from support.models import cut
from support.searches import SEARCH, children, command, save_rows

SMALL = starting_points()[0] | {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 1, "epochs": 4}
KEPT = {
    "validation_accuracy",
    "validation_macro_f1",
    "validation_loss",
    "parameters",
    "epochs_run",
    "best_epoch",
    "seconds",
    "peak_memory_mb",
    "stop",
    WORKER,
}


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A storage of the test's own."""
    return str(tmp_path / "optuna.db")


def request_of(data: TaskData, address: str, **changes: Any) -> SearchRequest:
    """A small search."""
    return SearchRequest(**{"data": data, "storage": address, "trials": 6, "name": "study"} | changes)


def study_with(request: SearchRequest, *settings: dict[str, Any]) -> optuna.Study:
    """A study whose queue holds these settings alone."""
    study = optuna.create_study(
        study_name=request.study_name,
        storage=open_storage(request.storage),
        pruner=optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    for one in settings:
        study.enqueue_trial(one)
    return study


@pytest.fixture
def quick_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first trials of a study last a second each, where those that a sampler draws may last many."""
    points = [SMALL | {"lr": 1e-3 * 2**-number} for number in range(8)]
    monkeypatch.setattr("engine.search.study.starting_points", lambda: points)


def run_one(data: TaskData, address: str, settings: dict[str, Any], **changes: Any) -> optuna.trial.FrozenTrial:
    """Run one trial with these settings."""
    study = study_with(request_of(data, address), settings)
    study.optimize(Objective(data, "cpu", 0, "me", **changes), n_trials=1, catch=(Exception,))
    return study.trials[-1]


def test_a_trial_keeps_what_a_person_wants_to_see(few: TaskData, address: str) -> None:
    trial = run_one(few, address, SMALL)
    assert trial.state == TrialState.COMPLETE
    assert set(trial.user_attrs) == KEPT
    assert trial.user_attrs["epochs_run"] == len(trial.intermediate_values)
    assert list(trial.intermediate_values) == list(range(1, len(trial.intermediate_values) + 1))
    assert trial.value == min(trial.intermediate_values.values())
    assert trial.user_attrs["stop"] in ("epochs", "patience")
    assert 0 <= trial.user_attrs["validation_accuracy"] <= 1
    assert trial.user_attrs["parameters"] > 32 * 512


def test_the_same_settings_and_seed_give_the_same_loss(few: TaskData, address: str) -> None:
    assert run_one(few, address, SMALL).value == run_one(few, address, SMALL).value


def test_no_trial_reads_the_test_split(few: TaskData, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    split = TaskData.split

    def watched(self: TaskData, name: str) -> Any:
        asked.append(name)
        return split(self, name)

    monkeypatch.setattr(TaskData, "split", watched)
    run_one(few, address, SMALL)
    assert set(asked) == {"train", "validation"}


def test_a_pruned_trial_says_so_and_keeps_its_figures(few: TaskData, address: str) -> None:
    study = study_with(request_of(few, address), SMALL)
    study.pruner = optuna.pruners.ThresholdPruner(upper=0.0)
    study.optimize(Objective(few, "cpu", 0, "me"), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs["stop"] == "pruned"
    assert trial.user_attrs["epochs_run"] == 1


def test_a_trial_that_diverges_is_recorded_with_its_reason_and_the_study_goes_on(few: TaskData, address: str) -> None:
    study = study_with(request_of(few, address), SMALL, SMALL)
    objective = Objective(few, "cpu", 0, "me")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.training.loop.evaluate", lambda *_: dict.fromkeys(("loss", "accuracy"), float("nan")))
        study.optimize(objective, n_trials=1, catch=(Exception,))
    study.optimize(objective, n_trials=1, catch=(Exception,))
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert "diverged" in study.trials[0].user_attrs[REASON]
    assert "lr 0.003 is too large" in study.trials[0].user_attrs[REASON]


def test_a_trial_that_diverges_late_is_a_failure_too(few: TaskData, address: str) -> None:
    from engine.training import loop

    calls = []

    def worse(*arguments: Any) -> dict[str, float]:
        calls.append(1)
        figures = loop.headline(arguments[1].labels, loop.predict(*arguments[:4]))
        return figures | {"loss": float("nan")} if len(calls) == 3 else figures

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.training.loop.evaluate", worse)
        trial = run_one(few, address, SMALL)
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs[REASON] == "diverged in epoch 3: the loss is not a number"
    assert len(trial.intermediate_values) == 2


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: 1 bytes."),
    ],
)
def test_a_trial_without_memory_is_recorded_with_its_reason(few: TaskData, address: str, error: Exception) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.search.objective.build", broken)
        trial = run_one(few, address, SMALL)
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs[REASON] == "out of memory"


def test_reasons_are_one_line() -> None:
    assert explain(TrialFailed("diverged in epoch 2")) == "diverged in epoch 2"
    assert explain(OdzeraError("no such thing")) == "no such thing"
    assert explain(ValueError("a\n  b")) == "ValueError: a b"
    assert explain(ValueError()) == "ValueError: ValueError"
    assert len(explain(ValueError("x" * 5000))) == 300


@pytest.mark.usefixtures("quick_trials")
def test_a_search_ends_with_exactly_the_trials_asked_for(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=5, workers=2)
    standings = list(search(request))
    last = standings[-1]
    assert (last.finished, last.running) == (5, 0)
    study = open_study(request)
    assert sum(trial.state.is_finished() for trial in study.trials) == 5 + last.failed
    assert {trial.user_attrs[WORKER] for trial in study.trials if trial.state == TrialState.COMPLETE}
    # The same request again runs nothing.
    assert [one.finished for one in search(request)] == [5]
    # More trials are those that are missing.
    assert list(search(dataclasses.replace(request, trials=6, workers=1)))[-1].finished == 6


@pytest.mark.slow
def test_one_worker_with_one_seed_repeats_itself(few: TaskData, tmp_path: Path) -> None:
    found = []
    for place in ("a", "b"):
        request = request_of(few, str(tmp_path / f"{place}.db"), trials=5, seed=4)
        list(search(request))
        found.append([(trial.params, trial.value) for trial in open_study(request).trials])
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_other_samplers_search_too(few: TaskData, address: str, sampler: str) -> None:
    request = request_of(few, address, trials=4, sampler=sampler)
    assert list(search(request))[-1].finished == 4
    points = {str(sorted(trial.params.items())) for trial in open_study(request).trials}
    assert len(points) == 4


def test_the_time_limit_stops_a_search_and_loses_nothing(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=1000, minutes=0.15)
    start = time.monotonic()
    last = list(search(request))[-1]
    assert time.monotonic() - start < 60
    study = open_study(request)
    states = Counter(trial.state for trial in study.trials)
    assert last.finished < 1000
    assert states[TrialState.RUNNING] == 0
    stopped = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    waiting = [trial.params for trial in study.trials if trial.state == TrialState.WAITING]
    for trial in stopped:
        assert "queued again" in trial.user_attrs[REASON]
        assert trial.params in waiting


def running_with_a_worker(request: SearchRequest) -> int:
    """How many trials run whose worker has signed them, which it does a moment after they are registered."""
    study = optuna.load_study(study_name=request.study_name, storage=open_storage(request.storage))
    return sum(WORKER in one.user_attrs for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def test_a_search_closed_early_leaves_no_process_behind(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=1000, workers=2)
    with closing(search(request)) as standings:
        for _ in standings:
            if running_with_a_worker(request) == 2:
                break
        assert len(children(os.getpid())) >= 2
    assert not [pid for pid in children(os.getpid()) if "spawn_main" in command(pid)]
    assert not open_study(request).get_trials(states=(TrialState.RUNNING,))


def test_a_worker_that_was_killed_is_replaced(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=2, workers=1)
    killed = False
    for standing in search(request):  # noqa: B007 (the last one is looked at)
        if not killed and running_with_a_worker(request):
            os.kill(worker_of(os.getpid()), signal.SIGKILL)
            killed = True
    assert killed
    assert (standing.finished, standing.running) == (2, 0)
    failed = open_study(request).get_trials(states=(TrialState.FAIL,))
    assert [trial.user_attrs[REASON] for trial in failed] == ["its worker was stopped; its settings were queued again"]


def fail_from_outside(address: str, trial_id: int) -> None:
    """Record a trial as failed, as another worker does with one whose heartbeat is overdue."""
    open_storage(address).set_trial_state_values(trial_id, state=TrialState.FAIL)


@pytest.mark.parametrize("moment", ["reporting", "ending", "pruned", "failing"])
def test_a_trial_that_others_held_for_dead_is_dropped(few: TaskData, address: str, moment: str) -> None:
    study = study_with(request_of(few, address))

    def objective(trial: optuna.Trial) -> float:
        fail_from_outside(address, trial._trial_id)
        if moment == "reporting":
            trial.report(0.5, 1)
        if moment == "pruned":
            raise optuna.TrialPruned
        if moment == "failing":
            raise ValueError("no such rate")
        return 0.5

    assert run_trial(study, objective) == 0
    assert run_trial(study, lambda trial: 0.4) is None
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_what_a_storage_says_is_not_hidden_by_optunas_assertion(
    few: TaskData, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_with(request_of(few, address))

    def full(*_: object, **__: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(study._storage), "set_trial_state_values", full)
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            run_trial(study, lambda trial: 0.4)
    with pytest.raises(KeyboardInterrupt):
        run_trial(study, interrupts)


def interrupts(trial: optuna.Trial) -> float:
    """A person who presses Ctrl-C."""
    raise KeyboardInterrupt


def test_a_heartbeat_that_cant_be_kept_ends_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise optuna.exceptions.StorageInternalError("database is locked")

    opened = open_storage(address)
    monkeypatch.setattr(optuna.storages.RDBStorage, "record_heartbeat", locked)
    opened.record_heartbeat(1)


@pytest.mark.slow
def test_a_search_whose_running_trials_are_failed_from_outside_ends_exactly(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=5, workers=2)
    study = open_study(request)
    failed: set[int] = set()
    for standing in search(request):  # noqa: B007 (the last one is looked at)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if len(failed) < 3 and WORKER in trial.user_attrs:
                with suppress(optuna.exceptions.UpdateFinishedTrialError):
                    fail_from_outside(address, trial._trial_id)
                    failed.add(trial.number)
    assert (standing.finished, standing.running) == (5, 0)
    assert 1 <= standing.dropped <= len(failed)


@pytest.mark.slow
def test_a_worker_that_slept_past_its_heartbeats_goes_on(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=12, workers=2, heartbeat=1, grace=3)
    # Woken from outside: asleep in the middle of a write, it keeps the others out of the file, this process included.
    alarm: threading.Timer | None = None
    for standing in search(request):
        if alarm is None and standing.running == 2:
            asleep = worker_of(os.getpid())
            os.kill(asleep, signal.SIGSTOP)
            alarm = threading.Timer(12, os.kill, (asleep, signal.SIGCONT))
            alarm.start()
    assert alarm is not None
    assert alarm.finished.is_set()
    assert (standing.finished, standing.running) == (12, 0)


@pytest.mark.slow
def test_workers_that_die_at_once_end_the_search_with_a_line(
    few: TaskData, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "work", dies)
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.1)
    with pytest.raises(SearchError, match="enough memory"):
        list(search(request_of(few, address)))


def dies(*_: Any) -> None:
    """A worker that the system kills."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_study_in_which_every_trial_fails_ends_with_the_reason(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=500)
    study = open_study(request)
    for _ in range(workers.FAILURES_IN_A_ROW):
        trial = study.ask()
        trial.set_user_attr(REASON, "ValueError: no good")
        study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(SearchError, match=r"The last 20 trials failed\. The last reason: ValueError: no good\."):
        list(search(request))


def test_an_orphaned_worker_queues_its_trial_again_and_leaves(few: TaskData, address: str) -> None:
    request = request_of(few, address)
    open_study(request)

    class Pipe:
        def send(self, message: str) -> None:
            raise AssertionError(message)

    # Its parent is said to be a process that isn't its parent.
    before = signal.getsignal(signal.SIGINT)
    try:
        work(request, "abcdef01", os.getpid(), Pipe())  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGINT, before)
    assert not open_study(request).get_trials(states=(TrialState.RUNNING,))


def test_queueing_again_touches_only_the_workers_that_are_gone(few: TaskData, address: str) -> None:
    request = request_of(few, address)
    study = study_with(request, SMALL, SMALL)
    for name in ("gone", "here"):
        trial = study.ask()
        trial.suggest_categorical("vocab_size", [512])
        trial.set_user_attr(WORKER, name)
    requeue(request, study, ["gone"])
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING]


def test_a_trial_whose_worker_died_before_its_first_sign_of_life_is_queued_again(few: TaskData, address: str) -> None:
    request = request_of(few, address, trials=3)
    study = study_with(request)
    open_study(dataclasses.replace(request, name="other"))
    study.ask()
    workers._fail_unborn(study)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]


def worker_of(pid: int) -> int:
    """One of a search's workers."""
    return next(child for child in children(pid) if "spawn_main" in command(child))


def running_trials(path: Path) -> int:
    """How many trials run now; none before there is a study."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM trials WHERE state = 'RUNNING'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trials", "workers_", "kills"),
    [(14, 2, 4), pytest.param(60, 3, 12, marks=pytest.mark.timeout(1500))],
)
def test_killed_at_random_moments_a_search_ends_with_exactly_its_trials(
    few: TaskData, tmp_path: Path, trials: int, workers_: int, kills: int
) -> None:
    rows, storage, program = tmp_path / "rows.csv", tmp_path / "optuna.db", tmp_path / "search.py"
    save_rows(few, rows)
    program.write_text(SEARCH, encoding="utf-8")
    chance = random.Random(7)  # noqa: S311 (no secret)
    log = tmp_path / "log"
    killed = Counter[str]()

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, str(program), str(rows), str(storage), str(trials), str(workers_)],
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )

    parent = start()
    deadline = time.monotonic() + 1400
    while parent.poll() is None and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.5, 4))
        # Workers are killed while they work, not while they start.
        if sum(killed.values()) >= kills or parent.poll() is not None or not running_trials(storage):
            continue
        team = [child for child in children(parent.pid) if "spawn_main" in command(child)]
        if killed["worker"] and chance.random() < 0.25:
            # All at once, the parent first, so that nobody tidies up.
            os.killpg(parent.pid, signal.SIGKILL)
            parent.wait()
            killed["all"] += 1
            parent = start()
        elif team:
            os.kill(chance.choice(team), signal.SIGKILL)
            killed["worker"] += 1
    assert parent.wait(10) == 0, log.read_text(encoding="utf-8")[-3000:]
    assert killed["worker"]
    assert sum(killed.values()) >= min(kills, 2)
    study = optuna.load_study(study_name="study", storage=open_storage(str(storage)))
    states = Counter(trial.state for trial in study.trials)
    assert states[TrialState.COMPLETE] + states[TrialState.PRUNED] == trials, (states, killed)
    assert states[TrialState.RUNNING] == 0
    assert states[TrialState.FAIL] >= 1, killed
    numbers = [trial.number for trial in study.trials]
    assert numbers == list(range(len(numbers)))
    assert sqlite3.connect(storage).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "Traceback" not in log.read_text(encoding="utf-8")


HAMMER = """
import sys, time
import optuna
from engine.search.storage import hold, open_lock, open_storage
address, until = sys.argv[1], time.time() + float(sys.argv[2])
study = optuna.load_study(study_name="hammer", storage=open_storage(address, heartbeat=1))
lock = open_lock(address)
def objective(trial):
    lock.release()
    x = trial.suggest_float("x", 0, 1)
    for step in range(5):
        trial.report(x + step, step)
        trial.set_user_attr(f"step{step}", step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x
done = 0
while time.time() < until:
    with hold(lock):
        study.optimize(objective, n_trials=1)
    done += 1
print(done)
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_four_workers_on_one_file_never_find_it_locked(tmp_path: Path) -> None:
    """`ODZERA_LOCK_SECONDS=600` makes it the ten minutes that were measured once."""
    duration = float(os.environ.get("ODZERA_LOCK_SECONDS", "45"))
    address = str(tmp_path / "optuna.db")
    optuna.create_study(study_name="hammer", storage=open_storage(address))
    program = tmp_path / "hammer.py"
    program.write_text(HAMMER, encoding="utf-8")
    processes = [
        subprocess.Popen(
            [sys.executable, str(program), address, str(duration)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    ended = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, [error[-800:] for _, error in ended]
    study = optuna.load_study(study_name="hammer", storage=open_storage(address))
    finished = sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials)
    assert finished == sum(int(said) for said, _ in ended) == len(study.trials)
    assert sqlite3.connect(address).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_pairs_are_searched_on_like_single_texts(nli: TaskData, address: str) -> None:
    trial = run_one(cut(nli), address, SMALL)
    assert trial.state == TrialState.COMPLETE
    assert set(trial.user_attrs) == KEPT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_file_that_many_write_to_is_whole_after_thirty_kills(tmp_path: Path) -> None:
    address = str(tmp_path / "optuna.db")
    optuna.create_study(study_name="hammer", storage=open_storage(address))
    program = tmp_path / "hammer.py"
    program.write_text(HAMMER, encoding="utf-8")
    chance = random.Random(3)  # noqa: S311 (no secret)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(program), address, "600"],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )

    team = [start() for _ in range(3)]
    deadline = time.monotonic() + 500
    while not (found := trials_in(Path(address))) and time.monotonic() < deadline:
        time.sleep(0.2)
    for _ in range(30):
        # Killed while somebody writes: only after a trial more than there was.
        while trials_in(Path(address)) == found and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.4))
        found = trials_in(Path(address))
        victim = team.pop(0)
        victim.kill()
        victim.wait()
        assert victim.returncode == -signal.SIGKILL
        team.append(start())
    for process in team:
        process.kill()
        process.wait()
    assert time.monotonic() < deadline
    assert sqlite3.connect(address).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert sqlite3.connect(address).execute("PRAGMA foreign_key_check").fetchall() == []
    numbers = [trial.number for trial in optuna.load_study(study_name="hammer", storage=open_storage(address)).trials]
    assert numbers == list(range(len(numbers)))


def trials_in(path: Path) -> int:
    """How many trials there are."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        return int(connection.execute("SELECT count(*) FROM trials").fetchone()[0])
