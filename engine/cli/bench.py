"""Commands that measure: the search, a training step, what training costs, and the page under load."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine import terminal
from engine.cli import costs_output as shown_costs
from engine.cli import studies_output as shown
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
    help="Measure the search against what else one would use, a step's operators, and what training a recipe costs.",
)
app.add_typer(bench, name="bench")


def _whatever_task(recipes: Sequence[str], task: "Task") -> "list[Recipe]":
    """Recipes by name: what an answer costs doesn't depend on the task that a recipe was published for."""
    from engine.data.tasks import get_task
    from engine.training.recipes import RECIPES, get_recipe

    tasks = {name: get_task(one.tasks[0]) for name, one in RECIPES.items()}
    return [get_recipe(name, tasks.get(name, task)) for name in recipes]


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
    with terminal.waiting("racing", as_json):
        rows_found = list(race_searches(BenchRequest(data, trials, epochs, rounds, rows, cores(), seed)))
    shown.show_rows(rows_found, as_json)


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
        with terminal.waiting("racing", as_json):
            rows_found = list(race_pruners(request, ("asha", "hyperband"), Path(folder)))
    shown.show_rows(rows_found, as_json)


@bench.command(name="step")
@friendly
def bench_step(task: TaskArgument = "slang", source: SourceOption = "sample", as_json: JsonOption = False) -> None:
    """Show where the time of one training step of the decoder goes, operator by operator.

    Example: `odzera bench step`
    """
    from engine.bench.step_profile import profile_step
    from engine.data.sources import load
    from engine.data.tasks import get_task

    shown.show_rows(list(profile_step(load(get_task(task), source))), as_json)


@bench.command(name="classify")
@friendly
@reads_data
def bench_classify(
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
    """Race answers against `transformers.pipeline`: same weights and texts, in turns, beside the machine's floor.

    Weights are random, as they change neither time nor memory. Leave the machine alone meanwhile.

    Example: `odzera bench classify scratch-3m4 minilm-full --rounds 5`
    """

    from engine.bench.against_pipeline import RACED, RaceRequest, race_classifiers
    from engine.cli.bench_output import show_race
    from engine.data.tasks import get_task

    chosen = get_task(task)
    named = _whatever_task(recipes or RACED, chosen)
    loaded = given.load(chosen)
    request = RaceRequest(named, loaded, threads or cores(), rounds, texts)
    with terminal.progress_bar("racing", as_json) as tick:
        result = race_classifiers(request, tick)
    show_race(result, as_json)


@bench.command(name="train")
@friendly
@reads_data
def bench_train(
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
            "--against-trainer", help="Race our loop against transformers.Trainer on the data itself, on the CPU."
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
    from engine.bench.against_trainer import TrainRace, race_training
    from engine.cli.bench_output import show_training_race
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
        with terminal.progress_bar("racing", as_json) as tick:
            raced = race_training(TrainRace(named, cut_train(loaded, rows), epochs, rounds), tick)
        show_training_race(raced, as_json)
        return
    options = tuple(dict.fromkeys(option or DEFAULT_OPTIONS))
    request = CostRequest(named, loaded, on, options, rows, steps, rounds)
    with terminal.progress_bar("measuring", as_json) as tick:
        result = measure_costs(request, tick)
    shown_costs.show_costs(result, as_json)


@bench.command(name="growth")
@friendly
@reads_data
def bench_growth(
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
    from engine.bench.scaling import GROWN, measure_growth
    from engine.cli.bench_output import show_growth
    from engine.data.tasks import get_task
    from engine.errors import DataError
    from engine.paths import default_places
    from engine.results.scaling import AXES

    unknown = [name for name in figure or () if name not in AXES]
    if unknown:
        raise DataError(f"There is no figure '{unknown[0]}'. Figures: {', '.join(AXES)}.")
    chosen = get_task(task)
    named = _whatever_task(recipes or GROWN, chosen)
    loaded = given.load(chosen)
    with terminal.progress_bar("measuring", as_json) as tick:
        result = measure_growth(named, loaded, default_places().checkpoints, tuple(figure or AXES), tick)
    show_growth(result, as_json)


@bench.command(name="app")
@friendly
def bench_app(
    users: Annotated[int, typer.Option(help="Visitors at once.")] = 50,
    seconds: Annotated[float, typer.Option(help="For how long they ask.")] = 60,
    think: Annotated[
        float, typer.Option(help="Seconds that each reads before asking again, on average; 0: asks again at once.")
    ] = 3,
    requests: Annotated[
        int | None, typer.Option(help="Go on until so many questions are asked, instead; for memory, 10000.")
    ] = None,
    url: Annotated[str, typer.Option(help="A page that is running already; its own is started when missing.")] = "",
    seed: Annotated[int, typer.Option(help="Of the texts, and of who asks what when.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure the page under load: visitors at once, over HTTP, each asking every model about texts of either task.

    Visitors open the page, ask five times by Gradio's own queue as a browser does, and open it anew. Its own server
    runs in a process of its own, beside the visitors: export the models first, and leave the machine alone meanwhile.

    Example: `odzera bench app --users 50 --seconds 60`
    """
    from contextlib import nullcontext

    from engine.bench.page import Server, measure_app, serve_page
    from engine.bench.page_visitors import Crowd
    from engine.cli.bench_output import show_load
    from engine.errors import DataError

    if users < 1 or seconds <= 0 or think < 0 or (requests is not None and requests < 1):
        raise DataError("At least one visitor asks once, and no time is negative.")
    crowd = Crowd(users, seconds, requests, think, seed)
    page = nullcontext(Server(url.rstrip("/"))) if url else serve_page()
    with page as server, terminal.progress_bar("asking", as_json) as tick:
        result = measure_app(server, crowd, tick)
    show_load(result, as_json)
