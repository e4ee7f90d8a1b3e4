"""Bars below each other, each with its name and its value."""

from collections.abc import Iterable, Mapping
from html import escape

from gradio_app.languages import Language
from gradio_app.views.parts import render_empty
from gradio_app.views.units import percent


def draw_bar(name: str, said: str, share: float, fill: str = "", style: str = "") -> str:
    """A bar.

    Args:
        name: What it is of, as HTML.
        said: Its value, as HTML.
        share: Of the track's length.
        fill: A class that colours it.
        style: A class of the whole line.
    """
    filled, marked = f"oz-fill {fill}".strip(), f"oz-bar {style}".strip()
    return (
        f'<div class="{marked}"><span>{name}</span><span class="oz-share">{said}</span>'
        f'<span class="oz-track"><span class="{filled}" style="width:{100 * share:.1f}%"></span></span></div>'
    )


def draw_bars(bars: Iterable[str], style: str = "") -> str:
    """Bars below each other."""
    marked = f"oz-bars {style}".strip()
    return f'<div class="{marked}">{"".join(bars)}</div>'


def draw_shares(say: Language, shares: Mapping[str, float]) -> str:
    """Importances: shares that add up to one, the largest first, and as long as its track."""
    if not shares:
        return render_empty(say("Importances need at least four complete trials."))
    largest = max(shares.values()) or 1.0
    return draw_bars(
        draw_bar(escape(name), percent(say, share, 1), share / largest, "oz-positive") for name, share in shares.items()
    )
