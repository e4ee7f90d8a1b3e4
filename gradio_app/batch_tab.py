"""The Batch tab: layout and wiring."""

import gradio as gr

from gradio_app.context import Context
from gradio_app.languages import Language


def create_batch_tab(context: Context, say: Language) -> None:
    """A file in, every chosen model's answers out."""
    with gr.Tab(say("Batch"), id="batch"):
        gr.Markdown("…")
