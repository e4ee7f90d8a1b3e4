"""The served page against those who mean harm: paths, addresses, bodies, values and what is left behind."""

import asyncio
import http.client
import json
import os
import re
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from engine.bench.page_visitors import read_forms
from engine.data.cleaning import MAX_CHARACTERS
from engine.errors import OdzeraError
from engine.paths import ROOT, Places
from engine.search.shipped import default_storage
from gradio_app.app import build_app, launch
from gradio_app.context import open_context
from gradio_app.languages import get_language
from gradio_app.server.dashboard import mount_dashboard
from gradio_app.server.errors import FAILED, UNREADABLE, QuietBlocks, describe
from gradio_app.server.gate import BODY_BYTES
from support.files import files_below
from support.servers import free_port

MARK = "zażółć-gęślą-" + uuid.uuid4().hex
TAKEN = "/tmp/odzera-taken.csv"  # noqa: S108
WORDS = (b"root:", b"[project]", b"import ", b"PATH=", b"SQLite format", b"dtype")


@pytest.fixture(scope="module")
def page(trained: Places) -> Iterator[gr.Blocks]:
    """The page with its dashboard, served as the program serves it."""
    storage = default_storage(trained)
    blocks = build_app(open_context(trained, storage, "/dashboard"))
    blocked = [trained.checkpoints, trained.store.parent]
    launch(blocks, "127.0.0.1", free_port(), blocked, mount_dashboard(storage))
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def visitor(page: gr.Blocks) -> Iterator[httpx.Client]:
    """Somebody who comes by HTTP."""
    with httpx.Client(base_url=page.local_url, timeout=60) as client:
        yield client


def raw(page: gr.Blocks, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask for a path as it is written: no dots are folded away on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=20)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ask(visitor: httpx.Client, fn_index: int, data: Any, session: str = "") -> tuple[int, list[dict[str, Any]]]:
    """Call a handler by its number, as a browser does; the status, and the messages that came."""
    session = session or uuid.uuid4().hex
    body = {"data": data, "fn_index": fn_index, "session_hash": session, "event_data": None, "trigger_id": None}
    # As escapes, so that half a surrogate pair can be sent too.
    sent, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    joined = visitor.post("/gradio_api/queue/join", content=sent, headers=kind)
    if joined.status_code != 200:
        return joined.status_code, []
    messages = []
    with visitor.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}, timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                messages.append(json.loads(line[5:]))
    return 200, messages


SECRET = ["checkpoints/README.md", "studies/results.db", "studies/optuna.db", "pyproject.toml", "gradio_app/app.py"]
CLIMBS = [
    "../" * 8,
    "..%2f" * 8,
    "%2e%2e/" * 8,
    "%252e%252e%252f" * 8,
    "..\\" * 8,
    "..%5c" * 8,
    "....//" * 8,
    "..;/" * 8,
]
STARTS = [
    "/gradio_api/file=",
    "/file=",
    "/gradio_api/file/",
    "/static/",
    "/assets/",
    "/svelte/",
    "/icons/",
    "/dashboard/static/",
    "/gradio_api/custom_component/a/client/b/",
    "/gradio_api/call/classify_slang/",
    "/pwa_icon/",
    "/pl/",
]


@pytest.mark.parametrize("start", STARTS)
def test_no_climbing_reaches_a_file(page: gr.Blocks, start: str) -> None:
    for climb in CLIMBS:
        for goal in ("etc/passwd", "proc/self/environ", f"{str(ROOT)[1:]}/pyproject.toml"):
            path = f"{start}{climb}{goal}"
            status, body = raw(page, path)
            assert status != 200 or start.startswith("/gradio_api/call"), path
            assert not any(word in body for word in WORDS), path


@pytest.mark.parametrize(
    "name",
    [
        *SECRET,
        *(f"./{one}" for one in SECRET),
        *(f"{ROOT}/{one}" for one in SECRET),
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "/proc/self/cwd/pyproject.toml",
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
        "https://example.com/",
        "http:/example.com",
        "HTTP://EXAMPLE.COM",
        "ftp://example.com/a",
        "\\\\host\\share\\a",
        "C:\\Windows\\win.ini",
        "/etc/passwd%00.png",
        "~/.ssh/id_rsa",
        "",
        ".",
        "/",
    ],
)
def test_no_file_but_an_uploaded_one_is_served(page: gr.Blocks, name: str) -> None:
    status, body = raw(page, f"/gradio_api/file={name}")
    assert status in (400, 403, 404)
    assert not any(word in body for word in WORDS)
    assert raw(page, f"/gradio_api/file={name}", "HEAD")[0] in (400, 403, 404, 405)


