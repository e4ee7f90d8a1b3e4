"""Training runs started from the page: one at a time, each in a process of its own that ends with the page's."""

import dataclasses
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.data.sources import SAMPLE, load
from engine.data.tasks import TASKS, get_task
from engine.errors import CheckpointError, OdzeraError, RecipeError
from engine.experiments.plan import Plan, estimate_small, list_taken, make_plan
from engine.experiments.record import Finished, Request, adopt_checkpoints
from engine.experiments.run import run_experiment
from engine.messages import Message
from engine.paths import Places
from engine.processes import Child, be_nice, call_apart, cores, describe_end
from engine.store import Store, epoch_row
from engine.training.checkpoints import read_checkpoint, require_writable
from engine.training.loop import Epoch

STAGING = "page"
"""Where a run keeps all it writes until it is over, in the folder of unfinished runs."""
TICK_SECONDS = 0.3
END_SECONDS = 5.0
SAMPLE_LICENCE = "CC0"


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    plan: Plan
    state: str = "opening"
    """`opening`, `training`, `testing`, then `done`, `cancelled` or `failed`."""
    epochs: tuple[Mapping[str, Any], ...] = ()
    """Rows as `engine.store.Store.epochs` gives them."""
    best_epoch: int | None = None
    stop: str = ""
    """Why training ended; empty while it goes on, and where it was ended."""
    batches: tuple[int, int] = (0, 0)
    """Batches of the present epoch that are done, and all of them."""
    seconds: float = 0.0
    """Since it was started."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """`accuracy` and `macro_f1` on test, once it is done."""
    fingerprint: str = ""
    """Of its data, once it is done."""
    reason: str = ""
    """Why it failed, in a sentence."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "cancelled", "failed")


