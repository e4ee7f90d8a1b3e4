"""How much of each input a model reads, and how much of that it has no sign for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.messages import Message, message

Ints = NDArray[np.int64]
TOKENS, WORDS = "tokens", "words"


@dataclass(frozen=True)
class Reading:
    """How much of one input a model read."""

    read: int
    """Units that it read, special tokens not counted; of a pair, of both texts."""
    given: int
    """Units that the input has."""
    unknown: int
    """How many of those read are outside its vocabulary, so that they are all the same to it."""
    unit: str = TOKENS
    """`tokens`, or `words` for a model without tokens."""

    @property
    def truncated(self) -> bool:
        """Whether the end of a text was cut off."""
        return self.read < self.given

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "truncated": self.truncated,
            "tokens_read": self.read,
            "tokens_given": self.given,
            "tokens_unknown": self.unknown,
            "token_unit": self.unit,
        }

    def warnings(self) -> list[Message]:
        """What has to be said beside the answer: that the text was cut, and what of it means nothing to the model."""
        said = []
        if self.truncated:
            template = message("Tokens read: {read} of {given}; the rest was cut off.")
            if self.unit == WORDS:
                template = message("Words read: {read} of {given}; the rest was cut off.")
            said.append(Message(template, read=self.read, given=self.given))
        if not self.unknown:
            return said
        if self.unit == TOKENS:
            template = message("Unknown tokens: {unknown} of {read}; it can't tell them apart.")
        elif self.unknown == self.read:
            template = message("Nothing of this text is in its vocabulary: it answers by its prior.")
        else:
            template = message("Words outside its vocabulary: {unknown} of {read}.")
        return [*said, Message(template, unknown=self.unknown, read=self.read)]


NOTHING_READ: dict[str, Any] = {
    "truncated": False,
    "tokens_read": None,
    "tokens_given": None,
    "tokens_unknown": None,
    "token_unit": None,
}
"""In the place of `Reading.as_dict`, for a model that ignores the text."""


@dataclass(frozen=True)
class Readings:
    """How much of each of n inputs a model read: arrays of shape (n,), as the fields of `Reading`."""

    read: Ints
    given: Ints
    unknown: Ints
    unit: str = TOKENS

    def __len__(self) -> int:
        return len(self.read)

    def __getitem__(self, place: int) -> Reading:
        return Reading(int(self.read[place]), int(self.given[place]), int(self.unknown[place]), self.unit)

    def __add__(self, other: "Readings") -> "Readings":
        """Of both texts of each pair, where a model reads them apart."""
        return Readings(self.read + other.read, self.given + other.given, self.unknown + other.unknown, self.unit)

    def __sub__(self, other: "Readings") -> "Readings":
        """Without what the model's own words around a text take."""
        return Readings(self.read - other.read, self.given - other.given, self.unknown - other.unknown, self.unit)

    def every(self, step: int) -> "Readings":
        """Of the first of each `step` inputs."""
        return Readings(self.read[::step], self.given[::step], self.unknown[::step], self.unit)

    def summary(self) -> dict[str, Any]:
        """How many rows were cut, and how many hold something unknown, as plain values."""
        cut = int((self.read < self.given).sum())
        return {
            "unit": self.unit,
            "rows": len(self),
            "rows_truncated": cut,
            "share_truncated": cut / max(1, len(self)),
            "rows_with_unknown": int((self.unknown > 0).sum()),
            "rows_all_unknown": int(((self.unknown == self.read) & (self.read > 0)).sum()),
            "share_unknown": float(self.unknown.sum() / max(1, self.read.sum())),
        }


def describe_summary(model: str, summary: Mapping[str, Any] | None) -> list[Message]:
    """What has to be said beside a model's figures, from `Readings.summary`: nothing where it read everything."""
    if not summary:
        return []
    rows, cut = summary["rows"], summary["rows_truncated"]
    some, nothing = summary["rows_with_unknown"], summary["rows_all_unknown"]
    said = []
    if cut:
        template = message("{model}: {cut} of {rows} texts are longer than it reads; their ends were cut off.")
        said.append(Message(template, model=model, cut=cut, rows=rows))
    if summary["unit"] == WORDS:
        if nothing:
            template = message("{model}: of {nothing} of {rows} texts, nothing is in its vocabulary.")
            said.append(Message(template, model=model, nothing=nothing, rows=rows))
    elif some:
        template = message("{model}: {some} of {rows} texts hold tokens unknown to it, {nothing} of them nothing else.")
        said.append(Message(template, model=model, some=some, rows=rows, nothing=nothing))
    return said


def join(pieces: Sequence[Readings]) -> Readings:
    """The readings of inputs that were asked about in several calls, one or more."""
    return Readings(
        np.concatenate([one.read for one in pieces]),
        np.concatenate([one.given for one in pieces]),
        np.concatenate([one.unknown for one in pieces]),
        pieces[0].unit,
    )
