"""The header: the page's name, what it is, and links to its other languages."""

from html import escape

from gradio_app.languages import NAMES, Language


def render_header(say: Language) -> str:
    """The name, one sentence, and links to the page in the other languages."""
    links = "".join(_link(code, name, code == say.code) for code, name in NAMES.items())
    return (
        '<header class="oz-header"><div><h1>Odzera</h1><p>'
        f"{say('Train a small model from scratch, or adapt something pretrained? Ask them all, and see.')}</p></div>"
        f'<nav class="oz-languages" aria-label="{escape(say("Language"))}">{links}</nav></header>'
    )


def _link(code: str, name: str, here: bool) -> str:
    # Relative, so that it holds behind a proxy too; English asks to stay where a browser would be sent elsewhere.
    href = "./?lang=en" if code == "en" else f"./{code}"
    current = ' aria-current="page"' if here else ""
    return f'<a href="{href}" lang="{code}" hreflang="{code}"{current}>{escape(name)}</a>'
