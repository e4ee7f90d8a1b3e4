"""Exports: a trained model as a graph beside its checkpoint, proven against PyTorch before it serves anybody.

An export is a cache. It is made again whenever the checkpoint, the exporter or ONNX Runtime is another.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data.sources import SAMPLE, TaskData, load
from engine.data.tasks import get_task
from engine.errors import CheckpointError, ExportError
from engine.evaluation.turns import time_calls
from engine.machine import describe_machine, one_thread
from engine.messages import message
from engine.models.networks import Network, Reader, TorchNetwork
from engine.models.onnx_graphs import GraphNetwork, prepare, quantise, trace
from engine.models.zero_shot.embedding import LogisticModel, SimilarityModel
from engine.processes import be_nice
from engine.training.build import labels_of
from engine.training.checkpoints import MANIFEST, Checkpoint, read_checkpoint
from engine.training.classifiers import Classifier, TextModel, WeighedModel, open_checkpoint
from engine.training.few_shot import FrozenModel

FORMAT = 1
EXPORT = "export.json"
TOKENIZER = "tokenizer"
SHIPPED_EXPORT = "shipped"
"""Folder of an export that came with the checkpoint, made elsewhere and with another PyTorch perhaps."""
RUNTIMES = {
    "torch": "PyTorch",
    "fp32": "ONNX Runtime",
    "int8": message("ONNX Runtime, 8 bits"),
    "int8-blocks": message("ONNX Runtime, 8 bits in blocks"),
    "numpy": "NumPy",
}
"""What computes a model, and what it is called."""

GRAPHS = ("fp32", "int8", "int8-blocks")
ROUNDED = ("int8", "int8-blocks")
"""Ways of rounding to 8 bits, tried in turn until one gives the same answers."""

MOST_DIFFERENCE = 1e-4
"""Between the outputs of PyTorch and of a float32 graph."""
MOST_FALL = 0.005
"""Of the accuracy on validation, where a graph in 8 bits may still serve."""
LEAST_AGREEMENT = 0.99
"""Share of validation rows to which a graph in 8 bits gives the same label."""
PROBES = ((1,), (2,), (31,), (256,), (2, 31, 17), (1, 256))
"""Tokens of the inputs, batch by batch, that both are compared on; texts of one batch are padded to its longest."""
TIMED_TOKENS = 32
TIMED_CALLS = 15


@dataclass(frozen=True)
class Export:
    """A proven export, or the reason why there is none."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def serves(self) -> str:
        """The runtime that answers: a key of `RUNTIMES`."""
        return str(self.manifest["serves"])

    @property
    def reason(self) -> str:
        """Why it is this one, in a sentence."""
        return str(self.manifest["reason"])

    @property
    def graph(self) -> Path:
        """The graph that serves."""
        return self.folder / f"{self.serves}.onnx"

    @property
    def graph_digest(self) -> str:
        """SHA-256 of that graph: models on the same untrained backbone have the same one."""
        return str(self.manifest["files"][self.graph.name]["sha256"])


class Holder:
    """The place in a classifier where its network is."""

    def __init__(self, classifier: Classifier) -> None:
        """Find it.

        Raises:
            ExportError: The classifier has no network of its own.
        """
        inner: Any = classifier.model if isinstance(classifier, WeighedModel) else classifier
        self.whole = inner
        if isinstance(inner, FrozenModel):
            inner = inner.answerer
            if isinstance(inner, SimilarityModel | LogisticModel):
                inner = inner.embedder
        if not isinstance(getattr(inner, "network", None), TorchNetwork):
            raise ExportError("it has no network of its own")
        self._inner = inner

    @property
    def reader(self) -> Reader:
        """What PyTorch computes there."""
        reader: Reader = self._inner.network.reader
        return reader

    @property
    def longest(self) -> int:
        """Most tokens of a text that it is handed, or of a probe."""
        room = getattr(self._inner, "max_length", None) or self._inner.prompts.positions
        return min(int(room), max(map(max, PROBES)))

    def put(self, network: Network) -> None:
        """Let another runtime compute it, and drop PyTorch's weights where nothing else reads them."""
        self._inner.network = network
        if isinstance(self.whole, FrozenModel):
            self.whole.backbone = None


def exports_root(checkpoint: Checkpoint) -> Path:
    """Where all exports of a checkpoint go: beside it, so that a retrained one finds its predecessor's."""
    return checkpoint.folder.parent / ".exports" / checkpoint.folder.name


