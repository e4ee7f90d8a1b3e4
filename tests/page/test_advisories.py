"""Each class of Gradio's security advisories of 2024 to 2026, tried on what this page puts before Gradio.

The page tried has components that ours hasn't, so that their ways in are tried too: at the top, and below a path.
"""

import http.client
import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.routing import Mount

from gradio_app.app import launch
from gradio_app.server.errors import QuietBlocks
from support.servers import free_port

MARK = "nobody-elses-business"


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that isn't anybody's upload."""
    file = tmp_path_factory.mktemp("secret") / "secret.txt"
    file.write_text(MARK, encoding="utf-8")
    return file


def read(*values: Any) -> str:
    """What a careless handler gives back: its input, and the content of every file named in it."""
    told = [repr(values)]
    for word in repr(values).split("'"):
        if word.startswith("/") and Path(word).is_file():
            told.append(Path(word).read_text(encoding="utf-8", errors="replace"))
    return " ".join(told)


@pytest.fixture(scope="module", params=["", "/od"], ids=["at the top", "below a path"])
def page(request: pytest.FixtureRequest) -> Iterator[tuple[gr.Blocks, str]]:
    """A page of many components whose handlers read whatever file they are given, and its address."""
    with QuietBlocks(analytics_enabled=False) as blocks:
        told = gr.Textbox()
        for one in (
            gr.File(),
            gr.Image(type="filepath"),
            gr.Video(),
            gr.Audio(type="filepath"),
            gr.Gallery(type="filepath"),
            gr.Chatbot(),
            gr.MultimodalTextbox(),
            gr.Model3D(),
            gr.DownloadButton(),
            gr.ImageEditor(type="filepath"),
            gr.FileExplorer(root_dir="gradio_app/assets"),
        ):
            gr.Button().click(read, one, told)
    launch(blocks, "127.0.0.1", free_port(), root_path=request.param)
    yield blocks, f"http://127.0.0.1:{blocks.server_port}{request.param}"
    blocks.close(verbose=False)


def raw(address: str, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Ask for a path as it is written; status, where it leads to, and what is said."""
    host, slash, prefix = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        connection.request(method, f"{slash}{prefix}{path}")
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location") or "", answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A service on this machine that nobody may be made to ask."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other
        other.settimeout(0.2)
        with pytest.raises(TimeoutError):
            other.accept()


ABSOLUTE = [
    "{secret}",
    "/{secret}",
    "/./{secret}",
    "file://{secret}",
    "C:{secret}",
    "C:/Windows/win.ini",
    "C:\\Windows\\win.ini",
    "\\Windows\\win.ini",
    "\\\\host\\share\\a.txt",
    "//host/share/a.txt",
    "\\\\?\\C:\\Windows\\win.ini",
    "/windows/win.ini",
    "../../../../../../../../..{secret}",
    "..\\..\\..\\..\\windows\\win.ini",
]


@pytest.mark.parametrize("name", ABSOLUTE)
def test_absolute_paths_of_every_system_read_nothing(page: tuple[gr.Blocks, str], secret: Path, name: str) -> None:
    """CVE-2024-1561, CVE-2024-51751, CVE-2026-28414 (root-relative paths since Python 3.13 on Windows)."""
    path = name.format(secret=secret)
    for start in (
        "/gradio_api/file=",
        "/gradio_api/file/",
        "/file=",
        "/static/",
        "/assets/",
        "/svelte/",
        "/gradio_api/custom_component/a/client/component/",
        "/icons/",
        "/pwa_icon/",
        "/gradio_api/component_server/",
    ):
        for written in (path, path.replace("/", "%2f"), path.replace("\\", "%5c"), path.replace("/", "%252f")):
            status, _, said = raw(page[1], start + written)
            assert status in (400, 403, 404, 405, 422), start + written
            assert MARK not in said
            assert "root:" not in said


@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "http://127.0.0.1:{port}/x", "HTTP:/evil.example", "//evil.example", "https:evil"]
)
def test_an_address_for_a_file_is_neither_fetched_nor_led_to(
    page: tuple[gr.Blocks, str], trap: socket.socket, url: str
) -> None:
    """CVE-2024-4940, gradio 13593 and 13608 (redirects), CVE-2024-1183, CVE-2024-47167 (requests of the server)."""
    url = url.format(port=trap.getsockname()[1])
    for start in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/gradio_api/proxy=", "/proxy="):
        for method in ("GET", "HEAD"):
            status, place, _ = raw(page[1], start + url, method)
            assert status in (403, 404, 405)
            assert place == ""


def test_the_proxy_for_spaces_is_not_there_even_for_a_space(page: tuple[gr.Blocks, str], trap: socket.socket) -> None:
    """CVE-2024-2206, CVE-2026-28416 (`proxy_url`), GHSA-2mr9-9r47-px2g (cookies)."""
    blocks, address = page
    number = trap.getsockname()[1]
    blocks.proxy_urls.add(f"http://127.0.0.1:{number}")
    blocks.proxy_urls.add("https://ala-odzera.hf.space")
    try:
        for url in (f"http://127.0.0.1:{number}/", "https://ala-odzera.hf.space/", "http://169.254.169.254/latest"):
            for start in ("/gradio_api/proxy=", "/proxy=", "/gradio_api/proxy/"):
                assert raw(address, start + url)[0] == 404
    finally:
        blocks.proxy_urls.clear()


