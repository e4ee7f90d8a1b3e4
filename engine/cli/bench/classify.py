"""`odzera bench classify`: answers against `transformers.pipeline`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from engine.cli.base import JsonOption, friendly
from engine.cli.bench.group import bench, whatever_task
from engine.cli.bench.record import describe_place, running_command, tell_failures
from engine.cli.formats import milliseconds
from engine.cli.source import Given, reads_data
from engine.processes import cores
from engine.terminal import make_table, note, out, print_json, progress_bar


@bench.command(name="classify")
@friendly
@reads_data
def bench_classify(
    context: typer.Context,
    given: Given,
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes; scratch-3m4, minilm-full, gpt2-last1 and mbert-full if none.")
    ] = None,
    task: Annotated[str, typer.Option("--task", help="slang or nli.")] = "slang",
    rounds: Annotated[int, typer.Option(help="Turns that each system takes.")] = 5,
    texts: Annotated[int, typer.Option(help="Texts of mixed lengths in a turn of throughput.")] = 128,
    threads: Annotated[int | None, typer.Option(help="Threads of every system; all cores when missing.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure answers against `transformers.pipeline`: same weights and texts, in turns, beside the roofline.

    Weights are random, as they change neither time nor memory. Leave the machine alone meanwhile.

    Example: `odzera bench classify scratch-3m4 minilm-full --rounds 5`
    """
    from engine.bench.against_pipeline import DEFAULT_RECIPES, PipelineBenchmark, benchmark_answers
    from engine.data.tasks import get_task

    chosen = get_task(task)
    named = whatever_task(recipes or DEFAULT_RECIPES, chosen)
    loaded = given.load(chosen)
    request = PipelineBenchmark(named, loaded, threads or cores(), rounds, texts, running_command(context))
    with progress_bar("answering", as_json) as tick:
        result = benchmark_answers(request, tick)
    show_answers(result, as_json)


def show_answers(result: Mapping[str, Any], as_json: bool) -> None:
    """Each system's milliseconds, throughput and memory, beside the pipeline's and the roofline."""
    if as_json:
        print_json(result)
        return
    columns = ("recipe", "system", "p50 ms", "p95", "times", "texts/s", "times", "MB", "roofline ms", "times")
    table = make_table(*columns, left=("system",))
    last = ""
    for row in result["rows"]:
        table.add_row(
            row["recipe"] if row["recipe"] != last else "",
            row["system"],
            milliseconds(row["p50_ms"]),
            milliseconds(row["p95_ms"]),
            "" if row["times_pipeline"] is None else f"{row['times_pipeline']:.1f}",
            f"{row['texts_per_second']:.0f}",
            "" if row["times_padded"] is None else f"{row['times_padded']:.1f}",
            f"{row['memory_mb']:.0f}",
            milliseconds(row["floor_ms"]),
            f"{row['times_floor']:.1f}",
        )
        last = row["recipe"]
    out.print(table)
    floor, machine = result["floor"], result["machine"]
    note(
        f"{describe_place(result)}; {machine['threads']} threads, {result['rounds']} rounds in turns, "
        f"{result['source']} ({result['fingerprint']}), random weights."
    )
    note(
        "p50 and p95: one text at a time, tokenising included; times: the faster pipeline's over it. texts/s: "
        f"{result['texts']} texts of mixed lengths; times: over the pipeline that pads to 256 tokens. MB: the process, "
        "libraries included."
    )
    note(
        f"Roofline: reading the weights at {floor['gigabytes_per_second']:.1f} GB/s or multiplying at "
        f"{floor['gigaflops']:.0f} GFLOP/s ({floor['int8_gigaops']:.0f} in 8 bits), measured here; times: p50 over it."
    )
    for row in result["rows"]:
        if row["published"] and row["system"] == "pipeline":
            told = row["published"]
            note(f"{row['recipe']}: its authors had {told['ms']} ms a sample, on other hardware.")
    tell_failures(result)
