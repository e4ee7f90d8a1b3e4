"""Quality of predictions: pure functions over arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BETTER: Mapping[str, Callable[..., float]] = MappingProxyType(
    {
        "loss": min,
        "calibration_error": min,
        "accuracy": max,
        "macro_f1": max,
        "weighted_f1": max,
        "mcc": max,
    }
)
"""Which direction is better, for every figure that can be chosen on."""


@dataclass(frozen=True)
class Scores:
    """What one model got on one set of rows."""

    rows: int
    accuracy: float
    macro_f1: float
    """Mean F1 of the classes that have rows."""
    weighted_f1: float
    mcc: float
    loss: float
    """Mean cross-entropy in nats."""
    calibration_error: float
    per_class: tuple[Mapping[str, float], ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """Rows are true classes, columns are predicted ones."""
    per_language: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % intervals of `FIGURES`, see `significance.bootstrap_intervals`; those that say nothing are left out, and
    records from before 0.6.0 lack that of `calibration_error`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and the store."""
        return {
            **{name: getattr(self, name) for name in ("rows", *FIGURES)},
            "per_class": [dict(one) for one in self.per_class],
            "confusion": [list(row) for row in self.confusion],
            "per_language": {name: dict(values) for name, values in self.per_language.items()},
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }


FIGURES = ("accuracy", "macro_f1", "weighted_f1", "mcc", "loss", "calibration_error")


def interval_of(figures: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """The interval of a figure in `Scores.as_dict`; None where rows are too few, or too much alike, for one."""
    low, high = figures["intervals"].get(name) or (0.0, 0.0)
    # Records from before 0.7.0 hold some of no width.
    return (float(low), float(high)) if low < high else None


def absent_classes(per_class: Sequence[Mapping[str, float]], labels: Sequence[str]) -> list[str]:
    """Classes that have no rows among those scored, and so no part in macro F1."""
    return [label for label, one in zip(labels, per_class, strict=True) if not one["support"]]


def softmax(logits: Floats) -> Floats:
    """Probabilities from logits, shape (n, classes)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def cross_entropy(labels: Ints, probabilities: Floats) -> Floats:
    """Negative log-likelihood in nats of each row, shape (n,)."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.clip(chosen, 1e-12, 1.0))


def confidence_gaps(labels: Ints, probabilities: Floats, bins: int) -> tuple[Ints, Floats]:
    """Each row's bin of confidence, and by how much being right exceeds being sure; both of shape (n,)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return place, right - confidence


def calibration_error(labels: Ints, probabilities: Floats, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins of confidence (Guo et al., 2017)."""
    place, gap = confidence_gaps(labels, probabilities, bins)
    # A bin's share of the rows times its mean gap is its sum over all rows.
    return float(np.abs(np.bincount(place, weights=gap)).sum() / len(labels))


def headline(labels: Ints, probabilities: Floats) -> dict[str, float]:
    """The six figures of `FIGURES`; macro F1 is the mean over the classes that have rows."""
    # Here, since it takes a second, which whoever opens a page or starts a search would wait for.
    from sklearn.metrics import f1_score, matthews_corrcoef

    predicted = probabilities.argmax(axis=1)
    classes = np.arange(probabilities.shape[1])
    return {
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(labels, predicted, labels=classes, average="weighted", zero_division=0)),
        # Undefined with one label in all; scikit-learn says 0 too, but with a warning for every language.
        "mcc": float(matthews_corrcoef(labels, predicted)) if len(np.union1d(labels, predicted)) > 1 else 0.0,
        "loss": float(cross_entropy(labels, probabilities).mean()),
        "calibration_error": calibration_error(labels, probabilities),
    }


def score(labels: Ints, probabilities: Floats, languages: Sequence[str] | None = None) -> Scores:
    """Score predicted probabilities, without intervals.

    Args:
        labels: True class numbers, shape (n,), n at least 1.
        probabilities: Rows that sum to one, shape (n, classes).
        languages: Language code of each row, for figures per language.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = np.arange(probabilities.shape[1])
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=classes, average=None, zero_division=0
    )
    per_class = tuple(
        {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for p, r, f, s in zip(precision, recall, f1, support, strict=True)
    )
    per_language: dict[str, dict[str, float]] = {}
    if languages is not None:
        codes = np.asarray(languages)
        for code in sorted(set(codes) - {""}):
            inside = codes == code
            figures = headline(labels[inside], probabilities[inside])
            per_language[str(code)] = {"rows": int(inside.sum())} | {
                name: figures[name] for name in ("accuracy", "macro_f1")
            }
    matrix = confusion_matrix(labels, predicted, labels=classes)
    figures = headline(labels, probabilities)
    return Scores(
        rows=len(labels),
        accuracy=figures["accuracy"],
        macro_f1=figures["macro_f1"],
        weighted_f1=figures["weighted_f1"],
        mcc=figures["mcc"],
        loss=figures["loss"],
        calibration_error=figures["calibration_error"],
        per_class=per_class,
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
        per_language=per_language,
    )
