"""The Models tab: layout and wiring."""

from typing import Any

import gradio as gr

from engine.data.tasks import TASKS
from gradio_app.context import Context
from gradio_app.handlers import models
from gradio_app.languages import Language, message
from gradio_app.tabs.fields import QUIET, data_menu
from gradio_app.views.charts import breakdown
from gradio_app.views.growth import render_growth
from gradio_app.views.parts import render_empty, render_heading, render_jumps

SECTIONS = (
    ("table", message("Test figures and costs")),
    ("tradeoffs", message("Quality for its cost")),
    ("confusions", message("Confusion matrices")),
    ("significance", message("Which differences are real")),
    ("classes", message("By class")),
    ("languages", message("By language")),
    ("mistakes", message("Surest mistakes")),
)
"""Parts of the tab, from top to bottom, and their headings."""
GROWTH = ("growth", message("How cost grows"))


def create_models_tab(context: Context, say: Language) -> None:
    """Every model's test figures and costs, one task and one data set at a time."""
    with gr.Tab(say("Models"), id="models") as tab:
        trained = [task.name for task in TASKS.values() if context.data_choices(task.name, say)]
        first = trained[0] if trained else next(iter(TASKS))
        growth = context.growth()
        with gr.Row(equal_height=True):
            task = gr.Radio(
                [(say(one.title), one.name) for one in TASKS.values()],
                value=first,
                label=say("Task"),
                elem_id="models-task",
                scale=3,
                min_width=280,
            )
            data = data_menu(context.data_choices(first, say), label=say("Trained on"), scale=2, min_width=280)
        jumps = gr.HTML()
        # Drawn when the tab is first looked at.
        waiting = render_empty(say("Reading the results…"))
        parts: dict[str, gr.Column] = {}
        shown: dict[str, gr.HTML] = {}
        controls: dict[str, Any] = {}
        for name, title in SECTIONS:
            with gr.Column(visible=bool(trained) or name == "table") as parts[name]:
                gr.HTML(render_heading(say, name, title))
                _create_controls(say, name, controls)
                shown[name] = gr.HTML(waiting if name == "table" else "", elem_id=f"models-{name}")
                if name == "mistakes":
                    controls["more"] = gr.Button(say("Show more mistakes"), visible=False, elem_id="models-more")
        if growth is not None:
            gr.HTML(render_heading(say, *GROWTH))
            gr.HTML(render_growth(say, growth), elem_id="models-growth")
        _wire(context, say, tab, task, data, jumps, parts, shown, controls)


def _create_controls(say: Language, name: str, controls: dict[str, Any]) -> None:
    """What can be chosen in one part of the tab."""

    def choices(words: Any) -> list[tuple[str, str]]:
        return [(say(text), key) for key, text in words.items()]

    if name == "tradeoffs":
        with gr.Row():
            controls["quality"] = gr.Radio(choices(models.QUALITIES), label=say("Quality"), min_width=260)
            controls["time"] = gr.Radio(choices(models.TIMES), value="p50_ms", label=say("Time"), min_width=260)
            controls["size"] = gr.Radio(choices(models.SIZES), value="peak_memory_mb", label=say("Size"), min_width=260)
    if name == "classes":
        controls["figure"] = gr.Radio(choices(breakdown.CLASS_FIGURES), value="f1", label=say("Figure"))
    if name == "mistakes":
        controls["model"] = gr.Dropdown([], label=say("Model"), visible=False, elem_id="models-whose")
        controls["count"] = gr.State(models.PAGE)