PAYLOADS: dict[str, Any] = {
    "a file": {"path": "{path}", "meta": {"_type": "gradio.FileData"}},
    "a file without its mark": {"path": "{path}"},
    "a file with an address": {
        "path": "{path}",
        "url": "{path}",
        "orig_name": "a",
        "meta": {"_type": "gradio.FileData"},
    },
    "a list": [{"path": "{path}", "meta": {"_type": "gradio.FileData"}}],
    "a gallery": [{"image": {"path": "{path}", "meta": {"_type": "gradio.FileData"}}, "caption": None}],
    "a bare gallery": [{"image": {"path": "{path}"}, "caption": None}],
    "a video": {"video": {"path": "{path}"}, "subtitles": {"path": "{path}"}},
    "a message": {"text": "a", "files": [{"path": "{path}"}]},
    "a chat": [{"role": "user", "content": {"file": {"path": "{path}"}, "type": "file"}}],
    "a chat of a file": [{"role": "user", "content": [{"type": "file", "file": {"path": "{path}"}}]}],
    "layers": {"background": {"path": "{path}"}, "layers": [{"path": "{path}"}], "composite": {"path": "{path}"}},
    "a name": "{path}",
    "names": ["{path}"],
    "an explorer's": [["..", "..", "{path}"]],
    "an update": {"__type__": "update", "value": "{path}"},
}


def fill(value: Any, path: str) -> Any:
    """A payload with a path in it."""
    return json.loads(json.dumps(value).replace("{path}", json.dumps(path)[1:-1]))


@pytest.mark.parametrize("kind", PAYLOADS)
def test_no_components_payload_reads_or_fetches_what_was_not_uploaded(
    page: tuple[gr.Blocks, str], secret: Path, trap: socket.socket, kind: str
) -> None:
    """CVE-2024-1728, CVE-2024-47868 (files of components), CVE-2024-4325, CVE-2025-23042, gradio 13436 and 13437."""
    blocks, address = page
    paths = [
        str(secret),
        f"../../../../../..{secret}",
        f"http://127.0.0.1:{trap.getsockname()[1]}/a",
        f"file://{secret}",
    ]
    with httpx.Client(timeout=30) as client:
        for path in paths:
            for number, one in blocks.fns.items():
                if one.fn is None:
                    continue
                session = uuid.uuid4().hex
                body = {"data": [fill(PAYLOADS[kind], path)], "fn_index": number, "session_hash": session}
                joined = client.post(f"{address}/gradio_api/queue/join", json=body)
                if joined.status_code != 200:
                    assert joined.status_code == 403
                    continue
                with client.stream("GET", f"{address}/gradio_api/queue/data?session_hash={session}") as stream:
                    said = "".join(stream.iter_lines())
                assert MARK not in said, (number, path)


