"""How much of a text the models read, in a table and below it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.serving.answers import Answer


def reading_cell(answer: "Answer") -> str:
    """`5`, or `254 of 412` where the end was cut off; nothing for a model that ignores the text."""
    read = answer.reading
    if read is None:
        return "-"
    return f"{read.read:,} of {read.given:,}" if read.truncated else f"{read.read:,}"


def reading_notes(answers: Sequence["Answer"]) -> list[str]:
    """Each warning once, with the models that it holds for."""
    models: dict[str, list[str]] = {}
    for answer in answers:
        for line in answer.reading.warnings() if answer.reading else ():
            models.setdefault(line, []).append(answer.model)
    said = [f"{', '.join(names)}: {line}" for line, names in models.items()]
    units = "read: tokens of the text that the model read; words for TF-IDF, which reads all."
    return [units, *said] if said else []
