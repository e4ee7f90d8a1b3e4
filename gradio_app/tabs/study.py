"""The Study tab: layout and wiring."""

import gradio as gr

from gradio_app.context import Context
from gradio_app.handlers.study import ShownStudy, show_news, show_study
from gradio_app.languages import Language
from gradio_app.tabs.fields import QUIET
from gradio_app.views.parts import render_empty

LIVE_SECONDS = 5
UNREAD = "unread"
"""The mark of a study that isn't shown yet."""


def create_study_tab(context: Context, say: Language) -> None:
    """The search that found the decoder: progress, history, importances, the best trials, and the dashboard."""
    with gr.Tab(say("Study"), id="study") as tab:
        # Reading hundreds of trials takes a second, so it is done for those who look, not at every start.
        chosen = gr.Dropdown([], label=say("Study"), visible=False)
        shown = gr.HTML(render_empty(say("Reading the studies…")), elem_id="study-view")
        # What the page shows now, so that a tick without news sends nothing.
        state = gr.State(UNREAD)
        timer = gr.Timer(LIVE_SECONDS, active=False)

        def refresh(name: str | None, mark: str) -> tuple[object, object, object, object]:
            """The choices, and the study if anything has happened in it; another one may be chosen meanwhile."""
            found = context.study_choices(say, fresh=True)
            names = [one for _, one in found]
            if name in names:
                return gr.Dropdown(found), *tick(name, mark)
            name = names[0] if names else None
            return gr.Dropdown(found, value=name, visible=bool(found)), *choose(name)

        def choose(name: str | None) -> tuple[object, object, object]:
            """Another study."""
            return put(show_study(context, say, name))

        def tick(name: str | None, mark: str) -> tuple[object, object, object]:
            """The study again, if anything has happened in it."""
            return put(show_news(context, say, name, mark))

        def put(news: ShownStudy | None) -> tuple[object, object, object]:
            return (
                (gr.skip(), gr.skip(), gr.skip())
                if news is None
                else (news.page, news.mark, gr.Timer(active=news.live))
            )

        tab.select(refresh, [chosen, state], [chosen, shown, state, timer], **QUIET)
        chosen.input(choose, chosen, [shown, state, timer], **QUIET)
        timer.tick(tick, [chosen, state], [shown, state, timer], **QUIET)