TAKEN = "/tmp/taken.txt"  # noqa: S108
NAMES = [
    "../../taken.txt",
    "..\\..\\taken.txt",
    TAKEN,
    "C:\\taken.txt",
    "\\taken.txt",
    "//host/share/taken.txt",
    "..%2f..%2ftaken.txt",
    "taken.txt\0.csv",
    "....//taken.txt",
    "con.csv",
    "a" * 400 + ".csv",
    "\u202etaken.csv",
    "<img src=x onerror=alert(1)>.csv",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_uploads_name_chooses_no_place(page: tuple[gr.Blocks, str], name: str) -> None:
    """CVE-2024-34510, CVE-2024-0964 (writing elsewhere), and names that other systems read otherwise."""
    uploads = Path(page[0].app.uploaded_file_dir).resolve()
    answer = httpx.post(f"{page[1]}/gradio_api/upload", files={"files": (name, b"text")}, timeout=20)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        (stored,) = map(Path, answer.json())
        assert stored.resolve().relative_to(uploads).parts[0].startswith("upload-")
        assert len(stored.resolve().relative_to(uploads).parts) == 3
        served = httpx.get(f"{page[1]}/gradio_api/file={stored}", timeout=20)
        assert served.status_code in (200, 403, 404)
        assert "text/html" not in served.headers["content-type"]
        stored.unlink()
        stored.parent.rmdir()
        stored.parents[1].rmdir()
    assert not [one for one in (uploads / "taken.txt", uploads.parent / "taken.txt", Path(TAKEN)) if one.exists()]


@pytest.mark.parametrize("name", ["page.html", "page.svg", "page.xhtml", "page.js", "page.xml"])
def test_an_uploaded_page_is_downloaded_not_shown(page: tuple[gr.Blocks, str], name: str) -> None:
    """CVE-2024-47872 and CVE-2025-48889's kind: what a visitor has uploaded runs on nobody's page."""
    sent = b"<svg xmlns='http://www.w3.org/2000/svg' onload='document.title=1'><script>1</script></svg>"
    (stored,) = httpx.post(f"{page[1]}/gradio_api/upload", files={"files": (name, sent)}, timeout=20).json()
    served = httpx.get(f"{page[1]}/gradio_api/file={stored}", timeout=20)
    assert served.headers["content-disposition"].startswith("attachment")
    assert served.headers["x-content-type-options"] == "nosniff"
    Path(stored).unlink()


CLOSED = [
    ("GET", "/login/huggingface"),
    ("GET", "/login/callback?_target_url=////evil.example/"),
    ("GET", "/gradio_api/monitoring"),
    ("GET", "/monitoring"),
    ("GET", "/monitoring/summary"),
    ("GET", "/gradio_api/runs"),
    ("GET", "/gradio_api/run-history/records"),
    ("POST", "/gradio_api/run-history/connect"),
    ("POST", "/gradio_api/component_server"),
    ("POST", "/gradio_api/vibe-edit"),
    ("GET", "/gradio_api/vibe-code"),
    ("GET", "/gradio_api/deep_link?session_hash=a"),
    ("GET", "/gradio_api/dev/reload"),
    ("GET", "/gradio_api/stream/a/b/1/playlist.m3u8"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/theme.json"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_what_leaked_elsewhere_is_not_there(page: tuple[gr.Blocks, str], method: str, path: str) -> None:
    """CVE-2026-27167 (the mocked login), CVE-2026-28415 and GHSA-vwgg-rgg9-xx9q (its redirect), CVE-2024-47871, …"""
    status, place, said = raw(page[1], path, method)
    assert (status, place) == (404, "")
    assert len(said) < 100


def test_logging_in_and_out_where_nobody_is_asked_leads_nowhere_else(page: tuple[gr.Blocks, str]) -> None:
    """CVE-2026-28415: where a redirect leads to is not the visitor's to choose."""
    blocks, address = page
    for path in ("/logout", "/login"):
        for query in ("", "?_target_url=https://evil.example", "?_target_url=////evil.example", "?next=//evil.example"):
            for method in ("GET", "POST"):
                status, place, _ = raw(address, path + query, method)
                assert status < 500
                assert place.rstrip("/") in ("", address), (path, place)
    told = httpx.post(f"{address}/login", json={"username": "a", "password": "b"}, timeout=20)
    assert told.status_code in (302, 307, 400, 422)
    assert not told.cookies
    secret = {"X-Forwarded-Host": "evil.example"}
    assert httpx.get(f"{address}/logout", headers=secret, timeout=20).status_code == 421
    assert not any(isinstance(one, Mount) and "huggingface" in one.path for one in blocks.app.routes)


def listen(client: httpx.Client, url: str, **params: str) -> str:
    """All that comes; Gradio cuts the answers of sessions that it doesn't know."""
    said = ""
    with suppress(httpx.RemoteProtocolError), client.stream("GET", url, params=params) as stream:
        for line in stream.iter_lines():
            said += line
    return said


def test_nobody_hears_anothers_answers_or_uploads(page: tuple[gr.Blocks, str]) -> None:
    """Sessions and uploads are followed by those who made their names: others' are not to be guessed or listed."""
    blocks, address = page
    mine, other = uuid.uuid4().hex, uuid.uuid4().hex
    number = next(iter(blocks.fns))
    with httpx.Client(timeout=20) as client:
        body = {"data": [None], "fn_index": number, "session_hash": mine}
        assert client.post(f"{address}/gradio_api/queue/join", json=body).status_code == 200
        for guess in (other, "", "*", "%", mine[:-1], f"{mine} "):
            said = listen(client, f"{address}/gradio_api/queue/data", session_hash=guess)
            assert mine not in said
            assert "process_completed" not in said
        for event in (mine, "*", "..", "0"):
            assert "process_completed" not in listen(client, f"{address}/gradio_api/call/read/{event}")
        client.post(f"{address}/gradio_api/upload?upload_id={mine}", files={"files": ("mine.csv", b"text")})
        for guess in (f"{other}*", mine[:-1]):
            answer = client.get(f"{address}/gradio_api/upload_progress", params={"upload_id": guess})
            assert answer.status_code == 404
            assert "mine.csv" not in answer.text
        answer = client.post(
            f"{address}/gradio_api/cancel", json={"session_hash": other, "fn_index": 0, "event_id": ""}
        )
        assert answer.status_code in (200, 404, 422)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1.evil.example"]
)
def test_another_sites_page_may_not_ask(page: tuple[gr.Blocks, str], origin: str) -> None:
    """CVE-2024-1727, CVE-2024-47084, CVE-2024-47165 and gradio 13594 (CORS)."""
    for path in ("/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=a"):
        answer = httpx.get(page[1] + path, headers={"Origin": origin}, timeout=20)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
