"""The page as people see it, in a real browser."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import optuna
import pytest
from conftest import free_port
from playwright.sync_api import Browser, Page, expect, sync_playwright

from engine.paths import Places
from engine.search.shipped import default_storage
from engine.search.storage import open_storage
from gradio_app.slang_tab import EXAMPLES

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NAMES = {"majority", "tfidf", "scratch", "scratch-b"}
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
LIVE = "a search under way"
WIDE, NARROW = (1280, 900), (390, 844)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def studies_file(trained: Places) -> Path:
    """The shipped study, and one that has yet to begin."""
    study = optuna.create_study(study_name=LIVE, storage=open_storage(default_storage(trained)))
    study.set_user_attr("trials", 3)
    return trained.studies


@pytest.fixture(scope="module")
def address(trained: Places, studies_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address; the program itself serves it."""
    url = f"http://127.0.0.1:{free_port()}"
    log = tmp_path_factory.mktemp("page") / "log"
    environment = os.environ | {"ODZERA_HOME": str(trained.checkpoints.parent)}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "gradio_app", "--no-export", "--port", url.rpartition(":")[2]],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(300):
            assert server.poll() is None, log.read_text(encoding="utf-8")
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(20)
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator["Opener"]:
    """Opens the page in a window of some size; afterwards nothing may have gone wrong or left this machine."""
    opener = Opener(browser, address)
    yield opener
    for page in opener.pages:
        page.close()
    assert opener.complaints == []
    assert {urlsplit(url).hostname for url in opener.asked if urlsplit(url).scheme not in ("data", "blob")} == {
        "127.0.0.1"
    }


class Opener:
    """Windows on the page, with what their consoles complain about and which addresses they ask."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        self.address = address
        self.pages: list[Page] = []
        self.complaints: list[str] = []
        self.asked: list[str] = []

    def __call__(self, size: tuple[int, int] = WIDE, query: str = "") -> Page:
        page = self.browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(30_000)
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(self.address + query)
        page.wait_for_selector("#slang-text textarea")
        self.pages.append(page)
        return page


def ask_slang(page: Page, text: str) -> None:
    """Type a message, press the button, wait for every model."""
    page.fill("#slang-text textarea", text)
    page.click("#slang-ask")
    page.wait_for_selector("#slang-answers .oz-answers[data-done=true]")


def ask_nli(page: Page, premise: str, hypothesis: str) -> None:
    """Type a pair, press the button, wait for every model."""
    page.get_by_role("tab", name="NLI").click()
    page.fill("#nli-premise textarea", premise)
    page.fill("#nli-hypothesis textarea", hypothesis)
    page.click("#nli-ask")
    page.wait_for_selector("#nli-answers .oz-answers[data-done=true]")


def assert_every_model_answered(page: Page, answers: str, labels: set[str]) -> None:
    """At least four cards with a label, milliseconds and a bar for each class."""
    cards = page.locator(f"{answers} .oz-card[data-label]")
    assert cards.count() >= 4
    assert {card.get_attribute("data-model") for card in cards.all()} == NAMES
    for card in cards.all():
        expect(card).to_be_visible()
        assert card.get_attribute("data-label") in labels
        assert re.search(r"\d\s*ms", card.inner_text())
        assert card.locator(".oz-bar").count() == 3
    assert page.locator(f"{answers} .oz-summary").inner_text()


STICKING_OUT = """() => [...document.querySelectorAll('.gradio-container *')].filter(one => {
  const box = one.getBoundingClientRect();
  const inside = one.parentElement.closest('.oz-scroll');
  return box.width && box.height && box.right > innerWidth + 1 && !inside && one.checkVisibility();
}).map(one => one.tagName + '.' + one.className)"""


def assert_fits_in_width(page: Page) -> None:
    """Nothing scrolls sideways and nothing is cut off, but for the tables, which scroll in a frame of their own."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(STICKING_OUT) == []


def test_every_model_answers_a_message_side_by_side(open_page: Opener) -> None:
    page = open_page()
    ask_slang(page, "ale kozak, serio")
    assert_every_model_answered(page, "#slang-answers", {"negative", "neutral or ambiguous", "positive"})
    tops = {round(card.bounding_box()["y"]) for card in page.locator("#slang-answers .oz-card").all()}
    assert len(tops) == 1, "four cards stand in one row on a wide screen"


