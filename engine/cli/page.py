"""`odzera app`: the page, started as a program of its own."""

import inspect
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from engine.cli.base import app, friendly, with_parameters
from engine.serving.page_options import PAGE_OPTIONS, page_arguments


def serve(**values: Any) -> None:
    """Open the page: every model side by side.

    From another host than this one, with --share and on a Space, strangers can come: then nothing that costs the
    machine hours is started for them.

    Example: `odzera app --port 7861`
    """
    # The page is a program of its own on the floor above, so it is started rather than imported.
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gradio_app", *page_arguments(values)])  # noqa: S606


def _parameters() -> Iterator[inspect.Parameter]:
    """`PAGE_OPTIONS` as Typer reads a command's parameters."""
    for option in PAGE_OPTIONS:
        # Typer adds `--no-NAME` to a flag that it names itself.
        flags = [option.flag] if option.kind is bool and not option.default else []
        kind = list[str] if option.kind is list else option.kind
        yield inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=Annotated[
                kind if option.default is not None else kind | None,
                typer.Option(*flags, help=option.help, metavar=option.metavar),
            ],
        )


app.command(name="app")(with_parameters(friendly(serve), list(_parameters())))
