"""`odzera bench app`: the page under many visitors at once."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from engine.cli.base import JsonOption, friendly
from engine.cli.bench.group import bench
from engine.cli.formats import count, milliseconds
from engine.terminal import make_table, note, out, print_json, progress_bar


@bench.command(name="app")
@friendly
def bench_app(
    users: Annotated[int, typer.Option(help="Visitors at once.")] = 50,
    seconds: Annotated[float, typer.Option(help="For how long they ask.")] = 60,
    think: Annotated[
        float, typer.Option(help="Seconds that each reads before asking again, on average; 0: asks again at once.")
    ] = 3,
    requests: Annotated[
        int | None, typer.Option(help="Go on until so many questions are asked, instead; for memory, 10000.")
    ] = None,
    url: Annotated[str, typer.Option(help="A page that is running already; its own is started when missing.")] = "",
    seed: Annotated[int, typer.Option(help="Of the texts, and of who asks what when.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure the page under load: visitors at once, over HTTP, each asking every model about texts of either task.

    Visitors open the page, ask five times by Gradio's own queue as a browser does, and open it anew. Its own server
    runs in a process of its own, beside the visitors: export the models first, and leave the machine alone meanwhile.

    Example: `odzera bench app --users 50 --seconds 60`
    """
    from contextlib import nullcontext

    from engine.bench.page import Server, measure_app, serve_page
    from engine.bench.page_visitors import Crowd
    from engine.errors import DataError

    if users < 1 or seconds <= 0 or think < 0 or (requests is not None and requests < 1):
        raise DataError("At least one visitor asks once, and no time is negative.")
    crowd = Crowd(users, seconds, requests, think, seed)
    page = nullcontext(Server(url.rstrip("/"))) if url else serve_page()
    with page as server, progress_bar("asking", as_json) as tick:
        result = measure_app(server, crowd, tick)
    show_load(result, as_json)


def show_load(result: Mapping[str, Any], as_json: bool) -> None:
    """What visitors waited for, and whether the goals are met."""
    if as_json:
        print_json(result)
        return
    crowd = result["crowd"]
    table = make_table("visitors", "milliseconds to", "p50", "p95", "p99", "most", left=("milliseconds to",))
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
            table.add_row(who, what, *(milliseconds(times[name], 0) for name in ("p50", "p95", "p99", "max")))
    out.print(table)
    note(
        f"{count(result['answered'])} questions in {result['seconds']:.0f} s, {result['per_second']:.1f} a second; "
        f"each visitor reads {crowd['think']:g} s on average before asking again. {result['machine']['device_name']}; "
        f"load before: {', '.join(f'{one:.1f}' for one in result['load_average_before'])}."
    )
    for reason, times in result["errors"].items():
        note(f"{times} times: {reason}.")
    memory = result["memory_mb"]
    if memory:
        grows = memory["growth_per_1000"]
        grown = "" if grows is None else f", {grows:+.1f} MB per 1,000 questions in the second half"
        note(f"Memory: {count(memory['start'])} MB at first, {count(memory['peak'])} MB at most{grown}.")
    for one in result["goals"].values():
        if one["is"] is not None:
            met = "reached" if one["met"] else "missed"
            note(f"{met}: {one['goal']}: {one['is']:,g}, at most {one['at_most']:,g}.")
