"""What the Study tab shows, without a page."""

from html import escape

from engine.errors import OdzeraError
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import cards
from gradio_app.views.study import render_study

COMMAND = "odzera search slang"


def show_study(context: Context, say: Language, name: str | None) -> str:
    """One study: how far it is, its history, what matters, and its best trials."""
    try:
        study = context.study(name)
    except OdzeraError as error:
        # The reason names a file or a server, which strangers have no use for.
        told = say("The studies can't be read now.") if context.public else say.again(error.args[0])
        return cards.render_notice(told)
    if study is None:
        told = say("There is no study yet. Make one: {command}", command=f"<code>{escape(COMMAND)}</code>")
        return f'<div class="oz-empty">{told}</div>'
    return render_study(say, study, context.dashboard)


def study_mark(context: Context, name: str | None) -> str:
    """What changes when anything happens in a study."""
    try:
        study = context.study(name)
    except OdzeraError:
        return "unreadable"
    return "" if study is None else f"{study.name} {dict(study.trials)} {study.best_value}"


def is_open(context: Context, name: str | None) -> bool:
    """Whether a study lacks trials that it is to have, so that it may be worth following."""
    try:
        study = context.study(name)
    except OdzeraError:
        return False
    return study is not None and study.finished < int(study.attributes.get("trials") or 0)
