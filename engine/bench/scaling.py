"""A benchmark measures how cost grows: with a text's length, the batch, the train rows, and the open models."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.bench.turns import BenchRecord, measure_apart
from engine.data.sources import TaskData
from engine.data.tasks import TASKS
from engine.evaluation.turns import Tick, time_calls
from engine.machine import resident_memory_mb
from engine.models.networks import Logits
from engine.models.onnx_graphs import GraphNetwork, prepare, trace
from engine.results.scaling import AXES, BATCH_LENGTH
from engine.serving.registry import Registry
from engine.training.build import build_random
from engine.training.cost.measure import Configuration, measure
from engine.training.cost.options import get_option, with_option
from engine.training.cost.workload import make_workload
from engine.training.recipe import Recipe

DEFAULT_RECIPES = ("scratch-3m4", "minilm-full")
"""Recipes measured where none are named."""
LENGTHS = (8, 16, 32, 64, 128, 256)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
ROWS = (1000, 2000, 4000, 8000, 16_000, 28_000)
CALLS = 9
Points = list[tuple[float, float]]


def measure_scaling(
    recipes: Sequence[Recipe],
    data: TaskData,
    checkpoints: Path,
    figures: Sequence[str] = tuple(AXES),
    tick: Tick | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Measure how cost grows, each measurement in a process of its own.

    Args:
        recipes: Whose graphs answer, on one thread, with random weights; the first is trained for `rows`.
        data: Whose texts' lengths are trained on.
        checkpoints: Whose models are opened for `models`.
        figures: Keys of `AXES`.
        tick: Told of each measurement.
        command: What measures it again.

    Returns:
        Plain values: a `BenchRecord` with figure → series name → points (x, y); how each grows, the exponent between
        its last points; and what failed.
    """
    record = BenchRecord(command, data)
    todo = _plan(recipes, data, checkpoints, figures)
    found = measure_apart(_measure, list(todo), 1, lambda name, _: todo[name], tick)
    series: dict[str, dict[str, Points]] = {name: {} for name in AXES if name in figures}
    for (_, name, _), (points,) in found.results.items():
        for figure, own in points.items():
            if figure in series:
                series[figure].setdefault(name, []).extend(own)
    exponents = {
        name: {one: round(_exponent(points), 2) for one, points in grown.items() if len(points) > 1}
        for name, grown in series.items()
    }
    failures = {" ".join(str(part) for part in name if part): reason for name, reason in found.failures.items()}
    axes = {name: AXES[name] for name in series}
    return record.close(axes=axes, series=series, exponents=exponents, failures=failures)


def _plan(
    recipes: Sequence[Recipe], data: TaskData, checkpoints: Path, figures: Sequence[str]
) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """What is measured, the series that it belongs to, and its x where it is one point of many → `_measure`'s call."""
    todo: dict[tuple[str, str, int], tuple[Any, ...]] = {}
    if "length" in figures or "batch" in figures:
        for recipe in recipes:
            todo["graph", recipe.name, 0] = (time_graph, recipe, data.task.is_pair)
    if "rows" in figures:
        for rows in ROWS:
            todo["rows", recipes[0].name, rows] = (train_epoch, recipes[0], data, rows)
    if "models" in figures:
        for task in TASKS:
            todo["models", task, 0] = (open_models, checkpoints, task)
    return todo


def _measure(measure: Callable[..., dict[str, Points]], *given: Any) -> dict[str, Points]:
    return measure(*given)


def _exponent(points: Sequence[tuple[float, float]]) -> float:
    """Of the power law through the last two points: 1 is linear."""
    (before_x, before), (last_x, last) = points[-2:]
    return float(np.log(last / before) / np.log(last_x / before_x))


def time_graph(recipe: Recipe, pair: bool) -> dict[str, Points]:
    """Milliseconds by length and texts a second by batch of a recipe's float32 graph, on one thread."""
    torch.set_num_threads(1)
    reader = Logits(build_random(recipe, pair, 3, torch.device("cpu")).eval())
    reader.pairs = pair and getattr(reader.model.config, "type_vocab_size", 0) > 1
    with tempfile.TemporaryDirectory() as folder:
        trace(prepare(reader), Path(folder) / "fp32.onnx")
        graph = GraphNetwork(Path(folder) / "fp32.onnx")
    generator = np.random.default_rng(0)
    probes = {one: reader.probe((one,), generator) for one in LENGTHS}
    by_length = time_calls({one: partial(graph, probe) for one, probe in probes.items()}, CALLS)
    probes = {one: reader.probe((BATCH_LENGTH,) * one, generator) for one in BATCHES}
    by_batch = time_calls({one: partial(graph, probe) for one, probe in probes.items()}, CALLS)
    return {
        "length": [(one, by_length.median(one, float)) for one in LENGTHS],
        "batch": [(one, 1000 * one / by_batch.median(one, float)) for one in BATCHES],
    }


def train_epoch(recipe: Recipe, data: TaskData, rows: int) -> dict[str, Points]:
    """Seconds of an epoch on so many rows, in batches of like lengths."""
    option = get_option("grouped")
    workload = make_workload(recipe, data, rows)
    measured = measure(Configuration(with_option(recipe, option, "cpu"), option, workload, "cpu", None))
    return {"rows": [(rows, float(measured["seconds_per_epoch"]))]}


def open_models(checkpoints: Path, task: str) -> dict[str, Points]:
    """Resident megabytes after each model is opened, as it is served; zero models are Python and its libraries."""
    return {"models": list(_open_one_by_one(Registry(checkpoints), task))}


def _open_one_by_one(registry: Registry, task: str) -> Iterator[tuple[float, float]]:
    # Loaded before the first figure, so that no model is charged with them.
    import onnxruntime  # noqa: F401
    import transformers  # noqa: F401

    yield 0, resident_memory_mb()
    for number, checkpoint in enumerate(registry.models(task), start=1):
        registry.classifier(checkpoint)
        gc.collect()
        yield number, resident_memory_mb()
