"""JSON as people have it: an object a line, or one list of objects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data.tables.table import shorten
from engine.errors import DataError
from engine.messages import Message

EXAMPLE = '{"text": "…"}'


@dataclass(frozen=True)
class Objects:
    """The objects of a JSON file."""

    columns: list[str]
    numbers: list[int]
    rows: list[Mapping[str, Any]]
    lines: list[str]
    """Each as it was written, where each has a line of its own."""

    def column(self, place: int) -> list[Any]:
        """The values under one name; the empty string where an object lacks it."""
        name = self.columns[place]
        return ["" if row.get(name) is None else row[name] for row in self.rows]


class _TwiceError(ValueError):
    """An object with the same key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in names if names.count(key) > 1))
    return made


def read_lines(text: str, name: str) -> Objects:
    """Read JSON Lines.

    Raises:
        DataError: A line is no object; the message names it.
    """
    rows: list[Mapping[str, Any]] = []
    lines: list[str] = []
    numbers: list[int] = []
    # Not `splitlines`: JSON may hold other characters that end lines.
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line:
            continue
        value = _parse(line, number, name)
        if not isinstance(value, dict):
            said = Message(
                "Line {line} of {name} is not a JSON object such as {example}.", line=number, name=name, example=EXAMPLE
            )
            raise DataError(said)
        rows.append(value)
        lines.append(line)
        numbers.append(number)
    return Objects(_columns(rows, name), numbers, rows, lines)


def _parse(line: str, number: int, name: str) -> Any:
    try:
        return json.loads(line, object_pairs_hook=_object)
    except _TwiceError as error:
        said = Message(
            "Line {line} of {name} has “{column}” twice.", line=number, name=name, column=shorten(str(error), 60)
        )
        raise DataError(said) from None
    except (ValueError, RecursionError) as error:
        at = getattr(error, "colno", 1)
        raise DataError(
            Message("Line {line} of {name} is not JSON: see character {at}.", line=number, name=name, at=at)
        ) from None


def read_list(text: str, name: str) -> Objects:
    """Read one list of objects.

    Raises:
        DataError: It isn't JSON, or holds something else.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except _TwiceError as error:
        said = Message("{name} has an object with “{column}” twice.", name=name, column=shorten(str(error), 60))
        raise DataError(said) from None
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(Message("{name} is not JSON: see line {line}.", name=name, line=line)) from None
    # Some tools wrap their rows: {"data": […]}.
    if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), list):
        value = next(iter(value.values()))
    if not isinstance(value, list):
        said = Message("{name} is JSON, but neither a list of objects nor an object a line.", name=name)
        raise DataError(said)
    odd = next((place for place, row in enumerate(value, start=1) if not isinstance(row, dict)), None)
    if odd is not None:
        said = Message(
            "Item {item} of {name} is not a JSON object such as {example}.", item=odd, name=name, example=EXAMPLE
        )
        raise DataError(said)
    return Objects(_columns(value, name), list(range(1, len(value) + 1)), value, [])


def _columns(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    if not rows:
        raise DataError(Message("{name} has no rows.", name=name))
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    if any("\ud800" <= char <= "\udfff" for column in columns for char in column):
        raise DataError(Message("{name} names a column in characters that aren't valid Unicode.", name=name))
    return list(columns)
