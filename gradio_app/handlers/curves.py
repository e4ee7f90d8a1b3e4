"""What the Data tab shows of quality against the amount of data, without a page."""

from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views.curves import render_curve
from gradio_app.views.parts import render_empty

COMMAND = "odzera curve examples slang"


def show_curve(context: Context, say: Language, name: str | None, figure: str) -> str:
    """One curve: what it says in words, its figure, its numbers."""
    curve = context.curve(name) if isinstance(name, str) else None
    if curve is None:
        return render_empty(say("No curve is measured yet. Make one:"), COMMAND)
    return render_curve(say, curve, figure if figure in ("accuracy", "macro_f1") else "accuracy")
