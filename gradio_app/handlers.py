"""What happens when a button is pressed or an endpoint is called, without a page."""

from collections.abc import Iterator
from typing import Any

from engine.data.tasks import NLI, SLANG, Task
from engine.errors import CheckpointError, OdzeraError
from engine.serving.classifier import Answer, Failure, in_order
from gradio_app import cards, tables
from gradio_app.context import Context


def ask(context: Context, task: Task, fingerprint: str | None, *texts: str, before: bool = False) -> Iterator[str]:
    """Cards of all models, and with `before` of their untouched backbones; yielded anew at each answer."""
    try:
        answers = context.answers(task, [text or "" for text in texts], fingerprint, before)
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
    yield cards.render(task, facts, arrived)
    for answer in answers:
        arrived.append(answer)
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


def show_study(context: Context, name: str | None) -> str:
    """One study: how far it is, its history, what matters, and its best trials."""
    try:
        study = context.study(name)
    except OdzeraError as error:
        return cards.render_notice(str(error))
    if study is None:
        return cards.render_notice("There is no study yet. Make one: odzera search slang")
    return tables.render_study(study, context.dashboard)


def study_mark(context: Context, name: str | None) -> str:
    """What changes when anything happens in a study."""
    try:
        study = context.study(name)
    except OdzeraError as error:
        return str(error)
    return "" if study is None else f"{study.name} {dict(study.trials)} {study.best_value}"


def show_curve(context: Context, name: str | None, figure: str) -> str:
    """One curve: what it says in words, its figure, its numbers."""
    curve = context.curve(name)
    if curve is None:
        return cards.render_notice("No curve is measured yet. Make one: odzera curve examples slang")
    return tables.render_curve(curve, figure if figure in ("accuracy", "macro_f1") else "accuracy")
