"""What happens when a button is pressed or an endpoint is called, without a page."""

from collections.abc import Iterator
from typing import Any

from engine.data.tasks import NLI, SLANG, Task
from engine.errors import OdzeraError
from engine.serving.classifier import Answer, Failure
from gradio_app import cards, tables
from gradio_app.context import Context


def ask(context: Context, task: Task, fingerprint: str | None, *texts: str) -> Iterator[str]:
    """Cards of all models, yielded anew each time one of them has answered."""
    try:
        answers = context.answers(task, [text or "" for text in texts], fingerprint)
    except OdzeraError as error:
        yield cards.render_notice(str(error))
        return
    known = fingerprint if fingerprint in context.shelf.data_sets(task.name) else None
    models = context.shelf.models(task.name, known)
    if not models:
        yield cards.render_notice(
            f"No model is trained for this task yet. Train some: odzera train majority tfidf scratch --task {task.name}"
        )
        return
    facts = [cards.facts_of(model.manifest) for model in models]
    arrived: list[Answer | Failure] = []
    yield cards.render(task, facts, arrived)
    for answer in answers:
        arrived.append(answer)
        yield cards.render(task, facts, arrived)


def answer_all(context: Context, task: Task, *texts: str) -> list[dict[str, Any]]:
    """The same for a program: a list of `{model, label, scores, ms}`.

    Raises:
        OdzeraError: The input won't do.
    """
    return [answer.as_dict() for answer in context.answers(task, texts) if isinstance(answer, Answer)]


def show_models(context: Context, task_name: str, fingerprint: str | None) -> str:
    """The table of models on one data set."""
    task = {"slang": SLANG, "nli": NLI}.get(task_name)
    if task is None:
        return cards.render_notice("There is no such task.")
    known = {key for _, key in context.data_choices(task.name)}
    comparison = context.comparison(task, fingerprint if fingerprint in known else None)
    if comparison is None:
        return cards.render_notice("No results yet. Train a model and they stand here.")
    return tables.render_comparison(comparison)
