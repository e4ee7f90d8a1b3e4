"""The Study tab: layout and wiring."""

import gradio as gr

from gradio_app import handlers
from gradio_app.context import Context

LIVE_SECONDS = 5


def create_study_tab(context: Context) -> None:
    """The search that found the decoder: progress, history, importances, the best trials, and the dashboard."""
    with gr.Tab("Study", id="study") as tab:
        choices = context.study_choices()
        first = choices[0][1] if choices else None
        chosen = gr.Dropdown(choices, value=first, label="Study", visible=bool(choices))
        shown = gr.HTML(handlers.show_study(context, first), elem_id="study-view")
        # What the page shows now, so that a tick without news sends nothing.
        state = gr.State(handlers.study_mark(context, first))

        def refresh(name: str | None) -> tuple[object, str, str]:
            """The choices, the study and its mark, read anew."""
            found = context.study_choices(fresh=True)
            names = [one for _, one in found]
            name = name if name in names else (names[0] if names else None)
            menu = gr.Dropdown(found, value=name, visible=bool(found))
            return menu, handlers.show_study(context, name), handlers.study_mark(context, name)

        def tick(name: str | None, mark: str) -> tuple[object, object]:
            """The study again, if anything has happened in it."""
            now = handlers.study_mark(context, name)
            return (gr.skip(), gr.skip()) if now == mark else (handlers.show_study(context, name), now)

        def choose(name: str | None) -> tuple[str, str]:
            """Another study."""
            return handlers.show_study(context, name), handlers.study_mark(context, name)

        tab.select(refresh, chosen, [chosen, shown, state], api_visibility="private")
        chosen.input(choose, chosen, [shown, state], api_visibility="private")
        gr.Timer(LIVE_SECONDS).tick(
            tick, [chosen, state], [shown, state], api_visibility="private", show_progress="hidden"
        )
