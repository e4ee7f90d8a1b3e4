"""What the command line shows of a pretraining."""

import time
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from engine.cli.output import seconds
from engine.terminal import err, note, out

if TYPE_CHECKING:
    from engine.pretraining.run import Preparing, Pretrained, PretrainRequest

SECONDS_BETWEEN_LINES = 30.0


def follow_pretraining(request: "PretrainRequest", quiet: bool = False) -> "Pretrained":
    """Run a pretraining with a bar, a line now and then, and one for every milestone; return its end."""
    from engine.pretraining.run import Pretrained, run_pretraining

    finished: Pretrained | None = None
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
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
                f"{request.name} step {event.step:,} of {event.steps:,}, {event.tokens / 1e6:.2f} million tokens: loss "
                f"{event.loss:.3f}, {event.tokens_per_second:,.0f} tokens/s{'; held out' if held else ''}{held[1:]}"
            )
    if finished is None:
        raise RuntimeError("A pretraining ends with Pretrained.")
    return finished


def show_pretrained(finished: "Pretrained") -> None:
    """The model: size, tokens, held-out figures by source, and what it writes."""
    facts = finished.facts
    out.print(
        f"[bold]{escape(facts['name'])}[/]: {facts['parameters']:,} parameters, "
        f"{facts['tokens_seen'] / 1e6:.1f} million tokens ({facts['passes']:.2f} passes) in "
        f"{seconds(facts['seconds'])}, {facts['tokens_per_second']:,.0f} tokens a second"
    )
    table = Table("held-out text", "perplexity", "bits a byte", "unigram perplexity", "before")
    for name, one in facts["held_out"].items():
        before = facts["held_out_before"].get(name)
        table.add_row(
            escape(name),
            f"{one['perplexity']:.1f}",
            f"{one['bits_per_byte']:.3f}",
            f"{one['unigram_perplexity']:,.0f}",
            f"{before['perplexity']:.1f}" if before else "",
        )
    out.print(table)
    if facts["left_out"]:
        out.print(f"{facts['left_out']:,} paragraphs were left out, as --except names them")
    for text in facts["samples"]:
        out.print(f"[dim]> {escape(' '.join(text.split()))}[/]", soft_wrap=True)
    out.print(
        f"[dim]kept in {escape(str(finished.folder))}; use it with --set backbone={escape(facts['name'])}[/]",
        soft_wrap=True,
    )
