"""The bundled glossary of Polish youth slang, and how its terms are found in a text, whatever form they stand in.

The file says how each term is inflected; the forms are made when it is loaded. Its column `inflection` holds
variants, separated by `;`. A variant is a word or several, each with a paradigm after `:` where it is inflected and a
stem after `/` where the endings go to another one (`olać:v/olej`). `_` stands for up to two words of any kind, and
`się` after a verb may stand before it too, or further off. The term itself is a variant too. A word after `!` is
never taken for the term, as where it is mostly another, everyday one (`woda` isn't `wóda` without its accent).
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from types import MappingProxyType

from engine.data.polish.inflection import inflect
from engine.data.sources import SAMPLES_DIR

GLOSSARY = SAMPLES_DIR / "glossary.csv"
LANGUAGES = ("en", "pl", "ru")
"""Codes of the languages in which meanings are given; the first one stands in for any other."""
PARTS = ("noun", "adjective", "adverb", "verb", "interjection", "phrase")
TONES = ("", "positive", "negative", "either")
REGISTERS = ("", "vulgar", "regional")

_GAP = 2
_MARKS = "'’`"
_WORD = re.compile(rf"(?:[^\W_]|[\u0300-\u036f])+(?:[{_MARKS}](?:[^\W_]|[\u0300-\u036f])+)*")
_CHUNK = re.compile(r"\S+")
_BETWEEN = re.compile(r"[\s,\-–]*")
_RUN = re.compile(r"(.)\1+")
_STRETCHED = re.compile(r"(\w)\1\1|(\w)\2\b")
_PLAIN = tuple(zip("ąćęłńóśźż", "acelnoszz", strict=True))
_UNMARK = str.maketrans("", "", _MARKS)


@dataclass(frozen=True)
class Entry:
    """A term of the glossary."""

    term: str
    part: str
    """One of `PARTS`."""
    meanings: Mapping[str, str]
    """Language code → a short line."""
    tone: str = ""
    """How it mostly sounds, one of `TONES`; empty where it says nothing of the speaker's attitude."""
    register: str = ""
    """One of `REGISTERS`."""

    def meaning(self, code: str) -> str:
        """What it means, in the language of this code, in English where there is no such meaning."""
        return self.meanings.get(code, self.meanings[LANGUAGES[0]])


@dataclass(frozen=True)
class Found:
    """A term found in a text: `text[start:end] == form`."""

    entry: Entry
    start: int
    end: int
    form: str


@dataclass(frozen=True)
class _Pattern:
    """What must stand before the word that it is looked up by, which is its last: the first is often `mieć` or `na`."""

    entry: Entry
    before: tuple[frozenset[str] | None, ...] = ()
    """Forms of each word with and without diacritics, the nearest first; None for a gap."""
    reflexive: bool = False


class Glossary:
    """Terms and their forms, ready to be looked up."""

    def __init__(self, rows: Iterable[tuple[Entry, str]]) -> None:
        """Make the forms.

        Args:
            rows: Each term with its inflection, as in the file.

        Raises:
            KeyError: A paradigm is unknown.
        """
        self.entries: list[Entry] = []
        # By a word as it is written; and from a word without diacritics to its true spellings, with spaces between.
        self._words: dict[str, tuple[_Pattern, ...]] = {}
        self._plain: dict[str, str] = {}
        for entry, inflection in rows:
            self.entries.append(entry)
            variants = [entry.term, *filter(None, (part.strip() for part in inflection.split(";")))]
            never = {variant[1:] for variant in variants if variant[0] == "!"}
            for variant in variants:
                if variant[0] != "!":
                    self._add(entry, variant, never)

    @classmethod
    def read(cls, path: Path) -> "Glossary":
        """Read a glossary's file.

        Raises:
            OSError: It can't be read.
        """
        with path.open(encoding="utf-8", newline="") as file:
            return cls(_parse(row) for row in csv.DictReader(file))

    @staticmethod
    def load() -> "Glossary":
        """The bundled glossary, read once."""
        return _load()

    def _add(self, entry: Entry, variant: str, never: Set[str]) -> None:
        if variant.startswith(":"):
            variant = entry.term + variant
        words = variant.lower().replace("-", " ").split()
        reflexive = len(words) == 2 and words[1] == "się" and ":v" in words[0]
        last, *before = words[:1] if reflexive else reversed(words)
        wanted = tuple(None if word == "_" else _with_plain(_forms(word)) for word in before)
        alone = (_Pattern(entry, wanted, reflexive),)
        forms = [form for form in _forms(last) if wanted or form not in never]
        if self._words.keys().isdisjoint(forms):
            self._words.update(dict.fromkeys(forms, alone))
        else:
            for form in forms:
                self._words[form] = self._words.get(form, ()) + alone
        true = self._plain
        # All at once, as it is done for fifty thousand forms.
        for form, plain in zip(forms, _fold(" ".join(forms)).split(), strict=True):
            if plain != form and plain not in never:
                known = true.setdefault(plain, form)
                if form not in known.split(" "):
                    true[plain] = f"{known} {form}"

    def forms(self) -> Iterator[tuple[str, Entry]]:
        """Every form of a term that is one word, with its term."""
        for form, patterns in self._words.items():
            for pattern in patterns:
                if not pattern.before and not pattern.reflexive:
                    yield form, pattern.entry

    def find(self, text: str) -> list[Found]:
        """The terms in a text, from left to right; none overlap, the longest is taken.

        Case, stretched letters (`essaaa`) and missing diacritics (`zenada`) don't matter, addresses are passed over.
        """
        tokens = _tokens(text)
        stretched = _STRETCHED.search(text.lower()) is not None
        spans = []
        for place, (word, _, _) in enumerate(tokens):
            for pattern in self._patterns(word, stretched):
                span = _match(text, tokens, place, pattern)
                if span is not None:
                    spans.append((*span, pattern.entry))
        if len(spans) > 1:
            # The longest first, then the one whose dictionary form it is, then the first in the file.
            spans.sort(key=lambda span: (span[0] - span[1], text[span[0] : span[1]].lower() != span[2].term.lower()))
        found: list[Found] = []
        taken = bytearray(len(text))
        for start, end, entry in spans:
            if not any(taken[start:end]):
                taken[start:end] = b"1" * (end - start)
                found.append(Found(entry, start, end, text[start:end]))
        return sorted(found, key=lambda one: one.start)

    def _patterns(self, word: str, stretched: bool) -> tuple[_Pattern, ...]:
        """What ends with a word: as it stands, else as one without diacritics, else without stretched letters."""
        for spelling in _spellings(word) if stretched else (word,):
            known = self._words.get(spelling)
            if known is not None:
                return known
            # Who writes some of a word's diacritics writes them all.
            if spelling.isascii() and spelling in self._plain:
                return tuple(pattern for form in self._plain[spelling].split() for pattern in self._words[form])
        return ()


