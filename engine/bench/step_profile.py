"""Where the time of one training step goes."""

import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from engine.data.sources import TaskData
from engine.machine import one_thread
from engine.training.build import TokenisedData, build
from engine.training.loop import make_optimizer
from engine.training.recipes import RECIPES


def profile_step(data: TaskData, steps: int = 40) -> Iterator[dict[str, Any]]:
    """Where one training step of the `scratch` recipe's time goes, on one thread.

    Yields:
        The ten costliest operators: name, milliseconds a step, share; first of all the whole step.
    """
    recipe = RECIPES["scratch"]
    tokenised = TokenisedData(data)
    with one_thread():
        model = build(recipe, data, tokenised.tokenizer(recipe)).model.train()
        optimizer = make_optimizer(model, recipe)
        batches = list(islice(cycle(tokenised.batches(recipe, "train").training(0, 1)), steps + 5))

        def step(batch: Any) -> None:
            cross_entropy(model(**batch.inputs).logits, batch.labels).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            optimizer.zero_grad()

        for batch in batches[:5]:
            step(batch)
        times = []
        for batch in batches[5:]:
            start = time.perf_counter()
            step(batch)
            times.append(time.perf_counter() - start)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for batch in batches[5:]:
                step(batch)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    yield {"operator": "a whole step", "ms": round(float(np.median(times)) * 1e3, 2), "share": 1.0}
    for event in events[:10]:
        yield {
            "operator": event.key,
            "ms": round(event.self_cpu_time_total / 1e3 / len(times), 2),
            "share": round(event.self_cpu_time_total / whole, 3),
        }
