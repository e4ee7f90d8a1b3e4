"""Every model side by side: which there are, and what each says of one text."""

import statistics
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from engine.data.cleaning import clean_text
from engine.data.tasks import TASKS, Task, get_task
from engine.errors import CheckpointError, OdzeraError, TextError
from engine.explain.eager import EagerModels
from engine.messages import Message, message
from engine.processes import cores
from engine.serving.exports import find_export, has_network
from engine.serving.runtime import Graphs, Served, open_served
from engine.serving.scheduler import Scheduler
from engine.training.checkpoints import Checkpoint, list_checkpoints, read_checkpoint
from engine.training.classifiers import Classifier
from engine.training.few_shot import open_zero_shot
from engine.training.shared_weights import SharedWeights

MAX_CHARACTERS = 5000
"""Longest text taken, about five times the longest of the published slang set."""
SAID: Mapping[str, Mapping[str, str]] = {
    "text": {
        "type": message("The text is not a text."),
        "long": message("The text has {n} characters; at most {most} are taken."),
        "nul": message("The text holds NUL bytes, so it is not plain text."),
        "unicode": message("The text is not valid Unicode (it holds half of a surrogate pair)."),
        "empty": message("The text is empty; type some words first."),
    },
    "premise": {
        "type": message("The premise is not a text."),
        "long": message("The premise has {n} characters; at most {most} are taken."),
        "nul": message("The premise holds NUL bytes, so it is not plain text."),
        "unicode": message("The premise is not valid Unicode (it holds half of a surrogate pair)."),
        "empty": message("The premise is empty; type some words first."),
    },
    "hypothesis": {
        "type": message("The hypothesis is not a text."),
        "long": message("The hypothesis has {n} characters; at most {most} are taken."),
        "nul": message("The hypothesis holds NUL bytes, so it is not plain text."),
        "unicode": message("The hypothesis is not valid Unicode (it holds half of a surrogate pair)."),
        "empty": message("The hypothesis is empty; type some words first."),
    },
}
"""What is wrong with a text, a whole sentence for each column: other languages inflect the noun."""
BURST_GROWTH = 1.6
"""A burst of answers is waited for so many times as long as the one before."""
LONGEST_BURST = 1.0
"""Seconds."""
RECENT = 100
"""Answers of a model over which its median time is taken."""


@dataclass(frozen=True)
class Answer:
    """What one model says of one input."""

    model: str
    label: str
    scores: Mapping[str, float]
    """Class name → probability."""
    ms: float
    """Milliseconds of the model's own work, tokenising included, loading and waiting not."""
    waited_ms: float = 0.0
    """Milliseconds from the question until a thread was free for this model, and it was opened."""
    runtime: str = "torch"
    """What computed it: a key of `engine.serving.exports.RUNTIMES`."""
    p50_ms: float = 0.0
    """Median of `ms` over this model's last answers, this one among them."""
    calls: int = 0
    """How many answers that is, `RECENT` at most."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": self.model,
            "label": self.label,
            "scores": {name: round(value, 6) for name, value in self.scores.items()},
            "ms": round(self.ms, 3),
            "waited_ms": round(self.waited_ms, 3),
            "runtime": self.runtime,
        }


@dataclass(frozen=True)
class Failure:
    """A model that can't answer, and why, in one line."""

    model: str
    reason: str


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
        # Networks to look into; they are opened when somebody asks why.
        self.eager = EagerModels()
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
        """A model by `NAME`, `NAME@FINGERPRINT` (or its beginning) or the path of its folder; the latest of several.

        Raises:
            CheckpointError: There is none.
        """
        if "/" in name and Path(name).is_dir():
            given = read_checkpoint(Path(name))
            if given.task != task:
                raise CheckpointError(f"The model in {name} is for {given.task}, not for {task}.")
            return given
        model, _, fingerprint = name.partition("@")
        found = [
            one for one in self._checkpoints[task] if one.name == model and one.fingerprint.startswith(fingerprint)
        ]
        if found:
            return found[-1]
        damaged = [line for line in self.refused[task] if f" {model}@" in line]
        if damaged:
            raise CheckpointError(damaged[0])
        names = sorted({one.name for one in self._checkpoints[task]})
        raise CheckpointError(
            f"There is no trained model '{name}' for {task}. Trained: {', '.join(names) or 'none'}. "
            f"Train one: odzera train RECIPE --task {task}"
        )

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
        slot = self._opened.get(_key(checkpoint))
        return slot is not None and (slot.served is not None or bool(slot.reason))

    def classifier(self, checkpoint: Checkpoint | Untouched) -> Classifier:
        """The opened, warmed-up model; see `served`."""
        return self.served(checkpoint).classifier

    def served(self, checkpoint: Checkpoint | Untouched) -> Served:
        """The opened, warmed-up model, and what computes it.

        Raises:
            OdzeraError: It can't be opened; the same error comes again without another try.
        """
        slot = self._opened.setdefault(_key(checkpoint), _Opened())
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
        slot = self._opened.setdefault(_key(checkpoint), _Opened())
        with slot.lock:
            slot.times.append(ms)
            return statistics.median(slot.times), len(slot.times)


