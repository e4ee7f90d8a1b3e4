"""What the Data tab shows of learning curves, without a page."""

from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views import cards
from gradio_app.views.curves import render_curve


def show_curve(context: Context, say: Language, name: str | None, figure: str) -> str:
    """One curve: what it says in words, its figure, its numbers."""
    curve = context.curve(name)
    if curve is None:
        return cards.render_notice("No curve is measured yet. Make one: odzera curve examples slang")
    return render_curve(curve, figure if figure in ("accuracy", "macro_f1") else "accuracy")
