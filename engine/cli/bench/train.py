"""`odzera bench train`: what training costs, and our loop against `transformers.Trainer`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from engine.cli.base import ChangeOption, JsonOption, friendly
from engine.cli.bench.costs import show_costs
from engine.cli.bench.group import bench
from engine.cli.bench.record import describe_place, running_command, tell_failures
from engine.cli.formats import count, figure, ratio, spread
from engine.cli.source import Given, reads_data
from engine.terminal import make_table, note, out, print_json, progress_bar


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
        benchmark = TrainerBenchmark(named, cut_train(loaded, rows), epochs, rounds, command=running_command(context))
        with progress_bar("training", as_json) as tick:
            result = benchmark_training(benchmark, tick)
        show_training(result, as_json)
        return
    options = tuple(dict.fromkeys(option or DEFAULT_OPTIONS))
    request = CostRequest(named, loaded, on, options, rows, steps, rounds, running_command(context))
    with progress_bar("measuring", as_json) as tick:
        result = measure_costs(request, tick)
    show_costs(result, as_json)


def show_training(result: Mapping[str, Any], as_json: bool) -> None:
    """Each system's epochs an hour, and the loss that it ends with."""
    if as_json:
        print_json(result)
        return
    columns = ("recipe", "system", "epochs/h", "times Trainer", "validation loss", "accuracy")
    table = make_table(*columns, left=("system",))
    for row in result["rows"]:
        table.add_row(
            row["recipe"],
            row["system"],
            count(row["epochs_per_hour"]),
            "" if row["times_trainer"] is None else ratio(row["times_trainer"]),
            spread(row["loss"], row["loss_deviation"], 3),
            figure(row["accuracy"], digits=3),
        )
    out.print(table)
    for name, says in result["systems"].items():
        note(f"{name}: {says}.")
    note(
        f"{describe_place(result)}; {result['source']} ({result['fingerprint']}), "
        f"{count(result['train_rows'])} train rows, {result['epochs']} epochs with an evaluation each, "
        f"{result['rounds']} seeds in turns: medians of time, means of loss ± standard deviation."
    )
    tell_failures(result)
