"""Bytes to characters: UTF-8, 16 and 32, and the two Polish encodings of before, which are told apart or refused.

Windows-1250 and ISO-8859-2 differ in six letters of Polish (ą, ś, ź and their capitals), and each shows the other's as
signs or as letters that Polish lacks. The reading with none of these is right; where both are clean they say the same.
"""

import codecs
import re
import unicodedata

from engine.errors import DataError
from engine.messages import Message

POLISH = frozenset("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ")
LEGACY = {"cp1250": "Windows-1250", "iso8859_2": "ISO-8859-2"}
"""Codecs of Polish files that aren't Unicode → what people call them."""
_NEIGHBOURS = ("cp1250", "cp1251", "cp1252")
_MARKS = {
    codecs.BOM_UTF32_LE: ("utf-32", "UTF-32"),
    codecs.BOM_UTF32_BE: ("utf-32", "UTF-32"),
    codecs.BOM_UTF8: ("utf-8-sig", "UTF-8 with a byte order mark"),
    codecs.BOM_UTF16_LE: ("utf-16", "UTF-16"),
    codecs.BOM_UTF16_BE: ("utf-16", "UTF-16"),
}
# A file begins with the letter of a column's name, a quotation mark or a brace: all of them ASCII.
_UNMARKED: dict[tuple[bool, ...], tuple[str, str]] = {
    (True, False, False, False): ("utf-32-le", "UTF-32"),
    (False, False, False, True): ("utf-32-be", "UTF-32"),
    (True, False, True, False): ("utf-16-le", "UTF-16"),
    (False, True, False, True): ("utf-16-be", "UTF-16"),
}
_QUOTES = frozenset("„”“‚‘’«»–—…·•")
_SIGN_AFTER_LETTER = re.compile(r"[^\W\d_][^\w\s\x00-\x7f]")
_CAPITAL_INSIDE = re.compile(r"[a-ząćęłńóśźż][ĄĆĘŁŃÓŚŹŻ]")


def decode(content: bytes, name: str) -> tuple[str, str]:
    """A file's characters, without a byte order mark, and what its encoding is called.

    Raises:
        DataError: They can't be read without guessing; the message names the line.
    """
    codec, called = _unicode_codec(content)
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        if codec != "utf-8":
            raise DataError(
                Message("{name} begins as {encoding}, but goes on as something else.", name=name, encoding=called)
            ) from None
        text, called = _decode_legacy(content, name, content.count(b"\n", 0, error.start) + 1)
    if "\0" in text:
        said = Message(
            "{name} holds NUL bytes in line {line}, so it is not plain text.",
            name=name,
            line=text.count("\n", 0, text.index("\0")) + 1,
        )
        raise DataError(said)
    return text.removeprefix("\ufeff"), called


def _unicode_codec(content: bytes) -> tuple[str, str]:
    # UTF-32's little-endian mark begins with that of UTF-16, so it is looked for first.
    for mark, found in _MARKS.items():
        if content.startswith(mark):
            return found
    return _UNMARKED.get(tuple(byte != 0 for byte in content[:4]), ("utf-8", "UTF-8"))


def _decode_legacy(content: bytes, name: str, line: int) -> tuple[str, str]:
    """Text in one of Poland's encodings of before Unicode, where exactly one of them makes Polish of it."""
    readings = {}
    for codec in LEGACY:
        text = _try(content, codec)
        if text is not None and (odd := _count_odd(text)) is not None:
            readings[codec] = (odd, text)
    if readings:
        fewest = min(odd for odd, _ in readings.values())
        best = {codec: text for codec, (odd, text) in readings.items() if odd == fewest}
        if len(set(best.values())) == 1:
            called = " or ".join(LEGACY[codec] for codec in best)
            return next(iter(best.values())), called
        said = Message(
            "{name} is Polish in Windows-1250 or in ISO-8859-2, and nothing in it tells which. Save it as UTF-8.",
            name=name,
        )
        raise DataError(said)
    alike = {_try(content, codec) for codec in _NEIGHBOURS}
    text = alike.pop()
    if (
        not alike
        and text is not None
        and all(char.isascii() or char in _QUOTES or _is_mark(char) for char in set(text))
    ):
        # Dashes and quotation marks stand in the same places of all of Windows' encodings; other signs may be letters.
        return text, "Windows-1250"
    said = Message(
        "{name} is not UTF-8: see line {line}; nor is it Polish in Windows-1250 or ISO-8859-2. Save it as UTF-8 and "
        "try again; in Excel choose “CSV UTF-8”.",
        name=name,
        line=line,
    )
    raise DataError(said)


def _try(content: bytes, codec: str) -> str | None:
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        return None
    return None if any("\x80" <= char <= "\x9f" for char in set(text)) else text


def _count_odd(text: str) -> int | None:
    """How many characters Polish doesn't explain; None where they are too many, or no letter of Polish is there."""
    letters = {char: text.count(char) for char in set(text) if not char.isascii() and char.isalpha()}
    polish = sum(count for char, count in letters.items() if char in POLISH)
    foreign = sum(letters.values()) - polish
    signs = sum(1 for found in _SIGN_AFTER_LETTER.findall(text) if found[1] not in _QUOTES and not _is_mark(found[1]))
    odd = foreign + signs + len(_CAPITAL_INSIDE.findall(text))
    return odd if polish and 20 * odd <= polish else None


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Zs", "Cf") or char in "®™°§"
