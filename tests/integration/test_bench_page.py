"""The load bench, short: a page of its own, a few visitors, and what is made of what they saw."""

import asyncio
import json
import os
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from engine.bench.page import GOALS, Server, measure_app, serve_page
from engine.bench.page_visitors import BOXES, Crowd, Measured, make_texts, open_page, read_forms, send_visitors
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
    result = measure_app(server, Crowd(users=8, seconds=3, think=0))
    assert result["errors"] == {}
    assert result["answered"] >= 16
    assert result["by_task"].keys() == BOXES.keys()
    for times in (result["full_ms"], result["first_ms"], *result["by_task"].values(), result["page_ms"]):
        assert 0 < times["p50"] <= times["p95"] <= times["p99"] <= times["max"]
    assert result["first_ms"]["p50"] <= result["full_ms"]["p50"]
    assert result["single"]["first_ms"]["p50"] <= result["single"]["full_ms"]["p50"]
    assert result["cold_start_s"] > 0.5
    assert result["memory_mb"]["peak"] > 100
    assert result["goals"].keys() == GOALS.keys()
    assert result["goals"]["errors"]["met"] is True
    json.dumps(result)


@pytest.mark.slow
def test_memory_stays_where_it_is_over_many_questions(server: Server) -> None:
    """Short: a leak of a session, a diary or a page of answers for each question would show in hundreds of them."""
    asyncio.run(send_visitors(server.url, Crowd(users=8, requests=150, think=0), Measured()))
    before = server.memory_mb()
    measured = Measured()
    asyncio.run(send_visitors(server.url, Crowd(users=8, requests=400, think=0, seed=1), measured))
    after = server.memory_mb()
    assert measured.asked == 400
    assert before is not None
    assert after is not None
    # A described session was 300 KB for every five questions.
    assert after - before < 15, "a session, or an answer, is kept"


def test_visitors_are_refused_nothing_silently(server: Server) -> None:
    """What goes wrong is counted under a name of its own, and nobody waits for ever."""
    measured = Measured()
    texts = {"slang": [("",)], "nli": [("a", "a" * (MAX_CHARACTERS + 1))]}
    original = make_texts

    import engine.bench.page_visitors as module

    module.make_texts = lambda seed=0: texts  # type: ignore[assignment,misc]
    try:
        asyncio.run(send_visitors(server.url, Crowd(users=2, requests=4, think=0), measured))
    finally:
        module.make_texts = original
    assert measured.asked == 0
    assert measured.errors == {"not every model answered": 4}


def test_texts_are_ours_of_mixed_lengths_and_within_the_limit() -> None:
    texts = make_texts()
    assert texts == make_texts()
    assert texts != make_texts(1)
    for task, boxes in BOXES.items():
        lengths = [len(one[0]) for one in texts[task]]
        assert {len(one) for one in texts[task]} == {len(boxes)}
        assert max(lengths) > 4 * min(lengths)
        assert max(lengths) < MAX_CHARACTERS


def test_a_page_that_is_not_there_or_not_ours_is_one_line() -> None:
    with pytest.raises(OdzeraError, match=r"^[^\n]*doesn't answer"):
        measure_app(Server("http://127.0.0.1:9"), Crowd(users=1, seconds=1))
    for config in ({}, {"page": {"": {"components": [], "dependencies": []}}, "components": [], "dependencies": []}):
        with pytest.raises(OdzeraError, match="isn't Odzera's page"):
            read_forms(config)
    assert asyncio.iscoroutinefunction(open_page)


@pytest.mark.parametrize("option", [["--users", "0"], ["--seconds", "0"], ["--think", "-1"], ["--requests", "0"]])
def test_impossible_crowds_are_refused(option: list[str]) -> None:
    result = CliRunner().invoke(commands, ["bench", "app", *option])
    assert result.exit_code == 2


def test_the_command_measures_a_page_that_is_running(server: Server) -> None:
    options = ["--url", server.url, "--users", "2", "--seconds", "1", "--think", "0"]
    shown = CliRunner().invoke(commands, ["bench", "app", *options, "--json"])
    assert shown.exit_code == 0, shown.output
    result = json.loads(shown.stdout)
    assert result["cold_start_s"] is None
    assert result["memory_mb"] is None
    assert result["goals"]["memory_mb"]["met"] is None
    table = CliRunner().invoke(commands, ["bench", "app", *options])
    assert "every model's, nli" in table.stdout
