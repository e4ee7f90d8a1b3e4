"""The NLI tab: layout and wiring."""

from collections.abc import Iterator

import gradio as gr

from engine.data.tasks import NLI
from gradio_app.context import Context
from gradio_app.handlers.ask import AT_ONCE, ask
from gradio_app.languages import Language
from gradio_app.slang_tab import create_before, create_data_choice
from gradio_app.views import cards

EXAMPLES = [
    ["The bakery opens at six and sells rye bread.", "You can buy bread there at seven."],
    ["She has taken the stairs since the lift broke down.", "The lift works."],
    ["Der Zug fiel aus, wir nahmen den Bus.", "Wir sind mit dem Zug gefahren."],
    ["El perro durmió toda la tarde junto a la estufa.", "El perro es negro."],
    ["Кот спит на подоконнике, пока идёт дождь.", "На улице идёт дождь."],
    ["这家小店只收现金，不能刷卡。", "在这里可以用信用卡付款。"],
]


def create_nli_tab(context: Context, say: Language) -> None:
    """A premise and a hypothesis in, every model's verdict side by side."""
    with gr.Tab(say("NLI"), id="nli"):
        gr.Markdown(
            "Does the hypothesis follow from the premise (**entailment**), contradict it (**contradiction**), "
            "or neither (**neutral**)? Any of 15 languages; MiniLM was pretrained on English."
        )
        with gr.Row(elem_classes="oz-pair"):
            premise = gr.Textbox(label=say("Premise"), lines=2, max_lines=8, min_width=280, elem_id="nli-premise")
            hypothesis = gr.Textbox(
                label=say("Hypothesis"),
                lines=2,
                max_lines=8,
                min_width=280,
                elem_id="nli-hypothesis",
            )
        data = create_data_choice(context, say, NLI.name)
        before = create_before(context, say, NLI)
        button = gr.Button(say("Ask every model"), variant="primary", elem_id="nli-ask")
        answers = gr.HTML(
            cards.render_empty(
                "Every model's verdict will stand here, side by side. Type something, or try an example below."
            ),
            elem_id="nli-answers",
        )

        gr.Examples(EXAMPLES, inputs=[premise, hypothesis], label=say("Try one"), api_visibility="private")

        def answer(premise: str, hypothesis: str, data: str | None, before: bool) -> Iterator[str]:
            yield from ask(context, say, NLI, data, premise, hypothesis, before=before)

        gr.on(
            [button.click, premise.submit, hypothesis.submit],
            answer,
            inputs=[premise, hypothesis, data, before],
            outputs=answers,
            api_visibility="private",
            show_progress="hidden",
            concurrency_limit=AT_ONCE,
            concurrency_id=NLI.name,
        )
