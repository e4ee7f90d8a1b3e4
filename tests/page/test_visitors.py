"""Many visitors at once: the same file from each, files that are nobody else's, and those who send slowly."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from engine.paths import Places
from gradio_app.app import build_app, launch
from gradio_app.context import open_context
from gradio_app.handlers.batch import MOST_LABELS
from gradio_app.handlers.files import name_upload
from gradio_app.server import gate, listener
from support.files import files_below
from support.servers import free_port
from support.visitors import Visitor, file_data

SAME = f"text,label\nale petarda dzisiaj,2\n{uuid.uuid4().hex} słabo to widzę,0\n".encode()
CHOICE = ["slang", "text", None, "label", None, ["majority", "tfidf"], *[None] * MOST_LABELS]


@pytest.fixture(scope="module")
def page(trained: Places) -> Iterator[gr.Blocks]:
    """The page, served."""
    blocks = build_app(open_context(trained))
    launch(blocks, "127.0.0.1", free_port())
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture
def uploads(page: gr.Blocks) -> Path:
    """Where all visitors' files lie."""
    return Path(page.app.uploaded_file_dir)


def left(uploads: Path, content: bytes) -> list[Path]:
    """Files of this content: what other tests and programs have there is theirs."""
    found = []
    for one in files_below(uploads):
        with suppress(OSError):
            if content in one.read_bytes():
                found.append(one)
    return found


class Guest(Visitor):
    """Somebody with a file."""

    def __init__(self, page: gr.Blocks) -> None:
        super().__init__(page, uuid.uuid4().hex)

    def hand_in(self, content: bytes = SAME) -> None:
        """Upload it, and let the page look at it."""
        status, self.path = self.upload(content, "rows.csv")
        assert status == 200
        told = self.call(self.number("batch-file", "upload"), file_data(self.path), "")
        assert told["success"], told
        self.kept, self.key = told["output"]["data"][0]["path"], told["output"]["data"][1]
        assert self.key, told["output"]["data"][2]

    def answer(self) -> str:
        """Have every row answered; the file with the answers."""
        self.call(self.number("batch-run", "click"), self.key)
        told = self.call(self.number("batch-run", "click", then=True), self.key, *CHOICE)
        self.made = told["output"]["data"][2]["value"]["path"]
        return self.get(self.made).text

    def get(self, path: str) -> httpx.Response:
        """Download a file."""
        return httpx.get(f"{self.api}/file={path}", timeout=30)

    def forget(self) -> None:
        """Delete it."""
        assert self.call(self.number("batch-file", "clear"), self.key)["success"]


def test_the_same_file_from_twelve_visitors_at_once_is_answered_for_each(page: gr.Blocks, uploads: Path) -> None:
    guests = [Guest(page) for _ in range(12)]
    with ThreadPoolExecutor(12) as crowd:
        list(crowd.map(Guest.hand_in, guests))
        answers = list(crowd.map(Guest.answer, guests))
    assert {one.splitlines()[1].partition(",2,")[0] for one in answers} == {"ale petarda dzisiaj"}
    assert len({one.kept for one in guests}) == 12
    first, *others = guests
    first.forget()
    assert first.get(first.kept).status_code >= 400
    assert first.get(first.made).status_code >= 400
    assert [one.get(one.kept).content for one in others] == [SAME] * 11
    assert {one.answer() for one in others[:2]} <= set(answers)
    for one in others:
        one.forget()
    assert left(uploads, SAME) == []


def test_one_visitor_after_another_sends_the_same_file(page: gr.Blocks, uploads: Path) -> None:
    guests = [Guest(page) for _ in range(3)]
    for one in guests:
        one.hand_in()
    assert [one.get(one.kept).content for one in guests] == [SAME] * 3
    for one in guests:
        one.forget()
        one.hand_in()
        one.forget()
    assert left(uploads, SAME) == []


def test_who_knows_a_files_content_does_not_find_another_visitors_copy(page: gr.Blocks, uploads: Path) -> None:
    one, other = Guest(page), Guest(page)
    paths = [Path(guest.upload(SAME, "rows.csv")[1]) for guest in (one, other)]
    assert paths[0].parts[-2:] == paths[1].parts[-2:], "the content alone names what lies below"
    assert paths[0].parents[1] != paths[1].parents[1]
    assert len(paths[0].parents[1].name) > 32
    for guess in (uploads / paths[0].parent.name / "rows.csv", uploads / "upload-1-guess" / paths[0].parent.name):
        assert one.get(str(guess)).status_code >= 400
        told = one.call(one.number("batch-file", "upload"), file_data(str(guess)), "")
        assert "No file was uploaded" in told["output"]["data"][2]
    for guest, path in zip((one, other), paths, strict=True):
        told = guest.call(guest.number("batch-file", "upload"), file_data(str(path)), "")
        guest.key = told["output"]["data"][1]
        stolen = one.call(one.number("batch-file", "upload"), file_data(told["output"]["data"][0]["path"]), "")
        assert "No file was uploaded" in stolen["output"]["data"][2], "what was handed in is nobody's upload"
        guest.forget()
    assert left(uploads, SAME) == []


