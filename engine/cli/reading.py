"""How a file was read and what was dropped from it, as commands say it."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.cli.formats import count
from engine.terminal import note


def reading_lines(file: Mapping[str, Any]) -> list[str]:
    """How a file was read, in one line, and a line for each thing that is odd about it."""
    how = [f"{file['format']}{' in gzip' if file['packed'] else ''}", *filter(None, [file["encoding"]])]
    how += [f"separator {file['separator']}"] if file["separator"] else []
    used = ", ".join(f"{canonical} “{own}”" for canonical, own in file["columns"].items())
    return [f"{file['name']}: {', '.join(how)}; columns: {used}", *(f"{file['name']}: {one}" for one in file["notes"])]


def dropped_lines(dropped: Mapping[str, int], rows: Mapping[str, Sequence[object]]) -> list[str]:
    """`2 duplicate (first in row 798, 939)` for each reason."""
    return [f"{count(number)} {why}{_first_rows(rows.get(why, ()))}" for why, number in dropped.items()]


def note_reading(
    files: Sequence[Mapping[str, Any]],
    dropped: Mapping[str, int],
    rows: Mapping[str, Sequence[object]],
    notes: Sequence[str],
) -> None:
    """All of it on standard error."""
    for file in files:
        for line in reading_lines(file):
            note(line)
    for line in dropped_lines(dropped, rows):
        note(f"dropped: {line}")
    for line in notes:
        note(line)


def _first_rows(rows: Sequence[object]) -> str:
    return f" (first in row {', '.join(map(str, rows[:3]))})" if rows else ""
