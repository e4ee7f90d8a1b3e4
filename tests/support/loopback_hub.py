"""A small hub on loopback: it speaks the Hugging Face Hub's endpoints to its unmodified clients, and breaks on request.

Large files lie behind a redirect on an address of their own, as the Hub's do. Each kind of request is one method,
found by `ROUTES`.
"""

import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".parquet", ".model", ".onnx")
"""Endings of files that are kept apart from git (LFS) and named by their SHA-256."""

PIECE = 1 << 16
"""Bytes that are sent at a time."""


def git_hash(content: bytes) -> str:
    """The object id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def is_large(name: str) -> bool:
    """Whether a file is kept apart from git."""
    return name.endswith(LARGE)


def etag(name: str, content: bytes) -> str:
    """How the hub names a file's content."""
    return hashlib.sha256(content).hexdigest() if is_large(name) else git_hash(content)


@dataclass
class Repository:
    """A model or a data set: commits with their files, and names for commits."""

    kind: str
    repo_id: str
    gated: bool = False
    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes], ref: str = "main") -> str:
        """Put `files` at `ref`; the same files at another place in the history are another commit."""
        parts = [f"{self.repo_id}{len(self.commits)}", *(f"{name}{etag(name, one)}" for name, one in files.items())]
        commit = hashlib.sha1("\n".join(parts).encode(), usedforsecurity=False).hexdigest()
        self.commits[commit] = dict(files)
        self.refs[ref] = commit
        return commit

    def resolve(self, revision: str) -> str | None:
        """The commit of a revision, where there is one."""
        return self.refs.get(revision, revision if revision in self.commits else None)


@dataclass(frozen=True)
class Asked:
    """A request that arrived."""

    method: str
    path: str
    """With its query, as it was sent."""
    headers: Mapping[str, str]
    body: bytes = b""
    cdn: bool = False
    """Whether the address of large files was asked, not the hub itself."""

    @property
    def token(self) -> str:
        """The access token that came with it, or nothing."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Answer:
    """A response, of which `cut` bytes are sent before the connection breaks, `hold` seconds later."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    hold: float = 0.0


@dataclass
class Fault:
    """What goes wrong with requests whose path contains `path`."""

    path: str
    status: int = 0
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    """The connection breaks after this byte of the file, as often as it is asked for."""
    content: bytes | None = None
    """Sent in place of the file, under its right name."""
    wait: float = 0.0
    """Seconds before the answer."""
    hold: float = 0.0
    """Seconds between the last byte before the cut and the breaking of the connection."""
    whole: bool = False
    """The whole file is sent to one who asks for the rest."""
    method: str = ""
    times: int = 1_000
    """How many requests it meets."""


