"""Exports on the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from engine.terminal import note, out, print_json

if TYPE_CHECKING:
    from engine.serving.exports import Export


def show_exports(exports: Mapping[str, "Export"], as_json: bool) -> None:
    """What serves each model, its milliseconds beside the other runtimes', and how close it is to PyTorch."""
    from engine.serving.exports import RUNTIMES

    if as_json:
        kept = ("serves", "reason", "runtimes", "left_out")
        print_json([{"model": name} | {key: one.manifest[key] for key in kept} for name, one in exports.items()])
        return
    if not exports:
        return
    table = Table(box=None, header_style="bold")
    table.add_column("model")
    table.add_column("served by")
    for title in ("ms", "PyTorch ms", "MB", "difference", "same labels"):
        table.add_column(title, justify="right")
    for name, one in exports.items():
        figures = one.manifest["runtimes"]
        served = figures[one.serves]
        difference = figures.get("fp32", {}).get("difference")
        table.add_row(
            name,
            RUNTIMES[one.serves],
            f"{served['p50_ms']:.2f}",
            f"{figures['torch']['p50_ms']:.2f}",
            f"{served['bytes'] / 1e6:.1f}" if "bytes" in served else "",
            "" if difference is None else f"{difference:.0e}",
            f"{served['agreement']:.1%} of {served['rows']:,}" if "agreement" in served else "",
        )
    out.print(table)
    note(
        "ms: median of one call on one thread, 32 tokens, without tokenising; difference: of float32's output at most."
    )
    for name, one in exports.items():
        note(f"{name}: {one.reason}")
