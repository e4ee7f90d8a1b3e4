"""A data set: its labels, its languages, what cleaning found, and its rows, which are escaped as all from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape

from engine.data.browse import Leaf
from engine.data.distributions import Check
from engine.data.tasks import SPLITS
from gradio_app.languages import Language, message
from gradio_app.views.charts.bars import draw_bar, draw_bars
from gradio_app.views.classes import render_chip, render_class, slug
from gradio_app.views.names import COLUMNS, name_language, name_split
from gradio_app.views.parts import render_empty, render_list, render_row, render_table
from gradio_app.views.units import count, percent

MORE = {"term": message("slang term"), "meaning": message("what it means")}
"""What some rows say beside their texts."""


def render_card(say: Language, source: str, rows: int, fingerprint: str, licence: str) -> str:
    """What the data set is, in one line."""
    parts = [f"<b>{escape(source)}</b>", say.plural("{n} row", "{n} rows", rows)]
    parts.append(say("fingerprint {fingerprint}", fingerprint=f"<code>{escape(fingerprint)}</code>"))
    parts.append(say("licence: {licence}", licence=escape(licence)) if licence else say("its licence wasn't recorded"))
    return f'<p class="oz-data">{" · ".join(parts)}</p>'


def render_gone(say: Language) -> str:
    """That the rows themselves aren't here, and what follows from it."""
    told = say(
        "The rows aren't at hand: a record keeps counts and a fingerprint, never texts. What the records of its models "
        "say is shown. To see everything, put the file into the folder {folder} beside {checkpoints}; it is "
        "recognised by its fingerprint.",
        folder="<code>data</code>",
        checkpoints="<code>checkpoints</code>",
    )
    return f'<p class="oz-notice">{told}</p>'


def render_labels(say: Language, rows: Mapping[str, int], labels: Mapping[str, Mapping[str, int]]) -> str:
    """Bars of each split's labels, splits side by side.

    Args:
        say: The page's language.
        rows: Split → rows.
        labels: Split → label → rows; a split may be missing.
    """
    columns = "".join(_split_labels(say, split, rows.get(split, 0), labels.get(split)) for split in SPLITS)
    return f'<section><h2>{say("Labels")}</h2><div class="oz-splits">{columns}</div></section>'


def _split_labels(say: Language, split: str, rows: int, labels: Mapping[str, int] | None) -> str:
    head = f"<h3>{escape(name_split(say, split))} <small>{say.plural('{n} row', '{n} rows', rows)}</small></h3>"
    if labels is None:
        told = say("How these rows are labelled wasn't recorded.")
        return f'<div class="oz-split">{head}<p class="oz-note">{told}</p></div>'
    bars = draw_bars(_label_bar(say, label, own, sum(labels.values())) for label, own in labels.items())
    return f'<div class="oz-split">{head}{bars}</div>'


def _label_bar(say: Language, label: str, own: int, rows: int) -> str:
    share = own / rows if rows else 0.0
    said = f"{count(say, own)} · {percent(say, share, 1)}"
    return draw_bar(render_class(say, label), said, share, f"oz-{slug(label)}")


def render_languages(say: Language, languages: Mapping[str, Mapping[str, int]], scored_only: bool = False) -> str:
    """A bar for each language, the commonest first, with its rows in each split.

    Args:
        say: The page's language.
        languages: Code → split → rows.
        scored_only: Whether the counts are those of validation and test alone.
    """
    if not languages:
        return ""
    rows = sum(sum(one.values()) for one in languages.values())
    if len(languages) == 1:
        (code,) = languages
        told = say("All in one language: {language}.", language=f"<b>{escape(_language(say, code))}</b>")
        return f"<section><h2>{say('Languages')}</h2><p>{told}</p></section>"
    splits = [split for split in SPLITS if any(split in one for one in languages.values())]
    most = max(sum(one.values()) for one in languages.values())
    heads = [say("language"), say("rows"), say("share"), *(escape(name_split(say, split)) for split in splits)]
    body = [_language_row(say, code, one, splits, rows, most) for code, one in languages.items()]
    note = say("Counted on the validation and test rows alone; those of train weren't recorded.") if scored_only else ""
    return (
        f"<section><h2>{say('Languages')}</h2>{render_table(say('Rows by language'), heads, body)}"
        f"{f'<p class=oz-note>{note}</p>' if note else ''}</section>"
    )


