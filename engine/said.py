"""Sentences that can be said again in another language."""

from typing import Any


class Said(str):
    """An English sentence that remembers the template and the values it was made from.

    `Said("{model} was timed on {threads} threads.", model="scratch", threads=2)` is that sentence as plain text for
    the command line and for logs; a page that speaks another language says `template` with `values` instead.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> "Said":
        """Fill in the values."""
        made = super().__new__(cls, template.format(**values))
        made.template, made.values = template, values
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Travel to other processes as template and values: a sentence may hold braces of its own."""
        return (self.template,), self.values
