"""`odzera recipes`: every recipe with its size and what its authors report."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, app, friendly
from engine.cli.formats import count, figure
from engine.terminal import make_table, out, print_json, waiting


@app.command()
@friendly
def recipes(
    task: Annotated[str | None, typer.Option("--task", help="Only recipes for this task.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List every recipe with its parameters, counted without weights.

    Example: `odzera recipes --json`
    """
    from engine.data.tasks import get_task
    from engine.results.comparison import list_recipes

    if task:
        get_task(task)
    with waiting("counting parameters", as_json):
        rows = list_recipes(task)
    show_recipes(rows, as_json)


def show_recipes(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Every recipe with its size and what its authors report."""
    if as_json:
        print_json(rows)
        return
    texts = ("task", "reported", "what it is")
    table = make_table("recipe", "task", "parameters", "trained", "reported", "what it is", left=texts)
    for row in rows:
        numbers = (row["total_parameters"], row["trained_parameters"])
        sizes = ("by data" if number is None else count(number) for number in numbers)
        reported = row["reported"].get("accuracy")
        table.add_row(
            row["name"], row["task"], *sizes, f"acc {figure(reported)}" if reported else "", escape(row["summary"])
        )
    out.print(table)
