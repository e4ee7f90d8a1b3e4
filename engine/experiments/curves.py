"""Curves: test quality against training examples, and against the tokens seen in pretraining."""

import dataclasses
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from engine import __version__
from engine.data.sources import TaskData
from engine.data.tasks import TASKS
from engine.errors import DataError, RecipeError
from engine.evaluation.metrics import headline
from engine.experiments.record import Fitted, Request
from engine.experiments.run import fit
from engine.machine import describe_machine, now
from engine.messages import Message
from engine.models.backbone_files import locate
from engine.models.backbones import get_backbone
from engine.paths import find_pretrained
from engine.pretraining.run import FACTS, MILESTONE
from engine.processes import run_all
from engine.training.build import choose_device, labels_of
from engine.training.recipe import Recipe

SHOWN = ("accuracy", "macro_f1", "loss")
AXES = {"examples": Message("training examples"), "tokens": Message("tokens seen in pretraining")}
KINDS = (*AXES, "imbalance")
"""What is measured in many trainings; the last is of `engine.experiments.ablation`, and has no axis."""
FEW_ROWS = 2000
LEAST_STEPS = {"pretrained": 200, "scratch": 800}
"""Steps that a neural model gets at least on few rows: five epochs of fifty would leave any of them untrained, one that
starts from random weights most of all (on 500 reviews it had 0.42 of accuracy after 200 steps and 0.55 after 800)."""
MOST_STEPS = 3500
"""Steps that a pretrained model gets at most: what is to be learnt from 28,000 rows it learns in a few passes."""
MOST_EPOCHS = 120


@dataclass(frozen=True)
class Job:
    """One model to train and to test."""

    series: str
    """The line it belongs to."""
    x: float
    """Its place on the axis: training examples, or tokens seen."""
    seed: int
    recipe: Recipe
    rows: int
    """Training examples; all of them when 0."""

    @property
    def key(self) -> tuple[str, float, int]:
        """What tells it from the others of its curve."""
        return self.series, self.x, self.seed

    @property
    def settings(self) -> str:
        """Digest of everything that is trained with, the backbone's weights included but not where they lie."""
        plain = self.recipe.identity()
        if self.recipe.kind == "pretrained" or (self.recipe.kind == "frozen" and not self.recipe.frozen.asks_nli):
            plain["backbone"] = locate(get_backbone(self.recipe.backbone))[1]
        return hashlib.sha256(json.dumps([plain, self.rows], sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Curve:
    """A curve, as it is kept in a file of its own; points are added as they are measured."""

    kind: str
    """One of `KINDS`."""
    task: str
    source: str
    fingerprint: str
    test_rows: int
    points: tuple[Mapping[str, Any], ...] = ()
    machine: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    version: str = __version__
    created: str = ""
    """When it was begun: UTC, ISO 8601; empty where that wasn't recorded."""

    def series(self) -> dict[str, list[dict[str, Any]]]:
        """Series → its places in order, each with `x`, `seeds` and, for each figure, its mean and half a 95 % interval.

        Half of it is None for a single seed. The interval is Student's t over the seeds: how far another seed may fall,
        not another test set.
        """
        from scipy.special import stdtrit

        lines: dict[str, list[dict[str, Any]]] = {}
        for name in dict.fromkeys(point["series"] for point in self.points):
            own = [point for point in self.points if point["series"] == name]
            for x in sorted({point["x"] for point in own}):
                here = [point for point in own if point["x"] == x]
                row: dict[str, Any] = {"x": x, "seeds": len(here)}
                half: float | None
                for figure in SHOWN:
                    values = np.array([point[figure] for point in here])
                    half = None
                    if len(values) > 1:
                        half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values)))
                    row[figure] = float(values.mean())
                    row[f"{figure}_half"] = half
                lines.setdefault(name, []).append(row)
        return lines


@dataclass(frozen=True)
class Lead:
    """How far one series is ahead of another at one place."""

    x: float
    difference: float
    """Mean over the seeds that both have: the same seed drew the same examples for both."""
    half: float
    """Half of Student's 95 % interval of that mean; infinite for a single seed."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no doubt about the sign."""
        return abs(self.difference) > self.half


