"""`odzera bench search`, `pruners` and `step`: the search against others, and where a trial's time goes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, SeedOption, TaskArgument, friendly
from engine.cli.bench.group import bench
from engine.cli.formats import count
from engine.cli.source import SourceOption
from engine.processes import cores
from engine.terminal import make_table, out, print_json, waiting


@bench.command(name="search")
@friendly
def bench_search(
    task: TaskArgument = "slang",
    source: SourceOption = "sample",
    trials: Annotated[int, typer.Option(help="Trials of each system.")] = 20,
    epochs: Annotated[int, typer.Option(help="Epochs of every trial.")] = 3,
    rows: Annotated[int, typer.Option(help="Train rows; half as many for validation.")] = 800,
    rounds: Annotated[int, typer.Option(help="Turns that the trials are shared out over.")] = 2,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Race the search against `Trainer.hyperparameter_search`: same settings, data, seed and epochs, in turns.

    Takes about a quarter of an hour on two cores. Leave the machine alone meanwhile.

    Example: `odzera bench search --source small_train.csv`
    """
    from engine.bench.search import BenchRequest, race_searches
    from engine.data.sources import load
    from engine.data.tasks import get_task

    data = load(get_task(task), source)
    with waiting("racing", as_json):
        rows_found = list(race_searches(BenchRequest(data, trials, epochs, rounds, rows, cores(), seed)))
    show_rows(rows_found, as_json)


@bench.command(name="pruners")
@friendly
def bench_pruners(
    task: TaskArgument = "slang",
    source: SourceOption = "sample",
    minutes: Annotated[float, typer.Option(help="Time of each pruner, on a core of its own.")] = 8,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare ASHA with Hyperband: the lowest validation loss in the same time, side by side on one core each.

    Example: `odzera bench pruners --minutes 8`
    """
    import tempfile

    from engine.bench.search import race_pruners
    from engine.data.sources import load
    from engine.data.tasks import get_task
    from engine.search.study import SearchRequest

    with tempfile.TemporaryDirectory() as folder:
        request = SearchRequest(load(get_task(task), source), folder, minutes=minutes, seed=seed)
        with waiting("racing", as_json):
            rows_found = list(race_pruners(request, ("asha", "hyperband"), Path(folder)))
    show_rows(rows_found, as_json)


@bench.command(name="step")
@friendly
def bench_step(task: TaskArgument = "slang", source: SourceOption = "sample", as_json: JsonOption = False) -> None:
    """Show where the time of one training step of the decoder goes, operator by operator.

    Example: `odzera bench step`
    """
    from engine.bench.step_profile import profile_step
    from engine.data.sources import load
    from engine.data.tasks import get_task

    show_rows(list(profile_step(load(get_task(task), source))), as_json)


def show_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Measurements, one row each, a column for every key."""
    if as_json:
        print_json(rows)
        return
    texts = {name.replace("_", " ") for name, value in rows[0].items() if isinstance(value, str)}
    table = make_table(*(name.replace("_", " ") for name in rows[0]), left=texts)
    for row in rows:
        table.add_row(*(count(value) if isinstance(value, int) else escape(str(value)) for value in row.values()))
    out.print(table)
