"""Tables of repeated trainings: each model's mean over seeds and folds, and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.splits import GROUPED_BY
from engine.data.tasks import TASKS, get_task
from engine.errors import DataError, RecipeError
from engine.evaluation.repeated import RESAMPLES, average
from engine.experiments.repeats import digest_settings
from engine.experiments.repeats_file import Repeats, digits, list_repeats
from engine.store import Repeat
from engine.training.checkpoints import Checkpoint


def find_repeats(
    folders: Sequence[Path], task: str, fingerprint: str | None = None, folds: int | None = None
) -> tuple[Repeats, list[str]]:
    """Results over seeds and folds, those on most folds unless named, and what could not be read.

    Args:
        folders: Where they may be; a file's name in the first hides the same in the next.
        task: Name of the task.
        fingerprint: Beginning of the data's.
        folds: How many; 1 for the source's own split.

    Raises:
        DataError: There are none.
    """
    found, refused = list_repeats(folders, get_task(task).name)
    for one in found:
        if (fingerprint is None or one.fingerprint.startswith(fingerprint)) and folds in (None, one.folds):
            return one, refused
    known = "; ".join(f"{one.fingerprint} ({one.source}), {describe_folds(one)}" for one in found)
    there = f" There are some on: {known}." if known else ""
    why = f" {refused[0]}" if refused and not known else ""
    raise DataError(f"There are no such results for {task} yet: odzera results make {task}.{there}{why}")


def read_means(folders: Sequence[Path], task: str, models: Sequence[Checkpoint]) -> dict[str, dict[str, Any]]:
    """Model → its row of `tabulate` without intervals, for models whose settings were measured on their data.

    A model that was trained with other settings than those measured has none, whatever it is called.
    """
    if not models:
        return {}
    try:
        repeats, _ = find_repeats(folders, task, models[0].fingerprint)
    except DataError:
        return {}
    rows = {row["model"]: row for row in tabulate(repeats, resamples=0)["rows"]}
    return {
        one.name: rows[one.name]
        for one in models
        if one.name in rows and _is_made_so(one, rows[one.name]["trained_with"])
    }


def _is_made_so(model: Checkpoint, settings: str) -> bool:
    try:
        return digest_settings(model.recipe) == settings
    except RecipeError:
        return False


def tabulate(repeats: Repeats, resamples: int = RESAMPLES) -> dict[str, Any]:
    """A row for each model, the best macro F1 first; a seed counts only with all its folds.

    Args:
        repeats: Trainings.
        resamples: Of each interval's bootstrap; with 0 intervals are not computed, and stand at the mean.

    Returns:
        `{task, data, folds, by, rows, unfinished}`: `unfinished` has the number of trainings of each model of which no
        seed has all its folds yet.
    """
    rows, unfinished = [], {}
    for model in dict.fromkeys(job.model for job in repeats.jobs):
        seeds, answers = answers_of(repeats, model)
        own = [job for job in repeats.jobs if job.model == model]
        if seeds:
            rows.append(_row(repeats, model, [job for job in own if job.seed in seeds], answers, resamples))
        else:
            unfinished[model] = len(own)
    return {
        "task": repeats.task,
        "data": {
            "source": repeats.source,
            "fingerprint": repeats.fingerprint,
            "test_rows": len(repeats.rows),
            "groups": len(set(repeats.groups)),
            "labels": list(TASKS[repeats.task].labels),
        },
        "folds": repeats.folds,
        "by": repeats.by,
        "created": repeats.created,
        "rows": sorted(rows, key=lambda row: (-row["macro_f1"]["mean"], row["model"])),
        "unfinished": unfinished,
    }


def answers_of(repeats: Repeats, model: str) -> tuple[list[int], NDArray[np.int64]]:
    """The seeds of which a model has all folds, and what it answered with each: shape (seeds, rows).

    A model without chance in it has one seed, whatever the others have.
    """
    own = {(job.seed, job.fold): job for job in repeats.jobs if job.model == model}
    folds = range(repeats.folds)
    seeds = [seed for seed in sorted({seed for seed, _ in own}) if all((seed, fold) in own for fold in folds)]
    answers = np.empty((len(seeds), len(repeats.rows)), dtype=np.int64)
    for fold in folds:
        places = repeats.places(fold)
        for place, seed in enumerate(seeds):
            answers[place, places] = digits(own[seed, fold].predicted)
    return seeds, answers


def _row(
    repeats: Repeats, model: str, jobs: Sequence[Repeat], answers: NDArray[np.int64], resamples: int
) -> dict[str, Any]:
    labels, folds, groups = digits(repeats.labels), digits(repeats.fold_of), np.array(repeats.groups)
    means = average(labels, folds, groups, answers, resamples)
    figures = [job.figures for job in jobs]
    return {
        "model": model,
        "recipe": figures[-1]["recipe"],
        "seeds": len(answers),
        "folds": repeats.folds,
        **{name: asdict(mean) for name, mean in means.items()},
        "f1": np.mean([one["f1"] for one in figures], axis=0).round(4).tolist(),
        **{name: _mean_of(figures, name) for name in ("loss", "train_accuracy", "epochs", "best_epoch", "seconds")},
        # A tokenizer of another fold may have other words.
        "total_parameters": round(float(np.mean([one["parameters"]["total"] for one in figures]))),
        "trained_parameters": round(float(np.mean([one["parameters"]["trained"] for one in figures]))),
        "version": jobs[-1].version,
        "made": max(job.created for job in jobs),
        "trained_with": figures[-1]["trained_with"],
        "machines": sorted({str(one["machine"]) for one in figures}),
    }


def _mean_of(figures: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [one[name] for one in figures if one[name] is not None]
    return round(float(np.mean(values)), 4) if values else None


def describe_folds(table: Repeats | Mapping[str, Any]) -> str:
    """`5 folds by slang terms`, or `its own split`."""
    folds, by = (table.folds, table.by) if isinstance(table, Repeats) else (table["folds"], table["by"])
    return "its own split" if folds == 1 else f"{folds} folds by {GROUPED_BY[by]}"


def describe_table(table: Mapping[str, Any]) -> list[str]:
    """What has to be known to read a table: its rows and folds, what ± and the interval mean, who measured."""
    data, rows = table["data"], table["rows"]
    groups = GROUPED_BY[table["by"]]
    what = "over the seeds" if table["folds"] == 1 else f"over the seeds and {describe_folds(table)}"
    lines = [
        f"Means {what}, on {data['test_rows']:,} test rows of {data['groups']:,} {groups} ({data['source']}, "
        f"{data['fingerprint']}). ± is the standard deviation of the seeds' means; without it a model has no chance "
        f"in it, or one seed. Ends of 95 % intervals: bootstrap over {groups} and seeds."
    ]
    versions = sorted({row["version"] for row in rows})
    machines = sorted({machine for row in rows for machine in row["machines"]})
    if rows:
        lines.append(f"Measured by version {' and '.join(versions)} on {'; '.join(machines)}.")
    for model, trained in table["unfinished"].items():
        lines.append(f"Not in the table: {model}, {trained} of whose trainings are done, but no seed on all folds.")
    return lines