def leads(curve: Curve, series: str, over: str, figure: str) -> list[Lead]:
    """How far `series` is ahead of `over`, at each place that both have, in order."""
    from scipy.special import stdtrit

    values = {(point["series"], point["x"], point["seed"]): point[figure] for point in curve.points}
    found = []
    for x in sorted({x for name, x, _ in values if name == series}):
        seeds = [seed for name, at, seed in values if name == series and at == x and (over, x, seed) in values]
        differences = np.array([values[series, x, seed] - values[over, x, seed] for seed in seeds])
        if not len(differences):
            continue
        count = len(differences)
        error = differences.std(ddof=1) / math.sqrt(count) if count > 1 else math.inf
        half = float(stdtrit(count - 1, 0.975) * error) if count > 1 else math.inf
        found.append(Lead(x, float(differences.mean()), half))
    return found


def fewer(data: TaskData, rows: int, seed: int) -> TaskData:
    """The data with `rows` training examples drawn by `seed`; a larger draw of the same seed holds the smaller.

    Of the validation split a quarter as many rows stay (but 50, where it has them), as whoever has few examples to
    train on has few to choose by. The test split stays whole.

    Raises:
        DataError: The train split has fewer.
    """
    train = np.flatnonzero(data.frame["split"] == "train")
    if rows > len(train):
        raise DataError(f"{data.source} has {len(train):,} training examples; {rows:,} can't be drawn.")
    validation = np.flatnonzero(data.frame["split"] == "validation")
    generator = np.random.default_rng(seed)
    kept = generator.permutation(train)[: rows or len(train)]
    judges = generator.permutation(validation)[: max(50, (rows or len(train)) // 4)]
    test = np.flatnonzero(data.frame["split"] == "test")
    places = np.sort(np.concatenate([kept, judges, test]))
    return dataclasses.replace(data, frame=data.frame.iloc[places].reset_index(drop=True))


def fitted_to(recipe: Recipe, rows: int) -> Recipe:
    """The recipe for `rows` examples: smaller batches and more epochs where they are few, fewer where they are many."""
    if recipe.kind in ("baseline", "frozen"):
        return recipe
    batch = min(recipe.batch_size, max(8, rows // 10))
    steps = math.ceil(rows / batch)
    epochs = recipe.epochs
    if rows < FEW_ROWS:
        epochs = min(MOST_EPOCHS, max(epochs, math.ceil(LEAST_STEPS[recipe.kind] / steps)))
    if recipe.kind == "pretrained":
        epochs = max(2, min(epochs, MOST_STEPS // steps))
    patience = recipe.patience if epochs == recipe.epochs else max(recipe.patience, epochs // 4)
    return dataclasses.replace(recipe, batch_size=batch, epochs=epochs, patience=patience)


def example_jobs(models: Mapping[str, Recipe], sizes: Sequence[int], seeds: int, rows: int) -> list[Job]:
    """A job for each model, number of examples and seed, the small ones first.

    Args:
        models: Series → recipe.
        sizes: Numbers of training examples; those beyond `rows` become `rows`.
        seeds: Seeds for each; a seed draws the examples, the weights and the batches.
        rows: Training examples there are.
    """
    return [
        Job(series, size, seed, dataclasses.replace(fitted_to(recipe, size), seed=seed), size)
        for size in sorted({min(size, rows) for size in sizes})
        for seed in range(seeds)
        for series, recipe in models.items()
    ]


def token_jobs(recipe: Recipe, names: Sequence[str], training: Path, seeds: int) -> list[Job]:
    """A job for each state that pretraining left on its way, for its end, and for random weights at no tokens.

    Args:
        recipe: How each is fine-tuned.
        names: Pretrained models, by name.
        training: Where the states of their pretraining lie.
        seeds: Seeds for each.

    Raises:
        RecipeError: A model isn't there.
    """
    jobs = []
    for name in names:
        folder = find_pretrained(name)
        if folder is None:
            raise RecipeError(f"There is no pretrained model '{name}'.")
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        before = float(facts["tokens_before"])
        # Random weights are all trained or they are noise, so they are no start for a method that freezes some.
        places = {} if facts["from"] or recipe.method.kind != "full" else {0.0: folder}
        for kept in (training / facts["run"]).glob(f"{MILESTONE}[0-9]*"):
            places[before + float(kept.name.removeprefix(MILESTONE))] = kept
        places[before + float(facts["tokens_seen"])] = folder
        # A seed at a time, so that a curve that isn't finished is one of fewer seeds.
        for seed in range(seeds):
            for tokens_seen, place in sorted(places.items()):
                changed = dataclasses.replace(recipe, backbone=str(place), seed=seed, random_weights=tokens_seen == 0.0)
                jobs.append(Job(folder.name, tokens_seen, seed, changed, 0))
    return jobs


def measure(curve: Curve, jobs: Sequence[Job], data: TaskData, file: Path, workers: int = 1) -> Iterator[Curve]:
    """Train and test what the file doesn't hold yet; it is written after every point, so nothing is measured twice.

    Yields:
        The curve, after each point.

    Raises:
        OdzeraError: A model can't be trained.
        DataError: The file holds another curve, or another process measures it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file.with_suffix(".lock"), timeout=0):
            yield from _measure(_with_points(curve, file), jobs, data, file, workers)
    except Timeout:
        raise DataError(f"{file.name} is being measured by another process.") from None


def _measure(curve: Curve, jobs: Sequence[Job], data: TaskData, file: Path, workers: int) -> Iterator[Curve]:
    have = {(point["series"], point["x"], point["seed"]): point["settings"] for point in curve.points}
    other = next((job for job in jobs if have.get(job.key, job.settings) != job.settings), None)
    if other is not None:
        raise DataError(
            f"{file.name} holds {other.series} at {other.x:,.0f} with other settings or another backbone; choose "
            "another --name."
        )
    missing = [job for job in jobs if job.key not in have]
    yield curve
    for _, point in run_all(_point, [(job, data) for job in missing], workers):
        curve = dataclasses.replace(curve, points=(*curve.points, point))
        write_curve(file, curve)
        yield curve


def _point(job: Job, data: TaskData) -> dict[str, Any]:
    """Train one model, in a process of its own, and read the test split."""
    own = fewer(data, job.rows, job.seed) if job.rows else data
    folder = Path(tempfile.mkdtemp(prefix="odzera-curve-"))
    try:
        events = list(fit(Request(job.recipe, own, folder, folder, device="auto")))
        fitted = next(event for event in events if isinstance(event, Fitted))
        figures = headline(labels_of(own, "test"), fitted.model.probabilities(own.texts("test")))
        parameters = fitted.model.parameters()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    best = next((epoch.number for epoch in reversed(fitted.epochs) if epoch.is_best), None)
    return {
        "series": job.series,
        "x": job.x,
        "seed": job.seed,
        "settings": job.settings,
        **{figure: round(figures[figure], 4) for figure in SHOWN},
        "epochs": len(fitted.epochs),
        "best_epoch": best,
        "seconds": round(fitted.seconds, 1),
        "parameters": dataclasses.asdict(parameters),
        "recipe": job.recipe.name,
    }


def start_curve(kind: str, data: TaskData) -> Curve:
    """A curve without points."""
    machine = describe_machine(torch.device(choose_device("auto")))
    return Curve(
        kind, data.task.name, data.source, data.fingerprint, len(data.split("test")), machine=machine, created=now()
    )


def _with_points(curve: Curve, file: Path) -> Curve:
    """`curve` with the points that the file holds already."""
    if not file.is_file():
        return curve
    kept = read_curve(file)
    if (kept.kind, kept.task, kept.fingerprint) != (curve.kind, curve.task, curve.fingerprint):
        raise DataError(f"{file.name} holds a curve of other data; choose another --name.")
    return dataclasses.replace(
        curve, points=kept.points, machine=kept.machine, version=kept.version, created=kept.created
    )


def read_curve(file: Path) -> Curve:
    """Read a curve back.

    Raises:
        DataError: The file isn't one.
    """
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        curve = Curve(**{**plain, "points": tuple(plain["points"])})
        if curve.kind not in KINDS or curve.task not in TASKS:
            raise ValueError("its kind or its task is unknown")
        for point in curve.points:
            numbers = [point[name] for name in ("x", "seed", *SHOWN)]
            if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
                raise ValueError("a point has no numbers")
        curve.series()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{file.name} can't be read as a curve: {error}") from error
    return curve


def write_curve(file: Path, curve: Curve) -> None:
    """Write the curve beside the file and move it there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(dataclasses.asdict(curve), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, file)


def list_curves(folders: Sequence[Path]) -> tuple[dict[str, Curve], list[str]]:
    """Name → curve for the `curve-NAME.json` files of the folders, a name's first winning; and what can't be read."""
    curves: dict[str, Curve] = {}
    refused = []
    for folder in folders:
        for file in sorted(folder.glob("curve-*.json")):
            name = file.stem.removeprefix("curve-")
            if name not in curves:
                try:
                    curves[name] = read_curve(file)
                except DataError as error:
                    refused.append(str(error))
    return curves, refused
