"""`odzera search`: settings of the decoder searched, and the best trained on five seeds."""

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, SeedOption, TaskArgument, app, friendly
from engine.cli.data import show_source
from engine.cli.formats import duration, short, spread
from engine.cli.source import DataLicenceOption, DataNameOption, Given, reads_data
from engine.cli.studies import StorageOption, storage_of
from engine.paths import default_places
from engine.processes import cores
from engine.terminal import err, live_progress, note, out, print_json, progress_bar

if TYPE_CHECKING:
    from engine.search.refit import Refit
    from engine.search.study import Standing

LOG_SECONDS = 30


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
    data_name: DataNameOption = "",
    licence: DataLicenceOption = "",
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
        storage=storage_of(storage),
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
        show_source(loaded)
    with closing(run_search(request)) as standings:
        last = follow_search(standings, request.study_name, trials, quiet=as_json)
    study = open_study(request)
    seconds = time.monotonic() - start
    result: dict[str, Any] = view(study).as_summary() | {"seconds": round(seconds, 1), "finished": last.finished}
    if last.finished < trials:
        show_search(result, trials, as_json)
        return
    save_plots(study)
    if store is not None:
        requests = requests_for(study, loaded, places, device=chosen_device)
        end: Refit = follow_refit(train_best(study, requests, store, count, licence), quiet=as_json)
        result["refit"] = dict(end.record)
        result["checkpoint"] = str(end.finished.checkpoint.folder)
    show_search(result, trials, as_json)


def follow_search(standings: "Iterable[Standing]", name: str, trials: int, quiet: bool = False) -> "Standing":
    """Show how far a search is, until it ends; on a pipe, a line every half minute."""
    last: Standing | None = None
    logged = time.monotonic()
    start = time.monotonic()
    with live_progress("trials", quiet) as progress:
        bar = progress.add_task(escape(name), total=trials)
        for standing in standings:
            if last is None and not quiet:
                note(f"study {name}: {standing.finished} of {trials} trials are finished")
            last = standing
            progress.update(bar, completed=standing.finished, description=_describe(standing))
            if not quiet and not err.is_terminal and time.monotonic() - logged > LOG_SECONDS:
                logged = time.monotonic()
                note(f"{duration(logged - start)}: {standing.finished}/{trials} trials, {_describe(standing)}")
    if last is None:
        raise RuntimeError("A search says at least once how far it is.")
    return last


def _describe(standing: "Standing") -> str:
    best = "no best yet" if standing.best_value is None else f"best validation loss {standing.best_value:.4f}"
    failed = f", {standing.failed} failed" if standing.failed else ""
    return f"{best} ({standing.complete} complete, {standing.pruned} pruned{failed}, {standing.running} running)"


def follow_refit(events: "Iterable[int | Refit]", quiet: bool = False) -> "Refit":
    """Show how many seeds of the best setting are trained, until the end."""
    from engine.search.refit import SEEDS

    end = None
    with progress_bar("training the best setting again", quiet) as tick:
        for event in events:
            if isinstance(event, int):
                tick(event, len(SEEDS))
            else:
                end = event
    if end is None:
        raise RuntimeError("Training the best setting again ends with Refit.")
    return end


def show_search(result: Mapping[str, Any], trials: int, as_json: bool) -> None:
    """The end of a search."""
    if as_json:
        print_json(result)
        return
    counts = result["trials"]
    states = ", ".join(f"{counts[state]} {state}" for state in counts if counts[state])
    out.print(f"[bold]{escape(result['name'])}[/]: {states or 'no trials'}; {duration(result['seconds'])}")
    if result["best_value"] is not None:
        settings = ", ".join(f"{name}={short(value)}" for name, value in result["best_params"].items())
        out.print(f"best validation loss {result['best_value']:.4f} with {escape(settings)}", soft_wrap=True)
    if result["finished"] < trials:
        note(f"{trials - result['finished']} trials are missing; the same command goes on.")
    if "refit" in result:
        refit = result["refit"]
        for split in ("validation", "test"):
            figures = refit[split]
            shown = ", ".join(
                f"{title} {spread(figures[name]['mean'], figures[name]['deviation'])}"
                for name, title in (("accuracy", "accuracy"), ("macro_f1", "macro F1"), ("loss", "loss"))
            )
            out.print(f"{len(refit['seeds'])} seeds, {split}: {shown}")
        note(f"seed {refit['chosen_seed']}, the best on validation, is kept in {result['checkpoint']}")
