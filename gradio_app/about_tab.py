"""The About tab: layout and wiring."""

import gradio as gr

from gradio_app.context import Context
from gradio_app.languages import Language


def create_about_tab(context: Context, say: Language) -> None:
    """What was measured where, links and versions."""
    with gr.Tab(say("About"), id="about"):
        gr.Markdown("…")
