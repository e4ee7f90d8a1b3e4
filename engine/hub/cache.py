"""Repositories in the hub's own cache: every file verified, and a commit there as a whole or not at all."""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import HubError
from engine.hub import client

LIST_SECONDS = 10.0
"""How long the hub may take to list a repository."""
MARKS = ".odzera"
"""Folder beside a repository's snapshots with one file for each commit that was verified."""
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Snapshot:
    """A commit's files in the cache."""

    folder: Path
    commit: str
    whole: bool
    """Whether every file was downloaded and verified by this program; what others left there may be a part."""


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit rather than a branch or tag that may move."""
    return COMMIT.fullmatch(revision) is not None


def storage_of(repo_id: str, kind: str = "model") -> Path:
    """Where the hub's libraries keep a repository: `blobs`, `snapshots/COMMIT` with links to them, and `refs`."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo_id.replace('/', '--')}"


def find_snapshot(repo_id: str, revision: str, kind: str = "model") -> Snapshot | None:
    """What the cache has of a revision, without asking the hub; a branch is the commit that it was at first use."""
    storage = storage_of(repo_id, kind)
    ref = storage / "refs" / revision
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision
    folder = storage / "snapshots" / commit
    if not is_commit(commit) or not folder.is_dir():
        return None
    mark = storage / MARKS / commit
    whole = mark.is_file() and all((folder / name).is_file() for name in json.loads(mark.read_text(encoding="utf-8")))
    return Snapshot(folder, commit, whole)


class Incoming:
    """A repository at a resolved commit, while its files arrive."""

    def __init__(self, repo_id: str, kind: str, commit: str, hashes: Mapping[str, str]) -> None:
        self.repo_id = repo_id
        self.kind = kind
        self.commit = commit
        self.hashes = hashes
        """Each file of the commit, with the SHA-256 of its content, or for small files its git object id."""
        self.storage = storage_of(repo_id, kind)
        self.folder = self.storage / "snapshots" / commit
        self.verified: set[str] = set()

    def fetch(self, names: Iterable[str]) -> None:
        """Download what is missing of the files called `names`, and verify all of them.

        Raises:
            HubError: A file isn't what the hub says it is. It is deleted.
        """
        from huggingface_hub import hf_hub_download

        for name in sorted(set(names) - self.verified):
            path = hf_hub_download(
                self.repo_id, name, repo_type=self.kind, revision=self.commit, endpoint=client.endpoint()
            )
            if not _has_hash(Path(path), self.hashes[name]):
                self._discard(Path(path))
                raise HubError(
                    f"{self.repo_id}: {name} isn't the file that the hub describes (its hash is another one), so it "
                    "was deleted; try again."
                )
            self.verified.add(name)

    def _discard(self, path: Path) -> None:
        """Delete a file and, where it is a link to a blob, the blob with all its links."""
        blob = path.resolve()
        for link in (self.storage / "snapshots").rglob("*"):
            if link.is_symlink() and link.resolve() == blob:
                link.unlink()
        blob.unlink(missing_ok=True)


@contextmanager
def incoming(repo_id: str, revision: str, kind: str = "model") -> Iterator[Incoming]:
    """Resolve a revision and take files from it; whatever fails inside, nothing that came is left behind.

    Args:
        repo_id: `owner/name`.
        revision: Branch, tag, pull request or commit.
        kind: `model` or `dataset`.

    Raises:
        HubError: The hub can't be reached, or a file isn't what it says.
    """
    from filelock import FileLock

    client.require_reachable(repo_id)
    storage = storage_of(repo_id, kind)
    # Two processes that want the same model: the second waits, and finds the files of the first.
    lock = storage.parent / ".locks" / storage.name / "odzera.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock), _all_or_nothing(storage):
        repository = _ask(repo_id, revision, kind)
        yield repository
        _write(storage / MARKS / repository.commit, json.dumps(sorted(repository.verified)))
        if revision != repository.commit:
            _write(storage / "refs" / revision, repository.commit)


def _ask(repo_id: str, revision: str, kind: str) -> Incoming:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=client.endpoint())
    ask = api.dataset_info if kind == "dataset" else api.model_info
    info = ask(repo_id, revision=revision, timeout=LIST_SECONDS, files_metadata=True)
    commit = info.sha or ""
    if not is_commit(commit):
        raise HubError(f"{repo_id}: {client.endpoint()} doesn't answer as a hub does (it names no commit).")
    files = info.siblings or []
    hashes = {one.rfilename: one.lfs.sha256 if one.lfs else one.blob_id or "" for one in files}
    return Incoming(repo_id, kind, commit, hashes)


@contextmanager
def _all_or_nothing(storage: Path) -> Iterator[None]:
    """Where what is inside fails, or is stopped, delete what it brought."""
    before = set(storage.rglob("*")) | ({storage} if storage.exists() else set())
    try:
        yield
    except BaseException:
        # The longest paths first, so that a folder is empty by its turn.
        for new in sorted({storage, *storage.rglob("*")} - before, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):
                new.rmdir() if new.is_dir() and not new.is_symlink() else new.unlink()
        raise


def _has_hash(path: Path, expected: str) -> bool:
    """Whether a file's SHA-256, or for a hash of 40 digits its git object id, is `expected`."""
    with path.open("rb") as opened:
        if is_commit(expected):
            start = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
            return hashlib.file_digest(opened, start.copy).hexdigest() == expected
        return hashlib.file_digest(opened, "sha256").hexdigest() == expected


def _write(path: Path, text: str) -> None:
    """Write a small file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as opened:
        opened.write(text)
    Path(opened.name).replace(path)
