"""The page as it is served: in its own language from the first byte on, and with its own words where it is shared."""

import re
from html import escape

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gradio_app.gate import path_of
from gradio_app.languages import NAMES, Language, choose_language, get_language

LANGUAGE = re.compile(rb'<html\s+lang="en"')
TOLD = re.compile(rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')
"""What Gradio tells of itself to whoever previews a link."""
# Gradio asks the browser for its language before anything of the page's own runs, so this goes first.
SCRIPT = (
    "<script>for (const [name, value] of [['language', '{code}'], ['languages', ['{code}']]])"
    " Object.defineProperty(navigator, name, {{ get: () => value, configurable: true }});</script>"
)


class OwnLanguage:
    """Serves each page in its language, and sends a visitor of the bare address to that of the browser.

    `?lang=en` stays in English.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

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
        await self.app(scope, receive, _finishing(send, get_language(code)))


def _code(path: str) -> str | None:
    """The language of the page at an address; None where there is no page."""
    name = path.strip("/")
    return "en" if not name else (name if name in NAMES and name != "en" else None)


def _finishing(send: Send, say: Language) -> Send:
    """Hand a page on when it is finished."""
    start: list[Message] = []
    parts: list[bytes] = []

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = finish(b"".join(parts), say)
        headers = MutableHeaders(scope=start[0])
        if "content-length" in headers:
            headers["content-length"] = str(len(body))
        await send(start[0])
        await send({"type": "http.response.body", "body": body})

    return sent


def finish(html: bytes, say: Language) -> bytes:
    """A page with its language, and what is told of it to those who preview its link."""
    title = "Odzera"
    words = say("Train a small model from scratch, or adapt something pretrained? Ask them all, and see.")
    told = "".join(
        f'<meta property="og:{name}" content="{escape(value)}" />'
        for name, value in (("title", title), ("description", words), ("type", "website"), ("locale", say.code))
    )
    head = f'<meta name="description" content="{escape(words)}" />{told}{SCRIPT.format(code=say.code)}'
    begin, mark, rest = TOLD.sub(b"", html).partition(b"<head>")
    begin = LANGUAGE.sub(f'<html lang="{say.code}"'.encode(), begin)
    return begin + mark + (head.encode() if mark else b"") + rest
