"""Where the page lies below another address, as behind a proxy that serves it at `/od`."""

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import OdzeraError

# The path stands in addresses, in scripts and in HTML: nothing in it may mean anything there.
ROOT_PATH = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]+)?(/[A-Za-z0-9._~-]+)*/?")


def read_root_path(given: str) -> str:
    """Read `--root-path`: a path, or the page's whole address; without a slash at its end.

    Raises:
        OdzeraError: It is neither.
    """
    root = given if not given or given.startswith(("/", "http://", "https://")) else f"/{given}"
    if not ROOT_PATH.fullmatch(root) or {".", ".."} & set(root.split("/")):
        raise OdzeraError(f"--root-path takes a path as /odzera, or an address with one, not {given!r}.")
    return root.rstrip("/")


def prefix_of(root: str) -> str:
    """The path in a root path, which may be a whole address; empty where the page lies at the top."""
    return (urlsplit(root).path if "://" in root else root).rstrip("/")


def path_of(scope: Scope) -> str:
    """The path below the page's own address."""
    path, prefix = str(scope["path"]), prefix_of(str(scope.get("root_path", "")))
    return path[len(prefix) :] if path == prefix or path.startswith(f"{prefix}/") else path


class Below:
    """Hands each request on with the whole path: some proxies take the page's own path off, and others leave it.

    What is mounted finds its place by the whole path alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        prefix = prefix_of(str(scope.get("root_path", "")))
        if not prefix or scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] == prefix:
            # Links on the page are relative to its folder; this one too, as the proxy's name isn't known.
            query = scope["query_string"].decode("ascii", "replace")
            address = f"./{prefix.rpartition('/')[2]}/" + (f"?{query}" if query else "")
            await RedirectResponse(address, status_code=307)(scope, receive, send)
            return
        below = path_of(scope)
        placed: dict[str, Any] = {**scope, "root_path": prefix, "path": prefix + below}
        raw = scope.get("raw_path")
        if raw is not None and below == scope["path"]:
            placed["raw_path"] = prefix.encode() + raw
        await self.app(placed, receive, send)
