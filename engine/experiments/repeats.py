"""Repeated trainings: every model over the same folds and seeds, each in a process of its own, none of them twice."""

import dataclasses
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from engine import __version__
from engine.data.folds import cut_fold, make_folds
from engine.data.sources import TaskData
from engine.errors import DataError, OdzeraError, RecipeError
from engine.evaluation.metrics import score
from engine.experiments.record import Fitted, Request
from engine.experiments.repeats_file import Repeats, as_digits, read_repeats, start_repeats, write_repeats
from engine.experiments.run import fit
from engine.machine import describe_machine, now
from engine.models.backbone_files import locate
from engine.models.backbones import get_backbone
from engine.processes import run_all
from engine.store import Repeat, Store
from engine.training.build import choose_device, labels_of, require_classes
from engine.training.checkpoints import Checkpoint, find_checkpoint
from engine.training.classifiers import Classifier, open_checkpoint
from engine.training.recipe import Recipe
from engine.training.unlabelled import digest_text

START_SECONDS = 8.0
"""What a process takes before it trains, about."""
UNKNOWN_SECONDS = 60.0
"""What a training takes of which nothing is known."""


@dataclass(frozen=True)
class Job:
    """One model to train on one fold with one seed."""

    model: str
    recipe: Recipe
    fold: int
    settings: str
    """Digest of everything that it is trained with."""
    backbone: str
    """Commit or digest of what it starts from, of the model that it asks, or of the text it learns vectors from."""

    @property
    def made_by(self) -> tuple[str, str, str]:
        """What all trainings of one row of a table have in common, beside the model's name."""
        return __version__, digest_settings(self.recipe), self.backbone


@dataclass(frozen=True)
class Failed:
    """A training that didn't come to its end, and why."""

    job: Job
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far it is, after each training."""

    repeats: Repeats
    done: int
    of: int
    seconds_left: float
    """About."""
    last: Repeat | Failed | None = None
    """What has just ended."""


def digest_settings(recipe: Recipe) -> str:
    """Digest of a recipe's settings but its seed, whatever is said of it."""
    plain = dataclasses.replace(recipe, seed=0).identity()
    for name in ("name", "summary", "tasks"):
        del plain[name]
    return _digest(plain)


def depends_on_seed(recipe: Recipe) -> bool:
    """Whether chance has a part in a model."""
    if recipe.kind == "baseline":
        return recipe.oversample
    return recipe.kind != "frozen" or bool(recipe.frozen.shots)


@dataclass(frozen=True)
class Plan:
    """What is to be trained, on what."""

    empty: Repeats
    parts: tuple[TaskData, ...]
    """The data of each fold."""
    jobs: tuple[Job, ...]
    """A seed at a time, so that what isn't finished is one of fewer seeds."""


def plan_repeats(models: Mapping[str, Recipe], data: TaskData, folds: int, seeds: int, checkpoints: Path) -> Plan:
    """A job for each model, fold and seed; one seed alone for a model without chance in it.

    Args:
        models: Name → recipe.
        data: Rows of all splits.
        folds: Folds; 1 for the source's own split.
        seeds: Seeds of each model.
        checkpoints: Where the models are that `entailment` asks.

    Raises:
        OdzeraError: The data can't be cut so, or a backbone isn't here.
    """
    if not models:
        raise RecipeError("There is no model to train; name recipes, see `odzera recipes`.")
    missing = [split for split in ("train", "validation", "test") if folds == 1 and not len(data.split(split))]
    if missing:
        raise DataError(f"{data.source} has no {missing[0]} rows.")
    drawn = make_folds(data, folds)
    parts = tuple(cut_fold(data, drawn, place) for place in range(folds))
    for part in parts:
        require_classes(part)
    backbones = {name: _backbone(recipe, checkpoints) for name, recipe in models.items()}
    jobs = [
        _job(name, dataclasses.replace(recipe, seed=seed), place, part, backbones[name])
        for seed in range(seeds)
        for name, recipe in models.items()
        if seed == 0 or depends_on_seed(recipe)
        for place, part in enumerate(parts)
    ]
    return Plan(start_repeats(data, drawn), parts, tuple(jobs))


def _job(model: str, recipe: Recipe, fold: int, part: TaskData, backbone: str) -> Job:
    settings = _digest([digest_settings(recipe), recipe.seed, backbone, part.fingerprint])
    return Job(model, recipe, fold, settings, backbone)


