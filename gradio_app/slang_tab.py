"""The Slang tab: layout and wiring."""

from collections.abc import Iterator

import gradio as gr

from engine.data.tasks import SLANG, Task
from gradio_app.context import Context
from gradio_app.handlers.ask import AT_ONCE, ask
from gradio_app.languages import Language
from gradio_app.views import cards

EXAMPLES = [
    "ale kozak, serio, szacun za ten występ",
    "no i znowu lipa, autobus odjechał mi sprzed nosa",
    "ktoś ogarnia, o której jutro zbiórka na orliku?",
    "super, że mówicie mi dzień po terminie, sztos",
    "Wbijasz na domówkę do Kuby czy odpuszczasz?",
]


def create_slang_tab(context: Context, say: Language) -> None:
    """One text in, every model's verdict side by side."""
    with gr.Tab(say("Slang"), id="slang"):
        gr.Markdown(
            "How does a message in Polish youth slang feel: **negative**, **neutral or ambiguous**, or **positive**?"
        )
        text = gr.Textbox(
            label=say("Message in Polish"),
            placeholder="np. ale kozak, serio",
            lines=2,
            max_lines=8,
            autofocus=True,
            elem_id="slang-text",
        )
        data = create_data_choice(context, say, SLANG.name)
        before = create_before(context, say, SLANG)
        button = gr.Button(say("Ask every model"), variant="primary", elem_id="slang-ask")
        answers = gr.HTML(
            cards.render_empty(
                "Every model's verdict will stand here, side by side. Type something, or try an example below."
            ),
            elem_id="slang-answers",
        )

        gr.Examples([[one] for one in EXAMPLES], inputs=[text], label=say("Try one"), api_visibility="private")

        def answer(text: str, data: str | None, before: bool) -> Iterator[str]:
            yield from ask(context, say, SLANG, data, text, before=before)

        gr.on(
            [button.click, text.submit],
            answer,
            inputs=[text, data, before],
            outputs=answers,
            api_visibility="private",
            show_progress="hidden",
            concurrency_limit=AT_ONCE,
            concurrency_id=SLANG.name,
        )


def create_data_choice(context: Context, say: Language, task: str) -> gr.Dropdown:
    """Which data the models were trained on; out of sight while there is only one."""
    choices = context.data_choices(task, say)
    return gr.Dropdown(
        choices,
        value=choices[0][1] if choices else None,
        label=say("Models trained on"),
        visible=len(choices) > 1,
    )


def create_before(context: Context, say: Language, task: Task) -> gr.Checkbox:
    """Whether to ask the backbones too, as they were before training; out of sight where zero-shot models do that."""
    return gr.Checkbox(
        False,
        visible=any(context.untouched(task, data) for _, data in context.data_choices(task.name, say)),
        label=say("Before and after: ask the untouched backbones too"),
        container=False,
    )
