"""The Training tab: layout and wiring."""

from typing import Any

import gradio as gr

from engine.data.tasks import NLI, SLANG
from gradio_app.context import Context
from gradio_app.handlers.training import run_choices, show_all
from gradio_app.handlers.training_run import is_running, show_plan, show_run, with_newest
from gradio_app.languages import Language
from gradio_app.tabs.training_form import create_training_form
from gradio_app.views.learning_curves import MOST

LIVE_SECONDS = 1.0
FIGURE = "accuracy"


def create_training_tab(context: Context, say: Language) -> None:
    """How the models learned, and a run started here."""
    with gr.Tab(say("Training"), id="training") as tab:
        data_choices = context.data_choices(SLANG.name, say)
        first = data_choices[0][1] if data_choices else None
        choices, chosen = run_choices(context, say, SLANG.name, first)
        with gr.Row(equal_height=True):
            task = gr.Radio(
                [(say("Slang"), SLANG.name), (say("NLI"), NLI.name)],
                value=SLANG.name,
                label=say("Task"),
                scale=1,
                min_width=200,
            )
            data = gr.Dropdown(
                data_choices,
                value=first,
                label=say("Trained on"),
                visible=len(data_choices) > 1,
                scale=2,
                min_width=260,
            )
            figure = gr.Radio(
                [(say("accuracy"), "accuracy"), (say("macro F1"), "macro_f1")],
                value=FIGURE,
                label=say("Beside the loss"),
                scale=1,
                min_width=200,
            )
            across = gr.Radio(
                [(say("epochs"), "epochs"), (say("seconds"), "seconds")],
                value="epochs",
                label=say("Across"),
                scale=1,
                min_width=200,
            )
        runs = gr.Dropdown(
            choices,
            value=chosen,
            multiselect=True,
            max_choices=MOST,
            label=say("Models, at most six"),
            elem_id="training-runs",
        )
        views = show_all(context, say, SLANG.name, first, chosen)
        gr.Markdown(f"### {say('Learning curves')}")
        curves = gr.HTML(views[0], elem_id="training-curves")
        gr.Markdown(f"### {say('Resources')}")
        costs = gr.HTML(views[1], elem_id="training-costs")
        gr.Markdown(f"### {say('Hyperparameters')}")
        differing = gr.Checkbox(False, label=say("Only settings that differ"), container=False)
        settings = gr.HTML(views[2], elem_id="training-settings")
        form = create_training_form(context, say)
        timer = gr.Timer(LIVE_SECONDS, active=False)

    chooses = [task, data, runs, figure, across, differing]
    shown = [curves, costs, settings]

    def show(*values: object) -> tuple[str, str, str]:
        """The chosen models."""
        return show_all(context, say, *values)

    def choose_task(name: object, figure: object, across: object, differing: object) -> tuple[object, ...]:
        """Another task: its data, its models."""
        found = context.data_choices(str(name), say) if name in (SLANG.name, NLI.name) else []
        fingerprint = found[0][1] if found else None
        menu = gr.Dropdown(found, value=fingerprint, visible=len(found) > 1)
        return menu, *choose_data(name, fingerprint, figure, across, differing)

    def choose_data(
        name: object, fingerprint: object, figure: object, across: object, differing: object
    ) -> tuple[object, ...]:
        """Other data: its models."""
        found, usual = run_choices(context, say, name, fingerprint)
        views = show_all(context, say, name, fingerprint, usual, figure, across, differing)
        return gr.Dropdown(found, value=usual), *views

    def refresh(name: object, fingerprint: object, names: object, *rest: object) -> tuple[object, ...]:
        """The models anew, with one that has just been trained among the chosen, the plan, and how far the run is."""
        values, asked = rest[:3], rest[3:]
        found, _ = run_choices(context, say, name, fingerprint)
        kept = with_newest(context, names, [one for _, one in found])
        views = show_all(context, say, name, fingerprint, kept, *values)
        plan = next(show_plan(context, say, *asked, estimate=False))
        return gr.Dropdown(found, value=kept), *views, plan, *follow(values[0])

    def follow(figure: object) -> tuple[object, ...]:
        """How far the run is, the clock, and the buttons that fit."""
        running = is_running(context)
        return (
            show_run(context, say, figure),
            gr.Timer(active=running),
            gr.Button(interactive=not running),
            gr.Button(visible=running),
        )

    def tick(*values: object) -> tuple[object, ...]:
        """How far the run is; the models too, once it is over."""
        if is_running(context):
            return (*[gr.skip()] * 5, *follow(values[3]))
        return refresh(*values)

    def begin(figure: object, *values: object) -> tuple[object, ...]:
        """Start, or say why not."""
        return form.start(*values), *follow(figure)

    def end(*values: object) -> tuple[object, ...]:
        """Cancel."""
        return form.cancel(), *refresh(*values)

    live = [form.live, timer, form.begin, form.end]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([runs.input, figure.input, across.input, differing.input], show, chooses, shown, **quiet)
    task.input(choose_task, [task, figure, across, differing], [data, runs, *shown], **quiet)
    data.input(choose_data, [task, data, figure, across, differing], [runs, *shown], **quiet)
    every = [runs, *shown, form.plan, *live]
    tab.select(refresh, [*chooses, *form.fields], every, **quiet)
    timer.tick(tick, [*chooses, *form.fields], every, **quiet)
    form.begin.click(begin, [figure, *form.fields], [form.notice, *live], **quiet)
    form.end.click(end, [*chooses, *form.fields], [form.notice, *every], **quiet)