class Server(ThreadingHTTPServer):
    """A server that takes no notice of clients who hang up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print only what is a fault of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class LoopbackHub:
    """The hub: `endpoint` is its address; `add` fills it, `faults` breaks it, `asked` is what it was asked."""

    routes: "tuple[tuple[str, str, Handler], ...]"
    cdn_routes: "tuple[tuple[str, str, Handler], ...]"

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.tokens: set[str] = set()
        """Tokens that may read gated and private repositories."""
        self.strangers: set[str] = set()
        """Tokens of accounts that exist and may not."""
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.sent: list[tuple[str, int]] = []
        """Path and length of each piece of a body that was sent."""
        self._closing = threading.Event()
        self._servers = [Server(("127.0.0.1", 0), self._handler(cdn)) for cdn in (False, True)]
        self.endpoint, self.cdn = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)
        for server in self._servers:
            # The interval is how long closing may take.
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(self, kind: str, repo_id: str, files: Mapping[str, bytes], ref: str = "main", **flags: bool) -> str:
        """Commit `files` to a repository, which is made where it is new; return the commit."""
        repository = self.repositories.setdefault((kind, repo_id), Repository(kind, repo_id, **flags))
        return repository.commit(files, ref)

    def paths(self, part: str = "", method: str = "") -> list[str]:
        """Paths asked for that contain `part`."""
        return [one.path for one in self.asked if part in one.path and method in one.method]

    def bytes_sent(self, part: str = "") -> int:
        """How many bytes were sent in answer to requests for paths that contain `part`."""
        return sum(count for path, count in self.sent if part in path)

    # Answering.

    def send(self, out: BinaryIO, asked: Asked, answer: Answer) -> None:
        """Send a body piece by piece, so that only what a client takes before it hangs up is counted."""
        body = memoryview(answer.body)[: answer.cut]
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            # Counted first: who has a file may look at once.
            self.sent.append((asked.path, len(piece)))
            out.write(piece)
        self._closing.wait(answer.hold)

    def answer(self, asked: Asked) -> Answer:
        """The answer to a request, after what is to go wrong with it."""
        fault = next((one for one in self.faults if one.path in asked.path and one.method in asked.method), None)
        if fault is not None and fault.times > 0:
            fault.times -= 1
            time.sleep(fault.wait)
            if fault.status:
                return refuse(fault.status, fault.code, headers=fault.headers)
        else:
            fault = None
        path = urlsplit(asked.path).path
        for method, pattern, handler in self.cdn_routes if asked.cdn else self.routes:
            match = re.fullmatch(pattern, path)
            if match and asked.method in method:
                found = {name: unquote(value) if value else "" for name, value in match.groupdict().items()}
                return handler(self, asked, fault, **found)
        return refuse(404, message=f"no route for {asked.method} {path}")

    def front(self, asked: Asked, fault: Fault | None) -> Answer:
        """The hub's front page, which is asked to see whether it is there."""
        return Answer(body=b"a hub on loopback")

    def whoami(self, asked: Asked, fault: Fault | None) -> Answer:
        """Whose token it is."""
        if asked.token not in self.tokens | self.strangers:
            return refuse(401, message="Invalid credentials in Authorization header")
        return as_json({"type": "user", "name": "tester", "orgs": [], "auth": {"type": "access_token"}})

    def info(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str, revision: str = "") -> Answer:
        """A repository at a revision, with its files."""
        found = self._find(asked, kind, repo_id, revision or "main")
        if isinstance(found, Answer):
            return found
        repository, commit = found
        files = repository.commits[commit]
        told = {
            "_id": git_hash(repo_id.encode())[:24],
            "id": repo_id,
            "sha": commit,
            "private": repository.private,
            "gated": "auto" if repository.gated else False,
            "disabled": False,
            "tags": [],
            "siblings": [{"rfilename": name, **_described(content, name, "sha256")} for name, content in files.items()],
        }
        return as_json(told)

    def tree(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str, revision: str, path: str) -> Answer:
        """What lies in a folder of a repository."""
        found = self._find(asked, kind, repo_id, revision)
        if isinstance(found, Answer):
            return found
        start = f"{path}/" if path else ""
        files = {name: one for name, one in found[0].commits[found[1]].items() if name.startswith(start)}
        if path and not files:
            return refuse(404, "EntryNotFound")
        deep = parse_qs(urlsplit(asked.path).query).get("recursive", [""])[0].lower() == "true"
        shown = {name: one for name, one in files.items() if deep or "/" not in name.removeprefix(start)}
        return as_json([*_folders(set(files) - set(shown), start), *_files(shown)])

    def paths_info(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str, revision: str) -> Answer:
        """What there is at the paths that the body names."""
        found = self._find(asked, kind, repo_id, revision)
        if isinstance(found, Answer):
            return found
        files = found[0].commits[found[1]]
        wanted = parse_qs(asked.body.decode()).get("paths", [])
        folders = [one for one in wanted if any(name.startswith(f"{one}/") for name in files)]
        named = {name: one for name, one in files.items() if name in wanted}
        return as_json([*(_folder(one) for one in folders), *_files(named)])

    def resolve(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str, revision: str, name: str) -> Answer:
        """A file, or for a large one where it lies."""
        found = self._find(asked, kind.rstrip("s/") or "model", repo_id, revision, reads=True)
        if isinstance(found, Answer):
            return found
        repository, commit = found
        headers = {"X-Repo-Commit": commit}
        content = repository.commits[commit].get(name)
        if content is None:
            return refuse(404, "EntryNotFound", headers=headers)
        digest = etag(name, content)
        if is_large(name):
            linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            return Answer(302, headers | linked | {"Location": f"{self.cdn}/cdn/{digest}/{name}"})
        return _bytes(asked, content, fault, headers | {"ETag": f'"{digest}"'})

    def large(self, asked: Asked, fault: Fault | None, digest: str, name: str) -> Answer:
        """A large file from its own address, by its hash."""
        for repository in self.repositories.values():
            for files in repository.commits.values():
                if name in files and etag(name, files[name]) == digest:
                    return _bytes(asked, files[name], fault, {"ETag": f'"{digest}"'})
        return refuse(404)

    def _find(
        self, asked: Asked, kind: str, repo_id: str, revision: str, reads: bool = False
    ) -> tuple[Repository, str] | Answer:
        """The repository and commit that are meant, or the refusal that the hub gives."""
        if asked.token and asked.token not in self.tokens | self.strangers:
            return refuse(401, message="Invalid credentials in Authorization header")
        repository = self.repositories.get((kind, repo_id))
        if repository is None or (repository.private and asked.token not in self.tokens):
            # The hub doesn't tell strangers what there is.
            return refuse(404 if asked.token else 401, "RepoNotFound")
        if repository.gated and reads and asked.token not in self.tokens:
            return refuse(
                403 if asked.token else 401, "GatedRepo", message=f"Access to {kind} {repo_id} is restricted."
            )
        commit = repository.resolve(revision)
        return refuse(404, "RevisionNotFound") if commit is None else (repository, commit)

    def _handler(self, cdn: bool) -> type[BaseHTTPRequestHandler]:
        """What the standard library's server calls for each request."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, body, cdn)
                hub.asked.append(asked)
                answer = hub.answer(asked)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    hub.send(self.wfile, asked, answer)
                if answer.cut is not None:
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def refuse(status: int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """A refusal in the hub's words."""
    named = {"X-Error-Code": code, "X-Error-Message": message}
    body = json.dumps({"error": message or code or f"HTTP {status}"}).encode()
    return Answer(status, {**(headers or {}), **{name: one for name, one in named.items() if one}}, body)


