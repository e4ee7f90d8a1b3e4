"""The Data tab: layout and wiring."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from engine.data.browse import Filters
from engine.data.tasks import SLANG
from gradio_app.context import Context
from gradio_app.handlers import data as handlers
from gradio_app.handlers.curves import show_curve
from gradio_app.languages import Language
from gradio_app.tabs.fields import QUIET, figure_choices, task_choices
from gradio_app.views.parts import render_empty


def create_data_tab(context: Context, say: Language) -> None:
    """What models learn from: labels, languages, lengths, examples, leaks, the datasheet; and how much of it helps."""
    with gr.Tab(say("Data"), id="data") as tab:
        first = handlers.data_choices(context, say, SLANG.name)
        with gr.Row(equal_height=True):
            task = gr.Radio(
                task_choices(say),
                value=SLANG.name,
                label=say("Task"),
                scale=1,
                min_width=200,
                elem_id="data-task",
            )
            data = gr.Dropdown(
                first, value=first[0][1], label=say("Data set"), scale=3, min_width=280, elem_id="data-set"
            )
        about = gr.HTML(handlers.show_data(context, say, SLANG.name, None), elem_id="data-about")
        show_lengths = _create_lengths(context, say, task, data)
        show_examples = _create_examples(context, say, task, data)
        checks = gr.HTML(handlers.show_checks(context, say, SLANG.name, None), elem_id="data-checks")
        sheet = gr.HTML(handlers.show_datasheet(context, say, SLANG.name, None), elem_id="data-sheet")
        _create_curves(context, say, tab)

        def show_rest(task: str, fingerprint: str | None) -> tuple[str, str, str]:
            """What hangs on the data set alone."""
            shows = (handlers.show_data, handlers.show_checks, handlers.show_datasheet)
            about, checks, sheet = (show(context, say, task, fingerprint) for show in shows)
            return about, checks, sheet

        def choose_task(task: str) -> object:
            """Its data sets."""
            choices = handlers.data_choices(context, say, task)
            return gr.Dropdown(choices, value=choices[0][1] if choices else None)

        changed = task.input(choose_task, task, data, **QUIET)
        for event in (changed.then, data.input):
            event(show_rest, [task, data], [about, checks, sheet], **QUIET)
            show_lengths(event)
            show_examples(event)


def _create_lengths(context: Context, say: Language, task: gr.Radio, data: gr.Dropdown) -> Callable[[Any], None]:
    """How long texts are; returns what shows them again after an event."""
    gr.HTML(f"<h2>{say('Lengths')}</h2>", elem_classes="oz-heading")
    with gr.Row(equal_height=True) as controls:
        units = [(say("characters"), "characters"), (say("words"), "words"), (say("tokens"), "tokens")]
        unit = gr.Radio(units, value="characters", label=say("Length in"), min_width=240, elem_id="data-unit")
        groups = [(say("split"), "split"), (say("label"), "label")]
        by = gr.Radio(groups, value="split", label=say("Apart by"), min_width=200, elem_id="data-by")
    shown = gr.HTML(
        handlers.show_lengths(context, say, SLANG.name, None, "characters", "split"), elem_id="data-lengths"
    )

    def show(task: str, fingerprint: str | None, unit: str, by: str) -> Iterator[str]:
        """Histograms; tokens are counted for a second."""
        if unit == "tokens":
            yield render_empty(say("Counting tokens…"))
        yield handlers.show_lengths(context, say, task, fingerprint, unit, by)

    def renew(task: str, fingerprint: str | None, unit: str, by: str) -> Iterator[tuple[object, str]]:
        """The same of another data set, without the controls where there is nothing to measure."""
        visible = handlers.has_rows(context, task, fingerprint)
        for page in show(task, fingerprint, unit, by):
            yield gr.Row(visible=visible), page

    def again(event: Any) -> None:
        event(renew, [task, data, unit, by], [controls, shown], **QUIET)

    gr.on([unit.input, by.input], show, [task, data, unit, by], shown, **QUIET)
    return again


def _create_examples(context: Context, say: Language, task: gr.Radio, data: gr.Dropdown) -> Callable[[Any], None]:
    """Rows to leaf through; returns what begins again after an event."""
    gr.HTML(f"<h2>{say('Examples')}</h2>", elem_classes="oz-heading")
    choices = handlers.filter_choices(context, say, SLANG.name, None)
    with gr.Row(equal_height=True) as controls:
        split = gr.Dropdown(choices["split"], value="", label=say("Split"), min_width=140, elem_id="data-split")
        label = gr.Dropdown(choices["label"], value="", label=say("Label"), min_width=160, elem_id="data-label")
        language = gr.Dropdown(
            choices["language"],
            value="",
            label=say("Language"),
            min_width=160,
            visible=len(choices["language"]) > 1,
            elem_id="data-language",
        )
        contains = gr.Textbox(
            label=say("Containing"), max_length=handlers.MOST_LETTERS, min_width=160, elem_id="data-contains"
        )
    page = gr.State(1)
    text, _, pages = handlers.show_examples(context, say, SLANG.name, None, Filters(), 1)
    shown = gr.HTML(text, elem_id="data-examples")
    with gr.Row() as pager:
        before = gr.Button(say("← Previous page"), interactive=False, size="sm", elem_id="data-before")
        after = gr.Button(say("Next page →"), interactive=pages > 1, size="sm", elem_id="data-after")
    filters = [split, label, language, contains]
    inputs = [task, data, *filters, page]
    outputs = [shown, page, before, after]

    def leaf(by: int, task: str, fingerprint: str | None, *rest: Any) -> tuple[object, ...]:
        """The page that lies `by` pages on, or with 0 the first one."""
        *chosen, number = rest
        wanted = Filters(*(one if isinstance(one, str) else "" for one in chosen))
        there = int(number) + by if by else 1
        text, number, pages = handlers.show_examples(context, say, task, fingerprint, wanted, there)
        return text, number, gr.Button(interactive=number > 1), gr.Button(interactive=number < pages)

    def begin(*given: Any) -> tuple[object, ...]:
        return leaf(0, *given)

    def go_back(*given: Any) -> tuple[object, ...]:
        return leaf(-1, *given)

    def go_on(*given: Any) -> tuple[object, ...]:
        return leaf(1, *given)

    def renew(task: str, fingerprint: str | None) -> tuple[object, ...]:
        """The filters of another data set, all of them open, and its first page."""
        found = handlers.filter_choices(context, say, task, fingerprint)
        menus = [gr.Dropdown(found[name], value="") for name in ("split", "label")]
        menu = gr.Dropdown(found["language"], value="", visible=len(found["language"]) > 1)
        visible = gr.Row(visible=handlers.has_rows(context, task, fingerprint))
        return (visible, visible, *menus, menu, "", *leaf(0, task, fingerprint, "", "", "", "", 1))

    # A text may also change without a key: pasted, dropped or cleared.
    changes = [split.input, label.input, language.input, contains.change]
    # Of what is typed in haste, the last letter counts.
    gr.on(changes, begin, inputs, outputs, trigger_mode="always_last", **QUIET)
    before.click(go_back, inputs, outputs, **QUIET)
    after.click(go_on, inputs, outputs, **QUIET)

    def again(event: Any) -> None:
        event(renew, [task, data], [controls, pager, *filters, *outputs], **QUIET)

    return again


def _create_curves(context: Context, say: Language, tab: gr.Tab) -> None:
    """Quality against training examples, and against tokens seen in pretraining."""
    gr.HTML(f"<h2>{say('How much data is enough')}</h2>", elem_classes="oz-heading")
    choices = context.curve_choices(say)
    first = choices[0][1] if choices else None
    with gr.Row(equal_height=True):
        chosen = gr.Dropdown(choices, value=first, label=say("Curve"), visible=bool(choices), scale=3, min_width=280)
        figure = gr.Radio(
            figure_choices(say),
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

    tab.select(refresh, [chosen, figure], [chosen, figure, shown], **QUIET)
    gr.on([chosen.input, figure.input], choose, [chosen, figure], shown, **QUIET)
