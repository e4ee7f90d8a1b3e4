"""optuna-dashboard under the page's own address, so that one link shows both."""

import threading
from typing import Any

from a2wsgi import WSGIMiddleware
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from engine.errors import OdzeraError
from engine.search.dashboard import PREFIX, make_dashboard, make_read_only, mount_below


def mount_dashboard(storage: str) -> list[BaseRoute]:
    """The routes that go before the page's own: nothing but GET is answered below them."""
    return [Route(PREFIX, _enter), Mount(PREFIX, app=Dashboard(storage))]


async def _enter(request: Request) -> Response:
    # Relative: the name that a proxy is reached under, and the path that it takes off, aren't known here.
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f".{PREFIX}/{query}", status_code=307)


class Dashboard:
    """The dashboard of a storage, opened when it is first looked at: the page shouldn't wait for it."""

    def __init__(self, storage: str) -> None:
        """Keep where the studies are."""
        self.storage = storage
        self._app: Any = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open it, unless it is open; one whose studies can't be opened says so, and is tried again."""
        with self._lock:
            if self._app is None:
                below = make_read_only(mount_below(make_dashboard(self.storage)))
                self._app = WSGIMiddleware(below, workers=4)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._app is None:
            try:
                await run_in_threadpool(self.open)
            except OdzeraError as error:
                await PlainTextResponse(f"{error}\n", status_code=503)(scope, receive, send)
                return
        await self._app(scope, receive, send)
