"""How cost grows, as figures: a pure function of what was measured."""

from collections.abc import Mapping
from html import escape
from typing import Any

from gradio_app.views import plots

TITLES = {
    "length": "An answer, by the text's length",
    "batch": "Throughput, by the batch",
    "rows": "An epoch, by train rows",
    "models": "Memory, by open models",
}


def render_growth(growth: Mapping[str, Any]) -> str:
    """The four figures, each with what it says in words."""
    figures = "".join(_figure(name, series, growth) for name, series in growth["series"].items())
    machine = escape(str(growth["machine"]["device_name"]))
    return (
        f'<div class="oz-growths">{figures}</div><p class="oz-note">One thread, random weights but for the memory; '
        f"measured on {machine} by <code>odzera bench growth</code>.</p>"
    )


def _figure(name: str, series: Mapping[str, Any], growth: Mapping[str, Any]) -> str:
    across, upwards = growth["axes"][name]
    return (
        f'<section class="oz-growth"><h4>{TITLES[name]} <small>{escape(upwards)}</small></h4>'
        f"{plots.draw_growth(series, across, upwards, linear=name == 'models')}"
        f'<p class="oz-note">{escape(_says(name, series, growth["exponents"][name]))}</p></section>'
    )


def _says(name: str, series: Mapping[str, Any], exponents: Mapping[str, float]) -> str:
    if name == "models":
        return " ".join(
            f"{task}: {points[-1][1] - points[0][1]:,.0f} MB for {points[-1][0]:.0f} models, on top of "
            f"{points[0][1]:,.0f} MB for Python and its libraries."
            for task, points in series.items()
        )
    if name == "batch":
        best = {one: max(points, key=lambda point: point[1]) for one, points in series.items()}
        return " ".join(
            f"{one}: {speed:,.0f} a second at best, {size:.0f} at a time." for one, (size, speed) in best.items()
        )
    return "Growth at the end, as a power (1 is linear): " + ", ".join(
        f"{one} {exponent:.2f}" for one, exponent in exponents.items()
    )