@lru_cache(maxsize=1)
def _load() -> Glossary:
    return Glossary.read(GLOSSARY)


def _parse(row: Mapping[str, str]) -> tuple[Entry, str]:
    meanings = MappingProxyType({code: row[code] for code in LANGUAGES})
    return Entry(row["term"], row["part"], meanings, row["tone"], row["register"]), row["inflection"]


def _forms(word: str) -> tuple[str, ...]:
    """`bek:f` → its forms; a word without a paradigm stays as it is."""
    word, _, paradigm = word.partition(":")
    paradigm, _, stem = paradigm.partition("/")
    word = word.translate(_UNMARK)
    return inflect(word, paradigm, stem) if paradigm else (word,)


def _fold(text: str) -> str:
    """Lower-case Polish without its diacritics."""
    if not text.isascii():
        for letter, plain in _PLAIN:
            text = text.replace(letter, plain)
    return text


def _with_plain(forms: Iterable[str]) -> frozenset[str]:
    return frozenset(forms).union(_fold(form) for form in forms)


def _tokens(text: str) -> list[tuple[str, int, int]]:
    """Words in lower case without apostrophes, each with its place in the text."""
    addresses = [match.span() for match in _CHUNK.finditer(text) if _is_address(match.group())]
    tokens = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        if addresses and any(low <= start < high for low, high in addresses):
            continue
        word = match.group().lower()
        if not word.isalnum():
            word = unicodedata.normalize("NFC", word).translate(_UNMARK)
        tokens.append((word, start, end))
    return tokens


def _is_address(chunk: str) -> bool:
    """Whether a text without spaces is an address of a page or of a mailbox."""
    chunk = chunk.strip("()<>[]\"',.!?:;…").lower()
    at = chunk.find("@", 1)
    return chunk.startswith("www.") or "://" in chunk or (at > 0 and "." in chunk[at + 2 :])


def _spellings(word: str) -> Iterator[str]:
    """The word, and what it may be a stretched form of: three equal letters or more, or two of them at its end."""
    yield word
    runs = [
        match
        for match in _RUN.finditer(word)
        if len(match.group()) > 2 or (match.end() == len(word) and match.group(1) != "i")
    ]
    if not runs or len(runs) > 4:
        return
    for lengths in product((1, 2), repeat=len(runs)):
        pieces, last = [], 0
        for run, length in zip(runs, lengths, strict=True):
            pieces += [word[last : run.start()], run.group(1) * length]
            last = run.end()
        yield "".join(pieces) + word[last:]


def _touch(text: str, one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """Whether nothing but spaces, commas and hyphens stands between two words."""
    return _BETWEEN.fullmatch(text, one[2], other[1]) is not None


def _match(text: str, tokens: Sequence[tuple[str, int, int]], place: int, pattern: _Pattern) -> tuple[int, int] | None:
    """Where a pattern whose last word stands at a place begins and ends in the text."""
    if pattern.reflexive:
        return _match_reflexive(text, tokens, place)
    first, gap = place, 0
    for wanted in pattern.before:
        if wanted is None:
            gap = _GAP
            continue
        for near in range(first - 1, first - 2 - gap, -1):
            if near < 0 or not _touch(text, tokens[near], tokens[near + 1]):
                return None
            if any(spelling in wanted for spelling in _spellings(tokens[near][0])):
                first, gap = near, 0
                break
        else:
            return None
    return tokens[first][1], tokens[place][2]


def _match_reflexive(text: str, tokens: Sequence[tuple[str, int, int]], place: int) -> tuple[int, int] | None:
    """A verb whose `się` stands beside it, or with up to two words between; the verb alone is shown in that case."""
    for step in (1, -1):
        for distance in range(1, _GAP + 2):
            near = place + step * distance
            low, high = sorted((near, near - step))
            if low < 0 or high >= len(tokens) or not _touch(text, tokens[low], tokens[high]):
                break
            if tokens[near][0] in ("się", "sie"):
                together = sorted((place, near)) if distance == 1 else (place, place)
                return tokens[together[0]][1], tokens[together[1]][2]
    return None
