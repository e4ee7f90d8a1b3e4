"""What a visitor should know before typing."""

from gradio_app.languages import Language


def render_hint(say: Language, characters: int) -> str:
    """The keyboard's short cut, the limit, and what becomes of the text."""
    limit = say("at most {n} characters", n=say.number(characters, ","))
    return (
        f'<p class="oz-note oz-hint"><kbd>Ctrl</kbd>+<kbd>Enter</kbd> {say("asks")} · {limit} · '
        f"{say('what you type is neither kept nor logged')}</p>"
    )
