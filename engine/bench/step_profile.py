"""A profile shows where the time of one training step goes, operator by operator."""

import statistics
from functools import partial
from itertools import cycle, islice
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from engine.bench.turns import BenchRecord
from engine.data.sources import TaskData
from engine.evaluation.turns import time_calls
from engine.machine import one_thread
from engine.processes import call_apart
from engine.training.build import TokenisedData, build
from engine.training.loop import make_optimizer
from engine.training.recipes import RECIPES


def profile_training(data: TaskData, steps: int = 40, command: str = "") -> dict[str, Any]:
    """Profile one training step of the `scratch` recipe, on one thread, in a process of its own.

    Args:
        data: What is trained on.
        steps: How many are timed, and then profiled.
        command: What measures it again.

    Returns:
        Plain values: a `BenchRecord` with `rows`: the whole step, then the ten costliest operators, each with its name,
        milliseconds a step and share.
    """
    record = BenchRecord(command, data)
    rows = call_apart(profile_step, data, steps)
    return record.close(threads=1, steps=steps, rows=rows)


def profile_step(data: TaskData, steps: int) -> list[dict[str, Any]]:
    """The rows of `profile_training`, measured in this process."""
    recipe = RECIPES["scratch"]
    tokenised = TokenisedData(data)
    with one_thread():
        model = build(recipe, data, tokenised.tokenizer(recipe)).model.train()
        optimizer = make_optimizer(model, recipe)
        batches = list(islice(cycle(tokenised.batches(recipe, "train").training(0, 1)), steps))

        def step(batch: Any) -> None:
            cross_entropy(model(**batch.inputs).logits, batch.labels).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            optimizer.zero_grad()

        times = time_calls({place: partial(step, batch) for place, batch in enumerate(batches)}, 1)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for batch in batches:
                step(batch)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    median = statistics.median(ms for (ms,) in times.results.values())
    rows = [{"operator": "a whole step", "ms": round(median, 2), "share": 1.0}]
    return rows + [
        {
            "operator": event.key,
            "ms": round(event.self_cpu_time_total / 1e3 / steps, 2),
            "share": round(event.self_cpu_time_total / whole, 3),
        }
        for event in events[:10]
    ]
