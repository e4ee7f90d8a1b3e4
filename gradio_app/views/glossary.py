"""Terms of the glossary found in a text. The text is the visitor's, so it is escaped."""

from collections.abc import Mapping, Sequence
from html import escape

from engine.data.polish.glossary import Entry, Found
from gradio_app.languages import Language, message

SHOWN = 12
"""Terms shown at once; the rest unfolds."""
PARTS: Mapping[str, str] = {
    "noun": message("noun"),
    "adjective": message("adjective"),
    "adverb": message("adverb"),
    "verb": message("verb"),
    "interjection": message("interjection"),
    "phrase": message("phrase"),
}
TONES: Mapping[str, tuple[str, str]] = {
    "positive": ("▲", message("mostly positive")),
    "negative": ("▼", message("mostly negative")),
    "either": ("●", message("positive or negative")),
}
"""What a term mostly sounds like, with the sign that goes with the colour."""
REGISTERS: Mapping[str, str] = {"vulgar": message("vulgar"), "regional": message("regional")}


def render_terms(say: Language, found: Sequence[Found]) -> str:
    """Each term once, with the forms in which it stands in the text, its meaning, tone and register."""
    if not found:
        return f'<p class="oz-note oz-no-terms">{say("No term of the bundled slang glossary is in this message.")}</p>'
    by_term: dict[str, tuple[Entry, list[str]]] = {}
    for one in found:
        forms = by_term.setdefault(one.entry.term, (one.entry, []))[1]
        if one.form not in forms:
            forms.append(one.form)
    items = [_item(say, entry, forms) for entry, forms in by_term.values()]
    more = ""
    if len(items) > SHOWN:
        rest = say.plural("{n} more term", "{n} more terms", len(items) - SHOWN)
        more = f"<details><summary>{rest}</summary><dl>{''.join(items[SHOWN:])}</dl></details>"
    title = say("Slang in this message")
    note = say("Found by the bundled glossary, not by the models; words can mean other things too.")
    return (
        f'<section class="oz-terms" aria-label="{escape(title)}"><h2>{title}</h2>'
        f"<dl>{''.join(items[:SHOWN])}</dl>{more}"
        f'<p class="oz-note">{note}</p></section>'
    )


def _item(say: Language, entry: Entry, forms: Sequence[str]) -> str:
    written = ", ".join(f'<b lang="pl">{escape(form)}</b>' for form in forms)
    # A form that is the term itself isn't said twice.
    same = all(form.lower() == entry.term.lower() for form in forms)
    term = "" if same else f' <span class="oz-of" lang="pl">({escape(entry.term)})</span>'
    marks = [f"<span>{say(PARTS[entry.part])}</span>"]
    if entry.tone:
        sign, words = TONES[entry.tone]
        marks.append(f'<span class="oz-tone oz-tone-{entry.tone}">{sign} {say(words)}</span>')
    if entry.register:
        marks.append(f'<span class="oz-register">{say(REGISTERS[entry.register])}</span>')
    meaning = f'{escape(entry.meaning(say.code))}<span class="oz-marks">{"".join(marks)}</span>'
    return f'<div class="oz-term"><dt>{written}{term}</dt><dd lang="{say.code}">{meaning}</dd></div>'
