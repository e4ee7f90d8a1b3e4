"""What stands before the page: which paths there are, who may ask for them, and how much may be sent."""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import terminal
from gradio_app.languages import NAMES
from gradio_app.server.below import path_of
from gradio_app.server.errors import FAILED, describe
from gradio_app.server.whole import send_whole, when_whole

API = "/gradio_api"
FILE = f"{API}/file="
CALL = f"{API}/call/"
UPLOAD = f"{API}/upload"
LOGIN = "/login"
BODY_BYTES = 2**20
"""Largest request that isn't an upload; the longest pair of texts is a tenth of it, however it is escaped."""
FORM_BYTES = 2**16
"""What a form adds around an upload."""
BODY_SECONDS = 30.0
"""For a request to arrive in; an upload has more, by its size."""
SLOWEST = 2**13
"""Bytes a second that an upload has to come with, in the long run."""

FOR_ALL = (LOGIN, "/logout", "/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt", *(
    f"{API}/{name}" for name in ("user", "token", "app_id", "login_check", "startup-events", "theme.css")
))  # fmt: skip
"""Beside the pages themselves, which ask for the password where there is one: what the login needs."""
FOR_ALL_BELOW = ("/static/", "/assets/", "/svelte/", "/icons/")
FOR_GUESTS = ("/config", f"{API}/run/predict", *(
    f"{API}/{name}" for name in ("info", "openapi.json", "cancel", "reset", "upload", "upload_progress", "mcp")
))  # fmt: skip
FOR_GUESTS_BELOW = (FILE, "/dashboard/", *(f"{API}/{name}/" for name in ("queue", "call", "heartbeat", "mcp")))
API_INFO = re.compile(rb"window\.gradio_api_info = .*?;</script>", re.DOTALL)


class Gate:
    """Lets through what the page itself needs, and answers all else in a word.

    Gradio has more addresses than this page has uses for: a proxy, a download of any address, run histories, screen
    recordings, links that keep a visitor's texts on the server. An address that isn't in the lists above isn't there;
    new ones of a later Gradio aren't either, until they are written down.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise HTTPException(404)
        begun: list[bool] = []
        send = _noting(send, begun)
        try:
            receive = await self._check(scope, receive)
        except HTTPException as refused:
            await PlainTextResponse(f"{refused.detail}\n", refused.status_code)(scope, receive, send)
            return
        if path_of(scope) in PAGES and not _is_welcome(scope):
            send = _without_api(send)
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            # A traceback would hold what was sent.
            terminal.note(f"A request failed: {describe(error)}.")
            if not begun:
                await PlainTextResponse(f"{FAILED}\n", 500)(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        """The request's body, once it is clear that it may come.

        Raises:
            HTTPException: It may not.
        """
        path, page = path_of(scope), scope["app"]
        for_all = path in FOR_ALL or path in PAGES or path.startswith(FOR_ALL_BELOW)
        # The dashboard's own address goes without a slash too.
        guests = path in FOR_GUESTS or f"{path}/" in FOR_GUESTS_BELOW or path.startswith(FOR_GUESTS_BELOW)
        if not for_all and not guests:
            raise HTTPException(404, "There is nothing here.")
        if page.auth is not None and not for_all:
            _require_login(scope)
        if path.startswith(FILE):
            _require_own_file(path.removeprefix(FILE), Path(page.uploaded_file_dir))
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return receive
        if path == UPLOAD:
            most = page.get_blocks().max_file_size
            return _limited(receive, scope, BODY_BYTES if most is None else int(most) + FORM_BYTES)
        body = await read_body(receive, scope)
        found = _parse(body)
        for name in _paths(found):
            _require_own_file(name, Path(page.uploaded_file_dir))
        _require_handler(path, found, page)
        return again(body, receive)


PAGES = {"", "/", *(f"/{code}{end}" for code in list(NAMES)[1:] for end in ("", "/"))}


def _is_welcome(scope: Scope) -> bool:
    """Whether nobody is asked for a password, or this visitor has given it."""
    page = scope["app"]
    if page.auth is None:
        return True
    cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
    tokens = (cookies.get(f"access-token{kind}-{page.cookie_id}") for kind in ("", "-unsecure"))
    return any(token in page.tokens for token in tokens if token)


def _require_login(scope: Scope) -> None:
    """Gradio asks for the password at its own addresses; some of ours go before them, and so does this."""
    if not _is_welcome(scope):
        raise HTTPException(401, "Log in first.")


def _require_own_file(name: str, uploads: Path) -> None:
    """Nothing is served but what a visitor has uploaded or is given to download; both lie in one folder."""
    try:
        real = Path(name).resolve() if os.path.isabs(name) else None
        if real is not None and real.is_relative_to(uploads.resolve()):
            return
    except (OSError, ValueError):
        pass
    raise HTTPException(403, "That file isn't served.")


def _parse(body: bytes) -> Any:
    """A request's values; None where it has none, as a form."""
    try:
        return json.loads(body) if body else None
    except RecursionError:
        raise HTTPException(400, "The request is nested too deeply.") from None
    except ValueError:
        return None


