"""What the page is a function of: the models and their results."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.data.polish.glossary import Glossary
from engine.data.tasks import TASKS, Task
from engine.errors import OdzeraError
from engine.experiments.background import TrainingRuns
from engine.experiments.curves import AXES, Curve, list_curves
from engine.experiments.repeats_file import list_files
from engine.explain.why import Explainer
from engine.machine import serve_on_one_thread
from engine.paths import ROOT, Places
from engine.results.answer import Answer, answer_of, answers_by_curve
from engine.results.comparison import open_results
from engine.results.inspection import find_texts
from engine.results.repeated import read_means
from engine.results.scaling import read_growth
from engine.search.report import Studies, StudyView
from engine.search.summaries import StudySummary
from engine.serving.answers import Answer as ModelAnswer
from engine.serving.answers import Failure, classify_all, in_order
from engine.serving.batch import shorten
from engine.serving.exports import has_network
from engine.serving.registry import Registry, Untouched
from engine.store import Store
from engine.training.checkpoints import Checkpoint
from gradio_app.cache import Results
from gradio_app.languages import Language
from gradio_app.views.names import name_source

Answered = ModelAnswer | Failure


@dataclass(frozen=True)
class Context:
    """Models and results, opened once and shared by all visitors."""

    registry: Registry
    store: Store
    notes: list[str] = field(default_factory=list)
    """What was refused at start, a line each."""
    storage: str = ""
    """Address of the studies; none are shown without it."""
    dashboard: str = ""
    """Where the dashboard is mounted, for links; none are shown without it."""
    curves: tuple[Path, ...] = ()
    """Folders with curves and results over seeds; a name in the first hides the same in the next."""
    _views: "_Views" = field(default_factory=lambda: _Views())
    results: Results = field(default_factory=Results)
    """Comparisons looked at lately."""

    public: bool = False
    """Whether strangers may come: nothing that costs the machine hours is started for them."""
    places: Places | None = None
    """Where models and results are kept; nothing new is made without it."""
    training: TrainingRuns | None = None
    """Starts training runs; none can be started without it."""
    closing: list[Callable[[], None]] = field(default_factory=list)
    """Called when the page is stopped, before it stops answering."""

    @cached_property
    def explainer(self) -> Explainer:
        """What asks the models why."""
        return Explainer(self.registry)

    def data_choices(self, task: str, say: Language) -> list[tuple[str, str]]:
        """Data sets that models were trained on, as (words, fingerprint), the one shown first in front."""
        choices = []
        for fingerprint in self.registry.data_sets(task):
            data = self.registry.models(task, fingerprint)[0].manifest["data"]
            source = name_source(say, data["source"])
            rows = sum(data["rows"].values())
            words = f"{source} · {say.plural('{n} row', '{n} rows', rows)} · {fingerprint}"
            choices.append((words, fingerprint))
        return choices

    def models(self, task: Task, fingerprint: str | None = None) -> list[Checkpoint]:
        """The models on one data set, the first one's where the fingerprint isn't known."""
        known = fingerprint if fingerprint in self.registry.data_sets(task.name) else None
        return self.registry.models(task.name, known)

    def untouched(self, task: Task, fingerprint: str | None = None) -> list[Untouched]:
        """The backbones of these models, as they were before training."""
        return self.registry.untouched(self.models(task, fingerprint))

    def comparison(self, task: Task, fingerprint: str | None = None) -> dict[str, Any] | None:
        """The table of models on one data set (the one shown first, unless named), or None where nothing is trained."""
        sets = self.registry.data_sets(task.name)
        if not sets:
            return None
        with suppress(OdzeraError):
            return self.results.comparison(self.store, task, fingerprint if fingerprint in sets else sets[0])
        return None

    def means(self, task: Task, fingerprint: str | None = None) -> dict[str, dict[str, Any]]:
        """Model → its means over seeds and folds, where they were measured."""
        models = self.models(task, fingerprint)
        mark = (self._mark_of_repeats(task), tuple(one.manifest["run"]["id"] for one in models))
        key = ("means", task.name, models[0].fingerprint if models else "")
        return self.results.remember(key, mark, lambda: read_means(self.curves, task.name, models))

    def _mark_of_repeats(self, task: Task) -> tuple[tuple[str, int], ...]:
        """What changes when results over seeds and folds do."""
        files = list_files(self.curves, task.name)
        return tuple((str(file), file.stat().st_mtime_ns) for file in files if file.is_file())

    def answer(self, task: Task) -> Answer | None:
        """From scratch or adapted: what the models shown first were found to do; None where there are none.

        Repeated trainings on the same data go before the models' own test figures, where they have models of both
        kinds.
        """
        comparison = self.comparison(task)
        if comparison is None:
            return None
        mark = (self._mark_of_repeats(task), tuple(row["run"] for row in comparison["rows"]))
        return self.results.remember(("answer", task.name), mark, lambda: answer_of(self.curves, comparison))

    def answers_by_examples(self, task: Task) -> list[Answer]:
        """The same at rising numbers of training examples, from the longest curve of this task."""
        curves = [
            found
            for one in list_curves(self.curves)[0].values()
            if one.task == task.name and one.kind == "examples" and (found := answers_by_curve(one))
        ]
        return list(max(curves, key=len, default={}).values())

    def example_answers(self, task: Task, texts: tuple[str, ...]) -> list[Answered]:
        """What the models shown first say of an example: asked once for all visitors.

        Raises:
            OdzeraError: The text won't do.
        """
        models = self.models(task)
        mark = tuple(one.manifest["run"]["id"] for one in models)

        def answer() -> list[Answered]:
            # The first time a model answers it takes longer than ever after.
            for _ in range(2):
                answers = in_order(classify_all(self.registry, task, texts, models), models)
            return list(answers)

        return self.results.remember(("example", task.name, texts), mark, answer)

    def study_choices(self, say: Language, fresh: bool = False) -> list[tuple[str, str]]:
        """Studies as (words, name), the one made last first; none where they can't be read."""
        with suppress(OdzeraError):
            return [(_describe(say, study), study.name) for study in self._views.get(self.storage, fresh)]
        return []

    def study_summary(self, name: str | None) -> StudySummary | None:
        """How far the study of this name is, or None where there is none.

        Raises:
            StoreError: The studies can't be read.
        """
        return next((study for study in self.studies() if study.name == name), None)

    def study(self, summary: StudySummary) -> StudyView:
        """A study with its trials.

        Raises:
            StoreError: The studies can't be read.
        """
        return self._views.studies(self.storage).view_of(summary)

    def studies(self) -> list[StudySummary]:
        """Every study, without its trials.

        Raises:
            StoreError: The studies can't be read.
        """
        return self._views.get(self.storage)

    def curve_choices(self, say: Language) -> list[tuple[str, str]]:
        """Curves as (words, name)."""
        described = {name: _describe_curve(say, curve) for name, curve in list_curves(self.curves)[0].items()}
        shared = Counter(described.values())
        return [(f"{words} · {name}" if shared[words] > 1 else words, name) for name, words in described.items()]

    def curve(self, name: str | None) -> Curve | None:
        """The curve of this name, or None."""
        return list_curves(self.curves)[0].get(name or "")

    def growth(self) -> dict[str, Any] | None:
        """How cost grows, where it was measured."""
        return read_growth(self.curves)

    def warm_up(self) -> None:
        """Open every model that the page shows first, and read what is compared of them, and the studies."""
        for task in TASKS:
            for checkpoint in self.registry.models(task):
                # One that can't be opened says so on its card when it is asked.
                with suppress(OdzeraError):
                    self.registry.classifier(checkpoint)
        for known in TASKS.values():
            comparison = self.comparison(known)
            if comparison is not None:
                find_texts(known, comparison["data"]["fingerprint"])
        Glossary.load()
        with suppress(OdzeraError):
            for summary in self.studies()[:1]:
                self.study(summary)

    def speed_up(self) -> None:
        """Export every model that the page shows first and that isn't yet, and answer from the graphs."""
        for checkpoint in self.registry.export_missing():
            # One that can't be opened anew goes on as it is.
            with suppress(OdzeraError):
                self.registry.renew(checkpoint)
        for task in TASKS:
            for checkpoint in self.registry.models(task):
                with suppress(OdzeraError):
                    # What it asks may have been exported after it was opened.
                    if not has_network(checkpoint) and self.registry.served(checkpoint).runtime == "torch":
                        self.registry.renew(checkpoint)


