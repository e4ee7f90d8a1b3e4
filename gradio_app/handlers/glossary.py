"""What of the glossary is found in a message, without a page."""

from contextlib import suppress

from engine.data.polish.glossary import Glossary
from engine.data.tasks import SLANG
from engine.errors import TextError
from engine.serving.answers import check_input
from gradio_app.languages import Language
from gradio_app.views.glossary import render_terms


def find_terms(say: Language, text: str | None) -> str:
    """The slang terms in a message with their meaning; nothing where the message won't do, as the answers say why."""
    with suppress(TextError):
        (ready,) = check_input(SLANG, (text or "",))
        return render_terms(say, Glossary.load().find(ready))
    return ""
