"""How cost grows with length, batch, rows and open models: charts, and what they say in words."""

from collections.abc import Mapping
from html import escape
from typing import Any

from engine.results.scaling import BATCH_LENGTH
from gradio_app.languages import Language, message
from gradio_app.views.charts.growth import draw_growth
from gradio_app.views.units import count, figure

FIGURES: Mapping[str, tuple[str, str, str]] = {
    "length": (message("An answer, by the text's length"), message("tokens of a text"), message("ms")),
    "batch": (message("Throughput, by the batch"), message("texts of {tokens} tokens in a batch"), message("texts/s")),
    "rows": (message("An epoch, by train rows"), message("train rows"), message("seconds an epoch")),
    "models": (message("Memory, by open models"), message("models open"), message("MB resident")),
}
"""Each figure's heading, and the words on its axes."""


def render_growth(say: Language, growth: Mapping[str, Any]) -> str:
    """The four figures, each with what it says in words."""
    figures = "".join(_figure(say, name, series, growth) for name, series in growth["series"].items())
    told = say(
        "One thread, random weights but for the memory; measured on {machine} by <code>odzera bench growth</code>.",
        machine=escape(str(growth["machine"]["device_name"])),
    )
    return f'<div class="oz-growths">{figures}</div><p class="oz-note">{told}</p>'


def _figure(say: Language, name: str, series: Mapping[str, Any], growth: Mapping[str, Any]) -> str:
    title, across, upwards = FIGURES[name]
    drawing = draw_growth(say, series, say(across, tokens=BATCH_LENGTH), say(upwards), linear=name == "models")
    return (
        f'<section class="oz-growth"><h3>{escape(say(title))} <small>{escape(say(upwards))}</small></h3>{drawing}'
        f'<p class="oz-note">{escape(_says(say, name, series, growth["exponents"][name]))}</p></section>'
    )


def _says(say: Language, name: str, series: Mapping[str, Any], exponents: Mapping[str, float]) -> str:
    if name == "models":
        return " ".join(
            say(
                "{task}: {more} MB for {n} models, on top of {base} MB for Python and its libraries.",
                task=task,
                more=count(say, points[-1][1] - points[0][1]),
                n=count(say, points[-1][0]),
                base=count(say, points[0][1]),
            )
            for task, points in series.items()
        )
    if name == "batch":
        best = {one: max(points, key=lambda point: point[1]) for one, points in series.items()}
        return " ".join(
            say(
                "{model}: {speed} a second at best, {size} at a time.",
                model=one,
                speed=count(say, speed),
                size=count(say, size),
            )
            for one, (size, speed) in best.items()
        )
    grown = ", ".join(f"{one} {figure(say, exponent, 2)}" for one, exponent in exponents.items())
    return say("Growth at the end, as a power (1 is linear): {grown}.", grown=grown)
