"""The answer panel above the text fields."""

import gradio as gr

from engine.data.tasks import Task
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views.answer import render_answer


def create_answer(context: Context, say: Language, task: Task) -> None:
    """What was measured says of the product's question; nothing where no model is trained."""
    answer = context.answer(task)
    if answer is not None:
        recipes = {model.name: model.recipe for model in context.models(task)}
        panel = render_answer(say, task, answer, context.answers_by_examples(task), recipes)
        gr.HTML(panel, elem_id=f"{task.name}-panel")
