"""The Training tab: layout and wiring."""

import gradio as gr

from gradio_app.context import Context
from gradio_app.languages import Language


def create_training_tab(context: Context, say: Language) -> None:
    """How the models learned, and a run started here."""
    with gr.Tab(say("Training"), id="training"):
        gr.Markdown("…")
