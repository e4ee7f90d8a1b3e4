"""The reproduction trains every recipe that this machine can hold, and sets each beside what its authors report."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from engine.data.sources import TaskData
from engine.errors import HubError, OdzeraError, RecipeError
from engine.evaluation.metrics import interval_of
from engine.evaluation.significance import wilson_interval
from engine.experiments.record import Finished, Request
from engine.experiments.run import run_experiment
from engine.hub import client
from engine.machine import free_memory_mb
from engine.models.backbone_files import locate
from engine.models.backbones import get_backbone
from engine.paths import Places
from engine.results.comparison import table_row
from engine.store import Run, Store
from engine.training.checkpoints import Checkpoint, list_checkpoints
from engine.training.cost.estimate import START_SECONDS, estimate, operations_a_second
from engine.training.cost.workload import Workload
from engine.training.loop import Epoch, Tick
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES, get_recipe

UNNAMED = "hardware that isn't named"


@dataclass(frozen=True)
class Plan:
    """One recipe, and whether this machine can run it."""

    recipe: Recipe
    seconds: float
    """About what it will take here."""
    memory_mb: float
    """About what it needs."""
    why_not: str = ""
    """Why it can't be run here; empty where it can."""
    done: Run | None = None
    """The run that is here already."""


@dataclass(frozen=True)
class Started:
    """A recipe begins; of the `left` ones that can run this is the first."""

    plan: Plan
    left: int


@dataclass(frozen=True)
class Skipped:
    """A recipe isn't run, or failed, and why."""

    plan: Plan
    reason: str


def plan_all(task_data: TaskData, places: Places, store: Store, device: str, only: Sequence[str] = ()) -> list[Plan]:
    """Every recipe of the data's task, the cheapest first, with what it needs and whether it is done.

    Args:
        task_data: What they are trained on.
        places: Where trained models are.
        store: Where their results are.
        device: `cpu` or `cuda`.
        only: Names of recipes; all when empty.

    Raises:
        RecipeError: There is no recipe of a name.
    """
    task = task_data.task
    chosen = [get_recipe(name, task) for name in only] or [one for one in RECIPES.values() if task.name in one.tasks]
    done = _done(task_data, places, store)
    workloads: dict[tuple[Any, ...], Workload] = {}
    speed, free = operations_a_second(device), free_memory_mb(torch.device(device))
    plans = []
    for recipe in chosen:
        finished = done.get(recipe.name)
        if finished:
            plans.append(Plan(recipe, 0.0, 0.0, done=finished))
            continue
        why_not = _unavailable(recipe)
        seconds, memory = START_SECONDS, 0.0
        if not why_not:
            seconds, memory = estimate(recipe, task_data, device, speed, workloads)
            if memory > free:
                why_not = f"needs about {memory / 1024:.1f} GB of memory; {free / 1024:.1f} GB are free here"
        plans.append(Plan(recipe, seconds, memory, why_not))
    return sorted(plans, key=lambda plan: plan.seconds)


def reproduce(
    plans: Sequence[Plan],
    data: TaskData,
    places: Places,
    store: Store,
    device: str,
    budget_minutes: float | None = None,
    tick: Tick | None = None,
) -> Iterator[Started | Skipped | Epoch | Finished]:
    """Run what isn't done, in the order of `plans`; called again, it goes on where it was.

    A recipe that the budget can't hold isn't begun, and one that it ends in is left after an epoch with its state.

    Args:
        plans: What `plan_all` gave.
        data: What to train on.
        places: Where models and states go.
        store: Where results go.
        device: `cpu` or `cuda`.
        budget_minutes: How long all of it may take.
        tick: See `Tick`.

    Yields:
        `Started`, its epochs, then `Finished` or `Skipped`, for each recipe that isn't done.
    """
    start = time.monotonic()

    def left() -> float:
        return float("inf") if budget_minutes is None else budget_minutes * 60 - (time.monotonic() - start)

    todo = [plan for plan in plans if plan.done is None and not plan.why_not]
    for plan in plans:
        if plan.why_not:
            yield Skipped(plan, plan.why_not)
    for place, plan in enumerate(todo):
        if plan.seconds > left():
            yield Skipped(plan, f"takes {_about(plan.seconds)}, more than the budget has left")
        else:
            yield Started(plan, len(todo) - place)
            request = Request(plan.recipe, data, places.checkpoints, places.training, device=device)
            try:
                for event in run_experiment(request, store, tick):
                    yield event
                    if isinstance(event, Epoch) and not event.stop and left() < 0:
                        yield Skipped(plan, f"was left after epoch {event.number}; the same command goes on from it")
                        break
            except (OdzeraError, RuntimeError, MemoryError) as error:
                # One that fails, or has too little memory, must not keep the others from running.
                yield Skipped(plan, (str(error) or type(error).__name__).splitlines()[0])


