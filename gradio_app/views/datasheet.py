"""The datasheet of the bundled samples, rendered from Markdown."""

from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from gradio_app.languages import Language
from gradio_app.views.parts import render_empty

DEEPER = 2
"""Levels by which its headings are lowered, as it stands below a heading of the page."""


class _Sheet(RendererHTML):
    """Tables in a frame of their own, which scrolls."""

    def table_open(self, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
        """Open the frame and the table."""
        return (
            f'<div class="oz-scroll" tabindex="0" role="region" aria-label="{escape(env["table"])}">'
            '<table class="oz-table">'
        )

    def table_close(self, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
        """Close both."""
        return "</table></div>"


def render_markdown(text: str, table: str) -> str:
    """Markdown as HTML: markup in it is shown as text, headings are lowered, tables scroll in frames.

    Args:
        text: CommonMark with tables.
        table: What a frame is called, for those who can't see it.
    """
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Sheet).enable("table")
    env = {"table": table}
    tokens = parser.parse(text, env)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + DEEPER)}"
    return str(parser.renderer.render(tokens, parser.options, env))


def render_datasheet(say: Language, text: str) -> str:
    """The whole sheet, folded."""
    note = "" if say.code == "en" else f'<p class="oz-note">{say("The datasheet is in English.")}</p>'
    return (
        f'<section><h2>{say("Datasheet")}</h2>{note}<details class="oz-sheet"><summary>'
        f"{say('Who wrote the bundled samples, how, for what, and what not to use them for')}</summary>"
        f'<div lang="en" dir="ltr">{render_markdown(text, say("Table of the datasheet"))}</div></details></section>'
    )


def render_no_datasheet(say: Language) -> str:
    """That there is none for this data."""
    told = say("There is no datasheet for this data; Odzera ships one for its bundled samples alone.")
    return f"<section><h2>{say('Datasheet')}</h2>{render_empty(told)}</section>"
