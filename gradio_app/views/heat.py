"""Heat maps of words: what each word did to each verdict. What a visitor typed is in them, and all of it is escaped."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from engine.data.tasks import Task
from engine.evaluation.attribution import scale
from engine.explain.why import MOST_WORDS, WAYS, Explanation, Passage
from engine.serving.answers import Failure
from gradio_app.languages import Language, message
from gradio_app.views.classes import render_chip
from gradio_app.views.parts import render_empty
from gradio_app.views.units import difference, figure, latency, percent

LEAST = {"occlusion": 0.05, "gradients": 0.05, "attention": 0.0}
"""Where a row's strongest word is weaker, its colours aren't stretched to full strength: it would be noise."""
FAINT = 0.08
"""Share of the row's strongest word below which a word is left plain."""
STRONGEST = 3
"""Words named under a row, on either side."""
COLUMNS = {"premise": message("Premise"), "hypothesis": message("Hypothesis")}
"""Halves of a pair, as they begin a line."""


def render_heat(
    say: Language,
    task: Task,
    way: str,
    passage: Passage,
    models: Sequence[str],
    arrived: Sequence[Explanation | Failure],
) -> str:
    """A row for each model, the same words in all of them; models that can't be explained this way are named below.

    Args:
        say: The page's language.
        task: What was asked.
        way: A key of `engine.explain.why.WAYS`.
        passage: The input.
        models: Names, in the order of their rows.
        arrived: The explanations so far.
    """
    by_model = {one.model: one for one in arrived}
    done = len(arrived) == len(models)
    rows = "".join(_row(say, task, way, passage, name, by_model.get(name)) for name in models)
    table = f'<ul class="oz-heat-rows">{rows}</ul>' if rows else ""
    return (
        f'<section class="oz-heat" data-done="{str(done).lower()}" data-way="{escape(way)}" '
        f'aria-label="{escape(say("Why each model answers as it does"))}">'
        f"{_about(say, way, passage)}{_summary(say, passage, len(models), arrived, done)}{table}"
        f"{_missing(say, models, by_model)}</section>"
    )


def render_nothing(say: Language) -> str:
    """What stands where heat maps will be."""
    text = say("The words of your text will stand here once for each model, coloured by what they did to its verdict.")
    return render_empty(text)


def _about(say: Language, way: str, passage: Passage) -> str:
    chosen = WAYS[way]
    sentences = [f'<p class="oz-means">{escape(say.again(chosen.means))}</p>']
    sentences.append(f'<p class="oz-note">{_legend(say, way)} {escape(say.again(chosen.adds_up))}</p>')
    if passage.left_out:
        cut = say(
            "Only the first {most} words are looked at, and the models were asked about these alone.",
            most=MOST_WORDS,
        )
        sentences.append(f'<p class="oz-note"><b>{escape(cut)}</b></p>')
    return "".join(sentences)


def _legend(say: Language, way: str) -> str:
    def swatch(kind: str, text: str) -> str:
        return f'<span class="oz-w {kind}" style="--s:0.8">{escape(text)}</span>'

    if WAYS[way].signed:
        swatches = [
            swatch("oz-for", say("speaks for the verdict, solid line")),
            swatch("oz-against", say("speaks against it, dotted line")),
        ]
    else:
        swatches = [swatch("oz-seen", say("the stronger, the more attention"))]
    texts = [say("The strongest word of each row has the full colour; hold the pointer over a word for its value.")]
    if WAYS[way].signed:
        texts.append(say("Values are logits: a class's log-probability above the mean of all classes."))
    return f"{' '.join(swatches)} {escape(' '.join(texts))}"


def _summary(say: Language, passage: Passage, models: int, arrived: Sequence[Explanation | Failure], done: bool) -> str:
    explained = [one for one in arrived if isinstance(one, Explanation)]
    if not done:
        text = escape(say("{n} of {models} models are done…", n=len(arrived), models=models))
    elif not explained:
        text = escape(say("No model can be asked this way; the reasons stand below."))
    else:
        tops = Counter(place for one in explained if (place := _strongest(one)) is not None).most_common(3)
        names = passage.named()
        words = ", ".join(f"{_word(names[side][place])} ×{count}" for (side, place), count in tops)
        text = say("Strongest word, and in how many rows: {words}", words=words) if tops else ""
    return f'<p class="oz-summary" role="status">{text}</p>' if text else ""


def _strongest(one: Explanation) -> tuple[int, int] | None:
    """Text and place of the word with the largest value of either sign."""
    _, side, place = max(
        (abs(value), side, -place) for side, text in enumerate(one.values) for place, value in enumerate(text)
    )
    return (side, -place) if any(map(any, one.values)) else None


def _word(word: str) -> str:
    """A word as it was typed, whichever way it is written; no longer than a line."""
    return f"<bdi>{escape(word if len(word) <= 24 else f'{word[:23]}…')}</bdi>"


