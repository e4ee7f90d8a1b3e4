"""`odzera studies` and `odzera dashboard`: the searches made so far."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, app, friendly
from engine.paths import default_places
from engine.terminal import make_table, note, out, print_json

StorageOption = Annotated[
    str,
    typer.Option(
        "--storage",
        help="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME, instead of studies/optuna.db.",
    ),
]


def storage_of(given: str) -> str:
    """The address of a study's storage: that given, that of the environment, or the file in `studies/`."""
    from engine.search.shipped import default_storage

    return given or os.environ.get("ODZERA_STORAGE", "") or default_storage(default_places())


@app.command(name="studies")
@friendly
def list_all(storage: StorageOption = "", as_json: JsonOption = False) -> None:
    """List the studies: data, trials by state, best validation loss and settings.

    Example: `odzera studies --json`
    """
    from engine.search.report import list_studies
    from engine.search.storage import show_url

    where = storage_of(storage)
    show_studies([study.as_summary() for study in list_studies(where)], show_url(where), as_json)


def show_studies(studies: Sequence[Mapping[str, Any]], where: str, as_json: bool) -> None:
    """All studies of a storage."""
    if as_json:
        print_json(studies)
        return
    if not studies:
        note(f"There are no studies in {where} yet. Make one: odzera search slang")
        return
    columns = ("study", "data", "complete", "pruned", "failed", "running", "best validation loss")
    table = make_table(*columns, left=("data",))
    for study in studies:
        counts = study["trials"]
        best = "-" if study["best_value"] is None else f"{study['best_value']:.4f}"
        table.add_row(
            escape(study["name"]),
            escape(str(study["source"] or "-")),
            *(str(counts[state]) for state in ("complete", "pruned", "failed", "running")),
            best,
        )
    out.print(table)
    note(f"in {where}; browse them: odzera dashboard")


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
    made = make_dashboard(storage_of(storage))
    guarded = (not local) if read_only is None else read_only
    with serve(make_read_only(made) if guarded else made, host, port) as address:
        note(f"optuna-dashboard is on {address}{' (read-only)' if guarded else ''}. Ctrl-C stops it.")
        address.wait()
