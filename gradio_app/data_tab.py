"""The Data tab: layout and wiring."""

import gradio as gr

from gradio_app.context import Context
from gradio_app.handlers.curves import show_curve
from gradio_app.languages import Language


def create_data_tab(context: Context, say: Language) -> None:
    """Quality against training examples, and against tokens seen in pretraining."""
    with gr.Tab(say("Data"), id="data") as tab:
        choices = context.curve_choices(say)
        first = choices[0][1] if choices else None
        with gr.Row(equal_height=True):
            chosen = gr.Dropdown(
                choices, value=first, label=say("Curve"), visible=bool(choices), scale=3, min_width=280
            )
            figure = gr.Radio(
                [("accuracy", "accuracy"), ("macro F1", "macro_f1")],
                value="accuracy",
                label=say("Quality"),
                visible=bool(choices),
                scale=2,
                min_width=280,
            )
        shown = gr.HTML(show_curve(context, say, first, "accuracy"), elem_id="curve-view")

        def refresh(name: str | None, quality: str) -> tuple[object, object, str]:
            """The choices and the curve, read anew."""
            found = context.curve_choices(say)
            names = [one for _, one in found]
            name = name if name in names else (names[0] if names else None)
            menu = gr.Dropdown(found, value=name, visible=bool(found))
            return menu, gr.Radio(visible=bool(found)), show_curve(context, say, name, quality)

        def choose(name: str | None, quality: str) -> str:
            """Another curve, or another figure of it."""
            return show_curve(context, say, name, quality)

        tab.select(refresh, [chosen, figure], [chosen, figure, shown], api_visibility="private")
        gr.on([chosen.input, figure.input], choose, [chosen, figure], shown, api_visibility="private")