def _about(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes} minutes" if minutes > 1 else "about a minute"


def report(plans: Sequence[Plan], data: TaskData, places: Places, store: Store) -> list[dict[str, Any]]:
    """One row a recipe: what its authors report, what was measured here, and what differs, in plain words."""
    done = _done(data, places, store)
    rows = []
    for plan in plans:
        recipe, reported = plan.recipe, dict(plan.recipe.reported)
        run = done.get(recipe.name)
        here = table_row(run) if run else None
        rows.append(
            {
                "recipe": recipe.name,
                "summary": recipe.summary,
                "reported": reported,
                "reported_interval": reported_interval(reported),
                "reported_on": _reported_on(reported),
                "here": here,
                "validation": None if run is None else run.record["scores"]["validation"]["accuracy"],
                "data": {"source": data.source, "fingerprint": data.fingerprint, "test_rows": len(data.split("test"))},
                "differences": differences(recipe, run, data),
            }
        )
    return sorted(rows, key=lambda row: (row["here"] is None, -(row["here"] or {}).get("accuracy", 0.0)))


def _reported_on(reported: Mapping[str, Any]) -> str:
    """On what data and hardware the authors measured, as far as they say."""
    if not reported:
        return ""
    return f"{reported['data_words']}, on {reported.get('hardware', UNNAMED)}"


def reported_interval(reported: Mapping[str, Any]) -> tuple[float, float] | None:
    """Wilson's 95 % interval of a reported accuracy, where the number of its test rows is known."""
    if "accuracy" not in reported or "test_rows" not in reported:
        return None
    rows = reported["test_rows"]
    return wilson_interval(round(reported["accuracy"] * rows), rows)


def differences(recipe: Recipe, run: Run | None, data: TaskData) -> list[str]:
    """Why the figure here may not be the reported one, a sentence each."""
    reported = recipe.reported
    if not reported or run is None:
        return []
    said = []
    known = reported.get("data", "")
    # Watson's splits were drawn by each author anew, so theirs are never quite ours.
    same_data = known == "slang" and data.source.startswith("hub:") and len(data.split("test")) == reported["test_rows"]
    if not same_data:
        said.append(f"Other data: theirs was {reported.get('data_words', 'not named')}, here it is {data.source}.")
    theirs, ours = reported.get("hardware", UNNAMED), run.record["machine"]["device_name"]
    said.append(f"Theirs ran on {theirs}, this on {ours}.")
    if "accuracy" in reported and same_data:
        test = run.record["scores"]["test"]
        low, high = interval_of(test, "accuracy") or (0.0, 1.0)
        inside = low <= reported["accuracy"] <= high
        gap = test["accuracy"] - reported["accuracy"]
        said.append(
            f"The reported accuracy lies {'within' if inside else 'outside'} the interval here; "
            f"here it is {abs(gap):.3f} {'lower' if gap < 0 else 'higher'}."
        )
    precision = run.record.get("precision", "").removeprefix("torch.")
    if reported.get("precision", precision) != precision:
        said.append(f"Theirs computed in {reported['precision']}, this in {precision}.")
    return [*said, *reported.get("notes", ())]


def _done(data: TaskData, places: Places, store: Store) -> dict[str, Run]:
    """Recipe → its run on this data with the recipe's settings, whose checkpoint is still here."""
    here: dict[str, Checkpoint] = {
        one.name: one
        for one in list_checkpoints(places.checkpoints, data.task.name)[0]
        if one.fingerprint == data.fingerprint
    }
    return {
        run.model: run
        for run in store.runs(data.task.name, data.fingerprint)
        if run.model in here and run.model in RECIPES and _has_settings(run, RECIPES[run.model])
    }


def _has_settings(run: Run, recipe: Recipe) -> bool:
    """Whether a run was made with just these settings; one of another version may not even be known here."""
    try:
        return Recipe.from_dict(run.record["settings"]).identity() == recipe.identity()
    except RecipeError:
        return False


def _unavailable(recipe: Recipe) -> str:
    """Why a recipe's backbone can't be had; empty where it can."""
    if recipe.kind not in ("pretrained", "frozen") or recipe.asks_nli:
        return ""
    backbone = get_backbone(recipe.backbone)
    try:
        locate(backbone, download=False)
    except HubError as error:
        if backbone.bundled:
            return f"its backbone isn't here: {error}"
        if not client.is_reachable():
            return f"the Hugging Face Hub can't be reached from here, and {backbone.repo_id} isn't on this machine"
    return ""
