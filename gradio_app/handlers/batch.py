"""What happens on the Batch tab, without a page."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.data.tables import MAX_ROWS, Table
from engine.data.tables.table import shorten
from engine.data.tasks import NLI, SLANG, TASKS, Task
from engine.errors import DataError, OdzeraError
from engine.evaluation.agreement import MISSING
from engine.serving import batch_results as measured
from engine.serving.batch import (
    Batch,
    Columns,
    Outcome,
    Paces,
    list_unsettled_labels,
    prepare,
    recognise_columns,
    run_batch,
)
from engine.training.checkpoints import Checkpoint
from gradio_app.context import Context
from gradio_app.handlers.files import Visit, Visits
from gradio_app.languages import Language
from gradio_app.views import batch as views
from gradio_app.views.batch_results import Difference, Results, render_results
from gradio_app.views.parts import render_notice
from gradio_app.views.units import duration

SAMPLES = {SLANG.name: "batch-slang.csv", NLI.name: "batch-nli.jsonl"}
"""Files to try: sentences of our own with labels."""
ASSETS = Path(__file__).parents[1] / "assets"
DIFFERENCES = 8
"""Rows on which models differ that are shown."""
MOST_LABELS = 10
"""Of which a visitor is asked what they mean; a column with more of them holds no labels."""

Choices = list[tuple[str, str]]


@dataclass(frozen=True)
class Desk:
    """What the tab works with."""

    context: Context
    visits: Visits
    paces: Paces = field(default_factory=Paces)


@dataclass(frozen=True)
class Choice:
    """What a visitor has chosen for a file; empty strings and None where nothing is."""

    task: str = ""
    first: str | None = None
    second: str | None = None
    label: str | None = None
    data: str | None = None
    models: Sequence[str] | None = None
    meanings: Sequence[str] = ()
    """What labels mean that aren't known, each as `NAME=CLASS`, with no class for no label."""


@dataclass(frozen=True)
class FileView:
    """What the page shows of a file."""

    key: str
    about: str
    """What is in it, or why it won't do."""
    readable: bool = False
    """Whether there is anything to choose."""
    ready: bool = False
    """Whether it can be answered."""
    choice: Choice = Choice()
    columns: Choices = field(default_factory=list)
    data: Choices = field(default_factory=list)
    models: Choices = field(default_factory=list)
    labels: list[tuple[str, Choices]] = field(default_factory=list)
    """Each label that isn't known, and what it can mean."""
    preview: str = ""
    expected: str = ""
    source: Path | None = None
    """Where the visitor's own copy is."""


@dataclass(frozen=True)
class RunView:
    """What the page shows of a run."""

    progress: str
    results: str = ""
    download: Path | None = None
    running: bool = False


def receive(desk: Desk, say: Language, payload: object, session: str, old: str | None) -> FileView:
    """A file was uploaded."""
    try:
        key = desk.visits.take(payload, session, old)
    except DataError as error:
        return FileView("", render_notice(say.again(error.args[0])))
    return describe(desk, say, key, None)


def receive_sample(desk: Desk, say: Language, task_name: str, session: str, old: str | None) -> FileView:
    """A file of the page's own was chosen."""
    name = SAMPLES.get(task_name, SAMPLES[SLANG.name])
    key = desk.visits.put((ASSETS / name).read_bytes(), name.removeprefix("batch-"), session, old)
    return describe(desk, say, key, None)