class _Views:
    """How far the studies are, read at most every few seconds, however many visitors look."""

    SECONDS = 3.0

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.read = -math.inf
        self.summaries: list[StudySummary] = []
        self._studies: Studies | None = None

    def studies(self, storage: str) -> Studies:
        if self._studies is None:
            self._studies = Studies(storage)
        return self._studies

    def get(self, storage: str, fresh: bool = False) -> list[StudySummary]:
        if not storage:
            return []
        with self.lock:
            if time.monotonic() - self.read > (0.5 if fresh else self.SECONDS):
                self.summaries = self.studies(storage).summaries()
                self.read = time.monotonic()
            return self.summaries


def _describe(say: Language, study: StudySummary) -> str:
    source = name_source(say, study.attributes.get("source", say("unknown data")))
    # Marks that isolate, as the menu is no HTML: a name written from right to left turns nothing else around.
    name, source = (f"\u2068{shorten(text, 60)}\u2069" for text in (study.name, source))
    return f"{name} · {source} · {say.plural('{n} trial', '{n} trials', study.finished)}"


def _describe_curve(say: Language, curve: Curve) -> str:
    return f"{say(AXES[curve.kind])} · {name_source(say, curve.source)}"


def open_context(places: Places, storage: str = "", dashboard: str = "", public: bool = False) -> Context:
    """Read manifests and results; weights are opened later."""
    serve_on_one_thread()
    store, notes = open_results(places)
    registry = Registry(places.checkpoints)
    refused = [line for lines in registry.refused.values() for line in lines if line not in notes]
    curves = tuple(dict.fromkeys((places.store.parent, ROOT / "studies")))
    lines = [*notes, *refused, *list_curves(curves)[1]]
    training = TrainingRuns(places, store, registry.refresh)
    return Context(registry, store, lines, storage, dashboard, curves, public=public, places=places, training=training)
