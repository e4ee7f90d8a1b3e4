"""`odzera bench search`, `pruners` and `step`: the search against others, and where a trial's time goes."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.base import JsonOption, SeedOption, TaskArgument, friendly
from engine.cli.bench.group import bench
from engine.cli.bench.record import running_command, show_record
from engine.cli.source import SourceOption
from engine.processes import cores
from engine.terminal import progress_bar, waiting


@bench.command(name="search")
@friendly
def bench_search(
    context: typer.Context,
    task: TaskArgument = "slang",
    source: SourceOption = "sample",
    trials: Annotated[int, typer.Option(help="Trials of each system.")] = 20,
    epochs: Annotated[int, typer.Option(help="Epochs of every trial.")] = 3,
    rows: Annotated[int, typer.Option(help="Train rows; half as many for validation.")] = 800,
    rounds: Annotated[int, typer.Option(help="Turns that the trials are shared out over.")] = 2,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure the search against `Trainer.hyperparameter_search`: same settings, data, seed and epochs, in turns.

    Takes about a quarter of an hour on two cores. Leave the machine alone meanwhile.

    Example: `odzera bench search --source small_train.csv`
    """
    from engine.bench.search import SearchBenchmark, benchmark_searches
    from engine.data.sources import load
    from engine.data.tasks import get_task

    data = load(get_task(task), source)
    request = SearchBenchmark(data, trials, epochs, rounds, rows, cores(), seed, running_command(context))
    with progress_bar("searching", as_json) as tick:
        result = benchmark_searches(request, tick)
    show_record(result, as_json)


@bench.command(name="pruners")
@friendly
def bench_pruners(
    context: typer.Context,
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

    from engine.bench.search import benchmark_pruners
    from engine.data.sources import load
    from engine.data.tasks import get_task
    from engine.search.study import SearchRequest

    with tempfile.TemporaryDirectory() as folder:
        request = SearchRequest(load(get_task(task), source), folder, minutes=minutes, seed=seed)
        with waiting("searching", as_json):
            result = benchmark_pruners(request, ("asha", "hyperband"), Path(folder), running_command(context))
    show_record(result, as_json)


@bench.command(name="step")
@friendly
def bench_step(
    context: typer.Context, task: TaskArgument = "slang", source: SourceOption = "sample", as_json: JsonOption = False
) -> None:
    """Show where the time of one training step of the decoder goes, operator by operator.

    Example: `odzera bench step`
    """
    from engine.bench.step_profile import profile_training
    from engine.data.sources import load
    from engine.data.tasks import get_task

    show_record(profile_training(load(get_task(task), source), command=running_command(context)), as_json)
