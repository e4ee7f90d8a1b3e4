"""The Batch tab: layout and wiring."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context as Pages

from engine.data.tasks import NLI, SLANG
from engine.data.uploads import MAX_MEGABYTES, MAX_ROWS
from engine.serving.answers import MAX_CHARACTERS
from gradio_app.context import Context
from gradio_app.handlers import batch as handlers
from gradio_app.handlers.batch import Choice, Desk, FileView, RunView
from gradio_app.handlers.files import Visits
from gradio_app.languages import Language
from gradio_app.views.cards import render_empty

NOTHING = ""
"""Stands for no column in a menu."""


def create_batch_tab(context: Context, say: Language) -> None:
    """A file in, every chosen model's answers out."""
    with gr.Tab(say("Batch"), id="batch"):
        gr.Markdown(
            say(
                "Upload a CSV, TSV or JSONL file and let the models answer every row: at most {rows} rows, "
                "{megabytes} MB and {characters} characters a text. Your file is read by these models alone, and "
                "deleted soon after you close the page.",
                rows=say.number(MAX_ROWS, ","),
                megabytes=MAX_MEGABYTES,
                characters=say.number(MAX_CHARACTERS, ","),
            )
        )
        # The key is held by the visitor's page alone: knowing a session's id is not enough to reach its files.
        key = gr.Textbox(visible=False)
        with gr.Row(equal_height=False, elem_classes="oz-batch-start"):
            file = gr.File(
                label=say("Your file (CSV, TSV, JSONL)"),
                height=150,
                scale=3,
                min_width=280,
                elem_id="batch-file",
            )
            with gr.Column(scale=2, min_width=240):
                gr.Markdown(say("No file at hand? Try one of ours, with labels:"))
                slang = gr.Button(say("20 slang messages"), size="md", elem_id="batch-try-slang")
                nli = gr.Button(say("16 pairs in 11 languages"), size="md", elem_id="batch-try-nli")
        about = gr.HTML(
            render_empty(
                say("What is found in the file will stand here: its columns, its first rows, and which models to ask.")
            ),
            elem_id="batch-about",
        )
        with gr.Column(visible=False, elem_id="batch-desk") as panel:
            with gr.Row(elem_classes="oz-batch-columns"):
                task = gr.Dropdown(
                    [(say("Slang"), SLANG.name), (say("NLI"), NLI.name)],
                    value=SLANG.name,
                    label=say("Task"),
                    min_width=140,
                    elem_id="batch-task",
                )
                first = gr.Dropdown([], label=say("Column with the text"), min_width=160, elem_id="batch-first")
                second = gr.Dropdown(
                    [], label=say("Column with the hypothesis"), visible=False, min_width=160, elem_id="batch-second"
                )
                label = gr.Dropdown([], label=say("Column with the labels"), min_width=160, elem_id="batch-label")
                data = gr.Dropdown([], label=say("Models trained on"), visible=False, min_width=160)
            preview = gr.HTML(elem_id="batch-preview")
            models = gr.CheckboxGroup([], label=say("Models to ask, the quickest first"), elem_id="batch-models")
            expected = gr.HTML(elem_id="batch-expected")
            with gr.Row():
                go = gr.Button(say("Answer every row"), variant="primary", interactive=False, elem_id="batch-run")
                stop = gr.Button(say("Cancel"), variant="stop", interactive=False, elem_id="batch-cancel")
        progress = gr.HTML(elem_id="batch-progress")
        download = gr.DownloadButton(
            say("Download the file with the answers"), visible=False, variant="primary", elem_id="batch-download"
        )
        results = gr.HTML(elem_id="batch-results")

    desk = Desk(context, Visits(Path(file.GRADIO_CACHE)))
    context.closing.append(desk.visits.close)
    chosen: list[Any] = [task, first, second, label, data, models]
    shown: list[Any] = [key, about, panel, *chosen, preview, expected, go, stop, progress, results, download]

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
        return _show(say, handlers.describe(desk, say, key, Choice(*values)))

    def change_task(key: str, task: str) -> list[Any]:
        return _show(say, handlers.describe(desk, say, key, Choice(task)))

    def start(key: str) -> list[Any]:
        return _run(handlers.start(desk, say, key))

    def run(key: str, *values: Any) -> Iterator[list[Any]]:
        for view in handlers.run(desk, say, key, Choice(*values)):
            yield _run(view)

    def cancel(key: str) -> tuple[str, Any]:
        return handlers.cancel(desk, say, key), gr.Button(interactive=False)

    # What is sent is checked by the handlers, so a file's path goes to them as it came.
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 4}
    plain = {**quiet, "preprocess": False, "concurrency_id": "batch-file"}
    # A wrong file leaves its place free for another one.
    file.upload(receive, [file, key], [file, *shown], **plain)
    file.clear(forget, [key], shown, **plain)
    slang.click(try_slang, [key], [file, *shown], **plain)
    nli.click(try_nli, [key], [file, *shown], **plain)
    task.input(change_task, [key, task], shown, **plain)
    gr.on([one.input for one in (first, second, label, data, models)], describe, [key, *chosen], shown, **plain)
    ran = [progress, results, download, go, stop]
    go.click(start, [key], ran, queue=False, **{**quiet, "preprocess": False}).then(
        run, [key, *chosen], ran, preprocess=False, concurrency_id="batch", **{**quiet, "concurrency_limit": 10}
    )
    stop.click(cancel, [key], [progress, stop], queue=False, **{**quiet, "preprocess": False})

    def leave(request: gr.Request) -> None:
        desk.visits.leave(request.session_hash or "")

    page = Pages.root_block
    if page is not None:
        page.unload(leave)


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
        view.preview,
        view.expected,
        gr.Button(interactive=view.ready),
        gr.Button(interactive=False),
        "",
        "",
        gr.DownloadButton(visible=False),
    ]


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
