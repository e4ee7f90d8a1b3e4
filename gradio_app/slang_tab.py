"""The Slang tab: layout and wiring."""

import gradio as gr

from engine.data.tasks import SLANG
from gradio_app.asking import Asking, answer_with, create_asking, wire
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.why import create_why

EXAMPLES = [
    "ale kozak, serio, szacun za ten występ",
    "no i znowu lipa, autobus odjechał mi sprzed nosa",
    "ktoś ogarnia, o której jutro zbiórka na orliku?",
    "super, że mówicie mi dzień po terminie, sztos",
    "Wbijasz na domówkę do Kuby czy odpuszczasz?",
]


def create_slang_tab(context: Context, say: Language) -> Asking:
    """One text in, every chosen model's verdict side by side."""
    with gr.Tab(say("Slang"), id="slang"):
        gr.Markdown(
            say("How does a message in Polish youth slang feel: negative, neutral or ambiguous, or positive?"),
            elem_classes="oz-question",
        )
        text = gr.Textbox(
            label=say("Message in Polish"),
            placeholder="np. ale kozak, serio",
            lines=2,
            max_lines=8,
            autofocus=True,
            elem_id="slang-text",
        )
        empty = say("Every model's verdict will stand here, side by side. Type something, or try an example below.")
        asking = create_asking(context, say, SLANG, [text], empty)
        create_why(context, say, asking)
        examples = gr.Examples([[one] for one in EXAMPLES], [text], label=say("Try one"), api_visibility="private")
        asked = [asking.button.click, text.submit]
        wire(context, asking, asked, examples.load_input_event, answer_with(context, say, SLANG), [asking.answers])
    return asking