def test_a_link_among_the_uploads_leads_nowhere(page: gr.Blocks, trained: Places) -> None:
    uploads = Path(page.app.uploaded_file_dir)
    uploads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=uploads) as folder:
        link = Path(folder) / "link.csv"
        for goal in (trained.store, ROOT / "pyproject.toml", Path("/etc/passwd")):
            link.unlink(missing_ok=True)
            link.symlink_to(goal)
            assert raw(page, f"/gradio_api/file={link}")[0] == 403
        for name in (f"{folder}/../../../../etc/passwd", f"{uploads}/../{trained.store}", f"{uploads}/deep_links"):
            assert raw(page, f"/gradio_api/file={name}")[0] == 403


@pytest.mark.parametrize("name", ["../../../../tmp/odzera-taken.csv", TAKEN, "..\\..\\odzera-taken.csv", ".."])
def test_an_uploads_name_chooses_no_place(page: gr.Blocks, visitor: httpx.Client, name: str) -> None:
    answer = visitor.post("/gradio_api/upload", files={"files": (name, b"text,label\n")})
    if answer.status_code == 200:
        (stored,) = answer.json()
        assert Path(stored).resolve().is_relative_to(Path(page.app.uploaded_file_dir).resolve())
        assert visitor.get(f"/gradio_api/file={stored}").content == b"text,label\n"
        Path(stored).unlink()
    else:
        assert 400 <= answer.status_code < 500
    assert not Path(TAKEN).exists()


