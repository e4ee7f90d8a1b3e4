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


def count_pairs(labels: Ints, predicted: Ints, classes: int) -> Floats:
    """The confusion matrix, shape (classes, classes): rows are true classes, columns predicted ones."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes).astype(np.float64)


def class_f1(matrices: Floats) -> Floats:
    """F1 of each class of confusion matrices of shape (m, classes, classes): shape (m, classes), 0 where undefined."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    return _ratio(2 * hits, matrices.sum(axis=2) + matrices.sum(axis=1))


def from_confusion(matrices: Floats, present: Ints) -> dict[str, Floats]:
    """Accuracy, F1 and MCC of confusion matrices of shape (m, classes, classes); macro F1 of the classes `present`."""
    total = matrices.sum(axis=(1, 2))
    right = np.trace(matrices, axis1=1, axis2=2)
    truth, guess = matrices.sum(axis=2), matrices.sum(axis=1)
    f1 = class_f1(matrices)
    # Multi-class Matthews correlation, R_K (Gorodkin, 2004).
    above = right * total - (truth * guess).sum(axis=1)
    below = np.sqrt((total**2 - (guess**2).sum(axis=1)) * (total**2 - (truth**2).sum(axis=1)))
    return {
        "accuracy": right / total,
        "macro_f1": f1[:, present].mean(axis=1),
        "weighted_f1": (f1 * truth).sum(axis=1) / total,
        "mcc": _ratio(above, below),
    }


def _ratio(above: Floats, below: Floats) -> Floats:
    """0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


def headline(labels: Ints, probabilities: Floats) -> dict[str, float]:
    """The six figures of `FIGURES`; macro F1 is the mean over the classes that have rows."""
    matrix = count_pairs(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return {
        **{name: float(value[0]) for name, value in from_confusion(matrix[None], np.unique(labels)).items()},
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
    matrix = count_pairs(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    hits, truth, guess = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    columns = _ratio(hits, guess), _ratio(hits, truth), class_f1(matrix[None])[0], truth
    per_class = tuple(
        {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for p, r, f, s in zip(*columns, strict=True)
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
    return Scores(
        rows=len(labels),
        **headline(labels, probabilities),
        per_class=per_class,
        confusion=tuple(tuple(int(cell) for cell in row) for row in matrix),
        per_language=per_language,
        intervals={},
    )
