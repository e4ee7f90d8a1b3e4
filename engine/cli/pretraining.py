"""`odzera pretrain`: a small language model trained on plain text."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from engine.cli.base import JsonOption, app, friendly
from engine.cli.formats import count, duration, millions
from engine.errors import DataError
from engine.paths import default_places, find_pretrained
from engine.terminal import live_progress, note, out, print_json

if TYPE_CHECKING:
    from engine.pretraining.run import Preparing, Pretrained, PretrainRequest

SECONDS_BETWEEN_LINES = 30.0


@app.command()
@friendly
def pretrain(
    name: Annotated[str, typer.Argument(help="Name of the model; it is kept in checkpoints/NAME/.")],
    more: Annotated[list[Path] | None, typer.Argument(help="More files of text.", metavar="[FILES]...")] = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            help="Text to read: .txt (plain, .xz, .gz or .bz2), or the text column of a table. More may follow."
        ),
    ] = None,
    leave_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--except", help="File whose texts must not be trained on: a validation or test split. Repeatable."
        ),
    ] = None,
    column: Annotated[str, typer.Option(help="The tables' column of text, where it isn't recognised.")] = "",
    start: Annotated[
        str,
        typer.Option("--from", help="Model to go on from: a name in checkpoints/ or a folder; its tokenizer stays."),
    ] = "",
    passes: Annotated[float | None, typer.Option(help="How often the text is seen.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Minutes of training in all, earlier runs of it and the cooldown included.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: lr=2e-3, shape.hidden_size=256. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the weights and of the text's order.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    licence: Annotated[str, typer.Option("--data-licence", help="Licence of the text, for the model card.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Train a small causal language model on plain text, or go on from one.

    Shows loss and tokens a second; at the end, held-out perplexity for each source and a sample. Stopped or killed, the
    same command goes on from its last minute. The model then serves as a backbone:
    `odzera train mini-full --set backbone=NAME`.

    Example: `odzera pretrain my-gpt --text novels.txt.xz sejm.txt.xz --passes 2`
    """
    # Before torch and tokenizers are imported: encoding megabytes is worth all cores, and nothing here is forked.
    # Threads wait busily, but briefly: a step is thousands of short products (1.4 times as fast as with sleeping ones).
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ.pop("OMP_WAIT_POLICY", None)
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    from engine.data.texts import name_sources
    from engine.pretraining.corpus import remarks
    from engine.pretraining.loop import PretrainConfig
    from engine.pretraining.run import PretrainRequest
    from engine.training.build import choose_device
    from engine.training.checkpoints import require_writable
    from engine.training.settings import change_settings

    if not text:
        raise DataError("--text names no file.")
    if more and leave_out:
        # Which of the two a file after them belongs to can't be told.
        raise DataError("With --except, every file takes a --text or an --except of its own before it.")
    config = change_settings(
        PretrainConfig(passes=PretrainConfig.passes if passes is None else passes, minutes=minutes, seed=seed),
        change or [],
    )
    choose_device(device)
    places = default_places()
    found = find_pretrained(start) if start else None
    if start and found is None:
        raise DataError(f"There is no model '{start}' to go on from: no such folder with a config.json.")
    request = PretrainRequest(
        name=name,
        sources=tuple(name_sources([*text, *(more or [])], column)),
        config=config,
        checkpoints=places.checkpoints,
        training=places.training,
        device=device,
        start=found.resolve() if found else None,
        leave_out=tuple(leave_out or ()),
        column=column,
        licence=licence,
    )
    require_writable(places.checkpoints)
    if not as_json:
        for line in remarks(request.sources, request.leave_out):
            note(line)
    finished = follow_pretraining(request, quiet=as_json)
    if as_json:
        print_json(dict(finished.facts))
    else:
        show_pretrained(finished)


def follow_pretraining(request: "PretrainRequest", quiet: bool = False) -> "Pretrained":
    """Run a pretraining with a bar, a line now and then, and one for every milestone; return its end."""
    from engine.pretraining.run import Pretrained, run_pretraining

    finished: Pretrained | None = None
    with live_progress("", quiet) as progress:
        bar = progress.add_task(request.name, total=1)
        told, shown = "", 0.0

        def tell(preparing: "Preparing") -> None:
            nonlocal told
            if preparing.what != told and not quiet:
                note(f"{request.name}: {preparing.what}")
            told = preparing.what
            progress.update(bar, description=preparing.what, completed=preparing.done, total=preparing.total or None)

        def tick(done: int, total: int) -> None:
            progress.update(bar, description=f"{request.name}, steps", completed=done, total=total)

        for event in run_pretraining(request, tick, tell):
            if isinstance(event, Pretrained):
                finished = event
                continue
            if quiet or not (event.held_out or time.monotonic() - shown > SECONDS_BETWEEN_LINES):
                continue
            shown = time.monotonic()
            held = "".join(f", {name} {loss:.3f}" for name, loss in event.held_out.items())
            note(
                f"{request.name} step {count(event.step)} of {count(event.steps)}, {millions(event.tokens, 2)} tokens: "
                f"loss {event.loss:.3f}, {count(event.tokens_per_second)} tokens/s"
                f"{'; held out' if held else ''}{held[1:]}"
            )
    if finished is None:
        raise RuntimeError("A pretraining ends with Pretrained.")
    return finished


def show_pretrained(finished: "Pretrained") -> None:
    """The model: size, tokens, held-out figures by source, and what it writes."""
    facts = finished.facts
    out.print(
        f"[bold]{escape(facts['name'])}[/]: {count(facts['parameters'])} parameters, "
        f"{millions(facts['tokens_seen'])} tokens ({facts['passes']:.2f} passes) in "
        f"{duration(facts['seconds'])}, {count(facts['tokens_per_second'])} tokens a second"
    )
    table = Table("held-out text", "perplexity", "bits a byte", "unigram perplexity", "before")
    for name, one in facts["held_out"].items():
        before = facts["held_out_before"].get(name)
        table.add_row(
            escape(name),
            f"{one['perplexity']:.1f}",
            f"{one['bits_per_byte']:.3f}",
            count(one["unigram_perplexity"]),
            f"{before['perplexity']:.1f}" if before else "",
        )
    out.print(table)
    if facts["left_out"]:
        out.print(f"{count(facts['left_out'])} paragraphs were left out, as --except names them")
    for text in facts["samples"]:
        out.print(f"[dim]> {escape(' '.join(text.split()))}[/]", soft_wrap=True)
    out.print(
        f"[dim]kept in {escape(str(finished.folder))}; use it with --set backbone={escape(facts['name'])}[/]",
        soft_wrap=True,
    )
