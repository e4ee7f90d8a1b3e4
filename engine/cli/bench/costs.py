"""The tables of what training costs, and what they say in plain sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from engine.cli.bench.record import tell_failures
from engine.cli.formats import count, duration, measured, percent, ratio
from engine.terminal import note, out, print_json

TITLES = {"weights": "weights", "cast_weights": "cast", "program": "program", "unexplained": "rest"}
PLAIN = {
    "cast_weights": "the weights' copies in bfloat16",
    "unexplained": "temporary tensors and the allocator's rest",
    "optimizer": "the optimizer",
    "forward": "the forward pass",
    "backward": "the backward pass",
}


def show_costs(result: Mapping[str, Any], as_json: bool) -> None:
    """Time and memory of every recipe with every option, and what the comparison with the first one says."""
    if as_json:
        print_json(result)
        return
    rows, machine = result["rows"], result["machine"]
    out.print(
        f"[bold]{result['task']}[/], lengths of {escape(result['source'])} ({result['fingerprint']}), on "
        f"{escape(machine['device_name'])}, {machine['threads']} threads; medians of {result['rounds']} rounds"
    )
    out.print(_times(rows))
    out.print()
    out.print(_memory(rows))
    for line in _remarks(result):
        note(line)
    tell_failures(result)
    for comparison in result["comparisons"]:
        for sentence in conclude(comparison):
            out.print(escape(sentence), soft_wrap=True)


def _times(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = (
        "batch",
        "precision",
        "padding",
        "forward",
        "backward",
        "optimizer",
        "s/step",
        "texts/s",
        "epoch",
        "speed",
    )
    table = _table(columns)
    for row in rows:
        times = row["accumulation"]
        table.add_row(
            row["recipe"],
            row["option"],
            f"{row['batch_size']}{f'×{times}' if times > 1 else ''}",
            row["precision"],
            percent(row["padding"]),
            *(measured(row["phases"][phase]) for phase in ("forward", "backward", "optimizer")),
            measured(row["seconds_per_step"]),
            measured(row["samples_per_second"]),
            f"{'about ' if row['extrapolated'] else ''}{duration(row['seconds_per_epoch'])}",
            ratio(row["speed_ratio"]),
        )
    return table


def _memory(rows: Sequence[Mapping[str, Any]]) -> Table:
    parts = list(rows[0]["split_mb"])
    table = _table([*(TITLES.get(part, part) for part in parts), "peak MB", "memory"])
    for row in rows:
        sizes = (count(row["split_mb"][part]) for part in parts)
        table.add_row(row["recipe"], row["option"], *sizes, count(row["peak_memory_mb"]), ratio(row["memory_ratio"]))
    return table


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("recipe", "option", *columns):
        left = name in ("recipe", "option", "precision")
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "option")
    return table


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    rows = result["rows"]
    for name, says in result["options"].items():
        yield f"{name}: {says}"
    timed = sorted({row["steps_timed"] for row in rows if row["extrapolated"]})
    if timed:
        yield f"Epochs marked 'about' are extrapolated from {' or '.join(map(str, timed))} timed steps."
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        one = next(row for row in rows if row["recipe"] == recipe)
        yield (
            f"{recipe}: {count(one['rows'])} texts an epoch, {one['mean_tokens']:.0f} tokens on average; lengths by "
            f"{'its own tokenizer' if one['lengths_by'] == 'its own' else one['lengths_by']}"
        )
    yield (
        "speed and memory: against the first recipe with the same option, memory without the program's own; rest: what "
        "the tensors don't explain, less than nothing where they are never all there at once"
    )


def conclude(comparison: Mapping[str, Any]) -> Iterator[str]:
    """The comparison in plain sentences."""
    name, first = comparison["recipe"], comparison["against"]
    reported = comparison.get("reported")
    claim = (
        f"; published: {ratio(reported['memory_ratio'])} and {reported['speed_ratio']:.1f} times" if reported else ""
    )
    yield (
        f"{name} ({comparison['option']}): {ratio(comparison['memory_ratio'])} of {first}'s peak memory, "
        f"{comparison['speed_ratio']:.1f} times its speed an epoch{claim}."
    )
    if "goal" not in comparison:
        return
    goal = comparison["goal"]
    base = f"{first} ({comparison['option']})"
    yield from _conclude_one(comparison["memory"], f"{goal['memory']:g} of the memory", base, "MB")
    yield from _conclude_one(comparison["speed"], f"{goal['speed']:g} times the speed", base, "s a step")


def _conclude_one(found: Mapping[str, Any], goal: str, base: str, unit: str) -> Iterator[str]:
    if found["reached"]:
        yield f"The goal, {goal} of {base}, is reached."
        return
    parts = " and ".join(
        f"{PLAIN.get(one['part'], one['part'])} {measured(one['size'])} ({base}: {measured(one['first'])})"
        for one in found["kept_by"]
    )
    by = f" Reached with: {', '.join(found['reached_by'])}." if found["reached_by"] else " Nothing measured reaches it."
    yield f"The goal, {goal} of {base}, leaves {measured(found['room'])} {unit}, and takes: {parts}.{by}"
