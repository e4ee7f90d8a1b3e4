"""Models explain their verdicts: by leaving words out, by gradients, or by attention."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine.data.tasks import SLANG, Task
from engine.data.tokens import locate_tokens
from engine.errors import CheckpointError, OdzeraError, TextError
from engine.evaluation.attribution import Completeness, centred_logits, covered, merge_tokens, occlude, occlusion
from engine.evaluation.metrics import Floats
from engine.explain.eager import EagerModels
from engine.explain.gradients import attention_flow, integrated_gradients, stand_in_for_words
from engine.explain.words import Span, cut_words, leave_out_each, split_words
from engine.messages import Message
from engine.models.baselines import TfidfLogistic
from engine.serving.answers import Failure, check_input
from engine.serving.registry import Registry, Untouched
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import BaselineModel, Classifier, TextModel, WeighedModel
from engine.training.hybrid import TfidfPart

MOST_WORDS = 128
"""Words of an input that are looked at, both texts of a pair together."""
MOST_SECONDS = 20.0
"""For one model's occlusion, after which the thread goes to somebody else's question."""
LARGEST: Mapping[str, int] = {"gradients": 50_000_000, "attention": 300_000_000}
"""Weights of a network that is opened in PyTorch to look into."""


@dataclass(frozen=True)
class Way:
    """A way of asking why."""

    title: Message
    means: Message
    """What its values are, in one honest sentence."""
    adds_up: Message
    """What the values of a row add up to."""
    signed: bool = True
    """Whether a word can speak against the verdict."""


WAYS: Mapping[str, Way] = {
    "occlusion": Way(
        Message("Leave each word out"),
        Message(
            "Attribution by occlusion: how far the logit of the model's own verdict falls when this one word is left "
            "out and all others stay, so words that repeat each other all look unimportant."
        ),
        Message(
            "The completeness error is how far the sum of a row is from what all its words do together; it is large "
            "where words work together or repeat each other."
        ),
    ),
    "gradients": Way(
        Message("Weights and gradients"),
        Message(
            "Attribution by weights and gradients: the logit of the model's own verdict, less that of the same text "
            "with every word blank, shared out among the words; TF-IDF's own weights do that exactly, integrated "
            "gradients of a network as nearly as the error beside it says."
        ),
        Message("The completeness error is how far the sum of a row is from the difference that it shares out."),
    ),
    "attention": Way(
        Message("Attention"),
        Message(
            "Attention rollout: how much of each word could flow, through all layers and the mean of their heads, to "
            "where the verdict is read; it shows where the network looks, not whether the word mattered or for what."
        ),
        Message("A row adds up to 100 % together with what rests on special tokens and on trained prompts."),
        signed=False,
    ),
}


@dataclass(frozen=True)
class Passage:
    """An input as it is explained: cleaned, cut, and in words that are the same for every model."""

    texts: tuple[str, ...]
    words: tuple[tuple[Span, ...], ...]
    """Of each text, the characters that each word covers."""
    left_out: int = 0
    """Words after the first `MOST_WORDS`."""

    def named(self) -> list[list[str]]:
        """The words of each text."""
        return [[text[first:last] for first, last in spans] for text, spans in self._pairs()]

    def _pairs(self) -> Iterator[tuple[str, tuple[Span, ...]]]:
        return zip(self.texts, self.words, strict=True)


@dataclass(frozen=True)
class Explanation:
    """What one model's verdict has to do with each word."""

    model: str
    way: str
    """A key of `WAYS`."""
    label: str
    """The verdict."""
    passage: Passage
    values: tuple[tuple[float, ...], ...]
    """For each text a value for each word: logits, above zero where the word speaks for the verdict; shares of all
    attention for `attention`."""
    rest: float = 0.0
    """What falls to no word: shares of attention on special tokens and prompts."""
    completeness: Completeness | None = None
    """Whether the values add up; None for `attention`."""
    ms: float = 0.0
    """Milliseconds of the model's own work, opening and waiting not."""
    notes: tuple[Message, ...] = field(default=())
    """What else there is to know of this row."""

    @property
    def means(self) -> Message:
        """What the values are, in one honest sentence."""
        return WAYS[self.way].means

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        columns = [
            [{"word": word, "value": round(value, 6)} for word, value in zip(words, values, strict=True)]
            for words, values in zip(self.passage.named(), self.values, strict=True)
        ]
        found = self.completeness
        error = None if found is None else {"logits": round(found.error, 6), "of": round(found.total, 6)}
        return {
            "model": self.model,
            "way": self.way,
            "label": self.label,
            "words": columns,
            "rest": round(self.rest, 6),
            "completeness_error": error,
            "ms": round(self.ms, 3),
            "notes": [str(note) for note in self.notes],
        }


