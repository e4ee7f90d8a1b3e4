"""What models said of a file, as HTML: agreement, shares of classes, scores, and where they differ."""

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
from gradio_app.languages import Language, message
from gradio_app.views.batch import measured, percent, user_text
from gradio_app.views.cards import SIGNS

FIGURES: Mapping[str, str] = {
    "accuracy": message("accuracy"),
    "macro_f1": message("macro F1"),
    "weighted_f1": message("weighted F1"),
    "mcc": message("MCC"),
    "loss": message("loss"),
}
"""Figures with intervals, and what they are called."""


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
    time = measured(say, results.elapsed)
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
        models=say.number(len(common.models)),
        share=f"<b>{percent(say, common.unanimous / common.rows)}</b>",
        rows=say.number(common.rows, ","),
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


def _scroll(name: str, table: str) -> str:
    return f'<div class="oz-scroll" tabindex="0" role="region" aria-label="{escape(name)}">{table}</div>'


def _shares(say: Language, results: Results) -> str:
    head = "".join(f'<th scope="col">{_signed(say, one)}</th>' for one in results.task.labels)
    body = []
    for name, shares in results.shares.items():
        bar = "".join(
            f'<span class="oz-fill oz-{slug(label)}" style="width:{100 * share:.2f}%"></span>'
            for label, share in shares.items()
        )
        cells = "".join(f"<td>{percent(say, share)}</td>" for share in shares.values())
        body.append(
            f'<tr><th scope="row">{escape(name)}<span class="oz-stack" aria-hidden="true">{bar}</span></th>{cells}'
            f"<td>{say.number(results.answered[name], ',')}</td><td>{measured(say, results.seconds[name])}</td></tr>"
        )
    return _scroll(
        say("Shares of classes"),
        f'<table class="oz-table"><thead><tr><th scope="col">{say("model")}</th>{head}'
        f'<th scope="col">{say("rows")}</th><th scope="col">{say("time")}</th></tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>",
    )


def _readings(say: Language, results: Results) -> str:
    """Which models cut texts, or have no sign for something in them; the file says in which rows."""
    lines = [line for model, summary in results.readings.items() for line in describe_summary(model, summary)]
    if not lines:
        return ""
    listed = "".join(f"<li>{escape(say.again(line))}</li>" for line in lines)
    told = say("The columns ending in _truncated and _unknown of the file say in which rows, and how much.")
    return f'<ul class="oz-note oz-notes">{listed}<li>{escape(told)}</li></ul>'


def _scores(say: Language, results: Results) -> str:
    head = "".join(f'<th scope="col">{escape(say(title))}</th>' for title in FIGURES.values())
    best = {name: BETTER[name](getattr(one, name) for one in results.scores.values()) for name in FIGURES}
    body = []
    for model, scores in results.scores.items():
        cells = []
        for name in FIGURES:
            value, ends = getattr(scores, name), scores.intervals.get(name)
            interval = "–".join(say.number(end, ".3f") for end in ends) if ends else ""
            marked = ' class="oz-best"' if value == best[name] and len(results.scores) > 1 else ""
            cells.append(
                f"<td{marked}>{say.number(value, '.3f')}" + (f"<small>{interval}</small></td>" if ends else "</td>")
            )
        n = say.number(scores.rows, ",")
        body.append(f'<tr><th scope="row">{escape(model)}</th>{"".join(cells)}<td>{n}</td></tr>')
    table = _scroll(
        say("Scores"),
        f'<table class="oz-table"><thead><tr><th scope="col">{say("model")}</th>{head}<th scope="col">n</th></tr>'
        f"</thead><tbody>{''.join(body)}</tbody></table>",
    )
    seen = "".join(
        '<div class="oz-notice">'
        + say.plural(
            "<b>{model}</b> was trained on {n} of these rows, so its figures here flatter it.",
            "<b>{model}</b> was trained on {n} of these rows, so its figures here flatter it.",
            count,
            model=escape(model),
        )
        + "</div>"
        for model, count in results.seen.items()
    )
    note = say(
        "Small figures: 95 % bootstrap intervals over the labelled rows; n: how many of those a model answered. "
        "Green and bold: the best of a column."
    )
    return f'{table}<p class="oz-note">{note}</p>{seen}'


def _pairs(say: Language, pairs: Agreement) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in pairs.models)
    body = []
    for place, name in enumerate(pairs.models):
        cells = "".join(_pair(say, share, place == other) for other, share in enumerate(pairs.pairs[place]))
        body.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return _scroll(
        say("Agreement of every two models"),
        f'<table class="oz-table oz-pairs"><thead><tr><th scope="col">{say("model")}</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>",
    )


def _pair(say: Language, share: float, itself: bool) -> str:
    if itself or math.isnan(share):
        return "<td>–</td>"
    return f'<td style="--oz-share:{100 * share:.0f}%">{percent(say, share)}</td>'


def _differences(say: Language, results: Results) -> str:
    models = list(results.shares)
    labelled = any(one.label is not None for one in results.differences)
    titles = [say("row"), say("text"), *([say("label")] if labelled else []), *map(escape, models)]
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = []
    for one in results.differences:
        texts = "".join(user_text(text) for text in one.texts)
        label = f"<td>{_short(say, one.label)}</td>" if labelled else ""
        cells = "".join(f"<td>{_short(say, one.said.get(name))}</td>" for name in models)
        body.append(f'<tr><th scope="row">{one.number}</th><td class="oz-cell">{texts}</td>{label}{cells}</tr>')
    table = _scroll(
        say("Rows on which models differ"),
        f'<table class="oz-table oz-batch-rows"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>',
    )
    count = say.plural("They differ on {n} row.", "They differ on {n} rows.", results.differing)
    shown = say("Shown are {n} on which they differ most.", n=len(results.differences))
    more = f" {shown}" if results.differing > len(results.differences) else ""
    return f'<p class="oz-note">{count}{more}</p>{table}'


def _signed(say: Language, label: str) -> str:
    """A class with its sign, so that colour isn't the only difference."""
    return (
        f'<span class="oz-said-label oz-{slug(label)}"><span aria-hidden="true">{SIGNS.get(label, "■")}</span> '
        f"{escape(say(label))}</span>"
    )


def _short(say: Language, label: str | None) -> str:
    """A class by its first word, as a table with many models is wide already."""
    if label is None:
        return "–"
    word = label.split(" or ")[0]
    return (
        f'<span class="oz-said-label oz-{slug(label)}"><span aria-hidden="true">{SIGNS.get(label, "■")}</span> '
        f"{escape(say(word))}</span>"
    )


def slug(label: str) -> str:
    """A class's name in class names of CSS."""
    return "".join(char if char.isalnum() else "-" for char in label.split(" or ")[0].lower())
