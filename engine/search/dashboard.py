"""optuna-dashboard is served by itself, or read-only below an address of the page."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from engine.errors import SearchError
from engine.search.storage import open_shared

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
PREFIX = "/dashboard"
BUNDLE = "/static/bundle.js"
# The dashboard's script asks for these at the root of the address; under the page they live below PREFIX.
MOVED: Mapping[bytes, bytes] = {
    b"${this.baseURL}/api/": b"${this.baseURL}" + PREFIX.encode() + b"/api/",
    b"`/csv/${": b"`" + PREFIX.encode() + b"/csv/${",
}
# Where its script takes its own pages to be.
ROUTES = b'url_prefix:"' + PREFIX.encode() + b'"'

# Buttons that would change something, by their icons: below PREFIX they couldn't.
CHANGES = ("AddBoxIcon", "DriveFileRenameOutlineIcon", "DeleteIcon", "EditIcon", "StopCircleIcon", "UploadFileIcon")
HIDDEN = "".join(f'button:has(svg[data-testid="{icon}"]){{display:none!important}}' for icon in CHANGES)


def make_dashboard(storage: str) -> Wsgi:
    """The dashboard of a storage as it comes: it can rename and delete studies, and asks nobody who they are.

    Raises:
        StoreError: The storage can't be opened.
    """
    import optuna_dashboard

    from engine.search.dashboard_detail import Details

    # It tells of a study that can't be read with a traceback, and answers the browser besides.
    logging.getLogger("optuna_dashboard").setLevel(logging.CRITICAL)
    opened = open_shared(storage)
    return Details(optuna_dashboard.wsgi(opened), opened)


def make_read_only(app: Wsgi) -> Wsgi:
    """Let nothing but GET through: every change is a POST, PUT, PATCH or DELETE."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            return _answer(start_response, "405 Method Not Allowed", b"This dashboard is read-only.\n", Allow="GET")
        return app(environ, start_response)

    return guarded


def mount_below(app: Wsgi) -> Wsgi:
    """Serve a dashboard below `PREFIX`: its pages, data and script, and nothing else, are found there.

    The dashboard itself expects the root of an address. Its pages already live below `/dashboard`; the addresses of its
    script and its data are rewritten to live there too. The page itself may lie below a path, `SCRIPT_NAME`.
    """

    def moved(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # What a server hands to an app that it mounts comes in two parts.
        root, path = environ.get("SCRIPT_NAME", "").removesuffix(PREFIX), environ.get("PATH_INFO", "")
        below = "/" + path.removeprefix(PREFIX).lstrip("/")
        if below == BUNDLE:
            body = _moved_bundle(root)
            kind = {"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=3600"}
            return _answer(start_response, "200 OK", body, **kind)
        inner = below if re.match(r"/(api|csv|favicon\.ico|static)(/|$)", below) else PREFIX + below.rstrip("/")
        changed = {**environ, "SCRIPT_NAME": "", "PATH_INFO": inner}
        if inner.startswith(PREFIX):
            return _rewritten(app, changed, start_response, root)
        return app(changed, start_response)

    return moved


class Address(str):
    """Where the dashboard is; waits until Ctrl-C."""

    server: WSGIServer

    def wait(self) -> None:
        """Serve until interrupted."""
        with suppress(KeyboardInterrupt):
            self.server.serve_forever()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nobody asked for a log of visitors."""


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@contextmanager
def serve(app: Wsgi, host: str, port: int) -> Iterator[Address]:
    """Listen; the address waits for requests.

    Raises:
        SearchError: The port can't be listened on.
    """
    try:
        if not 0 < port < 65536:
            raise SearchError(f"{port} is no port; ports are 1 to 65535.")
        server = make_server(host, port, app, server_class=_Threaded, handler_class=_Quiet)
    except OSError as error:
        raise SearchError(
            f"Port {port} on {host} can't be used ({error.strerror}). Try another: odzera dashboard --port {port + 1}"
        ) from None
    address = Address(f"http://{host}:{port}")
    address.server = server
    try:
        yield address
    finally:
        server.server_close()


@lru_cache(maxsize=4)
def _moved_bundle(root: str) -> bytes:
    import optuna_dashboard

    script = (Path(optuna_dashboard.__file__).parent / "public" / "bundle.js").read_bytes()
    for there, here in MOVED.items():
        script = script.replace(there, here.replace(PREFIX.encode(), f"{root}{PREFIX}".encode()))
    return script.replace(ROUTES, ROUTES.replace(PREFIX.encode(), f"{root}{PREFIX}".encode()))


def _rewritten(
    app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any], root: str = ""
) -> Iterable[bytes]:
    """A page, with its script's address moved below `PREFIX`, and without the buttons that change something."""
    started: list[Any] = []

    def keep(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        started.extend((status, headers))

    # Neither a part of a page nor "not modified" can be rewritten.
    for name in ("HTTP_RANGE", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH"):
        environ.pop(name, None)
    environ["HTTP_ACCEPT_ENCODING"] = "identity"
    body = b"".join(app(environ, keep))
    body = body.replace(b'src="/static/', f'src="{root}{PREFIX}/static/'.encode())
    body = body.replace(b"</head>", f"<style>{HIDDEN}</style></head>".encode())
    status, headers = started[:2]
    dropped = {"content-length", "last-modified", "etag", "accept-ranges"}
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    start_response(status, [*kept, ("Content-Length", str(len(body)))])
    return [body]


def _answer(start_response: Callable[..., Any], status: str, body: bytes, **headers: str) -> list[bytes]:
    fixed = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    start_response(status, list((fixed | headers).items()))
    return [body]
