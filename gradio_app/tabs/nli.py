"""The NLI tab: layout and wiring."""

import gradio as gr

from engine.data.tasks import NLI
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.tabs.answer import create_answer
from gradio_app.tabs.asking import Asking, create_asking, wire
from gradio_app.tabs.examples import LANGUAGES, NLI_EXAMPLES, own_name
from gradio_app.tabs.fields import QUIET
from gradio_app.tabs.why import create_why


def create_nli_tab(context: Context, say: Language) -> Asking:
    """A premise and a hypothesis in, every chosen model's verdict side by side."""
    with gr.Tab(say("NLI"), id="nli"):
        gr.Markdown(
            say("Does the hypothesis follow from the premise, contradict it, or neither? Any of 15 languages."),
        )
        create_answer(context, say, NLI)
        with gr.Row(elem_classes="oz-pair"):
            premise = gr.Textbox(label=say("Premise"), lines=2, max_lines=8, min_width=280, elem_id="nli-premise")
            swap = gr.Button("⇄", elem_id="nli-swap", min_width=44, scale=0)
            hypothesis = gr.Textbox(
                label=say("Hypothesis"), lines=2, max_lines=8, min_width=280, elem_id="nli-hypothesis"
            )
        examples = gr.Dataset(
            components=[gr.Textbox(visible=False)],
            samples=[[name_language(say, code)] for code in LANGUAGES],
            samples_per_page=len(LANGUAGES),
            label=say("Try one in your language; press again for another"),
            type="index",
            elem_id="nli-examples",
        )
        asking = create_asking(context, say, NLI, [premise, hypothesis])
        create_why(context, say, asking)
        pair = [premise, hypothesis]
        swap.click(None, pair, pair, js="(...pair) => window.odzera.swap(pair)", api_visibility="private")
        filled = examples.click(fill, [examples, premise], pair, **QUIET)
        asked = [asking.button.click, premise.submit, hypothesis.submit]
        wire(context, asking, asked, filled)
    return asking


def name_language(say: Language, code: str) -> str:
    """What a language calls itself, and what the page's language calls it."""
    own, ours = own_name(code), say(LANGUAGES[code])
    return own if own.casefold() == ours.casefold() else f"{own} · {ours}"


def fill(place: int, premise: str) -> tuple[str, str]:
    """The next example in a language: the one after that in the box, or the first."""
    codes = list(LANGUAGES)
    code = codes[place] if isinstance(place, int) and 0 <= place < len(codes) else "en"
    pairs = [(one.premise, one.hypothesis) for one in NLI_EXAMPLES if one.code == code]
    here = [first for first, _ in pairs].index(premise) if premise in dict(pairs) else -1
    return pairs[(here + 1) % len(pairs)]