def _draw_all(
    context: Context,
    say: Language,
    task_name: str | None,
    fingerprint: str | None,
    quality_name: str | None,
    time_name: str | None,
    size_name: str | None,
    figure_name: str | None,
) -> list[Any]:
    """Every part, for a task and its data."""
    found = models.find(context, task_name, fingerprint)
    about = (context, say, task_name, fingerprint)
    names = models.readable_models(*about)
    listed, any_more = models.show_mistakes(*about, None if not names else names[0], models.PAGE)
    languages = models.show_languages(*about)
    drawn = {
        "table": models.show_models(*about),
        "tradeoffs": models.show_tradeoffs(*about, quality_name, time_name, size_name),
        "confusions": models.show_confusions(*about),
        "significance": models.show_significance(*about),
        "classes": models.show_classes(*about, figure_name),
        "languages": languages,
        "mistakes": listed,
    }
    there = {name: name == "table" or bool(found) for name in drawn} | {"languages": bool(languages)}
    sections = [one for one in SECTIONS if there[one[0]]] + ([GROWTH] if context.growth() else [])
    usual = quality_name if quality_name in models.QUALITIES else (found[0].select_on if found else "accuracy")
    return [
        render_jumps(say, sections) if found else "",
        *(gr.Column(visible=there[name]) for name, _ in SECTIONS),
        *(drawn[name] for name, _ in SECTIONS),
        gr.Radio(value=usual),
        gr.Dropdown(names, value=names[0] if names else None, visible=bool(names)),
        models.PAGE,
        gr.Button(visible=any_more),
    ]


def _wire(
    context: Context,
    say: Language,
    tab: gr.Tab,
    task: gr.Radio,
    data: gr.Dropdown,
    jumps: gr.HTML,
    parts: dict[str, gr.Column],
    shown: dict[str, gr.HTML],
    controls: dict[str, Any],
) -> None:
    quality, time, size, figure = (controls[name] for name in ("quality", "time", "size", "figure"))
    model, count, more = (controls[name] for name in ("model", "count", "more"))
    chosen = [task, data]

    def draw_all(*given: Any) -> list[Any]:
        """Every part, for a task and its data."""
        return _draw_all(context, say, *given)

    everything = [jumps, *parts.values(), *shown.values(), quality, model, count, more]
    looked = [*chosen, quality, time, size, figure]

    def choose_task(task_name: str | None, *others: Any) -> list[Any]:
        """Another task, with its data sets, on its own figure of quality."""
        choices = context.data_choices(str(task_name), say) if task_name in TASKS else []
        return [data_menu(choices), *draw_all(task_name, choices[0][1] if choices else None, None, *others)]

    def draw_tradeoffs(*given: Any) -> str:
        """The plots, with other axes."""
        return models.show_tradeoffs(context, say, *given)

    def draw_classes(*given: Any) -> str:
        """The bars of another figure."""
        return models.show_classes(context, say, *given)

    def read_mistakes(task_name: str | None, fingerprint: str | None, name: str | None) -> tuple[Any, ...]:
        """Another model's mistakes, from the first."""
        html, any_more = models.show_mistakes(context, say, task_name, fingerprint, name, models.PAGE)
        return html, models.PAGE, gr.Button(visible=any_more)

    def read_more(task_name: str | None, fingerprint: str | None, name: str | None, count: int) -> tuple[Any, ...]:
        """Some more of the same model's."""
        wanted = int(count) + models.PAGE
        html, any_more = models.show_mistakes(context, say, task_name, fingerprint, name, wanted)
        return html, wanted, gr.Button(visible=any_more)

    tab.select(draw_all, looked, everything, **QUIET)
    data.input(draw_all, looked, everything, **QUIET)
    task.input(choose_task, [task, time, size, figure], [data, *everything], **QUIET)
    gr.on(
        [quality.input, time.input, size.input],
        draw_tradeoffs,
        [*chosen, quality, time, size],
        shown["tradeoffs"],
        **QUIET,
    )
    figure.input(draw_classes, [*chosen, figure], shown["classes"], **QUIET)
    model.input(read_mistakes, [*chosen, model], [shown["mistakes"], count, more], **QUIET)
    more.click(read_more, [*chosen, model, count], [shown["mistakes"], count, more], **QUIET)
