"""The page below a path, behind a real proxy that takes the path off or leaves it."""

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import gradio as gr
import httpx
import pytest
from playwright.sync_api import sync_playwright
from starlette.types import Receive, Scope, Send

from engine.errors import OdzeraError
from engine.paths import Places
from engine.search.shipped import default_storage
from gradio_app.app import build_app, launch
from gradio_app.context import open_context
from gradio_app.handlers.batch import MOST_LABELS
from gradio_app.server.below import Below, path_of, prefix_of, read_root_path
from gradio_app.server.dashboard import mount_dashboard
from gradio_app.server.origins import read_names
from support.servers import CHROMIUM, free_port
from support.visitors import Visitor, file_data

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
NAME = "page.example"


@pytest.mark.parametrize(
    ("given", "root", "prefix"),
    [
        ("", "", ""),
        ("/", "", ""),
        ("od", "/od", "/od"),
        ("/od/", "/od", "/od"),
        ("/a/b-c_d.e~f", "/a/b-c_d.e~f", "/a/b-c_d.e~f"),
        ("https://page.example/od/", "https://page.example/od", "/od"),
        ("https://page.example:8443", "https://page.example:8443", ""),
    ],
)
def test_a_root_path_is_a_path_or_an_address(given: str, root: str, prefix: str) -> None:
    assert read_root_path(given) == root
    assert prefix_of(root) == prefix


@pytest.mark.parametrize(
    "given", ['/"><script>', "/a b", "/../x", "/./x", "//host/x", "ftp://a/b", "javascript:x", "/a?b", "/a#b", "/a\nb"]
)
def test_a_root_path_that_could_mean_something_else_is_refused(given: str) -> None:
    with pytest.raises(OdzeraError, match="--root-path takes"):
        read_root_path(given)


@pytest.mark.parametrize(
    ("path", "below"),
    [("/od", ""), ("/od/", "/"), ("/od/pl", "/pl"), ("/pl", "/pl"), ("/odd/pl", "/odd/pl"), ("/", "/")],
)
def test_the_path_is_the_same_whether_the_proxy_takes_it_off_or_not(path: str, below: str) -> None:
    assert path_of({"type": "http", "path": path, "root_path": "/od"}) == below
    assert path_of({"type": "http", "path": path, "root_path": "https://page.example/od"}) == below


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_inside_sees_the_whole_path() -> None:
    seen: list[tuple[str, str, bytes]] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["root_path"], scope["path"], scope["raw_path"]))

    for path in ("/od/dashboard/api", "/dashboard/api"):
        scope = {"type": "http", "path": path, "raw_path": path.encode(), "root_path": "https://page.example/od"}
        await Below(inside)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [("/od", "/od/dashboard/api", b"/od/dashboard/api")] * 2


CONFIGURATION = """
daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{front};
        client_max_body_size 20m;
        location /od/ {{
            proxy_pass http://127.0.0.1:{back}{taken};
            proxy_http_version 1.1;
            proxy_buffering off;
            {headers}
        }}
    }}
}}
"""
HOST = "proxy_set_header Host $http_host;"
FORWARDED = "proxy_set_header X-Forwarded-Host $http_host;"
REST = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;"


@contextmanager
def proxied(folder: Path, back: int, taken: str, headers: str) -> Iterator[str]:
    """An nginx before the page; its address."""
    assert NGINX is not None
    folder.mkdir()
    front = free_port()
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, front=front, back=back, taken=taken, headers=headers + REST))
    server = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(file)], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{front}"
    try:
        for _ in range(100):
            try:
                httpx.get(address, timeout=5)
                break
            except httpx.TransportError:
                assert server.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="module")
def page(trained: Places) -> Iterator[gr.Blocks]:
    """The page, told that it lies below a path."""
    storage = default_storage(trained)
    blocks = build_app(open_context(trained, storage, "/od/dashboard"))
    names = read_names([NAME, "127.0.0.1"])
    launch(blocks, "127.0.0.1", free_port(), routes=mount_dashboard(storage), names=names, root_path="/od")
    yield blocks
    blocks.close(verbose=False)


