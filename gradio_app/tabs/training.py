"""The Training tab: layout and wiring."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.data.tasks import SLANG
from gradio_app.context import Context
from gradio_app.handlers.training import run_choices, show_all
from gradio_app.handlers.training_run import is_running, show_plan, show_run, with_newest
from gradio_app.languages import Language
from gradio_app.tabs.fields import QUIET, data_menu, figure_choices, task_choices
from gradio_app.tabs.training_form import TrainingForm, create_training_form
from gradio_app.views.charts.learning import MOST
from gradio_app.views.names import TASKS

LIVE_SECONDS = 1.0
FIGURE = "accuracy"


@dataclass(frozen=True)
class Parts:
    """The components of the tab."""

    task: gr.Radio
    data: gr.Dropdown
    figure: gr.Radio
    across: gr.Radio
    runs: gr.Dropdown
    differing: gr.Checkbox
    shown: list[gr.HTML]
    """Curves, costs and settings."""
    form: TrainingForm
    timer: gr.Timer

    @property
    def chosen(self) -> list[Any]:
        """What the shown models depend on, in the order in which `show_all` takes it."""
        return [self.task, self.data, self.runs, self.figure, self.across, self.differing]

    @property
    def live(self) -> list[Any]:
        """What changes while a run goes on."""
        return [self.form.live, self.timer, self.form.begin, self.form.end]


def create_training_tab(context: Context, say: Language) -> None:
    """How the models learned, and a run started here."""
    with gr.Tab(say("Training"), id="training") as tab:
        parts = _create_parts(context, say)
    _wire_models(context, say, parts)
    _wire_run(context, say, tab, parts)


def _create_parts(context: Context, say: Language) -> Parts:
    choices = context.data_choices(SLANG.name, say)
    first = choices[0][1] if choices else None
    models, chosen = run_choices(context, say, SLANG.name, first)
    with gr.Row(equal_height=True):
        narrow: dict[str, Any] = {"scale": 1, "min_width": 200}
        task = gr.Radio(task_choices(say), value=SLANG.name, label=say("Task"), **narrow)
        data = data_menu(choices, label=say("Trained on"), scale=2, min_width=260)
        figure = gr.Radio(figure_choices(say), value=FIGURE, label=say("Beside the loss"), **narrow)
        ends = [(say("epochs"), "epochs"), (say("seconds"), "seconds")]
        across = gr.Radio(ends, value="epochs", label=say("Across"), **narrow)
    runs = gr.Dropdown(
        models,
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
    return Parts(task, data, figure, across, runs, differing, [curves, costs, settings], form, timer)


def _wire_models(context: Context, say: Language, parts: Parts) -> None:
    """Other models, another task, other data, other axes."""

    def show(*values: object) -> tuple[str, str, str]:
        """The chosen models."""
        return show_all(context, say, *values)

    def choose_task(name: object, figure: object, across: object, differing: object) -> tuple[object, ...]:
        """Another task: its data, its models."""
        found = context.data_choices(str(name), say) if name in list(TASKS) else []
        return data_menu(found), *choose_data(name, found[0][1] if found else None, figure, across, differing)

    def choose_data(
        name: object, fingerprint: object, figure: object, across: object, differing: object
    ) -> tuple[object, ...]:
        """Other data: its models."""
        found, usual = run_choices(context, say, name, fingerprint)
        views = show_all(context, say, name, fingerprint, usual, figure, across, differing)
        return gr.Dropdown(found, value=usual), *views

    how = [parts.figure, parts.across, parts.differing]
    changed = [one.input for one in (parts.runs, *how)]
    gr.on(changed, show, parts.chosen, parts.shown, **QUIET)
    parts.task.input(choose_task, [parts.task, *how], [parts.data, parts.runs, *parts.shown], **QUIET)
    parts.data.input(choose_data, [parts.task, parts.data, *how], [parts.runs, *parts.shown], **QUIET)


def _wire_run(context: Context, say: Language, tab: gr.Tab, parts: Parts) -> None:
    """A run is started, followed and cancelled; what it made is shown."""
    form = parts.form

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

    asked = [*parts.chosen, *form.fields]
    every = [parts.runs, *parts.shown, form.plan, *parts.live]
    tab.select(refresh, asked, every, **QUIET)
    parts.timer.tick(tick, asked, every, **QUIET)
    form.begin.click(begin, [parts.figure, *form.fields], [form.notice, *parts.live], **QUIET)
    form.end.click(end, asked, [form.notice, *every], **QUIET)
