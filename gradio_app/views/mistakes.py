"""The mistakes that a model was surest of, to read through."""

from collections.abc import Mapping, Sequence
from html import escape

from engine.data.tasks import Task
from engine.results.inspection import Mistake
from gradio_app.languages import Language, message
from gradio_app.views.confusion import signed
from gradio_app.views.numbers import language_name, percent

COLUMNS: Mapping[str, str] = {"premise": message("premise"), "hypothesis": message("hypothesis")}
"""What the halves of a pair are called; a single text needs no name."""


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
        return f'<p class="oz-empty">{escape(say("This model made no mistake on the test rows."))}</p>'
    said = say(
        "{mistakes} of {rows} test rows were answered wrong; these are the {shown} that the model was surest of.",
        mistakes=say.number(len(mistakes), ","),
        rows=say.number(rows, ","),
        shown=say.number(min(shown, len(mistakes)), ","),
    )
    items = "".join(_item(say, task, one) for one in mistakes[:shown])
    return f'<p class="oz-note">{escape(said)}</p><ol class="oz-mistakes">{items}</ol>'


def render_no_texts(say: Language) -> str:
    """What stands there where the data isn't at hand."""
    words = say(
        "Results keep the numbers of the test rows, never their texts, and this data doesn't come with the product, so "
        "its mistakes can't be read here. For models trained on the bundled sample they can."
    )
    return f'<p class="oz-empty">{escape(words)}</p>'


def _item(say: Language, task: Task, mistake: Mistake) -> str:
    # Without a code of its own the row is in the task's only language.
    language = mistake.language or (task.languages[0] if len(task.languages) == 1 else "")
    spoken = f' lang="{escape(language)}"' if language else ""
    texts = "".join(
        f"<blockquote{spoken} dir='auto'>{_named(say, column)}{escape(text)}</blockquote>"
        for column, text in zip(task.text_columns, mistake.texts, strict=True)
    )
    wrong, right = (
        f"<b>{signed(say, task.labels[label])}</b> {percent(say, share)}"
        for label, share in ((mistake.predicted, mistake.probability), (mistake.label, mistake.label_probability))
    )
    verdict = say("Answered {wrong}; right is {right}", wrong=wrong, right=right)
    code = f" · {escape(language_name(say, mistake.language))}" if mistake.language else ""
    return f"<li>{texts}<p>{verdict}{code}</p></li>"


def _named(say: Language, column: str) -> str:
    return f"<small>{escape(say(COLUMNS[column]))}</small> " if column in COLUMNS else ""