def read_passage(task: Task, texts: Sequence[str]) -> Passage:
    """Clean an input and find its words.

    Raises:
        TextError: The input won't do; see `engine.serving.answers.check_input`.
    """
    ready = check_input(task, texts)
    kept = cut_words(ready, MOST_WORDS)
    words = tuple(split_words(text) for text in kept)
    in_all = sum(len(split_words(text)) for text in ready)
    return Passage(kept, words, in_all - sum(map(len, words)))


@dataclass(frozen=True)
class Explainer:
    """Trained models that can be asked why."""

    registry: Registry
    eager: EagerModels = field(default_factory=EagerModels)
    """Networks to look into, opened when somebody asks."""


def explain_all(
    explainer: Explainer, task: Task, texts: Sequence[str], models: Sequence[Checkpoint | Untouched], way: str
) -> Iterator[Explanation | Failure]:
    """Ask `models` why, as many at a time as there are cores; each explanation comes as soon as it is ready.

    Raises:
        TextError: The input won't do, or there is no such way.
    """
    if way not in WAYS:
        raise TextError(f"There is no way '{str(way)[:40]}' of asking why. Ways: {', '.join(WAYS)}.")
    return _explanations(explainer, task, read_passage(task, texts), models, way)


def _explanations(
    explainer: Explainer, task: Task, passage: Passage, models: Sequence[Checkpoint | Untouched], way: str
) -> Iterator[Explanation | Failure]:
    waiting = [explainer.registry.pool.submit(_explain, explainer, task, passage, model, way) for model in models]
    try:
        for future in as_completed(waiting):
            yield future.result()
    finally:
        # A visitor who has left keeps nobody waiting.
        for future in waiting:
            future.cancel()


def _explain(
    explainer: Explainer, task: Task, passage: Passage, model: Checkpoint | Untouched, way: str
) -> Explanation | Failure:
    try:
        classifier = explainer.registry.classifier(model)
        return EXPLAINERS[way](_Question(explainer, task, passage, model, classifier))
    except Exception as error:
        # A model that fails on this text must not keep the others from answering.
        known = isinstance(error, OdzeraError)
        return Failure(model.name, error.args[0] if known and error.args else repr(error)[:200])


@dataclass(frozen=True)
class _Question:
    """What is asked of whom."""

    explainer: Explainer
    task: Task
    passage: Passage
    model: Checkpoint | Untouched
    classifier: Classifier

    def answer(self, way: str, label: int, values: Sequence[Floats], **more: Any) -> Explanation:
        """Put an explanation together."""
        plain = tuple(tuple(map(float, text)) for text in values)
        return Explanation(self.model.name, way, self.task.labels[label], self.passage, plain, **more)

    def by_text(self, values: Floats) -> list[Floats]:
        """Values of all words, text by text."""
        return np.split(values, np.cumsum([len(spans) for spans in self.passage.words])[:-1])


def _occlude(question: _Question) -> Explanation:
    passage = question.passage
    start = time.perf_counter()

    def stop_when_late(_done: int, _total: int) -> None:
        if time.perf_counter() - start > MOST_SECONDS:
            raise CheckpointError(
                Message("It is too slow for so many words: it was stopped after {n} seconds.", n=round(MOST_SECONDS))
            )

    def measure(inputs: Sequence[tuple[str, ...]]) -> Floats:
        return question.classifier.probabilities(inputs, stop_when_late)

    without = leave_out_each(passage.texts, passage.words)
    probabilities = occlude(measure, passage.texts, without)
    chosen = int(probabilities[0].argmax())
    values, completeness = occlusion(probabilities, chosen)
    ms = (time.perf_counter() - start) * 1000
    notes = _blind(values)
    return question.answer("occlusion", chosen, question.by_text(values), completeness=completeness, ms=ms, notes=notes)


def _blind(values: Floats) -> tuple[Message, ...]:
    return () if values.any() else (Message("No word changes its answer at all."),)


