"""The Data tab: layout and wiring."""

import gradio as gr

from gradio_app import handlers
from gradio_app.context import Context


def create_curves_tab(context: Context) -> None:
    """Quality against training examples, and against tokens seen in pretraining."""
    with gr.Tab("Data", id="data") as tab:
        choices = context.curve_choices()
        first = choices[0][1] if choices else None
        with gr.Row(equal_height=True):
            chosen = gr.Dropdown(choices, value=first, label="Curve", visible=bool(choices), scale=3, min_width=280)
            figure = gr.Radio(
                [("accuracy", "accuracy"), ("macro F1", "macro_f1")],
                value="accuracy",
                label="Quality",
                visible=bool(choices),
                scale=2,
                min_width=280,
            )
        shown = gr.HTML(handlers.show_curve(context, first, "accuracy"), elem_id="curve-view")

        def refresh(name: str | None, quality: str) -> tuple[object, object, str]:
            """The choices and the curve, read anew."""
            found = context.curve_choices()
            names = [one for _, one in found]
            name = name if name in names else (names[0] if names else None)
            menu = gr.Dropdown(found, value=name, visible=bool(found))
            return menu, gr.Radio(visible=bool(found)), handlers.show_curve(context, name, quality)

        def choose(name: str | None, quality: str) -> str:
            """Another curve, or another figure of it."""
            return handlers.show_curve(context, name, quality)

        tab.select(refresh, [chosen, figure], [chosen, figure, shown], api_visibility="private")
        gr.on([chosen.input, figure.input], choose, [chosen, figure], shown, api_visibility="private")
