"""Answer cards: each model's verdict, how sure it is, and how long it took. Nothing a visitor typed is ever in them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from engine.data.reading import WORDS
from engine.data.tasks import Task
from engine.evaluation.metrics import interval_of
from engine.experiments.foundations import Foundation, licences_of, of_checkpoint
from engine.serving.answers import Answer, Failure
from engine.serving.exports import RUNTIMES as LONG_RUNTIMES
from engine.training.checkpoints import Checkpoint
from gradio_app.languages import Language
from gradio_app.views.charts.bars import draw_bar, draw_bars
from gradio_app.views.classes import render_chip, render_class, sign, slug
from gradio_app.views.names import RUNTIMES
from gradio_app.views.tables import say_repeats
from gradio_app.views.units import compact, count, figure, latency, milliseconds, percent, spread


@dataclass(frozen=True)
class Facts:
    """What a card says of a model before it answers."""

    name: str
    about: str
    quality: str
    rests: str = ""
    """What an untrained model rests on, and under which licence; empty for a trained one."""
    mean: str = ""
    """Its mean over seeds and folds; empty where that wasn't measured."""
    votes: bool = True
    """Whether its answer counts among the models': not where it ignores the text, or wasn't trained on purpose."""


def facts_of(say: Language, checkpoint: Checkpoint, means: Mapping[str, Any] | None = None) -> Facts:
    """Read a card's facts from a checkpoint's manifest, and from its means over seeds and folds, if any."""
    manifest = checkpoint.manifest
    record = manifest["run"]["record"]
    test = record["scores"]["test"]
    ends = interval_of(test, "macro_f1")
    # The interval never parts at the end of a line.
    numbers = "\u2060–\u2060".join(figure(say, end, 2) for end in ends or ())
    around = f"\u00a0({numbers})" if ends else ""
    recipe = manifest["recipe"]
    ignores = recipe.get("baseline") == "majority"
    quality = say("test macro F1 {value}", value=figure(say, test["macro_f1"], 2))
    return Facts(
        name=manifest["name"],
        about=say("ignores the text: class shares") if ignores else _say_size(say, **record["parameters"]),
        quality=f"{quality}{around}",
        mean=_say_mean(say, means) if means else "",
        rests=_say_rests(say, of_checkpoint(checkpoint)) if recipe["kind"] == "frozen" else "",
        votes=not ignores and recipe["kind"] != "frozen",
    )


def _say_rests(say: Language, foundations: list[Foundation]) -> str:
    """What an untrained model rests on; its licence is that model's, not that of the data here."""
    if not foundations:
        return ""
    return say(
        "rests on {models}; licence: {licence}",
        models=", ".join(one.name for one in foundations),
        licence="; ".join(licences_of(foundations)) or say("not recorded"),
    )


def _say_mean(say: Language, means: Mapping[str, Any]) -> str:
    """The mean beside which the figure of this one model has to be read."""
    mean = means["macro_f1"]
    figures = spread(say, mean["mean"], mean["deviation"])
    return say("mean macro F1 over {repeats}: {figures}", repeats=say_repeats(say, means), figures=figures)


def _say_size(say: Language, total: int, trained: int, **_: Any) -> str:
    count = compact(say, total)
    if trained == total:
        return say("{n} weights", n=count)
    if not trained:
        return say("{n} weights, none trained", n=count)
    return say("{n} weights, {trained} trained", n=count, trained=compact(say, trained))


def facts_of_untouched(say: Language, name: str) -> Facts:
    """A card's facts for a backbone that nothing was trained on."""
    about, quality = say("before training: zero-shot"), say("never tested: see the zero-shot models")
    return Facts(name, about, quality, votes=False)


def _voting(answers: Sequence[Answer], facts: Sequence[Facts]) -> list[Answer]:
    """The answers that count, those of models that ignore the text left out."""
    blind = {fact.name for fact in facts if not fact.votes}
    return [answer for answer in answers if answer.model not in blind]


def verdict_of_most(answers: Sequence[Answer], facts: Sequence[Facts]) -> str | None:
    """The label that most models chose, those that ignore the text left out; None on a tie."""
    votes = Counter(answer.label for answer in _voting(answers, facts)).most_common(2)
    if not votes or (len(votes) == 2 and votes[0][1] == votes[1][1]):
        return None
    return votes[0][0]


def render_cards(say: Language, task: Task, facts: Sequence[Facts], arrived: Sequence[Answer | Failure]) -> str:
    """All cards: those that have answered, and placeholders for those that haven't."""
    by_model = {one.model: one for one in arrived}
    answers = [one for one in arrived if isinstance(one, Answer)]
    done = len(arrived) == len(facts)
    most = verdict_of_most(answers, facts)
    cards = "".join(_render_card(say, task, fact, by_model.get(fact.name), most if done else None) for fact in facts)
    return (
        f'<div class="oz-answers" data-done="{str(done).lower()}">'
        f"{_render_summary(say, task, facts, answers, most, done)}"
        f'<div class="oz-cards">{cards}</div></div>'
    )