CLOSED = [
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/redoc"),
    ("GET", "/monitoring"),
    ("GET", "/monitoring/summary"),
    ("GET", "/monitoring/anything"),
    ("GET", "/gradio_api/runs"),
    ("GET", "/gradio_api/runs/"),
    ("GET", "/gradio_api/run-history/buckets"),
    ("GET", "/gradio_api/run-history/records"),
    ("POST", "/gradio_api/run-history/connect"),
    ("GET", "/gradio_api/deep_link?session_hash=a"),
    ("GET", "/gradio_api/dev/reload"),
    ("GET", "/gradio_api/proxy=https://example.hf.space/"),
    ("GET", "/proxy=https://example.hf.space/"),
    ("GET", "/gradio_api/custom_component/a/client/b/c"),
    ("GET", "/gradio_api/stream/a/b/1/playlist.m3u8"),
    ("GET", "/gradio_api/profiling/traces"),
    ("GET", "/gradio_api/vibe-code"),
    ("POST", "/gradio_api/vibe-code"),
    ("POST", "/gradio_api/vibe-edit"),
    ("POST", "/gradio_api/process_recording"),
    ("POST", "/gradio_api/component_server"),
    ("POST", "/gradio_api/stream/a"),
    ("POST", "/gradio_api/api/predict"),
    ("GET", "/.env"),
    ("GET", "/gradio_api/mcp/"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_what_gradio_has_and_the_page_does_not_need_is_not_there(page: gr.Blocks, method: str, path: str) -> None:
    status, body = raw(page, path, method)
    assert status == 404
    assert len(body) < 100


def test_the_page_itself_says_that_nothing_is_recorded(visitor: httpx.Client) -> None:
    config = visitor.get("/config").json()
    assert config["pwa"] is True
    assert not config.get("run_history", False)
    assert not config["mcp_server"]
    assert visitor.get("/?deep_link=../../etc").status_code == 200


def test_answers_carry_headers_that_keep_browsers_careful(visitor: httpx.Client) -> None:
    for path in ("/", "/pl", "/config", "/manifest.json", "/dashboard/", "/nothing-here"):
        headers = visitor.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "x-frame-options" not in headers, "a Space is shown in a frame"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "script-src 'self'" in visitor.get("/dashboard/").headers["content-security-policy"]


def test_another_site_may_not_read_a_page_on_this_machine(visitor: httpx.Client) -> None:
    for origin in ("https://elsewhere.example", "null", "http://127.0.0.1.elsewhere.example"):
        answer = visitor.get("/config", headers={"Origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_large_body_is_refused_before_it_is_read(page: gr.Blocks) -> None:
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=20) as wire:
        host = f"127.0.0.1:{page.server_port}"
        head = f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: {host}\r\nContent-Length: {50 * 2**20}\r\n\r\n"
        wire.sendall(head.encode())
        assert b"413" in wire.recv(200).partition(b"\r\n")[0]


def test_a_body_without_a_length_is_cut_off(visitor: httpx.Client) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 2**18
            yield b" " * 2**18

    for path in ("/gradio_api/queue/join", "/gradio_api/call/classify_slang", "/login", "/gradio_api/cancel"):
        sent = 0
        # Or the server has hung up in the middle of it.
        with suppress(httpx.TransportError):
            assert visitor.post(path, content=pieces()).status_code == 413
        assert sent <= 16 * BODY_BYTES
    assert visitor.get("/manifest.json").status_code == 200


def test_an_upload_has_a_limit_however_it_is_sent(page: gr.Blocks, visitor: httpx.Client) -> None:
    most = page.max_file_size
    assert most is not None
    large = b"a" * (int(most) + 1)
    assert visitor.post("/gradio_api/upload", files={"files": ("a.csv", large)}).status_code == 413
    many = [("files", (f"{number}.csv", large[: len(large) // 2])) for number in range(4)]
    assert visitor.post("/gradio_api/upload", files=many).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n'
        for _ in range(int(most) // 2**18 + 8):
            yield b"a" * 2**18
        yield b"\r\n--x--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    with suppress(httpx.TransportError):
        assert visitor.post("/gradio_api/upload", content=pieces(), headers=kind).status_code == 413
    kept = [one for one in files_below(Path(page.app.uploaded_file_dir)) if one.stat().st_size > most]
    assert kept == []


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "http://127.0.0.1:{port}/a", "https://example.com/a.csv", "../../pyproject.toml", "C:\\a"]
)
@pytest.mark.parametrize("key", ["path", "p\\u0061th"], ids=["plain", "escaped"])
def test_a_file_that_is_handed_in_was_uploaded_before(visitor: httpx.Client, path: str, key: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.settimeout(0.3)
        path = path.replace("{port}", str(other.getsockname()[1]))
        file = f'{{"{key}": {json.dumps(path)}, "meta": {{"_type": "gradio.FileData"}}, "url": {json.dumps(path)}}}'
        for data in (file, f"[{file}]", f'{{"a": [[{file}]]}}'):
            body = f'{{"data": [{data}], "fn_index": 0, "session_hash": "a"}}'
            answer = visitor.post(
                "/gradio_api/queue/join", content=body.encode(), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 403
        with pytest.raises(TimeoutError):
            other.accept()


def test_a_request_nested_too_deeply_is_refused(visitor: httpx.Client) -> None:
    deep = b'{"data": ' + b"[" * 200_000 + b"]" * 200_000 + b', "fn_index": 0, "session_hash": "a"}'
    answer = visitor.post("/gradio_api/queue/join", content=deep, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


ODD: list[Any] = [
    None,
    7,
    -1.5,
    True,
    [],
    ["a", ["b"]],
    {},
    {"a": 1},
    {"__type__": "update", "value": 1},
    "a" * 100_000,
    "\0",
    "\ud800",
]


def numbers(page: gr.Blocks, path: str) -> list[int]:
    """The handlers of one language's page that can be called by number and run here."""
    return [number for number, one in page.fns.items() if one.fn is not None and one.page == path]


# The other languages' handlers are the same functions with other words.
@pytest.mark.parametrize("path", ["", *(pytest.param(one, marks=pytest.mark.slow) for one in ("pl", "ru"))])
def test_no_handler_breaks_on_values_it_did_not_expect(
    page: gr.Blocks, visitor: httpx.Client, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    """Whatever comes, the answer is a value or one line; no traceback is written, and nothing hangs."""
    capfd.readouterr()
    called = numbers(page, path)
    assert len(called) > 40
    for number in called:
        wanted = len(page.fns[number].inputs)
        tries: list[Any] = [[one] * wanted for one in ODD] + [[], ["a"] * (wanted + 3), ["a"] * max(0, wanted - 1)]
        for data in tries:
            status, messages = ask(visitor, number, data)
            assert status == 200 or 400 <= status < 500
            for one in messages:
                said = one.get("output") or {}
                error = said.get("error") if isinstance(said, dict) else None
                assert error != FAILED, (number, data)
                assert error is None or ("\n" not in error and "Traceback" not in error), (number, data, error)
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed, printed[-1500:]


@pytest.mark.parametrize("number", [-1, 10**6, 2**63, "0", "classify", None, 1.5, [0]], ids=str)
def test_a_handler_that_does_not_exist_is_a_clear_refusal(
    visitor: httpx.Client, number: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    body = {"data": ["a"], "fn_index": number, "session_hash": uuid.uuid4().hex}
    answer = visitor.post("/gradio_api/queue/join", json=body)
    assert 400 <= answer.status_code < 500
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"a"', b"{}", b"\xff\xfe", b'{"data": 7, "fn_index": 0}'], ids=repr
)
def test_a_body_that_is_no_question_is_refused(
    visitor: httpx.Client, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    kind = {"Content-Type": "application/json"}
    for path in ("/gradio_api/queue/join", "/gradio_api/call/classify_slang", "/gradio_api/cancel"):
        answer = visitor.post(path, content=body, headers=kind)
        assert 400 <= answer.status_code < 500
    assert "Traceback" not in "".join(capfd.readouterr())


def test_what_is_typed_is_written_nowhere(
    page: gr.Blocks, visitor: httpx.Client, trained: Places, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    forms = read_forms(visitor.get("/config").json())
    for form in forms.values():
        for typed in (f"{MARK} sztos", MARK * (MAX_CHARACTERS // len(MARK) + 1), f"{MARK}\0"):
            session = uuid.uuid4().hex
            body = form.body([typed] * len(form.boxes), session)
            status, messages = ask(visitor, form.fn_index, body["data"], session)
            assert status == 200
            assert MARK not in json.dumps(messages, ensure_ascii=False)
    visitor.get("/", params={"text": MARK})
    visitor.post("/gradio_api/call/classify_slang", json={"data": [MARK]})
    visitor.get(f"/gradio_api/file={MARK}")
    # Gradio cuts the answer of an event that it doesn't know.
    with suppress(httpx.TransportError):
        visitor.get(f"/gradio_api/call/{MARK}/{MARK}")
    assert MARK not in "".join(capfd.readouterr())
    for folder in (trained.checkpoints.parent, Path(page.app.uploaded_file_dir)):
        for file in folder.rglob("*"):
            assert MARK not in file.name
            assert not file.is_file() or MARK.encode() not in file.read_bytes(), file
    for session in page.app.state_holder.session_data.values():
        assert not session.config_values


def test_the_limit_of_a_text_is_enforced_in_words(page: gr.Blocks, visitor: httpx.Client) -> None:
    for form in read_forms(visitor.get("/config").json()).values():
        session = uuid.uuid4().hex
        body = form.body(["a" * (MAX_CHARACTERS + 1)] * len(form.boxes), session)
        _, messages = ask(visitor, form.fn_index, body["data"], session)
        (end,) = (one for one in messages if one["msg"] == "process_completed")
        said = re.sub(r"\D", "", end["output"]["data"][0])
        assert str(MAX_CHARACTERS) in said


def test_a_crowd_that_is_too_large_is_refused_and_the_page_goes_on(page: gr.Blocks, visitor: httpx.Client) -> None:
    """More visitors than the queue holds: each is answered, or told that it is full."""
    seen: list[int] = []

    def visit() -> None:
        with httpx.Client(base_url=page.local_url, timeout=60) as one:
            seen.append(one.post("/gradio_api/call/classify_slang", json={"data": ["ale kozak"]}).status_code)

    crowd = [threading.Thread(target=visit) for _ in range(40)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(60)
    assert len(seen) == 40
    assert set(seen) <= {200, 503}
    start = time.monotonic()
    assert visitor.get("/manifest.json").status_code == 200
    assert time.monotonic() - start < 5


def test_sessions_are_small_and_few(page: gr.Blocks, visitor: httpx.Client) -> None:
    form = read_forms(visitor.get("/config").json())["slang"]
    session = uuid.uuid4().hex
    ask(visitor, form.fn_index, form.body(["ale kozak"], session)["data"], session)
    held = page.app.state_holder
    assert held.session_data[session].config_values == {}
    assert held.capacity <= 2000
    assert len(page._queue.event_analytics) <= 1
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_an_error_of_a_handler_is_told_without_what_was_typed(capfd: pytest.CaptureFixture[str]) -> None:
    with QuietBlocks(analytics_enabled=False) as blocks:
        text, choice = gr.Textbox(), gr.Dropdown(["a"])
        text.submit(lambda typed: str(read_forms({"page": typed})), text, text)
        choice.input(lambda value: value, choice, choice)
    launch(blocks, "127.0.0.1", free_port())
    try:
        with httpx.Client(base_url=blocks.local_url, timeout=20) as visitor:
            said = [
                next(one["output"]["error"] for one in ask(visitor, number, [MARK])[1] if "output" in one)
                for number in range(2)
            ]
    finally:
        blocks.close(verbose=False)
    printed = "".join(capfd.readouterr())
    assert said == [FAILED, UNREADABLE]
    assert MARK not in printed
    assert "OdzeraError in page_visitors.py, line " in printed
    assert "Traceback" not in printed


def test_an_error_is_told_in_the_language_of_its_page() -> None:
    with QuietBlocks(analytics_enabled=False) as blocks:
        choice = gr.Dropdown(["a"])
        choice.input(lambda value: value, choice, choice)
    with blocks.route("Polski", "/pl"):
        other = gr.Dropdown(["a"])
        other.input(lambda value: value, other, other)
    told = []
    for number in range(2):
        with pytest.raises(gr.Error) as caught:
            asyncio.run(blocks.process_api(number, [MARK]))
        told.append(caught.value.message)
    assert told == [UNREADABLE, get_language("pl")(UNREADABLE)]


def test_where_an_error_was_is_named_in_our_own_code() -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{" + MARK)
    assert describe(caught.value).startswith("JSONDecodeError in decoder.py, line ")
    with pytest.raises(OdzeraError) as refused:
        read_forms({"page": 7})
    assert describe(refused.value).startswith("OdzeraError in page_visitors.py, line ")