def _backbone(recipe: Recipe, checkpoints: Path) -> str:
    if recipe.asks_nli:
        return str(find_checkpoint(checkpoints, "nli", recipe.backbone).manifest["run"]["id"])
    if recipe.kind in ("pretrained", "frozen"):
        return locate(get_backbone(recipe.backbone))[1]
    return digest_text(recipe)


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def measure_repeats(
    plan: Plan,
    store: Store,
    file: Path,
    checkpoints: Path,
    *,
    shipped: Sequence[Repeats] = (),
    workers: int = 1,
    device: str = "auto",
    minutes: float | None = None,
    usual: Mapping[str, float] | None = None,
    trained: Mapping[str, Checkpoint] | None = None,
) -> Iterator[Progress]:
    """Train what isn't in the store yet; store and file are written after each, so nothing is trained twice.

    A training that fails is told, and the others go on.

    Args:
        plan: What to train.
        store: Where each training goes.
        file: Where all of them go that belong into a table.
        checkpoints: Where the models are that `entailment` asks.
        shipped: Results that came with the product; what of them is on the same folds counts as done.
        workers: Processes at a time.
        device: `auto`, `cpu` or `cuda`.
        minutes: No training begins after so many.
        usual: Model → seconds that it is known to take.
        trained: Model → what was trained of it on the source's own split; there it is one of the trainings.

    Yields:
        Where it stands, first before anything is trained and then after each training.

    Raises:
        DataError: The file holds other folds, or another process measures.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    device = choose_device(device)
    with _alone(file):
        own = read_repeats(file) if file.is_file() else plan.empty
        if own.design != plan.empty.design:
            raise DataError(f"{file.name} holds results on other folds; move it elsewhere to measure anew.")
        for known in (own, *shipped):
            if known.design == plan.empty.design:
                store.add_repeats(known.jobs)
        kept = _collect(plan, store)
        have = {(one.model, one.fold, one.seed, one.version, one.settings) for one in kept}
        missing = [
            job for job in plan.jobs if (job.model, job.fold, job.recipe.seed, __version__, job.settings) not in have
        ]
        machine = describe_machine(torch.device(device))
        repeats = dataclasses.replace(plan.empty, jobs=kept, machine=machine, created=now())
        if kept != own.jobs:
            write_repeats(file, repeats)
        waiting, of = list(missing), len(plan.jobs)
        yield Progress(repeats, of - len(missing), of, _seconds_left(waiting, kept, usual or {}, workers))
        upcoming = (
            (job, plan.parts[job.fold], checkpoints, device, _find_trained(plan, job, trained or {}))
            for job in missing
            if end is None or time.monotonic() < end
        )
        failed = 0
        for place, found in run_all(_measure_one, upcoming, workers, go_on=True):
            job = missing[place]
            waiting.remove(job)
            if isinstance(found, OdzeraError):
                failed += 1
                last: Repeat | Failed = Failed(job, str(found))
            else:
                last = _as_repeat(plan.empty, job, found)
                store.add_repeats([last])
                repeats = dataclasses.replace(repeats, jobs=_collect(plan, store), created=last.created)
                write_repeats(file, repeats)
            left = _seconds_left(waiting, repeats.jobs, usual or {}, workers)
            yield Progress(repeats, of - len(waiting) - failed, of, left, last)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold the file, so that two processes don't measure the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file.with_suffix(".lock"), timeout=0):
            yield
    except Timeout:
        raise DataError(f"{file.name} is being measured by another process.") from None


def _collect(plan: Plan, store: Store) -> tuple[Repeat, ...]:
    """The trainings that belong into a table: of each model those that were made alike, as the plan has it or last."""
    there = store.repeats(plan.empty.task, plan.empty.design)
    alike = {one.model: _made_by(one) for one in there} | {job.model: job.made_by for job in plan.jobs}
    chosen = {(one.model, one.seed, one.fold): one for one in there if _made_by(one) == alike[one.model]}
    return tuple(chosen[key] for key in sorted(chosen))


def _made_by(one: Repeat) -> tuple[str, str, str]:
    return one.version, one.figures["trained_with"], one.figures["backbone"]


def _seconds_left(waiting: Sequence[Job], done: Sequence[Repeat], usual: Mapping[str, float], workers: int) -> float:
    """What the jobs will take, each as long as its model's others did."""
    took: dict[str, list[float]] = {}
    for one in done:
        took.setdefault(one.model, []).append(one.figures["wall_seconds"])
    expected = dict(usual) | {name: float(np.mean(times)) for name, times in took.items()}
    other = float(np.mean(list(expected.values()))) if expected else UNKNOWN_SECONDS
    return sum(expected.get(job.model, other) + START_SECONDS for job in waiting) / max(1, workers)


