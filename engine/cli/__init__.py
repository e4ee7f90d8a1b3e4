"""The command `odzera`."""

import sys
from typing import Any

import typer

from engine import terminal
from engine.cli import batch, bench, curves, export, models, pretraining, reproduction, sharing, studies
from engine.cli.base import app

__all__ = [
    "app",
    "batch",
    "bench",
    "curves",
    "export",
    "main",
    "models",
    "pretraining",
    "reproduction",
    "sharing",
    "studies",
]

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
