"""Every model answers one text, each as soon as it can."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.reading import NOTHING_READ, Reading
from engine.data.tasks import Task
from engine.data.visible import is_visible
from engine.data.white_space import clean_text
from engine.errors import OdzeraError, TextError
from engine.messages import Message, message
from engine.serving.registry import Registry, Untouched, model_key
from engine.training.checkpoints import Checkpoint

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
    reading: Reading | None = None
    """How much of the input it read; None for a model that ignores the text."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": self.model,
            "label": self.label,
            "scores": {name: round(value, 6) for name, value in self.scores.items()},
            "ms": round(self.ms, 3),
            "waited_ms": round(self.waited_ms, 3),
            "runtime": self.runtime,
            **(self.reading.as_dict() if self.reading else NOTHING_READ),
        }


@dataclass(frozen=True)
class Failure:
    """A model that can't answer, and why, in one line."""

    model: str
    reason: str


def check_input(task: Task, texts: Sequence[str]) -> tuple[str, ...]:
    """Clean the texts of one input as training texts were.

    Raises:
        TextError: One is empty or holds nothing that can be seen, is too long or holds NUL bytes.
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
        if not is_visible(ready):
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
            registry.pool.expect(model_key(model), model.manifest["run"]["record"]["latency"]["p50_ms"])
        work = partial(_ask, registry, task, ready, model, asked)
        waiting.add(registry.pool.call(model_key(model), work, slow=not registry.is_open(model)))
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
        (row,), read = served.classifier.answer([ready])
        end = time.perf_counter()
    except Exception as error:
        # A model that fails on this text must not keep the others from answering.
        return Failure(model.name, str(error) if isinstance(error, OdzeraError) else repr(error)[:200])
    scores = dict(zip(task.labels, map(float, row), strict=True))
    label = task.labels[int(row.argmax())]
    ms = (end - start) * 1000
    registry.pool.learn(model_key(model), ms)
    reading = None if read is None else read[0]
    waited = (start - asked) * 1000
    return Answer(model.name, label, scores, ms, waited, served.runtime, *registry.time(model, ms), reading)
