"""What the page is a function of: the models and their results."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.data.tasks import TASKS, Task
from engine.errors import OdzeraError
from engine.paths import Places
from engine.serving.classifier import Answer, Failure, Shelf, classify_all
from engine.serving.comparison import compare_models, open_results
from engine.store import Store
from engine.training.checkpoints import Checkpoint
from engine.training.resources import serve_on_one_thread


@dataclass(frozen=True)
class Context:
    """Models and results, opened once and shared by all visitors."""

    shelf: Shelf
    store: Store
    notes: list[str] = field(default_factory=list)
    """What was refused at start, a line each."""

    def data_choices(self, task: str) -> list[tuple[str, str]]:
        """Data sets that models were trained on, as (words, fingerprint), the one shown first in front."""
        choices = []
        for fingerprint in self.shelf.data_sets(task):
            data = self.shelf.models(task, fingerprint)[0].manifest["data"]
            source = {"sample": "the bundled sample"}.get(data["source"], data["source"])
            rows = sum(data["rows"].values())
            choices.append((f"{source} · {rows:,} rows · {fingerprint}", fingerprint))
        return choices

    def models(self, task: Task, fingerprint: str | None = None) -> list[Checkpoint]:
        """The models on one data set, the first one's where the fingerprint isn't known."""
        known = fingerprint if fingerprint in self.shelf.data_sets(task.name) else None
        return self.shelf.models(task.name, known)

    def answers(self, task: Task, texts: Sequence[str], fingerprint: str | None = None) -> Iterator[Answer | Failure]:
        """Each model's answer, the cheapest model first.

        Raises:
            TextError: The input won't do.
        """
        return classify_all(self.shelf, task, texts, self.models(task, fingerprint))

    def comparison(self, task: Task, fingerprint: str | None = None) -> dict[str, Any] | None:
        """The table of models on one data set, or None where nothing is trained."""
        try:
            return compare_models(self.store, task, fingerprint)
        except OdzeraError:
            return None

    def warm_up(self) -> None:
        """Open every model that the page shows first."""
        for task in TASKS:
            for checkpoint in self.shelf.models(task):
                # One that can't be opened says so on its card when it is asked.
                with suppress(OdzeraError):
                    self.shelf.classifier(checkpoint)


def open_context(places: Places) -> Context:
    """Read manifests and results; weights are opened later."""
    serve_on_one_thread()
    store, notes = open_results(places)
    shelf = Shelf(places.checkpoints)
    refused = [line for lines in shelf.refused.values() for line in lines if line not in notes]
    return Context(shelf, store, [*notes, *refused])
