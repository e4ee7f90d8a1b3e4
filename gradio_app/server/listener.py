"""What listens: patient with visitors who are slow, but not for ever, and told whom to believe about addresses."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gradio import http_server
from uvicorn.config import Config

from gradio_app.server.gate import BODY_SECONDS, SLOWEST

# Which of two classes it is depends on what is installed; both have what is used of them here.
if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as Protocol

HEAD_SECONDS = 15.0
"""From the start of a connection, or of a later request on it, to the end of the request's headers."""
GRACE_SECONDS = 5.0
"""For what refuses a slow request in words, before the connection is closed without any."""
CLOSING_SECONDS = 2
"""For answers under way when the page is stopped."""


class PatientProtocol(Protocol):
    """One connection, which is closed where a request doesn't become whole in time.

    Uvicorn waits for ever for the rest of a request, so that a few hundred connections that send a byte a minute would
    hold all that the machine has.
    """

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        self._begun: float | None = None
        self._taken = 0
        self._timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._taken += len(data)
        if self._begun is None:
            self._begin()
        super().data_received(data)
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._begun, self._taken = self.loop.time(), 0
        self._look_again()

    def _end(self) -> None:
        self._begun = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(max(0.05, self._until() - self.loop.time()), self._look)

    def _until(self) -> float:
        """When the request that is arriving has to be whole."""
        begun = self.loop.time() if self._begun is None else self._begun
        arrives = self.cycle is not None and not self.cycle.response_complete
        body = BODY_SECONDS + GRACE_SECONDS + self._taken / SLOWEST
        return begun + (body if arrives else HEAD_SECONDS)

    def _look(self) -> None:
        self._timer = None
        if self._begun is None:
            return
        if self._until() > self.loop.time():
            self._look_again()
        elif self.transport is not None:
            self.transport.close()


class Listener(http_server.Server):
    """Gradio's server, which it makes with a configuration that nobody is asked about."""

    proxied = False

    def __init__(self, config: Config, *given: Any, **named: Any) -> None:
        """Complete the configuration before it is read."""
        config.http = PatientProtocol
        config.timeout_graceful_shutdown = CLOSING_SECONDS
        # Whoever comes from this machine could else say that he comes from anywhere.
        config.proxy_headers = self.proxied
        super().__init__(config, *given, **named)


@contextmanager
def listening(proxied: bool) -> Iterator[None]:
    """Let Gradio launch this listener.

    Args:
        proxied: Whether there is a proxy, which says for whom it asks (`X-Forwarded-For`): on this machine, or at the
            addresses in `FORWARDED_ALLOW_IPS`.
    """
    module: Any = http_server
    usual = module.Server
    module.Server = type("Listener", (Listener,), {"proxied": proxied})
    try:
        yield
    finally:
        module.Server = usual


def is_proxied(names: object, share: bool, root: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether visitors come through a proxy: a page of other names, below a path, by a link, or on a Space."""
    return bool(names or share or root or environment.get("SPACE_ID") or environment.get("FORWARDED_ALLOW_IPS"))
