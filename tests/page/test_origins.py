"""Whose requests are answered: the rule itself, and the served page against other sites' pages and odd names."""

import asyncio
import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from engine.errors import OdzeraError
from engine.paths import Places
from engine.search.shipped import default_storage
from gradio_app.app import build_app, launch
from gradio_app.context import open_context
from gradio_app.server.dashboard import mount_dashboard
from gradio_app.server.front import own_addresses
from gradio_app.server.origins import Address, Asked, Own, read_address, read_names, why_refused
from support.files import files_below
from support.servers import free_port

EVIL = "https://evil.example"
PORT = 7860

LOCAL = Own("127.0.0.1", PORT)
ELSEWHERE = Own("127.0.0.2", PORT)
EIGHTY = Own("localhost", 80)
PROXIED = Own("127.0.0.1", PORT, read_names(["page.example", "door.example:8443"]))
PUBLIC = Own("0.0.0.0", PORT, is_public=True)  # noqa: S104
NAMED = Own("0.0.0.0", PORT, read_names(["page.example"]), is_public=True, only_names=True)  # noqa: S104
SPACE = Own("0.0.0.0", PORT, read_names(["ala-odzera.hf.space"]), is_public=True, is_framed=True)  # noqa: S104


@pytest.mark.parametrize(
    ("own", "host", "answered"),
    [
        (LOCAL, "127.0.0.1:7860", True),
        (LOCAL, "localhost:7860", True),
        (LOCAL, "LocalHost:7860", True),
        (LOCAL, "[::1]:7860", True),
        (LOCAL, "[0:0:0:0:0:0:0:1]:7860", True),
        (ELSEWHERE, "127.0.0.2:7860", True),
        (EIGHTY, "localhost", True),
        (EIGHTY, "localhost:80", True),
        (PROXIED, "page.example", True),
        (PROXIED, "page.example:8080", True),
        (PROXIED, "door.example:8443", True),
        (PROXIED, "localhost:7860", True),
        (PUBLIC, "whatever.example", True),
        (PUBLIC, "10.1.2.3:7860", True),
        (NAMED, "page.example", True),
        (NAMED, "192.168.1.5:7860", True),
        (NAMED, "[fd00::5]:7860", True),
        (NAMED, "localhost:7860", True),
        (SPACE, "ala-odzera.hf.space", True),
        (SPACE, "10.20.30.40:7860", True),
        (LOCAL, "x.localhost:7860", False),
        (LOCAL, "localhost.:7860", False),
        (LOCAL, "127.0.0.2:7860", False),
        (LOCAL, "0.0.0.0:7860", False),
        (LOCAL, "127.1:7860", False),
        (LOCAL, "2130706433:7860", False),
        (LOCAL, "[::ffff:127.0.0.1]:7860", False),
        (LOCAL, "[::1%lo]:7860", False),
        (LOCAL, "[::1", False),
        (LOCAL, "::1", False),
        (LOCAL, "localhost", False),
        (LOCAL, "localhost:3000", False),
        (LOCAL, "localhost:", False),
        (LOCAL, "localhost:07860x", False),
        (LOCAL, "localhost:99999", False),
        (LOCAL, "localhost:7860@evil.example", False),
        (LOCAL, "evil.example@localhost:7860", False),
        (LOCAL, "localhost:7860, evil.example", False),
        (LOCAL, "localhost:7860/", False),
        (LOCAL, "localhost:7860\n", False),
        (LOCAL, "localhost:\u0667\u0668\u0666\u0660", False),
        (LOCAL, "rebound.evil.example:7860", False),
        (LOCAL, "page.example", False),
        (LOCAL, "", False),
        (PROXIED, "x.page.example", False),
        (PROXIED, "door.example", False),
        (PROXIED, "door.example:7860", False),
        (NAMED, "rebound.evil.example:7860", False),
        (NAMED, "x.localhost:7860", False),
    ],
)
def test_a_page_answers_to_its_own_names(own: Own, host: str, answered: bool) -> None:
    refusal = why_refused(Asked(hosts=[host]), own)
    assert (refusal is None) is answered
    if refusal is not None:
        assert refusal.status == 421
        assert "--allow-host" in refusal.line
        assert "\n" not in refusal.line


