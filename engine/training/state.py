"""The state of an unfinished training run: one safetensors file, replaced whole, from which it resumes exactly."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn


@dataclass(frozen=True)
class TrainingState:
    """Everything that the next epoch depends on."""

    tensors: dict[str, torch.Tensor]
    """`weights.NAME`, `optimizer.INDEX.KEY` and `random.DEVICE`."""
    best: dict[str, torch.Tensor]
    history: list[dict[str, Any]]
    seconds: float
    precision: torch.dtype
    rates: list[float] = field(default_factory=list)

    @staticmethod
    def take(
        weights: Mapping[str, nn.Parameter],
        best: dict[str, torch.Tensor],
        optimizer: Any,
        history: list[dict[str, Any]],
        seconds: float,
        precision: torch.dtype,
    ) -> "TrainingState":
        """Collect the state after an epoch."""
        tensors = {f"weights.{name}": weight.detach() for name, weight in weights.items()}
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in values.items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        rates = [group["lr"] for group in optimizer.param_groups]
        return TrainingState(tensors, best, history, seconds, precision, rates)

    def restore(self, weights: Mapping[str, nn.Parameter], optimizer: Any) -> None:
        """Put the state back into a freshly built model and optimizer."""
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(self.tensors[f"weights.{name}"])
        whole = optimizer.state_dict()
        kept: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in self.tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                kept.setdefault(int(index), {})[key] = tensor
        whole["state"] = kept
        optimizer.load_state_dict(whole)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate
        torch.set_rng_state(self.tensors["random.cpu"].cpu())
        if "random.cuda" in self.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.tensors["random.cuda"].cpu())


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state beside `path` and move it there, so that a kill at any moment leaves the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = state.tensors | {f"best.{name}": tensor for name, tensor in state.best.items()}
    plain = {
        "history": state.history,
        "seconds": state.seconds,
        "precision": str(state.precision).removeprefix("torch."),
        "rates": state.rates,
    }
    # Shared storage is refused by safetensors, and tied or expanded tensors would share it.
    copies = {name: tensor.detach().contiguous().cpu().clone() for name, tensor in tensors.items()}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    save_file(copies, temporary, metadata={"state": json.dumps(plain)})
    os.replace(temporary, path)


def load_state(path: Path) -> TrainingState | None:
    """Read a state back, into main memory.

    Returns:
        None where there is none, or where the file is damaged and training starts afresh.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError):
        return None
    best = {name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")}
    return TrainingState(
        tensors={name: tensor for name, tensor in tensors.items() if not name.startswith("best.")},
        best=best,
        history=plain["history"],
        seconds=plain["seconds"],
        precision=getattr(torch, plain["precision"]),
        rates=plain["rates"],
    )
