"""The form that starts a training run, on the Training tab: layout and wiring."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.data.tasks import SLANG
from engine.experiments.plan import small_recipes, usual_dropout
from gradio_app.context import Context
from gradio_app.handlers.training_run import cancel_run, show_plan, show_run, start_run
from gradio_app.languages import Language
from gradio_app.tabs.fields import QUIET, task_choices
from gradio_app.views.training_run import render_refusal


@dataclass(frozen=True)
class TrainingForm:
    """The parts of the form that the tab wires."""

    fields: list[Any]
    """Task, recipe, name, seed, epochs, learning rate, dropout."""
    begin: gr.Button
    end: gr.Button
    notice: gr.HTML
    plan: gr.HTML
    live: gr.HTML
    start: Callable[..., str]
    cancel: Callable[[], str]


def create_training_form(context: Context, say: Language) -> TrainingForm:
    """Fields on the left, the run on the right; on a public page the command that does it at home."""
    gr.Markdown(f"### {say('Train a model here')}")
    if context.public:
        gr.HTML(render_refusal(say), elem_id="training-refusal")
    first = small_recipes(SLANG.name)[0]
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            task = gr.Radio(
                task_choices(say),
                value=SLANG.name,
                label=say("Task, trained on the bundled sample"),
            )
            recipe = gr.Dropdown(_names(SLANG.name), value=first.name, label=say("Recipe"))
            name = gr.Textbox(label=say("Name of the model"), placeholder=say("a free one"), max_lines=1, max_length=40)
            with gr.Row():
                epochs = gr.Number(first.epochs, label=say("Epochs, at most"), precision=0, min_width=130)
                rate = gr.Number(first.lr, label=say("Learning rate"), step=0.0001, min_width=130)
            with gr.Row():
                dropout = gr.Number(usual_dropout(first), label=say("Dropout"), step=0.05, min_width=130)
                seed = gr.Number(first.seed, label=say("Seed"), precision=0, min_width=130)
            with gr.Row(visible=not context.public):
                begin = gr.Button(say("Start"), variant="primary", elem_id="training-start")
                end = gr.Button(say("Cancel the run"), variant="stop", visible=False, elem_id="training-cancel")
            notice = gr.HTML(elem_id="training-notice")
        with gr.Column(scale=3, min_width=320):
            values = (SLANG.name, first.name, "", first.seed, first.epochs, first.lr, usual_dropout(first))
            plan = gr.HTML(next(show_plan(context, say, *values, estimate=False)), elem_id="training-plan")
            live = gr.HTML(show_run(context, say), visible=not context.public, elem_id="training-live")
    fields = [task, recipe, name, seed, epochs, rate, dropout]

    def choose_task(task: object, recipe: object) -> gr.Dropdown:
        """The recipes of another task; the same one where it is among them."""
        names = [one for _, one in _names(str(task))]
        return gr.Dropdown(_names(str(task)), value=recipe if recipe in names else (names[0] if names else None))

    def choose_recipe(task: object, recipe: object) -> tuple[object, ...]:
        """The settings of another recipe."""
        chosen = next((one for one in small_recipes(str(task)) if one.name == recipe), first)
        neural = chosen.kind != "baseline"
        return (
            gr.Number(chosen.epochs, visible=neural),
            gr.Number(chosen.lr, visible=neural),
            gr.Number(usual_dropout(chosen), visible=neural),
        )

    def show(*values: object) -> Iterator[str]:
        """What would be trained, and about how long it takes."""
        yield from show_plan(context, say, *values)

    told: dict[str, Any] = {**QUIET, "trigger_mode": "always_last", "concurrency_limit": 4}
    task.input(choose_task, [task, recipe], recipe, **QUIET).then(
        choose_recipe, [task, recipe], [epochs, rate, dropout], **QUIET
    ).then(show, fields, plan, **told)
    recipe.input(choose_recipe, [task, recipe], [epochs, rate, dropout], **QUIET).then(show, fields, plan, **told)
    gr.on([one.input for one in (name, seed, epochs, rate, dropout)], show, fields, plan, **told)

    def start(*values: object) -> str:
        return start_run(context, say, *values)

    def cancel() -> str:
        return cancel_run(context, say)

    return TrainingForm(fields, begin, end, notice, plan, live, start, cancel)


def _names(task: str) -> list[tuple[str, str]]:
    return [(recipe.name, recipe.name) for recipe in small_recipes(task)]
