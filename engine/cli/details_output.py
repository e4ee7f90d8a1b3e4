"""What a comparison holds beside its table: accuracy by language, and confusion matrices."""

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from engine.terminal import out


def show_details(comparison: Mapping[str, Any], labels: tuple[str, ...]) -> None:
    """Languages against models, then each model's confusion matrix, row-normalised."""
    rows = comparison["rows"]
    if any(row["per_language"] for row in rows):
        _show_languages(rows)
    _show_confusions(rows, labels)


def _show_languages(rows: list[Mapping[str, Any]]) -> None:
    table = Table("language", "rows", box=None, header_style="bold", title="test accuracy by language")
    for row in rows:
        table.add_column(escape(row["model"]), justify="right")
    codes = {code: one["rows"] for row in rows for code, one in row["per_language"].items()}
    for code, count in sorted(codes.items(), key=lambda one: (-one[1], one[0])):
        cells = (row["per_language"].get(code) for row in rows)
        table.add_row(code, f"{count:,}", *(f"{cell['accuracy']:.3f}" if cell else "" for cell in cells))
    out.print(table)


def _show_confusions(rows: list[Mapping[str, Any]], labels: tuple[str, ...]) -> None:
    short = [label.split(" or ")[0] for label in labels]
    table = Table(box=None, header_style="bold", title="of each true class (row), the share answered as (column)")
    for column in ("model", "true class", *short):
        table.add_column(column, justify="left" if column in ("model", "true class") else "right")
    for row in rows:
        for place, counts in enumerate(row["confusion"]):
            total = max(1, sum(counts))
            shares = (
                f"[bold]{count / total:.0%}[/]" if at == place else f"{count / total:.0%}"
                for at, count in enumerate(counts)
            )
            table.add_row("" if place else escape(row["model"]), short[place], *shares, end_section=place == 2)
    out.print(table)
