"""`odzera results`: every figure made again over seeds and folds, and its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import ChangeOption, JsonOption, TaskArgument, app, friendly
from engine.cli.curves import chosen_recipes, count_workers
from engine.cli.formats import count, duration, figure
from engine.cli.source import DataLicenceOption, DataNameOption, Given, UnlabelledOption, reads_data
from engine.errors import DataError
from engine.paths import ROOT, default_places
from engine.terminal import fail, make_table, note, out, print_json, progress_bar, waiting

if TYPE_CHECKING:
    from engine.experiments.record import Request
    from engine.experiments.repeats import Failed, Plan, Progress
    from engine.experiments.repeats_file import Repeats
    from engine.store import Repeat, Store
    from engine.training.recipe import Recipe

results = typer.Typer(
    no_args_is_help=True, help="Make every figure again over seeds and folds, and show or write the tables."
)
app.add_typer(results, name="results")

FoldsOption = Annotated[
    int | None,
    typer.Option(min=1, max=10, help="Folds; 1: the source's own split. By default 5 for texts, 1 for pairs."),
]
TEXT_FOLDS = 5


@results.command()
@friendly
@reads_data
def make(
    task: TaskArgument,
    given: Given,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Recipes, or NAME@DATA for a trained model's own settings; all models trained on the data by default.",
        ),
    ] = None,
    change: ChangeOption = None,
    name: Annotated[
        str, typer.Option(help="What one model is called in the tables, where --set makes another of it.")
    ] = "",
    unlabelled: UnlabelledOption = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each model on each fold.")] = 5,
    folds: FoldsOption = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Trainings at a time; 0: one a core. More than one makes their seconds longer.")
    ] = 1,
    minutes: Annotated[float | None, typer.Option(min=0, help="Begin no training after so many minutes.")] = None,
    ship: Annotated[
        bool,
        typer.Option("--ship", help="Train each model on the source's own split with seed 0 too, and keep it."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_name: DataNameOption = "",
    licence: DataLicenceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Train every model anew over seeds and folds, by this version, and make the table of means.

    Folds never cut a slang term, a premise or a premise group. Stopped at any moment, the same command goes on where it
    was. Figures and predicted labels are kept in studies/. Another model made of one's settings, like a decoder without
    its blocks, gets a name: `scratch@DATA --set decoder.num_hidden_layers=0 --name scratch-0`.

    Example: `odzera results make slang --seeds 5 --folds 5`
    """
    from engine.data.tasks import get_task
    from engine.experiments.record import Request
    from engine.experiments.repeats import plan_repeats
    from engine.experiments.shipping import list_shipped, present_recipes
    from engine.results.repeated import tabulate
    from engine.store import Store
    from engine.training.checkpoints import require_writable
    from engine.training.unlabelled import give_text

    chosen, places = get_task(task), default_places()
    loaded = given.load(chosen, data_name)
    shipped = list_shipped(places.checkpoints, loaded)
    if shipped and not data_name:
        # The same rows stand under the same name as before.
        loaded = replace(loaded, source=str(shipped[0].manifest["data"]["source"]))
    recipes, notes = (chosen_recipes(models, loaded, []), []) if models else present_recipes(shipped)
    if change or name:
        recipes = rename_one(recipes, change or [], name)
    if unlabelled is not None:
        recipes = dict(zip(recipes, give_text(list(recipes.values()), unlabelled), strict=True))
    if ship:
        require_writable(places.checkpoints)
    store = Store.open(places.store)
    cut = folds or (1 if chosen.is_pair else TEXT_FOLDS)
    with waiting("planning", as_json):
        plan = plan_repeats(recipes, loaded, cut, seeds, places.checkpoints)
    for line in [] if as_json else notes:
        note(line)
    licence = licence or next((str(one.manifest["data"].get("licence", "")) for one in shipped), "")
    requests = [
        Request(replace(recipe, seed=0), loaded, places.checkpoints, places.training, name, device, licence)
        for name, recipe in recipes.items()
    ]
    if ship and cut == 1:
        # What is kept is one of the trainings then.
        ship_models(requests, store, as_json)
    repeats, failed, missing = follow_repeats(plan, store, requests, workers, device, minutes, as_json)
    if ship and cut > 1 and not missing:
        ship_models(requests, store, as_json)
    table = tabulate(repeats)
    show_table(table, as_json)
    if failed:
        fail(f"{failed} trainings failed; the same command tries them again.")
        raise typer.Exit(1)
    if missing and not as_json:
        note(f"{missing} trainings are missing{' and nothing was shipped' * ship}; the same command goes on.")


def rename_one(recipes: "Mapping[str, Recipe]", changes: list[str], name: str) -> "dict[str, Recipe]":
    """One model with other settings, under a name of its own."""
    from engine.experiments.record import check_name
    from engine.training.recipes import settings
    from engine.training.settings import change_settings

    if len(recipes) != 1 or not name:
        raise DataError("--set and --name are for one MODEL: its settings change, and --name says what it is called.")
    check_name(name)
    (recipe,) = recipes.values()
    return {name: change_settings(recipe, changes, settings(recipe))}


