"""What the Models tab shows, without a page."""

from engine.data.tasks import NLI, SLANG
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import cards, tables


def show_models(context: Context, say: Language, task_name: str, fingerprint: str | None) -> str:
    """The table of models on one data set."""
    task = {"slang": SLANG, "nli": NLI}.get(task_name)
    if task is None:
        return cards.render_notice("There is no such task.")
    known = {key for _, key in context.data_choices(task.name, say)}
    comparison = context.comparison(task, fingerprint if fingerprint in known else None)
    if comparison is None:
        return cards.render_notice("No results yet. Train a model and they stand here.")
    return tables.render_comparison(comparison)
