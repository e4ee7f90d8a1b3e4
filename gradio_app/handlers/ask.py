"""What happens when models are asked about a text, without a page."""

from collections.abc import Iterator, Sequence
from typing import Any

from engine.data.tasks import Task
from engine.errors import CheckpointError, OdzeraError
from engine.serving.answers import Answer, Failure, classify_all, classify_in_bursts, in_order
from engine.serving.registry import Untouched
from engine.training.checkpoints import Checkpoint
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import cards
from gradio_app.views.parts import render_notice

AT_ONCE = 64
"""Questions of one task that are answered at a time: they wait for models, so they take turns there, not here."""
BURST_SECONDS = 0.1
"""Answers that come within so long are drawn at once: drawing each by itself costs more than a small model. The longer
all take, the longer the next ones are waited for."""


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
        yield render_notice(say("No model is trained for this task yet. Train some: {command}", command=command))
        return
    asked: list[Checkpoint | Untouched] = [one for one in models if chosen is None or one.name in chosen]
    if not asked:
        yield render_notice(say("Choose at least one model to ask."))
        return
    means = context.means(task, fingerprint)
    facts = [cards.facts_of(say, one, means.get(one.name)) for one in asked if isinstance(one, Checkpoint)]
    if before:
        untouched = context.registry.untouched([one for one in asked if isinstance(one, Checkpoint)])
        asked += untouched
        facts += [cards.facts_of_untouched(say, one.name) for one in untouched]
    try:
        bursts = classify_in_bursts(context.registry, task, [text or "" for text in texts], asked, BURST_SECONDS)
    except OdzeraError as error:
        yield render_notice(say.again(error.args[0]))
        return
    arrived: list[Answer | Failure] = []
    for burst in bursts:
        arrived += burst
        yield cards.render_cards(say, task, facts, arrived)


def show_example(context: Context, say: Language, task: Task, texts: tuple[str, ...]) -> str:
    """What the models say of one of the page's own examples."""
    models = context.models(task)
    if not models:
        return cards.render_no_answers(say)
    means = context.means(task)
    facts = [cards.facts_of(say, one, means.get(one.name)) for one in models]
    return cards.render_example(say, task, texts, facts, context.example_answers(task, texts))


def answer_all(context: Context, task: Task, *texts: str) -> list[dict[str, Any]]:
    """The same for a program: a list of `{model, label, scores, ms, …}` of the models that the page shows first.

    Raises:
        OdzeraError: The input won't do, or no model can answer.
    """
    models = context.models(task)
    answers = in_order(classify_all(context.registry, task, texts, models), models)
    if not any(isinstance(answer, Answer) for answer in answers):
        reasons = "; ".join(answer.reason for answer in answers if isinstance(answer, Failure))
        raise CheckpointError(f"No model can answer. {reasons or 'None is trained yet.'}")
    return [answer.as_dict() for answer in answers if isinstance(answer, Answer)]
