"""Commands about data and models. They are thin: they read options, call the engine and print.

Heavy libraries are imported inside the commands, so that `odzera --help` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine import terminal
from engine.cli import output
from engine.cli.base import (
    ChangeOption,
    JsonOption,
    TaskArgument,
    TaskOption,
    app,
    friendly,
)
from engine.cli.details_output import show_details
from engine.cli.source import Given, reads_data
from engine.errors import DataError
from engine.paths import default_places
from engine.processes import one_voice


@app.command(name="app")
@friendly
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for the whole network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 7860,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another name that the page is reached under, as NAME or NAME:PORT: of a proxy in front. "
            "May be repeated.",
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Where a proxy in front serves the page, as /odzera, whether it takes that path off or leaves it.",
        ),
    ] = "",
    export: Annotated[bool, typer.Option(help="Export models that aren't yet, behind the page.")] = True,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    auth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ask for a password: a file with USER:PASSWORD in each line, or the same in the environment variable "
            "ODZERA_AUTH. Neither is seen in a list of processes.",
        ),
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="A public link through Gradio's servers, for a week.")] = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Serve the models as tools for language models (MCP).")] = False,
) -> None:
    """Open the page: every model side by side.

    From another host than this one, with --share and on a Space, strangers can come: then nothing that costs the
    machine hours is started for them.

    Example: `odzera app --port 7861`
    """
    # The page is a program of its own on the floor above, so it is started rather than imported.
    sys.stdout.flush()
    flags = {"--open": open_browser, "--share": share, "--mcp": mcp}
    program = [sys.executable, "-m", "gradio_app", "--host", host, "--port", str(port)]
    program += ["--export" if export else "--no-export", *(name for name, on in flags.items() if on)]
    program += ["--auth", str(auth)] if auth else []
    program += [f"--allow-host={name}" for name in allow_host or []]
    program += [f"--root-path={root_path}"] if root_path else []
    os.execv(sys.executable, program)  # noqa: S606


@app.command()
@friendly
@reads_data
def data(
    task: TaskArgument,
    given: Given,
    as_json: JsonOption = False,
) -> None:
    """Describe a data set: rows, labels, languages, lengths, leaks between splits.

    Example: `odzera data nli --source train.csv --json`
    """
    from engine.data.describe import describe
    from engine.data.tasks import get_task

    chosen = get_task(task)
    loaded = given.load(chosen)
    output.show_data(describe(loaded), as_json)


@app.command()
@friendly
@reads_data
@one_voice()
def train(
    recipe: Annotated[list[str], typer.Argument(help="One or more recipes; see `odzera recipes`.")],
    task: TaskOption,
    given: Given,
    change: ChangeOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, batches and dropout.")] = None,
    name: Annotated[str, typer.Option(help="Name of the model, beside others of its recipe.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_name: Annotated[str, typer.Option(help="Name of the data in tables, instead of the file's.")] = "",
    licence: Annotated[str, typer.Option("--data-licence", help="Licence of the data, kept with the model.")] = "",
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

    chosen = get_task(task)
    changes = [*(change or []), *([] if seed is None else [f"seed={seed}"])]
    recipes = [get_recipe(one, chosen, changes) for one in recipe]
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
        terminal.note("accelerate launch started one process; with --multi_gpu it starts several, on CPUs too.")
    # Whatever won't do is said before hours of training, and before anything is written.
    require_writable(places.checkpoints)
    store = Store.open(places.store)
    if not as_json:
        output.show_source(loaded)
    rows = []
    for request in requests:
        finished = output.follow(request, store, quiet=as_json)
        kept = {"fingerprint": finished.run.fingerprint, "checkpoint": str(finished.checkpoint.folder)}
        rows.append(table_row(finished.run) | kept)
        if not as_json:
            output.show_finished(finished)
    leave()
    if as_json:
        terminal.print_json(rows)


@app.command()
@friendly
@reads_data
def evaluate(
    model: Annotated[str, typer.Argument(help="NAME, NAME@DATA or a checkpoint's folder.")],
    task: TaskOption,
    given: Given,
    split: Annotated[
        str | None, typer.Option(help="train, validation, test or all; without it, all rows of a file, else test.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a trained model on any labelled file.

    Example: `odzera evaluate minilm-last1 --task nli --source new_pairs.csv --split all --json`
    """
    from engine.data.sources import load_for_evaluation
    from engine.data.tasks import get_task
    from engine.results.comparison import evaluate_model
    from engine.serving.registry import Registry

    chosen = get_task(task)
    registry = Registry(default_places().checkpoints)
    checkpoint = registry.find(task, model)
    source = str(given.source)
    wanted = split or ("test" if source in ("sample", "hub") else "all")
    loaded = load_for_evaluation(chosen, source, given.options, wanted)
    with terminal.progress_bar("scoring", as_json) as tick:
        result = evaluate_model(registry.classifier(checkpoint), checkpoint, loaded, wanted, tick)
    output.show_evaluation(result, as_json)


