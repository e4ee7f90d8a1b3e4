"""`odzera bench growth`: cost against a text's length, the batch, the train rows, and the models open."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from engine.cli.base import JsonOption, friendly
from engine.cli.bench.group import bench, whatever_task
from engine.cli.bench.record import describe_place, running_command, tell_failures
from engine.cli.formats import count
from engine.cli.source import Given, reads_data
from engine.terminal import make_table, note, out, print_json, progress_bar


@bench.command(name="growth")
@friendly
@reads_data
def bench_growth(
    context: typer.Context,
    given: Given,
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes; scratch-3m4 and minilm-full if none. The first is trained.")
    ] = None,
    task: Annotated[str, typer.Option("--task", help="slang or nli.")] = "slang",
    figure: Annotated[
        list[str] | None, typer.Option("--figure", help="length, batch, rows or models. Repeatable; all if missing.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how cost grows: with a text's length, the batch, the train rows, and the models open.

    Example: `odzera bench growth --figure length --figure models`
    """
    from engine.bench.scaling import DEFAULT_RECIPES, measure_scaling
    from engine.data.tasks import get_task
    from engine.errors import DataError
    from engine.paths import default_places
    from engine.results.scaling import AXES

    unknown = [name for name in figure or () if name not in AXES]
    if unknown:
        raise DataError(f"There is no figure '{unknown[0]}'. Figures: {', '.join(AXES)}.")
    chosen = get_task(task)
    named = whatever_task(recipes or DEFAULT_RECIPES, chosen)
    loaded = given.load(chosen)
    with progress_bar("measuring", as_json) as tick:
        places = default_places()
        result = measure_scaling(
            named, loaded, places.checkpoints, tuple(figure or AXES), tick, running_command(context)
        )
    show_scaling(result, as_json)


def show_scaling(result: Mapping[str, Any], as_json: bool) -> None:
    """Each figure's points, and whether it grows faster than its cause."""
    if as_json:
        print_json(result)
        return
    for name, series in result["series"].items():
        across, up = result["axes"][name]
        table = make_table(across, *series, title=f"{up} by {across}")
        table.title_justify = "left"
        places = sorted({x for points in series.values() for x, _ in points})
        for place in places:
            found = ({x: y for x, y in points}.get(place) for points in series.values())
            table.add_row(count(place), *("" if value is None else f"{value:,.2f}" for value in found))
        out.print(table)
        for one, exponent in result["exponents"][name].items():
            note(f"{one}: grows with the power {exponent} at the end (1 is linear).")
    note(f"{describe_place(result)}; {result['source']} ({result['fingerprint']}).")
    tell_failures(result)
