"""What a visitor's file holds, and how far its answers are. What is in the file is always escaped."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.tables import Table
from engine.data.tables.table import shorten
from engine.serving.batch import EMPTY, LONG, Batch, Columns, Progress
from gradio_app.languages import Language, message
from gradio_app.views.parts import render_list, render_notice, render_progress, render_row, render_table
from gradio_app.views.units import count, duration, percent

PREVIEW_ROWS, PREVIEW_COLUMNS, PREVIEW_CHARACTERS = 5, 8, 160

ROLES: Mapping[str, str] = {
    "text": message("text"),
    "premise": message("premise"),
    "hypothesis": message("hypothesis"),
    "label": message("label"),
}
"""What a column can be."""
SEPARATORS: Mapping[str, str] = {
    ",": message("comma"),
    ";": message("semicolon"),
    "\t": message("tab"),
    "|": message("vertical bar"),
}
"""What separates the cells of a CSV file."""


def user_text(text: object, most: int = PREVIEW_CHARACTERS) -> str:
    """A cell of someone's file: cut, escaped, and written in its own direction."""
    return f'<span dir="auto">{escape(shorten(str(text), most))}</span>'


def render_file(say: Language, table: Table, batch: Batch | None, why_not: str = "") -> str:
    """What was found in a file, and what won't be answered or scored; or why it can't be answered as it is."""
    name = f'<b dir="auto">{escape(shorten(table.name, 80))}</b>'
    rows = say.plural("{n} row", "{n} rows", len(table.numbers))
    columns = say.plural("{n} column", "{n} columns", len(table.columns))
    head = f'<p class="oz-data">{name}: {rows}, {columns}. {_how(say, table)}'
    if batch is None:
        return f"{head}</p>{render_notice(why_not)}"
    if batch.doubt:
        scored = escape(say("Nothing is scored. {why}", why=say.again(batch.doubt)))
    elif batch.columns.label is None:
        scored = say("No column is taken for labels, so there will be answers and agreement, but no scores.")
    elif not batch.labelled:
        scored = say("None of the labels is known, so there will be answers and agreement, but no scores.")
    else:
        scored = say.plural("{n} row has a label to score by.", "{n} rows have a label to score by.", batch.labelled)
    notes = [escape(say.again(one)) for one in (*table.reading.notes, *batch.notes)]
    notes += [_refused(say, why, numbers) for why, numbers in batch.refused.items()]
    if batch.unknown_labels:
        notes.append(
            say.plural(
                "{n} row has a label that is none of: {labels}. It isn't scored ({rows}).",
                "{n} rows have a label that is none of: {labels}. They aren't scored ({rows}).",
                len(batch.unknown_labels),
                labels=", ".join(f"{place} {escape(say(one))}" for place, one in enumerate(batch.columns.task.labels)),
                rows=_row_numbers(say, batch.unknown_labels),
            )
        )
    return f"{head} {scored}</p>{render_list(notes, 'oz-said oz-batch-notes')}"


def _how(say: Language, table: Table) -> str:
    """How a file was read: `Read as CSV, UTF-8, separator: semicolon.`"""
    one = table.reading
    how = [f"{one.format}{' (gzip)' if one.packed else ''}", *filter(None, [one.encoding])]
    if one.separator:
        how.append(say("separator: {separator}", separator=say(SEPARATORS.get(one.separator, one.separator))))
    return escape(say("Read as {how}.", how=", ".join(how)))


def _refused(say: Language, why: str, numbers: Sequence[int]) -> str:
    rows = _row_numbers(say, numbers)
    if why == EMPTY:
        return say.plural(
            "{n} row is empty and gets no answer ({rows}).",
            "{n} rows are empty and get no answer ({rows}).",
            len(numbers),
            rows=rows,
        )
    if why == LONG:
        return say.plural(
            "{n} row is longer than {most} characters and gets no answer ({rows}).",
            "{n} rows are longer than {most} characters and get no answer ({rows}).",
            len(numbers),
            most=count(say, MAX_CHARACTERS),
            rows=rows,
        )
    return say.plural(
        "{n} row isn't plain text and gets no answer ({rows}).",
        "{n} rows aren't plain text and get no answer ({rows}).",
        len(numbers),
        rows=rows,
    )


