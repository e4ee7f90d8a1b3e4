"""What happens when models are asked why, without a page."""

from collections.abc import Iterator, Sequence

from engine.data.tasks import Task
from engine.errors import OdzeraError
from engine.said import Said
from engine.serving.classifier import Failure
from engine.serving.why import Explanation, explain_all, read_passage
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import heat


def explain(
    context: Context,
    say: Language,
    task: Task,
    fingerprint: str | None,
    way: str,
    *texts: str,
    chosen: Sequence[str] | None = None,
) -> Iterator[str]:
    """Heat maps of the chosen models, or of all; yielded anew at each explanation."""
    known = context.models(task, fingerprint)
    models = [one for one in known if chosen is None or one.name in chosen]
    try:
        given = [text or "" for text in texts]
        explanations = explain_all(context.shelf, task, given, models, way)
        passage = read_passage(task, given)
    except OdzeraError as error:
        yield heat.render_notice(say, error.args[0])
        return
    if not models:
        nobody = Said("Choose at least one model to ask.") if known else Said("No model is trained for this task yet.")
        yield heat.render_notice(say, nobody)
        return
    names = [model.name for model in models]
    arrived: list[Explanation | Failure] = []
    yield heat.render(say, task, way, passage, names, arrived)
    for one in explanations:
        arrived.append(one)
        yield heat.render(say, task, way, passage, names, arrived)
