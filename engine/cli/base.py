"""The program `odzera`: its shared options, and errors as one line."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from engine import __version__, terminal
from engine.errors import OdzeraError
from engine.hub import client

app = typer.Typer(
    name="odzera",
    help="Train a small text classifier from scratch or adapt a pretrained one, and see every model side by side.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

TaskOption = Annotated[str, typer.Option("--task", help="slang or nli.")]
TaskArgument = Annotated[str, typer.Argument(help="slang or nli.")]
ChangeOption = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: lr=3e-4, decoder.hidden_size=64. Repeatable.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of the sampler and of every trial.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


GOES_ON = {
    "train": " The same command goes on from the last whole epoch.",
    "pretrain": " The same command goes on from the last saved state.",
    "examples": " The same command measures what is missing.",
    "tokens": " The same command measures what is missing.",
    "ablate": " The same command measures what is missing.",
    "make": " The same command goes on where it was.",
    "reproduce": " The same command goes on where it was.",
    "search": " The same command goes on; no trial is lost.",
}


def friendly(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors a person can act on into one line and exit code 2."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        client.be_quiet()
        try:
            command(*args, **kwargs)
        except OdzeraError as error:
            terminal.fail(str(error))
            raise typer.Exit(2) from None
        except OSError as error:
            terminal.fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            again = GOES_ON.get(command.__name__, "")
            terminal.fail(f"Stopped.{again}")
            raise typer.Exit(130) from None

    return wrapped


def with_parameters(command: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """Tell Typer to read `parameters` in the place of those that the command is written with."""
    command.__dict__.pop("__wrapped__", None)
    command.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _version(show: bool) -> None:
    if show:
        typer.echo(f"odzera {__version__}")
        raise typer.Exit()


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train a small text classifier from scratch or adapt a pretrained one, and see every model side by side."""