def test_an_upload_that_is_refused_or_broken_off_leaves_nothing(page: gr.Blocks, uploads: Path) -> None:
    guest = Guest(page)
    many = [("files", (f"{number}.csv", SAME)) for number in range(9)]
    assert httpx.post(f"{guest.api}/upload", files=many).status_code == 400
    assert httpx.post(f"{guest.api}/upload", data={"a": "b"}, files={"other": ("a.csv", SAME)}).status_code == 400
    assert httpx.post(f"{guest.api}/upload", content=b"text").status_code == 400
    with wire(page) as sock:
        sock.sendall(head(page, "/gradio_api/upload", 10_000) + PART)
        until(lambda: any(uploads.glob(name_upload("*/*"))))
    until(lambda: left(uploads, SAME) == [])


PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n' + SAME


def wire(page: gr.Blocks) -> socket.socket:
    """A connection."""
    return socket.create_connection(("127.0.0.1", page.server_port), timeout=20)


def head(page: gr.Blocks, path: str, size: int) -> bytes:
    """The start of a request that has a body."""
    lines = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{page.server_port}", f"Content-Length: {size}")
    return "\r\n".join((*lines, "Content-Type: multipart/form-data; boundary=x", "", "")).encode()


def until(is_so: Any) -> None:
    """Wait until it is so."""
    for _ in range(200):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it never was")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time for requests."""
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.6)
    monkeypatch.setattr(listener, "GRACE_SECONDS", 0.6)
    for module in (gate, listener):
        monkeypatch.setattr(module, "BODY_SECONDS", 0.6)


def drip(sock: socket.socket, piece: bytes, seconds: float = 8) -> bytes:
    """Send a piece every now and then, until there is an answer or an end; returns what came."""
    sock.settimeout(0.1)
    for _ in range(int(seconds / 0.1)):
        try:
            sock.sendall(piece)
            return sock.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            return b""
    raise AssertionError("it goes on")


@pytest.mark.usefixtures("hasty")
def test_headers_that_never_end_close_the_connection(page: gr.Blocks) -> None:
    with wire(page) as sock:
        assert drip(sock, b"") == b"", "nothing at all"
    with wire(page) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        assert drip(sock, b"X-A: b\r\n") == b""
    with wire(page) as sock:
        sock.sendall(f"GET /manifest.json HTTP/1.1\r\nHost: 127.0.0.1:{page.server_port}\r\n\r\n".encode())
        came = b""
        while not came.endswith(b"]}"):
            came += sock.recv(65536)
        assert b" 200 " in came
        sock.sendall(b"GET / HTTP/1.1\r\n")
        assert drip(sock, b"X-A: b\r\n") == b"", "a later request on the same connection"


@pytest.mark.usefixtures("hasty")
def test_a_body_that_comes_too_slowly_is_refused_in_words(page: gr.Blocks, uploads: Path) -> None:
    for path in ("/gradio_api/queue/join", "/gradio_api/upload"):
        with wire(page) as sock:
            sock.sendall(head(page, path, 100_000) + PART)
            assert b" 408 " in drip(sock, b"a"), path
    until(lambda: left(uploads, SAME) == [])
    with wire(page) as sock:
        sock.sendall(head(page, "/nothing-here", 100_000))
        assert b" 404 " in drip(sock, b"a")
        for _ in range(80):
            try:
                if not drip(sock, b"a", 0.3):
                    break
            except AssertionError:
                continue
        else:
            pytest.fail("what nobody reads is sent for ever")


@pytest.mark.usefixtures("hasty")
def test_a_slow_line_that_is_not_too_slow_gets_its_file_through(
    page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (gate, listener):
        # A fifth of the speed below, so that a busy machine's pauses do no harm.
        monkeypatch.setattr(module, "SLOWEST", 25)
    body = PART + b"\r\n--x--\r\n"
    with wire(page) as sock:
        sock.sendall(head(page, "/gradio_api/upload", len(body)))
        for begin in range(0, len(body), 20):
            sock.sendall(body[begin : begin + 20])
            time.sleep(0.16)
        sock.settimeout(10)
        answer = sock.recv(65536)
        assert b" 200 " in answer, answer
    (path,) = json.loads(answer.rpartition(b"\r\n\r\n")[2])
    Path(path).unlink()


def test_a_long_answer_is_waited_for(page: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.3)
    monkeypatch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.4")
    came = 0
    with httpx.stream("GET", f"http://127.0.0.1:{page.server_port}/gradio_api/heartbeat/{uuid.uuid4().hex}") as stream:
        for _ in stream.iter_lines():
            came += 1
            if came == 6:
                break
    assert came == 6


def test_idle_connections_leave_the_page_alone(page: gr.Blocks) -> None:
    wires = [wire(page) for _ in range(100)]
    try:
        start = time.monotonic()
        with httpx.Client() as client:
            assert client.get(f"http://127.0.0.1:{page.server_port}/manifest.json").status_code == 200
        assert time.monotonic() - start < 5
    finally:
        for one in wires:
            one.close()