def _row(say: Language, task: Task, way: str, passage: Passage, name: str, one: Explanation | Failure | None) -> str:
    if isinstance(one, Failure):
        return ""
    model = escape(name)
    if one is None:
        plain = ([escape(word) for word in words] for words in passage.named())
        texts = "".join(
            _text(say, *parts) for parts in zip(task.text_columns, passage.texts, plain, passage.words, strict=True)
        )
        return (
            f'<li class="oz-heat-row oz-waiting" data-model="{model}"><div class="oz-heat-who"><b>{model}</b>'
            f'<span class="oz-about">…</span></div><div aria-hidden="true">{texts}</div></li>'
        )
    scaled = scale([np.array(values) for values in one.values], LEAST[way])
    texts = "".join(
        _text(
            say, column, text, [_span(say, way, text, *parts) for parts in _numbered(side, spans, one, scaled)], spans
        )
        for side, (column, text, spans) in enumerate(zip(task.text_columns, passage.texts, passage.words, strict=True))
    )
    return (
        f'<li class="oz-heat-row" data-model="{model}" data-label="{escape(one.label)}">'
        f'<div class="oz-heat-who"><b>{model}</b>{render_chip(say, one.label, short=False)}'
        f'<span class="oz-about">{escape(latency(say, one.ms))}</span></div>'
        # The words that count are named under the row, so that nobody has to hear the whole text once for each model.
        f'<div><div aria-hidden="true">{texts}</div>{_named(say, way, one)}{_foot(say, one)}'
        "</div></li>"
    )


def _numbered(
    side: int, spans: Sequence[tuple[int, int]], one: Explanation, scaled: Sequence[np.ndarray]
) -> Iterator[tuple[tuple[int, int], str, float, float]]:
    for place, span in enumerate(spans):
        yield span, f"{side}-{place}", one.values[side][place], float(scaled[side][place])


def _text(say: Language, column: str, text: str, words: Sequence[str], spans: Sequence[tuple[int, int]]) -> str:
    """A text with its words as given, and what stands between them as it was."""
    pieces, end = [], 0
    for word, (first, last) in zip(words, spans, strict=True):
        pieces += [escape(text[end:first]), word]
        end = last
    pieces.append(escape(text[end:]))
    title = f'<span class="oz-heat-column">{escape(say(COLUMNS[column]))}</span>' if column in COLUMNS else ""
    return f'<div class="oz-heat-line">{title}<p class="oz-heat-text" dir="auto">{"".join(pieces)}</p></div>'


def _span(say: Language, way: str, text: str, span: tuple[int, int], number: str, value: float, strength: float) -> str:
    word = escape(text[span[0] : span[1]])
    kind = ""
    if abs(strength) >= FAINT:
        kind = " oz-seen" if not WAYS[way].signed else " oz-for" if strength > 0 else " oz-against"
    shown = f' style="--s:{abs(strength):.2f}"' if kind else ""
    title = escape(_value(say, way, value))
    return f'<span class="oz-w{kind}" data-w="{number}"{shown} title="{title}">{word}</span>'


def _value(say: Language, way: str, value: float) -> str:
    return difference(say, value) if WAYS[way].signed else percent(say, value, 1)


def _named(say: Language, way: str, one: Explanation) -> str:
    """The strongest words with their values, for those who see no colours or have no pointer."""
    pairs = [
        (value, word)
        for words, values in zip(one.passage.named(), one.values, strict=True)
        for word, value in zip(words, values, strict=True)
    ]
    floor = max((abs(value) for value, _ in pairs), default=0.0) * FAINT
    sides = {
        "for": sorted((pair for pair in pairs if pair[0] > floor), key=lambda pair: -pair[0])[:STRONGEST],
        "against": sorted((pair for pair in pairs if pair[0] < -floor), key=lambda pair: pair[0])[:STRONGEST],
    }
    titles = {"for": say("For") if WAYS[way].signed else say("Most"), "against": say("Against")}
    colours = {"for": "for" if WAYS[way].signed else "seen", "against": "against"}
    lists = [
        f'<span class="oz-heat-side"><b class="oz-{colours[kind]}-name">{escape(titles[kind])}</b> '
        # A comma may be a word itself.
        + "; ".join(f"{_word(word)}\u00a0{escape(_value(say, way, value))}" for value, word in found)
        + "</span>"
        for kind, found in sides.items()
        if found
    ]
    return f'<p class="oz-heat-named">{" ".join(lists)}</p>' if lists else ""


def _foot(say: Language, one: Explanation) -> str:
    parts = []
    found = one.completeness
    if found is not None:
        error, total = figure(say, found.error, 2), figure(say, abs(found.total), 2)
        # More than all of it is no share; the two figures say enough.
        if found.share is None or found.share > 1:
            parts.append(say("completeness error: {error} of {total} logits", error=error, total=total))
        else:
            share = percent(say, found.share)
            text = say("completeness error: {error} of {total} logits ({share})", error=error, total=total, share=share)
            parts.append(text)
    else:
        parts.append(say("{share} on special tokens and prompts", share=percent(say, max(0.0, one.rest))))
    parts += [say.again(note) for note in one.notes]
    return f'<p class="oz-heat-foot">{escape(" · ".join(parts))}</p>'


def _missing(say: Language, models: Sequence[str], by_model: dict[str, Explanation | Failure]) -> str:
    """Models that aren't shown, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for name in models:
        one = by_model.get(name)
        if isinstance(one, Failure):
            reasons.setdefault(say.again(one.reason), []).append(name)
    if not reasons:
        return ""
    items = "".join(
        f"<li><b>{escape(', '.join(names))}</b>: {escape(reason)}</li>" for reason, names in reasons.items()
    )
    return f'<div class="oz-heat-missing"><p>{escape(say("Not shown this way:"))}</p><ul>{items}</ul></div>'
