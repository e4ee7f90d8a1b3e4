"""How durations, sizes, counts, shares, days and languages are written in the page's language."""

from datetime import datetime
from html import escape

from babel import Locale
from babel.dates import format_date

from engine.serving.batch import shorten
from gradio_app.languages import Language, message

FIGURES = {
    "accuracy": message("accuracy"),
    "macro_f1": message("macro F1"),
    "weighted_f1": message("weighted F1"),
    "mcc": message("MCC"),
    "loss": message("loss"),
    "calibration_error": message("calibration error"),
}
"""Figures by the engine's keys, as they are called."""
SPLITS = {"train": message("train"), "validation": message("validation"), "test": message("test")}
"""Parts of a data set, as they are called."""


def foreign(text: object, most: int = 60) -> str:
    """Someone else's words as HTML: cut, escaped, and written in a direction of their own that ends with them."""
    return f"<bdi>{escape(shorten(str(text), most))}</bdi>"


def duration(say: Language, seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`; a dash where it wasn't measured."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return say("{n} s", n=say.number(seconds, ".1f"))
    whole = round(seconds)
    if whole < 120:
        return say("{n} s", n=whole)
    minutes = round(seconds / 60)
    if minutes < 120:
        return say("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    return say("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def size(say: Language, count: float) -> str:
    """Bytes: `312 kB`, `4.3 MB`, `25.3 GB`."""
    if count >= 0.9995e9:
        return say("{n} GB", n=say.number(count / 1e9, ",.1f"))
    if count >= 1e5:
        return say("{n} MB", n=say.number(count / 1e6, ",.1f"))
    return say("{n} kB", n=say.number(count / 1e3, ",.0f"))


def memory(say: Language, megabytes: float) -> str:
    """Memory as the engine records it, in units of 2**20 bytes: `812 MB`."""
    return say("{n} MB", n=say.number(megabytes, ",.0f"))


def count(say: Language, n: float) -> str:
    """A whole number with marks for thousands."""
    return say.number(n, ",.0f")


def compact(say: Language, n: float) -> str:
    """`50`, `4.3k`, `28k`, `2.1M`: for axes and narrow columns."""
    if n >= 999_500:
        return say("{n}M", n=say.written(f"{n / 1e6:.1f}".removesuffix(".0")))
    if n >= 1000:
        return say("{n}k", n=say.written(f"{n / 1e3:.{0 if n >= 10_000 else 1}f}".removesuffix(".0")))
    return say.number(n, ".0f")


def percent(say: Language, share: float, places: int = 0) -> str:
    """A share of one: `12%`, or `12.5%` with a place."""
    return say("{n}%", n=say.number(100 * share, f".{places}f"))


def day(say: Language, moment: str) -> str:
    """The day of an ISO 8601 time, as it is written in this language; the text itself where it is none."""
    try:
        return str(format_date(datetime.fromisoformat(moment).date(), "medium", locale=say.code))
    except ValueError:
        return moment


def name_language(say: Language, code: str) -> str:
    """What a language is called in this one: `de` is German; the code itself where it is no language's."""
    names = Locale(say.code).languages
    return str(names.get(code.replace("-", "_"), code))


def name_figure(say: Language, figure: str) -> str:
    """What a figure is called; its key where it has no name."""
    return say(FIGURES[figure]) if figure in FIGURES else figure


def name_split(say: Language, split: str) -> str:
    """What a part of a data set is called."""
    return say(SPLITS[split]) if split in SPLITS else split


def name_source(say: Language, source: object) -> str:
    """What a data set is called."""
    return say("the bundled sample") if source == "sample" else str(source)
