"""The mistakes that a model was surest of, to read through."""

from collections.abc import Sequence
from html import escape

from engine.data.tasks import Task
from engine.results.inspection import Mistake
from gradio_app.languages import Language
from gradio_app.views.classes import render_class
from gradio_app.views.names import COLUMNS, name_language
from gradio_app.views.parts import render_empty
from gradio_app.views.units import count, percent


def render_mistakes(say: Language, task: Task, mistakes: Sequence[Mistake], shown: int, rows: int) -> str:
    """The first of them, the surest first.

    Args:
        say: The page's language.
        task: Whose texts and classes they are.
        mistakes: All of one model's, with their texts.
        shown: How many are shown.
        rows: How many test rows there are in all.
    """
    if not mistakes:
        return render_empty(say("This model made no mistake on the test rows."))
    said = say(
        "{mistakes} of {rows} test rows were answered wrong; these are the {shown} that the model was surest of.",
        mistakes=count(say, len(mistakes)),
        rows=count(say, rows),
        shown=count(say, min(shown, len(mistakes))),
    )
    items = "".join(_item(say, task, one) for one in mistakes[:shown])
    return f'<p class="oz-note">{escape(said)}</p><ol class="oz-mistakes">{items}</ol>'


def render_no_texts(say: Language) -> str:
    """What stands there where the data isn't at hand."""
    words = say(
        "Results keep the numbers of the test rows, never their texts, and this data doesn't come with the product, so "
        "its mistakes can't be read here. For models trained on the bundled sample they can."
    )
    return render_empty(words)


def _item(say: Language, task: Task, mistake: Mistake) -> str:
    # Without a code of its own the row is in the task's only language.
    language = mistake.language or (task.languages[0] if len(task.languages) == 1 else "")
    spoken = f' lang="{escape(language)}"' if language else ""
    texts = "".join(
        f"<blockquote{spoken} dir='auto'>{_named(say, task, column)}{escape(text)}</blockquote>"
        for column, text in zip(task.text_columns, mistake.texts, strict=True)
    )
    wrong, right = (
        f"<b>{render_class(say, task.labels[label])}</b> {percent(say, share)}"
        for label, share in ((mistake.predicted, mistake.probability), (mistake.label, mistake.label_probability))
    )
    verdict = say("Answered {wrong}; right is {right}", wrong=wrong, right=right)
    code = f" · {escape(name_language(say, mistake.language))}" if mistake.language else ""
    return f"<li>{texts}<p>{verdict}{code}</p></li>"


def _named(say: Language, task: Task, column: str) -> str:
    """What half of a pair it is; a single text needs no name."""
    return f"<small>{escape(say(COLUMNS[column]))}</small> " if task.is_pair else ""
