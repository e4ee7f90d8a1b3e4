"""The Slang tab: layout and wiring."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from engine.data.tasks import SLANG
from gradio_app.context import Context
from gradio_app.handlers.glossary import find_terms
from gradio_app.languages import Language
from gradio_app.tabs.answer import create_answer
from gradio_app.tabs.asking import Answering, Asking, create_asking, wire
from gradio_app.tabs.examples import SLANG_EXAMPLES
from gradio_app.tabs.why import create_why

EXAMPLES = list(SLANG_EXAMPLES)


def create_slang_tab(context: Context, say: Language) -> Asking:
    """One text in, every chosen model's verdict side by side."""
    with gr.Tab(say("Slang"), id="slang"):
        gr.Markdown(
            say("How does a message in Polish youth slang feel: negative, neutral or ambiguous, or positive?"),
        )
        create_answer(context, say, SLANG)
        text = gr.Textbox(
            label=say("Message in Polish"),
            placeholder="np. ale kozak, serio",
            lines=2,
            max_lines=8,
            autofocus=True,
            elem_id="slang-text",
        )
        examples = gr.Examples(
            [[one] for one in EXAMPLES],
            [text],
            label=say("Try one"),
            api_visibility="private",
            elem_id="slang-examples",
        )
        asking = create_asking(context, say, SLANG, [text])
        terms = gr.HTML(elem_id="slang-terms")
        asking = replace(asking, answer=look_up_too(say, asking.answer, terms), outputs=[*asking.outputs, terms])
        create_why(context, say, asking)
        wire(context, asking, [asking.button.click, text.submit], examples.load_input_event)
    return asking


def look_up_too(say: Language, answer: Answering, terms: gr.HTML) -> Answering:
    """Answers, and what the glossary knows of the message: it needs no model, so its words stand there at once."""

    def answer_and_look_up(text: str, *more: Any) -> Iterator[dict[Any, Any]]:
        found: dict[Any, Any] = {terms: find_terms(say, text)}
        for answers in answer(text, *more):
            yield answers | found
            found = {}

    return answer_and_look_up
