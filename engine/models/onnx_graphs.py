"""Graphs: networks as ONNX files that ONNX Runtime computes, in float32 or with 8-bit weights."""

import copy
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import ExportError
from engine.models.networks import Arrays, Reader

SMALLEST_TABLE = 1_000_000
"""Bytes of an embedding that is worth sharing."""
SMALLEST_SHARED = 20_000_000
"""Bytes of a graph that is worth more than one thread a call."""
LARGEST = 1_800_000_000
"""Bytes of weights; an ONNX file is a protobuf message, which ends at 2 GiB."""


def prepare(reader: Reader) -> Reader:
    """A copy of what `reader` reads that a graph can be made of: low-rank adapters merged, GPT-2's layers as `Linear`.

    Raises:
        ExportError: No graph gives the same answers.
    """
    if any(hasattr(weight, "quant_state") for weight in reader.parameters()):
        raise ExportError("its weights are in 4 bits, which a graph doesn't hold as they are")
    if sum(weight.numel() * 4 for weight in reader.parameters()) > LARGEST:
        raise ExportError("its weights are more than the 2 GB that one ONNX file holds")
    own = copy.deepcopy(reader)
    if hasattr(own.model, "merge_and_unload") and not own.model.active_peft_config.is_prompt_learning:
        own.model = own.model.merge_and_unload()
    _straighten(own)
    # Dropout would go into the graph otherwise.
    return own.eval()


def _straighten(module: torch.nn.Module) -> None:
    """Put `Linear` in the place of GPT-2's transposed layers, which quantisation would pass over."""
    from transformers.pytorch_utils import Conv1D

    for name, child in module.named_children():
        if isinstance(child, Conv1D):
            linear = torch.nn.Linear(child.nx, child.nf)
            linear.weight.data = child.weight.data.t().contiguous()
            linear.bias.data = child.bias.data
            setattr(module, name, linear)
        else:
            _straighten(child)


def trace(reader: Reader, file: Path) -> None:
    """Write what a prepared reader computes as a graph for inputs of any number and length.

    Raises:
        ExportError: PyTorch can't follow the model.
    """
    # Neither size may be one that other sizes could be mistaken for.
    sample = reader.probe((8, 5), np.random.default_rng(0))
    inputs = {name: torch.from_numpy(array) for name, array in sample.items()}
    free = {name: dict.fromkeys(range(one.ndim), torch.export.Dim.DYNAMIC) for name, one in inputs.items()}
    with _quietly():
        try:
            program: Any = torch.onnx.export(
                reader,
                (),
                kwargs=inputs,
                dynamo=True,
                verbose=False,
                input_names=list(inputs),
                output_names=[reader.output],
                dynamic_shapes=free,
            )
            program.save(str(file))
        except Exception as error:
            # Whatever the exporter brings along, the model goes on in PyTorch.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ExportError(f"PyTorch can't write it as a graph ({reason})") from error


def without_traces(graph: bytes) -> bytes:
    """The same graph without the exporter's notes, which name the source files and folders of this machine."""
    import onnx

    model = onnx.load_from_string(graph)
    for one in (model.graph, *model.functions, *model.graph.node, *(node for f in model.functions for node in f.node)):
        one.doc_string = ""
        del one.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
    told: bytes = model.SerializeToString(deterministic=True)
    return told


def quantise(source: Path, file: Path, blockwise: bool = False) -> None:
    """Write a graph anew with matrices in 8 bits, and activations rounded as they come; embeddings stay as they are.

    Args:
        source: The graph in float32.
        file: Where the other goes.
        blockwise: Give every 32 weights and activations a scale of their own, instead of each column and each whole
            tensor: slower and larger, and much closer.

    Raises:
        ExportError: ONNX Runtime can't.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    graph = onnx.load(source)
    # Shapes noted by the exporter contradict those that the quantiser finds for some heads; it needs none.
    del graph.graph.value_info[:]
    with _quietly():
        try:
            if blockwise:
                quantiser = MatMulNBitsQuantizer(graph, bits=8, block_size=32, is_symmetric=True, accuracy_level=4)
                quantiser.process()
                quantiser.model.save_model_to_file(str(file))
                return
            quantize_dynamic(
                graph,
                file,
                weight_type=QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=["MatMul", "Gemm"],
                extra_options={"MatMulConstBOnly": True},
            )
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ExportError(f"ONNX Runtime can't round it to 8 bits ({reason})") from error


Tables = dict[str, Any]
"""Embeddings in memory, by their SHA-256."""


class GraphNetwork:
    """A graph computed by ONNX Runtime."""

    def __init__(self, file: Path, threads: int = 1, tables: Tables | None = None) -> None:
        """Open it.

        Args:
            file: As `trace` or `quantise` wrote it.
            threads: That one call computes on. With one, calls from several threads don't wait for each other.
            tables: Embeddings of the graphs opened before, which this one then reads where they are the same.

        Raises:
            ExportError: It is missing or damaged.
        """
        import onnxruntime

        if not file.is_file():
            raise ExportError(f"{file.name} is missing")
        options = onnxruntime.SessionOptions()
        # What is smaller has too little to share: a decoder of 3M weights took as long on two threads as on one.
        options.intra_op_num_threads = threads if file.stat().st_size > SMALLEST_SHARED else 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            if tables is not None:
                _share_tables(file, options, tables)
            self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ExportError(f"{file.name} can't be opened by ONNX Runtime") from error

    def __call__(self, inputs: Arrays) -> NDArray[np.float32]:
        """See `engine.models.networks.Network`."""
        result: NDArray[np.float32] = self.session.run(None, dict(inputs))[0]
        return result


def _share_tables(file: Path, options: Any, tables: Tables) -> None:
    """Let the graph's embeddings be those in `tables`, and put new ones there.

    The other matrices are packed anew by every session, in an order of its own, so that they can't be shared.
    """
    import onnx
    from onnxruntime import OrtValue

    graph = onnx.load(file).graph
    looked_up = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    for one in graph.initializer:
        if one.name in looked_up and len(one.raw_data) >= SMALLEST_TABLE:
            digest = hashlib.sha256(one.raw_data).hexdigest()
            if digest not in tables:
                tables[digest] = OrtValue.ortvalue_from_numpy(onnx.numpy_helper.to_array(one))
            options.add_initializer(one.name, tables[digest])


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' remarks about operators that nobody asked for, on the root logger and on stdout."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nothing, redirect_stdout(nothing), catch_warnings():
            simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