WAYS = {
    "taken off, host handed on": ("/", HOST),
    "taken off, host forwarded": ("/", FORWARDED),
    "left, host handed on": ("", HOST),
    "left, host forwarded": ("", FORWARDED),
}

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module", params=WAYS, ids=list(WAYS))
def address(request: pytest.FixtureRequest, page: gr.Blocks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where nginx serves the page."""
    folder = tmp_path_factory.mktemp("nginx") / "nginx"
    with proxied(folder, page.server_port, *WAYS[request.param]) as front:
        yield f"{front}/od"


@needs_nginx
@pytest.mark.slow
def test_everything_is_found_behind_nginx(page: gr.Blocks, address: str) -> None:
    origin = address.removesuffix("/od")
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(timeout=60, headers=headers) as client:
        for path, code in (("/", "en"), ("/pl", "pl"), ("/ru", "ru")):
            answer = client.get(address + path)
            assert answer.status_code == 200
            assert f'<html lang="{code}"' in answer.text
            assert f'"root":"{address}"' in answer.text.replace('": "', '":"'), path
        polish = client.get(f"{address}/?a=b", headers={"Accept-Language": "pl"}, follow_redirects=True)
        assert str(polish.url) == f"{address}/pl?a=b"
        assert str(client.get(address, follow_redirects=True).url) == f"{address}/"
        manifest = client.get(f"{address}/manifest.json?lang=pl")
        for one in (manifest.json()["start_url"], *(icon["src"] for icon in manifest.json()["icons"])):
            assert client.get(urljoin(f"{address}/manifest.json", one)).status_code == 200, one
        entered = client.get(f"{address}/dashboard?a=b")
        assert entered.status_code == 307
        assert urljoin(str(entered.url), entered.headers["location"]) == f"{address}/dashboard/?a=b"
        shown = client.get(f"{address}/dashboard/studies/1")
        assert 'src="/od/dashboard/static/bundle.js"' in shown.text
        script = client.get(f"{address}/dashboard/static/bundle.js").text
        assert script.count("/od/dashboard/api/") == 24
        assert 'url_prefix:"/od/dashboard"' in script
        studies = client.get(f"{address}/dashboard/api/studies").json()["study_summaries"]
        assert studies
        number = studies[0]["study_id"]
        assert client.get(f"{address}/dashboard/csv/{number}").status_code == 200
        assert client.get(f"{address}/dashboard/api/studies/{number}?after=0").json()["trials"]
        assert client.post(f"{address}/dashboard/api/studies", json={}).status_code == 405
    visitor = Visitor(page, uuid.uuid4().hex)
    visitor.api = f"{address}/gradio_api"
    _, path = visitor.upload(b"text\nale cudo\n", "rows.csv")
    told = visitor.call(visitor.number("batch-file", "upload"), file_data(path), "")
    kept, key = told["output"]["data"][:2]
    assert kept["url"].startswith(f"{address}/gradio_api/file=")
    assert httpx.get(kept["url"]).text == "text\nale cudo\n"
    visitor.call(visitor.number("batch-run", "click"), key)
    choice = ["slang", "text", None, "", None, ["majority"], *[None] * MOST_LABELS]
    told = visitor.call(visitor.number("batch-run", "click", then=True), key, *choice)
    made = httpx.get(told["output"]["data"][2]["value"]["url"])
    assert made.text.startswith("text,majority")
    visitor.call(visitor.number("batch-file", "clear"), key)
    event = httpx.post(f"{address}/gradio_api/call/classify_slang", json={"data": ["ale cudo"]}).json()["event_id"]
    with httpx.stream("GET", f"{address}/gradio_api/call/classify_slang/{event}", timeout=60) as stream:
        assert any("majority" in line for line in stream.iter_lines())


@needs_nginx
@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_finds_all_it_asks_for_behind_nginx(address: str) -> None:
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page()
        window.on("response", lambda one: one.status >= 400 and wrong.append(f"{one.status} {one.url}"))
        window.on("request", lambda one: urlsplit(one.url).path.startswith("/od/") or wrong.append(one.url))
        window.goto(f"{address}/pl")
        window.fill("#slang-text textarea", "ale cudo")
        window.click("#slang-ask")
        window.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
        window.locator('a[hreflang="en"]').first.click()
        window.wait_for_selector("#slang-text textarea")
        assert urlsplit(window.url).path == "/od/"
        links = window.eval_on_selector_all("a[href]", "all => all.map(one => one.href)")
        own = [one for one in links if one.startswith(address.removesuffix("/od"))]
        assert all(urlsplit(one).path.startswith("/od") for one in own), own
        window.goto(f"{address}/dashboard")
        window.get_by_text("slang", exact=False).first.wait_for()
        window.locator('a[href*="/od/dashboard/studies/"]').first.click()
        window.get_by_text("Hyperparameter", exact=False).first.wait_for()
        assert urlsplit(window.url).path.startswith("/od/dashboard/studies/")
        browser.close()
    assert [one for one in wrong if "favicon" not in one and not one.startswith(("data:", "blob:"))] == []


def test_the_page_answers_at_both_of_its_paths(page: gr.Blocks) -> None:
    """Without a proxy: with the path and without, and nowhere else."""
    inner, host = f"http://127.0.0.1:{page.server_port}", {"Host": NAME}
    for start in ("", "/od"):
        assert f'"root":"http://{NAME}/od"' in httpx.get(f"{inner}{start}/config", headers=host).text
        shown = httpx.get(f"{inner}{start}/dashboard/", headers=host)
        assert 'src="/od/dashboard/static/bundle.js"' in shown.text
        bundle = httpx.get(f"{inner}{start}/dashboard/static/bundle.js", headers=host)
        assert "${this.baseURL}/od/dashboard/api/" in bundle.text
        for path in ("/gradio_api/file=/etc/passwd", "/dashboard/../../etc/passwd", "/openapi.json"):
            assert httpx.get(f"{inner}{start}{path}", headers=host).status_code in (403, 404)
    for path in ("/odd/config", "/od/od/config", "/x/od/config"):
        assert httpx.get(f"{inner}{path}", headers=host).status_code == 404
    entered = httpx.get(f"{inner}/od?a=b", headers=host)
    assert (entered.status_code, entered.headers["location"]) == (307, "./od/?a=b")
    assert json.loads(httpx.get(f"{inner}/od/manifest.json", headers=host).text)["start_url"].startswith("./")


def test_the_dashboards_files_are_there_for_those_who_accept_no_compression(page: gr.Blocks) -> None:
    for path in ("/static/bundle.js", "/static/bundle.js.LICENSE.txt", "/", "/favicon.ico"):
        with httpx.Client(base_url=f"http://127.0.0.1:{page.server_port}/od/dashboard") as client:
            request: Any = client.build_request("GET", path)
            del request.headers["accept-encoding"]
            assert client.send(request).status_code == 200, path