@pytest.mark.parametrize("hosts", [[], ["localhost:7860", "localhost:7860"], ["localhost:7860", "evil.example"]])
def test_a_request_names_one_host(hosts: list[str]) -> None:
    assert why_refused(Asked(hosts=hosts), LOCAL) is not None
    # Old load balancers ask without one.
    assert (why_refused(Asked(hosts=hosts), PUBLIC) is None) is (not hosts)


def test_the_refusal_of_a_name_says_how_to_allow_it() -> None:
    for host, wanted in (("page.example:8080", "page.example"), ("localhost:8000", "localhost:8000")):
        refusal = why_refused(Asked(hosts=[host]), LOCAL)
        assert refusal is not None
        assert refusal.line.endswith(f"--allow-host {wanted}")
        assert why_refused(Asked(hosts=[host]), Own("127.0.0.1", PORT, read_names([wanted]))) is None


@pytest.mark.parametrize(
    ("own", "host", "forwarded", "origin", "answered"),
    [
        (LOCAL, "127.0.0.1:7860", "", "http://127.0.0.1:7860", True),
        (LOCAL, "localhost:7860", "", "http://localhost:7860", True),
        (LOCAL, "[::1]:7860", "", "http://[::1]:7860", True),
        (EIGHTY, "localhost", "", "http://localhost", True),
        (EIGHTY, "localhost:80", "", "http://localhost", True),
        (PROXIED, "page.example", "", "https://page.example", True),
        (PROXIED, "page.example", "", "http://page.example", True),
        (PROXIED, "page.example:8080", "", "http://page.example:8080", True),
        (PROXIED, "127.0.0.1:7860", "", "https://page.example", True),
        (PROXIED, "127.0.0.1:7860", "", "https://door.example:8443", True),
        (PROXIED, "127.0.0.1:7860", "page.example", "https://page.example", True),
        (PROXIED, "127.0.0.1:7860", "page.example:8080", "http://page.example:8080", True),
        (PUBLIC, "192.168.1.5:7860", "", "http://192.168.1.5:7860", True),
        (PUBLIC, "inner:7860", "page.example", "https://page.example", True),
        (SPACE, "ala-odzera.hf.space", "", "https://ala-odzera.hf.space", True),
        (SPACE, "10.20.30.40:7860", "", "https://ala-odzera.hf.space", True),
        (LOCAL, "127.0.0.1:7860", "", EVIL, False),
        (LOCAL, "127.0.0.1:7860", "", "null", False),
        (LOCAL, "127.0.0.1:7860", "", "", False),
        (LOCAL, "127.0.0.1:7860", "", "http://127.0.0.1", False),
        (LOCAL, "127.0.0.1:7860", "", "http://localhost:7860", False),
        (LOCAL, "localhost:7860", "", "http://localhost:3000", False),
        (LOCAL, "localhost:7860", "", "http://x.localhost:7860", False),
        (LOCAL, "localhost:7860", "", "http://localhost:7860.evil.example", False),
        (LOCAL, "localhost:7860", "", "http://localhost:7860@evil.example", False),
        (LOCAL, "localhost:7860", "", "http://localhost:7860 http://evil.example", False),
        (LOCAL, "localhost:7860", "", "chrome-extension://localhost:7860", False),
        (LOCAL, "localhost:7860", "", "file://", False),
        (PROXIED, "localhost:7860", "", "https://page.example:3000", False),
        (PROXIED, "localhost:7860", "", "https://door.example", False),
        (PROXIED, "page.example", "", "http://page.example:8080", False),
        (PUBLIC, "192.168.1.5:7860", "", EVIL, False),
        (PUBLIC, "192.168.1.5:7860", "", "null", False),
        (PUBLIC, "inner:7860", "page.example", EVIL, False),
        (NAMED, "page.example", "", EVIL, False),
        (SPACE, "ala-odzera.hf.space", "", "https://huggingface.co", False),
        (SPACE, "ala-odzera.hf.space", "", "https://ola-other.hf.space", False),
    ],
)
def test_a_page_is_asked_by_itself(own: Own, host: str, forwarded: str, origin: str, answered: bool) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        asked = Asked(method, [host], forwarded, [origin])
        refusal = why_refused(asked, own)
        assert (refusal is None) is answered
        assert refusal is None or refusal.status == 403


