"""The load bench, short: a page of its own, a few visitors, and what is made of what they saw."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.bench.page import GOALS, Server, benchmark_page, export_models, medians_of, serve_page
from engine.bench.page_visitors import BOXES, Load, Waits, make_texts, open_page, read_forms, send_visitors
from engine.cli import app as commands
from engine.data.cleaning import MAX_CHARACTERS
from engine.errors import OdzeraError
from engine.paths import Places


@pytest.fixture(scope="module")
def server(trained: Places) -> Iterator[Server]:
    """The page as a program of its own, with small models."""
    before = os.environ.get("ODZERA_HOME")
    os.environ["ODZERA_HOME"] = str(trained.checkpoints.parent)
    try:
        with serve_page() as started:
            yield started
    finally:
        os.environ.pop("ODZERA_HOME")
        if before is not None:
            os.environ["ODZERA_HOME"] = before


def test_eight_visitors_at_once_are_all_answered(server: Server) -> None:
    result = benchmark_page(lambda: nullcontext(server), Load(users=8, seconds=4, think=0))
    assert result["errors"] == {}
    assert result["answered"] >= 8
    assert result["by_task"].keys() == BOXES.keys()
    for times in (result["full_ms"], result["first_ms"], *result["by_task"].values(), result["page_ms"]):
        assert 0 < times["p50"] <= times["p95"] <= times["p99"] <= times["max"]
    assert result["first_ms"]["p50"] <= result["full_ms"]["p50"]
    assert result["single"]["first_ms"]["p50"] <= result["single"]["full_ms"]["p50"]
    assert result["cold_start_s"] > 0.5
    assert result["memory_mb"]["peak"] > 100
    assert result["goals"].keys() == GOALS.keys()
    assert result["goals"]["errors"]["met"] is True
    assert 0 <= result["others_cpu_share"] <= 1
    assert [run["full_ms"] for run in result["runs"]] == [result["full_ms"]]
    json.dumps(result)


@pytest.mark.slow
def test_memory_stays_where_it_is_over_many_questions(server: Server) -> None:
    """Short: a leak of a session, a diary or a page of answers for each question would show in hundreds of them."""
    asyncio.run(send_visitors(server.url, Load(users=8, requests=150, think=0), Waits()))
    before = server.memory_mb()
    waits = Waits()
    asyncio.run(send_visitors(server.url, Load(users=8, requests=400, think=0, seed=1), waits))
    after = server.memory_mb()
    assert waits.asked == 400
    assert before is not None
    assert after is not None
    # A described session was 300 KB for every five questions.
    assert after - before < 15, "a session, or an answer, is kept"


def test_visitors_are_refused_nothing_silently(server: Server) -> None:
    """What goes wrong is counted under a name of its own, and nobody waits for ever."""
    waits = Waits()
    texts = {"slang": [("",)], "nli": [("a", "a" * (MAX_CHARACTERS + 1))]}
    original = make_texts

    import engine.bench.page_visitors as module

    module.make_texts = lambda seed=0: texts  # type: ignore[assignment,misc]
    try:
        asyncio.run(send_visitors(server.url, Load(users=2, requests=4, think=0), waits))
    finally:
        module.make_texts = original
    assert waits.asked == 0
    assert waits.errors == {"not every model answered": 4}


def test_texts_are_ours_of_mixed_lengths_and_within_the_limit() -> None:
    texts = make_texts()
    assert texts == make_texts()
    assert texts != make_texts(1)
    for task, boxes in BOXES.items():
        lengths = [len(one[0]) for one in texts[task]]
        assert {len(one) for one in texts[task]} == {len(boxes)}
        assert max(lengths) > 4 * min(lengths)
        assert max(lengths) < MAX_CHARACTERS


def test_figures_of_several_runs_are_their_medians() -> None:
    runs = [
        {"answered": 10, "full_ms": {"p50": 5.0}, "cold_start_s": None, "memory_mb": {"peak": 3, "series": [[1, 2]]}},
        {"answered": 30, "full_ms": {"p50": 1.0}, "cold_start_s": None, "memory_mb": {"peak": 1, "series": [[1, 2]]}},
        {"answered": 20, "full_ms": None, "cold_start_s": None, "memory_mb": {"peak": 9, "series": [[1, 2]]}},
    ]
    assert medians_of(runs) == {
        "answered": 20,
        "full_ms": {"p50": 3},
        "cold_start_s": None,
        "memory_mb": {"peak": 3},
    }


@pytest.mark.slow
def test_models_are_exported_before_the_page_is_measured(trained: Places, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    shutil.copytree(trained.checkpoints, root, ignore=shutil.ignore_patterns(".exports"))
    made = export_models(root)
    assert "slang/scratch" in made
    assert not any(name.startswith("slang/tfidf") for name in made), "it has no network"
    assert list(root.glob("slang/.exports/*/*/export.json"))
    assert export_models(root) == []


def test_a_page_that_is_not_there_or_not_ours_is_one_line() -> None:
    with pytest.raises(OdzeraError, match=r"^[^\n]*doesn't answer"):
        benchmark_page(lambda: nullcontext(Server("http://127.0.0.1:9")), Load(users=1, seconds=1))
    for config in ({}, {"page": {"": {"components": [], "dependencies": []}}, "components": [], "dependencies": []}):
        with pytest.raises(OdzeraError, match="isn't Odzera's page"):
            read_forms(config)
    assert asyncio.iscoroutinefunction(open_page)


@pytest.mark.parametrize(
    "option", [["--users", "0"], ["--seconds", "0"], ["--think", "-1"], ["--requests", "0"], ["--runs", "0"]]
)
def test_impossible_loads_are_refused(option: list[str]) -> None:
    result = CliRunner().invoke(commands, ["bench", "app", *option])
    assert result.exit_code == 2


def test_the_command_measures_a_page_that_is_running(server: Server) -> None:
    options = ["--url", server.url, "--users", "2", "--seconds", "0.4", "--think", "0", "--runs", "2"]
    shown = CliRunner().invoke(commands, ["bench", "app", *options, "--json"])
    assert shown.exit_code == 0, shown.output
    result = json.loads(shown.stdout)
    assert result["cold_start_s"] is None
    assert result["memory_mb"] is None
    assert result["others_cpu_share"] is None
    assert len(result["runs"]) == 2
    assert result["answered"] == sum(run["answered"] for run in result["runs"]) / 2
    assert result["command"] == f"odzera bench app --users 2 --seconds 0.4 --think 0.0 --url {server.url} --runs 2"
    assert result["goals"]["memory_mb"]["met"] is None
    table = CliRunner().invoke(commands, ["bench", "app", *options])
    # Which task a visitor asks first is chance, and the time is short.
    assert "every model's, " in table.stdout
    assert "run 2 of 2: p95 of all answers" in table.stderr
