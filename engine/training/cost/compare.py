"""What training costs, recipe against recipe, and which parts of memory and of a step explain it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from engine import __version__
from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.evaluation.turns import Tick, take_turns
from engine.machine import free_memory_mb, now
from engine.processes import OtherWork, call_apart, cores
from engine.training.cost.measure import Configuration, measure, needed_mb
from engine.training.cost.options import DEFAULT_OPTIONS, OPTIONS, Option, get_option, with_option
from engine.training.cost.workload import make_workload
from engine.training.recipe import Recipe

GOAL = {"memory": 0.25, "speed": 5.0}
"""What LoRA is to reach against training every weight: share of its peak memory, times its speed per epoch."""
CPU_STEPS = 3
MEASURED = ("seconds_per_step", "samples_per_second", "seconds_per_epoch", "peak_memory_mb")


@dataclass(frozen=True)
class CostRequest:
    """What to measure."""

    recipes: Sequence[Recipe]
    """The others are compared with the first."""
    data: TaskData
    device: str
    """`cpu` or `cuda`."""
    options: Sequence[str] = DEFAULT_OPTIONS
    """Names of `OPTIONS`, several joined by `+`; or `all`."""
    rows: int | None = None
    """Train rows of an epoch; those of the data when missing."""
    steps: int | None = None
    """Optimizer steps to time; when missing, a few on a CPU and an epoch on a GPU. 0 is an epoch anywhere."""
    rounds: int = 3
    command: str = ""
    """What measures it again."""


def measure_costs(request: CostRequest, tick: Tick | None = None) -> dict[str, Any]:
    """Measure every recipe with every option.

    Rounds go through them forwards and backwards by turns, see `engine.evaluation.turns`; each measurement is a process
    of its own, and times and memory are medians over rounds.

    Args:
        request: What to measure.
        tick: Told of each measurement.

    Returns:
        Plain values: `rows`, one a recipe and option; `comparisons` with the first recipe; `machine`, what was asked
        and what failed.

    Raises:
        RecipeError: A recipe can't be measured so, or the machine has too little memory for it.
    """
    rows = 1 if request.rows is None else request.rows
    if min(request.rounds, rows) < 1 or (request.steps or 0) < 0:
        raise RecipeError("--rounds and --rows are at least 1, and --steps is at least 0.")
    todo = _configurations(request)
    _require_memory(todo, request.device)
    others = OtherWork()
    found = take_turns(range(len(todo)), request.rounds, lambda place, _: call_apart(measure, todo[place]), tick)
    table = [_median(found.results[place]) for place in sorted(found.results)]
    _compare_with(table, request.recipes[0])
    return {
        "task": request.data.task.name,
        "source": request.data.source,
        "fingerprint": request.data.fingerprint,
        "rounds": request.rounds,
        "machine": next(iter(found.results.values()))[0]["machine"] | {"cores": cores()},
        "others_cpu_share": others.share(),
        "created": now(),
        "version": __version__,
        "command": request.command,
        "options": {one.option.name: one.option.says for one in todo},
        "rows": table,
        "comparisons": [
            comparison
            for recipe in request.recipes[1:]
            for comparison in [compare(table, request.recipes[0], recipe)]
            if comparison
        ],
        "failures": {
            f"{todo[place].recipe.name} ({todo[place].option.name})": reason for place, reason in found.failures.items()
        },
    }


def _configurations(request: CostRequest) -> list[Configuration]:
    every = "all" in request.options
    steps = request.steps if request.steps is not None else (CPU_STEPS if request.device == "cpu" else None)
    found = []
    for recipe in request.recipes:
        if recipe.kind == "baseline":
            raise RecipeError(f"{recipe.name} has no training loop to measure; name a scratch or pretrained recipe.")
        workload = make_workload(recipe, request.data, request.rows)
        made: list[Configuration] = []
        for option in map(get_option, OPTIONS if every else request.options):
            try:
                changed = with_option(recipe, option, request.device)
            except RecipeError:
                if not every:
                    raise
                continue
            one = Configuration(changed, option, workload, request.device, steps or None)
            # With all options, one that changes nothing here isn't measured twice.
            if not (every and any(_alike(one, other) for other in made)):
                made.append(one)
        found += made
    return found


def _alike(one: Configuration, other: Configuration) -> bool:
    def matters(option: Option) -> tuple[Any, ...]:
        return option.batching, option.fused, option.cast_frozen

    return one.recipe == other.recipe and matters(one.option) == matters(other.option)


def _require_memory(todo: Sequence[Configuration], device: str) -> None:
    free = free_memory_mb(torch.device(device))
    for one in todo:
        needed = needed_mb(one)
        if needed > free:
            raise RecipeError(
                f"{one.recipe.name} ({one.option.name}) needs about {needed / 1024:.1f} GB of memory, and "
                f"{free / 1024:.1f} GB are free here; leave it out, or measure it on a larger machine."
            )


def _median(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first = results[0]
    row = {name: value for name, value in first.items() if name != "machine"}
    for name in MEASURED:
        row[name] = statistics.median(one[name] for one in results)
    for name in ("phases", "split_mb"):
        row[name] = {part: statistics.median(one[name][part] for one in results) for part in first[name]}
    parts = sum(size for part, size in row["split_mb"].items() if part != "unexplained")
    row["split_mb"]["unexplained"] = row["peak_memory_mb"] - parts
    return row | {"rounds_seconds_per_step": [one["seconds_per_step"] for one in results]}


def _compare_with(rows: Sequence[dict[str, Any]], recipe: Recipe) -> None:
    """Put each row's ratios to a recipe with the same option beside it, where that was measured."""
    first = {row["option"]: row for row in rows if row["recipe"] == recipe.name}
    for row in rows:
        against = first.get(row["option"])
        row |= _ratios(row, against) if against else {"memory_ratio": None, "speed_ratio": None}


