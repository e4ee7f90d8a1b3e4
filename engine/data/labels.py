"""Labels as people and data sets write them: spellings, bare numbers, and rows that have none."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.data.tasks import TASKS, Task
from engine.errors import DataError
from engine.messages import Message

MISSING = -1
UNLABELLED = frozenset(
    {
        "",
        "-",
        "--",
        "–",
        "—",
        "?",
        "-1",
        "hidden",
        "nan",
        "none",
        "null",
        "na",
        "n/a",
        "<na>",
        "unlabeled",
        "unlabelled",
    }
    | {"brak", "nieznana", "unknown"}
)
"""What stands in the place of a label that isn't given, folded by `fold_label`."""
SIGNS: Mapping[str, Mapping[str, int]] = {"slang": {"+": 2, "-": 0}}
"""Task → what signs mean where a plus is among them; a minus without a plus is a label that isn't given."""
AMBIGUOUS: Mapping[str, frozenset[str]] = {
    "nli": frozenset({"non entailment", "not entailment", "nonentailment", "non entailed", "not entailed"})
}
"""Task → spellings that may be either of two classes."""

_NUMBER = re.compile(r"([+-]?\d+)(?:[.,]0+)?")
_NUMBERED = re.compile(r"(?:label|class|klasa)[ _]?(\d+)")


def fold_label(value: str) -> str:
    """A label's spelling without case, accents, fastText's prefix, and what joins its words; numbers without `.0`."""
    plain = unicodedata.normalize("NFKD", value.strip().casefold().replace("ł", "l").removeprefix("__label__"))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    number = _NUMBER.fullmatch(plain)
    if number:
        return str(int(number[1]))
    numbered = _NUMBERED.fullmatch(plain)
    if numbered:
        return f"label {int(numbered[1])}"
    return plain if plain in UNLABELLED else " ".join(re.sub(r"[\s_/-]+", " ", plain).split())


def _spellings(task: Task) -> dict[str, int]:
    named = {fold_label(name): label for name, label in task.label_aliases.items()}
    return {**{f"label {label}": label for label in range(len(task.labels))}, **named}


_SPELLINGS = {name: _spellings(task) for name, task in TASKS.items()}
_ANY = frozenset(spelling for spellings in _SPELLINGS.values() for spelling in spellings)


def looks_like_label(cell: str) -> bool:
    """Whether a cell is a whole number or a known spelling of any task's label, with nothing around it."""
    return len(cell) <= 40 and cell == cell.strip() and (_is_number(folded := fold_label(cell)) or folded in _ANY)


def _is_number(folded: str) -> bool:
    return folded.lstrip("-").isdigit()


@dataclass(frozen=True)
class LabelReading:
    """What a column of labels says."""

    classes: NDArray[np.int64]
    """Class number of each row, `MISSING` where it has none; shape (n,)."""
    unlabelled: list[int] = field(default_factory=list)
    """Places of the rows without a label."""
    unknown: list[int] = field(default_factory=list)
    """Places of the rows whose label is none of the task's."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Bare number → the class it was read as."""
    ambiguous: frozenset[str] = frozenset()
    """Labels as they are written that may be either of two classes."""
    doubt: Message | None = None
    """Why no bare number can be taken at its word, with what to say instead."""


