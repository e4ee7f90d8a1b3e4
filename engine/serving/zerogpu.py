"""A lent GPU for many texts at once: where one can be had for seconds at a time, as on ZeroGPU.

One text is answered by the CPU before a GPU could even be asked for; thousands are worth the wait. Models that take
long on a CPU are kept on `cuda` from the start, and one function that borrows a GPU asks any of them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.data.reading import Readings, join
from engine.errors import OdzeraError
from engine.evaluation.metrics import Floats
from engine.models.methods import ParameterCount
from engine.serving.exports import Holder, has_network
from engine.serving.registry import Registry, Untouched
from engine.serving.runtime import Served
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import Classifier, open_checkpoint
from engine.training.loop import Tick

Inputs = Sequence[tuple[str, ...]]
Answered = tuple[Floats, Readings | None]
Ask = Callable[[str, Inputs], Answered]
Lend = Callable[[Ask], Ask]
"""A decorator whose function runs where a GPU is, such as `spaces.GPU`."""

LEAST_ROWS = 128
"""Fewer texts are answered by the CPU."""
ROWS_A_CALL = 2_500
"""Seconds of a GPU each, so that others get their turn and progress is seen."""
SLOW_MS = 5.0
"""A model that takes the CPU longer for a text is worth a GPU."""
log = logging.getLogger(__name__)


@dataclass
class Lent:
    """The models on the GPU, and the function that asks one of them there."""

    models: dict[str, Classifier] = field(default_factory=dict)
    """Name of the checkpoint's folder with its task → the model."""
    ask: Ask | None = None

    def answer(self, key: str, inputs: Inputs) -> Answered:
        """What the function that borrows the GPU does: ask a model there."""
        return self.models[key].answer(inputs)


def key_of(checkpoint: Checkpoint) -> str:
    """What a checkpoint is called between processes."""
    return f"{checkpoint.task}/{checkpoint.folder.name}"


def lend(registry: Registry, decorate: Lend, device: str, tasks: Sequence[str]) -> Lent:
    """Put the costly models of a registry on a device, and decorate the function that asks them.

    It is decorated even where no model is costly: a Space that is lent GPUs has to have such a function.

    Args:
        registry: The models.
        decorate: As `spaces.GPU`; the function is a plain one, never a coroutine.
        device: `cuda`; on ZeroGPU that can be said before there is one.
        tasks: Names of the tasks whose models are meant.
    """
    lent = Lent()
    for task in tasks:
        for checkpoint in registry.models(task):
            slow = checkpoint.manifest["run"]["record"]["latency"]["p50_ms"] >= SLOW_MS
            if not slow or not has_network(checkpoint):
                continue
            try:
                classifier = open_checkpoint(checkpoint)
                Holder(classifier).reader.to(device)
            except OdzeraError as error:
                log.warning("%s stays on the CPU: %s", checkpoint.name, error)
                continue
            lent.models[key_of(checkpoint)] = classifier

    def ask(key: str, inputs: Inputs) -> Answered:
        return lent.answer(key, inputs)

    lent.ask = decorate(ask)
    return lent


class OnGpu:
    """A model that answers many texts on a lent GPU, and few of them, or all where none is to be had, on the CPU."""

    def __init__(self, model: Classifier, key: str, ask: Ask) -> None:
        self.model = model
        self.key = key
        self.ask = ask

    def probabilities(self, inputs: Inputs, tick: Tick | None = None) -> Floats:
        """See `Classifier`."""
        return self.answer(inputs, tick)[0]

    def answer(self, inputs: Inputs, tick: Tick | None = None) -> Answered:
        """See `Classifier`."""
        if len(inputs) < LEAST_ROWS:
            return self.model.answer(inputs, tick)
        parts = []
        for start in range(0, len(inputs), ROWS_A_CALL):
            rows = inputs[start : start + ROWS_A_CALL]
            try:
                parts.append(self.ask(self.key, list(rows)))
            except Exception as error:
                # No GPU is free, or the visitor's share of the day is spent: slower, but answered.
                log.warning("no GPU for %s (%s); the CPU goes on", self.key, type(error).__name__)
                parts.append(self._on_cpu(inputs, start, tick))
                break
            if tick:
                tick(start + len(rows), len(inputs))
        read = [one for _, one in parts if one is not None]
        return np.concatenate([rows for rows, _ in parts]), join(read) if read else None

    def _on_cpu(self, inputs: Inputs, start: int, tick: Tick | None) -> Answered:
        def told(done: int, _: int) -> None:
            if tick:
                tick(start + done, len(inputs))

        return self.model.answer(inputs[start:], told)

    def parameters(self) -> ParameterCount:
        """See `Classifier`."""
        return self.model.parameters()


class GpuRegistry(Registry):
    """A registry whose costly models answer many texts on a lent GPU."""

    def __init__(self, root: Path, decorate: Lend, device: str, tasks: Sequence[str]) -> None:
        """Put the models on the device; see `lend`."""
        super().__init__(root)
        self.lent = lend(self, decorate, device, tasks)

    def _open(self, model: Checkpoint | Untouched) -> Served:
        served = super()._open(model)
        if isinstance(model, Untouched) or key_of(model) not in self.lent.models or self.lent.ask is None:
            return served
        return Served(OnGpu(served.classifier, key_of(model), self.lent.ask), served.runtime, served.reason)


def open_gpu_registry(root: Path, decorate: Lend, tasks: Sequence[str]) -> GpuRegistry:
    """A registry on `cuda` where PyTorch sees it, or is made to believe so by ZeroGPU; elsewhere no model is moved."""
    import torch

    return GpuRegistry(root, decorate, "cuda", tasks if torch.cuda.is_available() else ())
