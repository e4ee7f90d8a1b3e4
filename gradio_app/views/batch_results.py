"""What models said of a file: agreement, shares of classes, scores, and where they differ."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from engine.data.reading import describe_summary
from engine.data.tasks import Task
from engine.evaluation.agreement import Agreement
from engine.evaluation.metrics import BETTER, Scores
from engine.serving.answers import Failure
from gradio_app.languages import Language
from gradio_app.views.batch import user_text
from gradio_app.views.classes import render_class, slug
from gradio_app.views.names import name_figure
from gradio_app.views.parts import render_row, render_table
from gradio_app.views.units import MISSING, count, duration, figure, interval, percent

FIGURES = ("accuracy", "macro_f1", "weighted_f1", "mcc", "loss")
"""Figures with intervals."""


@dataclass(frozen=True)
class Difference:
    """A row on which models differ."""

    number: int
    texts: tuple[str, ...]
    said: Mapping[str, str]
    """Model → class name."""
    label: str | None = None
    """What it is labelled as."""


@dataclass(frozen=True)
class Results:
    """All that is shown of a file that has been answered."""

    task: Task
    rows: int
    """That could be answered."""
    answered: Mapping[str, int]
    """Model → rows."""
    seconds: Mapping[str, float]
    shares: Mapping[str, Mapping[str, float]]
    agreement: Agreement | None
    """Of the models that count."""
    pairs: Agreement | None
    """Of all that were asked."""
    scores: Mapping[str, Scores]
    seen: Mapping[str, int]
    """Model → rows that it was trained on."""
    differences: Sequence[Difference]
    differing: int
    """How many rows there are on which models differ."""
    failures: Sequence[Failure]
    elapsed: float
    cancelled: bool
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Model → how much it read, as `Readings.summary`."""


def render_results(say: Language, results: Results) -> str:
    """Everything, the shortest answer first."""
    parts = [_summary(say, results), _failures(say, results.failures)]
    if results.shares:
        parts += [f"<h2>{say('What each model says')}</h2>", _shares(say, results), _readings(say, results)]
    if results.scores:
        parts += [f"<h2>{say('Measured against the labels')}</h2>", _scores(say, results)]
    if results.pairs is not None and len(results.pairs.models) > 1 and results.pairs.rows:
        parts += [f"<h2>{say('How often two models say the same')}</h2>", _pairs(say, results.pairs)]
    if results.differences:
        parts += [f"<h2>{say('Rows on which models differ')}</h2>", _differences(say, results)]
    return f'<div class="oz-batch-results">{"".join(parts)}</div>'


def _summary(say: Language, results: Results) -> str:
    time = duration(say, results.elapsed)
    if results.cancelled:
        ended = say("Cancelled after {time}; what was answered by then is below.", time=time)
        if not any(results.answered.values()):
            ended = say("Cancelled before any row was answered.")
    else:
        ended = say("Done in {time}.", time=time)
    common = results.agreement
    if common is None or len(common.models) < 2 or not common.rows:
        return f'<p class="oz-summary" role="status">{ended}</p>'
    told = say(
        "All {models} models say the same in {share} of {rows} rows.",
        models=len(common.models),
        share=f"<b>{percent(say, common.unanimous / common.rows, 1)}</b>",
        rows=count(say, common.rows),
    )
    others = [name for name in results.shares if name not in common.models]
    apart = (
        say("Not counted here, as they ignore the text or weren't trained on such texts: {models}.", models=names)
        if (names := escape(", ".join(others)))
        else ""
    )
    note = f'<p class="oz-note">{apart}</p>' if apart else ""
    return f'<p class="oz-summary" role="status">{ended} {told}</p>{note}'


def _failures(say: Language, failures: Sequence[Failure]) -> str:
    return "".join(
        f'<div class="oz-notice" role="alert"><b>{escape(one.model)}</b>: {escape(say.again(one.reason))}</div>'
        for one in failures
    )


