"""The served page as programs see it: its two endpoints, and what it must not hand out."""

import http.client
import json
import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from typer.testing import CliRunner

from engine.cli import app as commands
from engine.data.reading import NOTHING_READ
from engine.data.tasks import NLI, SLANG
from engine.paths import Places
from gradio_app.app import build_app, launch
from gradio_app.context import Context, open_context
from support.servers import free_port

TEXT = "ale kozak, serio"
PREMISE, HYPOTHESIS = "The kettle has just boiled.", "There is hot water."
NAMES = {"majority", "tfidf", "scratch", "scratch-b"}


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


@pytest.fixture(scope="module")
def page(context: Context) -> Iterator[gr.Blocks]:
    """The page, served."""
    blocks = build_app(context)
    launch(blocks, "127.0.0.1", free_port())
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def client(page: gr.Blocks) -> Client:
    """A program that asks the page."""
    return Client(page.local_url, verbose=False, analytics_enabled=False)


def get(page: gr.Blocks, path: str) -> tuple[int, bytes]:
    """Ask for a path as it is written: no dots are folded away on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def by_command(home: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """Model → what the command line answers."""
    result = CliRunner().invoke(commands, ["classify", *arguments, "--json"])
    assert result.exit_code == 0
    return {one["model"]: one for one in json.loads(result.stdout)}


def assert_same(answers: list[dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    """The same models say the same; milliseconds differ from call to call."""
    assert {one["model"] for one in answers} == set(expected) == NAMES
    for one in answers:
        assert set(one) == {"model", "label", "scores", "ms", "waited_ms", "runtime", *NOTHING_READ}
        assert one["label"] == expected[one["model"]]["label"]
        assert one["scores"] == pytest.approx(expected[one["model"]]["scores"], abs=1e-4)
        assert sum(one["scores"].values()) == pytest.approx(1, abs=1e-4)
        assert one["ms"] > 0


def test_classify_slang_answers_as_the_command_line_does(client: Client, home: Path) -> None:
    assert_same(client.predict(TEXT, api_name="/classify_slang"), by_command(home, "slang", TEXT))


def test_classify_nli_answers_as_the_command_line_does(client: Client, home: Path) -> None:
    answers = client.predict(premise=PREMISE, hypothesis=HYPOTHESIS, api_name="/classify_nli")
    assert_same(answers, by_command(home, "nli", "--premise", PREMISE, "--hypothesis", HYPOTHESIS))


def test_only_the_two_endpoints_are_named(client: Client) -> None:
    described: Any = client.view_api(return_format="dict", print_info=False)
    named = described["named_endpoints"]
    assert set(named) == {"/classify_slang", "/classify_nli"}
    names = {
        endpoint: [one["parameter_name"] for one in described["parameters"]] for endpoint, described in named.items()
    }
    assert names == {"/classify_slang": ["text"], "/classify_nli": ["premise", "hypothesis"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The text is empty; type some words first."),
        (" \n", "The text is empty; type some words first."),
        ("ale\0kozak", "The text holds NUL bytes, so it is not plain text."),
        ("a" * 1_000_000, "The text has 1,000,000 characters; at most 5,000 are taken."),
    ],
    ids=["empty", "white", "nul", "megabyte"],
)
def test_the_error_reaches_the_program_in_words(client: Client, text: str, says: str) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(text, api_name="/classify_slang")
    assert str(caught.value) == says


def test_the_refused_half_of_a_pair_is_named(client: Client) -> None:
    with pytest.raises(AppError, match="The hypothesis is empty"):
        client.predict(PREMISE, "", api_name="/classify_nli")


@pytest.mark.parametrize("value", [None, 7, ["a", "b"], {"a": 1}], ids=["none", "number", "list", "object"])
def test_a_value_that_is_no_text_gets_words_and_no_python(client: Client, value: Any) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(value, api_name="/classify_slang")
    assert "text" in str(caught.value)
    for word in ("object", "argument", "NoneType", "attribute", "len()", "Traceback"):
        assert word not in str(caught.value)


@pytest.mark.parametrize("text", ["🔥🔥", "<script>alert(1)</script>", "</div><img src=x onerror=alert(1)>"])
def test_odd_but_honest_texts_are_answered_and_not_echoed(client: Client, text: str) -> None:
    answers = client.predict(text, api_name="/classify_slang")
    assert len(answers) == 4
    assert text not in json.dumps(answers, ensure_ascii=False)


def test_several_programs_are_served_at_once(client: Client, page: gr.Blocks) -> None:
    seen: list[set[tuple[str, str]]] = []

    def visit() -> None:
        answers = client.predict(TEXT, api_name="/classify_slang")
        seen.append({(one["model"], one["label"]) for one in answers})

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for one in visitors:
        one.start()
    for one in visitors:
        one.join(60)
    assert len(seen) == 4
    assert all(answers == seen[0] for answers in seen)
    assert len(seen[0]) == 4


OUTSIDE = [
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=//etc/passwd",
    "/gradio_api/file=../../../../../../etc/passwd",
    "/gradio_api/file=%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/gradio_api/file=..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/gradio_api/file=/proc/self/environ",
    "/gradio_api/file=file:///etc/passwd",
    "/file=/etc/passwd",
    "/static/../../../../../../../../etc/passwd",
    "/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
    "/assets/../../../../../../../../etc/passwd",
    "/custom_component/a/b/../../../../../../etc/passwd",
    "/gradio_api/file=pyproject.toml",
    "/gradio_api/file=engine/store.py",
    "/gradio_api/file=./gradio_app/app.py",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_file_outside_is_refused(page: gr.Blocks, path: str) -> None:
    status, body = get(page, path)
    assert 400 <= status < 500
    for words in (b"root:", b"[project]", b"import ", b"PATH="):
        assert words not in body


def test_results_and_models_are_not_handed_out(page: gr.Blocks, trained: Places) -> None:
    private = [trained.store, *trained.checkpoints.rglob("weights.safetensors"), *trained.checkpoints.rglob("*.json")]
    assert len(private) > 10
    ways = {name for one in private for name in (str(one), os.path.relpath(one), f"{tempfile.gettempdir()}/../{one}")}
    for name in ways:
        status, _ = get(page, f"/gradio_api/file={name}")
        assert 400 <= status < 500, name


def test_the_page_is_no_proxy_to_other_machines(page: gr.Blocks) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.settimeout(1)
        address = f"http://127.0.0.1:{other.getsockname()[1]}/"
        for way in ("/gradio_api/proxy=", "/proxy=", "/gradio_api/file="):
            status, _ = get(page, way + address)
            assert 300 <= status < 500
        with pytest.raises(TimeoutError):
            other.accept()


def test_no_visitor_is_counted_and_nothing_is_shared(page: gr.Blocks) -> None:
    assert page.analytics_enabled is False
    assert not page.share
    config = json.loads(get(page, "/config")[1])
    assert config["analytics_enabled"] is False
    assert get(page, "/monitoring")[0] in (403, 404)


def test_nothing_in_the_page_is_fetched_from_elsewhere(page: gr.Blocks) -> None:
    status, body = get(page, "/")
    assert status == 200
    html = body.decode()
    elsewhere = [
        tag
        for opening in ("<script", "<link", "<img", "<iframe")
        for tag in (part.partition(">")[0] for part in html.split(opening)[1:])
        if any(f'{name}="{scheme}' in tag for name in ("src", "href") for scheme in ("http:", "https:", "//"))
        and page.local_url not in tag
    ]
    assert not elsewhere
    _, theme = get(page, "/theme.css")
    assert not re.search(rb"url\(['\"]?(https?:)?//", theme)
    assert b"@import" not in theme


def test_the_page_holds_nothing_of_this_machine(page: gr.Blocks, trained: Places) -> None:
    config = get(page, "/config")[1].decode()
    assert str(trained.checkpoints.parent) not in config
    assert str(Path.home()) not in config.replace(str(Path(gr.__file__).parent), "")


def test_the_page_shows_examples_of_both_tasks_and_their_tables(page: gr.Blocks, context: Context) -> None:
    config = json.loads(get(page, "/config")[1])
    values = json.dumps([one["props"].get("value") for one in config["components"]], ensure_ascii=False)
    for task in (SLANG, NLI):
        assert context.registry.data_sets(task.name)[0] in values
    labels = [one["props"].get("label") for one in config["components"] if one["type"] == "tabitem"]
    assert labels[: len(labels) // 3] == ["Slang", "NLI", "Batch", "Models", "Training", "Data", "Study", "About"]
