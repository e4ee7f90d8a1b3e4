"""`odzera train`: recipes trained one after another, each followed epoch by epoch."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from engine.cli.base import ChangeOption, JsonOption, TaskOption, app, friendly
from engine.cli.data import show_source
from engine.cli.formats import duration, milliseconds, scored
from engine.cli.source import DataLicenceOption, DataNameOption, Given, UnlabelledOption, reads_data
from engine.errors import DataError
from engine.paths import default_places
from engine.processes import one_voice
from engine.terminal import live_progress, note, out, print_json

if TYPE_CHECKING:
    from engine.experiments.record import Finished, Request
    from engine.store import Store


@app.command()
@friendly
@reads_data
@one_voice()
def train(
    recipe: Annotated[list[str], typer.Argument(help="One or more recipes; see `odzera recipes`.")],
    task: TaskOption,
    given: Given,
    change: ChangeOption = None,
    unlabelled: UnlabelledOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, batches and dropout.")] = None,
    name: Annotated[str, typer.Option(help="Name of the model, beside others of its recipe.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_name: DataNameOption = "",
    licence: DataLicenceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Train a recipe, choose the best epoch on validation, read test once, keep model and figures.

    Stopped at any moment, the same command goes on from the last whole epoch. Several processes train one model
    together: `accelerate launch --multi_gpu -m engine train …`.

    Example: `odzera train scratch tfidf --task slang --source small_train.csv`
    """
    from engine.data.tasks import get_task
    from engine.experiments.record import Request
    from engine.experiments.run import take_part
    from engine.results.comparison import table_row
    from engine.store import Store
    from engine.training.build import choose_device
    from engine.training.checkpoints import require_writable
    from engine.training.parallel import Group, is_lonely_launch, leave, make_accelerator
    from engine.training.recipes import get_recipe
    from engine.training.unlabelled import give_text

    chosen = get_task(task)
    changes = [*(change or []), *([] if seed is None else [f"seed={seed}"])]
    recipes = [get_recipe(one, chosen, changes) for one in recipe]
    if unlabelled is not None:
        recipes = give_text(recipes, unlabelled)
    if name and len(recipes) > 1:
        raise DataError("--name names one model; train one recipe at a time with it.")
    group = Group.of(make_accelerator(choose_device(device)))
    loaded = given.load(chosen, data_name)
    places = default_places()
    requests = [Request(one, loaded, places.checkpoints, places.training, name, device, licence) for one in recipes]
    if not group.is_main:
        take_part(requests)
        leave()
        return
    if is_lonely_launch():
        note("accelerate launch started one process; with --multi_gpu it starts several, on CPUs too.")
    # Whatever won't do is said before hours of training, and before anything is written.
    require_writable(places.checkpoints)
    store = Store.open(places.store)
    if not as_json:
        show_source(loaded)
    rows = []
    for request in requests:
        finished = follow(request, store, quiet=as_json)
        kept = {"fingerprint": finished.run.fingerprint, "checkpoint": str(finished.checkpoint.folder)}
        rows.append(table_row(finished.run) | kept)
        if not as_json:
            show_finished(finished)
    leave()
    if as_json:
        print_json(rows)


def follow(request: "Request", store: "Store", quiet: bool = False) -> "Finished":
    """Run an experiment with a progress bar and a line for each epoch; return its end."""
    from engine.experiments.record import Finished
    from engine.experiments.run import run_experiment

    finished: Finished | None = None
    with live_progress("batches", quiet) as progress:
        bar = progress.add_task(request.model_name, total=None)

        def tick(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        for event in run_experiment(request, store, tick):
            if isinstance(event, Finished):
                finished = event
                continue
            figures = event.validation
            again = " (trained before)" if event.resumed else ""
            stop = f", stopped by {event.stop}" if event.stop not in ("", "epochs") else ""
            if not quiet:
                note(
                    f"{request.model_name} epoch {event.number}: train loss {event.train_loss:.4f}, validation loss "
                    f"{figures['loss']:.4f}, accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}"
                    f"{' *' if event.is_best else ''}, {duration(event.seconds)}{again}{stop}"
                )
            upcoming = "scoring and timing" if event.stop else f"epoch {event.number + 1}"
            progress.update(bar, description=f"{request.model_name} {upcoming}", completed=0)
    if finished is None:
        raise RuntimeError("An experiment ends with Finished.")
    return finished


def show_finished(finished: "Finished") -> None:
    """One trained model: its test figures and costs."""
    from engine.results.comparison import table_row

    row = table_row(finished.run)
    out.print(
        f"[bold]{row['model']}[/] on {escape(finished.run.source)}: test accuracy {scored(row, 'accuracy')}, "
        f"macro F1 {scored(row, 'macro_f1')}; {duration(row['training_seconds'])} of training, "
        f"{milliseconds(row['p50_ms'])} ms a text"
    )
    out.print(f"[dim]kept in {escape(str(finished.checkpoint.folder))}[/]", soft_wrap=True)
