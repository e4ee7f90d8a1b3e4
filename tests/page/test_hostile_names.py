"""Models, data and curves whose names are attacks, on every tab of the page, in a real browser."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, sync_playwright

from engine.paths import ROOT, Places
from engine.search.shipped import default_storage
from gradio_app.app import build_app, launch
from gradio_app.context import open_context
from gradio_app.server.dashboard import mount_dashboard
from support.models import places_in
from support.servers import CHROMIUM, free_port

TAKE = "document.title=`taken`"
WORDS = (
    f'<img src=x onerror="{TAKE}">',
    f'"><script>{TAKE}</script><svg onload="{TAKE}">',
    f"' onmouseover='{TAKE}' autofocus onfocus='{TAKE}' x=\"&quot;`${{{TAKE}}}`",
    f"\u202e</textarea></style></title></option><iframe srcdoc='<script>top.{TAKE}</script>'>" + "ż" * 3000,
    f"[link](javascript:{TAKE}) ![](x) {{{{constructor.constructor('{TAKE}')()}}}} <a href='javascript:{TAKE}'>",
)
SOURCE = f'/data/"><img src=x onerror="{TAKE}">\u202e.csv'
# Names in the records that are no choice of ours; the others say what kind of thing it is, and are checked when read.
POISONED = {"summary", "licence", "source", "repo_id", "revision", "device_name", "version", "python", "study", "torch"}
TABS = ("NLI", "Batch", "Models", "Training", "Data", "Study", "About")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


def poison(value: Any, word: str) -> Any:
    """The same with the word in the place of all that may say anything."""
    if isinstance(value, dict):
        return {
            key: word if key in POISONED and isinstance(one, str) else poison(one, word) for key, one in value.items()
        }
    return [poison(one, word) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def places(trained: Places, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Trained models with other names."""
    places = places_in(tmp_path_factory.mktemp("hostile"))
    shutil.copytree(trained.checkpoints, places.checkpoints)
    places.store.parent.mkdir(parents=True)
    for task in ("slang", "nli"):
        files = sorted((places.checkpoints / task).glob("*/manifest.json"))
        for file, word in zip(files, WORDS, strict=False):
            manifest = poison(json.loads(file.read_text(encoding="utf-8")), word)
            manifest["name"] = manifest["run"]["model"] = word
            manifest["recipe"]["name"] = manifest["run"]["record"]["recipe"] = word
            manifest["run"]["record"]["settings"]["name"] = word
            manifest["data"]["source"] = manifest["run"]["source"] = SOURCE
            manifest["origin"] = {"repo_id": word, "revision": word}
            file.write_text(json.dumps(manifest), encoding="utf-8")
    for number, file in enumerate(sorted((ROOT / "studies").glob("curve-*.json"))):
        curve = json.loads(file.read_text(encoding="utf-8")) | {"source": SOURCE}
        name = f"curve-{WORDS[number][:60].replace('/', '')}.json"
        (places.store.parent / name).write_text(json.dumps(poison(curve, WORDS[number])), encoding="utf-8")
    return places


@pytest.fixture(scope="module")
def window(places: Places) -> Iterator[Page]:
    """The page of such models, in a window that knows when anything is executed."""
    storage = default_storage(places)
    context = open_context(places, storage, "/dashboard")
    assert context.notes == []
    assert len(context.registry.models("slang")) == 4
    page: gr.Blocks = build_app(context)
    launch(page, "127.0.0.1", free_port(), routes=mount_dashboard(storage))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page(viewport={"width": 1500, "height": 1200})
        window.set_default_timeout(20_000)
        window.goto(f"{page.local_url}?lang=en")
        window.wait_for_selector("#slang-text textarea")
        yield window
        browser.close()
    page.close(verbose=False)


def check(window: Page, where: str) -> None:
    """Nothing of the words is anything but text; what lies under the mouse or gets the focus included."""
    window.mouse.move(700, 500)
    window.mouse.wheel(0, 400)
    window.wait_for_timeout(100)
    made = window.evaluate(
        "[...document.querySelectorAll('img[src=x], [onerror], [onload], [onmouseover], [onfocus], iframe[srcdoc],"
        ' a[href^="javascript:"]\')].map(one => one.outerHTML.slice(0, 200))'
    )
    assert made == [], where
    assert window.title() == "Odzera: from scratch or pretrained?", where


def open_tab(window: Page, name: str) -> None:
    """Open a tab, from the menu where Gradio keeps those that don't fit."""
    tab = window.get_by_role("tab", name=name, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
    else:
        window.locator(".overflow-menu button").first.click()
        window.locator(".overflow-dropdown button", has_text=name).first.click()
    # The page streams for ever; what a tab loads when it is opened comes at once.
    window.wait_for_timeout(800)


def test_answers_and_reasons_show_names_as_words(window: Page) -> None:
    window.fill("#slang-text textarea", "ale petarda")
    window.click("#slang-ask")
    window.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
    assert TAKE in window.inner_text("#slang-answers")
    check(window, "slang")
    open_tab(window, "NLI")
    window.fill("#nli-premise textarea", "It rains.")
    window.fill("#nli-hypothesis textarea", "It is wet.")
    window.click("#nli-ask")
    window.wait_for_selector("#nli-answers .oz-answers[data-done=true]")
    assert TAKE in window.inner_text("#nli-answers")
    check(window, "nli")


def test_a_file_is_answered_by_models_of_such_names(window: Page) -> None:
    open_tab(window, "Batch")
    window.click("#batch-try-slang")
    window.wait_for_selector("#batch-models label")
    check(window, "batch, choices")
    window.click("#batch-run")
    window.wait_for_selector("#batch-results table")
    assert TAKE in window.inner_text("#batch-results")
    check(window, "batch, results")


@pytest.mark.parametrize("name", TABS)
def test_every_tab_shows_names_as_words(window: Page, name: str) -> None:
    open_tab(window, name)
    # What is folded is looked at too, and every menu opened once.
    window.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    check(window, name)
    for menu in window.locator("input[role=listbox]:visible").all()[:2]:
        menu.focus()
        check(window, f"{name}, a menu")
        window.keyboard.press("Escape")
    if name == "Models":
        assert TAKE in window.inner_text("body")