def test_every_origin_must_be_the_pages_own() -> None:
    own = "http://localhost:7860"
    assert why_refused(Asked(hosts=["localhost:7860"], origins=[own, own]), LOCAL) is None
    assert why_refused(Asked(hosts=["localhost:7860"], origins=[own, EVIL]), LOCAL) is not None


@pytest.mark.parametrize(("own", "answered"), [(LOCAL, False), (NAMED, False), (PUBLIC, True), (SPACE, True)])
def test_a_name_that_a_proxy_hands_on_counts_as_the_pages_own_only_where_it_is_answered_to(
    own: Own, answered: bool
) -> None:
    asked = Asked(hosts=["localhost:7860"], forwarded_host="evil.example", origins=[EVIL])
    assert (why_refused(asked, own) is None) is answered


NAVIGATION = {"mode": "navigate", "dest": "document"}


@pytest.mark.parametrize(
    ("own", "said", "answered"),
    [
        (LOCAL, {"site": "same-origin", "mode": "cors", "dest": "empty"}, True),
        (LOCAL, {"site": "none", **NAVIGATION}, True),
        (LOCAL, {"site": "cross-site", **NAVIGATION}, True),
        (LOCAL, {"site": "same-site", **NAVIGATION}, True),
        (LOCAL, {"site": "cross-site", "mode": "navigate"}, True),
        (SPACE, {"site": "cross-site", "mode": "navigate", "dest": "iframe"}, True),
        (SPACE, {"site": "cross-site", **NAVIGATION}, True),
        (LOCAL, {"site": "cross-site", "mode": "cors", "dest": "empty"}, False),
        (LOCAL, {"site": "same-site", "mode": "cors", "dest": "empty"}, False),
        (LOCAL, {"site": "cross-site", "mode": "no-cors", "dest": "script"}, False),
        (LOCAL, {"site": "cross-site", "mode": "no-cors", "dest": "image"}, False),
        (LOCAL, {"site": "cross-site"}, False),
        (LOCAL, {"site": "Cross-Site", "mode": "cors"}, False),
        (LOCAL, {"site": "a-later-word", "mode": "cors"}, False),
        (LOCAL, {"site": "cross-site", "mode": "navigate", "dest": "iframe"}, False),
        (LOCAL, {"site": "cross-site", "mode": "navigate", "dest": "object"}, False),
        (LOCAL, {"site": "cross-site", "method": "POST", **NAVIGATION}, False),
        (LOCAL, {"site": "cross-site", "is_page": False, **NAVIGATION}, False),
        (PUBLIC, {"site": "cross-site", "mode": "navigate", "dest": "iframe"}, False),
        (PUBLIC, {"site": "cross-site", "mode": "cors"}, False),
        (SPACE, {"site": "cross-site", "mode": "cors"}, False),
        (SPACE, {"site": "same-site", "mode": "cors"}, False),
        (SPACE, {"site": "cross-site", "method": "POST", "mode": "navigate", "dest": "iframe"}, False),
    ],
)
def test_other_sites_may_link_to_a_page_and_nothing_else(own: Own, said: dict[str, Any], answered: bool) -> None:
    refusal = why_refused(Asked(hosts=["localhost:7860"], **said), own)
    assert (refusal is None) is answered
    assert refusal is None or refusal.status == 403


@pytest.mark.parametrize(
    "name", ["", "*", "*.example", "https://page.example", "page.example/", "a b", "a:b", "-:0", "ż" * 99]
)
def test_a_name_that_is_none_is_one_line(name: str) -> None:
    with pytest.raises(OdzeraError, match="NAME or NAME:PORT") as caught:
        read_names([name])
    assert "\n" not in str(caught.value)


def test_names_are_read_as_browsers_write_them() -> None:
    assert read_names(["Page.Example", "żółw.example:80"]) == (
        Address("page.example"),
        Address("xn--w-uga1v8h.example", 80),
    )
    assert read_address("[0::1]:80") == Address("[::1]", 80)


