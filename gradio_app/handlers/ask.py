"""What happens when models are asked about a text, without a page."""

from collections.abc import Iterator
from typing import Any

from engine.data.tasks import Task
from engine.errors import CheckpointError, OdzeraError
from engine.serving.classifier import Answer, Failure, in_order
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import cards

AT_ONCE = 64
"""Questions of one task that are answered at a time: they wait for models, so they take turns there, not here."""


def ask(
    context: Context, say: Language, task: Task, fingerprint: str | None, *texts: str, before: bool = False
) -> Iterator[str]:
    """Cards of all models, and with `before` of their untouched backbones; yielded anew as answers come."""
    try:
        bursts = context.bursts(task, [text or "" for text in texts], fingerprint, before)
    except OdzeraError as error:
        yield cards.render_notice(str(error))
        return
    models = context.models(task, fingerprint)
    if not models:
        yield cards.render_notice(
            f"No model is trained for this task yet. Train some: odzera train majority tfidf scratch --task {task.name}"
        )
        return
    facts = [cards.facts_of(model.manifest) for model in models]
    if before:
        facts += [cards.facts_of_untouched(one.name) for one in context.untouched(task, fingerprint)]
    arrived: list[Answer | Failure] = []
    for burst in bursts:
        arrived += burst
        yield cards.render(task, facts, arrived)


def answer_all(context: Context, task: Task, *texts: str) -> list[dict[str, Any]]:
    """The same for a program: a list of `{model, label, scores, ms}`.

    Raises:
        OdzeraError: The input won't do, or no model can answer.
    """
    answers = in_order(context.answers(task, texts), context.models(task))
    if not any(isinstance(answer, Answer) for answer in answers):
        reasons = "; ".join(answer.reason for answer in answers if isinstance(answer, Failure))
        raise CheckpointError(f"No model can answer. {reasons or 'None is trained yet.'}")
    return [answer.as_dict() for answer in answers if isinstance(answer, Answer)]
