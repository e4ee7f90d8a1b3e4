"""Tables as plain values: trained models on the same data, a model on any file, and the recipes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.data.sources import TaskData
from engine.data.tasks import TASKS, Task
from engine.errors import DataError, StoreError
from engine.evaluation.metrics import absent_classes
from engine.evaluation.significance import calibration_interval, with_width
from engine.experiments.foundations import as_plain, of_record
from engine.experiments.record import adopt_checkpoints, score_with_intervals
from engine.paths import Places
from engine.results.pairs import pairwise_differences, pairwise_tests
from engine.store import DataSet, Predictions, Run, Store
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import Classifier
from engine.training.loop import Tick
from engine.training.parameter_counts import count_recipe
from engine.training.recipes import RECIPES


def open_results(places: Places) -> tuple[Store, list[str]]:
    """The store with the records of all checkpoints in it, and notes on what was refused.

    Where the store's file can't be opened or written, one in memory takes its place.
    """
    notes = []
    try:
        store = Store.open(places.store)
    except StoreError as error:
        notes.append(f"{error} Only results that travel with checkpoints are shown.")
        store = Store.in_memory()
    try:
        refused = [line for task in TASKS.values() for line in adopt_checkpoints(store, places.checkpoints, task)]
    except StoreError as error:
        notes.append(f"{error} Only results that travel with checkpoints are shown.")
        store = Store.in_memory()
        refused = [line for task in TASKS.values() for line in adopt_checkpoints(store, places.checkpoints, task)]
    return store, [*notes, *refused]


def choose_data(store: Store, task: Task, fingerprint: str | None) -> tuple[DataSet, list[DataSet]]:
    """The data set to compare on (that trained on last, unless named), and the others.

    Raises:
        DataError: No model was trained on such data.
    """
    sets = store.data_sets(task.name)
    if not sets:
        raise DataError(
            f"No model is trained for {task.name} yet: odzera train majority tfidf scratch --task {task.name}"
        )
    chosen = (
        sets[0] if fingerprint is None else next((one for one in sets if one.fingerprint.startswith(fingerprint)), None)
    )
    if chosen is None:
        known = ", ".join(f"{one.fingerprint} ({one.source})" for one in sets)
        raise DataError(f"No model for {task.name} was trained on data {fingerprint}. There are results on: {known}.")
    return chosen, [one for one in sets if one is not chosen]


def compare_models(store: Store, task: Task, fingerprint: str | None = None) -> dict[str, Any]:
    """All models trained on one data set, best first, with their test figures, costs and pairwise tests.

    Returns:
        `{data: {source, fingerprint, rows, licence, labels, absent}, rows: [...], missing: [...], mcnemar: [...],
        differences: [...], other_data: [...]}`; `absent` are classes without test rows; `missing` names the zero-shot
        and few-shot recipes that a fine-tuned row lacks beside it. Each of `mcnemar` is `{first, second,
        only_first_right, only_second_right, difference, p, p_holm}`: `difference` is the first's accuracy less the
        second's, `p` is McNemar's for this pair alone, and `p_holm` the one to go by: corrected for all pairs in the
        list. `differences` has the same pairs, see `pairwise_differences`.

    Raises:
        DataError: No model was trained on such data.
    """
    chosen, others = choose_data(store, task, fingerprint)
    runs = store.runs(task.name, chosen.fingerprint)
    predictions = {run.id: store.predictions(run.id) for run in runs}
    rows = sorted(
        (_with_calibration(_with_foundations(table_row(run), store, run), predictions[run.id]) for run in runs),
        key=lambda row: row[task.select_on],
        reverse=True,
    )
    order = {row["model"]: place for place, row in enumerate(rows)}
    best_first = sorted(runs, key=lambda run: order[run.model])
    tests = pairwise_tests(best_first, predictions)
    return {
        "task": task.name,
        "data": {
            "source": chosen.source,
            "fingerprint": chosen.fingerprint,
            "rows": chosen.rows,
            "test_rows": runs[-1].record["rows"]["test"],
            "licence": chosen.licence,
            "labels": list(task.labels),
            "absent": absent_classes(runs[-1].record["scores"]["test"]["per_class"], task.labels),
        },
        "rows": rows,
        "missing": missing_untrained(task, runs),
        "mcnemar": tests,
        "differences": pairwise_differences(task, best_first, predictions, tests),
        "other_data": [{"source": one.source, "fingerprint": one.fingerprint, "models": one.models} for one in others],
    }


def missing_untrained(task: Task, runs: Sequence[Run]) -> list[str]:
    """Zero-shot and few-shot recipes of the backbones that `runs` were fine-tuned from, where they haven't been run.

    What a backbone can do untrained belongs beside what training made of it.
    """
    there = {run.record["recipe"] for run in runs}
    backbones = {
        run.record["settings"].get("backbone")
        for run in runs
        if run.record["settings"].get("kind") == "pretrained" and not run.record["settings"].get("random_weights")
    }
    return [
        recipe.name
        for recipe in RECIPES.values()
        if recipe.kind == "frozen"
        and recipe.backbone in backbones
        and task.name in recipe.tasks
        and recipe.name not in there
        and not recipe.asks_nli
    ]


def describe_few_shot(row: Mapping[str, Any]) -> str:
    """`minilm-few: accuracy by examples of each class, … 1: 0.395 ± 0.067, 4: …`, or nothing."""
    rungs = row.get("few_shot")
    if not rungs:
        return ""
    steps = ", ".join(
        f"{rung['shots']}: {rung['accuracy']['mean']:.3f} ± {rung['accuracy']['deviation']:.3f}" for rung in rungs
    )
    left_out = " or ".join(map(str, row.get("few_shot_left_out") or ()))
    too_many = f" No room for {left_out}." if left_out else ""
    return (
        f"{row['model']}: accuracy by examples of each class, mean of {rungs[0]['draws']} draws ± standard deviation: "
        f"{steps}. Its row is the first draw of {rungs[-1]['shots']}.{too_many}"
    )


def table_row(run: Run) -> dict[str, Any]:
    """One model as a flat row of plain values."""
    record: Mapping[str, Any] = run.record
    test = record["scores"]["test"]
    figures = ("accuracy", "macro_f1", "weighted_f1", "mcc", "loss", "calibration_error")
    return {
        "model": run.model,
        "recipe": record["recipe"],
        "family": family_of(record["settings"]),
        "run": run.id,
        **{name: test[name] for name in figures},
        # Records from before 0.7.0 hold some of no width.
        "intervals": {name: list(ends) for name, ends in with_width(test["intervals"]).items()},
        "per_class": test["per_class"],
        "confusion": test["confusion"],
        "per_language": test["per_language"],
        "total_parameters": record["parameters"]["total"],
        "trained_parameters": record["parameters"]["trained"],
        "training_seconds": record["cost"]["seconds"],
        "seconds_per_epoch": record["cost"]["seconds_per_epoch"],
        "epochs": record["cost"]["epochs"],
        # Records from before 0.4.0 lack these.
        "training_samples_per_second": record["cost"].get("samples_per_second"),
        "joules": record["cost"].get("joules"),
        "batch_p50_ms": record["latency"].get("batch_p50_ms"),
        "batch_p95_ms": record["latency"].get("batch_p95_ms"),
        "few_shot": record.get("few_shot"),
        # Of the test rows; records from before 0.7.0 don't tell.
        "reading": record.get("reading"),
        "few_shot_left_out": record.get("few_shot_left_out", []),
        "peak_memory_mb": record["cost"]["peak_memory_mb"],
        "size_bytes": record["cost"]["size_bytes"],
        "p50_ms": record["latency"]["p50_ms"],
        "p95_ms": record["latency"]["p95_ms"],
        "samples_per_second": record["latency"]["samples_per_second"],
        # Records from before the count was kept were timed on the threads of their training.
        "latency_threads": record["latency"].get("threads", record["machine"]["threads"]),
        "device": record["machine"]["device_name"],
        "created": run.created,
        # Where one setting was trained on several seeds: which ones, and how much they differ.
        "refit": record.get("refit"),
    }


def family_of(settings: Mapping[str, Any]) -> str:
    """What a model counts as, by its recipe's settings: their kind, but for what the kind doesn't tell.

    A backbone that gave nothing but its shape counts as trained from scratch, a decoder over word vectors that were
    learnt before as pretrained, and one that adds to TF-IDF as a hybrid, whatever else it has.
    """
    if settings.get("random_weights"):
        return "scratch"
    if settings["kind"] != "scratch":
        return str(settings["kind"])
    if settings.get("baseline"):
        return "hybrid"
    return "pretrained" if settings["decoder"].get("vectors") else "scratch"


def describe_absent(absent: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Which classes have no rows, and what macro F1 is then a mean of; nothing where all have some."""
    if not absent:
        return []
    present = ", ".join(label for label in labels if label not in absent)
    return [f"No rows of {', '.join(absent)}: macro F1 is the mean over the classes that have rows ({present})."]