@app.command()
@friendly
def classify(
    task: TaskArgument,
    text: Annotated[str | None, typer.Argument(help="The text, for slang.")] = None,
    premise: Annotated[str | None, typer.Option(help="For nli.")] = None,
    hypothesis: Annotated[str | None, typer.Option(help="For nli.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only these models. Repeatable.")] = None,
    data: Annotated[str | None, typer.Option(help="Models trained on this data (fingerprint).")] = None,
    untouched: Annotated[
        bool, typer.Option("--untouched", help="Ask the backbones too, as they were before training.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every trained model about one text, or one premise and hypothesis.

    Example: `odzera classify slang "ale kozak, serio"`
    """
    from engine.data.tasks import get_task
    from engine.errors import TextError
    from engine.serving.answers import check_input, classify_all, in_order
    from engine.serving.registry import Registry

    chosen = get_task(task)
    given = {"text": text, "premise": premise, "hypothesis": hypothesis}
    wrong = [name for name, value in given.items() if (value is not None) != (name in chosen.text_columns)]
    if wrong:
        wanted = "TEXT" if not chosen.is_pair else "--premise and --hypothesis"
        raise TextError(f"The task {task} takes {wanted}.")
    texts = [str(given[column]) for column in chosen.text_columns]
    check_input(chosen, texts)
    registry = Registry(default_places().checkpoints)
    models = (
        [registry.find(task, one) for one in model] if model else registry.models(task, registry.match_data(task, data))
    )
    asked = [*models, *(registry.untouched(models) if untouched else ())]
    with terminal.waiting("asking", as_json):
        answers = in_order(classify_all(registry, chosen, texts, asked), asked)
    if not output.show_answers(chosen, answers, registry, models, as_json):
        raise typer.Exit(2)


@app.command()
@friendly
@reads_data
def compare(
    task: TaskArgument,
    given: Given | None = None,
    data: Annotated[str | None, typer.Option(help="Compare on the data with this fingerprint.")] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Accuracy by language and confusion matrices, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the table of all models trained on the same data: quality with intervals, cost, latency.

    Example: `odzera compare slang --json`
    """
    from engine.data.tasks import get_task
    from engine.results.comparison import compare_models, open_results

    chosen = get_task(task)
    places = default_places()
    store, notes = open_results(places)
    fingerprint = data
    if given and given.source is not None:
        fingerprint = given.load(chosen).fingerprint
    comparison = compare_models(store, chosen, fingerprint)
    output.show_comparison(comparison, notes, as_json)
    if details and not as_json:
        show_details(comparison, chosen.labels)


@app.command()
@friendly
def recipes(
    task: Annotated[str | None, typer.Option("--task", help="Only recipes for this task.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List every recipe with its parameters, counted without weights.

    Example: `odzera recipes --json`
    """
    from engine.data.tasks import get_task
    from engine.results.comparison import list_recipes

    if task:
        get_task(task)
    with terminal.waiting("counting parameters", as_json):
        rows = [row for row in list_recipes() if task in (None, row["task"])]
    output.show_recipes(rows, as_json)


@app.command()
@friendly
def doctor(as_json: JsonOption = False) -> None:
    """Check this machine: versions, device, checkpoints, results, hub.

    Example: `odzera doctor`
    """
    from engine.cli.doctor import examine

    with terminal.waiting("looking", as_json):
        findings = examine(default_places())
    output.show_findings(findings, as_json)
    if any(not finding.fine and finding.needed for finding in findings):
        raise typer.Exit(1)
