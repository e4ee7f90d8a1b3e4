"""The answer panel: the best model of each kind as bars, what that means in a sentence, and a slider over a curve."""

from collections.abc import Mapping, Sequence
from html import escape

from engine.data.tasks import Task
from engine.evaluation.differences import Verdict
from engine.results.answer import Answer, Bar, Lead
from engine.training.recipe import Recipe
from gradio_app.languages import Language, message
from gradio_app.views.names import foreign, name_model, name_source
from gradio_app.views.units import count, interval, percent, points
from gradio_app.views.units import figure as write_figure

KINDS: Mapping[str, str] = {
    "scratch": message("From scratch"),
    "pretrained": message("Adapted"),
    "frozen": message("Not trained here"),
    "hybrid": message("TF-IDF and a decoder"),
    "baseline": message("Baseline"),
}
"""A bar's kind."""


def render_answer(
    say: Language, task: Task, table: Answer, curve: Sequence[Answer] = (), recipes: Mapping[str, Recipe] | None = None
) -> str:
    """The panel: what the models' own table says, and behind it what each place of a curve says.

    Args:
        say: The page's language.
        task: Whose question it is.
        table: What the models on the page were found to do.
        curve: The same at rising numbers of training examples.
        recipes: Model → what it was made with, for those in the table; others go by their names.
    """
    called = {name: name_model(say, recipe) for name, recipe in (recipes or {}).items()}
    states = [_state(say, table, "table", called, shown=True)]
    # What a recipe was when a curve was measured, its name alone tells.
    states += [_state(say, answer, str(answer.train_rows), {}, shown=False) for answer in curve]
    name = f"{task.name}-answer"
    return (
        f'<section class="oz-answer" id="{name}" aria-label="{escape(say("From scratch, or adapt?"))}">'
        f"{''.join(states)}{_slider(say, name, curve) if curve else ''}</section>"
    )


def _slider(say: Language, name: str, curve: Sequence[Answer]) -> str:
    """Places of a curve to choose from; all are in the page already, so that it moves without a wait."""
    counts = [count(say, answer.train_rows or 0) for answer in curve]
    idle = escape(say("move it"))
    label = escape(say("How many labelled examples do you have?"))
    return (
        f'<div class="oz-have"><label for="{name}-have">{label}</label>'
        f'<input type="range" id="{name}-have" min="0" max="{len(curve) - 1}" step="1" value="{len(curve) - 1}" '
        f'data-places="{escape(" ".join(str(answer.train_rows) for answer in curve))}" '
        f'data-said="{escape("|".join(counts))}" data-idle="{idle}" aria-valuetext="{idle}">'
        f'<output for="{name}-have">{idle}</output>'
        f'<button type="button" class="oz-back" hidden>{escape(say("Back to these models"))}</button></div>'
    )


def _state(say: Language, answer: Answer, place: str, called: Mapping[str, str], shown: bool) -> str:
    bars = "".join(_bar(say, bar, called.get(bar.model, bar.model)) for bar in answer.bars)
    hidden = "" if shown else " hidden"
    sentences = " ".join(filter(None, (_say_question(say, answer), _say_baseline(say, answer))))
    return (
        f'<div class="oz-state" data-place="{escape(place)}"{hidden}>'
        f'<p class="oz-said" aria-live="polite">{sentences}</p><ul>{bars}</ul>'
        f'<p class="oz-note">{_describe(say, answer)}</p></div>'
    )


def _bar(say: Language, bar: Bar, own: str) -> str:
    """A kind's best model: what it is, how often it is right, and how sure that is."""
    whisker = unseen = ""
    if bar.low is not None and bar.high is not None:
        whisker = f'<b style="left:{100 * bar.low:.1f}%;width:{100 * (bar.high - bar.low):.1f}%"></b>'
        unseen = f'<span class="oz-unseen"> ({interval(say, (bar.low, bar.high), 2)})</span>'
    title = f"{bar.model}: {write_figure(say, bar.value)}"
    return (
        f'<li class="oz-family-{bar.kind}" title="{escape(title)}"><span class="oz-name">{escape(say(KINDS[bar.kind]))}'
        f'<small>{escape(own)}</small></span><span class="oz-measure" aria-hidden="true">'
        f'<i style="width:{100 * bar.value:.1f}%"></i>{whisker}</span>'
        f'<span class="oz-value">{percent(say, bar.value)}{unseen}</span></li>'
    )


def _say_question(say: Language, answer: Answer) -> str:
    """From scratch or adapted: which was right more often, and by how much."""
    lead = answer.question
    if lead is None:
        return escape(say("No model of both kinds was tried here: trained from scratch, and adapted."))
    adapted, scratch = (f"<code>{foreign(name)}</code>" for name in (lead.first, lead.second))
    values = {"adapted": adapted, "scratch": scratch, "lead": _say_lead(say, lead)}
    if lead.verdict is Verdict.FIRST:
        words = say("<b>Adapt.</b> {adapted} is right more often than {scratch}, by {lead} points.", **values)
    elif lead.verdict is Verdict.SECOND:
        values["lead"] = _say_lead(say, lead, turned=True)
        words = say(
            "<b>Train from scratch.</b> {scratch} is right more often than {adapted}, by {lead} points.", **values
        )
    elif lead.verdict is Verdict.EQUAL:
        words = say("<b>Either.</b> {adapted} and {scratch} are equal within a point ({lead}).", **values)
    else:
        words = say(
            "<b>No clear difference.</b> {adapted} less {scratch}: {lead} points, which chance alone can bring.",
            **values,
        )
    return words


def _say_lead(say: Language, lead: Lead, turned: bool = False) -> str:
    """`+2.6 (+0.4 to +4.9)`."""
    sign = -1 if turned else 1
    told = points(say, sign * lead.difference)
    if lead.low is None or lead.high is None:
        return told
    ends = (lead.high, lead.low) if turned else (lead.low, lead.high)
    low, high = (points(say, sign * end) for end in ends)
    return say("{value} ({low} to {high})", value=told, low=low, high=high)


def _say_baseline(say: Language, answer: Answer) -> str:
    """What the simplest model is worth beside both."""
    lead = answer.baseline
    if lead is None:
        return ""
    better, baseline = (f"<code>{foreign(name)}</code>" for name in (lead.first, lead.second))
    if lead.verdict is Verdict.FIRST:
        return say("{model} is clearly better than the baseline {baseline}.", model=better, baseline=baseline)
    if lead.verdict is Verdict.SECOND:
        return say("But the baseline {baseline} is clearly better than both.", baseline=baseline)
    return say("Neither is clearly better than the baseline {baseline}.", baseline=baseline)


def _describe(say: Language, answer: Answer) -> str:
    """The data by name, what a bar is a mean of, and who measured."""
    parts = [say("right answers on test: {source}", source=foreign(name_source(say, answer.source)))]
    if answer.train_rows is not None:
        parts.append(say.plural("{n} training example", "{n} training examples", answer.train_rows))
    parts.append(say.plural("{n} test row", "{n} test rows", answer.test_rows))
    if answer.folds > 1:
        parts.append(say("mean over up to {seeds} seeds × {folds} folds", seeds=answer.seeds, folds=answer.folds))
    elif answer.seeds > 1:
        parts.append(say.plural("mean over {n} seed", "mean over {n} seeds", answer.seeds))
    else:
        parts.append(say("one training each"))
    if answer.version:
        parts.append(say("measured by version {version}", version=escape(answer.version)))
    parts.append(say("whiskers: 95 %"))
    return ", ".join(parts)
