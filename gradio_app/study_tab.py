"""The Study tab: layout and wiring."""

from typing import Any

import gradio as gr

from gradio_app.context import Context
from gradio_app.handlers.study import is_open, show_study, study_mark
from gradio_app.languages import Language

LIVE_SECONDS = 5


def create_study_tab(context: Context, say: Language) -> None:
    """The search that found the decoder: progress, history, importances, the best trials, and the dashboard."""
    with gr.Tab(say("Study"), id="study") as tab:
        choices = context.study_choices(say)
        first = choices[0][1] if choices else None
        chosen = gr.Dropdown(choices, value=first, label=say("Study"), visible=bool(choices))
        shown = gr.HTML(show_study(context, say, first), elem_id="study-view")
        # What the page shows now, so that a tick without news sends nothing.
        state = gr.State(study_mark(context, first))

        timer = gr.Timer(LIVE_SECONDS, active=is_open(context, first))

        def refresh(name: str | None, mark: str) -> tuple[object, object, object, object]:
            """The choices, and the study if anything has happened in it; another one may be chosen meanwhile."""
            found = context.study_choices(say, fresh=True)
            names = [one for _, one in found]
            if name in names and study_mark(context, name) == mark:
                return gr.Dropdown(found), gr.skip(), gr.skip(), gr.skip()
            name = name if name in names else (names[0] if names else None)
            menu = gr.Dropdown(found, value=name, visible=bool(found))
            return menu, *choose(name)

        def choose(name: str | None) -> tuple[str, str, gr.Timer]:
            """Another study."""
            live = gr.Timer(active=is_open(context, name))
            return show_study(context, say, name), study_mark(context, name), live

        def tick(name: str | None, mark: str) -> tuple[object, object, object]:
            """The study again, if anything has happened in it."""
            now = study_mark(context, name)
            return (gr.skip(), gr.skip(), gr.skip()) if now == mark else choose(name)

        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        tab.select(refresh, [chosen, state], [chosen, shown, state, timer], **quiet)
        chosen.input(choose, chosen, [shown, state, timer], **quiet)
        timer.tick(tick, [chosen, state], [shown, state, timer], **quiet)
