"""Stopping of the real program, in the middle of a visitor's work."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.data.sources import TaskData
from engine.paths import ROOT
from engine.store import Store
from gradio_app.handlers.batch import MOST_LABELS
from support.files import files_below
from support.models import TINY_DECODER, cut, places_in, tiny_recipe, train_model
from support.servers import free_port, wait_for

ROWS = "text,label\n" + "".join(f"{number} {'długo trwa takie zdanie ' * 30},1\n" for number in range(4900))


@pytest.fixture(scope="module")
def home(slang: TaskData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a model that is slow by its shape: it needs minutes for what a signal comes in the middle of."""
    folder = tmp_path_factory.mktemp("slow")
    shape = TINY_DECODER | {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 8}
    train_model(tiny_recipe(decoder=shape, epochs=1), cut(slang, 24, 12), places_in(folder), Store.in_memory())
    return folder


@pytest.fixture
def started(home: Path, tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]", Path]]:
    """`odzera app`, with uploads and models of the test's own."""
    url, log = f"http://127.0.0.1:{free_port()}", tmp_path / "log"
    environment = os.environ | {
        "ODZERA_HOME": str(home),
        "GRADIO_TEMP_DIR": str(tmp_path / "uploads"),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "1000",
    }
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "engine", "app", "--no-export", "--port", url.rpartition(":")[2]],
            cwd=tmp_path,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(url, server, log)
        # It answers a little before it listens for signals to the full.
        while "Odzera is on" not in log.read_text(encoding="utf-8"):
            time.sleep(0.1)
        yield url, server, tmp_path
    finally:
        server.kill()
        server.wait(20)


def join(client: httpx.Client, session: str, number: int, data: list[Any]) -> Iterator[dict[str, Any]]:
    """Call a handler; all that comes of it."""
    body = {"data": data, "fn_index": number, "session_hash": session}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                yield json.loads(line[5:])


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_batch_is_ended_told_and_cleaned_within_five_seconds(
    started: tuple[str, "subprocess.Popen[bytes]", Path], number: signal.Signals
) -> None:
    url, server, folder = started
    uploads, session = folder / "uploads", uuid.uuid4().hex
    with httpx.Client(base_url=url, timeout=60) as client:
        config = client.get("/config").json()
        ids = {one["props"].get("elem_id"): one["id"] for one in reversed(config["components"])}
        calls = {tuple(target): one["id"] for one in config["dependencies"] for target in one["targets"]}
        after = {one["trigger_after"]: one["id"] for one in config["dependencies"]}
        (path,) = client.post("/gradio_api/upload", files={"files": ("rows.csv", ROWS.encode())}).json()
        client.post("/gradio_api/upload", files={"files": ("waiting.csv", ROWS.encode())})
        file = {"path": path, "orig_name": "rows.csv", "meta": {"_type": "gradio.FileData"}}
        handed = join(client, session, calls[ids["batch-file"], "upload"], [file, ""])
        told = next(one for one in handed if one["msg"] == "process_completed")
        key = told["output"]["data"][1]
        run = calls[ids["batch-run"], "click"]
        list(join(client, session, run, [key]))
        begun, last = 0.0, ""
        # What labels mean that aren't known: all are.
        choice = ["slang", "text", None, "label", None, ["scratch"], *[None] * MOST_LABELS]
        for message in join(client, session, after[run], [key, *choice]):
            if message["msg"] == "process_generating" and not begun:
                assert [one for one in files_below(uploads) if one.suffix == ".csv"]
                server.send_signal(number)
                begun = time.monotonic()
            last += json.dumps(message)
        assert begun
        assert "Odzera is being stopped" in last, last[-1000:]
    code = server.wait(10)
    printed = (folder / "log").read_text(encoding="utf-8")
    assert code == 0, printed
    took = time.monotonic() - begun
    assert took < 5, took
    # Gradio has empty folders of its own there.
    assert [one for one in uploads.rglob("*") if one.is_file() or one.name.startswith(("upload-", "batch-"))] == []
    assert "Stopping" in printed
    assert "Stopped." in printed
    assert "Traceback" not in printed
