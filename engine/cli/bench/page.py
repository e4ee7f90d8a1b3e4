"""`odzera bench app`: the page under many visitors at once."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from engine.cli.base import JsonOption, friendly
from engine.cli.bench.group import bench
from engine.cli.bench.record import describe_place, running_command
from engine.cli.formats import count, milliseconds, percent
from engine.terminal import make_table, note, out, print_json, progress_bar, waiting


@bench.command(name="app")
@friendly
def bench_app(
    context: typer.Context,
    users: Annotated[int, typer.Option(help="Visitors at once.")] = 50,
    seconds: Annotated[float, typer.Option(help="For how long they ask.")] = 60,
    think: Annotated[
        float, typer.Option(help="Seconds that each reads before asking again, on average; 0: asks again at once.")
    ] = 3,
    requests: Annotated[
        int | None, typer.Option(help="Go on until so many questions are asked, instead; for memory, 10000.")
    ] = None,
    url: Annotated[str, typer.Option(help="A page that is running already; its own is started when missing.")] = "",
    runs: Annotated[int, typer.Option(help="How often; figures are their medians.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the texts, and of who asks what when.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure the page under load: visitors at once, over HTTP, each asking every model about texts of either task.

    Visitors open the page, ask five times by Gradio's own queue as a browser does, and open it anew. Models that aren't
    exported yet are exported first. Each run starts a server of its own, in a process beside the visitors: leave the
    machine alone meanwhile; what other programs did is told.

    Example: `odzera bench app --users 50 --seconds 60`
    """
    from contextlib import nullcontext

    from engine.bench.page import Server, benchmark_page, export_models, serve_page
    from engine.bench.page_visitors import Load
    from engine.errors import DataError
    from engine.paths import default_places

    if min(users, runs) < 1 or seconds <= 0 or think < 0 or (requests is not None and requests < 1):
        raise DataError("At least one visitor asks once, at least once, and no time is negative.")
    load = Load(users, seconds, requests, think, seed)
    if not url:
        with waiting("exporting models", as_json):
            export_models(default_places().checkpoints)
    with progress_bar("asking", as_json) as tick:
        server = nullcontext(Server(url.rstrip("/")))
        result = benchmark_page(lambda: server if url else serve_page(), load, runs, tick, running_command(context))
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
        f"each visitor reads {crowd['think']:g} s on average before asking again. "
        f"{describe_place(result)}."
    )
    _tell_runs(result["runs"])
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


def _tell_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """Each of several runs by itself: their spread is what a median hides."""
    for number, run in enumerate(runs, start=1):
        if len(runs) > 1 and run["full_ms"]:
            share = run["others_cpu_share"]
            others = "" if share is None else f", others {percent(share)} of the processor"
            p95 = milliseconds(run["full_ms"]["p95"], 0)
            note(f"run {number} of {len(runs)}: p95 of all answers {p95} ms{others}.")