def test_where_a_page_runs_decides_which_addresses_are_its_own() -> None:
    assert own_addresses("127.0.0.1", PORT, (), {}) == LOCAL
    assert own_addresses("::1", PORT, (), {}) == own_addresses("[::1]", PORT, (), {}) == Own("[::1]", PORT)
    assert own_addresses("0.0.0.0", PORT, (), {}) == PUBLIC  # noqa: S104
    assert own_addresses("0.0.0.0", PORT, read_names(["page.example"]), {}) == NAMED  # noqa: S104
    hub = {"SPACE_ID": "ala/odzera", "SPACE_HOST": "ala-odzera.hf.space"}
    assert own_addresses("0.0.0.0", PORT, (), hub) == SPACE  # noqa: S104
    moved = own_addresses("0.0.0.0", PORT, (), hub | {"SPACE_HOST": "page.example, ala-odzera.hf.space"})  # noqa: S104
    assert [name for name, _ in moved.names] == ["page.example", "ala-odzera.hf.space"]


# The served page.


@pytest.fixture(scope="module")
def page(trained: Places) -> Iterator[gr.Blocks]:
    """The page with its dashboard, served as the program serves it."""
    storage = default_storage(trained)
    blocks = build_app(open_context(trained, storage, "/dashboard"))
    launch(blocks, "127.0.0.1", free_port(), routes=mount_dashboard(storage))
    yield blocks
    blocks.close(verbose=False)