class TrainingRuns:
    """Starts, follows and cancels the page's training run; whoever looks sees the same one.

    All that a run writes lies in one folder until the model is whole, is then moved to the others by one rename, and
    is deleted with the folder otherwise. So a run may be killed at any moment.
    """

    def __init__(
        self, places: Places, store: Store, on_new: Callable[[str], None] = lambda task: None, source: str = SAMPLE
    ) -> None:
        """Take the places where models are kept, and who is told of a new one.

        Args:
            places: Where models and results are kept.
            store: Results; those of a new model are added.
            on_new: Called with the task of each new model, once its files are in their place.
            source: What is trained on: `sample`, or a path.
        """
        self._places = places
        self._store = store
        self._on_new = on_new
        self._source = source
        self._guard = threading.Lock()
        self._estimating = threading.Lock()
        self._estimates: dict[str, dict[str, tuple[float, float]]] = {}
        self._hold = FileLock(places.training / f"{STAGING}.lock", thread_local=False)
        self._process: Child | None = None
        self._progress: Progress | None = None
        self._cancelled = False
        self._started = 0.0
        self._over = threading.Event()

    def plan(self, task: object, recipe: object, name: object = "", **changes: object) -> Plan:
        """See `engine.experiments.plan.make_plan`; the names that are taken are those here."""
        known = isinstance(task, str) and task in TASKS
        taken = list_taken(self._places.checkpoints, self._store, get_task(str(task))) if known else ()
        return make_plan(task, recipe, name, taken, **changes)

    def expect(self, plan: Plan) -> float | None:
        """About how many seconds a run would take if it used all its epochs; None where no estimate was made yet."""
        if plan.task not in self._estimates:
            return None
        beside, each = self._estimates[plan.task][plan.recipe.name]
        return beside + each * plan.recipe.epochs

    def estimate(self, task: str) -> None:
        """Make the estimates for a task, which takes some seconds the first time, in a process of its own.

        Raises:
            OdzeraError: It can't be told.
        """
        with self._estimating:
            if task not in self._estimates:
                self._estimates[task] = call_apart(_estimate_nicely, task, self._source)

    def look(self) -> Progress | None:
        """The run under way, or the last one; None where there was none."""
        with self._guard:
            progress = self._progress
            if progress is None or progress.is_over:
                return progress
            return dataclasses.replace(progress, seconds=time.monotonic() - self._started)

    def start(self, plan: Plan) -> None:
        """Begin a run.

        Raises:
            RecipeError: Another one is under way.
            CheckpointError: Nothing can be written there.
        """
        with self._guard:
            if self._process is not None and self._progress is not None:
                name = self._progress.plan.name
                raise RecipeError(
                    Message(
                        "{name} is being trained just now, and one run at a time is all there is. Wait for it.",
                        name=name,
                    )
                )
            require_writable(self._places.checkpoints)
            self._places.training.mkdir(parents=True, exist_ok=True)
            try:
                self._hold.acquire(timeout=0)
            except Timeout:
                raise RecipeError(
                    Message("Another page trains a model on these files just now. Wait for it.")
                ) from None
            try:
                shutil.rmtree(self._staging, ignore_errors=True)
                # One core stays free for those who ask the models.
                threads = max(1, cores() - 1)
                process = Child(_train_apart, plan, self._source, self._staging, threads=threads)
            except OSError as error:
                self._hold.release()
                raise CheckpointError(Message("A process can't be started: {reason}.", reason=str(error))) from error
            self._process, self._cancelled, self._started = process, False, time.monotonic()
            self._progress = Progress(plan)
            self._over.clear()
        threading.Thread(target=self._follow, args=(process,), name="training", daemon=True).start()

    def cancel(self) -> bool:
        """End the run under way and leave nothing of it; whether there was one."""
        with self._guard:
            process = self._process
            if process is None:
                return False
            self._cancelled = True
            # All it has written is deleted, so there is nothing that it would have to tidy up.
            process.kill()
        self._over.wait(END_SECONDS)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until no run is under way; whether that came about in time."""
        return self._process is None or self._over.wait(seconds)

    @property
    def _staging(self) -> Path:
        return self._places.training / STAGING

    def _follow(self, process: Child) -> None:
        """Hear what the process says until it ends, and keep its model."""
        finished, reason = "", ""
        news: dict[str, Any]
        with suppress(EOFError, OSError):
            while True:
                kind, value = process.pipe.recv()
                if kind == "finished":
                    finished = value
                elif kind == "failed":
                    reason = value
                else:
                    self._tell(**HEARD[kind](value))
        process.join()
        process.close()
        reason = reason or describe_end(process.exitcode)
        with self._guard:
            try:
                news = {"state": "cancelled"} if self._cancelled else {"state": "failed", "reason": reason}
                if finished and not self._cancelled:
                    news = self._keep(Path(finished))
            except (OdzeraError, OSError) as error:
                news = {"state": "failed", "reason": error.args[0] if isinstance(error, OdzeraError) else str(error)}
            shutil.rmtree(self._staging, ignore_errors=True)
            assert self._progress is not None
            self._progress = dataclasses.replace(self._progress, seconds=time.monotonic() - self._started, **news)
            self._process = None
            self._hold.release()
        self._over.set()

    def _tell(self, **news: Any) -> None:
        with self._guard:
            assert self._progress is not None
            if "epoch" in news:
                epoch = news.pop("epoch")
                news["epochs"] = (*self._progress.epochs, epoch_row(epoch))
                if epoch["is_best"]:
                    news["best_epoch"] = epoch["number"]
                news["stop"] = epoch["stop"]
                news["state"] = "testing" if epoch["stop"] else "training"
                news["batches"] = (0, 0)
            self._progress = dataclasses.replace(self._progress, **news)

    def _keep(self, made: Path) -> dict[str, Any]:
        """Move the model to the others, add its results to the store, and tell of it."""
        task = get_task(made.parent.name)
        folder = self._places.checkpoints / task.name / made.name
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            raise CheckpointError(Message("A model called {name} has come meanwhile.", name=made.name))
        os.rename(made, folder)
        adopt_checkpoints(self._store, self._places.checkpoints, task)
        self._on_new(task.name)
        manifest = read_checkpoint(folder).manifest
        test = manifest["run"]["record"]["scores"]["test"]
        return {
            "state": "done",
            "scores": {key: test[key] for key in ("accuracy", "macro_f1")},
            "fingerprint": manifest["data"]["fingerprint"],
        }


HEARD: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "batches": lambda counts: {"batches": counts, "state": "training"},
    "epoch": lambda epoch: {"epoch": epoch},
    "testing": lambda _: {"state": "testing"},
}
"""What a process says → what is new by it."""


def _estimate_nicely(task: str, source: str) -> dict[str, tuple[float, float]]:
    # Those who ask the models meanwhile come first.
    be_nice()
    return estimate_small(task, source)


def _train_apart(plan: Plan, source: str, staging: Path, pipe: Connection) -> None:
    """In the process: train, and tell of it."""
    # Those who ask the models meanwhile come first.
    be_nice()
    last = 0.0

    def tick(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TICK_SECONDS:
            last = time.monotonic()
            pipe.send(("batches", (done, total)))

    try:
        data = load(get_task(plan.task), source)
        licence = SAMPLE_LICENCE if source == SAMPLE else ""
        request = Request(plan.recipe, data, staging, staging / "state", plan.name, "cpu", licence)
        if plan.recipe.kind == "baseline":
            pipe.send(("batches", (0, 0)))
        for event in run_experiment(request, Store.in_memory(), tick):
            if isinstance(event, Epoch):
                pipe.send(("epoch", dataclasses.asdict(event)))
            elif isinstance(event, Finished):
                pipe.send(("finished", str(event.checkpoint.folder)))
    except OdzeraError as error:
        pipe.send(("failed", error.args[0]))
