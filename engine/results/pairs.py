"""Every two models on the same test rows: whether they differ, and by how much."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.data.find_rows import bundled
from engine.data.sources import SAMPLE
from engine.data.splits import group_keys
from engine.data.tasks import Task
from engine.evaluation.differences import Verdict, measure_differences
from engine.evaluation.metrics import Ints
from engine.evaluation.significance import holm, mcnemar
from engine.store import Predictions, Run


def pairwise_tests(runs: Sequence[Run], predictions: Mapping[str, Predictions]) -> list[dict[str, Any]]:
    """McNemar's test between every two runs that predicted the same rows; `predictions` are by the run's id."""
    tests: list[dict[str, Any]] = []
    for place, first in enumerate(runs):
        for second in runs[place + 1 :]:
            one, two = predictions[first.id], predictions[second.id]
            if one.rows != two.rows or not one.rows:
                continue
            result = mcnemar(np.array(one.labels), np.array(one.predicted), np.array(two.predicted))
            tests.append(
                {
                    "first": first.model,
                    "second": second.model,
                    "only_first_right": result.only_first_right,
                    "only_second_right": result.only_second_right,
                    "difference": (result.only_first_right - result.only_second_right) / len(one.rows),
                    "p": result.p_value,
                }
            )
    corrected = holm([float(test["p"]) for test in tests])
    return [test | {"p_holm": p} for test, p in zip(tests, corrected, strict=True)]


def pairwise_differences(
    task: Task, runs: Sequence[Run], predictions: Mapping[str, Predictions], tests: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Differences in accuracy and macro F1 of the pairs that `pairwise_tests` found, by paired bootstrap.

    Returns:
        For each pair `{first, second, figures, p_holm, resamples, rows, clusters}`: `figures` are `accuracy` and
        `macro_f1` → `{difference, low, high, verdict, is_flat}`, see `engine.evaluation.differences.Difference`;
        `clusters` is the number of terms or premises drawn, or None where rows were drawn one by one.
    """
    answered: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        answered.setdefault(tuple(predictions[run.id].rows), []).append(run)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for rows, alike in answered.items():
        if len(alike) < 2 or not rows:
            continue
        clusters = _clusters(task, alike, predictions)
        measured = measure_differences(
            np.array(predictions[alike[0].id].labels),
            {run.model: np.array(predictions[run.id].predicted) for run in alike},
            clusters,
        )
        for pair, figures in measured.items():
            found[pair] = {
                "figures": {
                    name: {
                        "difference": one.estimate,
                        "low": one.low,
                        "high": one.high,
                        "verdict": one.verdict.value,
                        "is_flat": one.is_flat,
                    }
                    for name, one in figures.items()
                },
                "resamples": next(iter(figures.values())).resamples,
                "rows": len(rows),
                "clusters": None if clusters is None else len(np.unique(clusters)),
            }
    return [
        {"first": one["first"], "second": one["second"], "p_holm": one["p_holm"], **found[one["first"], one["second"]]}
        for one in tests
    ]


def describe_verdict(pair: Mapping[str, Any], figure: str, quote: str = "") -> str:
    """`tfidf better`, `equal within a point` or `no clear difference`.

    Args:
        pair: One of `pairwise_differences`.
        figure: `accuracy` or `macro_f1`.
        quote: Stands around a model's name.
    """
    verdict = Verdict(pair["figures"][figure]["verdict"])
    better = {Verdict.FIRST: pair["first"], Verdict.SECOND: pair["second"]}.get(verdict)
    return f"{quote}{better}{quote} better" if better else str(verdict)


def describe_difference(measured: Mapping[str, Any]) -> str:
    """`+8.8 (+2.6 to +14.7)`: one of a pair's figures in points with its interval; one of zero width is called so."""
    ends = "zero width" if measured["is_flat"] else f"{_points(measured['low'])} to {_points(measured['high'])}"
    return f"{_points(measured['difference'])} ({ends})"


def _points(share: float) -> str:
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def _clusters(task: Task, runs: Sequence[Run], predictions: Mapping[str, Predictions]) -> Ints | None:
    """The term or premise of each row as a number; None where neither the records nor data at hand name any."""
    for run in runs:
        if predictions[run.id].clusters:
            return np.array(predictions[run.id].clusters)
    data = bundled(task) if runs[0].source == SAMPLE else None
    if data is None or data.fingerprint != runs[0].fingerprint:
        return None
    test = data.split("test")
    groups = group_keys(test, task)
    if groups is None:
        return None
    numbers = dict(zip(test["id"], groups.factorize()[0].tolist(), strict=True))
    return np.array([numbers[row] for row in predictions[runs[0].id].rows])
