"""A folder that is a Hugging Face Space: the page with chosen models, their figures and the study, and what it needs.

The same input gives the same bytes: everything is sorted, and nothing is dated.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import SpaceError
from engine.hub.privacy import find_private
from engine.hub.upload import Target, Upload, push
from engine.paths import Places
from engine.sharing.space_files import MARK, Contents, collect
from engine.sharing.space_hardware import Hardware

MOST_BYTES = 200_000_000
MARKS = ("engine/sharing/space.py", "engine/serving/space.py")
"""Files that tell a Space of ours; the second one is in those built before 0.7."""


@dataclass(frozen=True)
class Built:
    """A written Space."""

    folder: Path
    hardware: Hardware
    models: Sequence[str]
    """`TASK/NAME@DATA` of each checkpoint."""
    parts: Mapping[str, int]
    """Part → bytes, the largest first."""
    notes: Sequence[str]

    @property
    def total_bytes(self) -> int:
        """Of all files."""
        return sum(self.parts.values())


def build_space(
    out: Path, places: Places, hardware: Hardware, models: Sequence[str] = (), own_studies: bool = False
) -> Built:
    """Write a Space to a folder.

    Args:
        out: New, empty, or a folder that this made before.
        places: Where the models are.
        hardware: What the Space runs on.
        models: `NAME`, `NAME@DATA` or `TASK/NAME` each; all models when empty.
        own_studies: Take the searches made here in the place of the bundled one.

    Raises:
        SpaceError: The folder holds something else, a model isn't there, a private path would be shared, or it would
            be larger than `MOST_BYTES`.
    """
    _require_free(out)
    contents = collect(places, hardware, models, own_studies)
    parts = parts_of(contents)
    if sum(parts.values()) > MOST_BYTES:
        raise SpaceError(_too_large(parts))
    private = find_private({path: contents.read(path) for path in sorted(contents.files)}, places)
    if private:
        raise SpaceError(
            f"{private.file} names {private.what}, which strangers needn't know. Nothing was written; leave that "
            "model or study out."
        )
    _write(out, contents)
    names = [f"{one.task}/{one.folder.name}" for one in contents.checkpoints]
    return Built(out, hardware, names, parts, contents.notes)


def parts_of(contents: Contents) -> dict[str, int]:
    """Bytes by part, the largest first: a checkpoint, its graph, a backbone, a package, the studies, the rest."""
    sizes: dict[str, int] = defaultdict(int)
    for path in contents.files:
        *folders, _ = path.split("/")
        depth = 4 if ".exports" in folders else 3 if folders[:1] == ["checkpoints"] else 1
        sizes["/".join(folders[:depth]) or "README.md and others"] += contents.size(path)
    return dict(sorted(sizes.items(), key=lambda one: (-one[1], one[0])))


def _too_large(parts: Mapping[str, int]) -> str:
    largest = ", ".join(f"{part} {size / 1e6:.1f} MB" for part, size in list(parts.items())[:4])
    return (
        f"The Space would have {sum(parts.values()) / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are shared. "
        f"Largest parts: {largest}. Name the models to share: --models NAME."
    )


def _require_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise SpaceError(f"{out} is no folder; name one that is new or empty.")
    if not out.exists() or not any(out.iterdir()):
        return
    with suppress(OSError, UnicodeDecodeError):
        if MARK in (out / "app.py").read_text(encoding="utf-8"):
            return
    raise SpaceError(f"{out} holds other files; name a folder that is new, empty, or was built before.")


def _write(out: Path, contents: Contents) -> None:
    """Write beside the folder and put it in its place as a whole."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
            new = Path(temporary) / "new"
            for path in sorted(contents.files):
                file = new / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(contents.read(path))
            if out.exists():
                os.rename(out, Path(temporary) / "old")
            os.rename(new, out)
    except OSError as error:
        raise SpaceError(f"{out} can't be written: {error.strerror}.") from error


def push_space(
    repo_id: str,
    places: Places,
    hardware: Hardware,
    models: Sequence[str] = (),
    own_studies: bool = False,
    private: bool = False,
    dry_run: bool = False,
) -> tuple[Built, Upload]:
    """Build a Space and upload it; see `build_space` and `engine.hub.upload.push`.

    Raises:
        SpaceError: It can't be built.
        HubError: The hub refuses or can't be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        built = build_space(Path(folder) / "space", places, hardware, models, own_studies)
        root = built.folder
        files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        target = Target("space", repo_id, MARKS, hardware.flavour)
        return built, push(target, files, private, dry_run)
