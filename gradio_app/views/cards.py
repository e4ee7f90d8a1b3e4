"""Answer cards as HTML: pure functions. Nothing a user typed is ever in them, and all else is escaped."""

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
from engine.serving.exports import RUNTIMES
from engine.training.checkpoints import Checkpoint
from gradio_app.languages import Language, message
from gradio_app.views.wording import compact

SIGNS: Mapping[str, str] = {
    "negative": "▼",
    "neutral or ambiguous": "●",
    "positive": "▲",
    "entailment": "✓",
    "neutral": "●",
    "contradiction": "✕",
}
"""A sign beside every colour, for readers who can't tell the colours apart."""


SHORT: Mapping[str, str] = {
    "torch": "PyTorch",
    "fp32": "ONNX",
    "int8": "ONNX 8-bit",
    "int8-blocks": "ONNX 8-bit",
    "numpy": "NumPy",
}
"""What computes a model, in a word or two."""
CLASSES = (
    message("negative"),
    message("neutral or ambiguous"),
    message("neutral"),
    message("positive"),
    message("entailment"),
    message("contradiction"),
)
"""The classes of both tasks; `neutral` stands for `neutral or ambiguous` where room is short."""


@dataclass(frozen=True)
class Facts:
    """What a card says of a model before it answers."""

    name: str
    about: str
    quality: str
    rests: str = ""
    """What an untrained model rests on, and under which licence; empty for a trained one."""
    votes: bool = True
    """Whether its answer counts among the models': not where it ignores the text, or wasn't trained on purpose."""


def facts_of(say: Language, checkpoint: Checkpoint) -> Facts:
    """Read a card's facts from a checkpoint's manifest."""
    manifest = checkpoint.manifest
    record = manifest["run"]["record"]
    test = record["scores"]["test"]
    ends = interval_of(test, "macro_f1")
    numbers = "\u2060–\u2060".join(say.number(end, ".2f") for end in ends or ())
    interval = f"\u00a0({numbers})" if ends else ""
    recipe = manifest["recipe"]
    ignores = recipe.get("baseline") == "majority"
    quality = say("test macro F1 {value}", value=say.number(test["macro_f1"], ".2f"))
    return Facts(
        name=manifest["name"],
        about=say("ignores the text: class shares") if ignores else _size(say, **record["parameters"]),
        quality=f"{quality}{interval}",
        rests=_rests(say, of_checkpoint(checkpoint)) if recipe["kind"] == "frozen" else "",
        votes=not ignores and recipe["kind"] != "frozen",
    )


def _rests(say: Language, foundations: list[Foundation]) -> str:
    if not foundations:
        return ""
    return say(
        "rests on {models}; licence: {licence}",
        models=", ".join(one.name for one in foundations),
        licence="; ".join(licences_of(foundations)) or say("not recorded"),
    )


def _size(say: Language, total: int, trained: int, **_: Any) -> str:
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


def short(number: int) -> str:
    """`822,659` → `823k`, `22,714,371` → `22.7M`."""
    if number >= 999_500:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e3:.0f}k" if number >= 10_000 else f"{number:,}"


def milliseconds(value: float) -> str:
    """One decimal, or two significant digits below one millisecond, so that no time reads as none."""
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def verdict_of_most(answers: Sequence[Answer], facts: Sequence[Facts]) -> str | None:
    """The label that most models chose, those that ignore the text left out; None on a tie."""
    blind = {fact.name for fact in facts if not fact.votes}
    votes = Counter(answer.label for answer in answers if answer.model not in blind).most_common(2)
    if not votes or (len(votes) == 2 and votes[0][1] == votes[1][1]):
        return None
    return votes[0][0]


def render(say: Language, task: Task, facts: Sequence[Facts], arrived: Sequence[Answer | Failure]) -> str:
    """All cards: those that have answered, and placeholders for those that haven't."""
    by_model = {one.model: one for one in arrived}
    answers = [one for one in arrived if isinstance(one, Answer)]
    done = len(arrived) == len(facts)
    most = verdict_of_most(answers, facts)
    cards = "".join(_card(say, task, fact, by_model.get(fact.name), most if done else None) for fact in facts)
    return (
        f'<div class="oz-answers" data-done="{str(done).lower()}">{_summary(say, task, facts, answers, most, done)}'
        f'<div class="oz-cards">{cards}</div></div>'
    )


def _summary(
    say: Language, task: Task, facts: Sequence[Facts], answers: Sequence[Answer], most: str | None, done: bool
) -> str:
    blind = {fact.name for fact in facts if not fact.votes}
    voting = [answer for answer in answers if answer.model not in blind]
    if not done:
        words = say("{n} of {all} models have answered…", n=len(answers), all=len(facts))
    elif not voting:
        words = say("No model trained on such texts has answered.")
    elif most is None:
        words = say("The models are split evenly.")
    else:
        words = _agreement(say, sum(answer.label == most for answer in voting), len(voting), _chip(say, most))
    split = done and len({answer.label for answer in voting}) > 1
    votes = _votes(say, task, voting) if split else ""
    return f'<div class="oz-summary" role="status"><span>{words}</span>{votes}</div>'