def describe_refit(row: Mapping[str, Any]) -> str:
    """`scratch: the best of 5 seeds on validation; over all of them accuracy 0.58 ± 0.01, …`, or nothing."""
    refit = row.get("refit")
    if not refit:
        return ""
    test = refit["test"]
    spread = ", ".join(
        f"{title} {test[name]['mean']:.3f} ± {test[name]['deviation']:.3f}"
        for name, title in (("accuracy", "accuracy"), ("macro_f1", "macro F1"))
    )
    seeds = len(refit["seeds"])
    return (
        f"{row['model']}: settings found by a search, the best of {seeds} seeds on validation; all {seeds}: {spread}."
    )


def _with_foundations(row: dict[str, Any], store: Store, run: Run) -> dict[str, Any]:
    """The row with what the model rests on, which records from before 0.7.0 lack."""
    found = run.record.get("foundations")
    return row | {"foundations": as_plain(of_record(store, run.record["settings"])) if found is None else found}


def describe_foundations(row: Mapping[str, Any]) -> str:
    """What an untrained model rests on, and what that is bound to; nothing for a trained one, whose data is named."""
    if row["family"] != "frozen" or not row["foundations"]:
        return ""
    parts = "; ".join(
        f"{one['name']}, trained on {one['data'] or 'what is not recorded here'} "
        f"(licence: {one['licence'] or 'not recorded, see ' + (one['source'] or 'who made it')})"
        for one in row["foundations"]
    )
    return f"{row['model']} is untrained. It rests on {parts}."


