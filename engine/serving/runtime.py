"""A runtime computes a trained model's answers: the fastest that is proven to give the same ones."""

import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from engine.data.tasks import get_task
from engine.data.word_tokens import FILE as WORD_TOKENIZER
from engine.data.word_tokens import WordTokenizer
from engine.errors import ExportError
from engine.models.methods import ParameterCount
from engine.models.networks import Network
from engine.models.onnx_graphs import GraphNetwork, Tables
from engine.serving.exports import (
    EXPORT,
    RUNTIMES,
    TOKENIZER,
    Export,
    Holder,
    export_key,
    exports_root,
    find_export,
    has_network,
)
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import Classifier, TextModel, WeighedModel, open_checkpoint, open_tfidf
from engine.training.shared_weights import SharedWeights


@dataclass(frozen=True)
class Served:
    """An opened model, and what computes it."""

    classifier: Classifier
    runtime: str
    """A key of `engine.serving.exports.RUNTIMES`."""
    reason: str = ""
    """Why it is this one."""


class Graphs:
    """Open graphs by their content: untrained models on one backbone share one, trained ones its embeddings."""

    def __init__(self, threads: int = 1) -> None:
        """Keep how many threads a call computes on."""
        self.threads = threads
        self._open: dict[str, Network] = {}
        self._tables: Tables = {}
        self._lock = Lock()

    def get(self, export: Export) -> Network:
        """The export's graph.

        Raises:
            ExportError: It can't be opened.
        """
        with self._lock:
            if export.graph_digest not in self._open:
                self._open[export.graph_digest] = GraphNetwork(export.graph, self.threads, self._tables)
            return self._open[export.graph_digest]


def open_served(checkpoint: Checkpoint, shared: SharedWeights | None, graphs: Graphs) -> Served:
    """Open a trained model on its export where there is one, else in PyTorch.

    Raises:
        CheckpointError: Its files are missing, damaged or don't fit its recipe.
        HubError: Its frozen backbone isn't here and can't be had.
    """
    if not has_network(checkpoint):
        return _without_network(checkpoint, shared, graphs)
    export = find_export(checkpoint)
    if export is None:
        return Served(open_checkpoint(checkpoint, shared), "torch", "It isn't exported yet.")
    if export.serves == "torch":
        return Served(open_checkpoint(checkpoint, shared), "torch", export.reason)
    try:
        network = graphs.get(export)
        return Served(_on_graph(checkpoint, export, network), export.serves, export.reason)
    except ExportError as error:
        return Served(open_checkpoint(checkpoint, shared), "torch", f"Its graph: {error}.")


def _without_network(checkpoint: Checkpoint, shared: SharedWeights | None, graphs: Graphs) -> Served:
    """Baselines, and models that ask another one, which may be on a graph."""
    asked: list[Served] = []

    def open_asked(other: Checkpoint) -> Classifier:
        asked.append(open_served(other, shared, graphs))
        return asked[-1].classifier

    classifier = open_checkpoint(checkpoint, shared, open_asked)
    if not asked:
        return Served(classifier, "numpy", "It has no network.")
    return Served(classifier, asked[-1].runtime, f"It asks another model. {asked[-1].reason}")


def _on_graph(checkpoint: Checkpoint, export: Export, network: Network) -> Classifier:
    """The model with its graph in the place of PyTorch's weights, which aren't even read where nothing needs them."""
    recipe = checkpoint.recipe
    if recipe.kind == "frozen":
        classifier = open_checkpoint(checkpoint)
        Holder(classifier).put(network)
        return classifier
    tokenizer = _open_tokenizer(export.folder / TOKENIZER)
    size = ParameterCount(export.manifest["parameters"]["total"], export.manifest["parameters"]["trained"])
    model = TextModel(network, tokenizer, get_task(checkpoint.task), recipe.max_length, size, open_tfidf(checkpoint))
    weights = checkpoint.manifest.get("decision_weights")
    return WeighedModel(model, np.asarray(weights, dtype=np.float64)) if weights else model


def _open_tokenizer(folder: Path) -> object:
    from transformers import AutoTokenizer

    try:
        if (folder / WORD_TOKENIZER).is_file():
            return WordTokenizer.from_pretrained(folder)
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ExportError("its tokenizer can't be opened") from error


def served_latency(checkpoint: Checkpoint) -> tuple[str, float] | None:
    """The runtime that answers for a model now, and its milliseconds; None where there is no such time.

    For a network it is the median of one call on a text of 32 tokens, measured when it was exported; a baseline is
    served as it was timed after training. A model that calls a network several times for a text has none, nor one that
    adds to a baseline.
    """
    if checkpoint.recipe.kind == "baseline":
        return "numpy", float(checkpoint.manifest["run"]["record"]["latency"]["p50_ms"])
    if checkpoint.recipe.kind == "frozen" or checkpoint.recipe.is_hybrid or not has_network(checkpoint):
        return None
    folder = exports_root(checkpoint) / export_key(checkpoint)
    try:
        manifest = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
        runtime = manifest["serves"]
        # Whoever opens the graphs checks what is in them; whether they are there is enough for a table.
        whole = all((folder / name).stat().st_size == listed["bytes"] for name, listed in manifest["files"].items())
        return (runtime, float(manifest["runtimes"][runtime]["p50_ms"])) if whole and runtime in RUNTIMES else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
