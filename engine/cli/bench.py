"""Commands that measure: answers, training, the search, a training step, how cost grows, and the page under load."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine import terminal
from engine.cli import costs_output as shown_costs
from engine.cli.base import (
    ChangeOption,
    JsonOption,
    SeedOption,
    TaskArgument,
    app,
    friendly,
)
from engine.cli.source import Given, SourceOption, reads_data
from engine.processes import cores

if TYPE_CHECKING:
    from engine.data.tasks import Task
    from engine.training.recipe import Recipe

bench = typer.Typer(
    no_args_is_help=True,
    help="Measure answers, training and the search against what else one would use, and the page under load.",
)
app.add_typer(bench, name="bench")


def _whatever_task(recipes: Sequence[str], task: "Task") -> "list[Recipe]":
    """Recipes by name: what an answer costs doesn't depend on the task that a recipe was published for."""
    from engine.data.tasks import get_task
    from engine.training.recipes import RECIPES, get_recipe

    tasks = {name: get_task(one.tasks[0]) for name, one in RECIPES.items()}
    return [get_recipe(name, tasks.get(name, task)) for name in recipes]


def _command(context: typer.Context) -> str:
    """The command that is running, for the record: options that aren't the default, and files without their folders."""
    words = ["odzera", "bench", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.name == "as_json" or value in (None, [], (), parameter.get_default(context)):
            continue
        values = value if isinstance(value, list | tuple) else [value]
        option = [max(parameter.opts, key=len)] if parameter.param_type_name == "option" else []
        words += option if value is True else [word for one in values for word in (*option, _without_folder(one))]
    return shlex.join(words)


def _without_folder(value: Any) -> str:
    return Path(value).name if Path(str(value)).is_absolute() or Path(str(value)).exists() else str(value)


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
    from engine.cli.bench_output import show_record
    from engine.data.sources import load
    from engine.data.tasks import get_task

    data = load(get_task(task), source)
    request = SearchBenchmark(data, trials, epochs, rounds, rows, cores(), seed, _command(context))
    with terminal.progress_bar("searching", as_json) as tick:
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
    from engine.cli.bench_output import show_record
    from engine.data.sources import load
    from engine.data.tasks import get_task
    from engine.search.study import SearchRequest

    with tempfile.TemporaryDirectory() as folder:
        request = SearchRequest(load(get_task(task), source), folder, minutes=minutes, seed=seed)
        with terminal.waiting("searching", as_json):
            result = benchmark_pruners(request, ("asha", "hyperband"), Path(folder), _command(context))
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
    from engine.cli.bench_output import show_record
    from engine.data.sources import load
    from engine.data.tasks import get_task

    show_record(profile_training(load(get_task(task), source), command=_command(context)), as_json)


@bench.command(name="classify")
@friendly
@reads_data
def bench_classify(
    context: typer.Context,
    given: Given,
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes; scratch-3m4, minilm-full, gpt2-last1 and mbert-full if none.")
    ] = None,
    task: Annotated[str, typer.Option("--task", help="slang or nli.")] = "slang",
    rounds: Annotated[int, typer.Option(help="Turns that each system takes.")] = 5,
    texts: Annotated[int, typer.Option(help="Texts of mixed lengths in a turn of throughput.")] = 128,
    threads: Annotated[int | None, typer.Option(help="Threads of every system; all cores when missing.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure answers against `transformers.pipeline`: same weights and texts, in turns, beside the roofline.

    Weights are random, as they change neither time nor memory. Leave the machine alone meanwhile.

    Example: `odzera bench classify scratch-3m4 minilm-full --rounds 5`
    """
    from engine.bench.against_pipeline import DEFAULT_RECIPES, PipelineBenchmark, benchmark_answers
    from engine.cli.bench_output import show_answers
    from engine.data.tasks import get_task

    chosen = get_task(task)
    named = _whatever_task(recipes or DEFAULT_RECIPES, chosen)
    loaded = given.load(chosen)
    request = PipelineBenchmark(named, loaded, threads or cores(), rounds, texts, _command(context))
    with terminal.progress_bar("answering", as_json) as tick:
        result = benchmark_answers(request, tick)
    show_answers(result, as_json)


@bench.command(name="train")
@friendly
@reads_data
def bench_train(
    context: typer.Context,
    recipes: Annotated[list[str], typer.Argument(help="Recipes; the others are compared with the first.")],
    given: Given,
    task: Annotated[str, typer.Option("--task", help="slang or nli; nli where the first recipe is for both.")] = "",
    changes: ChangeOption = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            help="padded, grouped, shuffled, checkpointing, bf16, frozen-bf16, unaccumulated or unfused, several at "
            "once joined by +, or all. Repeatable; padded and grouped when missing.",
        ),
    ] = None,
    rows: Annotated[int | None, typer.Option(help="Train rows of an epoch, instead of those of the data.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps to time; 0: an epoch. When missing, 3 on a CPU, an epoch on a GPU.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns; figures are their medians.")] = 3,
    against_trainer: Annotated[
        bool,
        typer.Option(
            "--against-trainer", help="Measure our loop against transformers.Trainer on the data itself, on the CPU."
        ),
    ] = False,
    epochs: Annotated[int, typer.Option(help="Epochs of each run against the Trainer.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure what training costs: time and memory of recipes in their true shapes, and where the memory goes.

    Weights are random and tokens too, with the lengths of the source's texts: neither changes the cost, and nothing is
    downloaded. Each measurement is a process of its own. Leave the machine alone meanwhile. With --against-trainer, the
    rows are real, and both loops train them to the end.

    Example: `odzera bench train mbert-full mbert-lora --rows 8484`
    """
    from engine.bench.against_trainer import TrainerBenchmark, benchmark_training
    from engine.cli.bench_output import show_training
    from engine.data.sources import cut_train
    from engine.data.tasks import get_task
    from engine.training.build import choose_device
    from engine.training.cost.compare import CostRequest, measure_costs
    from engine.training.cost.options import DEFAULT_OPTIONS
    from engine.training.recipes import RECIPES, get_recipe

    usual = RECIPES[recipes[0]].tasks if recipes[0] in RECIPES else ()
    chosen = get_task(task or ("nli" if "nli" in usual or not usual else usual[0]))
    named = [get_recipe(name, chosen, changes or ()) for name in dict.fromkeys(recipes)]
    on = choose_device(device)
    loaded = given.load(chosen)
    if against_trainer:
        benchmark = TrainerBenchmark(named, cut_train(loaded, rows), epochs, rounds, command=_command(context))
        with terminal.progress_bar("training", as_json) as tick:
            result = benchmark_training(benchmark, tick)
        show_training(result, as_json)
        return
    options = tuple(dict.fromkeys(option or DEFAULT_OPTIONS))
    request = CostRequest(named, loaded, on, options, rows, steps, rounds, _command(context))
    with terminal.progress_bar("measuring", as_json) as tick:
        result = measure_costs(request, tick)
    shown_costs.show_costs(result, as_json)


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
    from engine.cli.bench_output import show_scaling
    from engine.data.tasks import get_task
    from engine.errors import DataError
    from engine.paths import default_places
    from engine.results.scaling import AXES

    unknown = [name for name in figure or () if name not in AXES]
    if unknown:
        raise DataError(f"There is no figure '{unknown[0]}'. Figures: {', '.join(AXES)}.")
    chosen = get_task(task)
    named = _whatever_task(recipes or DEFAULT_RECIPES, chosen)
    loaded = given.load(chosen)
    with terminal.progress_bar("measuring", as_json) as tick:
        result = measure_scaling(
            named, loaded, default_places().checkpoints, tuple(figure or AXES), tick, _command(context)
        )
    show_scaling(result, as_json)


@bench.command(name="app")
@friendly
def bench_app(
    context: typer.Context,
    users: Annotated[int, typer.Option(help="Visitors at once.")] = 50,
    seconds: Annotated[float, typer.Option(help="For how long they ask.")] = 60,
    think: Annotated[
        float, typer.Option(help="Seconds that each reads before asking again, on average; 0: asks again at once.")
    ] = 3,
    requests: Annotated[
        int | None, typer.Option(help="Go on until so many questions are asked, instead; for memory, 10000.")
    ] = None,
    url: Annotated[str, typer.Option(help="A page that is running already; its own is started when missing.")] = "",
    runs: Annotated[int, typer.Option(help="How often; figures are their medians.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the texts, and of who asks what when.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure the page under load: visitors at once, over HTTP, each asking every model about texts of either task.

    Visitors open the page, ask five times by Gradio's own queue as a browser does, and open it anew. Models that aren't
    exported yet are exported first. Each run starts a server of its own, in a process beside the visitors: leave the
    machine alone meanwhile; what other programs did is told.

    Example: `odzera bench app --users 50 --seconds 60`
    """
    from contextlib import nullcontext

    from engine.bench.page import Server, benchmark_page, export_models, serve_page
    from engine.bench.page_visitors import Load
    from engine.cli.bench_output import show_load
    from engine.errors import DataError
    from engine.paths import default_places

    if min(users, runs) < 1 or seconds <= 0 or think < 0 or (requests is not None and requests < 1):
        raise DataError("At least one visitor asks once, at least once, and no time is negative.")
    load = Load(users, seconds, requests, think, seed)
    if not url:
        with terminal.waiting("exporting models", as_json):
            export_models(default_places().checkpoints)
    with terminal.progress_bar("asking", as_json) as tick:
        server = nullcontext(Server(url.rstrip("/")))
        result = benchmark_page(lambda: server if url else serve_page(), load, runs, tick, _command(context))
    show_load(result, as_json)