def _find_trained(plan: Plan, job: Job, trained: Mapping[str, Checkpoint]) -> Checkpoint | None:
    """The trained model that a job would make again."""
    found = trained.get(job.model)
    if plan.empty.folds > 1 or found is None:
        return None
    alike = digest_settings(found.recipe) == digest_settings(job.recipe) and found.recipe.seed == job.recipe.seed
    return found if alike and found.manifest["origin"].get("revision", "") == job.backbone else None


def _measure_one(
    job: Job, data: TaskData, checkpoints: Path, device: str, trained: Checkpoint | None
) -> dict[str, Any]:
    """Train one model, or open it where it is trained, and read its fold, in a process of its own."""
    start = time.perf_counter()
    model, how = _train_one(job.recipe, data, checkpoints, device) if trained is None else _open_one(trained)
    labels = labels_of(data, "test")
    probabilities = model.probabilities(data.texts("test"))
    train_accuracy = None
    # An untrained model has no training split to be right on.
    if job.recipe.kind != "frozen":
        answers = model.probabilities(data.texts("train")).argmax(axis=1)
        train_accuracy = round(float((answers == labels_of(data, "train")).mean()), 4)
    scores = score(labels, probabilities)
    return {
        "predicted": as_digits(probabilities.argmax(axis=1)),
        "accuracy": round(scores.accuracy, 5),
        "macro_f1": round(scores.macro_f1, 5),
        "f1": [round(one["f1"], 4) for one in scores.per_class],
        "loss": round(scores.loss, 5),
        "train_accuracy": train_accuracy,
        "wall_seconds": round(time.perf_counter() - start + (0 if trained is None else how["seconds"]), 1),
        "parameters": dataclasses.asdict(model.parameters()),
        **how,
    }


def _train_one(recipe: Recipe, data: TaskData, checkpoints: Path, device: str) -> tuple[Classifier, dict[str, Any]]:
    """The model, and how its training went."""
    if recipe.kind == "frozen":
        # The first draw is the one that answers.
        recipe = dataclasses.replace(recipe, frozen=dataclasses.replace(recipe.frozen, draws=1))
    folder = Path(tempfile.mkdtemp(prefix="odzera-results-"))
    try:
        events = list(fit(Request(recipe, data, checkpoints, folder, device=device)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    fitted = next(event for event in events if isinstance(event, Fitted))
    return fitted.model, {
        "best_epoch": next((epoch.number for epoch in reversed(fitted.epochs) if epoch.is_best), None),
        "epochs": len(fitted.epochs),
        "seconds": round(fitted.seconds, 2),
        "machine": _say_machine(describe_machine(fitted.device)),
    }


def _open_one(trained: Checkpoint) -> tuple[Classifier, dict[str, Any]]:
    """A trained model, and how its training went."""
    manifest, record = trained.manifest, trained.manifest["run"]["record"]
    return open_checkpoint(trained), {
        "best_epoch": next((epoch["number"] for epoch in reversed(manifest["epochs"]) if epoch["is_best"]), None),
        "epochs": len(manifest["epochs"]),
        "seconds": round(record["cost"]["seconds"], 2),
        "machine": _say_machine(record["machine"]),
    }


def _say_machine(machine: Mapping[str, Any]) -> str:
    return f"{machine['device_name']}, threads: {machine['threads']}"


def _as_repeat(empty: Repeats, job: Job, found: Mapping[str, Any]) -> Repeat:
    figures = {name: one for name, one in found.items() if name != "predicted"}
    version, trained_with, backbone = job.made_by
    return Repeat(
        empty.task,
        empty.fingerprint,
        empty.design,
        job.model,
        job.fold,
        job.recipe.seed,
        version,
        job.settings,
        now(),
        {"recipe": job.recipe.name, "trained_with": trained_with, "backbone": backbone, **figures},
        found["predicted"],
    )