def _shares(say: Language, results: Results) -> str:
    rows = []
    for name, shares in results.shares.items():
        bar = "".join(
            f'<span class="oz-fill oz-{slug(label)}" style="width:{100 * share:.2f}%"></span>'
            for label, share in shares.items()
        )
        cells = [percent(say, share, 1) for share in shares.values()]
        cells += [count(say, results.answered[name]), duration(say, results.seconds[name])]
        rows.append(render_row(f'{escape(name)}<span class="oz-stack" aria-hidden="true">{bar}</span>', cells))
    heads = [say("model"), *(_class(say, one) for one in results.task.labels), say("rows"), say("time")]
    return render_table(say("Shares of classes"), heads, rows)


def _readings(say: Language, results: Results) -> str:
    """Which models cut texts, or have no sign for something in them; the file says in which rows."""
    lines = [line for model, summary in results.readings.items() for line in describe_summary(model, summary)]
    if not lines:
        return ""
    listed = "".join(f"<li>{escape(say.again(line))}</li>" for line in lines)
    told = say("The columns ending in _truncated and _unknown of the file say in which rows, and how much.")
    return f'<ul class="oz-note oz-notes">{listed}<li>{escape(told)}</li></ul>'


def _scores(say: Language, results: Results) -> str:
    best = {name: BETTER[name](getattr(one, name) for one in results.scores.values()) for name in FIGURES}
    rows = []
    for model, scores in results.scores.items():
        cells = []
        for name in FIGURES:
            value = getattr(scores, name)
            marked = ' class="oz-best"' if value == best[name] and len(results.scores) > 1 else ""
            ends = scores.intervals.get(name)
            around = f"<small>{interval(say, ends)}</small>" if ends else ""
            cells.append(f"<td{marked}>{figure(say, value)}{around}</td>")
        rows.append(render_row(escape(model), [*cells, count(say, scores.rows)]))
    heads = [say("model"), *(escape(name_figure(say, name)) for name in FIGURES), "n"]
    table = render_table(say("Scores"), heads, rows)
    seen = "".join(
        '<div class="oz-notice">'
        + say.plural(
            "<b>{model}</b> was trained on {n} of these rows, so its figures here flatter it.",
            "<b>{model}</b> was trained on {n} of these rows, so its figures here flatter it.",
            seen_rows,
            model=escape(model),
        )
        + "</div>"
        for model, seen_rows in results.seen.items()
    )
    note = say(
        "Small figures: 95 % bootstrap intervals over the labelled rows; n: how many of those a model answered. "
        "Green and bold: the best of a column."
    )
    return f'{table}<p class="oz-note">{note}</p>{seen}'


def _pairs(say: Language, pairs: Agreement) -> str:
    rows = [
        render_row(escape(name), [_pair(say, share, place == other) for other, share in enumerate(pairs.pairs[place])])
        for place, name in enumerate(pairs.models)
    ]
    heads = [say("model"), *map(escape, pairs.models)]
    return render_table(say("Agreement of every two models"), heads, rows, "oz-pairs")


def _pair(say: Language, share: float, itself: bool) -> str:
    if itself or math.isnan(share):
        return MISSING
    return f'<td style="--oz-share:{100 * share:.0f}%">{percent(say, share, 1)}</td>'


def _differences(say: Language, results: Results) -> str:
    models = list(results.shares)
    labelled = any(one.label is not None for one in results.differences)
    heads = [say("row"), say("text"), *([say("label")] if labelled else []), *map(escape, models)]
    rows = []
    for one in results.differences:
        texts = f'<td class="oz-cell">{"".join(user_text(text) for text in one.texts)}</td>'
        labels = [*([one.label] if labelled else []), *(one.said.get(name) for name in models)]
        rows.append(render_row(one.number, [texts, *(_class(say, label, short=True) for label in labels)]))
    table = render_table(say("Rows on which models differ"), heads, rows, "oz-batch-rows")
    told = say.plural("They differ on {n} row.", "They differ on {n} rows.", results.differing)
    shown = say("Shown are {n} on which they differ most.", n=len(results.differences))
    more = f" {shown}" if results.differing > len(results.differences) else ""
    return f'<p class="oz-note">{told}{more}</p>{table}'


def _class(say: Language, label: str | None, short: bool = False) -> str:
    """A class in its colour; by its first word where a table with many models is wide already."""
    if label is None:
        return MISSING
    return f'<span class="oz-said-label oz-{slug(label)}">{render_class(say, label, short)}</span>'
