"""`odzera space` and `odzera push`: the page as a Hugging Face Space, a trained model as a repository."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from engine.cli.base import JsonOption, app, friendly
from engine.cli.formats import megabytes
from engine.paths import default_places
from engine.terminal import make_table, note, out, print_json, waiting

if TYPE_CHECKING:
    from engine.hub.upload import Upload
    from engine.sharing.space import Built


space = typer.Typer(
    no_args_is_help=True, help="Share the page as a Hugging Face Space: build its folder, or build and upload it."
)
app.add_typer(space, name="space")
app.add_typer(space, name="space")

SHOWN = 12
"""Lines of a table before the rest is summed up."""

ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--models", help="NAME, NAME@DATA or TASK/NAME; repeatable. All models without it."),
]
HardwareOption = Annotated[
    str, typer.Option(help="zerogpu (which free accounts may create; lends a GPU) or cpu (needs a paid plan).")
]
StudiesOption = Annotated[
    bool, typer.Option("--own-studies", help="Share the searches made here instead of the bundled one.")
]
NameArgument = Annotated[str, typer.Argument(metavar="USER/NAME", help="The repository on the Hub.")]
PrivateOption = Annotated[bool, typer.Option("--private", help="Let nobody else see it.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be uploaded, and upload nothing.")]


@space.command(name="build")
@friendly
def build(
    out: Annotated[Path, typer.Argument(help="A folder: new, empty, or built before.")],
    models: ModelsOption = None,
    hardware: HardwareOption = "zerogpu",
    own_studies: StudiesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a folder that is a Hugging Face Space: the page, models, figures, a study, and exact requirements.

    The same models give the same bytes. Nothing in it names this machine or its user.

    Example: `odzera space build my-space --models scratch --models tfidf`
    """
    from engine.sharing.space import build_space
    from engine.sharing.space_hardware import get_hardware

    chosen = get_hardware(hardware)
    with waiting("building", as_json):
        built = build_space(out, default_places(), chosen, models or (), own_studies)
    show_built(built, as_json)


@space.command(name="push")
@friendly
def push_space(
    name: NameArgument,
    models: ModelsOption = None,
    hardware: HardwareOption = "zerogpu",
    own_studies: StudiesOption = False,
    private: PrivateOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build the Space and upload it in one commit; what is there unchanged isn't uploaded again.

    Log in once with `hf auth login`, or set HF_TOKEN to a token that may write.

    Example: `odzera space push USER/NAME --dry-run`
    """
    from engine.hub.upload import check_name
    from engine.sharing.space import push_space as upload
    from engine.sharing.space_hardware import get_hardware

    check_name(name)
    chosen = get_hardware(hardware)
    with waiting("building and uploading", as_json):
        built, done = upload(name, default_places(), chosen, models or (), own_studies, private, dry_run)
    for line in () if as_json else built.notes:
        note(line)
    show_upload(done, dry_run, as_json)


@app.command()
@friendly
def push(
    model: Annotated[str, typer.Argument(help="NAME, NAME@DATA, TASK/NAME or a checkpoint's folder.")],
    name: NameArgument,
    private: PrivateOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a trained model on the Hub with a card made from its results; transformers and peft open it there.

    Adapters are uploaded alone where the Hub has the backbone that they stand on, else with it.

    Example: `odzera push slang/scratch USER/NAME --private`
    """
    from engine.hub.upload import check_name
    from engine.sharing.push_model import push_model

    check_name(name)
    with waiting("writing and uploading", as_json):
        done = push_model(default_places(), model, name, private, dry_run)
    show_upload(done, dry_run, as_json)


def show_built(built: "Built", as_json: bool) -> None:
    """What a Space holds, and how large its parts are."""
    if as_json:
        print_json(
            {
                "folder": str(built.folder),
                "hardware": built.hardware.name,
                "python_version": built.hardware.python_version,
                "bytes": built.total_bytes,
                "models": list(built.models),
                "parts": dict(built.parts),
                "notes": list(built.notes),
            }
        )
        return
    for line in built.notes:
        note(line)
    table = make_table("part", "MB")
    parts = list(built.parts.items())
    for part, size in parts[:SHOWN]:
        table.add_row(escape(part), megabytes(size, 2))
    if len(parts) > SHOWN:
        table.add_row(f"{len(parts) - SHOWN} more", megabytes(sum(size for _, size in parts[SHOWN:]), 2))
    out.print(table)
    out.print(
        f"[bold]{escape(str(built.folder))}[/] is a Space for {built.hardware.says}: {len(built.models)} models, "
        f"{megabytes(built.total_bytes)} MB.",
        soft_wrap=True,
    )
    note("Share it: odzera space push USER/NAME with the same options.")


def show_upload(upload: "Upload", dry_run: bool, as_json: bool) -> None:
    """What was uploaded, or would be, and the link."""
    if as_json:
        print_json({**upload.as_dict(), "dry_run": dry_run})
        return
    size = megabytes(sum(upload.changed.values()))
    if dry_run:
        made = f"{upload.target.link} would be made. " if upload.new else ""
        out.print(
            f"{made}{len(upload.changed)} files ({size} MB) would be uploaded and {len(upload.deleted)} deleted; "
            f"{upload.unchanged} are there unchanged.",
            soft_wrap=True,
        )
        largest = sorted(upload.changed.items(), key=lambda one: (-one[1], one[0]))
        for name, content in largest[:SHOWN]:
            note(f"{megabytes(content, 2):>8} MB  {name}")
        if len(largest) > SHOWN:
            note(f"and {len(largest) - SHOWN} smaller ones")
        return
    if upload.commit:
        out.print(
            f"Uploaded {len(upload.changed)} files ({size} MB), deleted {len(upload.deleted)}; "
            f"{upload.unchanged} were there unchanged.",
            soft_wrap=True,
        )
    else:
        out.print("Nothing to upload: all of it is there unchanged.")
    out.print(f"{upload.target.link}{' (private)' if upload.private else ''}", soft_wrap=True)
