"""One model trained by several processes: who reads which rows, and how all of them come to the same numbers.

`accelerate launch` and `torchrun` start the processes. Each sees the same batches and reads its share of each; the
gradients are added up (data parallelism; Li et al., 2020), so a step is the one that a single process would take.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from numpy.typing import NDArray

# The others wait while the main process fits a baseline, or scores and times a model.
LONGEST_WAIT = timedelta(hours=1)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Share:
    """What one process reads of a batch."""

    rows: NDArray[np.int64]
    part: float
    """What the mean loss of these rows counts in the mean loss of the batch; the parts of all shares add up to 1."""


@dataclass(frozen=True)
class Group:
    """The processes that train a model together, as one of them sees them; a process of its own is a group of one."""

    rank: int = 0
    size: int = 1

    @staticmethod
    def of(accelerator: Accelerator) -> "Group":
        """The group that `accelerator` belongs to."""
        return Group(accelerator.process_index, accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def share(self, rows: NDArray[np.int64], weights: NDArray[np.floating[Any]]) -> Share:
        """This process's share of a batch: every `size`-th row, so that long and short texts are shared out alike.

        A share is never empty, since each process has to take part in each step: where there are fewer rows than
        processes, those without one read the first row and count for nothing.

        Args:
            rows: The rows of the batch, the same ones in every process.
            weights: What each of them weighs in the loss, same shape.
        """
        if self.size == 1:
            return Share(rows, 1.0)
        own = slice(self.rank, None, self.size)
        part = float(weights[own].sum() / weights.sum())
        return Share(rows[own] if self.rank < len(rows) else rows[:1], part)

    def seed(self, seed: int, epoch: int) -> None:
        """Draw other dropout than the main process, the same in each epoch of this number, resumed or not."""
        if not self.is_main:
            drawn = np.random.SeedSequence((seed, epoch, self.rank)).generate_state(1, np.uint64)
            torch.manual_seed(int(drawn[0]))

    def from_main(self, value: Value) -> Value:
        """The main process's value, in every process."""
        if self.size == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, values: list[Value]) -> list[Value]:
        """The values of all processes one after another, in every process."""
        if self.size == 1:
            return values
        lists: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(lists, values)
        return list(chain.from_iterable(lists))


ALONE = Group()


def make_accelerator(device: str) -> Accelerator:
    """Join the processes that were launched together, if any were, on `cpu` or `cuda`.

    The recipe decides about precision, whatever the launcher was told.
    """
    # No model here has buffers that change, so there are none to send around.
    handlers = [InitProcessGroupKwargs(timeout=LONGEST_WAIT), DistributedDataParallelKwargs(broadcast_buffers=False)]
    return Accelerator(cpu=device == "cpu", mixed_precision="no", kwargs_handlers=handlers)


def leave() -> None:
    """Part from the other processes, once all of them are done."""
    state = PartialState()
    state.wait_for_everyone()
    state.destroy_process_group()


def is_lonely_launch() -> bool:
    """Whether `accelerate launch` was asked for several processes and started one, as `--cpu` does without MPI."""
    return {"MASTER_PORT", "ACCELERATE_USE_CPU"} <= set(os.environ) and PartialState().num_processes == 1
