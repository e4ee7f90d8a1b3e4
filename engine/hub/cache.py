"""Repositories in the hub's own cache: every file is verified, and a commit is used when all of its files are there.

A download that fails goes on where it was: verified files stay where the hub's libraries look for them, and the start
of a file waits beside them, where nobody does.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import HubError
from engine.hub import client

LIST_SECONDS = 10.0
"""How long the hub may take to list a repository."""
MARKS = ".odzera"
"""Folder beside a repository's snapshots: a file for each commit that was verified, and what has come of others."""
BEGUN = ".begun"
"""Ending of the mark of a commit that this program has brought a file to, or taken one from, but not finished."""
PART = ".part"
"""Ending of a file's first bytes; its name is the hash of the whole file, so another file's bytes never follow them."""
COMMIT = re.compile(r"[0-9a-f]{40}")
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Snapshot:
    """A commit's files in the cache."""

    folder: Path
    commit: str
    whole: bool
    """Whether every file was downloaded and verified by this program; what others left there may be a part."""
    begun: bool = False
    """Whether this program has brought some of the files, or deleted a wrong one, and was stopped before the last."""


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
    return Snapshot(folder, commit, whole, mark.with_name(commit + BEGUN).is_file())


class Incoming:
    """A repository at a resolved commit, while its files arrive."""

    def __init__(
        self, repo_id: str, kind: str, commit: str, hashes: Mapping[str, str], sizes: Mapping[str, int]
    ) -> None:
        self.repo_id = repo_id
        self.kind = kind
        self.commit = commit
        self.hashes = hashes
        """Each file of the commit, with the SHA-256 of its content, or for small files its git object id."""
        self.sizes = sizes
        """Each file's length in bytes."""
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
            if not HASH.fullmatch(self.hashes[name]):
                raise HubError(f"{self.repo_id}: {client.endpoint()} names no hash of {name}, so it can't be verified.")
            brought = None
            if not (self.folder / name).exists():
                brought = self._download(name)
                self._mark_begun(self.commit)
            # The library finds the file where it keeps files of this hash, and puts it into the commit's folder.
            path = hf_hub_download(
                self.repo_id, name, repo_type=self.kind, revision=self.commit, endpoint=client.endpoint()
            )
            # A hub may call the file by another name than its hash, and the library then brings it itself.
            if Path(path).resolve() != brought:
                self._require_hash(Path(path), name)
            self.verified.add(name)

    def _download(self, name: str) -> Path | None:
        """Download a file into the library's folder of files by hash, from the byte on that an earlier try came to.

        `hf_hub_download` would start it anew each time.

        Returns:
            The verified file; nothing where the folder has it already.
        """
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils._headers import build_hf_headers

        blob = self.storage / "blobs" / self.hashes[name]
        if blob.exists():
            return None
        part = self.storage / MARKS / (blob.name + PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        url = hf_hub_url(self.repo_id, name, repo_type=self.kind, revision=self.commit, endpoint=client.endpoint())
        # Compressed on the way, the rest of a file couldn't be put behind its start.
        headers = build_hf_headers() | {"Accept-Encoding": "identity"}
        try:
            with part.open("ab") as opened:
                # Of a part that is too long, the hash is wrong.
                if opened.tell() < self.sizes[name]:
                    http_get(url, opened, resume_size=opened.tell(), headers=headers, displayed_filename=name)
        except BaseException:
            if not part.stat().st_size:
                part.unlink()
            raise
        self._require_hash(part, name)
        blob.parent.mkdir(parents=True, exist_ok=True)
        return part.replace(blob).resolve()

    def _require_hash(self, path: Path, name: str) -> None:
        if not _has_hash(path, self.hashes[name]):
            self._discard(path)
            raise HubError(
                f"{self.repo_id}: {name} isn't the file that the hub describes (its hash is another one), so it "
                "was deleted; try again."
            )

    def _mark_begun(self, commit: str) -> None:
        _write(self.storage / MARKS / (commit + BEGUN), "")

    def _discard(self, path: Path) -> None:
        """Delete a file and, where it is a link to a blob, the blob with all its links."""
        blob, snapshots = path.resolve(), self.storage / "snapshots"
        for link in snapshots.rglob("*"):
            if link.is_symlink() and link.resolve() == blob:
                self._mark_begun(link.relative_to(snapshots).parts[0])
                link.unlink()
        blob.unlink(missing_ok=True)

    def finish(self) -> None:
        """Mark the commit as whole, and give up what has come of others: nobody may ask for those again."""
        marks = self.storage / MARKS
        _write(marks / self.commit, json.dumps(sorted(self.verified)))
        for left in (marks / (self.commit + BEGUN), *marks.glob(f"*{PART}")):
            left.unlink(missing_ok=True)


@contextmanager
def incoming(repo_id: str, revision: str, kind: str = "model") -> Iterator[Incoming]:
    """Resolve a revision and take files from it; whatever fails inside, the next call goes on with what came.

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
    with FileLock(lock):
        repository = _ask(repo_id, revision, kind)
        yield repository
        repository.finish()
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
    return Incoming(repo_id, kind, commit, hashes, {one.rfilename: one.size or 0 for one in files})


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
