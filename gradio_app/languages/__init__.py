"""The page's languages: what is said in each, and how numbers are written there.

The source is English. Catalogues are gettext's own `.po` files beside this one, so any translator's tool opens them.
"""

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from engine.messages import Message, is_whole, message

__all__ = ["NAMES", "Language", "choose_language", "get_language", "message"]

CATALOGUES = Path(__file__).parent
NAMES: Mapping[str, str] = {"en": "English", "pl": "Polski", "ru": "Русский"}
"""Codes of the languages, and what each calls itself; the first one is the source."""


class Language:
    """What the page says in one language: `say("{n} models", n=3)`."""

    def __init__(self, code: str) -> None:
        """Read the catalogue.

        Raises:
            KeyError: There is no such language.
        """
        self.code = code
        self.name = NAMES[code]
        self._symbols = Locale(code).number_symbols["latn"]
        self._translations = _read(code)

    def __call__(self, text: str, /, **values: Any) -> str:
        """A text in this language, with the values filled in; in English where it isn't translated.

        Values go in as they are: those that come from elsewhere are escaped by the caller where HTML is made, and
        numbers are written by `number` first.
        """
        said = self._translations.gettext(text) if text else ""
        return said.format(**values) if values else said

    def plural(self, one: str, many: str, n: float, /, **values: Any) -> str:
        """A text about a number of things, which it calls `{n}`."""
        # A part of something takes the form of several.
        count = n if isinstance(n, int) else 2
        return self._translations.ngettext(one, many, count).format(n=self.number(n, ","), **values)

    def again(self, text: str) -> str:
        """What the engine has said, in this language where it can be."""
        if not isinstance(text, Message):
            return self(text)
        values = {name: self.number(value, ",") if is_whole(value) else value for name, value in text.values.items()}
        return self(text.template, **values)

    def number(self, value: float, spec: str = "") -> str:
        """A number by Python's format specification, with this language's marks for decimals and thousands."""
        return self.written(format(value, spec))

    def written(self, text: str) -> str:
        """A number that is written in the English way already."""
        # Narrow spaces that don't break and a true minus, as in print.
        group = {"\u00a0": "\u202f"}.get(self._symbols["group"], self._symbols["group"])
        return text.translate({ord("."): self._symbols["decimal"], ord(","): group, ord("-"): "−"})


def _read(code: str) -> Translations:
    if code == "en":
        return Translations()
    with (CATALOGUES / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


@lru_cache(maxsize=len(NAMES))
def get_language(code: str) -> Language:
    """A language by its code, read once.

    Raises:
        KeyError: There is no such language.
    """
    return Language(code)


def choose_language(accepted: str) -> str:
    """The code of the language that a browser's `Accept-Language` likes best; English where it names none of ours."""
    weighed = []
    for place, part in enumerate(accepted.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        weighed.append((-weight, place, tag.strip().replace("-", "_")))
    wanted = [tag for _, _, tag in sorted(weighed)]
    return str(negotiate_locale(wanted, list(NAMES)) or "en")
