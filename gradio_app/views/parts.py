"""Pieces that several tabs are built of: notices, tables in frames, progress bars, headings with links to them."""

from collections.abc import Iterable, Sequence
from html import escape

from gradio_app.languages import Language
from gradio_app.views.units import count


def render_notice(text: str) -> str:
    """A designed place for an error or for nothing to show."""
    return f'<div class="oz-notice" role="alert">{escape(text)}</div>'


def render_empty(text: str, command: str = "") -> str:
    """What stands where something will be, and the command that would make it."""
    code = f" <code>{escape(command)}</code>" if command else ""
    return f'<div class="oz-empty">{escape(text)}{code}</div>'


def render_table(name: str, heads: Iterable[str], rows: Iterable[str], style: str = "", frame: str = "") -> str:
    """A table in a frame that scrolls.

    Args:
        name: What the frame is called for those who can't see it.
        heads: Headings of the columns, as HTML; those that aren't cells yet become `<th>`.
        rows: As `render_row` makes them.
        style: More classes of the table.
        frame: More classes of the frame.
    """
    head = "".join(one if one.startswith(("<th", "<td")) else f'<th scope="col">{one}</th>' for one in heads)
    return (
        f'<div class="{_classes("oz-scroll", frame)}" tabindex="0" role="region" aria-label="{escape(name)}">'
        f'<table class="{_classes("oz-table", style)}"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def render_row(head: object, cells: Iterable[object], style: str = "") -> str:
    """A row with its heading; all of it HTML, and what is a `<th>` or `<td>` already stays as it is."""
    body = "".join(one if (one := str(cell)).startswith("<td") else f"<td>{one}</td>" for cell in cells)
    first = str(head) if str(head).startswith("<th") else f'<th scope="row">{head}</th>'
    marked = f' class="{style}"' if style else ""
    return f"<tr{marked}>{first}{body}</tr>"


def _classes(*names: str) -> str:
    return " ".join(filter(None, names))


def render_progress(name: str, share: float) -> str:
    """A bar that is filled by this share."""
    return (
        f'<div class="oz-track" role="progressbar" aria-label="{escape(name)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{100 * share:.0f}"><span class="oz-fill oz-positive" style="width:{100 * share:.1f}%"></span>'
        "</div>"
    )


def render_pairs(pairs: Iterable[tuple[str, str]], style: str = "") -> str:
    """Names and what they stand for; both are HTML."""
    marked = f' class="{style}"' if style else ""
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f"<dl{marked}>{items}</dl>"


def render_list(items: Iterable[str], style: str) -> str:
    """Items that are HTML; nothing where there are none."""
    listed = "".join(f"<li>{one}</li>" for one in items)
    return f'<ul class="{style}">{listed}</ul>' if listed else ""


def render_heading(say: Language, name: str, title: str) -> str:
    """A heading that a link can jump to."""
    return f'<h2 class="oz-heading" id="part-{escape(name)}" tabindex="-1">{escape(say(title))}</h2>'


def render_jumps(say: Language, sections: Sequence[tuple[str, str]]) -> str:
    """A line of links to the headings: (name, title)."""
    links = "".join(f'<a href="#part-{escape(name)}">{escape(say(title))}</a>' for name, title in sections)
    return f'<nav class="oz-jumps" aria-label="{escape(say("On this tab"))}">{links}</nav>'


def render_hint(say: Language, characters: int) -> str:
    """What a visitor should know before typing: the keyboard's short cut, the limit, and what becomes of the text."""
    limit = say("at most {n} characters", n=count(say, characters))
    return (
        f'<p class="oz-note oz-hint"><kbd>Ctrl</kbd>+<kbd>Enter</kbd> {say("asks")} · {limit} · '
        f"{say('what you type is neither kept nor logged')}</p>"
    )