def _row_numbers(say: Language, numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
    return say("in the file: {rows}", rows=shown)


def render_preview(say: Language, table: Table, columns: Columns) -> str:
    """The first rows, with what each column is taken for; the columns in use come first."""
    roles = dict(zip(columns.texts, columns.task.text_columns, strict=True)) | {columns.label: "label"}
    named = [name for name in table.columns if name]
    order = [name for name in named if name in roles] + [name for name in named if name not in roles]
    shown = order[:PREVIEW_COLUMNS]
    heads = [say("row"), *(_heading(say, name, roles.get(name)) for name in shown)]
    cells = [table.column(name)[:PREVIEW_ROWS] for name in shown]
    rows = [
        render_row(number, [user_text(column[place]) for column in cells])
        for place, number in enumerate(table.numbers[:PREVIEW_ROWS])
    ]
    left_out = len(named) - len(shown)
    more = say.plural("{n} more column isn't shown.", "{n} more columns aren't shown.", left_out) if left_out else ""
    preview = render_table(say("First rows of the file"), heads, rows, "oz-batch-rows")
    return preview + (f'<p class="oz-note">{more}</p>' if more else "")


def _heading(say: Language, name: str, role: str | None) -> str:
    mark = "" if role is None else f'<span class="oz-role">✓ {escape(say(ROLES[role]))}</span>'
    return f"{user_text(name, 40)}{mark}"


def render_expected(say: Language, models: int, rows: int, seconds: float) -> str:
    """About how long it will take."""
    if not models:
        return f'<p class="oz-note" role="status">{say("Choose at least one model.")}</p>'
    told = say(
        "{models} on {rows}: about {time}.",
        models=say.plural("{n} model", "{n} models", models),
        rows=say.plural("{n} row", "{n} rows", rows),
        time=duration(say, seconds, rough=True),
    )
    return f'<p class="oz-note" role="status">{told}</p>'


def render_waiting(words: str) -> str:
    """What goes on while there is nothing to count."""
    return f'<p class="oz-summary" role="status">{escape(words)}</p>'


def render_answering(say: Language, progress: Progress) -> str:
    """How far each model is, and how long it will take."""
    words = say(
        "{share} done, about {left} left",
        # Rounded down, as nothing is done before its end.
        share=percent(say, math.floor(100 * progress.share) / 100),
        left=duration(say, progress.left, rough=True),
    )
    models = "".join(_render_model(say, name, progress) for name in progress.done)
    return (
        f'<div class="oz-batch-progress"><p class="oz-summary">{words}</p>'
        f"{render_progress(say('Answers'), progress.share)}"
        f'<p class="oz-note">{say("{time} so far", time=duration(say, progress.elapsed))}</p>'
        f'<ul class="oz-batch-models">{models}</ul></div>'
    )


def _render_model(say: Language, name: str, progress: Progress) -> str:
    done = progress.done[name]
    if name in progress.failures:
        sign, state = "✕", escape(say.again(progress.failures[name]))
    elif done == progress.rows:
        sign, state = "✓", say.plural("{n} row", "{n} rows", done)
    elif name == progress.model:
        state = say("{done} of {rows} rows", done=count(say, done), rows=count(say, progress.rows))
        sign = "▶"
    else:
        sign, state = "·", say("waits")
    bar = render_progress(name, done / progress.rows) if name not in progress.failures else ""
    return f'<li><span aria-hidden="true">{sign}</span> <b>{escape(name)}</b> <small>{state}</small>{bar}</li>'
