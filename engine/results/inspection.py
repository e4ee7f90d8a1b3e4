"""Details of trained models: their mistakes, their figures per class and language, and the best for their cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.data.find_rows import bundled
from engine.data.tasks import Task, get_task
from engine.errors import OdzeraError
from engine.evaluation.significance import class_f1_intervals, wilson_interval
from engine.store import Predictions


@dataclass(frozen=True)
class Figure:
    """A figure on part of the test rows."""

    value: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    rows: int
    """How many it rests on."""


@dataclass(frozen=True)
class Mistake:
    """A test row that a model got wrong."""

    row: str
    """Its id."""
    label: int
    predicted: int
    probability: float
    """That the model gave to its wrong answer."""
    label_probability: float
    """That it gave to the right one."""
    language: str
    """Its code; empty where the data names none."""
    texts: tuple[str, ...] = ()
    """What the model was given; nothing where the data isn't at hand."""


def class_figures(row: Mapping[str, Any]) -> dict[str, list[Figure]]:
    """Precision, recall and F1 of each class, from a row of `compare_models`.

    Intervals are Wilson's for precision and recall, which are shares of rows, and bootstrap ones for F1, which isn't.
    """
    confusion, per_class = row["confusion"], row["per_class"]
    figures: dict[str, list[Figure]] = {"precision": [], "recall": [], "f1": []}
    for place, (one, f1_ends) in enumerate(zip(per_class, class_f1_intervals(confusion), strict=True)):
        hits, true = confusion[place][place], sum(confusion[place])
        answered = sum(line[place] for line in confusion)
        figures["precision"].append(Figure(one["precision"], *wilson_interval(hits, answered), answered))
        figures["recall"].append(Figure(one["recall"], *wilson_interval(hits, true), true))
        figures["f1"].append(Figure(one["f1"], min(f1_ends[0], one["f1"]), max(f1_ends[1], one["f1"]), true))
    return figures


def language_figures(row: Mapping[str, Any]) -> dict[str, Figure]:
    """Accuracy in each language with Wilson's interval, the one with most rows first; `row` is of `compare_models`."""
    figures = {}
    for code, one in sorted(row["per_language"].items(), key=lambda item: (-item[1]["rows"], item[0])):
        rows = int(one["rows"])
        figures[code] = Figure(one["accuracy"], *wilson_interval(round(one["accuracy"] * rows), rows), rows)
    return figures


def pareto_front(costs: Sequence[float], qualities: Sequence[float]) -> list[int]:
    """Places of the points that no other one beats: none costs no more and is better, or is as good and costs less.

    Args:
        costs: Lower is better.
        qualities: Higher is better; as many.

    Returns:
        Places from the cheapest to the best.
    """
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda one: (costs[one], -qualities[one])):
        if not front or qualities[place] > qualities[front[-1]]:
            front.append(place)
        elif (costs[place], qualities[place]) == (costs[front[-1]], qualities[front[-1]]):
            # Equals in both share their place.
            front.append(place)
    return front


def confident_mistakes(predictions: Predictions, texts: Mapping[str, tuple[str, ...]] | None = None) -> list[Mistake]:
    """The rows that were got wrong, the surest answers first.

    Args:
        predictions: Of one run on the test split.
        texts: Row id → texts, where the data is at hand.
    """
    mistakes = [
        Mistake(
            row=row,
            label=label,
            predicted=predicted,
            probability=shares[predicted],
            label_probability=shares[label],
            language=language,
            texts=(texts or {}).get(row, ()),
        )
        for row, label, predicted, shares, language in zip(
            predictions.rows,
            predictions.labels,
            predictions.predicted,
            predictions.probabilities,
            predictions.languages,
            strict=True,
        )
        if label != predicted
    ]
    return sorted(mistakes, key=lambda one: (-one.probability, one.label_probability, one.row))


def find_texts(task: Task, fingerprint: str) -> Mapping[str, tuple[str, ...]] | None:
    """Row id → texts of the test split, or None where the data isn't at hand: results keep ids, never texts."""
    known, texts = _sample_texts(task.name)
    return texts if known == fingerprint else None


@lru_cache
def _sample_texts(task_name: str) -> tuple[str, Mapping[str, tuple[str, ...]]]:
    """Fingerprint and test texts of the data that comes with the product."""
    try:
        data = bundled(get_task(task_name))
    except OdzeraError:
        return "", {}
    return data.fingerprint, dict(zip(data.split("test")["id"], data.texts("test"), strict=True))
