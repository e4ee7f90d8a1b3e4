"""Sentences that can be said again in another language."""

from typing import Any


def message(text: str) -> str:
    """Mark a text that stands in a table of data for translation; it is said where it is shown."""
    return text


class Message(str):
    """An English sentence that remembers the template and the values it was made from.

    `Message("{model} was timed on {threads} threads.", model="scratch", threads=2)` is that sentence as plain text for
    the command line and for logs; a page that speaks another language says `template` with `values` instead. Whole
    numbers are written with marks for thousands.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> "Message":
        """Fill in the values."""
        written = {name: f"{value:,}" if is_whole(value) else value for name, value in values.items()}
        made = super().__new__(cls, template.format(**written))
        made.template, made.values = template, values
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Travel to other processes as template and values: a sentence may hold braces of its own."""
        return (self.template,), self.values


def is_whole(value: object) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