def _with_calibration(row: dict[str, Any], predictions: Predictions) -> dict[str, Any]:
    """The row with the interval of its calibration error, which records from before 0.6.0 lack."""
    if "calibration_error" in row["intervals"] or not predictions.rows:
        return row
    ends = calibration_interval(np.array(predictions.labels), np.array(predictions.probabilities))
    own = {name: list(both) for name, both in with_width({"calibration_error": ends}).items()}
    return row | {"intervals": {**row["intervals"], **own}}


def evaluate_model(
    classifier: Classifier, checkpoint: Checkpoint, data: TaskData, split: str, tick: Tick | None = None
) -> dict[str, Any]:
    """Score a trained model on a split of any labelled data.

    Args:
        classifier: The opened model.
        checkpoint: What it was opened from.
        data: Labelled rows.
        split: `train`, `validation`, `test` or `all`.
        tick: Hears how many rows are done.

    Raises:
        DataError: The split has no rows.
    """
    rows = data.split(split)
    if not len(rows):
        raise DataError(f"{data.source} has no {split} rows.")
    probabilities, read = classifier.answer(data.texts(split), tick)
    languages = list(rows["lang_abv"]) if "lang_abv" in rows else None
    scores = score_with_intervals(rows["label"].to_numpy(dtype=np.int64), probabilities, languages)
    return {
        "model": checkpoint.name,
        "task": checkpoint.task,
        "trained_on": {"source": checkpoint.manifest["data"]["source"], "fingerprint": checkpoint.fingerprint},
        "data": {"source": data.source, "fingerprint": data.fingerprint, "split": split, "rows": len(rows)},
        "rows_seen_in_training": checkpoint.count_seen(data.texts(split)),
        "dropped": dict(data.report.dropped),
        "first_rows": {why: list(rows) for why, rows in data.report.rows.items()},
        "files": [file.as_dict() for file in data.report.files],
        "notes": list(map(str, data.report.notes)),
        "reading": None if read is None else read.summary(),
        "absent": absent_classes(scores.per_class, data.task.labels),
        **scores.as_dict(),
        "labels": list(data.task.labels),
    }


def list_recipes(only: str | None = None) -> list[dict[str, Any]]:
    """Every recipe for each of its tasks, or for one; baselines have no parameters before they see data."""
    rows: list[dict[str, Any]] = []
    for recipe in RECIPES.values():
        for task in (one for one in recipe.tasks if only in (None, one)):
            count = count_recipe(recipe, TASKS[task].is_pair)
            rows.append(
                {
                    "name": recipe.name,
                    "task": task,
                    "total_parameters": count.total if count else None,
                    "trained_parameters": count.trained if count else None,
                    "summary": recipe.summary,
                    "reported": dict(recipe.reported),
                }
            )
    return rows
