"""Worker processes that share one study, and the parent that starts, watches and replaces them.

Each worker holds the storage's lock from counting the trials until its own trial is registered. So the study ends with
exactly as many finished trials as were asked for, whoever is killed when, on however many hosts.
"""

import os
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from engine.errors import OdzeraError, SearchError
from engine.processes import Child
from engine.search.storage import TROUBLE, Retry, explained, hold, open_lock
from engine.search.study import REASON, WORKER, SearchRequest, Standing, join_study, open_study, standing_of

POLL_SECONDS = 1.0
FAILURES_IN_A_ROW = 20
HOPELESS_DEATHS = 5
"""Deaths of workers, per worker, without one trial finished between them, after which the parent gives up."""


class Orphaned(BaseException):
    """The parent is gone; not an `Exception`, so that the trial in hand isn't recorded as failed."""


@dataclass(frozen=True)
class Dropped:
    """What a worker sends its parent when others recorded its trial as failed while it ran."""

    trial: int


def search(request: SearchRequest) -> Generator[Standing, None, None]:
    """Bring the study to `request.trials` finished trials; yields how far it is, about once a second.

    Closed early (Ctrl-C, the time limit), it stops its workers and queues their trials again.

    Raises:
        SearchError: The study is another one's, or trials or workers fail again and again.
        StoreError: The storage can't be used.
    """
    study = open_study(request)
    deadline = time.monotonic() + request.minutes * 60 if request.minutes else None
    standing = _look(request, study)
    yield standing
    if standing.finished >= request.trials:
        return
    with _team(request, study) as team:
        while standing.finished < request.trials and (deadline is None or time.monotonic() < deadline):
            time.sleep(POLL_SECONDS)
            team.tend(standing.finished)
            standing = replace(_look(request, study), dropped=team.dropped)
            yield standing


def _look(request: SearchRequest, study: optuna.Study) -> Standing:
    with explained(request.storage):
        return standing_of(study.get_trials(deepcopy=False))


@dataclass
class _Member:
    token: str
    process: Child
    messages: Connection
    last_words: str = ""
    """Its reason to give up, which may come before its process has ended."""


class _Team:
    def __init__(self, request: SearchRequest, study: optuna.Study) -> None:
        self.request = request
        self.study = study
        self.members: list[_Member] = []
        self.deaths = 0
        self.finished = 0
        self.dropped = 0
        for _ in range(request.workers):
            self.hire()

    def hire(self) -> None:
        token = uuid.uuid4().hex[:8]
        # It ends by itself when this process does, after its trial is queued again.
        process = Child(work, self.request, token, os.getpid(), ends_with_parent=False)
        self.members.append(_Member(token, process, process.pipe))

    def tend(self, finished: int) -> None:
        """Replace workers that died; queue again what they held."""
        if finished > self.finished:
            self.deaths, self.finished = 0, finished
        for member in list(self.members):
            # Looked at first: what a process that has ended sent is in the pipe by then.
            gone = not member.process.is_alive()
            member.last_words = self._hear(member) or member.last_words
            if not gone:
                continue
            self.members.remove(member)
            member.messages.close()
            if member.last_words:
                raise SearchError(member.last_words)
            if member.process.exitcode == 0:
                # Nothing is left to start; the trials still running are others'.
                continue
            requeue(self.request, self.study, [member.token])
            self.deaths += 1
            if self.deaths >= HOPELESS_DEATHS * self.request.workers:
                raise SearchError(
                    f"Workers were killed {self.deaths} times without finishing a trial (the last one with exit code "
                    f"{member.process.exitcode}); is there enough memory for {self.request.workers} of them?"
                )
            self.hire()

    def _hear(self, member: _Member) -> str:
        """Count the trials that a worker dropped; its reason to give up, if it sent one."""
        try:
            while member.messages.poll():
                message = member.messages.recv()
                if not isinstance(message, Dropped):
                    return str(message)
                self.dropped += 1
        except (EOFError, OSError):
            pass
        return ""

    def dismiss(self) -> None:
        """End all workers at once: their trials are in the storage, and nowhere else."""
        for member in self.members:
            member.process.kill()
        for member in self.members:
            member.process.close()
        requeue(self.request, self.study, [member.token for member in self.members])

    def part(self) -> None:
        """Wait for workers that have nothing left to do."""
        for member in self.members:
            member.process.join(30)
        self.dismiss()


@contextmanager
def _team(request: SearchRequest, study: optuna.Study) -> Iterator[_Team]:
    team = _Team(request, study)
    try:
        yield team
    except BaseException:
        team.dismiss()
        raise
    if _look(request, study).finished >= request.trials:
        team.part()
    else:
        team.dismiss()


