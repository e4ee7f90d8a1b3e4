"""The block that asks why, below the answers of a tab: layout and wiring."""

from collections.abc import Iterator, Sequence

import gradio as gr
from gradio.components import Component

from engine.data.tasks import Task
from engine.serving.why import WAYS
from gradio_app.context import Context
from gradio_app.handlers.why import explain
from gradio_app.languages import Language
from gradio_app.views import heat


def create_why(context: Context, say: Language, task: Task, inputs: Sequence[Component], data: Component) -> None:
    """Ways of asking why, a button, and a heat map for each model.

    Args:
        context: The page's models.
        say: The page's language.
        task: What the tab asks.
        inputs: The boxes that hold the text, or premise and hypothesis.
        data: Which data the models were trained on.
    """
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
        shown = gr.HTML(heat.render_empty(say), elem_id=f"{task.name}-heat")

        def answer(way: str, data: str | None, *texts: str) -> Iterator[str]:
            yield from explain(context, say, task, data, way, *texts)

        button.click(
            answer,
            inputs=[way, data, *inputs],
            outputs=shown,
            api_visibility="private",
            show_progress="hidden",
            concurrency_limit=2,
            concurrency_id="classify",
        )
