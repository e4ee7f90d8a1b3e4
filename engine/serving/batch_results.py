"""Results of an answered file: agreement, shares of classes, scores, and the file with the answers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from engine.data.tables.writing import Cell, written
from engine.errors import OdzeraError
from engine.evaluation.agreement import MISSING, Agreement, agreement_of_rows, measure_agreement
from engine.evaluation.metrics import Ints, Scores
from engine.experiments.record import score_with_intervals
from engine.serving.batch import Outcome
from engine.training.checkpoints import Checkpoint


def has_vote(model: Checkpoint) -> bool:
    """Whether a model's answer counts: not where it ignores the text, or wasn't trained on purpose."""
    recipe = model.manifest["recipe"]
    return recipe.get("baseline") != "majority" and recipe["kind"] != "frozen"


def predicted(outcome: Outcome) -> dict[str, Ints]:
    """Model → class numbers of shape (inputs,), `MISSING` where it hasn't answered."""
    found = {}
    for name, rows in outcome.probabilities.items():
        answered = ~np.isnan(rows[:, 0])
        found[name] = np.where(answered, np.where(answered[:, None], rows, 0).argmax(axis=1), MISSING)
    return found


def voters(outcome: Outcome, models: Sequence[Checkpoint]) -> list[str]:
    """The models whose agreement is counted: those with a vote, or all where fewer than two have one."""
    there = [model for model in models if model.name in outcome.probabilities]
    voting = [model.name for model in there if has_vote(model)]
    return voting if len(voting) > 1 else [model.name for model in there]


def agreement(outcome: Outcome, names: Sequence[str]) -> Agreement:
    """How far these models agree."""
    said = predicted(outcome)
    return measure_agreement({name: said[name] for name in names})


def label_shares(outcome: Outcome) -> dict[str, dict[str, float]]:
    """Model → class name → share of the rows that it answered; models that answered none are left out."""
    labels = outcome.batch.columns.task.labels
    shares = {}
    for name, said in predicted(outcome).items():
        answered = said[said != MISSING]
        if len(answered):
            counts = np.bincount(answered, minlength=len(labels)) / len(answered)
            shares[name] = dict(zip(labels, map(float, counts), strict=True))
    return shares


def score_models(outcome: Outcome) -> dict[str, Scores]:
    """Model → scores with intervals on the rows that have a label and its answer; models without such rows left out."""
    scores = {}
    for name, rows in outcome.probabilities.items():
        inside = (outcome.batch.labels != MISSING) & ~np.isnan(rows[:, 0])
        if inside.any():
            scored = score_with_intervals(outcome.batch.labels[inside], rows[inside], None)
            scores[name] = scored
    return scores


def count_seen(outcome: Outcome, models: Sequence[Checkpoint]) -> dict[str, int]:
    """Model → how many of the rows it was trained on, for those where there are any."""
    counts = {}
    for one in models:
        # One whose list of rows can't be read has answered all the same.
        with suppress(OdzeraError):
            if one.name in outcome.probabilities and (count := one.count_seen(outcome.batch.inputs)):
                counts[one.name] = count
    return counts


def answered_file(outcome: Outcome, names: Sequence[str], kind: str = "") -> bytes:
    """The file with two columns for each model, and one that says how far `names` agree on the row.

    Columns are `MODEL`, the class; `MODEL_probability`, what the model gives it; and `agreement`, the share of the
    models that say what most say, where there are two or more. Rows without an answer have empty cells. Where a model
    has cut a text, or has no sign for something, two columns more say in which rows; see `_not_read`. `kind` is the
    ending of the file's name; without it, the file is written as it was read.
    """
    batch = outcome.batch
    labels, total = batch.columns.task.labels, len(batch.table.numbers)
    said = predicted(outcome)
    added: dict[str, list[Cell]] = {}
    for name, rows in outcome.probabilities.items():
        added[name], added[f"{name}_probability"] = [None] * total, [None] * total
        for place, label, row in zip(batch.places, said[name], rows, strict=True):
            if label != MISSING:
                added[name][place] = labels[label]
                added[f"{name}_probability"][place] = round(float(row[label]), 4)
        added |= _not_read(outcome, name)
    if len(names) > 1:
        added["agreement"] = [None] * total
        for place, share in zip(batch.places, agreement_of_rows({name: said[name] for name in names}), strict=True):
            if not np.isnan(share):
                added["agreement"][place] = round(float(share), 3)
    return written(batch.table, added, kind)


def _not_read(outcome: Outcome, name: str) -> dict[str, list[Cell]]:
    """`MODEL_truncated`, the share of a text's tokens that was cut off, and `MODEL_unknown`, that of unknown ones.

    Nothing where all rows are 0: a file for eight models is wide enough.
    """
    if (read := outcome.readings.get(name)) is None:
        return {}
    shares = {
        f"{name}_truncated": 1 - read.read / np.maximum(read.given, 1),
        f"{name}_unknown": read.unknown / np.maximum(read.read, 1),
    }
    added: dict[str, list[Cell]] = {}
    for column, values in shares.items():
        if values.any():
            added[column] = [None] * len(outcome.batch.table.numbers)
            # Models come to the inputs in their order.
            for place, share in zip(outcome.batch.places, values, strict=False):
                added[column][place] = round(float(share), 3)
    return added


def summarise(outcome: Outcome, models: Sequence[Checkpoint]) -> dict[str, Any]:
    """All of it as plain values, for JSON."""
    batch = outcome.batch
    common = agreement(outcome, voters(outcome, models)) if outcome.probabilities else None
    scores = score_models(outcome)
    seen = count_seen(outcome, models)
    said = predicted(outcome)
    shares = label_shares(outcome)
    return {
        "file": batch.table.name,
        "task": batch.columns.task.name,
        "columns": {
            **dict(zip(batch.columns.task.text_columns, batch.columns.texts, strict=True)),
            "label": batch.columns.label,
        },
        "rows": len(batch.table.numbers),
        "answered": len(batch.inputs),
        "refused": dict(batch.refused),
        "unknown_labels": batch.unknown_labels,
        "unscored": str(batch.doubt or ""),
        "reading": batch.report.as_dict(),
        "models": [
            {
                "model": name,
                "rows": int((said[name] != MISSING).sum()),
                "seconds": round(outcome.seconds[name], 3),
                "shares": shares.get(name),
                "scores": scores[name].as_dict() if name in scores else None,
                "rows_seen_in_training": seen.get(name, 0),
                "reading": outcome.readings[name].summary() if name in outcome.readings else None,
            }
            for name in outcome.probabilities
        ],
        "failures": {one.model: one.reason for one in outcome.failures},
        "agreement": None if common is None else _plain(common),
        "cancelled": outcome.cancelled,
    }


def _plain(common: Agreement) -> Mapping[str, Any]:
    pairs = [[None if np.isnan(share) else share for share in row] for row in common.pairs]
    return {"models": list(common.models), "rows": common.rows, "unanimous": common.unanimous, "pairs": pairs}