def _share_out(question: _Question) -> Explanation:
    """The weights of a linear model, the integrated gradients of a network."""
    classifier = question.classifier
    inner = classifier.model if isinstance(classifier, WeighedModel) else classifier
    if isinstance(inner, TextModel) and inner.tfidf is not None:
        found = _look_inside(question, "gradients")
        return _with_tfidf(found, question.task.labels.index(found.label), inner.tfidf)
    if not isinstance(inner, BaselineModel):
        return _look_inside(question, "gradients")
    passage = question.passage
    start = time.perf_counter()
    probabilities = classifier.probabilities([passage.texts, _blank(passage)])
    logits = centred_logits(probabilities)
    chosen = int(probabilities[0].argmax())
    values = [np.zeros(len(spans)) for spans in passage.words]
    if isinstance(inner.baseline, TfidfLogistic):
        values = _tfidf_shares(inner.baseline, passage, chosen)
    total = float(logits[0, chosen] - logits[1, chosen])
    together = np.concatenate(values)
    completeness = Completeness(total, float(together.sum()))
    ms = (time.perf_counter() - start) * 1000
    return question.answer("gradients", chosen, values, completeness=completeness, ms=ms, notes=_blind(together))


def _blank(passage: Passage) -> tuple[str, ...]:
    return ("",) * len(passage.texts)


def _tfidf_shares(baseline: TfidfLogistic, passage: Passage, chosen: int) -> list[Floats]:
    """What each word adds to the centred logit of a class, for each text; exact."""
    shares = [text - text.mean(axis=1, keepdims=True) for text in baseline.contributions(passage.texts)]
    return [
        np.array([own[first:last, chosen].sum() for first, last in spans])
        for own, spans in zip(shares, passage.words, strict=True)
    ]


def _with_tfidf(found: Explanation, chosen: int, tfidf: TfidfPart) -> Explanation:
    """The explanation of a hybrid's decoder, with the weights of the TF-IDF that it adds to."""
    start = time.perf_counter()
    passage = found.passage
    shares = [tfidf.weight * own for own in _tfidf_shares(tfidf.baseline, passage, chosen)]
    logits = tfidf.logits([passage.texts, _blank(passage)])
    centred = logits[:, chosen] - logits.mean(axis=1)
    values = tuple(tuple(map(float, np.asarray(own) + more)) for own, more in zip(found.values, shares, strict=True))
    decoder = found.completeness or Completeness(0.0, 0.0)
    completeness = Completeness(
        decoder.total + float(centred[0] - centred[1]), decoder.summed + float(np.concatenate(shares).sum())
    )
    ms = found.ms + (time.perf_counter() - start) * 1000
    return replace(found, values=values, completeness=completeness, ms=ms)


def _attend(question: _Question) -> Explanation:
    return _look_inside(question, "attention")


def _look_inside(question: _Question, way: str) -> Explanation:
    """What a pass through the network itself shows, token by token."""
    model, task, passage = question.model, question.task, question.passage
    if isinstance(model, Untouched):
        raise CheckpointError(Message("It was never trained for this, so its own zero-shot model is the one to ask."))
    chosen = int(question.classifier.probabilities([passage.texts])[0].argmax())
    with question.explainer.eager.look_into(model, LARGEST[way]) as eager:
        start = time.perf_counter()
        texts, words = passage.texts, passage.words
        if eager.joined:
            texts = (" ".join(texts),)
            behind = len(passage.texts[0]) + 1
            words = ((*words[0], *((first + behind, last + behind) for first, last in words[1])),)
        located = locate_tokens(eager.tokenizer, texts, SLANG if eager.joined else task, eager.max_length)
        if way == "gradients":
            stand_in = stand_in_for_words(eager.tokenizer)
            tokens, completeness = integrated_gradients(eager.model, located, chosen, stand_in)
        else:
            tokens, completeness = attention_flow(eager.model, located), None
        ms = (time.perf_counter() - start) * 1000
    merged, rest = merge_tokens(tokens, located.sides, located.spans, words)
    if way == "attention":
        # A trained prompt stands before the text, and what flows from there is in no token.
        rest += 1 - float(tokens.sum())
    n, unread = eager.max_length, sum(int((~text).sum()) for text in covered(located.sides, located.spans, words))
    notes: tuple[Message, ...] = (
        (
            Message(
                "Words that it doesn't read, since they lie behind its first {n} tokens: {unread}.", n=n, unread=unread
            ),
        )
        if unread
        else ()
    )
    if way == "attention" and model.recipe.is_hybrid:
        notes = (*notes, Message("This is its decoder's attention; the TF-IDF that it adds to has none."))
    values = question.by_text(np.concatenate(merged))
    return question.answer(way, chosen, values, rest=rest, completeness=completeness, ms=ms, notes=notes)


EXPLAINERS: Mapping[str, Callable[[_Question], Explanation]] = {
    "occlusion": _occlude,
    "gradients": _share_out,
    "attention": _attend,
}
"""What answers each of `WAYS`."""
