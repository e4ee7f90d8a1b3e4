"""What every benchmark's record says beside its figures: the command, the machine, and what wasn't measured."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from engine.cli.formats import count, percent
from engine.terminal import make_table, note, out, print_json


def running_command(context: typer.Context) -> str:
    """The command that is running: options that aren't the default, and files without their folders."""
    words = ["odzera", "bench", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.name == "as_json" or value in (None, [], (), parameter.get_default(context)):
            continue
        values = value if isinstance(value, list | tuple) else [value]
        option = [max(parameter.opts, key=len)] if parameter.param_type_name == "option" else []
        words += option if value is True else [word for one in values for word in (*option, _without_folder(one))]
    return shlex.join(words)


def _without_folder(value: Any) -> str:
    return Path(value).name if Path(str(value)).is_absolute() or Path(str(value)).exists() else str(value)


def show_record(result: Mapping[str, Any], as_json: bool) -> None:
    """The rows of a benchmark as they are, and where they were measured."""
    if as_json:
        print_json(result)
        return
    _show_rows(result["rows"])
    note(f"{describe_place(result)}; {result['source']} ({result['fingerprint']}).")
    tell_failures(result)


def _show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Measurements, one row each, a column for every key."""
    texts = {name.replace("_", " ") for name, value in rows[0].items() if isinstance(value, str)}
    table = make_table(*(name.replace("_", " ") for name in rows[0]), left=texts)
    for row in rows:
        table.add_row(*(count(value) if isinstance(value, int) else escape(str(value)) for value in row.values()))
    out.print(table)


def describe_place(result: Mapping[str, Any]) -> str:
    """Processor, cores, and what else the machine did."""
    machine, share = result["machine"], result["others_cpu_share"]
    others = "" if share is None else f"; other programs took {percent(share)} of its time"
    return f"{machine['device_name']}, {machine['cores']} cores{others}"


def tell_failures(result: Mapping[str, Any]) -> None:
    """What couldn't be measured, and why."""
    for name, reason in result.get("failures", {}).items():
        note(f"not measured: {name}: {reason}")
