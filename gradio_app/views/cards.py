"""Answer cards as HTML: pure functions. Nothing a user typed is ever in them, and all else is escaped."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from engine.data.tasks import Task
from engine.serving.classifier import Answer, Failure
from engine.serving.exports import RUNTIMES

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


@dataclass(frozen=True)
class Facts:
    """What a card says of a model before it answers."""

    name: str
    about: str
    quality: str
    votes: bool = True
    """Whether its answer counts among the models': not where it ignores the text, or wasn't trained on purpose."""


def facts_of(manifest: Mapping[str, Any]) -> Facts:
    """Read a card's facts from a checkpoint's manifest."""
    record = manifest["run"]["record"]
    total, trained = record["parameters"]["total"], record["parameters"]["trained"]
    size = f"{short(total)} weights" + (
        "" if trained == total else f", {short(trained) if trained else 'none'} trained"
    )
    test = record["scores"]["test"]
    low, high = test["intervals"]["macro_f1"]
    recipe = manifest["recipe"]
    ignores = recipe.get("baseline") == "majority"
    return Facts(
        name=manifest["name"],
        about="ignores the text: class shares" if ignores else size,
        quality=f"test macro F1 {test['macro_f1']:.2f}\u00a0({low:.2f}\u2060–\u2060{high:.2f})",
        votes=not ignores and recipe["kind"] != "frozen",
    )


def facts_of_untouched(name: str) -> Facts:
    """A card's facts for a backbone that nothing was trained on."""
    return Facts(
        name, about="before training: zero-shot", quality="never tested: see the zero-shot models", votes=False
    )


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


def render(task: Task, facts: Sequence[Facts], arrived: Sequence[Answer | Failure]) -> str:
    """All cards: those that have answered, and placeholders for those that haven't."""
    by_model = {one.model: one for one in arrived}
    answers = [one for one in arrived if isinstance(one, Answer)]
    done = len(arrived) == len(facts)
    most = verdict_of_most(answers, facts)
    cards = "".join(_card(task, fact, by_model.get(fact.name), most if done else None) for fact in facts)
    return (
        f'<div class="oz-answers" data-done="{str(done).lower()}">{_summary(facts, answers, most, done)}'
        f'<div class="oz-cards">{cards}</div></div>'
    )


def _summary(facts: Sequence[Facts], answers: Sequence[Answer], most: str | None, done: bool) -> str:
    blind = {fact.name for fact in facts if not fact.votes}
    voting = [answer for answer in answers if answer.model not in blind]
    if not done:
        return f'<p class="oz-summary" role="status">{len(answers)} of {len(facts)} models have answered…</p>'
    if not voting:
        return '<p class="oz-summary" role="status">No model trained on such texts has answered.</p>'
    if most is None:
        return '<p class="oz-summary" role="status">The models are split evenly.</p>'
    agree = sum(answer.label == most for answer in voting)
    if len(voting) == 1:
        who = "The one model trained on such texts says"
    else:
        count = (
            "Both" if agree == len(voting) == 2 else f"{'All' if agree == len(voting) else f'{agree} of'} {len(voting)}"
        )
        who = f"{count} models trained on such texts say"
    return f'<p class="oz-summary" role="status">{who} {_chip(most)}</p>'


def _chip(label: str) -> str:
    return f'<span class="oz-chip oz-{_slug(label)}">{_signed(label)}</span>'


def _signed(label: str) -> str:
    """A label with its sign; `neutral or ambiguous` goes by its first word, as cards are narrow."""
    return f"{SIGNS.get(label, '■')} {escape(label.split(' or ')[0])}"


def _slug(label: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in label.split(" or ")[0].lower())


def _card(task: Task, fact: Facts, answer: Answer | Failure | None, most: str | None) -> str:
    name = escape(fact.name)
    head = f'<h3>{name}</h3><p class="oz-about">{escape(fact.about)}</p>'
    foot = f'<p class="oz-quality">{escape(fact.quality)}</p>'
    if answer is None:
        return f'<article class="oz-card oz-waiting" data-model="{name}">{head}<p class="oz-wait">…</p>{foot}</article>'
    if isinstance(answer, Failure):
        reason = escape(answer.reason)
        return (
            f'<article class="oz-card oz-failed" data-model="{name}">{head}<p class="oz-reason">{reason}</p></article>'
        )
    differs = most is not None and answer.label != most and fact.votes
    badge = '<span class="oz-badge">differs</span>' if differs else ""
    return (
        f'<article class="oz-card{" oz-differs" if differs else ""}" data-model="{name}" '
        f'data-label="{escape(answer.label)}">{head}'
        f'{badge}<p class="oz-verdict">{_chip(answer.label)}</p>{_bars(task, answer)}'
        f'<p class="oz-ms" title="{_timing(answer)}"><b>{milliseconds(answer.ms)}</b> ms'
        f'<span class="oz-runtime">{escape(SHORT[answer.runtime])}</span></p>{foot}</article>'
    )


def _timing(answer: Answer) -> str:
    """What the milliseconds are, for those who ask."""
    waited = f" {milliseconds(answer.waited_ms)} ms of waiting for a free core apart." if answer.waited_ms >= 1 else ""
    return escape(f"The model's own time in {RUNTIMES[answer.runtime]}, tokenising included.{waited}")


def _bars(task: Task, answer: Answer) -> str:
    rows = []
    for label in task.labels:
        share = answer.scores[label]
        rows.append(
            f'<div class="oz-bar"><span>{_signed(label)}</span><span class="oz-share">{share:.0%}</span>'
            f'<span class="oz-track"><span class="oz-fill oz-{_slug(label)}" style="width:{share * 100:.1f}%">'
            "</span></span></div>"
        )
    return f'<div class="oz-bars">{"".join(rows)}</div>'


def render_notice(message: str) -> str:
    """A designed place for an error or for nothing to show."""
    return f'<div class="oz-notice" role="alert">{escape(message)}</div>'


def render_empty(message: str) -> str:
    """What stands where answers will be."""
    return f'<div class="oz-empty">{escape(message)}</div>'
