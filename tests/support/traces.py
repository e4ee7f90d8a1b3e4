"""Graphs of small networks, each traced once a run: a trace depends on the network alone, and takes seconds."""

import hashlib
import shutil
from pathlib import Path

from filelock import FileLock

from engine.models.networks import Reader
from engine.models.onnx_graphs import trace


class Traces:
    """A stand-in for `engine.models.onnx_graphs.trace` that remembers what it wrote."""

    def __init__(self, folder: Path) -> None:
        """Keep the graphs in a folder, which several processes may share."""
        self.folder = folder

    def __call__(self, reader: Reader, file: Path) -> None:
        """Write a network's graph to a file."""
        kept = self.folder / f"{_digest(reader)}.onnx"
        with FileLock(kept.with_suffix(".lock")):
            if not kept.exists():
                unfinished = kept.with_name(f"unfinished-{kept.name}")
                trace(reader, unfinished)
                unfinished.rename(kept)
        shutil.copy(kept, file)


def _digest(reader: Reader) -> str:
    """Of a network's modules and all its weights."""
    found = hashlib.sha256(f"{type(reader)} {reader} {getattr(reader.model, 'config', '')}".encode())
    for name, weight in sorted(reader.state_dict().items()):
        found.update(name.encode() + weight.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
