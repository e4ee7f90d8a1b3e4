"""What the Slang and NLI tabs have in common: which models to ask, the button, the answers, and links to all that."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.tasks import Task
from gradio_app.context import Context
from gradio_app.handlers.ask import AT_ONCE, ask
from gradio_app.languages import Language
from gradio_app.tabs.fields import QUIET, data_menu
from gradio_app.views.cards import render_no_answers
from gradio_app.views.parts import render_hint

Answering = Callable[..., Iterator[dict[Any, Any]]]


@dataclass(frozen=True)
class Asking:
    """The components of one task's tab."""

    task: Task
    texts: Sequence[gr.Textbox]
    data: gr.Dropdown
    models: gr.CheckboxGroup
    before: gr.Checkbox
    button: gr.Button
    answer: Answering
    """The handler of a question; it yields what changes, by component."""
    outputs: Sequence[Any]
    """Where answers stand."""
    example: gr.HTML
    """Where an example's answers stand until something is asked."""

    @property
    def inputs(self) -> list[Any]:
        """What a question is made of, in the order in which `answer` takes it."""
        return [*self.texts, self.data, self.models, self.before]


def create_asking(context: Context, say: Language, task: Task, texts: Sequence[gr.Textbox]) -> Asking:
    """The choice of models, the button and the place for answers, below the text fields."""
    with gr.Row():
        button = gr.Button(say("Ask the models"), variant="primary", elem_id=f"{task.name}-ask", scale=3, min_width=180)
        link = gr.Button(say("Copy a link to this"), elem_id=f"{task.name}-link", scale=1, min_width=150)
    gr.HTML(render_hint(say, MAX_CHARACTERS))
    answers = gr.HTML(elem_id=f"{task.name}-answers")
    # Out of sight as soon as there are answers.
    example = gr.HTML(render_no_answers(say), elem_id=f"{task.name}-example")
    choices = context.data_choices(task.name, say)
    first = choices[0][1] if choices else None
    with gr.Accordion(say("Which models"), open=False, elem_id=f"{task.name}-choice"):
        data = data_menu(choices, label=say("Models trained on"))
        models = create_models_choice(context, say, task, first)
        # Out of sight where zero-shot models do that.
        before = gr.Checkbox(
            False,
            visible=any(context.untouched(task, one) for _, one in choices),
            label=say("Before and after: ask the untouched backbones too"),
            container=False,
        )

    def choose_data(fingerprint: str | None) -> gr.CheckboxGroup:
        """The models that were trained on other data."""
        return create_models_choice(context, say, task, fingerprint)

    data.input(choose_data, data, models, **QUIET)
    done = [say("Link copied"), say("Copy a link to this")]
    link.click(None, [link], [link], js=f"() => window.odzera.copy({done!r})", api_visibility="private")
    answer = answer_with(context, say, task, answers)
    return Asking(task, texts, data, models, before, button, answer, [answers], example)


def create_models_choice(context: Context, say: Language, task: Task, fingerprint: str | None) -> gr.CheckboxGroup:
    """The models on one data set, all of them chosen."""
    names = [one.name for one in context.models(task, fingerprint)]
    return gr.CheckboxGroup(
        names, value=names, label=say("Models to ask"), show_select_all=True, visible=len(names) > 1
    )


def read_names(chosen: object) -> list[str] | None:
    """Names of models as a browser hands them over: a private endpoint can be called with anything."""
    return [one for one in chosen if isinstance(one, str)] if isinstance(chosen, list) else None


def answer_with(context: Context, say: Language, task: Task, shown: gr.HTML) -> Answering:
    """The handler of a question: texts, data, chosen models, and whether to ask the untouched backbones too."""
    count = len(task.text_columns)

    def answer(*asked: Any) -> Iterator[dict[Any, Any]]:
        texts, (data, chosen, before) = asked[:count], asked[count:]
        named = data if isinstance(data, str) else None
        for cards in ask(context, say, task, named, *texts, before=bool(before), chosen=read_names(chosen)):
            yield {shown: cards}

    return answer


def wire(context: Context, asking: Asking, triggers: Sequence[Any], after: Any) -> None:
    """Ask on each trigger and after another event, and keep the question in the page's address."""
    task = asking.task
    counts = {data: len(context.models(task, data)) for data in context.registry.data_sets(task.name)}
    given = ", ".join(json.dumps(one) for one in (task.name, task.text_columns, counts))
    how: dict[str, Any] = {
        "inputs": asking.inputs,
        "outputs": list(asking.outputs),
        "js": f"(...asked) => window.odzera.keep({given}, asked)",
        **QUIET,
        # Pressed while the answers before it still come in, or just after, the button asks once they are all there.
        "trigger_mode": "always_last",
        "concurrency_limit": AT_ONCE,
        "concurrency_id": task.name,
    }
    gr.on(triggers, asking.answer, **how)
    after.then(asking.answer, **how)
