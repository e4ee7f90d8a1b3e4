"""Errors without what visitors typed: a line in the log that says where, and a word on the page."""

import traceback
from pathlib import Path
from typing import Any

import gradio as gr

from engine import terminal
from gradio_app.languages import NAMES, get_language, message

UNREADABLE = message("That isn't what this page sends.")
FAILED = message("Something went wrong here; the log says where.")
OURS = tuple(Path(__file__).resolve().parents[2] / folder for folder in ("gradio_app", "engine"))


def describe(error: BaseException) -> str:
    """An error's kind and where it was raised, in our own code if it passed through there; never its message.

    Messages quote values, and a visitor's values are nobody's business.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = next((one for one in reversed(frames) if _is_ours(one)), frames[-1] if frames else None)
    return type(error).__name__ + (f" in {Path(place.filename).name}, line {place.lineno}" if place else "")


def _is_ours(frame: traceback.FrameSummary) -> bool:
    path = Path(frame.filename)
    return path != Path(__file__) and any(path.is_relative_to(folder) for folder in OURS)


def _page_of(blocks: gr.Blocks, block_fn: Any, *_: Any, **__: Any) -> str:
    """The language of the page that a handler belongs to; those of no page are told in English."""
    found = blocks.fns.get(block_fn) if isinstance(block_fn, int) else block_fn
    page = getattr(found, "page", "")
    return page if page in NAMES else "en"


class QuietBlocks(gr.Blocks):
    """A page whose handlers' errors are told quietly.

    Anybody can call a handler with anything. Gradio prints a traceback with the value that a component couldn't read,
    and sends the value back to be shown as HTML.
    """

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """Run a handler.

        Raises:
            gr.Error: In words for the page: the handler's own, or that something is wrong, but not with what.
        """
        try:
            result: dict[str, Any] = await super().process_api(*given, **named)
            return result
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            if isinstance(error, gr.Error) and _is_ours(frames[-1]):
                error.print_exception = False
                raise
            say = get_language(_page_of(self, *given, **named))
            if any(frame.name == "preprocess_data" for frame in frames):
                raise gr.Error(say(UNREADABLE), print_exception=False) from None
            terminal.note(f"A handler failed: {describe(error)}.")
            # What only Gradio has seen, only Gradio could not read.
            ours = any(map(_is_ours, frames))
            raise gr.Error(say(FAILED if ours else UNREADABLE), print_exception=False) from None