def describe(desk: Desk, say: Language, key: str, choice: Choice | None) -> FileView:
    """What is in a file; without a choice, everything is recognised."""
    try:
        visit = desk.visits.get(key)
        table = visit.read(MAX_ROWS)
        task = TASKS.get(choice.task) if choice else None
        columns = _columns(table, task, choice)
    except DataError as error:
        desk.visits.drop(key)
        return FileView("", render_notice(say.again(error.args[0])))
    task = columns.task
    models = desk.context.models(task, choice.data if choice else None)
    names = [one.name for one in models]
    wanted = None if choice is None or choice.models is None else [one for one in names if one in choice.models]
    if wanted is None:
        wanted = [one.name for one in models if measured.has_vote(one)] or names
    data = desk.context.data_choices(task.name, say)
    labels = _unsettled(table, columns)
    meanings = _meanings(labels, task, choice)
    batch, why_not = _try(say, table, columns, meanings)
    if batch is not None and not models:
        why_not = say("No model is trained for this task yet.")
        batch = None
    return FileView(
        key,
        views.render_file(say, table, batch, why_not),
        readable=True,
        ready=batch is not None,
        choice=Choice(
            task.name,
            columns.texts[0],
            columns.texts[1] if task.is_pair else None,
            columns.label or "",
            models[0].fingerprint if models else None,
            wanted,
            [f"{name}={meanings[name]}" if name in meanings else "" for name in labels],
        ),
        columns=[(shorten(name, 60), name) for name in table.columns if name],
        data=data,
        models=[(_with_time(say, desk, one, batch), one.name) for one in models],
        labels=[(shorten(name, 40), _what_it_can_mean(say, name, task)) for name in labels],
        preview=views.render_preview(say, table, columns),
        expected=_expected(say, desk, models, wanted, batch),
        source=visit.source,
    )


def _columns(table: Table, task: Task | None, choice: Choice | None) -> Columns:
    """What the visitor has chosen; columns that aren't chosen, or are another file's or task's, are recognised."""
    found = recognise_columns(table, task)
    if choice is None or task is None:
        return found
    given = [choice.first, choice.second][: len(task.text_columns)]
    texts = tuple(mine if mine in table.columns else other for mine, other in zip(given, found.texts, strict=True))
    if choice.label is None:
        return dataclasses.replace(found, texts=texts)
    return Columns(task, texts, choice.label if choice.label in table.columns else None)


def _unsettled(table: Table, columns: Columns) -> list[str]:
    """Labels of which a visitor is asked what they mean."""
    labels = list_unsettled_labels(table, columns)
    return labels if len(labels) <= MOST_LABELS else []


def _what_it_can_mean(say: Language, name: str, task: Task) -> Choices:
    classes = [(say(one), f"{name}={one}") for one in task.labels]
    return [(say("not said yet"), ""), *classes, (say("no label: not scored"), f"{name}=")]


def _meanings(labels: Sequence[str], task: Task, choice: Choice | None) -> dict[str, str]:
    """Label → class, as `prepare` takes them; what is said of another column's labels counts for nothing."""
    said = () if choice is None else choice.meanings
    return {name: one for name in labels for one in (*task.labels, "") if f"{name}={one}" in said}


def _try(say: Language, table: Table, columns: Columns, meanings: Mapping[str, str]) -> tuple[Batch | None, str]:
    try:
        return prepare(table, columns, meanings), ""
    except DataError as error:
        return None, say.again(error.args[0])


def _with_time(say: Language, desk: Desk, model: Checkpoint, batch: Batch | None) -> str:
    seconds = 0.0 if batch is None else desk.paces.seconds(model, len(batch.inputs))
    if seconds < 1:
        return model.name
    return say("{model} · about {time}", model=model.name, time=duration(say, seconds, rough=True))


def _expected(
    say: Language, desk: Desk, models: Sequence[Checkpoint], wanted: Sequence[str], batch: Batch | None
) -> str:
    if batch is None:
        return ""
    chosen = [one for one in models if one.name in wanted]
    seconds = sum(desk.paces.seconds(one, len(batch.inputs)) for one in chosen)
    return views.render_expected(say, len(chosen), len(batch.inputs), seconds)


def start(desk: Desk, say: Language, key: str) -> RunView:
    """The button was pressed: a run that still goes on ends."""
    try:
        desk.visits.get(key).begin()
    except DataError as error:
        return RunView(render_notice(say.again(error.args[0])))
    return RunView(views.render_waiting(say("Getting ready…")), running=True)


def cancel(desk: Desk, say: Language, key: str) -> str:
    """The run ends within a fraction of a second, and says itself what it has."""
    try:
        desk.visits.get(key).cancelled.set()
    except DataError as error:
        return render_notice(say.again(error.args[0]))
    return views.render_waiting(say("Cancelling…"))


