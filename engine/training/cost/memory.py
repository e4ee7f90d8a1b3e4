"""Memory and time of a training step by part: bytes of its tensors, seconds of its phases."""

import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

PARTS = ("weights", "gradients", "optimizer", "activations", "cast_weights")
"""`activations` are what the forward pass keeps for the backward pass; `cast_weights` those weights that it keeps once
more in the precision it computes in."""
PHASES = ("forward", "backward", "optimizer")
"""`backward` includes the loss, the clipping of gradients and the making of an accumulated step's next batch."""


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages under `tensors`, each counted once."""
    return sum({_key(one): one.untyped_storage().nbytes() for one in tensors}.values())


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class MemorySplit:
    """Sums, over the steps taken while it is entered, the largest bytes of each of `PARTS`."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._model = model
        self._optimizer = optimizer
        self._weights = {_key(weight) for weight in model.parameters()}
        self._weight_shapes = {weight.shape for weight in model.parameters() if weight.dim() == 2}
        self._saved: dict[int, tuple[str, int]] = {}
        self._in_forward = False
        self._largest = dict.fromkeys(PARTS, 0)
        self._hooks: list[Any] = []

    def __enter__(self) -> "MemorySplit":
        self._hooks = [
            self._model.register_forward_pre_hook(self._begin),
            self._optimizer.register_step_pre_hook(self._count_gradients),
            *(block.register_forward_pre_hook(self._keep_input) for block in _checkpointed(self._model)),
        ]
        self._saving = torch.autograd.graph.saved_tensors_hooks(self._save, self._unpack)
        self._saving.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._saving.__exit__(*error)
        for hook in self._hooks:
            hook.remove()
        self._count_saved()

    def bytes(self) -> dict[str, int]:
        """Bytes of each of `PARTS`."""
        states = (value for state in self._optimizer.state.values() for value in state.values())
        return self._largest | {
            "weights": bytes_of(self._model.parameters()),
            "optimizer": bytes_of(value for value in states if isinstance(value, torch.Tensor)),
        }

    def _begin(self, *_: Any) -> None:
        self._count_saved()
        self._in_forward = True

    def _save(self, tensor: torch.Tensor) -> torch.Tensor:
        key = _key(tensor)
        if self._in_forward and key not in self._weights:
            # A matrix in half precision with the shape of a weight is autocast's copy of that weight.
            cast = tensor.dtype is torch.bfloat16 and {tensor.shape, tensor.shape[::-1]} & self._weight_shapes
            self._saved[key] = ("cast_weights" if cast else "activations", tensor.untyped_storage().nbytes())
        return tensor

    def _unpack(self, tensor: torch.Tensor) -> torch.Tensor:
        # The backward pass has begun; what it saves when it computes a block again doesn't last.
        self._in_forward = False
        return tensor

    def _keep_input(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """What a block that is computed again begins from; checkpointing keeps it outside autograd's sight."""
        for one in inputs:
            if isinstance(one, torch.Tensor) and self._in_forward:
                self._saved[_key(one)] = ("activations", one.untyped_storage().nbytes())

    def _count_saved(self) -> None:
        for part in ("activations", "cast_weights"):
            total = sum(size for kind, size in self._saved.values() if kind == part)
            self._largest[part] = max(self._largest[part], total)
        self._saved.clear()

    def _count_gradients(self, *_: Any) -> None:
        gradients = [weight.grad for weight in self._model.parameters() if weight.grad is not None]
        self._largest["gradients"] = max(self._largest["gradients"], bytes_of(gradients))


def _checkpointed(model: nn.Module) -> list[nn.Module]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [
        one for one in model.modules() if isinstance(one, GradientCheckpointingLayer) and one.gradient_checkpointing
    ]


class Stopwatch:
    """Seconds of each of `PHASES` over the steps taken while it is entered."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._model = model
        self._optimizer = optimizer
        self._device = device
        self._marks: list[tuple[str, Any]] = []
        self._hooks: list[Any] = []

    def __enter__(self) -> "Stopwatch":
        self._hooks = [
            self._model.register_forward_pre_hook(lambda *_: self._mark("forward")),
            self._model.register_forward_hook(lambda *_: self._mark("backward")),
            self._optimizer.register_step_pre_hook(lambda *_: self._mark("optimizer")),
            self._optimizer.register_step_post_hook(lambda *_: self._mark("")),
        ]
        self._start = self._now()
        return self

    def __exit__(self, *_: Any) -> None:
        self.seconds = self._now() - self._start
        for hook in self._hooks:
            hook.remove()

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _mark(self, phase: str) -> None:
        if self._device.type == "cuda":
            # An event, so that the processor needn't wait for the GPU at every phase.
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append((phase, event))
        else:
            self._marks.append((phase, time.perf_counter()))

    def phases(self) -> dict[str, float]:
        """Seconds of each phase, over all steps."""
        totals = dict.fromkeys(PHASES, 0.0)
        for (phase, start), (_, end) in zip(self._marks, self._marks[1:], strict=False):
            if phase:
                cuda = self._device.type == "cuda"
                totals[phase] += start.elapsed_time(end) / 1e3 if cuda else end - start
        return totals
