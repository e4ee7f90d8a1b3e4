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
from engine.results.comparison import family_of
from engine.serving.answers import Answer, Failure
from engine.serving.exports import RUNTIMES as LONG_RUNTIMES
from engine.training.checkpoints import Checkpoint
from gradio_app.languages import Language, message
from gradio_app.views.charts.bars import draw_bar, draw_bars
from gradio_app.views.classes import render_chip, render_class, sign, slug
from gradio_app.views.names import RUNTIMES, foreign, name_model
from gradio_app.views.parts import render_empty
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
    kind: str = ""
    """The group it stands in, a key of `GROUPS`; none where that isn't known."""
    title: str = ""
    """What it is, in plain words."""
    accuracy: float = 0.0
    """On test."""


GROUPS: Mapping[str, str] = {
    "scratch": message("Trained from scratch"),
    "hybrid": message("TF-IDF and a decoder"),
    "pretrained": message("Adapted"),
    "frozen": message("Not trained here"),
    "baseline": message("Baselines"),
}
"""Groups of cards, in their order."""


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
        kind=family_of(checkpoint.recipe.as_dict()),
        title=name_model(say, checkpoint.recipe),
        accuracy=test["accuracy"],
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
    return Facts(name, about, quality, votes=False, kind="frozen")


def _voting(answers: Sequence[Answer], facts: Sequence[Facts]) -> list[Answer]:
    """The answers that count, those of models that ignore the text left out."""
    blind = {fact.name for fact in facts if not fact.votes}
    return [answer for answer in answers if answer.model not in blind]


def lead_of(answers: Sequence[Answer], facts: Sequence[Facts]) -> Answer | None:
    """The answer of the model that was right most often on test, among those that count; the first of equal ones."""
    # Whichever answered sooner.
    ranks = {fact.name: (fact.accuracy, -place) for place, fact in enumerate(facts)}
    return max(_voting(answers, facts), key=lambda answer: ranks[answer.model], default=None)


def render_no_answers(say: Language) -> str:
    """What stands where answers will."""
    return render_empty(say("Every model's verdict will stand here, side by side. Type something, or try an example."))


def render_example(
    say: Language, task: Task, texts: Sequence[str], facts: Sequence[Facts], answers: Sequence[Answer | Failure]
) -> str:
    """The cards of one of the page's own examples, until a visitor asks."""
    example = " → ".join(f"<q>{foreign(text, 200)}</q>" for text in texts)
    cards = render_cards(say, task, facts, answers).replace(' data-done="true"', "", 1)
    return f'<p class="oz-for-example">{say("For example")}: {example}</p>{cards}'


def render_cards(say: Language, task: Task, facts: Sequence[Facts], arrived: Sequence[Answer | Failure]) -> str:
    """All cards in their groups, the best on test first: those that have answered, and placeholders for the others."""
    by_model = {one.model: one for one in arrived}
    answers = [one for one in arrived if isinstance(one, Answer)]
    done = len(arrived) == len(facts)
    lead = lead_of(answers, facts) if done else None
    ordered = sorted(facts, key=lambda fact: -fact.accuracy)
    groups = []
    for kind in (*GROUPS, ""):
        cards = [_render_card(say, task, fact, by_model.get(fact.name), lead) for fact in ordered if fact.kind == kind]
        if cards:
            heading = f"<h2>{say(GROUPS[kind])}</h2>" if kind else ""
            groups.append(
                f'<section class="oz-group" style="--cards:{len(cards)}">{heading}'
                f'<div class="oz-cards">{"".join(cards)}</div></section>'
            )
    return (
        f'<div class="oz-answers" data-done="{str(done).lower()}">'
        f"{_render_summary(say, task, facts, answers, lead, done)}"
        f'<div class="oz-groups">{"".join(groups)}</div></div>'
    )


def _render_summary(
    say: Language, task: Task, facts: Sequence[Facts], answers: Sequence[Answer], lead: Answer | None, done: bool
) -> str:
    voting = _voting(answers, facts)
    if not done:
        words = say("{n} of {all} models have answered…", n=len(answers), all=len(facts))
    elif lead is None:
        words = say("No model trained on such texts has answered.")
    else:
        words = _say_lead(say, lead, next(fact for fact in facts if fact.name == lead.model))
        others = [answer for answer in voting if answer is not lead]
        if others:
            words += " " + _say_others(say, sum(answer.label == lead.label for answer in others), len(others))
    split = done and len({answer.label for answer in voting}) > 1
    votes = _render_votes(say, task, voting) if split else ""
    return f'<div class="oz-summary" role="status"><span>{words}</span>{votes}</div>'


def _say_lead(say: Language, lead: Answer, fact: Facts) -> str:
    """What the model that was right most often says, and how often that was."""
    label, model = render_chip(say, lead.label), f"<b>{escape(fact.title or fact.name)}</b>"
    if not fact.accuracy:
        return say("{model} says {label}.", model=model, label=label)
    share = percent(say, fact.accuracy)
    return say("{model} says {label}; it is right on {share} of the test rows.", model=model, label=label, share=share)


def _say_others(say: Language, agree: int, others: int) -> str:
    """How the other models that count divide: a model more or less is no argument, as many share a backbone."""
    if others == 2 and agree != 1:
        return say("Both others agree.") if agree else say("Neither of the two others agrees.")
    if agree == others:
        return say.plural("The other model agrees.", "All {n} others agree.", others)
    if not agree:
        return say.plural("The other model doesn't agree.", "None of the {n} others agrees.", others)
    return say.plural("{agree} of {n} other model agrees.", "{agree} of the {n} others agree.", others, agree=agree)


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


def _render_card(say: Language, task: Task, fact: Facts, answer: Answer | Failure | None, lead: Answer | None) -> str:
    name = escape(fact.name)
    called = f"<code>{name}</code> · " if fact.title else ""
    about = f'<p class="oz-about">{called}{escape(fact.about)}</p>'
    rests = f"<br>{escape(fact.rests)}" if fact.rests else ""
    mean = f' title="{escape(fact.mean)}"' if fact.mean else ""
    foot = f'<p class="oz-quality"{mean}>{escape(fact.quality)}{rests}</p>'
    style, marks, badge = "", "", ""
    if answer is None:
        style, body = " oz-waiting", f'<p class="oz-wait">…</p>{foot}'
    elif isinstance(answer, Failure):
        style, body = " oz-failed", f'<p class="oz-reason">{escape(say.again(answer.reason))}</p>'
    else:
        if lead is not None and answer.label != lead.label and fact.votes:
            badge = f'<span class="oz-badge">{say("differs")}</span>'
        marks = f' data-label="{escape(answer.label)}"'
        body = (
            f'<p class="oz-verdict">{render_chip(say, answer.label)}</p>{_render_scores(say, task, answer)}'
            f"{_render_reading(say, answer)}{_render_times(say, answer)}{foot}"
        )
    return (
        f'<article class="oz-card{style}" data-model="{name}"{marks}>'
        f'<div class="oz-named"><h3>{escape(fact.title) or name}</h3>{badge}</div>{about}{body}</article>'
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
