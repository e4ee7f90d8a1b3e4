"""The page for everyone: no serious finding of axe-core on any tab, and a browser can install it as an app."""

import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from engine.paths import Places
from engine.search.shipped import default_storage
from gradio_app.app import build_app, launch
from gradio_app.context import open_context
from gradio_app.languages import NAMES
from gradio_app.tabs.examples import SLANG_EXAMPLES
from support.servers import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LEFT_OUT: dict[str, str] = {}
"""Rules that aren't checked → the reason; none is left out."""

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def address(trained: Places) -> Iterator[str]:
    """The page's address."""
    storage = default_storage(trained)
    blocks = build_app(open_context(trained, storage, "/dashboard"))
    launch(blocks, "127.0.0.1", free_port())
    yield str(blocks.local_url)
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


def ask_both(page: Page) -> None:
    """Have answers on the first two tabs."""
    page.fill("#slang-text textarea", "ale kozak, serio")
    page.click("#slang-ask")
    page.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
    page.locator("#tabs [role=tab]").nth(1).click()
    page.fill("#nli-premise textarea", "The kettle has just boiled.")
    page.fill("#nli-hypothesis textarea", "There is hot water.")
    page.click("#nli-ask")
    page.wait_for_selector("#nli-answers .oz-answers[data-done=true]")


def open_tab(page: Page, name: str) -> None:
    """Go to a tab; in a narrow window some are in a menu."""
    tab = page.locator("#tabs > .tab-wrapper").get_by_role("tab", name=name, exact=True)
    if not tab.count():
        page.click("#tabs .overflow-menu > button")
        tab = page.locator("#tabs .overflow-dropdown button").get_by_text(name, exact=True)
    tab.click()


def find_faults(page: Page, where: str) -> list[str]:
    """Serious and critical findings, a line each."""
    options = {"resultTypes": ["violations"], "rules": {name: {"enabled": False} for name in LEFT_OUT}}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{where}: {one['id']} ({one['impact']}): {node['target']} {node['failureSummary']} {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize(
    ("size", "theme", "path"),
    [
        pytest.param(WIDE, "light", "/", id="wide, light"),
        pytest.param(NARROW, "dark", "/pl", id="narrow, dark, Polish"),
        pytest.param(WIDE, "dark", "/pl", id="wide, dark, Polish", marks=pytest.mark.slow),
        pytest.param(NARROW, "light", "/ru", id="narrow, Russian", marks=pytest.mark.slow),
    ],
)
def test_no_tab_has_a_serious_fault(
    browser: Browser, address: str, size: dict[str, int], theme: str, path: str
) -> None:
    page = browser.new_page(viewport=size, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_default_timeout(30_000)
    page.goto(f"{address.rstrip('/')}{path}?lang=en&__theme={theme}")
    page.wait_for_selector("#slang-text textarea")
    # The examples' words come a moment after their buttons.
    page.get_by_role("button", name=SLANG_EXAMPLES[0]).wait_for()
    faults = find_faults(page, f"{theme}, at first")
    ask_both(page)
    names = page.locator("#tabs > .tab-wrapper > .visually-hidden button").all_text_contents()
    assert len(names) >= 8
    for name in names:
        open_tab(page, name)
        # What is being renewed is faint for a moment.
        page.wait_for_function("!document.querySelector('.pending, .generating, .translucent')")
        page.wait_for_timeout(300)
        faults += find_faults(page, f"{theme}, {name}")
    page.close()
    assert not faults, "\n".join(dict.fromkeys(faults))


@pytest.mark.parametrize("code", ["en", *(pytest.param(one, marks=pytest.mark.slow) for one in NAMES if one != "en")])
def test_a_browser_can_install_the_page(browser: Browser, address: str, code: str) -> None:
    page = browser.new_page(viewport=WIDE)  # type: ignore[arg-type]
    page.set_default_timeout(30_000)
    page.goto(f"{address}{'?lang=en' if code == 'en' else code}")
    page.wait_for_selector("#slang-text textarea")
    session = page.context.new_cdp_session(page)
    # The window has no desktop to put an icon on; all else has to be there.
    errors = {one["errorId"] for one in session.send("Page.getInstallabilityErrors")["installabilityErrors"]}
    assert errors <= {"in-incognito", "no-matching-service-worker"}
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].endswith(f"/manifest.json?lang={code}")
    assert '"Odzera"' in manifest["data"]
    assert page.locator("meta[name=theme-color]").get_attribute("content") == "#0f766e"
    page.close()
