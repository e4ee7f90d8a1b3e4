"""What the server keeps of a visitor: next to nothing."""

import os
from collections import ChainMap
from copy import copy
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache

MOST_LISTENERS = 10_000
CAPACITY = 2000
"""Visitors kept at a time; the one who was here longest ago is forgotten first."""


class LightSession(SessionState):
    """A session without the description of every component.

    Gradio writes one for each visitor, with all values that come and go, for links that bring a page back. This page
    has none of those: it would hold hundreds of kilobytes for every visitor for an hour, and what they typed.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        """Share what all visitors see, and keep apart what is one's own."""
        self.blocks_config = copy(blocks.default_config)
        for name in ("blocks", "fns", "renderables"):
            shared = getattr(blocks.default_config, name)
            if isinstance(shared, dict):
                setattr(self.blocks_config, name, ChainMap({}, shared))
        self.config_values: dict[int, dict[Any, Any]] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3600

    def __setitem__(self, key: int, value: Any) -> None:
        """Keep a component or a state."""
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key: int) -> None:
        """Nothing is described."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing is kept of what comes and goes."""


class LightSessions(StateHolder):
    """Sessions that are light."""

    def __getitem__(self, session_id: str) -> SessionState:
        """The visitor's session, made at the first request."""
        if session_id not in self.session_data:
            self.session_data[session_id] = LightSession(self.blocks)
        return super().__getitem__(session_id)


def keep_no_diary() -> None:
    """Let queues that are made from now on keep no list of who asked what and when.

    Gradio keeps the last 10,000 events for its monitoring page, which is off, and sums all of them up after each one.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")


def keep_little(app: gr.Blocks) -> None:
    """Let a page that has been launched keep light sessions."""
    holder: Any = LightSessions()  # type: ignore[no-untyped-call]
    holder.set_blocks(app)
    app.app.state_holder = holder
    # Gradio forgets a visitor's messages after so many others, but never whose they were.
    app._queue.pending_event_ids_session = LRUCache(MOST_LISTENERS)
