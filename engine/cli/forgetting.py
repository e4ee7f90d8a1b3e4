"""`odzera forgetting`: a decoder's perplexity on text, before and after it was fine-tuned."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, TaskOption, app, friendly
from engine.cli.formats import count, ratio
from engine.paths import default_places
from engine.terminal import out, print_json, progress_bar


@app.command()
@friendly
def forgetting(
    model: Annotated[str, typer.Argument(help="NAME, NAME@DATA or a checkpoint's folder: a fine-tuned decoder.")],
    task: TaskOption,
    text: Annotated[
        list[Path] | None,
        typer.Option(help="Files of text, of which the held-out part is read; else the bundled sample. Repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what fine-tuning made a decoder forget: its perplexity on text, before and after.

    Example: `odzera forgetting mini-full --task slang --text novels.txt.xz`
    """
    from engine.data.sources import load
    from engine.data.tasks import SLANG, get_task
    from engine.data.texts import name_sources
    from engine.pretraining.corpus import held_out_text
    from engine.pretraining.forgetting import measure_forgetting
    from engine.serving.registry import Registry

    get_task(task)
    checkpoint = Registry(default_places().checkpoints).find(task, model)
    texts = held_out_text(name_sources(text)) if text else chain.from_iterable(load(SLANG).texts("all"))
    with progress_bar("reading", as_json) as tick:
        result = measure_forgetting(checkpoint, texts, tick)
    show_forgetting(result.as_dict(), as_json)


def show_forgetting(result: Mapping[str, Any], as_json: bool) -> None:
    """Perplexity before and after."""
    if as_json:
        print_json(result)
        return
    out.print(
        f"[bold]{escape(result['model'])}[/] on {count(result['tokens'])} tokens: perplexity {result['before']:.1f} "
        f"before fine-tuning ({escape(result['backbone'])}), {result['after']:.1f} after: "
        f"{ratio(result['ratio'])} times."
    )
