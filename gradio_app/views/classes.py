"""A class of a task on the page: its name, its sign beside every colour, and its colour's name in the style sheet."""

from collections.abc import Mapping
from html import escape

from gradio_app.languages import Language, message

SIGNS: Mapping[str, str] = {
    "negative": "▼",
    "neutral or ambiguous": "●",
    "positive": "▲",
    "entailment": "✓",
    "neutral": "●",
    "contradiction": "✕",
}
"""For readers who can't tell the colours apart."""
NAMES = (
    message("negative"),
    message("neutral or ambiguous"),
    message("neutral"),
    message("positive"),
    message("entailment"),
    message("contradiction"),
)
"""The classes of both tasks; `neutral` stands for `neutral or ambiguous` where room is short."""


def sign(label: str) -> str:
    """The class's sign; a square where the class isn't one of ours."""
    return SIGNS.get(label, "■")


def shorten(label: str) -> str:
    """The first word of a class that has two names."""
    return label.split(" or ")[0]


def slug(label: str) -> str:
    """The class's name in the style sheet."""
    return "".join(char if char.isalnum() else "-" for char in shorten(label).lower())


def render_class(say: Language, label: str, short: bool = False) -> str:
    """The sign, which isn't read aloud, and the name; by its first word where room is short."""
    name = shorten(label) if short else label
    return f'<span aria-hidden="true">{sign(label)}</span> {escape(say(name))}'


def render_chip(say: Language, label: str, short: bool = True) -> str:
    """The class in a frame of its colour."""
    return f'<span class="oz-chip oz-{slug(label)}">{render_class(say, label, short)}</span>'
