"""A comparison as CSV: raw numbers under names that stay the same."""

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any

from engine.evaluation.metrics import FIGURES, interval_of

COSTS = (
    "total_parameters",
    "trained_parameters",
    "training_seconds",
    "epochs",
    "training_samples_per_second",
    "peak_memory_mb",
    "size_bytes",
    "joules",
    "p50_ms",
    "p95_ms",
    "batch_p50_ms",
    "batch_p95_ms",
    "samples_per_second",
    "latency_threads",
)


def to_csv(comparison: Mapping[str, Any], served: Mapping[str, tuple[str, float]]) -> str:
    """One header row, then a row for each model, numbers in full precision.

    Args:
        comparison: As `compare_models` makes it.
        served: Model → runtime and milliseconds, as `served_latency` finds them.
    """
    about = comparison["data"]
    lines = [_line(row, about, served.get(row["model"])) for row in comparison["rows"]]
    out = StringIO(newline="")
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _line(row: Mapping[str, Any], about: Mapping[str, Any], served: tuple[str, float] | None) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in FIGURES:
        low, high = interval_of(row, name) or ("", "")
        figures |= {name: row[name], f"{name}_low": low, f"{name}_high": high}
    line = {
        "model": row["model"],
        "recipe": row["recipe"],
        "data": about["source"],
        "fingerprint": about["fingerprint"],
        "test_rows": about["test_rows"],
        **figures,
        **{name: row[name] for name in COSTS},
        "served_ms": served[1] if served else "",
        "served_runtime": served[0] if served else "",
        "device": row["device"],
        "created": row["created"],
    }
    return {name: _plain(value) for name, value in line.items()}


def _plain(value: Any) -> Any:
    """A text that a spreadsheet doesn't take for a formula; what wasn't measured is empty."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