def as_json(value: Any) -> Answer:
    """An answer in JSON."""
    return Answer(headers={"Content-Type": "application/json"}, body=json.dumps(value).encode())


def _bytes(asked: Asked, content: bytes, fault: Fault | None, headers: Mapping[str, str]) -> Answer:
    """A file, or the rest of it from the byte that the request names, unless it is another file by now (`If-Range`)."""
    fault = fault or Fault("")
    content = content if fault.content is None else fault.content
    headers = {**headers, "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
    if wanted is None or fault.whole or asked.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Answer(200, headers, content, fault.cut, fault.hold)
    start, end = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    if start > end:
        return Answer(416, {**headers, "Content-Range": f"bytes */{len(content)}"})
    part = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
    cut = None if fault.cut is None else max(0, fault.cut - start)
    return Answer(206, {**headers, **part}, content[start : end + 1], cut, fault.hold)


def _described(content: bytes, name: str, hash_name: str) -> dict[str, Any]:
    large = {"lfs": {hash_name: etag(name, content), "size": len(content), "pointerSize": 130}}
    return {"size": len(content), "blobId": git_hash(content)} | (large if is_large(name) else {})


def _files(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Files as a tree lists them."""
    listed = []
    for name, content in files.items():
        one = _described(content, name, "oid")
        listed.append({"type": "file", "path": name, "oid": one.pop("blobId")} | one)
    return listed


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": git_hash(path.encode()), "size": 0}


def _folders(names: set[str], start: str) -> list[dict[str, Any]]:
    """The folders next below `start` that files of these names lie in."""
    return [_folder(start + one) for one in sorted({name.removeprefix(start).partition("/")[0] for name in names})]


Handler = Callable[..., Answer]
REPO = r"(?P<repo_id>[^/]+/[^/]+)"
API = rf"/api/(?P<kind>model|dataset|space)s/{REPO}"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET HEAD", r"/", LoopbackHub.front),
    ("GET", r"/api/whoami-v2", LoopbackHub.whoami),
    ("GET", rf"{API}(?:/revision/(?P<revision>[^/]+))?", LoopbackHub.info),
    ("GET", rf"{API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", LoopbackHub.tree),
    ("POST", rf"{API}/paths-info/(?P<revision>[^/]+)", LoopbackHub.paths_info),
    (
        "GET HEAD",
        rf"/(?P<kind>datasets/|spaces/)?{REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)",
        LoopbackHub.resolve,
    ),
)
"""Methods, the pattern of the path, and what answers; the first that fits."""
CDN_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET HEAD", r"/cdn/(?P<digest>[0-9a-f]{64})/(?P<name>.+)", LoopbackHub.large),
)
LoopbackHub.routes, LoopbackHub.cdn_routes = ROUTES, CDN_ROUTES
