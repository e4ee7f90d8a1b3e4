"""The page as it is served: in its own language from the first byte on, and with its own words where it is shared."""

import asyncio
import gzip
import re
from collections import OrderedDict
from dataclasses import dataclass
from html import escape

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradio_app.languages import NAMES, Language, choose_language, get_language
from gradio_app.server.below import path_of
from gradio_app.server.whole import send_whole, when_whole

LANGUAGE = re.compile(rb'<html\s+lang="en"')
TOLD = re.compile(rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')
"""What Gradio tells of itself to whoever previews a link."""
# Gradio asks the browser for its language before anything of the page's own runs, so this goes first.
SCRIPT = (
    "<script>for (const [name, value] of [['language', '{code}'], ['languages', ['{code}']]])"
    " Object.defineProperty(navigator, name, {{ get: () => value, configurable: true }});</script>"
)


HEAD_BYTES = 20_000
"""Of a page, in which all stands that is told of it; looking through the rest would take as long as making it."""
MOST_KEPT = 32
"""Finished pages, one for each language and name under which the server is reached."""
ORIGIN = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")
"""Headers that Gradio takes the page's own address from."""
MEANT_FOR_GRADIO = {"page", "deep_link"}
"""Parts of an address for which Gradio makes another page."""


@dataclass(frozen=True)
class _Page:
    """A finished page."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    compressed: bytes

    async def send(self, accepted: str, send: Send) -> None:
        """Hand it out, compressed to those who accept that."""
        headers = MutableHeaders(raw=list(self.headers))
        body = self.body
        if "gzip" in accepted:
            body = self.compressed
            headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(body))
        await send({"type": "http.response.start", "status": 200, "headers": headers.raw})
        await send({"type": "http.response.body", "body": body})


class OwnLanguage:
    """Serves each page in its language, and sends a visitor of the bare address to that of the browser.

    `?lang=en` stays in English. Gradio makes the half megabyte of a page anew for each visitor, though it is the same
    for all whom no password is asked of; they get it as it was made for the first.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app
        self._kept: OrderedDict[tuple[str, ...], _Page] = OrderedDict()
        # Many who come at once wait for one page instead of making one each.
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        code = _code(path_of(scope)) if scope["type"] == "http" and scope["method"] == "GET" else None
        if code is None:
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        wanted = choose_language(request.headers.get("accept-language", ""))
        if code == "en" and "lang" not in request.query_params and wanted != "en":
            query = f"?{request.url.query}" if request.url.query else ""
            # Relative, so that it holds behind a proxy too.
            answer = RedirectResponse(f"./{wanted}{query}", status_code=307, headers={"Vary": "Accept-Language"})
            await answer(scope, receive, send)
            return
        say = get_language(code)
        if scope["app"].auth is not None or MEANT_FOR_GRADIO & set(request.query_params):
            await send_whole(send, *await self._make(scope, receive, say))
            return
        key = _address(scope, request)
        # Nothing is sent while others wait: whoever reads slowly would hold them all up.
        async with self._making:
            if key in self._kept:
                self._kept.move_to_end(key)
            else:
                start, body = await self._make(scope, receive, say)
                if start["status"] == 200:
                    self._kept[key] = _Page(start["headers"], body, gzip.compress(body, 6))
                    if len(self._kept) > MOST_KEPT:
                        self._kept.popitem(last=False)
            page = self._kept.get(key)
        if page is None:
            await send_whole(send, start, body)
        else:
            await page.send(request.headers.get("accept-encoding", ""), send)

    async def _make(self, scope: Scope, receive: Receive, say: Language) -> tuple[Message, bytes]:
        """The page that Gradio makes, finished: how its answer starts, and its body."""
        whole: list[tuple[Message, bytes]] = []

        async def take(start: Message, body: bytes) -> None:
            whole.append((start, finish(body, say)))

        await self.app(scope, receive, when_whole(take))
        return whole[0]


def _address(scope: Scope, request: HTTPConnection) -> tuple[str, ...]:
    """All that a page depends on."""
    origin = (request.headers.get(name, "") for name in ORIGIN)
    return (str(scope.get("root_path", "")), str(scope["path"]), str(request.url.scheme), *origin)


def _code(path: str) -> str | None:
    """The language of the page at an address; None where there is no page."""
    name = path.strip("/")
    return "en" if not name else (name if name in NAMES and name != "en" else None)


def finish(html: bytes, say: Language) -> bytes:
    """A page with its language, and what is told of it to those who preview its link."""
    title = "Odzera"
    words = say("Train a small model from scratch, or adapt something pretrained? Ask them all, and see.")
    told = "".join(
        f'<meta property="og:{name}" content="{escape(value)}" />'
        for name, value in (("title", title), ("description", words), ("type", "website"), ("locale", say.code))
    )
    head = f'<meta name="description" content="{escape(words)}" />{told}{SCRIPT.format(code=say.code)}'
    begin, mark, rest = (TOLD.sub(b"", html[:HEAD_BYTES]) + html[HEAD_BYTES:]).partition(b"<head>")
    begin = LANGUAGE.sub(f'<html lang="{say.code}"'.encode(), begin)
    return begin + mark + (head.encode() if mark else b"") + rest
