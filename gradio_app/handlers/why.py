"""What happens when models are asked why, without a page."""

from collections.abc import Iterator, Sequence

from engine.data.tasks import Task
from engine.errors import OdzeraError
from engine.explain.why import Explanation, explain_all, read_passage
from engine.serving.answers import Failure
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views.heat import render_heat
from gradio_app.views.parts import render_notice


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
        explanations = explain_all(context.explainer, task, given, models, way)
        passage = read_passage(task, given)
    except OdzeraError as error:
        yield render_notice(say.again(error.args[0]))
        return
    if not models:
        yield render_notice(
            say("Choose at least one model to ask.") if known else say("No model is trained for this task yet.")
        )
        return
    names = [model.name for model in models]
    arrived: list[Explanation | Failure] = []
    yield render_heat(say, task, way, passage, names, arrived)
    for one in explanations:
        arrived.append(one)
        yield render_heat(say, task, way, passage, names, arrived)
