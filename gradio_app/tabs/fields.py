"""Fields and settings of events that several tabs have in common."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from gradio_app.languages import Language
from gradio_app.views.names import TASKS, name_figure

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Events are the page's own business, and the answer comes too soon for a sign that it is awaited."""


def task_choices(say: Language) -> list[tuple[str, str]]:
    """Tasks as (words, name)."""
    return [(say(title), name) for name, title in TASKS.items()]


def figure_choices(say: Language) -> list[tuple[str, str]]:
    """The two figures of quality that curves are drawn of, as (words, key)."""
    return [(name_figure(say, one), one) for one in ("accuracy", "macro_f1")]


def data_menu(choices: Sequence[tuple[str, str]], **more: Any) -> gr.Dropdown:
    """Data sets to choose from, the first one chosen; out of sight where there is only one."""
    return gr.Dropdown(choices, value=choices[0][1] if choices else None, visible=len(choices) > 1, **more)
