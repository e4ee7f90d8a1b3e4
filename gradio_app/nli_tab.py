"""The NLI tab: layout and wiring."""

import gradio as gr

from engine.data.tasks import NLI
from gradio_app.asking import Asking, answer_with, create_asking, wire
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.why import create_why

EXAMPLES = [
    ["The bakery opens at six and sells rye bread.", "You can buy bread there at seven."],
    ["She has taken the stairs since the lift broke down.", "The lift works."],
    ["Der Zug fiel aus, wir nahmen den Bus.", "Wir sind mit dem Zug gefahren."],
    ["El perro durmió toda la tarde junto a la estufa.", "El perro es negro."],
    ["Кот спит на подоконнике, пока идёт дождь.", "На улице идёт дождь."],
    ["这家小店只收现金，不能刷卡。", "在这里可以用信用卡付款。"],
]


def create_nli_tab(context: Context, say: Language) -> Asking:
    """A premise and a hypothesis in, every chosen model's verdict side by side."""
    with gr.Tab(say("NLI"), id="nli"):
        gr.Markdown(
            say("Does the hypothesis follow from the premise, contradict it, or neither? Any of 15 languages."),
            elem_classes="oz-question",
        )
        with gr.Row(elem_classes="oz-pair"):
            premise = gr.Textbox(label=say("Premise"), lines=2, max_lines=8, min_width=280, elem_id="nli-premise")
            swap = gr.Button("⇄", elem_id="nli-swap", min_width=44, scale=0)
            hypothesis = gr.Textbox(
                label=say("Hypothesis"), lines=2, max_lines=8, min_width=280, elem_id="nli-hypothesis"
            )
        empty = say("Every model's verdict will stand here, side by side. Type something, or try an example below.")
        asking = create_asking(context, say, NLI, [premise, hypothesis], empty)
        create_why(context, say, asking)
        examples = gr.Examples(EXAMPLES, [premise, hypothesis], label=say("Try one"), api_visibility="private")
        pair = [premise, hypothesis]
        swap.click(None, pair, pair, js="(...pair) => window.odzera.swap(pair)", api_visibility="private")
        asked = [asking.button.click, premise.submit, hypothesis.submit]
        wire(context, asking, asked, examples.load_input_event, answer_with(context, say, NLI), [asking.answers])
    return asking
