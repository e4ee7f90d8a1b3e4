"""What every request meets first, and every answer last."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from gradio.routes import App, ORJSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from gradio_app.server.below import path_of
from gradio_app.server.gate import PAGES
from gradio_app.server.options import is_public
from gradio_app.server.origins import Address, Asked, Own, read_address, why_refused

DASHBOARD = "/dashboard"
PARENTS = ("https://huggingface.co", "https://*.huggingface.co", "https://*.hf.space")
POLICY = "Content-Security-Policy"
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Front(App):
    """Gradio's application, which answers its own page and programs, and no other site's page.

    It stands before all middleware: Gradio's tells every site that it may read every answer, wherever the host isn't
    called localhost, and refuses no request.
    """

    def __init__(self, own: Own, **more: Any) -> None:
        """Be what Gradio would have made, under the page's own addresses."""
        super().__init__(default_response_class=ORJSONResponse, **more)
        self.own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        send = _with_headers(send, self.own.is_framed)
        own = replace(self.own, names=(*self.own.names, *self._found()))
        refusal = why_refused(read_request(scope, self.root_path), own)
        if refusal is not None:
            await PlainTextResponse(f"{refusal.line}\n", refusal.status)(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def _found(self) -> list[Address]:
        """The share link, known once it is there, and the address where a whole one is the root path."""
        told = (self.get_blocks().share_url, self.root_path)
        found = (read_address(urlsplit(one or "").netloc) for one in told)
        return [one for one in found if one is not None]


def own_addresses(
    host: str, port: int, names: Sequence[Address] = (), environment: Mapping[str, str] = os.environ
) -> Own:
    """The addresses of a page: where it listens, the names given, and those that a Space has."""
    space = [read_address(one.strip()) for one in environment.get("SPACE_HOST", "").split(",")]
    bound = host.strip("[]")
    return Own(
        f"[{bound}]" if ":" in bound else bound,
        port,
        (*names, *(one for one in space if one is not None)),
        # A share link has a name of its own, and leaves this machine's as they are.
        is_public(host, False, environment),
        bool(names),
        bool(environment.get("SPACE_ID")),
    )


def read_request(scope: Scope, root_path: str = "") -> Asked:
    """What a request says of where it comes from."""
    headers = Headers(scope=scope)
    path = path_of({"path": scope["path"], "root_path": root_path or scope.get("root_path", "")})
    return Asked(
        scope["method"],
        headers.getlist("host"),
        headers.get("x-forwarded-host", "").partition(",")[0].strip(),
        headers.getlist("origin"),
        headers.get("sec-fetch-site", ""),
        headers.get("sec-fetch-mode", ""),
        headers.get("sec-fetch-dest", ""),
        path in PAGES or path == DASHBOARD or path.startswith(f"{DASHBOARD}/"),
    )


def _with_headers(send: Send, is_framed: bool) -> Send:
    parents = " ".join(("frame-ancestors 'self'", *(PARENTS if is_framed else ())))

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in [name for name in headers if name.startswith("access-control-")]:
                del headers[name]
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            # The dashboard brings a policy of its own.
            policy = headers.get(POLICY, "object-src 'none'; base-uri 'self'")
            headers[POLICY] = f"{policy.rstrip('; ')}; {parents}"
        await send(message)

    return sent