def _language_row(say: Language, code: str, own: Mapping[str, int], splits: Sequence[str], rows: int, most: int) -> str:
    here = sum(own.values())
    bar = (
        f'<span class="oz-inline"><span class="oz-track"><span class="oz-fill oz-positive" '
        f'style="width:{here / most:.1%}"></span></span>{percent(say, here / rows, 1)}</span>'
    )
    cells = [count(say, here), bar, *(count(say, own.get(split, 0)) for split in splits)]
    return render_row(escape(_language(say, code)), cells)


def _language(say: Language, code: str) -> str:
    return say("unknown") if code == "unknown" else f"{name_language(say, code)} ({code})"


def render_checks(say: Language, read: int, kept: int, checks: Sequence[Check], notes: Sequence[str]) -> str:
    """What was looked for, what was found, and what was done about it."""
    leaking = sum(one.found for one in checks if one.open)
    if leaking:
        verdict = say.plural(
            "▲ {n} thing stands on two sides of a split; it is marked below.",
            "▲ {n} things stand on two sides of a split; they are marked below.",
            leaking,
        )
    else:
        verdict = say("✓ Nothing that was looked for stands on two sides of a split.")
    heads = [say("looked for"), say("found"), say("what is done about it")]
    table = render_table(say("What was looked for"), heads, [_check_row(say, one) for one in checks], "oz-checks")
    more = render_list((escape(say.again(note)) for note in notes), "oz-notes")
    kept_words = say("{read} rows were read, {kept} kept.", read=count(say, read), kept=count(say, kept))
    return (
        f'<section><h2>{say("Leaks and what cleaning found")}</h2><p class="oz-summary">{verdict} {kept_words}</p>'
        f"{table}{more}</section>"
    )


def render_no_checks(say: Language) -> str:
    """That there is nothing to look in."""
    told = say("Leaks are looked for in the rows, which aren't at hand.")
    return f"<section><h2>{say('Leaks and what cleaning found')}</h2>{render_empty(told)}</section>"


def _check_row(say: Language, check: Check) -> str:
    found = f"{'▲ ' if check.open else ''}{count(say, check.found)}"
    cells = [found, escape(say.again(check.done))]
    return render_row(escape(say.again(check.looked_for)), cells, "oz-open" if check.open else "")


def render_examples(say: Language, leaf: Leaf) -> str:
    """A page of rows, each with its label, its split, its language and its id."""
    if not leaf.found:
        return render_empty(say("No row passes these filters. Take one away."))
    head = say(
        "{rows}, page {number} of {pages}, in an order drawn once",
        rows=say.plural("{n} row", "{n} rows", leaf.found),
        number=leaf.number,
        pages=count(say, leaf.pages),
    )
    items = "".join(_example(say, row) for row in leaf.rows)
    return f'<p class="oz-data" role="status">{escape(head)}</p><ol class="oz-examples">{items}</ol>'


def _example(say: Language, row: Mapping[str, object]) -> str:
    language, texts, more = str(row["language"]), row["texts"], row["more"]
    assert isinstance(texts, Mapping)
    assert isinstance(more, Mapping)
    lang = f' lang="{escape(language)}"' if language else ""
    named = len(texts) > 1
    shown = "".join(
        f"{f'<small>{escape(say(COLUMNS[column]))}</small>' if named else ''}"
        f'<p class="oz-text" dir="auto"{lang}>{escape(str(text))}</p>'
        for column, text in texts.items()
    )
    aside = "".join(
        f'<small>{escape(say(MORE[name]))}: <span dir="auto"{lang}>{escape(str(text))}</span></small>'
        for name, text in more.items()
    )
    label = str(row["label"])
    parts = [escape(name_split(say, str(row["split"])))]
    parts += [escape(_language(say, language))] if language else []
    parts.append(f"<code>{escape(str(row['id']))}</code>")
    foot = "".join(f"<span>{part}</span>" for part in parts)
    chip = render_chip(say, label, short=False)
    return f'<li class="oz-example"><div>{shown}{aside}</div><p class="oz-foot">{chip}{foot}</p></li>'
