"""Headings of a long tab, and links that jump to them."""

from collections.abc import Sequence
from html import escape

from gradio_app.languages import Language


def render_heading(say: Language, name: str, title: str) -> str:
    """A heading that a link can jump to."""
    return f'<h2 class="oz-heading" id="part-{escape(name)}" tabindex="-1">{escape(say(title))}</h2>'


def render_jumps(say: Language, sections: Sequence[tuple[str, str]]) -> str:
    """A line of links to the headings: (name, title)."""
    links = "".join(f'<a href="#part-{escape(name)}">{escape(say(title))}</a>' for name, title in sections)
    return f'<nav class="oz-jumps" aria-label="{escape(say("On this tab"))}">{links}</nav>'