def run(desk: Desk, say: Language, key: str, choice: Choice) -> Iterator[RunView]:
    """Ask the chosen models about every row; yielded anew several times a second."""
    try:
        visit = desk.visits.get(key)
    except DataError as error:
        yield RunView(render_notice(say.again(error.args[0])))
        return
    with visit.running():
        yield from _run(desk, say, visit, choice)


def _run(desk: Desk, say: Language, visit: Visit, choice: Choice) -> Iterator[RunView]:
    try:
        cancelled = visit.cancelled
        table = visit.read(MAX_ROWS)
        task = TASKS.get(choice.task)
        if task is None:
            yield RunView(render_notice(say("There is no such task.")))
            return
        models = [one for one in desk.context.models(task, choice.data) if one.name in (choice.models or ())]
        if not models:
            yield RunView(render_notice(say("Choose at least one model.")))
            return
        columns = _columns(table, task, choice)
        batch = prepare(table, columns, _meanings(_unsettled(table, columns), task, choice))
        begun = time.monotonic()
        for event in run_batch(desk.context.registry, batch, models, cancelled, desk.paces):
            # Nobody has left while answers come.
            visit.used = time.monotonic()
            if desk.visits.is_closed:
                yield RunView(render_notice(say("Odzera is being stopped, and your file is deleted. Try again later.")))
                return
            if isinstance(event, Outcome):
                yield RunView(views.render_waiting(say("Adding up the answers…")), running=True)
                yield _conclude(say, visit, event, models, time.monotonic() - begun)
            else:
                yield RunView(views.render_answering(say, event), running=True)
    except OdzeraError as error:
        yield RunView(render_notice(say.again(error.args[0])))
    except OSError:
        # Its folder is deleted when a visitor has left.
        yield RunView(render_notice(say("The answers couldn't be written.")))


def _conclude(say: Language, visit: Visit, outcome: Outcome, models: Sequence[Checkpoint], elapsed: float) -> RunView:
    said = measured.predicted(outcome)
    answered = {name: int((one != MISSING).sum()) for name, one in said.items()}
    voters = [name for name in measured.voters(outcome, models) if answered[name]]
    asked = [name for name, count in answered.items() if count]
    differences, differing = _differences(outcome, asked)
    results = Results(
        task=outcome.batch.columns.task,
        rows=len(outcome.batch.inputs),
        answered=answered,
        seconds=outcome.seconds,
        shares=measured.label_shares(outcome),
        agreement=measured.agreement(outcome, voters) if voters else None,
        pairs=measured.agreement(outcome, asked) if asked else None,
        scores=measured.score_models(outcome),
        seen=measured.count_seen(outcome, models) if outcome.batch.labelled else {},
        differences=differences,
        differing=differing,
        failures=outcome.failures,
        elapsed=elapsed,
        cancelled=outcome.cancelled,
        readings={name: read.summary() for name, read in outcome.readings.items()},
    )
    download = visit.write(measured.answered_file(outcome, voters)) if asked else None
    return RunView("", render_results(say, results), download)


def _differences(outcome: Outcome, names: Sequence[str]) -> tuple[list[Difference], int]:
    """Rows on which models differ, those with the least agreement first, and how many there are."""
    if len(names) < 2:
        return [], 0
    batch, said = outcome.batch, measured.predicted(outcome)
    shares = measured.agreement_of_rows({name: said[name] for name in names})
    places = np.flatnonzero(np.nan_to_num(shares, nan=1.0) < 1)
    labels = batch.columns.task.labels
    shown = []
    for place in places[np.argsort(shares[places], kind="stable")][:DIFFERENCES]:
        truth = int(batch.labels[place])
        shown.append(
            Difference(
                number=batch.table.numbers[batch.places[place]],
                texts=batch.inputs[place],
                said={name: labels[said[name][place]] for name in names if said[name][place] != MISSING},
                label=None if truth == MISSING else labels[truth],
            )
        )
    return shown, len(places)