@contextmanager
def small(host: str = "127.0.0.1", **more: Any) -> Iterator[gr.Blocks]:
    """A page with one box, served as the program serves it."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        text = gr.Textbox()
        text.submit(lambda typed: typed, text, text, api_name="echo")
    launch(blocks, host, free_port(), **more)
    try:
        yield blocks
    finally:
        blocks.close(verbose=False)


def ask(
    page: gr.Blocks, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request, with the headers as they are given; nothing is followed."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server_port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def say(page: gr.Blocks, *lines: str, version: str = "1.1") -> bytes:
    """What comes back for lines that are sent as they stand."""
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=20) as wire:
        whole = (f"GET /config HTTP/{version}", *lines, "Connection: close", "")
        wire.sendall("".join(f"{line}\r\n" for line in whole).encode("latin-1"))
        parts = []
        while part := wire.recv(2**16):
            parts.append(part)
        return b"".join(parts)


ADDRESSES = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/pl"),
    ("GET", "/config"),
    ("GET", "/config/"),
    ("GET", "/theme.css"),
    ("GET", "/manifest.json"),
    ("GET", "/icons/icon.svg"),
    ("GET", "/assets/nothing.js"),
    ("GET", "/static/nothing.css"),
    ("GET", "/logout"),
    ("POST", "/login"),
    ("GET", "/dashboard"),
    ("GET", "/dashboard/"),
    ("GET", "/dashboard/api/studies"),
    ("DELETE", "/dashboard/api/studies/0"),
    ("GET", "//dashboard/api/studies"),
    ("GET", "/%64ashboard/api/studies"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/openapi.json"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/gradio_api/queue/data?session_hash=a"),
    ("GET", "/gradio_api/queue/status"),
    ("GET", "/gradio_api/heartbeat/a"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/upload_progress?upload_id=a"),
    ("GET", "/gradio_api/call/classify_slang/a"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/call/classify_slang"),
    ("POST", "/gradio_api/run/predict"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/reset"),
    ("GET", "/gradio_api/mcp/"),
    ("POST", "/gradio_api/mcp/"),
    ("GET", "/not-there"),
    ("TRACE", "/"),
]


def foreign(port: int) -> list[tuple[int, dict[str, str]]]:
    """What a browser sends for another site's page, and how it is answered."""
    own = f"127.0.0.1:{port}"
    return [
        (403, {"Host": own, "Origin": EVIL}),
        (403, {"Host": own, "Origin": "null"}),
        (403, {"Host": f"localhost:{port}", "Origin": "http://localhost:3000"}),
        (403, {"Host": own, "Origin": f"http://127.0.0.1.evil.example:{port}"}),
        (403, {"Host": own, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
        (403, {"Host": own, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}),
        (403, {"Host": own, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
        (421, {"Host": f"x.localhost:{port}", "Origin": EVIL}),
        (421, {"Host": f"localhost.:{port}", "Origin": EVIL}),
        (421, {"Host": f"127.0.0.2:{port}", "Origin": EVIL}),
        (403, {"Host": f"[::1]:{port}", "Origin": EVIL}),
        (421, {"Host": f"rebound.evil.example:{port}"}),
        (421, {"Host": f"rebound.evil.example:{port}", "Origin": f"http://rebound.evil.example:{port}"}),
        (421, {"Host": own, "X-Forwarded-Host": "evil.example", "Origin": EVIL}),
    ]


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_another_sites_page_is_answered_nothing_at_any_address(page: gr.Blocks, method: str, path: str) -> None:
    for status, headers in foreign(page.server_port):
        answered, sent, body = ask(page, path, headers, method, b"" if method == "POST" else None)
        assert answered == status, headers
        assert body.count(b"\n") == (method != "HEAD"), headers
        assert not [name for name in sent if name.lower().startswith("access-control")]
        assert sent["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/config", "/gradio_api/queue/join", "/gradio_api/upload", "/login", "/dashboard/api/studies"]
)
def test_no_browser_is_told_that_another_site_may_ask(page: gr.Blocks, path: str) -> None:
    port = page.server_port
    wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-forwarded-host"}
    for status, headers in foreign(port):
        answered, sent, _ = ask(page, path, headers | wish, "OPTIONS")
        assert answered == status
        assert not [name for name in sent if name.lower().startswith("access-control")]
    own = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}
    for method, more in (("OPTIONS", wish), ("GET", {})):
        _, sent, _ = ask(page, path, own | more, method)
        assert not [name for name in sent if name.lower().startswith("access-control")]


def test_nothing_another_sites_page_sends_is_kept_or_started(page: gr.Blocks) -> None:
    uploads = Path(page.app.uploaded_file_dir)
    before = files_below(uploads)
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\ntext,label\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    started = len(page._queue.pending_messages_per_session)
    for _, headers in foreign(page.server_port):
        ask(page, "/gradio_api/upload", headers | kind, "POST", body)
        join = b'{"data": ["ale kozak"], "fn_index": 0, "session_hash": "evil"}'
        # What a page may send without asking first.
        ask(page, "/gradio_api/queue/join", headers | {"Content-Type": "text/plain"}, "POST", join)
    assert files_below(uploads) == before
    assert len(page._queue.pending_messages_per_session) == started
    with httpx.Client(base_url=page.local_url) as own:
        own.headers["Origin"] = page.local_url.rstrip("/")
        (stored,) = own.post("/gradio_api/upload", content=body, headers=kind).json()
        assert own.get(f"/gradio_api/file={stored}").text == "text,label"
        Path(stored).unlink()


def test_programs_and_the_page_itself_are_answered_as_ever(page: gr.Blocks) -> None:
    port = page.server_port
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        name = {"Host": f"{host}:{port}"}
        for headers in ({}, own, own | {"Origin": f"http://{host}:{port}"}):
            for path in ("/config", "/dashboard/api/studies", "/manifest.json", "/gradio_api/queue/status"):
                assert ask(page, path, name | headers)[0] == 200, (path, headers)
    join = b'{"data": ["ale kozak"]}'
    kind = {"Content-Type": "application/json"}
    assert ask(page, "/gradio_api/call/classify_slang", kind | own, "POST", join)[0] == 200


def test_another_site_may_link_to_the_page_and_its_dashboard(page: gr.Blocks) -> None:
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/", "/?lang=en#slang", "/pl", "/dashboard/", "/dashboard/studies/0"):
        assert ask(page, path, clicked)[0] == 200, path
    for path in ("/logout", "/gradio_api/queue/data?session_hash=a", "/gradio_api/heartbeat/a"):
        assert ask(page, path, clicked)[0] == 403, path
        assert ask(page, "/logout", clicked | {"Sec-Fetch-Site": "none"})[0] != 403
    assert ask(page, "/", clicked, "POST")[0] == 403


def test_odd_requests_are_refused_however_they_are_written(page: gr.Blocks) -> None:
    port = page.server_port
    good = f"Host: 127.0.0.1:{port}"
    assert say(page, good).startswith(b"HTTP/1.1 200")
    assert say(page, good.upper()).startswith(b"HTTP/1.1 200")
    assert say(page, good, version="1.0").startswith(b"HTTP/1.1 200")
    assert say(page, version="1.0").startswith(b"HTTP/1.1 421")
    assert say(page).startswith(b"HTTP/1.1 400")
    odd = [
        [f"Host: x.localhost:{port}"],
        [f"Host: user@127.0.0.1:{port}"],
        [f"Host: 127.0.0.1:{port}@evil.example"],
        [f"Host: 127.0.0.1:{port}, evil.example"],
        ["Host: 127.0.0.1"],
        ["Host: 127.0.0.1:1"],
        ["Host:"],
        [f"Host: http://127.0.0.1:{port}"],
        [f"Host: 127.0.0.1:{port}\xb9"],
        [good, "X-Forwarded-Host: evil.example"],
        [good, "X-Forwarded-Host: evil.example, 127.0.0.1"],
        [good, "Origin: "],
        [good, f"Origin: http://127.0.0.1:{port}", f"Origin: {EVIL}"],
        [good, "oRiGiN: null"],
    ]
    for lines in odd:
        for version in ("1.0", "1.1"):
            answer = say(page, *lines, version=version)
            assert answer[9:12] in (b"421", b"403"), lines
            assert b"gradio_api" not in answer
    for lines in ([good, good], [good, "Host: evil.example"]):
        assert say(page, *lines)[9:12] in (b"400", b"421")


def test_no_page_of_this_machine_is_framed_by_another_site(page: gr.Blocks) -> None:
    for path in ("/", "/pl", "/dashboard/", "/config"):
        policy = ask(page, path)[1]["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors 'self'"), path


def test_behind_a_password_other_sites_neither_log_in_nor_out() -> None:
    with small(auth=[("ala", "kot")]) as page, httpx.Client(base_url=page.local_url) as guest:
        form = {"username": "ala", "password": "kot"}
        assert guest.post("/login", data=form, headers={"Origin": EVIL}).status_code == 403
        assert guest.post("/login", data=form, headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
        assert not guest.cookies
        assert guest.post("/login", data=form).json() == {"success": True}
        for headers in (
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        ):
            assert guest.get("/logout", headers=headers).status_code == 403
        assert guest.get("/config").status_code == 200
        assert guest.get("/logout", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 302


def test_a_page_for_the_network_answers_to_any_name_but_to_no_other_site() -> None:
    with small("0.0.0.0") as page:  # noqa: S104
        for host in ("box.example:7860", "192.168.1.5:7860", f"localhost:{page.server_port}"):
            assert ask(page, "/config", {"Host": host})[0] == 200
            assert ask(page, "/config", {"Host": host, "Origin": f"http://{host}"})[0] == 200
            for origin in (EVIL, "null", "http://localhost:3000"):
                status, sent, _ = ask(page, "/config", {"Host": host, "Origin": origin})
                assert status == 403
                assert "Access-Control-Allow-Origin" not in sent
    with small("0.0.0.0", names=read_names(["box.example"])) as page:  # noqa: S104
        assert ask(page, "/config", {"Host": "box.example"})[0] == 200
        assert ask(page, "/config", {"Host": "192.168.1.5:7860"})[0] == 200
        assert ask(page, "/config", {"Host": "rebound.evil.example"})[0] == 421


def test_a_proxy_in_front_is_named_and_works() -> None:
    told = {"X-Forwarded-Host": "page.example", "X-Forwarded-Proto": "https", "Origin": "https://page.example"}
    with small(names=read_names(["page.example"])) as page:
        inner = {"Host": f"127.0.0.1:{page.server_port}"}
        for headers in (inner | told, told | {"Host": "page.example"}, inner | {"Origin": "https://page.example"}):
            assert ask(page, "/config", headers)[0] == 200
            assert ask(page, "/config", headers | {"Origin": EVIL})[0] == 403
        assert b"https://page.example" in ask(page, "/config", inner | told)[2]
    with small() as page:
        status, _, said = ask(page, "/config", told | {"Host": f"127.0.0.1:{page.server_port}"})
        assert status == 421
        assert b"--allow-host page.example" in said


def test_below_a_path_the_same_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/od")
    with small(names=read_names(["page.example"])) as page:
        for path in ("/od/config", "/config"):
            assert ask(page, path, {"Host": "page.example", "Origin": "https://page.example"})[0] == 200
            assert ask(page, path, {"Host": "page.example", "Origin": EVIL})[0] == 403
            assert ask(page, path, {"Host": "evil.example"})[0] == 421
            assert ask(page, path, {"Host": "page.example", **clicked})[0] == 403
        assert ask(page, "/od/", {"Host": "page.example", **clicked})[0] == 200
    monkeypatch.setenv("GRADIO_ROOT_PATH", "https://page.example/od")
    with small() as page:
        assert ask(page, "/config", {"Host": "page.example", "Origin": "https://page.example"})[0] == 200
        assert ask(page, "/config", {"Host": "evil.example"})[0] == 421


def test_a_share_link_is_answered_to_once_it_is_there() -> None:
    """The tunnel hands requests on with the name that the visitor asked for, to the address listened on."""
    link = {"Host": "0123456789abcdef.gradio.live", "Origin": "https://0123456789abcdef.gradio.live"}
    with small() as page:
        assert ask(page, "/config", link)[0] == 421
        page.share_url = link["Origin"]
        assert ask(page, "/config", link)[0] == 200
        inner = {"Host": f"127.0.0.1:{page.server_port}", "X-Forwarded-Host": link["Host"], "Origin": link["Origin"]}
        assert ask(page, "/config", inner)[0] == 200
        assert ask(page, "/config", link | {"Origin": EVIL})[0] == 403
        assert ask(page, "/config", {"Host": "another.gradio.live"})[0] == 421
        assert ask(page, "/config", {"Host": f"x.localhost:{page.server_port}"})[0] == 421


def test_a_space_works_in_the_hubs_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "ala/odzera")
    monkeypatch.setenv("SPACE_HOST", "ala-odzera.hf.space")
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.2.3"}
    with small("0.0.0.0") as page:  # noqa: S104
        for host in (
            {"Host": "ala-odzera.hf.space"},
            {"Host": "10.20.30.40:7860", "X-Forwarded-Host": "ala-odzera.hf.space"},
            {"Host": "10.20.30.40:7860"},
        ):
            host = host | proxied
            status, sent, _ = ask(page, "/?__sign=abc&lang=en", host | framed)
            assert status == 200
            assert "frame-ancestors 'self' https://huggingface.co" in sent["Content-Security-Policy"]
            own = host | {"Origin": "https://ala-odzera.hf.space", "Sec-Fetch-Site": "same-origin"}
            assert ask(page, "/config", own)[0] == 200
            assert ask(page, "/gradio_api/queue/join", own, "POST", b"{}")[0] == 422
            for origin in (EVIL, "https://huggingface.co", "https://ola-other.hf.space", "null"):
                status, sent, _ = ask(page, "/gradio_api/queue/join", host | {"Origin": origin}, "POST", b"{}")
                assert status == 403
                assert "Access-Control-Allow-Origin" not in sent
            assert ask(page, "/config", host | {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"})[0] == 403
        # The Hub looks whether it is up.
        assert ask(page, "/", {"Host": "10.20.30.40:7860"})[0] == 200


def test_no_other_site_reaches_the_tools_of_language_models(trained: Places) -> None:
    mcp = pytest.importorskip("mcp", reason="the MCP server's package isn't installed")
    from mcp.client.streamable_http import streamablehttp_client

    blocks = build_app(open_context(trained))
    launch(blocks, "127.0.0.1", free_port(), mcp_server=True)

    async def list_tools() -> int:
        async with (
            streamablehttp_client(f"{blocks.local_url}gradio_api/mcp/") as (incoming, outgoing, _),
            mcp.ClientSession(incoming, outgoing) as session,
        ):
            await session.initialize()
            return len((await session.list_tools()).tools)

    try:
        call = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'
        kind = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        for path in ("/gradio_api/mcp/", "/gradio_api/mcp", "/gradio_api/mcp/sse", "/gradio_api/mcp/messages/"):
            for status, headers in foreign(blocks.server_port):
                answered, sent, said = ask(blocks, path, headers | kind, "POST", call)
                assert answered == status
                assert b"classify" not in said
                assert "Access-Control-Allow-Origin" not in sent
        assert asyncio.run(list_tools()) == 2
    finally:
        blocks.close(verbose=False)
