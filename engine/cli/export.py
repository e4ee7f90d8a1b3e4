"""`odzera export`: trained models written as ONNX graphs for the runtime that serves them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.base import JsonOption, TaskOption, app, friendly
from engine.cli.formats import count, megabytes, milliseconds, percent
from engine.cli.source import Given, reads_data
from engine.errors import OdzeraError
from engine.paths import default_places
from engine.terminal import fail, make_table, note, out, print_json, waiting

if TYPE_CHECKING:
    from engine.serving.exports import Export


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
            with waiting(f"exporting {checkpoint.name}", as_json):
                exports[checkpoint.name] = kept or make_export(checkpoint, data)
        except OdzeraError as error:
            fail(f"{checkpoint.name}: {error}")
    show_exports(exports, as_json)
    if len(exports) < len(found) or not found:
        raise typer.Exit(2)


def show_exports(exports: Mapping[str, "Export"], as_json: bool) -> None:
    """What serves each model, its milliseconds beside the other runtimes', and how close it is to PyTorch."""
    from engine.serving.exports import RUNTIMES

    if as_json:
        kept = ("serves", "reason", "runtimes", "left_out")
        print_json([{"model": name} | {key: one.manifest[key] for key in kept} for name, one in exports.items()])
        return
    if not exports:
        return
    columns = ("model", "served by", "ms", "PyTorch ms", "MB", "difference", "same labels")
    table = make_table(*columns, left=("served by",))
    for name, one in exports.items():
        figures = one.manifest["runtimes"]
        served = figures[one.serves]
        difference = figures.get("fp32", {}).get("difference")
        table.add_row(
            name,
            RUNTIMES[one.serves],
            milliseconds(served["p50_ms"]),
            milliseconds(figures["torch"]["p50_ms"]),
            megabytes(served["bytes"]) if "bytes" in served else "",
            "" if difference is None else f"{difference:.0e}",
            f"{percent(served['agreement'], 1)} of {count(served['rows'])}" if "agreement" in served else "",
        )
    out.print(table)
    note(
        "ms: median of one call on one thread, 32 tokens, without tokenising; difference: of float32's output at most."
    )
    for name, one in exports.items():
        note(f"{name}: {one.reason}")