def requeue(request: SearchRequest, study: optuna.Study, tokens: list[str]) -> None:
    """Record the running trials of workers that are gone as failed, and queue their settings again."""
    again = Retry()
    with explained(request.storage), hold(open_lock(request.storage)):
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(WORKER) in tokens:
                _fail(study, trial, "its worker was stopped; its settings were queued again")
                again(study, study.trials[trial.number])


def _fail(study: optuna.Study, trial: FrozenTrial, reason: str) -> None:
    live = optuna.trial.Trial(study, trial._trial_id)
    try:
        live.set_user_attr(REASON, reason)
        study.tell(trial.number, state=TrialState.FAIL)
    except (UpdateFinishedTrialError, ValueError):
        # Its end was recorded in the meantime.
        return


def work(request: SearchRequest, token: str, parent: int, messages: Connection) -> None:
    """Run trials until none is left to start: a worker's whole life, in a process of its own.

    Args:
        request: What to search.
        token: Name under which its trials are kept.
        parent: Process that it belongs to.
        messages: Where a reason to give up is sent.
    """
    try:
        _work(request, token, parent, messages)
    except Orphaned:
        study = join_study(request, request.seed)
        requeue(request, study, [token])
    except OdzeraError as error:
        messages.send(str(error))
        raise SystemExit(1) from None


def _work(request: SearchRequest, token: str, parent: int, messages: Connection) -> None:
    import torch

    from engine.search.objective import Objective

    if request.device == "cpu":
        # Workers share the machine trial by trial; threads within a step would only wait for each other.
        torch.set_num_threads(1)
    lock = open_lock(request.storage)

    def alive() -> None:
        if os.getppid() != parent:
            raise Orphaned

    study = join_study(request, _own_seed(request, token))
    objective = Objective(request.data, request.device, request.seed, token, started=lock.release, alive=alive)
    while True:
        alive()
        with explained(request.storage), hold(lock):
            fail_stale_trials(study)
            _fail_unborn(study)
            trials = study.get_trials(deepcopy=False)
            standing = standing_of(trials)
            if standing.finished >= request.trials:
                return
            _give_up_on_failures(trials)
            if standing.finished + standing.running < request.trials:
                # The objective gives the lock back as soon as the trial is registered.
                dropped = run_trial(study, objective)
                if dropped is not None:
                    messages.send(Dropped(dropped))
                continue
        time.sleep(POLL_SECONDS)


def run_trial(study: optuna.Study, objective: Callable[[optuna.Trial], float]) -> int | None:
    """Run the next trial, unless others record its end meanwhile.

    A worker that slept, or whose clock or disk made it miss its heartbeats, is held for dead: the others record its
    trial as failed and queue its settings again, so the worker drops the trial.

    Returns:
        The number of the trial that was dropped, or None.
    """
    begun: list[optuna.Trial] = []

    def begin(trial: optuna.Trial) -> float:
        begun.append(trial)
        return objective(trial)

    try:
        study.optimize(begin, n_trials=1, catch=(Exception,))
    except (UpdateFinishedTrialError, ValueError, AssertionError) as error:
        # Optuna raises a ValueError where the end of a failed trial is told, and where its value can't be kept, an
        # AssertionError that hides the storage's error (optuna 5470).
        if begun and study._storage.get_trial(begun[0]._trial_id).state.is_finished():
            return begun[0].number
        if isinstance(error.__context__, TROUBLE):
            raise error.__context__  # noqa: B904 (what it hid keeps its own cause)
        raise
    return None


def _own_seed(request: SearchRequest, token: str) -> int:
    """One worker alone repeats itself exactly; several must not draw the same points."""
    return request.seed if request.workers == 1 else (request.seed + int(token, 16)) % 2**31


def _fail_unborn(study: optuna.Study) -> None:
    """Fail trials whose worker died before their first sign of life, which Optuna would keep running for ever.

    Who holds the lock and sees a running trial without its worker's name knows that the worker is dead: a live one
    writes its name before it gives the lock back.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if WORKER not in trial.user_attrs:
            _fail(study, trial, "its worker was killed before it began; its settings were queued again")
            Retry()(study, study.trials[trial.number])


def _give_up_on_failures(trials: list[FrozenTrial]) -> None:
    """Stop a study in which every trial fails: that is a fault of the data or the machine, not of some settings."""
    ended = [trial for trial in trials if trial.state.is_finished()][-FAILURES_IN_A_ROW:]
    if len(ended) == FAILURES_IN_A_ROW and all(
        trial.state == TrialState.FAIL and "queued again" not in trial.user_attrs.get(REASON, "queued again")
        for trial in ended
    ):
        raise SearchError(
            f"The last {FAILURES_IN_A_ROW} trials failed. The last reason: {ended[-1].user_attrs[REASON]}."
        )
