"""How the command line writes numbers: durations, counts, shares, intervals, sizes."""

from collections.abc import Mapping, Sequence
from typing import Any


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`; `-` where nothing was timed."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def milliseconds(value: float, digits: int = 2) -> str:
    """`1.59`, for a column or a sentence that names the unit."""
    return f"{value:,.{digits}f}"


def count(number: int | float) -> str:
    """`1,891,587`."""
    return f"{number:,.0f}"


def millions(number: int | float, digits: int = 1) -> str:
    """`2.1 million`."""
    return f"{number / 1e6:.{digits}f} million"


def percent(share: float, digits: int = 0) -> str:
    """`29%`."""
    return f"{share:.{digits}%}"


def megabytes(size: float, digits: int = 1) -> str:
    """Bytes as `91.2`, for a column or a sentence that names the unit: MB of a million bytes."""
    return f"{size / 1e6:.{digits}f}"


def figure(value: float, ends: Sequence[float] | None = None, digits: int = 4) -> str:
    """`0.7356 (0.687-0.784)`: a test figure with the ends of its interval dimmed."""
    interval = "" if ends is None else f" [dim]({ends[0]:.3f}-{ends[1]:.3f})[/]"
    return f"{value:.{digits}f}{interval}"


def scored(row: Mapping[str, Any], name: str, digits: int = 4) -> str:
    """The figure `name` of a model's row, with its interval where the rows give it one."""
    # NumPy comes with it, which `--help` needn't wait for.
    from engine.evaluation.metrics import interval_of

    return figure(row[name], interval_of(row, name), digits)


def short(value: object) -> str:
    """A setting with three digits where it is a fraction: `0.000312`, `64`, `cosine`."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def measured(value: float) -> str:
    """Three digits of what may be of any size: `1,234`, `12.35`, `0.00123`."""
    if value >= 100:
        return count(value)
    return f"{value:.2f}" if value >= 1 else short(value)


def ratio(value: float | None) -> str:
    """`1.35`; `-` where there is nothing to divide by."""
    return "-" if value is None else f"{value:.2f}"


def spread(mean: float, deviation: float, digits: int = 4) -> str:
    """`0.5812 ± 0.0107`."""
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def p_value(p: float) -> str:
    """`< 0.001`, `= 0.012`, `= 0.34`, as on the page."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
