"""How quantities are written on the page: each kind in one way, in the page's language.

A number and its unit stand on one line, held by a space that doesn't break.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from babel.dates import format_date

from gradio_app.languages import Language

MISSING = "–"
"""Stands where nothing was measured."""


def _whole(text: str) -> str:
    """A quantity that no line break parts."""
    return text.replace(" ", "\u00a0")


def _significant(say: Language, value: float) -> str:
    """Two significant digits and never an exponent, so that nothing small reads as nothing."""
    return say.written(format(Decimal(f"{value:.2g}"), "f"))


def count(say: Language, n: float) -> str:
    """A whole number with marks for thousands: `22,714,371`."""
    return say.number(n, ",.0f")


def compact(say: Language, n: float) -> str:
    """`50`, `4.3k`, `45k`, `22.7M`: for axes, cards and narrow columns."""
    if n >= 999_500:
        return _whole(say("{n}M", n=say.written(f"{n / 1e6:.1f}".removesuffix(".0"))))
    if n >= 1000:
        return _whole(say("{n}k", n=say.written(f"{n / 1e3:.{0 if n >= 10_000 else 1}f}".removesuffix(".0"))))
    return say.number(n, ".0f")


def rounded(say: Language, value: float) -> str:
    """Three significant digits, `0.182`, `51.3`, `1,060`, and from ten thousand on as `compact`: for axes and means."""
    return compact(say, value) if value >= 10_000 else say.number(float(f"{value:.3g}"), ",g")


def setting(say: Language, value: float, digits: int = 6) -> str:
    """A hyperparameter: `16`, `30,000`, `0.00012`, `3e−05`."""
    return say.number(value, "," if isinstance(value, int) and value >= 10_000 else f".{digits}g")


def percent(say: Language, share: float, places: int | None = 0) -> str:
    """A share of one: `12 %`, with a place `12.5 %`.

    Args:
        say: The page's language.
        share: From zero to one.
        places: Decimals; with None there are two significant digits below ten per cent and no decimals above.
    """
    if places is None and share < 0.1:
        return _whole(say("{n} %", n=_significant(say, 100 * share)))
    return _whole(say("{n} %", n=say.number(100 * share, f".{places or 0}f")))


def ratio(say: Language, share: float) -> str:
    """One quantity as a part or a multiple of another: `2.6 %`, `2.73 ×`."""
    if share < 1:
        return percent(say, share, None)
    return _whole(say("{times} ×", times=say.number(share, ".2f")))


def duration(say: Language, seconds: float | None, rough: bool = False) -> str:
    """`0.02 s`, `9.4 s`, `98 s`, `3 min 20 s`, `2 h 5 min`; a dash where it wasn't measured.

    Args:
        say: The page's language.
        seconds: How long it took.
        rough: Whether it is a guess: whole seconds, at least one, and from five minutes on tens of them.
    """
    if seconds is None:
        return MISSING
    if rough:
        seconds = max(1.0, float(round(seconds, -1 if seconds >= 300 else 0)))
    elif seconds < 9.95:
        return _whole(say("{n} s", n=say.number(seconds, ".1f") if seconds >= 1 else _significant(say, seconds)))
    whole = round(seconds)
    if whole < 120:
        return _whole(say("{n} s", n=whole))
    if whole < 7170:
        minutes, rest = divmod(whole, 60)
        if rough and not rest:
            return _whole(say("{minutes} min", minutes=minutes))
        return _whole(say("{minutes} min {seconds} s", minutes=minutes, seconds=rest))
    hours, minutes = divmod(round(seconds / 60), 60)
    return _whole(say("{hours} h {minutes} min", hours=hours, minutes=minutes))


def milliseconds(say: Language, ms: float) -> str:
    """The number alone, for columns whose heading has the unit: `0.15`, `12.3`, `1,234`."""
    if ms < 1:
        return _significant(say, ms)
    return say.number(ms, ",.0f" if ms >= 100 else ".1f")


def latency(say: Language, ms: float) -> str:
    """`12.3 ms`."""
    return _whole(say("{ms} ms", ms=milliseconds(say, ms)))


def size(say: Language, n: float) -> str:
    """Bytes: `312 kB`, `4.3 MB`, `25.3 GB`."""
    if n >= 0.9995e9:
        return _whole(say("{n} GB", n=say.number(n / 1e9, ",.1f")))
    if n >= 1e5:
        return _whole(say("{n} MB", n=say.number(n / 1e6, ",.1f")))
    return _whole(say("{n} kB", n=say.number(n / 1e3, ",.0f")))


def memory(say: Language, megabytes: float) -> str:
    """Memory as the engine records it, in units of 2**20 bytes: `1,064 MB`."""
    return _whole(say("{n} MB", n=count(say, megabytes)))


def energy(say: Language, joules: float) -> str:
    """In watt-hours: `0.25 Wh`, `1.5 Wh`, `120 Wh`."""
    hours = joules / 3600
    return _whole(say("{n} Wh", n=_significant(say, hours) if hours < 10 else count(say, hours)))


def figure(say: Language, value: float | None, places: int = 3) -> str:
    """A figure of quality or a loss; a dash where there is none."""
    return MISSING if value is None else say.number(value, f".{places}f")


def interval(say: Language, ends: Sequence[float], places: int = 3) -> str:
    """From the lower end to the upper: `0.660–0.740`."""
    return "–".join(figure(say, end, places) for end in ends)


def spread(say: Language, value: float, around: float | None) -> str:
    """`0.580 ± 0.012`; the figure alone where nothing is known of its spread."""
    return figure(say, value) if around is None else _whole(f"{figure(say, value)} ± {figure(say, around)}")


def difference(say: Language, value: float) -> str:
    """A signed difference with two significant digits and at most two decimals: `+8.1`, `−0.35`, `0`."""
    if abs(value) < 0.005:
        return "0"
    # Rounded first, as 9.96 has two digits before the point.
    power = math.floor(math.log10(float(f"{abs(value):.1e}")))
    return say.number(value, f"+.{min(2, max(0, 1 - power))}f")


def points(say: Language, share: float) -> str:
    """A signed difference of two shares, in percentage points without the word."""
    return difference(say, 100 * share)


def p_value(say: Language, p: float) -> str:
    """Three decimals below a tenth, two above, or `< 0.001`."""
    return f"< {say.number(0.001, '.3f')}" if p < 0.001 else say.number(p, ".3f" if p < 0.1 else ".2f")


def day(say: Language, moment: str) -> str:
    """The day of an ISO 8601 time, as it is written in this language; the text itself where it is none."""
    try:
        return str(format_date(datetime.fromisoformat(moment).date(), "medium", locale=say.code))
    except ValueError:
        return moment