def _agreement(say: Language, agree: int, voting: int, label: str) -> str:
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


def _votes(say: Language, task: Task, voting: Sequence[Answer]) -> str:
    """How many models chose each class, as one bar."""
    counts = Counter(answer.label for answer in voting)
    chosen = [(label, counts[label]) for label in task.labels if counts[label]]
    words = ", ".join(f"{say(label)}: {count}" for label, count in chosen)
    parts = "".join(
        f'<span class="oz-vote oz-{slug(label)}" style="flex-grow:{count}">{SIGNS.get(label, "■")} {count}</span>'
        for label, count in chosen
    )
    return f'<span class="oz-votes" role="img" aria-label="{escape(words)}" title="{escape(words)}">{parts}</span>'


def _chip(say: Language, label: str) -> str:
    return f'<span class="oz-chip oz-{slug(label)}">{signed(say, label)}</span>'


def signed(say: Language, label: str) -> str:
    """A label with its sign; `neutral or ambiguous` goes by its first word, as cards are narrow."""
    return f"{SIGNS.get(label, '■')} {escape(say(label.split(' or ')[0]))}"


def slug(label: str) -> str:
    """A label's name in the style sheet."""
    return "".join(char if char.isalnum() else "-" for char in label.split(" or ")[0].lower())


def _card(say: Language, task: Task, fact: Facts, answer: Answer | Failure | None, most: str | None) -> str:
    name = escape(fact.name)
    about = f'<p class="oz-about">{escape(fact.about)}</p>'
    head = f"<h2>{name}</h2>{about}"
    rests = f"<br>{escape(fact.rests)}" if fact.rests else ""
    foot = f'<p class="oz-quality">{escape(fact.quality)}{rests}</p>'
    if answer is None:
        return f'<article class="oz-card oz-waiting" data-model="{name}">{head}<p class="oz-wait">…</p>{foot}</article>'
    if isinstance(answer, Failure):
        reason = escape(say.again(answer.reason))
        return (
            f'<article class="oz-card oz-failed" data-model="{name}">{head}<p class="oz-reason">{reason}</p></article>'
        )
    differs = most is not None and answer.label != most and fact.votes
    badge = f'<span class="oz-badge">{say("differs")}</span>' if differs else ""
    head = f'<div class="oz-named"><h2>{name}</h2>{badge}</div>{about}'
    return (
        f'<article class="oz-card{" oz-differs" if differs else ""}" data-model="{name}" '
        f'data-label="{escape(answer.label)}">{head}'
        f'<p class="oz-verdict">{_chip(say, answer.label)}</p>{_bars(say, task, answer)}'
        f"{_reading(say, answer)}{_times(say, answer)}{foot}</article>"
    )


def _reading(say: Language, answer: Answer) -> str:
    """What of the text the model didn't read, or has no sign for; nothing where it has read and known all."""
    lines = answer.reading.warnings() if answer.reading else []
    return "".join(f'<p class="oz-read">{escape(say.again(line))}</p>' for line in lines)


def _times(say: Language, answer: Answer) -> str:
    usual = ""
    if answer.calls > 1:
        median = say.written(milliseconds(answer.p50_ms))
        what = say.plural(
            "Median of the last answer of this model", "Median of the last {n} answers of this model", answer.calls
        )
        usual = f'<span class="oz-usual" title="{escape(what)}">p50 {median}</span>'
    took = f"<b>{say.written(milliseconds(answer.ms))}</b> {say('ms')}"
    return (
        f'<p class="oz-ms" title="{_timing(say, answer)}">{took}{usual}'
        f'<span class="oz-runtime">{escape(SHORT[answer.runtime])}</span></p>'
    )


def _timing(say: Language, answer: Answer) -> str:
    """What the milliseconds are, for those who ask."""
    runtime = say(RUNTIMES[answer.runtime])
    words = say("The model's own time in {runtime}, tokenising included.", runtime=runtime)
    if answer.waited_ms >= 1:
        waited = say.written(milliseconds(answer.waited_ms))
        words += " " + say("{ms} ms of waiting for a free core apart.", ms=waited)
    if answer.reading and not answer.reading.truncated:
        n = say.number(answer.reading.read, ",")
        words += " " + (
            say("Words read: all {n}.", n=n) if answer.reading.unit == WORDS else say("Tokens read: all {n}.", n=n)
        )
    return escape(words)


def _bars(say: Language, task: Task, answer: Answer) -> str:
    rows = []
    for label in task.labels:
        share = answer.scores[label]
        rows.append(
            f'<div class="oz-bar"><span>{signed(say, label)}</span>'
            f'<span class="oz-share">{say.number(share, ".0%")}</span>'
            f'<span class="oz-track"><span class="oz-fill oz-{slug(label)}" style="width:{share * 100:.1f}%">'
            "</span></span></div>"
        )
    return f'<div class="oz-bars">{"".join(rows)}</div>'


def render_notice(text: str) -> str:
    """A designed place for an error or for nothing to show."""
    return f'<div class="oz-notice" role="alert">{escape(text)}</div>'


def render_empty(text: str) -> str:
    """What stands where answers will be."""
    return f'<div class="oz-empty">{escape(text)}</div>'
