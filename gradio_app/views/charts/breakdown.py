"""Figures by class and by language as bars, one panel each, all on the same scale."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from engine.results.inspection import Figure
from gradio_app.languages import Language, message
from gradio_app.views.classes import render_class
from gradio_app.views.names import name_language
from gradio_app.views.units import count, interval
from gradio_app.views.units import figure as write_figure

CLASS_FIGURES: Mapping[str, str] = {
    "f1": message("F1"),
    "precision": message("precision"),
    "recall": message("recall"),
}
"""Figures of a class, and what they are called."""
MEANINGS: Mapping[str, str] = {
    "f1": message("F1: the harmonic mean of precision and recall. Whiskers: 95 % bootstrap intervals."),
    "precision": message(
        "Precision: of the texts that got this answer, the share that deserved it. Whiskers: Wilson's 95 % intervals."
    ),
    "recall": message(
        "Recall: of the texts of this class, the share that got this answer. Whiskers: Wilson's 95 % intervals."
    ),
}


def draw_classes(
    say: Language, models: Mapping[str, Mapping[str, Sequence[Figure]]], labels: Sequence[str], chosen: str
) -> str:
    """A panel for each class with a bar for each model.

    Args:
        say: The page's language.
        models: Model → key of `CLASS_FIGURES` → a figure for each class.
        labels: The classes.
        chosen: Which figure is drawn.
    """
    panels = []
    for place, label in enumerate(labels):
        rows = next(iter(models.values()))["recall"][place].rows
        told = say.plural("{n} test row", "{n} test rows", rows)
        bars = ((name, figures[chosen][place], "") for name, figures in models.items())
        panels.append(_panel(say, render_class(say, label), told, bars))
    return f'<p class="oz-note">{escape(say(MEANINGS[chosen]))}</p>{_strip(say("Figures by class"), panels)}'


def draw_languages(say: Language, models: Mapping[str, Mapping[str, Figure]]) -> str:
    """A panel for each model with a bar for each language; nothing where all rows are in one.

    Args:
        say: The page's language.
        models: Model → language code → accuracy.
    """
    if max(map(len, models.values()), default=0) < 2:
        return ""
    panels = []
    for name, languages in models.items():
        bars = ((name_language(say, code), figure, count(say, figure.rows)) for code, figure in languages.items())
        panels.append(_panel(say, escape(name), "", bars))
    note = say(
        "Accuracy on the test rows of each language, with how many there are. Whiskers: Wilson's 95 % intervals, wide "
        "where rows are few. The line marks one in three, what guessing gives."
    )
    return f'<p class="oz-note">{escape(note)}</p>{_strip(say("Accuracy by language"), panels, " oz-chance")}'


def _strip(region: str, panels: Sequence[str], more: str = "") -> str:
    """Panels side by side; on a phone they are moved along."""
    return (
        f'<div class="oz-scroll oz-strip oz-panels{more}" tabindex="0" role="region" aria-label="{escape(region)}">'
        f"{''.join(panels)}</div>"
    )


def _panel(say: Language, title: str, told: str, bars: Iterable[tuple[str, Figure, str]]) -> str:
    """A heading, which is HTML, and its bars: (name, figure, number of rows)."""
    small = f" <small>{escape(told)}</small>" if told else ""
    lines = "".join(_bar(say, *one) for one in bars)
    return f'<section class="oz-panel"><h3>{title}{small}</h3><ul>{lines}</ul></section>'


def _bar(say: Language, name: str, figure: Figure, rows: str) -> str:
    ends = interval(say, (figure.low, figure.high), 2)
    title = say(
        "{name}: {value} (95 %: {ends}), {rows}",
        name=name,
        value=write_figure(say, figure.value),
        ends=ends,
        rows=say.plural("{n} test row", "{n} test rows", figure.rows),
    )
    counted = f"<small>{rows}</small>" if rows else ""
    return (
        f'<li title="{escape(title)}"><span class="oz-name">{escape(name)}{counted}</span>'
        f'<span class="oz-measure" aria-hidden="true"><i style="width:{100 * figure.value:.1f}%"></i>'
        f'<b style="left:{100 * figure.low:.1f}%;width:{100 * (figure.high - figure.low):.1f}%"></b></span>'
        f'<span class="oz-value">{write_figure(say, figure.value, 2)}<span class="oz-unseen"> ({ends})</span></span>'
        "</li>"
    )