def read_labels(values: Sequence[str], task: Task, given: Mapping[str, str] | None = None) -> LabelReading:
    """Read labels by name, by spelling and by number.

    Bare numbers are read as the task's class numbers where all classes are there; else their scale isn't known, and
    someone has to say what they mean.

    Args:
        values: A label a row, as it is written.
        task: Whose labels.
        given: Spelling → class, as `--label` names them; an empty class is no label.

    Raises:
        DataError: `given` names a class that the task doesn't have.
    """
    said = read_given(task, given or {})
    words = {value: fold_label(value) for value in dict.fromkeys(values)}
    bare = {word for word in words.values() if _is_number(word) and word not in said}
    found: dict[str, int | None] = {}
    signs = SIGNS.get(task.name, {}) if "+" in words.values() else {}
    for value, word in words.items():
        if word in said:
            found[value] = said[word]
        elif word in signs:
            found[value] = signs[word]
        elif word in UNLABELLED:
            found[value] = MISSING
        elif word in bare:
            found[value] = int(word) if 0 <= int(word) < len(task.labels) else None
        else:
            found[value] = _SPELLINGS[task.name].get(word)
    codes = np.array([-2 if (label := found[value]) is None else label for value in values], dtype=np.int64)
    unlabelled = np.flatnonzero(codes == MISSING).tolist()
    unknown = np.flatnonzero(codes == -2).tolist()
    numbers = {word: int(word) for word in sorted(bare, key=int) if 0 <= int(word) < len(task.labels)}
    doubt = _doubt(task, bare, said, {label for label in found.values() if label is not None and label >= 0})
    either = AMBIGUOUS.get(task.name, frozenset())
    ambiguous = frozenset(value for value, word in words.items() if word in either)
    return LabelReading(np.maximum(codes, MISSING), unlabelled, unknown, numbers, ambiguous, doubt)


def list_unsettled(values: Sequence[str], task: Task) -> list[str]:
    """Labels of which someone has to say what they mean, each spelling once; numbers in their order come first."""
    found = read_labels(values, task)
    spelt: dict[str, str] = {}
    for value in dict.fromkeys(values[place] for place in found.unknown):
        spelt.setdefault(fold_label(value), value.strip())
    if found.doubt:
        for value in dict.fromkeys(values):
            if _is_number(word := fold_label(value)):
                spelt.setdefault(word, value.strip())
    return [spelt[word] for word in sorted(spelt, key=lambda word: int(word) if _is_number(word) else math.inf)]


def read_given(task: Task, given: Mapping[str, str]) -> dict[str, int]:
    """Folded spelling → class number, `MISSING` where the class is left empty.

    Raises:
        DataError: A class is none of the task's.
    """
    said = {}
    for name, wanted in given.items():
        word = fold_label(wanted)
        number = _SPELLINGS[task.name].get(word)
        if number is None and word in {str(label) for label in range(len(task.labels))}:
            number = int(word)
        if number is None and word not in UNLABELLED:
            raise DataError(f"--label {name}={wanted}: '{wanted}' is none of {task.describe_labels()}.")
        said[fold_label(name)] = MISSING if number is None else number
    return said


def _doubt(task: Task, bare: set[str], said: Mapping[str, int], classes: set[int]) -> Message | None:
    """Why bare numbers can't be read, where their scale isn't plainly the task's own."""
    labels = range(len(task.labels))
    scale = sorted(bare, key=int)
    # -1 is no label beside a whole scale, and a class of its own beside half of one.
    off = [word for word in scale if int(word) not in labels and word != "-1"]
    used = [word for word in scale if int(word) in labels]
    mapped = {label for word, label in said.items() if _is_number(word)}
    if not off and (not used or classes >= set(labels) or (mapped and not mapped & {int(word) for word in used})):
        return None
    every = sorted({*scale, *(word for word in said if _is_number(word))}, key=int)
    return Message(
        "The labels are bare numbers ({numbers}) that aren't plainly {labels}. Say what they mean: {options}",
        numbers=", ".join(every[:8]) + (", …" if len(every) > 8 else ""),
        labels=task.describe_labels(),
        options=" ".join(f"--label {word}={name}" for word, name in zip(every[:8], _guess(task, every), strict=False)),
    )


def _guess(task: Task, scale: Sequence[str]) -> list[str]:
    """A class for each number of a scale, for an example: a scale of sentiment goes up, other classes have no order."""
    if task.name != "slang":
        return ["CLASS"] * len(scale)
    names = [name.split()[0] for name in task.labels]
    if len(scale) == 1:
        return [names[-1] if int(scale[0]) > 0 else "CLASS"]
    return [names[round(place * (len(names) - 1) / (len(scale) - 1))] for place in range(len(scale))]
