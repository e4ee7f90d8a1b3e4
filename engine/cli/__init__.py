"""The command `odzera`."""
# ruff: noqa: I001

import sys
from typing import Any

import typer

from engine import terminal
from engine.cli.base import app

# Each module registers its commands; help lists them in the order of these lines, so it isn't the alphabet's.
from engine.cli import page, data, recipes, train, evaluate, ask, batch, compare, export, doctor  # noqa: F401
from engine.cli import pretraining, reproduction, ablation, forgetting, sharing, search, studies  # noqa: F401
from engine.cli import bench, curves, results  # noqa: F401

__all__ = ["app", "main"]

# Typer brings its own copy of click and exports this class of it under its subclass's name alone.
UsageError: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command line; a wrong command, option or value is one line too."""
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        where = error.ctx.command_path if error.ctx else "odzera"
        terminal.fail(f"{error.format_message()} See: {where} --help")
        code = 2
    except typer.Abort:
        code = 130
    sys.exit(code or 0)
