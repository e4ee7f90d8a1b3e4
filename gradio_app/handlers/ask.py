"""What happens when models are asked about a text, without a page."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.data.tasks import Task
from engine.errors import CheckpointError, OdzeraError
from engine.serving.classifier import Answer, Failure, Untouched, classify_all, in_order
from engine.training.checkpoints import Checkpoint
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import cards

EVERY_SECONDS = 0.05
"""Answers that come closer together are shown together: each showing is a page of HTML on its way to a browser."""


def ask(
    context: Context,
    say: Language,
    task: Task,
    fingerprint: str | None,
    *texts: str,
    before: bool = False,
    chosen: Sequence[str] | None = None,
) -> Iterator[str]:
    """Cards of the chosen models, yielded anew as answers come: the first one at once, then several together.

    Args:
        context: Models and results.
        say: The page's language.
        task: Which task.
        fingerprint: Data that the models were trained on; the one shown first where it isn't known.
        texts: One input.
        before: Whether to ask the models' untouched backbones too.
        chosen: Names of models; all of them when missing, and those that aren't known are left out.
    """
    models = context.models(task, fingerprint)
    if not models:
        command = f"odzera train majority tfidf scratch --task {task.name}"
        yield cards.render_notice(say("No model is trained for this task yet. Train some: {command}", command=command))
        return
    asked: list[Checkpoint | Untouched] = [one for one in models if chosen is None or one.name in chosen]
    if not asked:
        yield cards.render_notice(say("Choose at least one model to ask."))
        return
    facts = [cards.facts_of(say, one.manifest) for one in asked if isinstance(one, Checkpoint)]
    if before:
        untouched = context.shelf.untouched([one for one in asked if isinstance(one, Checkpoint)])
        asked += untouched
        facts += [cards.facts_of_untouched(say, one.name) for one in untouched]
    try:
        answers = classify_all(context.shelf, task, [text or "" for text in texts], asked)
    except OdzeraError as error:
        yield cards.render_notice(say.again(error.args[0]))
        return
    yield cards.render(say, task, facts, [])
    for arrived in _together(answers, len(facts)):
        yield cards.render(say, task, facts, arrived)


def _together(answers: Iterable[Answer | Failure], expected: int) -> Iterator[list[Answer | Failure]]:
    """All that has arrived so far: after the first answer, at most every `EVERY_SECONDS`, and after the last."""
    arrived: list[Answer | Failure] = []
    shown = float("-inf")
    for answer in answers:
        arrived.append(answer)
        now = time.monotonic()
        if now - shown >= EVERY_SECONDS or len(arrived) == expected:
            shown = now
            yield arrived


def answer_all(context: Context, task: Task, *texts: str) -> list[dict[str, Any]]:
    """The same for a program: a list of `{model, label, scores, ms, …}` of the models that the page shows first.

    Raises:
        OdzeraError: The input won't do, or no model can answer.
    """
    models = context.models(task)
    answers = in_order(classify_all(context.shelf, task, texts, models), models)
    if not any(isinstance(answer, Answer) for answer in answers):
        reasons = "; ".join(answer.reason for answer in answers if isinstance(answer, Failure))
        raise CheckpointError(f"No model can answer. {reasons or 'None is trained yet.'}")
    return [answer.as_dict() for answer in answers if isinstance(answer, Answer)]
