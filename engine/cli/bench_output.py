"""Races of classifiers on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from engine.terminal import note, out, print_json


def show_race(result: Mapping[str, Any], as_json: bool) -> None:
    """Each system's milliseconds, throughput and memory, beside the pipeline's and the floor."""
    if as_json:
        print_json(result)
        return
    table = Table(box=None, header_style="bold")
    for title in ("recipe", "system"):
        table.add_column(title)
    for title in ("p50 ms", "p95", "times", "texts/s", "times", "MB", "floor ms", "times"):
        table.add_column(title, justify="right")
    last = ""
    for row in result["rows"]:
        table.add_row(
            row["recipe"] if row["recipe"] != last else "",
            row["system"],
            f"{row['p50_ms']:.2f}",
            f"{row['p95_ms']:.2f}",
            f"{row['times_pipeline']:.1f}",
            f"{row['texts_per_second']:.0f}",
            f"{row['times_padded']:.1f}",
            f"{row['memory_mb']:.0f}",
            f"{row['floor_ms']:.2f}",
            f"{row['times_floor']:.1f}",
            end_section=False,
        )
        last = row["recipe"]
    out.print(table)
    floor, machine = result["floor"], result["machine"]
    note(
        f"{machine['device_name']}, {machine['threads']} threads; {result['rounds']} rounds in turns, "
        f"{result['source']} ({result['fingerprint']}), random weights."
    )
    note(
        "p50 and p95: one text at a time, tokenising included; times: the faster pipeline's over it. texts/s: "
        f"{result['texts']} texts of mixed lengths; times: over the pipeline that pads to 256 tokens. MB: the process, "
        "libraries included."
    )
    note(
        f"Floor: reading the weights at {floor['gigabytes_per_second']:.1f} GB/s or multiplying at "
        f"{floor['gigaflops']:.0f} GFLOP/s ({floor['int8_gigaops']:.0f} in 8 bits), measured here; times: p50 over it."
    )
    for row in result["rows"]:
        if row["published"] and row["system"] == "pipeline":
            told = row["published"]
            note(f"{row['recipe']}: its authors had {told['ms']} ms a sample, on other hardware.")


def show_training_race(result: Mapping[str, Any], as_json: bool) -> None:
    """Each system's epochs an hour, and the loss that it ends with."""
    if as_json:
        print_json(result)
        return
    table = Table(box=None, header_style="bold")
    table.add_column("recipe")
    table.add_column("system")
    for title in ("epochs/h", "times Trainer", "validation loss", "accuracy"):
        table.add_column(title, justify="right")
    for row in result["rows"]:
        table.add_row(
            row["recipe"],
            row["system"],
            f"{row['epochs_per_hour']:,.0f}",
            "" if row["times_trainer"] is None else f"{row['times_trainer']:.2f}",
            f"{row['loss']:.3f} ± {row['loss_deviation']:.3f}",
            f"{row['accuracy']:.3f}",
        )
    out.print(table)
    for name, says in result["systems"].items():
        note(f"{name}: {says}.")
    note(
        f"{result['machine']['device_name']}; {result['source']} ({result['fingerprint']}), {result['train_rows']:,} "
        f"train rows, {result['epochs']} epochs with an evaluation each, {result['rounds']} seeds in turns: medians of "
        "time, means of loss ± standard deviation."
    )


def show_growth(result: Mapping[str, Any], as_json: bool) -> None:
    """Each figure's points, and whether it grows faster than its cause."""
    if as_json:
        print_json(result)
        return
    for name, series in result["series"].items():
        across, up = result["axes"][name]
        table = Table(box=None, header_style="bold", title=f"{up} by {across}", title_justify="left")
        table.add_column(across)
        places = sorted({x for points in series.values() for x, _ in points})
        for one in series:
            table.add_column(one, justify="right")
        for place in places:
            found = ({x: y for x, y in points}.get(place) for points in series.values())
            table.add_row(f"{place:,.0f}", *("" if value is None else f"{value:,.2f}" for value in found))
        out.print(table)
        for one, exponent in result["exponents"][name].items():
            note(f"{one}: grows with the power {exponent} at the end (1 is linear).")
    note(f"{result['machine']['device_name']}; {result['source']} ({result['fingerprint']}).")


def show_load(result: Mapping[str, Any], as_json: bool) -> None:
    """What visitors waited for, and whether the goals are met."""
    if as_json:
        print_json(result)
        return
    crowd = result["crowd"]
    table = Table(box=None, header_style="bold")
    table.add_column("visitors")
    table.add_column("milliseconds to")
    for title in ("p50", "p95", "p99", "most"):
        table.add_column(title, justify="right")
    rows = [
        ("one", "the first verdict", result["single"]["first_ms"]),
        ("", "every model's", result["single"]["full_ms"]),
        (str(crowd["users"]), "the first verdict", result["first_ms"]),
        ("", "every model's", result["full_ms"]),
        *(("", f"every model's, {task}", times) for task, times in result["by_task"].items()),
        ("", "the page itself", result["page_ms"]),
    ]
    for who, what, times in rows:
        if times:
            table.add_row(who, what, *(f"{times[name]:,.0f}" for name in ("p50", "p95", "p99", "max")))
    out.print(table)
    note(
        f"{result['answered']:,} questions in {result['seconds']:.0f} s, {result['per_second']:.1f} a second; each "
        f"visitor reads {crowd['think']:g} s on average before asking again. {result['machine']['device_name']}; load "
        f"before: {', '.join(f'{one:.1f}' for one in result['load_average_before'])}."
    )
    for reason, count in result["errors"].items():
        note(f"{count} times: {reason}.")
    memory = result["memory_mb"]
    if memory:
        grows = memory["growth_per_1000"]
        grown = "" if grows is None else f", {grows:+.1f} MB per 1,000 questions in the second half"
        note(f"Memory: {memory['start']:,.0f} MB at first, {memory['peak']:,.0f} MB at most{grown}.")
    for one in result["goals"].values():
        if one["is"] is not None:
            met = "reached" if one["met"] else "missed"
            note(f"{met}: {one['goal']}: {one['is']:,g}, at most {one['at_most']:,g}.")
