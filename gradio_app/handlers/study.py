"""What the Study tab shows, without a page."""

from engine.errors import OdzeraError
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import cards
from gradio_app.views.study import render_study


def show_study(context: Context, say: Language, name: str | None) -> str:
    """One study: how far it is, its history, what matters, and its best trials."""
    try:
        study = context.study(name)
    except OdzeraError as error:
        return cards.render_notice(str(error))
    if study is None:
        return cards.render_notice("There is no study yet. Make one: odzera search slang")
    return render_study(study, context.dashboard)


def study_mark(context: Context, name: str | None) -> str:
    """What changes when anything happens in a study."""
    try:
        study = context.study(name)
    except OdzeraError as error:
        return str(error)
    return "" if study is None else f"{study.name} {dict(study.trials)} {study.best_value}"