def _beyond_program(row: dict[str, Any]) -> float:
    """Peak MB without Python and the libraries, which a GPU's memory doesn't hold and no recipe can save."""
    return float(row["peak_memory_mb"] - row["split_mb"]["program"])


def _ratios(row: dict[str, Any], against: dict[str, Any]) -> dict[str, float]:
    return {
        "memory_ratio": _beyond_program(row) / _beyond_program(against),
        "speed_ratio": against["seconds_per_epoch"] / row["seconds_per_epoch"],
    }


def compare(rows: Sequence[dict[str, Any]], first: Recipe, other: Recipe) -> dict[str, Any] | None:
    """One recipe against the first with the first option that both have: what was reached, and what explains it.

    Where LoRA is compared with every weight, the goal is `GOAL`; the rows that reach it are named, and the parts of
    memory and the phases of a step that take more than what the goal leaves for all of them.
    """
    pairs = [
        (ours, theirs)
        for theirs in rows
        if theirs["recipe"] == first.name
        for ours in rows
        if ours["recipe"] == other.name and ours["option"] == theirs["option"]
    ]
    if not pairs:
        return None
    ours, base = pairs[0]
    ratios = _ratios(ours, base)
    result: dict[str, Any] = {"recipe": other.name, "against": first.name, "option": ours["option"], **ratios}
    memory, epoch = first.reported.get("peak_memory_gb"), first.reported.get("seconds_per_epoch")
    if memory and epoch and {"peak_memory_gb", "seconds_per_epoch"} <= set(other.reported):
        result["reported"] = {
            "memory_ratio": other.reported["peak_memory_gb"] / memory,
            "speed_ratio": epoch / other.reported["seconds_per_epoch"],
        }
    if (first.method.kind, other.method.kind) != ("full", "lora"):
        return result
    own = [row for row in rows if row["recipe"] == other.name]
    room = GOAL["memory"] * _beyond_program(base)
    time = base["seconds_per_step"] * base["steps_per_epoch"] / GOAL["speed"] / ours["steps_per_epoch"]
    return result | {
        "goal": GOAL,
        "memory": _explain(ratios["memory_ratio"] <= GOAL["memory"], room, ours["split_mb"], base["split_mb"])
        | {"reached_by": [row["option"] for row in own if _beyond_program(row) <= room]},
        "speed": _explain(ratios["speed_ratio"] >= GOAL["speed"], time, ours["phases"], base["phases"])
        | {
            "reached_by": [
                row["option"] for row in own if row["seconds_per_epoch"] * GOAL["speed"] <= base["seconds_per_epoch"]
            ]
        },
    }


def _explain(reached: bool, room: float, ours: dict[str, float], base: dict[str, float]) -> dict[str, Any]:
    """The fewest parts, largest first, that fill the room which the goal leaves; none where it's reached."""
    parts: list[dict[str, Any]] = []
    able = {name: size for name, size in ours.items() if name != "program"}
    for name, size in sorted(able.items(), key=lambda part: -part[1]):
        if reached or sum(one["size"] for one in parts) > room:
            break
        parts.append({"part": name, "size": size, "first": base[name]})
    return {"reached": reached, "room": room, "kept_by": parts}