def export_key(checkpoint: Checkpoint) -> str:
    """What an export belongs to: the checkpoint with all its files, and what makes and computes the graph."""
    told = (checkpoint.folder / MANIFEST).read_bytes()
    made_by = f"{FORMAT} {version('onnxruntime')} {version('torch')}"
    return hashlib.sha256(told + made_by.encode()).hexdigest()[:16]


def has_network(checkpoint: Checkpoint) -> bool:
    """Whether there is anything to export: baselines and questions to another model have no network of their own."""
    recipe = checkpoint.recipe
    return recipe.kind != "baseline" and not (recipe.kind == "frozen" and recipe.frozen.asks_nli)


def find_export(checkpoint: Checkpoint) -> Export | None:
    """The export of this very checkpoint, or None where it isn't made yet or is damaged."""
    root = exports_root(checkpoint)
    try:
        own, shipped = _read_export(root / export_key(checkpoint)), _read_export(root / SHIPPED_EXPORT)
        told = hashlib.sha256((checkpoint.folder / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return None
    if own is not None or shipped is None:
        return own
    computed_by = shipped.manifest["machine"]["onnxruntime"]
    return shipped if shipped.manifest.get("of") == told and computed_by == version("onnxruntime") else None


def _read_export(folder: Path) -> Export | None:
    """The export in a folder, if it is whole."""
    try:
        manifest = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
        if manifest["serves"] not in RUNTIMES or not isinstance(manifest["reason"], str):
            return None
        for name, listed in manifest["files"].items():
            with (folder / name).open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != listed["sha256"]:
                    return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Export(folder, manifest)


def make_export(checkpoint: Checkpoint, data: TaskData | None = None) -> Export:
    """Export a trained model, compare the graphs with PyTorch, and choose the fastest that gives the same answers.

    Args:
        checkpoint: Which one.
        data: Data with the validation rows on which 8 bits are judged; the bundled sample's are found without.

    Raises:
        CheckpointError: It can't be opened, or the export can't be written.
        ExportError: It has no network of its own, or the data isn't what the model was trained on.
    """
    judged = data or _own_data(checkpoint)
    if judged is not None and judged.fingerprint != checkpoint.fingerprint:
        raise ExportError(
            f"{checkpoint.name} was trained on the data {checkpoint.fingerprint}, and this is {judged.fingerprint}: "
            "give the same files and options."
        )
    root = exports_root(checkpoint)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=root) as temporary:
            folder = Path(temporary) / "export"
            folder.mkdir()
            manifest = _write_export(folder, checkpoint, judged)
            final = root / export_key(checkpoint)
            for older in root.glob("[0-9a-f]*"):
                shutil.rmtree(older, ignore_errors=True)
            folder.rename(final)
    except OSError as error:
        raise CheckpointError(f"{root} can't be written: {error.strerror}.") from error
    return Export(final, manifest)


def _write_export(folder: Path, checkpoint: Checkpoint, judged: TaskData | None) -> dict[str, Any]:
    """Fill a folder with the graph that serves, the tokenizer and the manifest; the manifest."""
    classifier = open_checkpoint(checkpoint)
    holder = Holder(classifier)
    manifest = {
        "format": FORMAT,
        "checkpoint": checkpoint.folder.name,
        "machine": describe_machine(torch.device("cpu")) | {"onnxruntime": version("onnxruntime")},
        **_prove(folder, classifier, holder, judged),
    }
    if manifest["serves"] != "torch" and isinstance(classifier, TextModel | WeighedModel):
        size = classifier.parameters()
        manifest["parameters"] = {"total": size.total, "trained": size.trained}
        holder.whole.tokenizer.save_pretrained(folder / TOKENIZER)
    for graph in folder.glob("*.onnx"):
        if graph.stem != manifest["serves"]:
            graph.unlink()
    manifest["files"] = {
        str(path.relative_to(folder)): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(path for path in folder.rglob("*") if path.is_file())
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / EXPORT).write_text(text + "\n", encoding="utf-8")
    return manifest


def _own_data(checkpoint: Checkpoint) -> TaskData | None:
    """The data that the model was trained on, where it comes with the product."""
    if checkpoint.manifest["data"]["source"] != SAMPLE:
        return None
    data = load(get_task(checkpoint.task))
    return data if data.fingerprint == checkpoint.fingerprint else None


def _prove(folder: Path, classifier: Classifier, holder: Holder, data: TaskData | None) -> dict[str, Any]:
    """Write both graphs, measure what they are worth, and choose."""
    reader, files = holder.reader, {name: folder / f"{name}.onnx" for name in GRAPHS}
    torch_network = TorchNetwork(reader)
    networks: dict[str, Network] = {"torch": torch_network}
    figures: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    room = holder.longest
    with one_thread():
        try:
            trace(prepare(reader), files["fp32"])
            whole = GraphNetwork(files["fp32"])
            figures["fp32"] = {"difference": _difference(torch_network, whole, reader, room)}
            if figures["fp32"]["difference"] > MOST_DIFFERENCE:
                raise ExportError(
                    f"its outputs differ from PyTorch's by {figures['fp32']['difference']:.1e}, more than "
                    f"{MOST_DIFFERENCE:.0e}"
                )
            networks["fp32"] = whole
            for name in ROUNDED:
                try:
                    quantise(files["fp32"], files[name], blockwise=name == "int8-blocks")
                    rounded = GraphNetwork(files[name])
                    figures[name] = _judge(classifier, holder, whole, rounded, data)
                    networks[name] = rounded
                    break
                except ExportError as error:
                    left_out[name] = str(error)
        except ExportError as error:
            left_out["fp32"] = str(error)
        timed = reader.probe((min(TIMED_TOKENS, room),), np.random.default_rng(2))
        times = time_calls({name: partial(network, timed) for name, network in networks.items()}, TIMED_CALLS)
        p50 = {name: times.median(name, float) for name in networks}
    for name, ms in p50.items():
        figures.setdefault(name, {})["p50_ms"] = ms
    serves = _fastest(p50)
    for name in files:
        if files[name].is_file():
            figures.setdefault(name, {})["bytes"] = files[name].stat().st_size
    return {"serves": serves, "reason": _explain(serves, p50, left_out), "runtimes": figures, "left_out": left_out}


def _fastest(p50: Mapping[str, float]) -> str:
    return min(p50, key=lambda name: p50[name])


def _explain(serves: str, p50: Mapping[str, float], left_out: Mapping[str, str]) -> str:
    others = ", ".join(f"{RUNTIMES[name]} {ms:.2f} ms" for name, ms in p50.items() if name != serves)
    sentences = [f"{RUNTIMES[serves]}: {p50[serves]:.2f} ms at {TIMED_TOKENS} tokens{f'; {others}' if others else ''}."]
    sentences += [f"Not {RUNTIMES[name]}: {reason}." for name, reason in left_out.items()]
    return " ".join(sentences)


def _difference(first: Network, second: Network, reader: Reader, room: int) -> float:
    """Largest difference between two runtimes' outputs over all probes."""
    generator = np.random.default_rng(1)
    largest = 0.0
    for lengths in PROBES:
        inputs = reader.probe([min(length, room) for length in lengths], generator)
        largest = max(largest, float(np.abs(first(inputs) - second(inputs)).max()))
    return largest


def _judge(
    classifier: Classifier, holder: Holder, whole: Network, rounded: Network, data: TaskData | None
) -> dict[str, Any]:
    """How the answers in 8 bits compare with those in float32, on the validation split.

    Raises:
        ExportError: They are worse than is allowed, or there is nothing to judge them on.
    """
    if data is None:
        raise ExportError("the validation rows to judge it on aren't here; name them with --source")
    texts, labels = data.texts("validation"), labels_of(data, "validation")
    before = holder.reader
    answers: dict[str, NDArray[np.int64]] = {}
    for name, network in (("fp32", whole), ("int8", rounded)):
        holder.put(network)
        answers[name] = classifier.probabilities(texts).argmax(axis=1)
    holder.put(TorchNetwork(before))
    accuracy = {name: float((one == labels).mean()) for name, one in answers.items()}
    agreement = float((answers["int8"] == answers["fp32"]).mean())
    fall = accuracy["fp32"] - accuracy["int8"]
    if fall >= MOST_FALL or agreement < LEAST_AGREEMENT:
        raise ExportError(
            f"on {len(labels):,} validation rows accuracy goes from {accuracy['fp32']:.3f} to {accuracy['int8']:.3f} "
            f"and {agreement:.1%} of the labels stay the same (to serve: a fall below {MOST_FALL:.3f}, and "
            f"{LEAST_AGREEMENT:.0%})"
        )
    return {
        "accuracy": accuracy["int8"],
        "accuracy_fp32": accuracy["fp32"],
        "agreement": agreement,
        "rows": len(labels),
    }


def export_by_path(folder: Path) -> str:
    """Export the checkpoint in a folder, in a process of its own; the runtime that serves it.

    Raises:
        OdzeraError: It can't be exported.
    """
    # Those who ask meanwhile come first.
    be_nice()
    torch.set_num_threads(1)
    return make_export(read_checkpoint(folder)).serves
