"""The command that exports trained models for the runtime that serves them."""

from typing import Annotated

import typer

from engine import terminal
from engine.cli.base import JsonOption, TaskOption, app, friendly
from engine.cli.source import Given, reads_data
from engine.errors import OdzeraError
from engine.paths import default_places


@app.command()
@friendly
@reads_data
def export(
    model: Annotated[list[str], typer.Argument(help="NAME, NAME@DATA, a checkpoint's folder, or all.")],
    task: TaskOption,
    given: Given | None = None,
    again: Annotated[bool, typer.Option("--again", help="Even where it is exported already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write trained models as ONNX graphs, prove them against PyTorch, and serve the fastest that answers the same.

    The open page does this behind your back for every model it shows. Weights in 8 bits are judged on validation
    rows, which only the bundled sample has at hand: name other models' data with --source and its options.

    Example: `odzera export minilm-lora --task nli --source train.csv`
    """
    from engine.cli.exports_output import show_exports
    from engine.data.tasks import get_task
    from engine.serving.exports import find_export, has_network, make_export
    from engine.serving.registry import Registry

    chosen = get_task(task)
    registry = Registry(default_places().checkpoints)
    data = given.load(chosen) if given and given.source is not None else None
    named = registry.models(task, data.fingerprint if data else None) if "all" in model else []
    found = [one for one in named if has_network(one)] or [registry.find(task, name) for name in model if name != "all"]
    exports = {}
    for checkpoint in found:
        kept = None if again or data else find_export(checkpoint)
        try:
            with terminal.waiting(f"exporting {checkpoint.name}", as_json):
                exports[checkpoint.name] = kept or make_export(checkpoint, data)
        except OdzeraError as error:
            terminal.fail(f"{checkpoint.name}: {error}")
    show_exports(exports, as_json)
    if len(exports) < len(found) or not found:
        raise typer.Exit(2)
