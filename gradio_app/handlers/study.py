"""What the Study tab shows, without a page."""

from typing import NamedTuple

from engine.errors import OdzeraError
from engine.search.report import StudyView
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views.parts import render_empty, render_notice
from gradio_app.views.study import render_study

COMMAND = "odzera search slang"


class ShownStudy(NamedTuple):
    """One reading of a study. What is shown and its mark are of the same reading, so that no news falls between."""

    page: str
    mark: str
    """Changes when anything happens in the study."""
    live: bool
    """Whether the study lacks trials that it is to have, so that it may be worth following."""


def show_study(context: Context, say: Language, name: str | None) -> ShownStudy:
    """One study: how far it is, its history, what matters, and its best trials."""
    shown = show_news(context, say, name, None)
    assert shown is not None
    return shown


def show_news(context: Context, say: Language, name: str | None, mark: str | None) -> ShownStudy | None:
    """The study as `show_study` gives it, or None if nothing has happened since this mark."""
    try:
        study = context.study(name)
    except OdzeraError as error:
        # The reason names a file or a server, which strangers have no use for.
        told = say("The studies can't be read now.") if context.public else say.again(error.args[0])
        return None if mark == "unreadable" else ShownStudy(render_notice(told), "unreadable", live=False)
    now = _mark(study)
    if now == mark:
        return None
    if study is None:
        return ShownStudy(render_empty(say("There is no study yet. Make one:"), COMMAND), now, live=False)
    live = study.finished < int(study.attributes.get("trials") or 0)
    return ShownStudy(render_study(say, study, context.dashboard), now, live)


def _mark(study: StudyView | None) -> str:
    return "" if study is None else f"{study.name} {dict(study.trials)} {study.best_value}"