def _render_summary(
    say: Language, task: Task, facts: Sequence[Facts], answers: Sequence[Answer], most: str | None, done: bool
) -> str:
    voting = _voting(answers, facts)
    if not done:
        words = say("{n} of {all} models have answered…", n=len(answers), all=len(facts))
    elif not voting:
        words = say("No model trained on such texts has answered.")
    elif most is None:
        words = say("The models are split evenly.")
    else:
        agree = sum(answer.label == most for answer in voting)
        words = _say_agreement(say, agree, len(voting), render_chip(say, most))
    split = done and len({answer.label for answer in voting}) > 1
    votes = _render_votes(say, task, voting) if split else ""
    return f'<div class="oz-summary" role="status"><span>{words}</span>{votes}</div>'


def _say_agreement(say: Language, agree: int, voting: int, label: str) -> str:
    if agree < voting:
        return say("{agree} of {n} models trained on such texts say {label}", agree=agree, n=voting, label=label)
    if voting == 2:
        return say("Both models trained on such texts say {label}", label=label)
    return say.plural(
        "The one model trained on such texts says {label}",
        "All {n} models trained on such texts say {label}",
        voting,
        label=label,
    )


def _render_votes(say: Language, task: Task, voting: Sequence[Answer]) -> str:
    """How many models chose each class, as one bar."""
    counts = Counter(answer.label for answer in voting)
    chosen = [(label, counts[label]) for label in task.labels if counts[label]]
    words = ", ".join(f"{say(label)}: {count}" for label, count in chosen)
    parts = "".join(
        f'<span class="oz-vote oz-{slug(label)}" style="flex-grow:{count}">{sign(label)} {count}</span>'
        for label, count in chosen
    )
    return f'<span class="oz-votes" role="img" aria-label="{escape(words)}" title="{escape(words)}">{parts}</span>'


def _render_card(say: Language, task: Task, fact: Facts, answer: Answer | Failure | None, most: str | None) -> str:
    name, about = escape(fact.name), f'<p class="oz-about">{escape(fact.about)}</p>'
    rests = f"<br>{escape(fact.rests)}" if fact.rests else ""
    mean = f' title="{escape(fact.mean)}"' if fact.mean else ""
    foot = f'<p class="oz-quality"{mean}>{escape(fact.quality)}{rests}</p>'
    style, marks, badge = "", "", ""
    if answer is None:
        style, body = " oz-waiting", f'<p class="oz-wait">…</p>{foot}'
    elif isinstance(answer, Failure):
        style, body = " oz-failed", f'<p class="oz-reason">{escape(say.again(answer.reason))}</p>'
    else:
        if most is not None and answer.label != most and fact.votes:
            style, badge = " oz-differs", f'<span class="oz-badge">{say("differs")}</span>'
        marks = f' data-label="{escape(answer.label)}"'
        body = (
            f'<p class="oz-verdict">{render_chip(say, answer.label)}</p>{_render_scores(say, task, answer)}'
            f"{_render_reading(say, answer)}{_render_times(say, answer)}{foot}"
        )
    return (
        f'<article class="oz-card{style}" data-model="{name}"{marks}>'
        f'<div class="oz-named"><h2>{name}</h2>{badge}</div>{about}{body}</article>'
    )


def _render_reading(say: Language, answer: Answer) -> str:
    """What of the text the model didn't read, or has no sign for; nothing where it has read and known all."""
    lines = answer.reading.warnings() if answer.reading else []
    return "".join(f'<p class="oz-read">{escape(say.again(line))}</p>' for line in lines)


def _render_times(say: Language, answer: Answer) -> str:
    usual = ""
    if answer.calls > 1:
        what = say.plural(
            "Median of the last answer of this model", "Median of the last {n} answers of this model", answer.calls
        )
        median = milliseconds(say, answer.p50_ms)
        usual = f'<span class="oz-usual" title="{escape(what)}">p50 {median}</span>'
    took = f"<b>{milliseconds(say, answer.ms)}</b> {say('ms')}"
    return (
        f'<p class="oz-ms" title="{_say_timing(say, answer)}">{took}{usual}'
        f'<span class="oz-runtime">{escape(RUNTIMES[answer.runtime])}</span></p>'
    )


def _say_timing(say: Language, answer: Answer) -> str:
    """What the milliseconds are, for those who ask."""
    runtime = say(LONG_RUNTIMES[answer.runtime])
    words = say("The model's own time in {runtime}, tokenising included.", runtime=runtime)
    if answer.waited_ms >= 1:
        words += " " + say("{time} of waiting for a free core apart.", time=latency(say, answer.waited_ms))
    if answer.reading and not answer.reading.truncated:
        n = count(say, answer.reading.read)
        words += " " + (
            say("Words read: all {n}.", n=n) if answer.reading.unit == WORDS else say("Tokens read: all {n}.", n=n)
        )
    return escape(words)


def _render_scores(say: Language, task: Task, answer: Answer) -> str:
    return draw_bars(
        draw_bar(
            render_class(say, label, short=True),
            percent(say, answer.scores[label]),
            answer.scores[label],
            f"oz-{slug(label)}",
        )
        for label in task.labels
    )
