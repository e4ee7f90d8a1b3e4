"""Commands about searches and their studies."""

import os
import time
from contextlib import closing
from typing import Annotated, Any

import typer

from engine import terminal
from engine.cli import output
from engine.cli import studies_output as shown
from engine.cli.base import (
    JsonOption,
    SeedOption,
    TaskArgument,
    app,
    friendly,
)
from engine.cli.source import Given, reads_data
from engine.paths import default_places
from engine.processes import cores

StorageOption = Annotated[
    str,
    typer.Option(
        "--storage",
        help="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME, instead of studies/optuna.db.",
    ),
]


def _storage(given: str) -> str:
    from engine.search.shipped import default_storage

    return given or os.environ.get("ODZERA_STORAGE", "") or default_storage(default_places())


@app.command()
@friendly
@reads_data
def search(
    task: TaskArgument,
    given: Given,
    trials: Annotated[int, typer.Option(help="Finished trials (complete and pruned) the study has in the end.")] = 500,
    workers: Annotated[int, typer.Option(help="Processes on this machine; 0: one a core, or 8 on a GPU.")] = 0,
    storage: StorageOption = "",
    sampler: Annotated[str, typer.Option(help="tpe, random or grid.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="asha, hyperband or none.")] = "asha",
    timeout: Annotated[float | None, typer.Option(help="Minutes to stop after; the same command goes on.")] = None,
    name: Annotated[str, typer.Option(help="Name of the study, instead of one made from task and data.")] = "",
    seed: SeedOption = 0,
    refit: Annotated[bool, typer.Option(help="Train the best setting on 5 seeds; the best becomes `scratch`.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_name: Annotated[str, typer.Option(help="Name of the data in tables, instead of the file's.")] = "",
    licence: Annotated[str, typer.Option("--data-licence", help="Licence of the data, kept with the model.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Search the settings of the decoder from scratch, and train the best on 5 seeds.

    Stopped or killed at any moment, the same command finishes what is missing. Run on several hosts with one
    PostgreSQL address as --storage, it works on one study together.

    Example: `odzera search slang --trials 500`
    """
    from engine.data.tasks import get_task
    from engine.search.refit import Refit, requests_for
    from engine.search.refit import refit as train_best
    from engine.search.report import save_plots, view
    from engine.search.study import SearchRequest, open_study
    from engine.search.workers import search as run_search
    from engine.store import Store
    from engine.training.build import choose_device
    from engine.training.checkpoints import require_writable

    start = time.monotonic()
    places = default_places()
    chosen_device = choose_device(device)
    loaded = given.load(get_task(task), data_name)
    count = workers or (8 if chosen_device == "cuda" else cores())
    request = SearchRequest(
        data=loaded,
        storage=_storage(storage),
        trials=trials,
        workers=count,
        name=name,
        sampler=sampler,
        pruner=pruner,
        seed=seed,
        device=chosen_device,
        minutes=timeout,
    )
    if refit:
        # Message before an hour of searching, not after it.
        require_writable(places.checkpoints)
    store = Store.open(places.store) if refit else None
    if not as_json:
        output.show_source(loaded)
    with closing(run_search(request)) as standings:
        last = shown.follow_search(standings, request.study_name, trials, quiet=as_json)
    study = open_study(request)
    seconds = time.monotonic() - start
    result: dict[str, Any] = view(study).as_summary() | {"seconds": round(seconds, 1), "finished": last.finished}
    if last.finished < trials:
        shown.show_search(result, trials, as_json)
        return
    save_plots(study)
    if store is not None:
        requests = requests_for(study, loaded, places, device=chosen_device)
        end: Refit = shown.follow_refit(train_best(study, requests, store, count, licence), quiet=as_json)
        result["refit"] = dict(end.record)
        result["checkpoint"] = str(end.finished.checkpoint.folder)
    shown.show_search(result, trials, as_json)


@app.command(name="studies")
@friendly
def list_all(storage: StorageOption = "", as_json: JsonOption = False) -> None:
    """List the studies: data, trials by state, best validation loss and settings.

    Example: `odzera studies --json`
    """
    from engine.search.report import list_studies
    from engine.search.storage import show_url

    where = _storage(storage)
    shown.show_studies([study.as_summary() for study in list_studies(where)], show_url(where), as_json)


@app.command()
@friendly
def dashboard(
    storage: StorageOption = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    read_only: Annotated[
        bool | None,
        typer.Option(help="Refuse every change; the default, except on this machine's own address (127.0.0.1)."),
    ] = None,
) -> None:
    """Browse the studies in optuna-dashboard.

    It asks nobody for a password and deletes a study on request, so it is read-only for other machines.

    Example: `odzera dashboard --port 8081`
    """
    from engine.search.dashboard import make_dashboard, make_read_only, serve

    local = host in ("127.0.0.1", "localhost", "::1")
    made = make_dashboard(_storage(storage))
    guarded = (not local) if read_only is None else read_only
    with serve(make_read_only(made) if guarded else made, host, port) as address:
        terminal.note(f"optuna-dashboard is on {address}{' (read-only)' if guarded else ''}. Ctrl-C stops it.")
        address.wait()
