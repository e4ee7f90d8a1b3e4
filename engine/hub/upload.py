"""Folders on the Hugging Face Hub: a repository is made, and what differs goes there in one commit."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import HubError
from engine.hub import client

KEPT = (".gitattributes",)
"""Files of the Hub's own."""
MADE = (*KEPT, "README.md")
"""What a repository holds as it is made."""


@dataclass(frozen=True)
class Target:
    """A repository that is to hold certain files, and no others."""

    kind: str
    """`model` or `space`."""
    repo_id: str
    marks: tuple[str, ...]
    """Files, any of which tells that a repository is one of ours."""
    flavour: str = ""
    """Hardware that a new Space asks for."""

    @property
    def link(self) -> str:
        """Its page."""
        return f"{client.endpoint()}/{'spaces/' if self.kind == 'space' else ''}{self.repo_id}"


@dataclass(frozen=True)
class Upload:
    """What a push changes, or would."""

    target: Target
    new: bool
    """Whether the repository doesn't exist yet."""
    changed: Mapping[str, int]
    """Path → bytes of each file that differs or is new."""
    deleted: tuple[str, ...]
    unchanged: int
    private: bool
    commit: str = ""
    """Of the change; empty where nothing was uploaded."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "link": self.target.link,
            "repo_id": self.target.repo_id,
            "kind": self.target.kind,
            "new": self.new,
            "private": self.private,
            "changed": dict(self.changed),
            "changed_bytes": sum(self.changed.values()),
            "deleted": list(self.deleted),
            "unchanged": self.unchanged,
            "commit": self.commit or None,
        }


@dataclass(frozen=True)
class _There:
    """A repository as it is."""

    commit: str
    private: bool
    hashes: Mapping[str, str]
    """Path → SHA-256 of a large file, git object id of a small one."""


def check_name(repo_id: str) -> None:
    """Raise unless a name is `owner/name`.

    Raises:
        HubError: It isn't.
    """
    match = client.HUB_NAME.fullmatch(repo_id)
    if match is None or match["revision"]:
        raise HubError(f"'{repo_id}' is no name of a repository; give USER/NAME.")


def push(target: Target, files: Mapping[str, bytes], private: bool = False, dry_run: bool = False) -> Upload:
    """Make a repository hold exactly these files.

    Args:
        target: The repository, which is made where there is none.
        files: Path → content.
        private: Let nobody else see it; one that is there already is hidden.
        dry_run: Change nothing, and say what would be changed.

    Raises:
        HubError: There is no token, the hub refuses or can't be reached, or the repository holds something else.
    """
    check_name(target.repo_id)
    client.require_reachable(target.repo_id)
    token = client.own_token()
    if not token and not dry_run:
        raise HubError(
            "To upload, the hub wants a token that may write: run 'hf auth login', or set HF_TOKEN. Tokens are made on "
            f"{client.endpoint()}/settings/tokens."
        )
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    api = HfApi(endpoint=client.endpoint(), token=token or False)
    with client.one_line_errors(
        target.repo_id, page=target.link.removeprefix(f"{client.endpoint()}/"), writing=not dry_run
    ):
        there = _look(api, target)
        if there is not None:
            _require_ours(target, there)
        plan = _compare(target, files, there, private)
        if dry_run:
            return plan
        if there is None:
            _create(api, target, private)
        elif private and not there.private:
            api.update_repo_settings(target.repo_id, private=True, repo_type=target.kind)
        return _commit(api, plan, files, there)


def _look(api: Any, target: Target) -> _There | None:
    """What the repository holds, or None where there is none."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.repo_info(target.repo_id, repo_type=target.kind, files_metadata=True, timeout=30)
    except RepositoryNotFoundError as error:
        # Without a login, the hub says this of what it shows to nobody.
        if api.token and getattr(error.response, "status_code", 404) == 401:
            raise
        return None
    files = info.siblings or []
    hashes = {one.rfilename: one.lfs.sha256 if one.lfs else one.blob_id or "" for one in files}
    return _There(info.sha or "", bool(info.private), hashes)


def _require_ours(target: Target, there: _There) -> None:
    """Raise where a repository holds files of something else, which would be overwritten."""
    if not set(target.marks) & set(there.hashes) and set(there.hashes) - set(MADE):
        raise HubError(
            f"{target.link} holds other files than Odzera's, and they would be lost; choose another name, or delete "
            "them there."
        )


def _compare(target: Target, files: Mapping[str, bytes], there: _There | None, private: bool) -> Upload:
    known = there.hashes if there else {}
    changed = {
        name: len(content) for name, content in sorted(files.items()) if known.get(name, "") not in _hashes_of(content)
    }
    deleted = tuple(sorted(set(known) - set(files) - set(KEPT)))
    hidden = private or (there is not None and there.private)
    return Upload(target, there is None, changed, deleted, len(files) - len(changed), hidden)


def _hashes_of(content: bytes) -> Iterator[str]:
    """What the hub may call a file's content: it alone decides which files are large."""
    yield hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    yield hashlib.sha256(content).hexdigest()


def _create(api: Any, target: Target, private: bool) -> None:
    more: dict[str, Any] = {}
    if target.kind == "space":
        more = {"space_sdk": "gradio", "space_hardware": target.flavour}
    api.create_repo(target.repo_id, repo_type=target.kind, private=private, exist_ok=True, **more)


def _commit(api: Any, plan: Upload, files: Mapping[str, bytes], there: _There | None) -> Upload:
    """Upload what differs, in one commit or not at all."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    target = plan.target
    if not plan.changed and not plan.deleted:
        return plan
    operations: list[Any] = [CommitOperationAdd(name, files[name]) for name in plan.changed]
    operations += [CommitOperationDelete(name, is_folder=False) for name in plan.deleted]
    info = api.create_commit(
        target.repo_id,
        operations,
        commit_message="Upload with Odzera",
        repo_type=target.kind,
        # So that nothing is overwritten that came meanwhile.
        parent_commit=there.commit if there and there.commit else None,
    )
    return Upload(target, plan.new, plan.changed, plan.deleted, plan.unchanged, plan.private, info.oid)
