"""What the Data tab shows of a data set, without a page."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.browse import Filters, browse
from engine.data.distributions import (
    UNITS,
    check_data,
    count_labels,
    count_languages,
    group_rows,
    measure_lengths,
    spread_lengths,
)
from engine.data.find_rows import FOLDER, bundled, find_rows
from engine.data.sources import SAMPLE_LICENCE, SAMPLES_DIR, TaskData
from engine.data.tasks import SPLITS, TASKS, Task
from engine.errors import OdzeraError
from engine.results.data_record import DataRecord, read_data_record
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import data as views
from gradio_app.views.datasheet import render_datasheet, render_no_datasheet
from gradio_app.views.lengths import render_lengths
from gradio_app.views.names import name_language, name_source, name_split
from gradio_app.views.parts import render_empty, render_notice

GROUPS = ("split", "label")
MOST_LETTERS = 200
"""Longest text to look for in the rows."""


@dataclass(frozen=True)
class Chosen:
    """A data set that is shown: its rows, or else what was recorded of them."""

    task: Task
    source: str
    fingerprint: str
    licence: str
    rows: TaskData | None
    recorded: DataRecord | None

    @property
    def is_sample(self) -> bool:
        """Whether it is the bundled one."""
        return self.rows is not None and self.rows is bundled(self.task)


def data_choices(context: Context, say: Language, task_name: str) -> list[tuple[str, str]]:
    """The bundled sample, then every other data set that models were trained on, as (words, fingerprint)."""
    task = TASKS.get(task_name)
    if task is None:
        return []
    sample = bundled(task)
    rows = say.plural("{n} row", "{n} rows", len(sample.frame))
    own = (f"{name_source(say, sample.source)} · {rows} · {sample.fingerprint}", sample.fingerprint)
    return [own, *(one for one in context.data_choices(task_name, say) if one[1] != sample.fingerprint)]


def choose(context: Context, task_name: str, fingerprint: str | None) -> Chosen | None:
    """A data set; the bundled sample where the fingerprint isn't known, None where the task isn't."""
    task = TASKS.get(task_name) if isinstance(task_name, str) else None
    if task is None:
        return None
    known = fingerprint if fingerprint in context.registry.data_sets(task.name) else bundled(task).fingerprint
    recorded = _recorded(context, task, known)
    if known == bundled(task).fingerprint:
        rows: TaskData | None = bundled(task)
    else:
        # Rows that don't come with the product are its owner's; strangers see counts alone.
        rows = None if context.public else find_rows(task, known, _folder(context))
    if rows is None and recorded is None:
        return None
    sample = rows is bundled(task)
    source = "sample" if sample else (recorded.source if recorded else rows.source if rows else "")
    licence = SAMPLE_LICENCE if sample else (recorded.licence if recorded else "")
    return Chosen(task, source, known, licence, rows, recorded)


def _folder(context: Context) -> Path | None:
    return context.places.checkpoints.parent / FOLDER if context.places else None


def _recorded(context: Context, task: Task, fingerprint: str) -> DataRecord | None:
    try:
        runs = context.store.runs(task.name, fingerprint)
        return read_data_record(runs[-1], task) if runs else None
    except (OdzeraError, KeyError, ValueError, TypeError):
        return None


def show_data(context: Context, say: Language, task_name: str, fingerprint: str | None) -> str:
    """What the set is, its labels and its languages."""
    chosen = choose(context, task_name, fingerprint)
    if chosen is None:
        return render_notice(say("There is no such data set."))
    source, recorded = name_source(say, chosen.source), chosen.recorded
    labels: Mapping[str, Mapping[str, int]]
    languages: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, int]
    if chosen.rows is not None:
        labels, languages = count_labels(chosen.rows), count_languages(chosen.rows)
        rows = {split: sum(one.values()) for split, one in labels.items()}
        gone = ""
    else:
        assert recorded is not None
        labels, languages, rows = recorded.labels, recorded.languages, recorded.rows
        gone = views.render_gone(say)
    card = views.render_card(say, source, sum(rows.values()), chosen.fingerprint, chosen.licence)
    return (
        f"{card}{gone}{views.render_labels(say, rows, labels)}"
        f"{views.render_languages(say, languages, scored_only=chosen.rows is None)}"
    )


def has_rows(context: Context, task_name: str, fingerprint: str | None) -> bool:
    """Whether there are rows to measure and to leaf through."""
    chosen = choose(context, task_name, fingerprint)
    return chosen is not None and chosen.rows is not None


def show_lengths(context: Context, say: Language, task_name: str, fingerprint: str | None, unit: str, by: str) -> str:
    """How long the texts are, by split or by label."""
    chosen = choose(context, task_name, fingerprint)
    if chosen is None or chosen.rows is None:
        return render_empty(say("Lengths are measured on the rows, which aren't at hand."))
    unit = unit if unit in UNITS else UNITS[0]
    groups = group_rows(chosen.rows, by if by in GROUPS else GROUPS[0])
    measured = _measured.get(chosen.rows, unit)
    return render_lengths(say, {name: spread_lengths(one, groups, unit) for name, one in measured.items()})


class _Measured:
    """Lengths measured once for each data set and unit: counting tokens takes a second."""

    MOST = 12

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[tuple[str, str], tuple[TaskData, dict[str, Any]]] = {}

    def get(self, data: TaskData, unit: str) -> dict[str, Any]:
        """Column → lengths of these very rows."""
        key = (data.fingerprint, unit)
        with self.lock:
            found = self.kept.get(key)
            # The same rows in another order have the same fingerprint.
            if found is None or found[0] is not data:
                found = (data, measure_lengths(data, unit))
                self.kept[key] = found
                while len(self.kept) > self.MOST:
                    del self.kept[next(iter(self.kept))]
            return found[1]


_measured = _Measured()


def show_examples(
    context: Context, say: Language, task_name: str, fingerprint: str | None, filters: Filters, number: int
) -> tuple[str, int, int]:
    """A page of rows, its number, and how many pages there are."""
    chosen = choose(context, task_name, fingerprint)
    if chosen is None or chosen.rows is None:
        return render_empty(say("Examples are rows, which aren't at hand.")), 1, 1
    if len(filters.contains) > MOST_LETTERS:
        told = say("At most {n} letters are looked for.", n=MOST_LETTERS)
        return render_notice(told), 1, 1
    leaf = browse(chosen.rows, filters, number)
    return views.render_examples(say, leaf), leaf.number, leaf.pages


def filter_choices(
    context: Context, say: Language, task_name: str, fingerprint: str | None
) -> dict[str, list[tuple[str, str]]]:
    """What rows can be chosen by: `split`, `label` and `language`, each as (words, value); "" is all."""
    everything = (say("all"), "")
    chosen = choose(context, task_name, fingerprint)
    if chosen is None or chosen.rows is None:
        return {"split": [everything], "label": [everything], "language": [everything]}
    languages = count_languages(chosen.rows)
    named = sorted((f"{name_language(say, code)} ({code})", code) for code in languages)
    return {
        "split": [everything, *((name_split(say, one), one) for one in SPLITS)],
        "label": [everything, *((say(one), one) for one in chosen.task.labels)],
        "language": [everything, *(named if len(named) > 1 else [])],
    }


def show_checks(context: Context, say: Language, task_name: str, fingerprint: str | None) -> str:
    """Leaks, and what cleaning found."""
    chosen = choose(context, task_name, fingerprint)
    if chosen is None or chosen.rows is None:
        return views.render_no_checks(say)
    report = chosen.rows.report
    return views.render_checks(say, report.read, report.kept, check_data(chosen.rows), report.notes)


def show_datasheet(context: Context, say: Language, task_name: str, fingerprint: str | None) -> str:
    """The datasheet of the bundled samples, where one of them is shown."""
    chosen = choose(context, task_name, fingerprint)
    if chosen is None or not chosen.is_sample:
        return render_no_datasheet(say)
    return render_datasheet(say, (SAMPLES_DIR / "DATASHEET.md").read_text(encoding="utf-8"))
