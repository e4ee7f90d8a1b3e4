"""What the Data tab shows of learning curves, without a page."""

from html import escape

from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views.curves import render_curve

COMMAND = "odzera curve examples slang"


def show_curve(context: Context, say: Language, name: str | None, figure: str) -> str:
    """One curve: what it says in words, its figure, its numbers."""
    curve = context.curve(name) if isinstance(name, str) else None
    if curve is None:
        told = say("No curve is measured yet. Make one: {command}", command=f"<code>{escape(COMMAND)}</code>")
        return f'<div class="oz-empty">{told}</div>'
    return render_curve(say, curve, figure if figure in ("accuracy", "macro_f1") else "accuracy")
