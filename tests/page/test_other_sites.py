"""A page of another site, in a real browser, against the page of this machine."""

import json
import shutil
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from engine.paths import Places
from engine.search.shipped import default_storage
from gradio_app.app import build_app, launch
from gradio_app.context import Context, open_context
from gradio_app.server.dashboard import mount_dashboard
from support.files import files_below
from support.models import places_in
from support.servers import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REBOUND = "rebound.evil.example"
READ = ('"components"', "study_summaries", "event_id", "evil.csv")
"""What is in answers that were given."""
ATTACK = """async ({target, join}) => {
    const got = {};
    const ask = async (name, path, options) => {
        try { got[name] = await (await fetch(target + path, options)).text(); } catch { got[name] = ""; }
    };
    const post = (body, type, more) => ({method: "POST", body, headers: type ? {"Content-Type": type} : {}, ...more});
    const file = () => {
        const form = new FormData();
        form.append("files", new Blob(["a,b"]), "evil.csv");
        return form;
    };
    const blind = {mode: "no-cors", credentials: "include"};
    await ask("config", "/config", {credentials: "include"});
    await ask("studies", "/dashboard/api/studies", {credentials: "include"});
    await ask("blindly", "/config", blind);
    await ask("join", "/gradio_api/queue/join", post(join, "application/json"));
    await ask("simple", "/gradio_api/queue/join", post(join, "text/plain", blind));
    await ask("forwarded", "/config", {headers: {"X-Forwarded-Host": location.host}});
    await ask("upload", "/gradio_api/upload", post(file(), ""));
    await ask("dropped", "/gradio_api/upload", post(file(), "", blind));
    for (const path of ["/gradio_api/queue/join", "/gradio_api/call/classify_slang", "/login"]) {
        const frame = document.createElement("iframe"), form = document.createElement("form");
        const field = document.createElement("textarea");
        frame.name = form.target = "frame" + path;
        // Written so that it ends as JSON, whatever comes between name and value.
        [field.name, field.value] = [join.slice(0, -1) + ', "rest": "', '"}'];
        Object.assign(form, {method: "POST", action: target + path, enctype: "text/plain"});
        form.append(field);
        document.body.append(frame, form);
        await new Promise(done => { frame.onload = done; form.submit(); setTimeout(done, 3000); });
    }
    for (const path of ["/?lang=en", "/dashboard/"]) {
        const frame = document.createElement("iframe");
        await new Promise(done => {
            Object.assign(frame, {src: target + path, onload: done});
            document.body.append(frame);
            setTimeout(done, 3000);
        });
    }
    return got;
}"""

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def context(trained: Places, tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Models of the test's own, beside which more can be trained."""
    places = places_in(tmp_path_factory.mktemp("own"))
    shutil.copytree(trained.checkpoints, places.checkpoints)
    shutil.copytree(trained.store.parent, places.store.parent)
    return open_context(places, default_storage(places), "/dashboard")


@pytest.fixture(scope="module")
def served(context: Context) -> Iterator[gr.Blocks]:
    """The page, served to this machine."""
    blocks = build_app(context)
    launch(blocks, "127.0.0.1", free_port(), routes=mount_dashboard(context.storage))
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for which a name leads here that its owner has pointed here."""
    rules = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", rules]
        )
        yield started
        started.close()


@pytest.fixture(params=["127.0.0.1", "127.0.0.2", "x.localhost"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Another site."""
    (tmp_path / "index.html").write_text("<!doctype html><title>Another site</title><body></body>", encoding="utf-8")
    address = request.param if request.param[0].isdigit() else "127.0.0.1"
    server = ThreadingHTTPServer((address, 0), partial(Silent, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{request.param}:{server.server_port}"
    server.shutdown()
    server.server_close()


class Silent(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


def start_training(page: gr.Blocks) -> str:
    """What the page sends when a run is started."""
    (number,) = (
        key
        for key, one in page.fns.items()
        if one.page == "" and one.name == "begin" and one.fn.__module__ == "gradio_app.tabs.training"
    )
    values = [getattr(one, "value", None) for one in page.fns[number].inputs]
    values = ["majority" if value == "scratch" else value for value in values]
    return json.dumps({"data": values, "fn_index": number, "session_hash": uuid.uuid4().hex})


def uploaded(page: gr.Blocks) -> list[Path]:
    """What the attack has left on the disk."""
    return [one for one in files_below(Path(page.app.uploaded_file_dir)) if one.name == "evil.csv"]


def attack(page: Page, target: str, join: str) -> dict[str, str]:
    """Try all that a page can: what it could read."""
    got: dict[str, str] = page.evaluate(ATTACK, {"target": target, "join": join})
    return {name: text for name, text in got.items() if any(word in text for word in READ)}


def test_another_sites_page_reads_nothing_and_starts_nothing(
    served: gr.Blocks, context: Context, browser: Browser, site: str
) -> None:
    page = browser.new_page()
    page.goto(site)
    answers: list[tuple[int, str]] = []
    targets = [f"http://{name}:{served.server_port}" for name in ("127.0.0.1", "localhost", "x.localhost", REBOUND)]
    page.on("response", lambda one: one.url.startswith(tuple(targets)) and answers.append((one.status, one.url)))
    before = len(served._queue.pending_messages_per_session)
    for target in targets:
        assert attack(page, target, start_training(served)) == {}, target
        assert [frame.url for frame in page.frames if frame.locator("#slang-text, #root").count()] == []
    assert answers
    assert {status for status, _ in answers} <= {403, 421}, answers
    assert context.training is not None
    assert context.training.look() is None
    assert len(served._queue.pending_messages_per_session) == before
    assert uploaded(served) == []
    page.close()


def test_a_name_that_was_pointed_here_is_no_way_in(served: gr.Blocks, context: Context, browser: Browser) -> None:
    page = browser.new_page()
    address = f"http://{REBOUND}:{served.server_port}"
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 421
    # To the browser this page and the address are one site.
    assert attack(page, address, start_training(served)) == {}
    assert context.training is not None
    assert context.training.look() is None
    assert uploaded(served) == []
    page.close()


def test_the_page_itself_and_links_to_it_work_in_full(served: gr.Blocks, browser: Browser, site: str) -> None:
    page = browser.new_page(locale="en-GB")
    complaints: list[str] = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto(site)
    for name in ("127.0.0.1", "localhost"):
        address = f"http://{name}:{served.server_port}"
        page.goto(site)
        page.evaluate("address => { location.href = address }", address)
        page.wait_for_selector("#slang-text textarea")
        page.fill("#slang-text textarea", "ale kozak, serio")
        page.click("#slang-ask")
        page.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
        page.goto(site)
        page.evaluate("address => { location.href = address }", f"{address}/dashboard/")
        page.get_by_text("slang@").first.wait_for()
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []
    page.close()


def test_what_the_attack_does_succeeds_from_the_page_itself(
    served: gr.Blocks, context: Context, browser: Browser
) -> None:
    """Otherwise the other tests would show nothing."""
    page = browser.new_page()
    page.goto(f"{served.local_url}?lang=en")
    got = attack(page, served.local_url.rstrip("/"), start_training(served))
    assert set(got) >= {"config", "studies", "blindly", "join", "upload", "dropped"}
    assert uploaded(served)
    assert context.training is not None
    page.wait_for_timeout(500)
    assert context.training.look() is not None
    context.training.cancel()
    context.training.wait(60)
    page.close()
