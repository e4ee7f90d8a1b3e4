"""The block that asks why, below the answers of a tab: layout and wiring."""

from collections.abc import Iterator

import gradio as gr

from engine.explain.why import WAYS
from gradio_app.context import Context
from gradio_app.handlers.why import explain
from gradio_app.languages import Language
from gradio_app.tabs.asking import Asking, read_names
from gradio_app.tabs.fields import QUIET
from gradio_app.views.heat import render_nothing


def create_why(context: Context, say: Language, asking: Asking) -> None:
    """Ways of asking why, a button, and a heat map for each chosen model, of the text that is asked about."""
    task = asking.task
    with gr.Accordion(say("Why? The words behind each verdict"), open=False, elem_id=f"{task.name}-why"):
        with gr.Row(elem_classes="oz-why-ask"):
            way = gr.Radio(
                [(say.again(one.title), key) for key, one in WAYS.items()],
                value=next(iter(WAYS)),
                label=say("How to find out"),
                elem_id=f"{task.name}-way",
                scale=4,
            )
            button = gr.Button(say("Explain"), scale=1, min_width=140, elem_id=f"{task.name}-explain")
        shown = gr.HTML(render_nothing(say), elem_id=f"{task.name}-heat")

        def answer(way: str, data: str | None, chosen: object, *texts: str) -> Iterator[str]:
            yield from explain(context, say, task, data, way, *texts, chosen=read_names(chosen))

        button.click(
            answer,
            inputs=[way, asking.data, asking.models, *asking.texts],
            outputs=shown,
            **QUIET,
            concurrency_limit=2,
            concurrency_id="why",
        )
