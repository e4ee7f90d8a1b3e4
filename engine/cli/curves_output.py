"""What the command line shows of a curve."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from engine.terminal import note, out, print_json, progress_bar

if TYPE_CHECKING:
    from engine.data.sources import TaskData
    from engine.experiments.curves import Curve, Job


def follow_curve(
    kind: str, data: "TaskData", jobs: Sequence["Job"], file: Path, workers: int, quiet: bool = False
) -> "Curve":
    """Measure what is missing, with a bar and a line for each point."""
    from engine.experiments.curves import measure, start_curve

    curve = start_curve(kind, data)
    known: int | None = None
    with progress_bar("measuring", quiet) as tick:
        for now in measure(curve, jobs, data, file, workers):
            if known is not None and not quiet:
                point = now.points[-1]
                note(
                    f"{point['series']} {_place(kind, point['x'])}, seed {point['seed']}: "
                    f"accuracy {point['accuracy']:.4f}, macro F1 {point['macro_f1']:.4f}, {point['seconds']:.1f} s"
                )
            curve, known = now, len(now.points)
            tick(known, len(jobs))
    if not quiet:
        note(f"kept in {file}")
    return curve


def _place(kind: str, x: float) -> str:
    """`at 1,000`, or the name of what stands there where it is no number."""
    from engine.experiments.ablation import VARIANTS

    return f"with {list(VARIANTS)[int(x)]}" if kind == "imbalance" else f"at {x:,.0f}"


def show_curve(curve: "Curve", as_json: bool = False) -> None:
    """Every series at every place: mean over the seeds, and half of the 95 % interval."""
    if as_json:
        print_json(asdict(curve) | {"series": curve.series()})
        return
    from engine.experiments.curves import AXES

    lines = curve.series()
    places = sorted({row["x"] for rows in lines.values() for row in rows})
    table = Table(AXES[curve.kind], *(escape(name) for name in lines), title=f"test accuracy on {escape(curve.source)}")
    for place in places:
        cells = []
        for rows in lines.values():
            row = next((row for row in rows if row["x"] == place), None)
            half = f" ± {row['accuracy_half']:.3f}" if row and row["accuracy_half"] is not None else ""
            cells.append(f"{row['accuracy']:.3f}{half}" if row else "")
        table.add_row(f"{place:,.0f}", *cells)
    out.print(table)
    out.print("[dim]mean over the seeds ± half of Student's 95 % interval over them[/]")
