"""The Batch tab: layout and wiring."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context as Pages

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.tables import MAX_MEGABYTES, MAX_ROWS
from engine.data.tasks import NLI, SLANG
from gradio_app.context import Context
from gradio_app.handlers import batch as handlers
from gradio_app.handlers.batch import MOST_LABELS, Choice, Desk, FileView, RunView
from gradio_app.handlers.files import Visits
from gradio_app.languages import Language
from gradio_app.tabs.fields import QUIET, task_choices
from gradio_app.views.parts import render_empty
from gradio_app.views.units import count

NOTHING = ""
"""Stands for no column in a menu."""
PLAIN: dict[str, Any] = {**QUIET, "preprocess": False}
"""What is sent is checked by the handlers, so a file's path goes to them as it came."""


@dataclass(frozen=True)
class Upload:
    """Where a file comes in."""

    key: gr.Textbox
    """Held by the visitor's page alone: knowing a session's id is not enough to reach its files."""
    file: gr.File
    slang: gr.Button
    nli: gr.Button
    about: gr.HTML


@dataclass(frozen=True)
class Chosen:
    """What is chosen for a file."""

    panel: gr.Column
    fields: list[Any]
    """Task, first and second text, label, data, models, in the order of `Choice`, and then `MOST_LABELS` meanings."""
    unsettled: gr.Column
    """Holds the meanings."""
    preview: gr.HTML
    expected: gr.HTML
    go: gr.Button
    stop: gr.Button


@dataclass(frozen=True)
class Outcome:
    """What comes of it."""

    progress: gr.HTML
    results: gr.HTML
    download: gr.DownloadButton


def create_batch_tab(context: Context, say: Language) -> None:
    """A file in, every chosen model's answers out."""
    with gr.Tab(say("Batch"), id="batch"):
        upload, chosen, outcome = _create_upload(say), _create_choice(say), _create_outcome(say)
    desk = Desk(context, Visits(Path(upload.file.GRADIO_CACHE)))
    context.closing.append(desk.visits.close)
    _wire_file(desk, say, upload, chosen, outcome)
    _wire_run(desk, say, upload.key, chosen, outcome)

    def leave(request: gr.Request) -> None:
        desk.visits.leave(request.session_hash or "")

    page = Pages.root_block
    if page is not None:
        page.unload(leave)


def _create_upload(say: Language) -> Upload:
    gr.Markdown(
        say(
            "Upload a CSV, JSON, Parquet or Excel file and let the models answer every row: at most {rows} rows, "
            "{megabytes} MB and {characters} characters a text. Your file is read by these models alone, and "
            "deleted soon after you close the page.",
            rows=count(say, MAX_ROWS),
            megabytes=MAX_MEGABYTES,
            characters=count(say, MAX_CHARACTERS),
        )
    )
    key = gr.Textbox(visible=False)
    with gr.Row(equal_height=False):
        label = say("Your file (CSV, JSON, Parquet, Excel)")
        file = gr.File(label=label, height=150, scale=3, min_width=280, elem_id="batch-file")
        with gr.Column(scale=2, min_width=240):
            gr.Markdown(say("No file at hand? Try one of ours, with labels:"))
            slang = gr.Button(say("20 slang messages"), size="md", elem_id="batch-try-slang")
            nli = gr.Button(say("16 pairs in 11 languages"), size="md", elem_id="batch-try-nli")
    empty = say("What is found in the file will stand here: its columns, its first rows, and which models to ask.")
    return Upload(key, file, slang, nli, gr.HTML(render_empty(empty), elem_id="batch-about"))


def _create_choice(say: Language) -> Chosen:
    with gr.Column(visible=False, elem_id="batch-desk") as panel:
        with gr.Row():
            task = gr.Dropdown(
                task_choices(say), value=SLANG.name, label=say("Task"), min_width=140, elem_id="batch-task"
            )
            first = gr.Dropdown([], label=say("Column with the text"), min_width=160, elem_id="batch-first")
            second = gr.Dropdown(
                [], label=say("Column with the hypothesis"), visible=False, min_width=160, elem_id="batch-second"
            )
            label = gr.Dropdown([], label=say("Column with the labels"), min_width=160, elem_id="batch-label")
            data = gr.Dropdown([], label=say("Models trained on"), visible=False, min_width=160)
        with gr.Column(visible=False, elem_id="batch-meanings") as unsettled:
            gr.Markdown(say("Some labels aren't known. Say what they mean, so that their rows can be scored:"))
            with gr.Row():
                meanings = [gr.Dropdown([], visible=False, min_width=160) for _ in range(MOST_LABELS)]
        preview = gr.HTML(elem_id="batch-preview")
        models = gr.CheckboxGroup([], label=say("Models to ask, the quickest first"), elem_id="batch-models")
        expected = gr.HTML(elem_id="batch-expected")
        with gr.Row():
            go = gr.Button(say("Answer every row"), variant="primary", interactive=False, elem_id="batch-run")
            stop = gr.Button(say("Cancel"), variant="stop", interactive=False, elem_id="batch-cancel")
    fields = [task, first, second, label, data, models, *meanings]
    return Chosen(panel, fields, unsettled, preview, expected, go, stop)


def _create_outcome(say: Language) -> Outcome:
    progress = gr.HTML(elem_id="batch-progress")
    words = say("Download the file with the answers")
    download = gr.DownloadButton(words, visible=False, variant="primary", elem_id="batch-download")
    return Outcome(progress, gr.HTML(elem_id="batch-results"), download)


