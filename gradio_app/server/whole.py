"""Answers of the server that are changed when they are whole."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send


def when_whole(send_on: Callable[[Message, bytes], Awaitable[None]]) -> Send:
    """Collect an answer, and hand its start and its whole body on."""
    start: list[Message] = []
    parts: list[bytes] = []

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
            return
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            await send_on(start[0], b"".join(parts))

    return sent


async def send_whole(send: Send, start: Message, body: bytes) -> None:
    """Send an answer in one piece; the length that it had before is put right."""
    headers = MutableHeaders(scope=start)
    # The answer to HEAD tells the length of a body that it doesn't have.
    if "content-length" in headers and body:
        headers["content-length"] = str(len(body))
    await send(start)
    await send({"type": "http.response.body", "body": body})