def _key(model: Checkpoint | Untouched) -> Path | Untouched:
    return model if isinstance(model, Untouched) else model.folder


def check_input(task: Task, texts: Sequence[str]) -> tuple[str, ...]:
    """Clean the texts of one input as training texts were.

    Raises:
        TextError: One is empty, too long or holds NUL bytes.
    """
    cleaned = []
    for column, text in zip(task.text_columns, texts, strict=True):
        said = SAID[column]
        if not isinstance(text, str):
            raise TextError(Message(said["type"]))
        if len(text) > MAX_CHARACTERS:
            raise TextError(Message(said["long"], n=len(text), most=MAX_CHARACTERS))
        if "\0" in text:
            raise TextError(Message(said["nul"]))
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise TextError(Message(said["unicode"]))
        ready = clean_text(text)
        if not ready:
            raise TextError(Message(said["empty"]))
        cleaned.append(ready)
    return tuple(cleaned)


def classify_all(
    registry: Registry, task: Task, texts: Sequence[str], models: Sequence[Checkpoint | Untouched]
) -> Iterator[Answer | Failure]:
    """Ask `models` about one input, as many at a time as there are cores; each answer comes as soon as it is ready.

    Raises:
        TextError: The input won't do; see `check_input`.
    """
    ready = check_input(task, texts)
    return (answer for burst in _bursts(registry, task, ready, models, 0.0) for answer in burst)


def classify_in_bursts(
    registry: Registry, task: Task, texts: Sequence[str], models: Sequence[Checkpoint | Untouched], seconds: float
) -> Iterator[list[Answer | Failure]]:
    """The same for a page: the first answer at once, then what has come every so many seconds.

    Where models take long, as when many visitors ask, each burst is waited for `BURST_GROWTH` times as long as the one
    before, so that drawing answers doesn't keep the models from giving more. A burst is empty where nothing came for
    so long, at the beginning alone.

    Raises:
        TextError: The input won't do; see `check_input`.
    """
    return _bursts(registry, task, check_input(task, texts), models, seconds)


def in_order(answers: Iterable[Answer | Failure], models: Sequence[Checkpoint | Untouched]) -> list[Answer | Failure]:
    """All answers, in the order in which the models were asked."""
    places = {model.name: place for place, model in enumerate(models)}
    return sorted(answers, key=lambda one: places[one.model])


def _bursts(
    registry: Registry, task: Task, ready: tuple[str, ...], models: Sequence[Checkpoint | Untouched], seconds: float
) -> Iterator[list[Answer | Failure]]:
    asked = time.perf_counter()
    waiting: set[Future[Answer | Failure]] = set()
    for model in models:
        if isinstance(model, Checkpoint):
            registry.pool.expect(_key(model), model.manifest["run"]["record"]["latency"]["p50_ms"])
        work = partial(_ask, registry, task, ready, model, asked)
        waiting.add(registry.pool.call(_key(model), work, slow=not registry.is_open(model)))
    begun = False
    try:
        while waiting:
            done, waiting = wait(waiting, None if begun or not seconds else seconds, FIRST_COMPLETED)
            if begun and seconds and waiting:
                # Each burst is drawn anew by the browser, so a few answers that come together are one.
                more, waiting = wait(waiting, seconds)
                done |= more
                seconds = min(BURST_GROWTH * seconds, LONGEST_BURST)
            begun = True
            yield [future.result() for future in done]
    finally:
        # A visitor who has left keeps nobody waiting.
        for future in waiting:
            future.cancel()


def _ask(
    registry: Registry, task: Task, ready: tuple[str, ...], model: Checkpoint | Untouched, asked: float
) -> Answer | Failure:
    try:
        served = registry.served(model)
        start = time.perf_counter()
        row = served.classifier.probabilities([ready])[0]
        end = time.perf_counter()
    except Exception as error:
        # A model that fails on this text must not keep the others from answering.
        return Failure(model.name, str(error) if isinstance(error, OdzeraError) else repr(error)[:200])
    scores = dict(zip(task.labels, map(float, row), strict=True))
    label = task.labels[int(row.argmax())]
    ms = (end - start) * 1000
    registry.pool.learn(_key(model), ms)
    return Answer(model.name, label, scores, ms, (start - asked) * 1000, served.runtime, *registry.time(model, ms))