def _wire_file(desk: Desk, say: Language, upload: Upload, chosen: Chosen, outcome: Outcome) -> None:
    """A file comes or goes, or something else is chosen for it."""

    def receive(payload: object, old: str, request: gr.Request) -> list[Any]:
        return _show_new(say, handlers.receive(desk, say, payload, request.session_hash or "", old))

    def forget(old: str) -> list[Any]:
        desk.visits.drop(old)
        return _show(
            say, FileView("", render_empty(say("The file is deleted. Upload another one, or try one of ours.")))
        )

    def try_slang(old: str, request: gr.Request) -> list[Any]:
        view = handlers.receive_sample(desk, say, SLANG.name, request.session_hash or "", old)
        return _show_new(say, view)

    def try_nli(old: str, request: gr.Request) -> list[Any]:
        view = handlers.receive_sample(desk, say, NLI.name, request.session_hash or "", old)
        return _show_new(say, view)

    def describe(key: str, *values: Any) -> list[Any]:
        return _show(say, handlers.describe(desk, say, key, _choice(*values)))

    def change_task(key: str, task: str) -> list[Any]:
        return _show(say, handlers.describe(desk, say, key, Choice(task)))

    key, file, task = upload.key, upload.file, chosen.fields[0]
    shown = [key, upload.about, chosen.panel, *chosen.fields, chosen.unsettled, chosen.preview, chosen.expected]
    shown += [chosen.go, chosen.stop, outcome.progress, outcome.results, outcome.download]
    how = {**PLAIN, "concurrency_limit": 4, "concurrency_id": "batch-file"}
    # A wrong file leaves its place free for another one.
    file.upload(receive, [file, key], [file, *shown], **how)
    file.clear(forget, [key], shown, **how)
    upload.slang.click(try_slang, [key], [file, *shown], **how)
    upload.nli.click(try_nli, [key], [file, *shown], **how)
    task.input(change_task, [key, task], shown, **how)
    changed = [one.input for one in chosen.fields[1:]]
    gr.on(changed, describe, [key, *chosen.fields], shown, **how)


def _wire_run(desk: Desk, say: Language, key: gr.Textbox, chosen: Chosen, outcome: Outcome) -> None:
    """A file is answered, or that is cancelled."""

    def start(key: str) -> list[Any]:
        return _run(handlers.start(desk, say, key))

    def run(key: str, *values: Any) -> Iterator[list[Any]]:
        for view in handlers.run(desk, say, key, _choice(*values)):
            yield _run(view)

    def cancel(key: str) -> tuple[str, Any]:
        return handlers.cancel(desk, say, key), gr.Button(interactive=False)

    ran = [outcome.progress, outcome.results, outcome.download, chosen.go, chosen.stop]
    at_once: dict[str, Any] = {**PLAIN, "queue": False, "concurrency_limit": 4}
    chosen.go.click(start, [key], ran, **at_once).then(
        run, [key, *chosen.fields], ran, **PLAIN, concurrency_id="batch", concurrency_limit=10
    )
    chosen.stop.click(cancel, [key], [outcome.progress, chosen.stop], **at_once)


def _show_new(say: Language, view: FileView) -> list[Any]:
    """What the page becomes with a new file, which is shown where it lies now."""
    return [None if view.source is None else str(view.source), *_show(say, view)]


def _show(say: Language, view: FileView) -> list[Any]:
    """What the page becomes with a file, or without one."""
    choice = view.choice
    pair = choice.task == NLI.name
    labels = [(say("none: no scores"), NOTHING), *view.columns]
    first = say("Column with the premise") if pair else say("Column with the text")
    return [
        view.key,
        view.about,
        gr.Column(visible=view.readable),
        gr.Dropdown(value=choice.task or SLANG.name),
        gr.Dropdown(choices=view.columns, value=choice.first, label=first),
        gr.Dropdown(choices=view.columns, value=choice.second, visible=pair),
        gr.Dropdown(choices=labels, value=choice.label or NOTHING),
        gr.Dropdown(choices=view.data, value=choice.data, visible=len(view.data) > 1),
        gr.CheckboxGroup(choices=view.models, value=list(choice.models or ())),
        *_meanings(say, view),
        gr.Column(visible=bool(view.labels)),
        view.preview,
        view.expected,
        gr.Button(interactive=view.ready),
        gr.Button(interactive=False),
        "",
        "",
        gr.DownloadButton(visible=False),
    ]


def _choice(*values: Any) -> Choice:
    """What the fields hold."""
    task, first, second, label, data, models = values[:-MOST_LABELS]
    return Choice(task, first, second, label, data, models, values[-MOST_LABELS:])


def _meanings(say: Language, view: FileView) -> list[Any]:
    """A menu for each label that isn't known."""
    shown: list[Any] = [
        gr.Dropdown(choices=choices, value=value, label=say("“{label}” means", label=label), visible=True)
        for (label, choices), value in zip(view.labels, view.choice.meanings, strict=True)
    ]
    hidden = [gr.Dropdown(choices=[], value=None, visible=False) for _ in range(MOST_LABELS - len(shown))]
    return shown + hidden


def _run(view: RunView) -> list[Any]:
    """What the page becomes while a file is answered, and afterwards."""
    download = view.download
    return [
        view.progress,
        view.results,
        gr.DownloadButton(value=str(download), visible=True) if download else gr.DownloadButton(visible=False),
        gr.Button(interactive=not view.running),
        gr.Button(interactive=view.running),
    ]
