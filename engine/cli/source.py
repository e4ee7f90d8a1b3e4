"""The options that name a data set and its columns, declared once for all commands that read data."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.base import with_parameters
from engine.errors import DataError

if TYPE_CHECKING:
    from engine.data.sources import SourceOptions, TaskData
    from engine.data.tasks import Task

DataNameOption = Annotated[str, typer.Option(help="Name of the data in tables, instead of the file's.")]
DataLicenceOption = Annotated[str, typer.Option("--data-licence", help="Licence of the data, kept with the model.")]
SourceOption = Annotated[str, typer.Option("--source", help="sample, hub, or a CSV, JSON, Parquet or Excel file.")]
OTHER_SOURCE = Annotated[
    str | None, typer.Option("--source", help="Compare on this data instead of that trained on last.")
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME=CLASS", help="Say what a label means: --label 1=positive. Repeatable."),
]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "source": (SourceOption, "sample"),
    "validation": (Annotated[Path | None, typer.Option("--validation", help="File with the validation rows.")], None),
    "test": (Annotated[Path | None, typer.Option("--test", help="File with the test rows.")], None),
    "groups": (
        Annotated[Path | None, typer.Option("--groups", help="File with id,premise_group: groups that stay together.")],
        None,
    ),
    "column": (
        Annotated[list[str] | None, typer.Option("--column", help="Name a column: text=body. Repeatable.")],
        None,
    ),
    "label": (LabelOption, None),
    "resplit": (
        Annotated[
            str,
            typer.Option(
                "--resplit", help="author: keep given splits; all: split all rows anew; train: only the train part."
            ),
        ],
        "author",
    ),
    "revision": (Annotated[str | None, typer.Option("--revision", help="Commit of the Hub data set.")], None),
}
"""Name → annotation and default."""


@dataclass(frozen=True)
class Given:
    """A data set as the command line names it."""

    source: str | None
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> "SourceOptions":
        """How to read the data set.

        Raises:
            DataError: A column isn't named as CANONICAL=NAME, or a label as NAME=CLASS.
        """
        from engine.data.sources import SourceOptions

        columns = self.rest["column"] or []
        named = dict(column.split("=", 1) for column in columns if "=" in column)
        if len(named) != len(columns):
            raise DataError("--column takes CANONICAL=NAME, for example --column text=body.")
        others = {name: one for name, one in self.rest.items() if name not in ("column", "label")}
        return SourceOptions(columns=named, labels=name_labels(self.rest["label"] or []), **others)

    def load(self, task: "Task", name: str = "") -> "TaskData":
        """Read, clean and split the data; `name` stands for its source in tables."""
        from engine.data.sources import load

        loaded = load(task, "sample" if self.source is None else self.source, self.options)
        return replace(loaded, source=name or loaded.source)


UnlabelledOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE[:COLUMN]",
        help="Text that word vectors are learnt from, beside the train split's own; validation and test rows in it are "
        "left out. For recipes with vectors alone.",
    ),
]


def name_labels(given: Sequence[str]) -> dict[str, str]:
    """Spelling → class, from NAME=CLASS.

    Raises:
        DataError: One isn't written so.
    """
    pairs = [one.rpartition("=") for one in given]
    if any(not equals or not name for name, equals, _ in pairs):
        raise DataError("--label takes NAME=CLASS, for example --label 1=positive; no class (NAME=) drops the rows.")
    return {name: label for name, _, label in pairs}


def reads_data(command: Callable[..., None]) -> Callable[..., None]:
    """Put the options of a data set in the place of a command's parameter `given`.

    Where `given` may be None, the source may be left out.
    """
    own = inspect.signature(command)
    parameters = []
    for name, parameter in own.parameters.items():
        if name != "given":
            parameters.append(parameter)
            continue
        for option, (annotation, default) in OPTIONS.items():
            free = option == "source" and parameter.default is None
            parameters.append(
                inspect.Parameter(
                    option,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=None if free else default,
                    annotation=OTHER_SOURCE if free else annotation,
                )
            )
    # The options have defaults, and what comes after them is given by name.
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]

    @wraps(command)
    def wrapped(**kwargs: Any) -> None:
        rest = {name: kwargs.pop(name) for name in OPTIONS}
        command(given=Given(rest.pop("source"), rest), **kwargs)

    return with_parameters(wrapped, parameters)