def test_every_model_answers_a_pair_side_by_side(open_page: Opener) -> None:
    page = open_page()
    ask_nli(page, "Somebody left the window open all night.", "The window was shut.")
    assert_every_model_answered(page, "#nli-answers", {"entailment", "neutral", "contradiction"})


def test_an_example_fills_the_box_and_a_second_question_replaces_the_answers(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("button", name=EXAMPLES[0]).click()
    expect(page.locator("#slang-text textarea")).to_have_value(EXAMPLES[0])
    page.click("#slang-ask")
    page.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
    page.fill("#slang-text textarea", " ")
    page.click("#slang-ask")
    page.wait_for_selector("#slang-answers .oz-notice")
    assert "empty" in page.locator("#slang-answers .oz-notice").inner_text()
    assert page.locator("#slang-answers .oz-card").count() == 0
    ask_slang(page, "no i lipa")
    assert page.locator("#slang-answers .oz-card[data-label]").count() == 4


def test_the_models_tab_shows_both_tables(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("tab", name="Models").click()
    for task in ("slang", "nli"):
        table = page.locator(f"#models-{task} table")
        expect(table).to_be_visible()
        assert set(table.locator("tbody th").all_inner_texts()) == NAMES
        heads = table.locator("thead th").all_inner_texts()
        assert {"accuracy", "macro F1"} <= set(heads)
        assert any("ms" in head for head in heads)


def test_latency_is_on_the_first_screen_of_the_models_tab(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("tab", name="Models").click()
    head = page.locator("#models-slang thead th").filter(has_text="ms").first
    head.wait_for()
    room = page.locator("#models-slang .oz-scroll").bounding_box()
    box = head.bounding_box()
    assert box["x"] + box["width"] <= room["x"] + room["width"], "milliseconds are cut off at 1280 px"


@pytest.mark.parametrize("query", ["?__theme=light", "?__theme=dark"])
def test_nothing_scrolls_sideways_on_a_phone(open_page: Opener, query: str) -> None:
    page = open_page(NARROW, query)
    assert_fits_in_width(page)
    ask_slang(page, f"ale kozak {'bardzo' * 60}")
    assert_fits_in_width(page)
    ask_nli(page, "Somebody sings in the stairwell.", "It is quiet.")
    assert_fits_in_width(page)
    page.get_by_role("tab", name="Models").click()
    page.wait_for_selector("#models-nli table")
    assert_fits_in_width(page)
    last = page.locator("#models-nli thead th").last
    assert last.bounding_box()["x"] > NARROW[0]
    page.locator("#models-nli .oz-scroll").evaluate("frame => { frame.scrollLeft = frame.scrollWidth }")
    assert last.bounding_box()["x"] < NARROW[0], "the table's last column can't be reached"


def test_typed_markup_becomes_no_element(open_page: Opener) -> None:
    page = open_page()
    scripts = page.locator("script").count()
    ask_slang(page, SCRIPT)
    assert page.locator("#slang-answers .oz-card[data-label]").count() == 4
    assert page.locator("#slang-answers script, #slang-answers img").count() == 0
    assert page.locator("script").count() == scripts
    assert "taken" not in page.title()
    ask_nli(page, SCRIPT, SCRIPT)
    assert page.locator("#nli-answers script, #nli-answers img").count() == 0
    assert page.locator("#nli-answers .oz-card[data-label]").count() == 4
    assert "taken" not in page.title()


def ask_why(page: Page, text: str) -> None:
    """Type a message, open the block that asks why, wait for every model."""
    page.fill("#slang-text textarea", text)
    page.get_by_role("button", name="Why? The words behind each verdict").first.click()
    page.click("#slang-explain")
    page.wait_for_selector("#slang-heat .oz-heat[data-done=true]")


def test_every_model_says_why_in_the_same_words_under_each_other(open_page: Opener) -> None:
    page = open_page()
    ask_why(page, f"ale kozak {SCRIPT}")
    rows = page.locator("#slang-heat .oz-heat-row")
    assert {row.get_attribute("data-model") for row in rows.all()} == NAMES
    assert {row.locator(".oz-heat-text").inner_text() for row in rows.all()} == {f"ale kozak {SCRIPT}"}
    lefts = {round(row.locator("[data-w='0-1']").bounding_box()["x"]) for row in rows.all()}
    assert len(lefts) == 1, "the same word stands in the same place in every row"
    assert page.locator("#slang-heat script, #slang-heat img").count() == 0
    assert "taken" not in page.title()
    rows.first.locator("[data-w='0-1']").hover()
    assert page.locator("#slang-heat .oz-same").count() == len(NAMES)
    phone = open_page(NARROW)
    ask_why(phone, f"ale kozak {'bardzo' * 60}")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = STICKING_OUT.replace(".gradio-container *", "#slang-why *")
    assert inside != STICKING_OUT
    assert phone.evaluate(inside) == []


def test_the_page_speaks_its_language_and_names_its_fields(open_page: Opener) -> None:
    page = open_page()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert "Odzera" in page.title()
    assert page.locator("h1").count() == 1
    expect(page.get_by_label("Message in Polish")).to_be_visible()
    expect(page.get_by_role("button", name="Ask every model").first).to_be_visible()


def test_the_study_tab_shows_the_shipped_search(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("tab", name="Study").click()
    page.wait_for_selector("#study-view svg circle")
    assert page.locator("#study-view svg circle").count() >= 450
    expect(page.locator("#study-view")).to_contain_text("500 of 500 trials")
    expect(page.locator("#study-view")).to_contain_text("PED-ANOVA")
    assert page.locator("#study-view tbody tr").count() == 10
    assert page.locator("#study-view a").get_attribute("href") == "/dashboard/studies/1"


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_study_tab_fits_the_window(open_page: Opener, size: tuple[int, int]) -> None:
    page = open_page(size)
    page.get_by_role("tab", name="Study").click()
    page.wait_for_selector("#study-view svg circle")
    assert page.evaluate(STICKING_OUT) == []


def test_the_mounted_dashboard_shows_the_study_and_no_way_to_change_it(open_page: Opener) -> None:
    page = open_page()
    page.goto(f"{open_page.address}/dashboard/")
    page.get_by_text("slang@").first.wait_for()
    for hidden in ("delete study", "rename study"):
        expect(page.get_by_role("button", name=hidden)).to_have_count(0)
    expect(page.get_by_role("button", name="Create")).to_have_count(0)
    page.get_by_text("slang@").first.click()
    page.wait_for_url("**/dashboard/studies/1")
    page.wait_for_selector(".js-plotly-plot .scatterlayer path.point, .js-plotly-plot .scatterlayer path")
    page.goto(f"{open_page.address}/dashboard/studies/1/note")
    page.get_by_text("settings for the decoder from scratch").first.wait_for()
    answered = page.evaluate(
        "fetch('/dashboard/api/studies/1', {method: 'DELETE', body: '{}'}).then(one => one.status)"
    )
    assert answered == 405
    # The browser itself reports the refused request.
    open_page.complaints[:] = [one for one in open_page.complaints if "405" not in one]


def test_a_running_search_is_followed_live(open_page: Opener, studies_file: Path) -> None:
    page = open_page()
    page.get_by_role("tab", name="Study").click()
    page.wait_for_selector("#study-view .oz-summary")
    study = optuna.load_study(study_name=LIVE, storage=open_storage(str(studies_file)))
    page.get_by_label("Study").first.click()
    page.get_by_role("option", name=re.compile(LIVE)).click()
    expect(page.locator("#study-view")).to_contain_text("0 of 3 trials")
    trial = study.ask()
    expect(page.locator("#study-view")).to_contain_text("searching now", timeout=20_000)
    study.tell(trial, 0.4321)
    expect(page.locator("#study-view")).to_contain_text("1 of 3 trials", timeout=20_000)
    expect(page.locator("#study-view")).to_contain_text("0.4321")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_data_tab_shows_the_shipped_curves_and_fits_the_window(open_page: Opener, size: tuple[int, int]) -> None:
    page = open_page(size)
    page.get_by_role("tab", name="Data", exact=True).click()
    page.wait_for_selector("#curve-view svg path.oz-trace")
    series = page.locator("#curve-view svg path.oz-trace").count()
    assert page.locator("#curve-view thead th").count() == series + 1
    assert page.evaluate(STICKING_OUT) == []
    before = page.locator("#curve-view td").first.inner_text()
    page.get_by_role("radio", name="macro F1").check()
    expect(page.locator("#curve-view td").first).not_to_have_text(before)
    expect(page.locator("#curve-view")).to_contain_text("macro F1")
