"""The Models tab: layout and wiring."""

import gradio as gr

from engine.data.tasks import NLI, SLANG
from gradio_app.context import Context
from gradio_app.handlers.models import show_models
from gradio_app.languages import Language
from gradio_app.views.growth import render_growth


def create_models_tab(context: Context, say: Language) -> None:
    """Every model's test figures and costs, one data set at a time."""
    with gr.Tab(say("Models"), id="models"):
        for task in (SLANG, NLI):
            gr.Markdown(f"### {task.title}")
            choices = context.data_choices(task.name, say)
            first = choices[0][1] if choices else None
            data = gr.Dropdown(choices, value=first, label=say("Trained on"), visible=len(choices) > 1)
            table = gr.HTML(show_models(context, say, task.name, first), elem_id=f"models-{task.name}")

            def show(fingerprint: str | None, task_name: str = task.name) -> str:
                return show_models(context, say, task_name, fingerprint)

            data.change(show, inputs=[data], outputs=table, api_visibility="private")
        growth = context.growth()
        if growth is not None:
            gr.Markdown("### How cost grows")
            gr.HTML(render_growth(growth), elem_id="models-growth")
