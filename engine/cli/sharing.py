"""Commands that share: the page as a Hugging Face Space, a trained model as a repository."""

from pathlib import Path
from typing import Annotated

import typer

from engine import terminal
from engine.cli.base import JsonOption, app, friendly
from engine.paths import default_places

space = typer.Typer(
    no_args_is_help=True, help="Share the page as a Hugging Face Space: build its folder, or build and upload it."
)
app.add_typer(space, name="space")

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
    from engine.cli.sharing_output import show_built
    from engine.sharing.space import build_space
    from engine.sharing.space_hardware import get_hardware

    chosen = get_hardware(hardware)
    with terminal.waiting("building", as_json):
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
    from engine.cli.sharing_output import show_upload
    from engine.hub.upload import check_name
    from engine.sharing.space import push_space as upload
    from engine.sharing.space_hardware import get_hardware

    check_name(name)
    chosen = get_hardware(hardware)
    with terminal.waiting("building and uploading", as_json):
        built, done = upload(name, default_places(), chosen, models or (), own_studies, private, dry_run)
    for line in () if as_json else built.notes:
        terminal.note(line)
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
    from engine.cli.sharing_output import show_upload
    from engine.hub.upload import check_name
    from engine.sharing.push_model import push_model

    check_name(name)
    with terminal.waiting("writing and uploading", as_json):
        done = push_model(default_places(), model, name, private, dry_run)
    show_upload(done, dry_run, as_json)
