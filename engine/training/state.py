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

from engine.errors import OdzeraError


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
        tensors |= pack_optimizer(optimizer, "optimizer.")
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
        unpack_optimizer(optimizer, "optimizer.", self.tensors)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate
        torch.set_rng_state(self.tensors["random.cpu"].cpu())
        if "random.cuda" in self.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.tensors["random.cuda"].cpu())


def pack_optimizer(optimizer: Any, prefix: str) -> dict[str, torch.Tensor]:
    """An optimizer's state as flat tensors called `PREFIXINDEX.KEY`."""
    return {
        f"{prefix}{index}.{key}": torch.as_tensor(value)
        for index, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }


def unpack_optimizer(optimizer: Any, prefix: str, tensors: Mapping[str, torch.Tensor]) -> None:
    """The inverse of `pack_optimizer`; other tensors are passed over."""
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            index, _, key = name.removeprefix(prefix).partition(".")
            kept.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": kept})


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], plain: Mapping[str, Any]) -> None:
    """Write tensors and plain values beside `path` and move them there: a kill leaves the old file or the new one.

    Raises:
        OdzeraError: The place can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Shared storage is refused by safetensors, and tied or expanded tensors would share it.
    copies = {name: tensor.detach().contiguous().cpu().clone() for name, tensor in tensors.items()}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        save_file(copies, temporary, metadata={"plain": json.dumps(plain)})
    except SafetensorError as error:
        temporary.unlink(missing_ok=True)
        raise OdzeraError(f"The state of the training can't be written to {path.parent}: {error}") from error
    os.replace(temporary, path)


def read_tensors(path: Path, device: str = "cpu") -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Read both back; None where there is no file, or it is damaged and what it was for starts afresh."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt", device=device) as file:
            plain = json.loads(file.metadata()["plain"])
            return {name: file.get_tensor(name) for name in file.keys()}, plain  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError):
        return None


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state; see `write_tensors`."""
    plain = {
        "history": state.history,
        "seconds": state.seconds,
        "precision": str(state.precision).removeprefix("torch."),
        "rates": state.rates,
    }
    write_tensors(path, state.tensors | {f"best.{name}": tensor for name, tensor in state.best.items()}, plain)


def load_state(path: Path) -> TrainingState | None:
    """Read a state back, into main memory; None where there is none to go on from."""
    found = read_tensors(path)
    if found is None:
        return None
    tensors, plain = found
    return TrainingState(
        tensors={name: tensor for name, tensor in tensors.items() if not name.startswith("best.")},
        best={name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")},
        history=plain["history"],
        seconds=plain["seconds"],
        precision=getattr(torch, plain["precision"]),
        rates=plain["rates"],
    )