def follow_repeats(
    plan: "Plan",
    store: "Store",
    requests: "Sequence[Request]",
    workers: int,
    device: str,
    minutes: float | None,
    quiet: bool,
) -> "tuple[Repeats, int, int]":
    """Train what is missing with a line for each; returns the results, how many failed, and how many are missing."""
    from engine.experiments.repeats import Failed, measure_repeats
    from engine.experiments.repeats_file import list_repeats
    from engine.experiments.shipping import find_made, list_shipped, seconds_of

    places = default_places()
    file = places.store.with_name(plan.empty.file_name)
    there = list_shipped(places.checkpoints, requests[0].data)
    made = {one.model_name: find_made(one, there) for one in requests}
    repeats, failed, missing = plan.empty, 0, 0
    with progress_bar("training", quiet) as tick:
        for now in measure_repeats(
            plan,
            store,
            file,
            places.checkpoints,
            shipped=list_repeats((ROOT / "studies",), plan.empty.task)[0],
            workers=count_workers(workers),
            device=device,
            minutes=minutes,
            usual={one.name: seconds_of(one) for one in there},
            trained={name: one for name, one in made.items() if one is not None},
        ):
            repeats, missing = now.repeats, now.of - now.done
            failed += isinstance(now.last, Failed)
            if not quiet:
                note(_say_progress(now, plan.empty.folds))
            tick(now.done, now.of)
    if not quiet:
        note(f"kept in {file}")
    return repeats, failed, missing


def _say_progress(now: "Progress", folds: int) -> str:
    """A line for what has just ended, and for what is left."""
    from engine.experiments.repeats import Failed

    left = f"about {duration(now.seconds_left)} left" if now.done < now.of else "none left"
    stands = f"{count(now.done)} of {count(now.of)} trainings done, {left}"
    if now.last is None:
        return stands
    if isinstance(now.last, Failed):
        return f"{_name(now.last, folds)}: {now.last.reason} {stands}"
    figures = now.last.figures
    return (
        f"{_name(now.last, folds)}: accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}, "
        f"{duration(figures['seconds'])}; {stands}"
    )


def _name(one: "Repeat | Failed", folds: int) -> str:
    from engine.experiments.repeats import Failed

    model, fold, seed = (
        (one.job.model, one.job.fold, one.job.recipe.seed)
        if isinstance(one, Failed)
        else (one.model, one.fold, one.seed)
    )
    return f"{model}, seed {seed}" + (f", fold {fold + 1} of {folds}" if folds > 1 else "")


def ship_models(requests: "Sequence[Request]", store: "Store", quiet: bool) -> None:
    """Train what is asked for, as `odzera train` does, unless this version has."""
    from engine.cli.train import follow, show_finished
    from engine.experiments.shipping import find_made, list_shipped

    for request in requests:
        if find_made(request, list_shipped(request.checkpoints, request.data)) is None:
            finished = follow(request, store, quiet)
            if not quiet:
                show_finished(finished)


@results.command()
@friendly
def show(
    task: TaskArgument,
    data: Annotated[str | None, typer.Option(help="Results on the data with this fingerprint.")] = None,
    folds: Annotated[
        int | None, typer.Option(min=1, max=10, help="Results on so many folds; the most there are by default.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table in Markdown, or write it where --into says.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(help="A document with a mark `<!-- table TASK-repeated: … -->`, whose table is written anew."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the table of means over seeds and folds, from what `odzera results make` has kept or what ships.

    Example: `odzera results show slang --markdown --into studies/README.md`
    """
    from engine.results.markdown import REPEATED, fill_file, repeated_table
    from engine.results.repeated import find_repeats, tabulate

    if into is not None and not markdown:
        raise DataError("--into takes tables in Markdown: give --markdown too.")
    repeats, refused = find_repeats((default_places().store.parent, ROOT / "studies"), task, data, folds)
    for line in refused:
        note(line)
    table = tabulate(repeats)
    if not markdown:
        show_table(table, as_json)
    elif into is None:
        print(repeated_table(table), end="")
    else:
        fill_file(into, table, REPEATED)
        note(f"written into {into}")


def show_table(table: Mapping[str, Any], as_json: bool = False) -> None:
    """Quality of every model with its interval, then what training took, each within 80 columns."""
    from engine.results.repeated import describe_table

    if as_json:
        print_json(table)
        return
    many = table["folds"] > 1
    quality = make_table("model", "accuracy", "95 %", "macro F1", "95 %", no_wrap=True)
    costs = make_table("model", "seeds", *(["folds, accuracy"] if many else []), "train acc.", "training", "weights")
    for row in table["rows"]:
        name = escape(row["model"])
        quality.add_row(name, *(cell for key in ("accuracy", "macro_f1") for cell in _mean_cells(row[key])))
        folds = [f"{row['accuracy']['lowest']:.3f}-{row['accuracy']['highest']:.3f}"] if many else []
        train = "-" if row["train_accuracy"] is None else figure(row["train_accuracy"], digits=3)
        costs.add_row(name, str(row["seeds"]), *folds, train, duration(row["seconds"]), count(row["total_parameters"]))
    out.print(f"[bold]{table['task']}[/] on {escape(table['data']['source'])} ({table['data']['fingerprint']})")
    out.print(quality)
    out.print(costs)
    for line in describe_table(table):
        note(line)


def _mean_cells(mean: Mapping[str, Any]) -> tuple[str, str]:
    around = "" if mean["deviation"] is None else f" ± {mean['deviation']:.3f}"
    return f"{mean['mean']:.3f}{around}", f"{mean['low']:.3f}-{mean['high']:.3f}"
