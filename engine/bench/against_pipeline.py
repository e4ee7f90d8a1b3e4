"""A benchmark answers the same texts with the same weights by `transformers.pipeline` and by every runtime of ours."""

import statistics
import tempfile
from collections.abc import Container, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from engine.bench.pipeline_systems import PIPELINES, SYSTEMS, Exported, Runner, export_graphs, serve
from engine.bench.roofline import Machine, measure_machine
from engine.bench.turns import BenchRecord
from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.evaluation.metrics import Ints
from engine.evaluation.turns import Tick, Turns, take_turns
from engine.processes import Child, call_apart
from engine.training.recipe import Recipe

PUBLISHED = {
    "scratch-3m4": {"ms": 1.09, "hardware": "their authors' GPU"},
    "gpt2-last1": {"ms": 39.45, "hardware": "their authors' GPU"},
}
DEFAULT_RECIPES = ("scratch-3m4", "minilm-full", "gpt2-last1", "mbert-full")
"""Recipes measured where none are named."""


@dataclass(frozen=True)
class PipelineBenchmark:
    """What to measure."""

    recipes: Sequence[Recipe]
    data: TaskData
    threads: int
    rounds: int = 5
    texts: int = 128
    """Texts of mixed lengths in a turn of throughput."""
    command: str = ""


@dataclass(frozen=True)
class _Turn:
    """What one system did in one turn."""

    single: list[float]
    """Milliseconds of each single text."""
    many: float
    """Seconds of all texts."""


def benchmark_answers(request: PipelineBenchmark, tick: Tick | None = None) -> dict[str, Any]:
    """Time every system on every recipe, in turns.

    Weights are random, the same in all systems of a recipe; they change neither time nor memory. Whether 8 bits would
    serve a trained model is decided by its answers, see `engine.serving.exports`.

    Args:
        request: What to measure.
        tick: Told of each recipe.

    Returns:
        Plain values: a `BenchRecord` with `floor`, the roofline, and `rows`, one a recipe and system; and what failed.

    Raises:
        RecipeError: A recipe has no network.
        OdzeraError: Every system of a recipe failed.
    """
    for recipe in request.recipes:
        if recipe.kind in ("baseline", "frozen"):
            raise RecipeError(f"{recipe.name} has no network to measure; name a scratch or pretrained recipe.")
        if recipe.reads_words:
            raise RecipeError(f"{recipe.name} reads words, which transformers' pipeline can't; name scratch-bpe.")
    record = BenchRecord(request.command, request.data)
    roofline = call_apart(measure_machine, request.threads)
    rows: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    for done, recipe in enumerate(request.recipes, start=1):
        with tempfile.TemporaryDirectory() as folder:
            about = call_apart(export_graphs, recipe, request.data, Path(folder))
            found = _measure(recipe, request, Path(folder), about.left_out)
        rows += _tabulate(recipe, request, found, about, roofline)
        reasons = {**about.left_out, **found.turns.failures}
        failures |= {f"{recipe.name} ({system})": reason for system, reason in reasons.items()}
        if tick:
            tick(done, len(request.recipes))
    return record.close(
        threads=request.threads,
        rounds=request.rounds,
        texts=request.texts,
        floor=asdict(roofline),
        systems=SYSTEMS,
        rows=rows,
        failures=failures,
    )


@dataclass(frozen=True)
class _Found:
    """What was measured of one recipe."""

    turns: Turns[str, _Turn]
    answers: dict[str, Ints]
    """System → the class of each text."""
    memory: dict[str, float]
    """System → resident megabytes of its process."""


def _measure(recipe: Recipe, request: PipelineBenchmark, folder: Path, left_out: Container[str]) -> _Found:
    """Let the systems answer in turns; each stays open in a process of its own."""
    systems = [name for name in SYSTEMS if name not in left_out]
    with ExitStack() as stack:
        runners = {name: Runner(recipe, request.data, name, folder, request.threads, request.texts) for name in systems}
        open_systems = {
            name: stack.enter_context(Child(serve, runner, threads=request.threads)) for name, runner in runners.items()
        }
        # Nobody is timed before all are open.
        answers = take_turns(systems, 1, lambda system, _: open_systems[system].ask("answers"))

        def ask(system: str, _: int) -> _Turn:
            return _Turn(open_systems[system].ask("single"), open_systems[system].ask("many"))

        turns = take_turns(list(answers.results), request.rounds, ask)
        memory = {name: open_systems[name].ask("memory") for name in turns.results}
    turns.failures.update(answers.failures)
    return _Found(turns, {name: rows[0] for name, rows in answers.results.items()}, memory)


def _tabulate(
    recipe: Recipe, request: PipelineBenchmark, found: _Found, about: Exported, roofline: Machine
) -> list[dict[str, Any]]:
    """A row for each system that answered."""
    single = {name: [ms for turn in turns for ms in turn.single] for name, turns in found.turns.results.items()}
    many = {name: found.turns.median(name, attrgetter("many")) for name in single}
    # One text is the same call in both pipelines, so the faster of their medians is what has to be beaten.
    usual = min((statistics.median(single[name]) for name in PIPELINES if name in single), default=None)
    padded, expected = many.get("pipeline-256"), found.answers.get("pipeline")
    rows = []
    for name, times in single.items():
        p50, p95 = map(float, np.percentile(times, (50, 95)))
        least = roofline.least_ms(about.work, name.startswith("int8"))
        rows.append(
            {
                "recipe": recipe.name,
                "parameters": about.parameters,
                "system": name,
                "p50_ms": p50,
                "p95_ms": p95,
                "texts_per_second": request.texts / many[name],
                "memory_mb": found.memory[name],
                "times_pipeline": None if usual is None else usual / p50,
                "times_padded": None if padded is None else padded / many[name],
                "floor_ms": least,
                "times_floor": p50 / least,
                "same_labels": None if expected is None else float((found.answers[name] == expected).mean()),
                "mean_tokens": about.mean_tokens,
                "published": PUBLISHED.get(recipe.name),
            }
        )
    return rows
