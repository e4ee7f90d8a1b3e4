"""How quantities are written for readers, in their language."""

from functools import lru_cache

from babel import Locale

from gradio_app.languages import Language


def milliseconds(say: Language, value: float) -> str:
    """One decimal, or two significant digits below one millisecond, so that no time reads as none."""
    return say.number(value, ".1f" if value >= 1 else ".2g")


def count(say: Language, number: float) -> str:
    """`822,659` → `823k`, `22,714,371` → `22.7M`."""
    if number >= 999_500:
        return say("{n}M", n=say.number(number / 1e6, ".1f"))
    return say("{n}k", n=say.number(number / 1e3, ".0f")) if number >= 10_000 else say.number(int(number), ",")


def duration(say: Language, seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`; a dash for none."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if seconds < 10 or whole < 120:
        return say("{n} s", n=say.number(seconds, ".1f" if seconds < 10 else ".0f"))
    return say("{minutes} min {seconds} s", minutes=say.number(whole // 60, ","), seconds=whole % 60)


def size(say: Language, number: float) -> str:
    """Bytes as kB or MB."""
    if number >= 1e5:
        return say("{n} MB", n=say.number(number / 1e6, ",.1f"))
    return say("{n} kB", n=say.number(number / 1e3, ",.0f"))


def megabytes(say: Language, number: float) -> str:
    """Megabytes, whole."""
    return say("{n} MB", n=say.number(number, ",.0f"))


def signed(say: Language, value: float, spec: str) -> str:
    """A number that may be below zero, with a true minus, which is no dash of a range."""
    return say.number(value, spec).replace("-", "−")


def percent(say: Language, share: float) -> str:
    """A share as whole per cent."""
    return say("{n} %", n=say.number(100 * share, ".0f"))


@lru_cache
def _names(code: str) -> dict[str, str]:
    return dict(Locale(code).languages)


def language_name(say: Language, code: str) -> str:
    """What the language with this code is called on this page."""
    return _names(say.code).get(code, code)
