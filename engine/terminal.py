"""The terminal: results, remarks, one-line errors, and progress."""

import json
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

WIDE = None if sys.stdout.isatty() else 160

out = Console(highlight=False, width=WIDE)
err = Console(stderr=True, highlight=False)


def fail(message: str) -> None:
    """Print an error as one line on standard error, whatever it contains."""
    err.print(f"[bold red]odzera:[/] {escape(' '.join(message.split()))}", soft_wrap=True)


def note(message: str) -> None:
    """Print a remark on standard error, so that it never mixes with results."""
    err.print(f"[dim]{escape(message)}[/]", soft_wrap=True)


def print_json(value: Any) -> None:
    """Print JSON for a script: no colours, no wrapping."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


@contextmanager
def waiting(what: str, quiet: bool = False) -> Iterator[None]:
    """Show a spinner while something runs whose length isn't known."""
    if quiet or not err.is_terminal:
        yield
        return
    with err.status(f"{what}…"):
        yield


@contextmanager
def progress_bar(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that says how much is done; yields what to tell it with."""
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), TextColumn("{task.completed:,}/{task.total:,}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=err, transient=True, disable=quiet or not err.is_terminal
    ) as bar:
        line = bar.add_task(what, total=1)
        yield lambda done, total: bar.update(line, completed=done, total=total)


def live_progress(unit: str, quiet: bool = False) -> Progress:
    """A bar on standard error whose description changes, with the time gone and left; nothing where nobody watches."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )


def make_table(*columns: str, left: Collection[str] = (), no_wrap: bool = False, title: str | None = None) -> Table:
    """A table without lines; the first column and those of `left` are texts, the others numbers."""
    table = Table(box=None, header_style="bold", title=title)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if not place or name in left else "right", no_wrap=no_wrap)
    return table
