"""The roofline: how fast this machine could answer if it did nothing but read the weights, or but multiply.

Williams et al., 2009.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.evaluation.turns import time_calls

READ_BYTES = 1 << 29
SIDE = 1024
"""Of the square matrices multiplied: large enough to reach the processor's rate, as no answer's are."""
ROUNDS = 7


@dataclass(frozen=True)
class Machine:
    """What was measured of a machine."""

    threads: int
    gigabytes_per_second: float
    """Of memory read once, in order."""
    gigaflops: float
    """Of float32 matrices multiplied by PyTorch, a multiplication and an addition being two."""
    int8_gigaops: float
    """Of 8-bit matrices multiplied by ONNX Runtime."""

    def least_ms(self, work: "Work", eight_bits: bool) -> float:
        """Milliseconds below which no answer can come: the larger of reading and of multiplying."""
        size, rate = (1, self.int8_gigaops) if eight_bits else (4, self.gigaflops)
        reading = work.weights * size / self.gigabytes_per_second / 1e6
        return max(reading, work.operations / rate / 1e6)


@dataclass(frozen=True)
class Work:
    """What one answer takes."""

    weights: int
    """Weights read: those of all matrices; of an embedding only a few rows are."""
    operations: float
    """Multiplications and additions."""


def count_work(model: Any, lengths: Sequence[int]) -> Work:
    """The work of a transformer on texts of these lengths, their mean.

    Matrices take two operations a weight and token; attention takes `4 · length² · width` a block (Kaplan et al.,
    2020, table 1).
    """
    from transformers.pytorch_utils import Conv1D

    weights = sum(
        module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear | Conv1D | nn.Bilinear)
    )
    config = model.config
    tokens = float(np.mean(lengths))
    squares = float(np.mean(np.square(np.asarray(lengths, dtype=np.float64))))
    attention = 4 * squares * config.hidden_size * config.num_hidden_layers
    return Work(weights, 2 * weights * tokens + attention)


def measure_machine(threads: int) -> Machine:
    """Measure memory and processor with so many threads; about three seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        memory = torch.ones(READ_BYTES // 4)
        square = torch.rand(SIDE, SIDE)
        reading = _least_seconds(lambda: memory.sum())
        multiplying = _least_seconds(lambda: square @ square)
    finally:
        torch.set_num_threads(before)
    operations = 2 * SIDE**3
    rounded = operations / _int8_seconds(threads) / 1e9
    return Machine(threads, READ_BYTES / reading / 1e9, operations / multiplying / 1e9, rounded)


def _least_seconds(call: Callable[[], object]) -> float:
    # A bound is what the machine can do, not what it usually does beside other work.
    return time_calls({"call": call}, ROUNDS).minimum("call", float) / 1000


def _int8_seconds(threads: int) -> float:
    """Seconds of one product of 8-bit matrices."""
    import onnxruntime
    from onnx import TensorProto, helper

    weights = np.random.default_rng(0).integers(-127, 127, (SIDE, SIDE), dtype=np.int8)
    kept = helper.make_tensor("B", TensorProto.INT8, weights.shape, weights.tobytes(), raw=True)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["A", "B"], ["Y"])],
        "product",
        [helper.make_tensor_value_info("A", TensorProto.UINT8, [SIDE, SIDE])],
        [helper.make_tensor_value_info("Y", TensorProto.INT32, [SIDE, SIDE])],
        [kept],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values: NDArray[np.uint8] = np.ones((SIDE, SIDE), np.uint8)
    return _least_seconds(lambda: session.run(None, {"A": values}))
