"""How cost grows: milliseconds with length, throughput with the batch, training with rows, memory with models."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import __version__
from engine.data.sources import TaskData
from engine.machine import describe_machine, now, resident_memory_mb
from engine.models.networks import Logits
from engine.models.onnx_graphs import GraphNetwork, prepare, trace
from engine.processes import run_all
from engine.results.scaling import AXES, BATCH_LENGTH
from engine.serving.exports import time_in_turns
from engine.serving.registry import Registry
from engine.training.build import build_random
from engine.training.cost.measure import Configuration, measure
from engine.training.cost.options import get_option, with_option
from engine.training.cost.workload import make_workload
from engine.training.recipe import Recipe

GROWN = ("scratch-3m4", "minilm-full")
"""Recipes measured where none are named."""
LENGTHS = (8, 16, 32, 64, 128, 256)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
ROWS = (1000, 2000, 4000, 8000, 16_000, 28_000)
CALLS = 9


def measure_growth(
    recipes: Sequence[Recipe],
    data: TaskData,
    checkpoints: Path,
    figures: Sequence[str] = tuple(AXES),
    tick: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure each figure, one point after the other, each in a process of its own.

    Args:
        recipes: Whose graphs answer, on one thread, with random weights; the first is trained for `rows`.
        data: Whose texts' lengths are trained on.
        checkpoints: Whose models are opened for `models`.
        figures: Keys of `AXES`.
        tick: Called with the steps done and those there are.

    Returns:
        Plain values: figure → series name → points (x, y); and how each grows: the exponent between its last points.
    """
    work: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = []
    if "length" in figures or "batch" in figures:
        work += [("graph", time_graph, (recipe, data.task.is_pair)) for recipe in recipes]
    if "rows" in figures:
        work += [("rows", train_epoch, (recipes[0], data, rows)) for rows in ROWS]
    if "models" in figures:
        work += [("models", open_models, (checkpoints, task)) for task in ("slang", "nli")]
    series: dict[str, dict[str, list[tuple[float, float]]]] = {name: {} for name in AXES if name in figures}
    for done, (kind, call, given) in enumerate(work, start=1):
        ((_, result),) = run_all(call, [given], workers=1)
        if kind == "graph":
            for name in ("length", "batch"):
                if name in series:
                    series[name][given[0].name] = result[name]
        elif kind == "rows":
            series["rows"].setdefault(given[0].name, []).append((given[2], result))
        else:
            series["models"][given[1]] = result
        if tick:
            tick(done, len(work))
    return {
        "source": data.source,
        "fingerprint": data.fingerprint,
        "machine": describe_machine(torch.device("cpu")),
        "created": now(),
        "version": __version__,
        "axes": {name: AXES[name] for name in series},
        "series": series,
        "exponents": {
            name: {one: round(_exponent(points), 2) for one, points in found.items() if len(points) > 1}
            for name, found in series.items()
        },
    }


def _exponent(points: Sequence[tuple[float, float]]) -> float:
    """Of the power law through the last two points: 1 is linear."""
    (before_x, before), (last_x, last) = points[-2:]
    return float(np.log(last / before) / np.log(last_x / before_x))


def time_graph(recipe: Recipe, pair: bool) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds by length and texts a second by batch of a recipe's float32 graph, on one thread."""
    torch.set_num_threads(1)
    reader = Logits(build_random(recipe, pair, 3, torch.device("cpu")).eval())
    reader.pairs = pair and getattr(reader.model.config, "type_vocab_size", 0) > 1
    with tempfile.TemporaryDirectory() as folder:
        trace(prepare(reader), Path(folder) / "fp32.onnx")
        graph = GraphNetwork(Path(folder) / "fp32.onnx")
    generator = np.random.default_rng(0)
    lengths = {one: partial(graph, reader.probe((one,), generator)) for one in LENGTHS}
    batches = {one: partial(graph, reader.probe((BATCH_LENGTH,) * one, generator)) for one in BATCHES}
    by_length = time_in_turns({str(one): call for one, call in lengths.items()}, CALLS)
    by_batch = time_in_turns({str(one): call for one, call in batches.items()}, CALLS)
    return {
        "length": [(one, by_length[str(one)]) for one in LENGTHS],
        "batch": [(one, 1000 * one / by_batch[str(one)]) for one in BATCHES],
    }


def train_epoch(recipe: Recipe, data: TaskData, rows: int) -> float:
    """Seconds of an epoch on so many rows, in batches of like lengths."""
    option = get_option("grouped")
    workload = make_workload(recipe, data, rows)
    measured = measure(Configuration(with_option(recipe, option, "cpu"), option, workload, "cpu", None))
    return float(measured["seconds_per_epoch"])


def open_models(checkpoints: Path, task: str) -> list[tuple[float, float]]:
    """Resident megabytes after each model is opened, as it is served; zero models are Python and its libraries."""
    return list(_open_one_by_one(Registry(checkpoints), task))


def _open_one_by_one(registry: Registry, task: str) -> Iterator[tuple[float, float]]:
    # Loaded before the first figure, so that no model is charged with them.
    import onnxruntime  # noqa: F401
    import transformers  # noqa: F401

    yield 0, resident_memory_mb()
    for number, checkpoint in enumerate(registry.models(task), start=1):
        registry.classifier(checkpoint)
        gc.collect()
        yield number, resident_memory_mb()