def _require_handler(path: str, found: Any, page: Any) -> None:
    """Gradio looks handlers up without a look at whether they are there."""
    handlers = page.get_blocks().fns
    if isinstance(found, dict) and found.get("fn_index") is not None:
        number = found["fn_index"]
        if type(number) is not int or number not in handlers:
            raise HTTPException(404, "There is no such handler.")
    elif path in (f"{API}/queue/join", f"{API}/run/predict"):
        raise HTTPException(422, "No handler is named.")
    if path.startswith(CALL):
        name = path.removeprefix(CALL).removeprefix("v2/").strip("/")
        if name not in {one.api_name for one in handlers.values() if one.api_visibility == "public"}:
            raise HTTPException(404, "There is no such endpoint.")


def _paths(value: Any) -> Iterator[str]:
    """All file paths in a request, however deep: Gradio would fetch one that is an address, whatever its size.

    With or without the mark of a file (`meta`): some components read those without it, and Gradio doesn't look at them.
    """
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("path"), str):
                yield one["path"]
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _declared(scope: Scope) -> int:
    """Bytes that the request says it has; 0 where it doesn't."""
    try:
        return int(Headers(scope=scope).get("content-length", "0"))
    except ValueError:
        raise HTTPException(400, "The length is no number.") from None


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"That is too large: at most {most:,} bytes are taken.")


def _too_slow() -> HTTPException:
    return HTTPException(408, "The request took too long.")


async def read_body(receive: Receive, scope: Scope) -> bytes:
    """All that a request sends.

    Raises:
        HTTPException: It is too much, comes too slowly, or ends early.
    """
    if _declared(scope) > BODY_BYTES:
        raise _too_large(BODY_BYTES)
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise HTTPException(400, "The request ended early.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > BODY_BYTES:
                    raise _too_large(BODY_BYTES)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise _too_slow() from None


def again(body: bytes, receive: Receive) -> Receive:
    """Hand a body on that has been read."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def hand() -> Message:
        return waiting.pop() if waiting else await receive()

    return hand


def _limited(receive: Receive, scope: Scope, most: int) -> Receive:
    """Hand an upload on as it comes, and break it off where it is too large or too slow."""
    if _declared(scope) > most:
        raise _too_large(most)
    taken, begun, whole = 0, time.monotonic(), False

    async def hand() -> Message:
        nonlocal taken, whole
        if whole:
            return await receive()
        left = begun + BODY_SECONDS + taken / SLOWEST - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await receive()
        except TimeoutError:
            raise _too_slow() from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body")
        if taken > most:
            raise _too_large(most)
        return message

    return hand


def _noting(send: Send, begun: list[bool]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.append(True)
        await send(message)

    return sent


def _without_api(send: Send) -> Send:
    """Hand on a page that asks for the password without what Gradio says of the endpoints behind it."""

    async def send_on(start: Message, body: bytes) -> None:
        await send_whole(send, start, API_INFO.sub(b"window.gradio_api_info = {};</script>", body))

    return when_whole(send_on)
