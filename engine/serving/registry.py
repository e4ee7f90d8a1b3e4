"""The registry knows the trained models of a folder and opens each of them once."""

import statistics
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.data.tasks import TASKS, get_task
from engine.errors import CheckpointError, OdzeraError
from engine.processes import call_apart, cores
from engine.serving.exports import export_by_path, find_export, has_network
from engine.serving.runtime import Graphs, Served, open_served
from engine.serving.scheduler import Scheduler
from engine.training.checkpoints import Checkpoint, list_checkpoints, pick_named, read_checkpoint
from engine.training.classifiers import Classifier
from engine.training.few_shot import open_zero_shot
from engine.training.shared_weights import SharedWeights

RECENT = 100
"""Answers of a model over which its median time is taken."""


@dataclass(frozen=True)
class Untouched:
    """A backbone as it was before models were trained on it, for a look at before and after."""

    backbone: str
    revision: str
    task: str

    @property
    def name(self) -> str:
        """What its answers are called."""
        return f"{self.backbone} untouched"


@dataclass
class _Opened:
    lock: threading.Lock = field(default_factory=threading.Lock)
    served: Served | None = None
    reason: str = ""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Milliseconds of the last answers, on the runtime that serves it now."""


class Registry:
    """The trained models in a folder, opened when they are first asked, on the fastest proven runtime."""

    def __init__(self, root: Path, threads: int = 1) -> None:
        """Read the manifests under `root`; damaged checkpoints are set aside with a reason each in `refused`.

        Args:
            root: Folder of checkpoints.
            threads: That a graph computes one call on; with one, as many models answer at once as there are cores.
        """
        self.root = root
        # Every visitor's questions stand in one queue.
        self.pool = Scheduler(cores())
        # Files are answered a piece at a time, in turns, so that a core is left for questions wherever there are two.
        self.turns = ThreadPoolExecutor(max(1, cores() - 1), "batch")
        self.refused: dict[str, list[str]] = {}
        self._checkpoints: dict[str, list[Checkpoint]] = {}
        self._opened: dict[Path | Untouched, _Opened] = {}
        self._shared = SharedWeights()
        self._graphs = Graphs(threads)
        for task in TASKS:
            self._checkpoints[task], self.refused[task] = list_checkpoints(root, task)

    def refresh(self, task: str) -> None:
        """Read the manifests of a task again, so that models which have come since answer too."""
        before = {one.folder: one.manifest["run"]["id"] for one in self._checkpoints[task]}
        # Others read meanwhile; they see the old list or the new one.
        self._checkpoints[task], self.refused[task] = list_checkpoints(self.root, task)
        for one in self._checkpoints[task]:
            if before.get(one.folder, one.manifest["run"]["id"]) != one.manifest["run"]["id"]:
                self._opened.pop(one.folder, None)

    def data_sets(self, task: str) -> list[str]:
        """Fingerprints of the data that models were trained on: most models first, then the latest."""
        checkpoints = self._checkpoints[task]
        latest = {one.fingerprint: place for place, one in enumerate(checkpoints)}
        counts = {key: sum(one.fingerprint == key for one in checkpoints) for key in latest}
        return sorted(latest, key=lambda key: (counts[key], latest[key]), reverse=True)

    def match_data(self, task: str, beginning: str | None) -> str | None:
        """The fingerprint that begins so.

        Raises:
            CheckpointError: No model was trained on such data.
        """
        if beginning is None:
            return None
        for fingerprint in self.data_sets(task):
            if fingerprint.startswith(beginning):
                return fingerprint
        known = ", ".join(self.data_sets(task)) or "none"
        raise CheckpointError(f"No model for {task} was trained on data '{beginning}'. Data: {known}.")

    def models(self, task: str, fingerprint: str | None = None) -> list[Checkpoint]:
        """Models trained on one data set (the first of `data_sets` when not named), the cheapest first."""
        sets = self.data_sets(task)
        wanted = fingerprint or (sets[0] if sets else None)
        found = [one for one in self._checkpoints[task] if one.fingerprint == wanted]
        return sorted(found, key=lambda one: one.manifest["run"]["record"]["latency"]["p50_ms"])

    def find(self, task: str, name: str) -> Checkpoint:
        """A task's model by its name (see `pick_named`) or the path of its folder; the latest of several.

        Raises:
            CheckpointError: There is none.
        """
        if "/" in name and Path(name).is_dir():
            given = read_checkpoint(Path(name))
            if given.task != task:
                raise CheckpointError(f"The model in {name} is for {given.task}, not for {task}.")
            return given
        found = pick_named(self._checkpoints[task], name)
        if found:
            return found[-1]
        damaged = [line for line in self.refused[task] if f" {name.partition('@')[0]}@" in line]
        if damaged:
            raise CheckpointError(damaged[0])
        names = sorted({one.name for one in self._checkpoints[task]})
        raise CheckpointError(
            f"There is no trained model '{name}' for {task}. Trained: {', '.join(names) or 'none'}. "
            f"Train one: odzera train RECIPE --task {task}"
        )

    def find_any(self, name: str) -> Checkpoint:
        """A model of either task, by `TASK/NAME` or as `find` takes it.

        Raises:
            CheckpointError: There is none, or there is one for each task.
        """
        task, _, rest = name.partition("/")
        if task in TASKS and rest:
            return self.find(task, rest)
        found, reasons = [], []
        for one in TASKS:
            try:
                found.append(self.find(one, name))
            except CheckpointError as error:
                reasons.append(str(error))
        if not found:
            raise CheckpointError(" ".join(reasons))
        if len(found) > 1:
            choices = " or ".join(f"{one.task}/{name}" for one in found)
            raise CheckpointError(f"'{name}' is trained for several tasks; say which: {choices}.")
        return found[0]

    def untouched(self, models: Sequence[Checkpoint]) -> list[Untouched]:
        """The backbones that `models` were trained on, each once, but for those whose zero-shot model is among them."""
        here = {one.recipe.backbone for one in models if one.recipe.kind == "frozen" and not one.recipe.frozen.shots}
        found: dict[Untouched, None] = {}
        for one in models:
            recipe = one.recipe
            if recipe.kind == "pretrained" and not recipe.random_weights and recipe.backbone not in here:
                revision = str(one.manifest["origin"].get("revision", ""))
                found[Untouched(recipe.backbone, revision, one.task)] = None
        return list(found)

    def is_open(self, checkpoint: Checkpoint | Untouched) -> bool:
        """Whether a question wouldn't have to wait for the model to be opened."""
        slot = self._opened.get(model_key(checkpoint))
        return slot is not None and (slot.served is not None or bool(slot.reason))

    def classifier(self, checkpoint: Checkpoint | Untouched) -> Classifier:
        """The opened, warmed-up model; see `served`."""
        return self.served(checkpoint).classifier

    def served(self, checkpoint: Checkpoint | Untouched) -> Served:
        """The opened, warmed-up model, and what computes it.

        Raises:
            OdzeraError: It can't be opened; the same error comes again without another try.
        """
        slot = self._opened.setdefault(model_key(checkpoint), _Opened())
        with slot.lock:
            if slot.reason:
                raise CheckpointError(slot.reason)
            if slot.served is None:
                try:
                    slot.served = self._open(checkpoint)
                except Exception as error:
                    # Whatever one checkpoint brings along, the other models go on.
                    known = isinstance(error, OdzeraError)
                    slot.reason = str(error) if known else f"{checkpoint.name}: {error!r}"
                    raise CheckpointError(slot.reason) from error
            return slot.served

    def runtime(self, checkpoint: Checkpoint) -> str:
        """What computes a model, a key of `RUNTIMES`; empty while it isn't open. Nothing is opened and nobody waits."""
        slot = self._opened.get(checkpoint.folder)
        served = slot.served if slot else None
        return served.runtime if served else ""

    def _open(self, model: Checkpoint | Untouched) -> Served:
        if isinstance(model, Untouched):
            zero_shot = open_zero_shot(model.backbone, model.revision or None, get_task(model.task))
            self._shared.share(zero_shot.backbone, zero_shot.origin, untrained=True)
            served = Served(zero_shot, "torch", "It isn't exported: it is opened to compare with.")
        else:
            served = open_served(model, self._shared, self._graphs)
        # The first call pays for start-up, so it is made here and not timed.
        served.classifier.probabilities([("tak",) * len(get_task(model.task).text_columns)])
        return served

    def waits_for_export(self, checkpoint: Checkpoint) -> bool:
        """Whether a model could be served by another runtime than PyTorch, and hasn't been exported yet."""
        return has_network(checkpoint) and find_export(checkpoint) is None

    def export_missing(self) -> Iterator[Checkpoint]:
        """Export every model that is shown first and isn't exported yet, one at a time.

        Each is made in a process of its own, so that this one keeps its memory small and its threads free.

        Yields:
            Models that have just been exported; those that can't be stay as they are.
        """
        for task in TASKS:
            for checkpoint in self.models(task):
                with suppress(OdzeraError):
                    if self.waits_for_export(checkpoint):
                        call_apart(export_by_path, checkpoint.folder)
                        yield checkpoint

    def renew(self, checkpoint: Checkpoint) -> None:
        """Open a model anew, after it was exported; it answers as before meanwhile.

        Raises:
            OdzeraError: It can't be opened.
        """
        served = self._open(checkpoint)
        slot = self._opened.setdefault(checkpoint.folder, _Opened())
        with slot.lock:
            slot.served, slot.reason = served, ""
            slot.times.clear()

    def time(self, checkpoint: Checkpoint | Untouched, ms: float) -> tuple[float, int]:
        """Note an answer's milliseconds; the median of the last ones, and how many they are."""
        # The model may have been trained anew, and closed, while it answered.
        slot = self._opened.setdefault(model_key(checkpoint), _Opened())
        with slot.lock:
            slot.times.append(ms)
            return statistics.median(slot.times), len(slot.times)


def model_key(model: Checkpoint | Untouched) -> Path | Untouched:
    """What a model is opened by: the folder of a checkpoint, or the untouched backbone itself."""
    return model if isinstance(model, Untouched) else model.folder
