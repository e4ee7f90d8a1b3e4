"""The About tab: layout and wiring."""

import gradio as gr

from gradio_app.context import Context
from gradio_app.handlers.about import show_about
from gradio_app.languages import Language
from gradio_app.tabs.fields import QUIET


def create_about_tab(context: Context, say: Language) -> None:
    """What was measured where, links and versions."""
    with gr.Tab(say("About"), id="about") as tab:
        shown = gr.HTML(show_about(context, say), elem_id="about-view")

        def refresh() -> str:
            """The same; by now other models may be open."""
            return show_about(context, say)

        tab.select(refresh, None, shown, **QUIET)
