"""The page as people see it, in a real browser."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import optuna
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from engine.paths import ROOT, Places
from engine.search.shipped import SHIPPED
from engine.search.storage import open_storage
from gradio_app.tabs.slang import EXAMPLES
from support.servers import CHROMIUM, free_port, wait_for

NAMES = {"majority", "tfidf", "scratch", "scratch-b"}
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
LIVE = "a search under way"
WIDE, NARROW = (1280, 900), (390, 844)
NARROW_FIRST = [pytest.param(NARROW, id="narrow"), pytest.param(WIDE, id="wide", marks=pytest.mark.slow)]
"""Where there is little room something sticks out sooner."""

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def studies_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped study, and one that has yet to begin, in a file that no other test copies.

    Copying a file drops the locks that SQLite holds on it in the same process, and then the page deletes its journal.
    """
    file = tmp_path_factory.mktemp("studies") / "optuna.db"
    shutil.copyfile(SHIPPED, file)
    study = optuna.create_study(study_name=LIVE, storage=open_storage(str(file)))
    study.set_user_attr("trials", 3)
    poison(file)
    return file


def poison(file: Path) -> None:
    """Add a study with markup wherever a study has words."""
    study = optuna.create_study(study_name=f"poisoned {SCRIPT}", storage=open_storage(str(file)))
    study.set_metric_names([SCRIPT])
    for name in ("source", "sampler", "machine", "fingerprint"):
        study.set_user_attr(name, f"{SCRIPT}\u202e{'long ' * 2000}")
    choices = optuna.distributions.CategoricalDistribution([SCRIPT, '"><script>document.title=1</script>'])
    for value in range(6):
        study.add_trial(
            optuna.create_trial(
                value=value,
                params={SCRIPT: choices.choices[value % 2]},
                distributions={SCRIPT: choices},
                user_attrs={"stop": SCRIPT},
            )
        )
    study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs={"reason": SCRIPT}))


@pytest.fixture(scope="module")
def address(trained: Places, studies_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address; the program itself serves it, unless one with such models is served already."""
    if "ODZERA_TEST_ADDRESS" in os.environ:
        yield os.environ["ODZERA_TEST_ADDRESS"]
        return
    url = f"http://127.0.0.1:{free_port()}"
    log = tmp_path_factory.mktemp("page") / "log"
    environment = os.environ | {"ODZERA_HOME": str(trained.checkpoints.parent), "ODZERA_STORAGE": str(studies_file)}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "gradio_app", "--no-export", "--port", url.rpartition(":")[2]],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(url, server, log)
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

    def __call__(
        self, size: tuple[int, int] = WIDE, query: str = "", wait: str = "#slang-text textarea", locale: str = "en-GB"
    ) -> Page:
        page = self.browser.new_page(viewport={"width": size[0], "height": size[1]}, locale=locale)
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(self.address + query)
        page.wait_for_selector(wait)
        self.pages.append(page)
        return page


def open_tab(page: Page, name: str) -> None:
    """Open a tab, from the menu where Gradio keeps those that don't fit."""
    tab = page.get_by_role("tab", name=name, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
        return
    page.locator(".overflow-menu button").first.click()
    page.locator(".overflow-dropdown button", has_text=name).first.click()


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
  // Tables, and examples in one line.
  const inside = one.parentElement.closest('.oz-scroll, .gallery');
  // Gradio measures its tabs on a copy that nobody sees.
  const measured = one.closest('[aria-hidden="true"]');
  return box.width && box.height && box.right > innerWidth + 1 && !inside && !measured && one.checkVisibility();
}).map(one => one.tagName + '.' + one.className)"""


def assert_fits_in_width(page: Page) -> None:
    """Nothing scrolls sideways and nothing is cut off, but for the tables, which scroll in a frame of their own."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(STICKING_OUT) == []


def test_a_verdict_and_the_answer_to_the_question_are_on_the_first_screen_without_a_click(open_page: Opener) -> None:
    page = open_page((1440, 900))
    page.wait_for_selector("#slang-example .oz-card[data-label]")
    assert page.locator("#slang-answer .oz-said").first.is_visible()
    summary = page.locator("#slang-example .oz-summary").bounding_box()
    assert summary["y"] + summary["height"] <= 900
    ask_slang(page, "no i lipa")
    expect(page.locator("#slang-example")).to_be_hidden()
    expect(page.locator("#slang-answers .oz-card")).to_have_count(4)


def test_the_slider_shows_what_was_measured_at_so_many_examples(open_page: Opener) -> None:
    page = open_page(NARROW)
    slider = page.locator("#slang-answer-have")
    # The thumb stands at the most examples, which are chosen by pressing it there.
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] - 4, "y": box["height"] / 2})
    expect(page.locator("#slang-answer .oz-state:visible")).to_contain_text("28,000 training examples")
    slider.press("Home")
    shown = page.locator("#slang-answer .oz-state:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("50 training examples, 1,013 test rows, mean over 3 seeds")
    expect(slider).to_have_attribute("aria-valuetext", "50")
    slider.press("ArrowRight")
    expect(shown).to_contain_text("100 training examples")
    page.get_by_role("button", name="Back to these models").click()
    expect(shown).not_to_contain_text("training examples")
    expect(slider).to_have_attribute("aria-valuetext", "move it")
    assert_fits_in_width(page)


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


PRESS_AT_ONCE = """question => new Promise(pressed => {
  const [text, button, answers] = ["#slang-text textarea", "#slang-ask", "#slang-answers"].map(
    one => document.querySelector(one));
  new MutationObserver((_, observer) => {
    if (!answers.querySelector("[data-done=true]")) return;
    observer.disconnect();
    text.value = question;
    text.dispatchEvent(new Event("input", {bubbles: true}));
    button.click();
    pressed();
  }).observe(answers, {attributes: true, childList: true, subtree: true});
  button.click();
})"""
"""Ask, and ask something else the moment that the last answer stands there, before Gradio has closed its event."""


def test_a_question_that_follows_the_last_answer_at_once_is_answered_too(open_page: Opener) -> None:
    page = open_page()
    page.fill("#slang-text textarea", "ale kozak")
    page.evaluate(PRESS_AT_ONCE, "no i lipa")
    page.wait_for_function("decodeURIComponent(location.hash).includes('no+i+lipa')")
    page.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
    expect(page.locator("#slang-answers .oz-card[data-label]")).to_have_count(4)


def test_ctrl_enter_asks_and_the_address_brings_the_question_back(open_page: Opener) -> None:
    page = open_page()
    page.fill("#slang-text textarea", "ale kozak & spółka")
    page.press("#slang-text textarea", "Control+Enter")
    page.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
    page.get_by_role("button", name="Which models").click()
    page.get_by_role("checkbox", name="majority").uncheck()
    page.press("#slang-text textarea", "Control+Enter")
    expect(page.locator("#slang-answers .oz-card")).to_have_count(3)
    there = open_page(query=page.url.removeprefix(open_page.address))
    expect(there.locator("#slang-answers .oz-card[data-label]")).to_have_count(3)
    assert there.locator("#slang-text textarea").input_value() == "ale kozak & spółka"
    assert "spółka" not in "".join(open_page.asked), "what is typed stays out of addresses that reach a server"


def test_a_pair_is_brought_back_and_can_be_swapped(open_page: Opener) -> None:
    page = open_page(query="/#tab=nli&premise=It+rains.&hypothesis=It+is+wet.", wait="#nli-answers .oz-answers")
    page.wait_for_selector("#nli-answers .oz-answers[data-done=true]")
    page.click("#nli-swap")
    expect(page.locator("#nli-premise textarea")).to_have_value("It is wet.")
    expect(page.locator("#nli-hypothesis textarea")).to_have_value("It rains.")
    page.wait_for_function("location.hash.includes('premise=It+is+wet.')")


def test_a_link_leads_to_the_tab_that_was_looked_at(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("tab", name="Models").click()
    page.wait_for_function("location.hash === '#tab=models'")
    page = open_page(query="/#tab=models", wait="#models-table table")
    expect(page.get_by_role("tab", name="Models")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize(("locale", "code", "word"), [("pl-PL", "pl", "Zapytaj"), ("ru-RU", "ru", "Спросить")])
def test_the_browsers_language_is_spoken_and_english_is_a_click_away(
    open_page: Opener, locale: str, code: str, word: str
) -> None:
    page = open_page(locale=locale)
    assert urlsplit(page.url).path == f"/{code}"
    assert page.evaluate("document.documentElement.lang") == code
    expect(page.get_by_role("button", name=re.compile(word)).first).to_be_visible()
    ask_slang(page, "ale kozak")
    assert page.locator("#slang-answers .oz-card[data-label]").count() == 4
    page.get_by_role("link", name="English").click()
    page.wait_for_selector("#slang-answers .oz-answers[data-done=true]")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("#slang-text textarea").input_value() == "ale kozak"


def test_arabic_runs_from_the_right(open_page: Opener) -> None:
    page = open_page(query="/#tab=nli", wait="#nli-premise textarea")
    field = page.locator("#nli-premise textarea")
    field.fill("المطعم مغلق اليوم")
    style = field.evaluate("one => [getComputedStyle(one).unicodeBidi, getComputedStyle(one).textAlign]")
    assert style == ["plaintext", "start"]


def open_models(page: Page, task: str = "slang") -> Locator:
    """The Models tab on a task; its table."""
    page.get_by_role("tab", name="Models").click()
    page.wait_for_selector("#models-table table")
    if task == "nli":
        page.locator("#models-task").get_by_role("radio").nth(1).check()
        page.wait_for_selector("#models-languages .oz-panel")
    return page.locator("#models-table table")


def test_the_models_tab_shows_each_tasks_models(open_page: Opener) -> None:
    page = open_page()
    for task in ("slang", "nli"):
        table = open_models(page, task)
        expect(table).to_be_visible()
        assert set(table.locator("tbody th").all_inner_texts()) == NAMES
        heads = table.locator("thead th").all_inner_texts()
        assert {"accuracy", "macro F1"} <= set(heads)
        assert any("ms" in head for head in heads)
        expect(page.locator("#models-tradeoffs svg.oz-broad")).to_have_count(2)
        assert page.locator("#models-confusions table").count() == len(NAMES)


def test_the_table_of_models_is_sorted_by_pointer_and_by_keyboard(open_page: Opener) -> None:
    page = open_page()
    for task in ("slang", "nli"):
        table = open_models(page, task)
        head = table.locator("thead th").filter(has_text="loss")
        place = head.evaluate("cell => cell.cellIndex")

        def losses(table: Locator = table, place: int = place) -> list[float]:
            cells = table.locator(f"tbody tr > :nth-child({place + 1})")
            return [float(cell.get_attribute("data-value") or "nan") for cell in cells.all()]

        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", "ascending")
        assert losses() == sorted(losses())
        head.get_by_role("button").press("Enter")
        expect(head).to_have_attribute("aria-sort", "descending")
        assert losses() == sorted(losses(), reverse=True)
        assert table.locator("[aria-sort]").count() == 1
        table.get_by_role("button", name="model").press("Space")
        assert table.locator("tbody th").all_inner_texts() == sorted(NAMES)


def test_mistakes_are_read_on_and_the_table_is_downloaded(open_page: Opener) -> None:
    page = open_page()
    open_models(page)
    expect(page.locator("#models-mistakes li")).to_have_count(10)
    page.click("#models-more")
    expect(page.locator("#models-mistakes li")).to_have_count(20)
    with page.expect_download() as download:
        page.click("#models-table a.oz-file")
    assert download.value.suggested_filename.startswith("odzera-slang-")
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert {line.split(",")[0] for line in lines} == {"model", *NAMES}


def test_latency_is_on_the_first_screen_of_the_models_tab(open_page: Opener) -> None:
    page = open_page()
    head = open_models(page).locator("thead th").filter(has_text="ms").first
    room = page.locator("#models-table .oz-scroll").bounding_box()
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
    last = open_models(page, "nli").locator("thead th").last
    assert_fits_in_width(page)
    assert last.bounding_box()["x"] > NARROW[0]
    page.locator("#models-table .oz-scroll").evaluate("frame => { frame.scrollLeft = frame.scrollWidth }")
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


def test_a_file_is_answered_row_by_row_and_downloaded(open_page: Opener, tmp_path: Path) -> None:
    page = open_page()
    open_tab(page, "Batch")
    file = tmp_path / "messages.csv"
    file.write_text(
        "id,text,label\n1,ale kozak ten koncert,positive\n2,ale lipa z tym autobusem,negative\n", encoding="utf-8"
    )
    page.set_input_files("#batch-file input[type=file]", file)
    expect(page.locator("#batch-about")).to_contain_text("messages.csv: 2 rows, 3 columns")
    expect(page.locator("#batch-preview")).to_contain_text("ale lipa z tym autobusem")
    page.click("#batch-run")
    expect(page.locator("#batch-results")).to_contain_text("Measured against the labels")
    with page.expect_download() as caught:
        page.click("#batch-download")
    lines = caught.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("id,text,label,")
    assert lines[1].startswith("1,ale kozak ten koncert,positive,")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "phone"])
def test_labels_that_arent_known_get_their_meaning_from_menus(
    open_page: Opener, tmp_path: Path, size: tuple[int, int]
) -> None:
    page = open_page(size)
    open_tab(page, "Batch")
    file = tmp_path / "moods.csv"
    strange = f"{SCRIPT}".replace('"', "'")
    rows = [("ale kozak ten koncert", "fajne"), ("ale lipa z tym autobusem", "kiepskie"), ("no i cześć", strange)]
    file.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    page.set_input_files("#batch-file input[type=file]", file)
    expect(page.locator("#batch-about")).to_contain_text("None of the labels is known")
    expect(page.locator("#batch-meanings input:visible")).to_have_count(3)
    page.get_by_label("“fajne” means").click()
    page.get_by_role("option", name="positive").click()
    expect(page.locator("#batch-about")).to_contain_text("1 row has a label to score by")
    page.get_by_label("“kiepskie” means").click()
    page.get_by_role("option", name="negative").click()
    expect(page.locator("#batch-about")).to_contain_text("2 rows have a label to score by")
    expect(page.get_by_label("“fajne” means")).to_have_value("positive")
    assert page.title() != "taken"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("#batch-run")
    expect(page.locator("#batch-results")).to_contain_text("Measured against the labels")


def test_a_file_that_is_too_large_is_refused_with_the_limit(open_page: Opener, tmp_path: Path) -> None:
    page = open_page()
    open_tab(page, "Batch")
    file = tmp_path / "large.csv"
    file.write_bytes(b"text\n" + b"ale kozak\n" * 900_000)
    page.set_input_files("#batch-file input[type=file]", file)
    expect(page.locator(".toast-body")).to_contain_text("maximum allowed size of 8")


def test_the_page_speaks_its_language_and_names_its_fields(open_page: Opener) -> None:
    page = open_page()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert "Odzera" in page.title()
    assert page.locator("h1").count() == 1
    expect(page.get_by_label("Message in Polish")).to_be_visible()
    expect(page.get_by_role("button", name="Ask the models").first).to_be_visible()


def test_the_study_tab_shows_the_shipped_search(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("tab", name="Study").click()
    page.wait_for_selector("#study-view .oz-summary")
    page.get_by_label("Study").first.click()
    page.get_by_role("option", name=re.compile("slang@")).click()
    # As many as the study has, each a dot with its title.
    expect(page.locator("#study-view svg circle")).to_have_count(500)
    expect(page.locator("#study-view")).to_contain_text("500 of 500 trials")
    expect(page.locator("#study-view")).to_contain_text("PED-ANOVA")
    assert page.locator("#study-view tbody tr").count() == 10
    assert page.locator("#study-view a").get_attribute("href") == "/dashboard/studies/1"


@pytest.mark.parametrize("size", NARROW_FIRST)
def test_the_study_tab_fits_the_window(open_page: Opener, size: tuple[int, int]) -> None:
    page = open_page(size)
    open_tab(page, "Study")
    page.wait_for_selector("#study-view svg circle")
    assert page.evaluate(STICKING_OUT.replace(".gradio-container *", "#study-view *")) == []


def test_the_mounted_dashboard_shows_the_study_and_no_way_to_change_it(open_page: Opener) -> None:
    page = open_page(query="/dashboard/", wait="text=slang@")
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


def test_markup_in_a_study_is_shown_as_it_was_written(open_page: Opener) -> None:
    page = open_page()
    title = page.title()
    page.get_by_role("tab", name="Study").click()
    page.wait_for_selector("#study-view .oz-summary")
    page.get_by_label("Study").first.click()
    page.get_by_role("option", name=re.compile("poisoned")).click()
    # It renders: the dots of its trials, its setting, its choices, and why one failed.
    expect(page.locator("#study-view svg circle")).to_have_count(6)
    expect(page.locator("#study-view tbody tr")).to_have_count(6)
    expect(page.locator("#study-view")).to_contain_text("<script>document.title=")
    expect(page.locator("#study-view")).to_contain_text("Failed trials")
    assert page.locator("#study-view :is(script, img, iframe)").count() == 0
    assert page.title() == title
    assert page.evaluate(STICKING_OUT.replace(".gradio-container *", "#study-view *")) == []


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
def test_the_training_tab_shows_how_models_learned_and_fits_the_window(
    open_page: Opener, size: tuple[int, int]
) -> None:
    page = open_page(size)
    tab = page.get_by_role("tab", name="Training")
    if not tab.is_visible():
        # On a phone the tabs that don't fit are in a menu.
        page.locator(".overflow-menu button").first.click()
        tab = page.get_by_text("Training", exact=True).last
    tab.click()
    expect(page.locator("#training-curves svg")).to_have_count(2)
    assert page.locator("#training-curves path.oz-train").count() == 4
    assert page.locator("#training-costs .oz-cost").count() >= 5
    # The menu that was opened may hang over the edge; what is in the tab may not.
    assert page.evaluate(STICKING_OUT.replace(".gradio-container *", ".tabitem *")) == []
    page.get_by_label("Only settings that differ").check()
    expect(page.locator("#training-settings tbody tr")).to_have_count(1)
    expect(page.locator("#training-settings tbody code")).to_have_text("seed")
    page.get_by_label("Dropout").fill("7")
    page.get_by_label("Dropout").press("Tab")
    expect(page.locator("#training-plan")).to_contain_text("Dropout is a number from 0 to below 1")


@pytest.mark.parametrize("size", NARROW_FIRST)
def test_the_data_tab_shows_the_shipped_curves_and_fits_the_window(open_page: Opener, size: tuple[int, int]) -> None:
    page = open_page(size)
    open_tab(page, "Data")
    page.wait_for_selector("#curve-view svg path.oz-trace")
    series = page.locator("#curve-view svg path.oz-trace").count()
    assert page.locator("#curve-view thead th").count() == series + 1
    for view in ("#data-about", "#data-lengths", "#data-examples", "#data-checks", "#data-sheet", "#curve-view"):
        assert page.evaluate(STICKING_OUT.replace(".gradio-container *", f"{view} *")) == []
    before = page.locator("#curve-view td").first.inner_text()
    page.get_by_role("radio", name="macro F1").check()
    expect(page.locator("#curve-view td").first).not_to_have_text(before)
    expect(page.locator("#curve-view")).to_contain_text("macro F1")


def test_rows_are_leafed_through_and_another_data_set_brings_its_own(open_page: Opener) -> None:
    page = open_page()
    page.get_by_role("tab", name="Data", exact=True).click()
    expect(page.locator("#data-examples")).to_contain_text("3,254 rows, page 1 of 407")
    page.click("#data-after")
    expect(page.locator("#data-examples")).to_contain_text("page 2 of 407")
    page.locator("#data-task").get_by_text("NLI").click()
    expect(page.locator("#data-about")).to_contain_text("Swahili (sw)")
    expect(page.locator("#data-examples")).to_contain_text("1,200 rows, page 1 of 150")
    page.locator("#data-language input").click()
    page.get_by_role("option", name="Arabic (ar)").click()
    expect(page.locator("#data-examples")).to_contain_text("80 rows, page 1 of 10")
    text = page.locator("#data-examples .oz-text").first
    assert text.evaluate("one => getComputedStyle(one).direction") == "rtl"
    page.locator("#data-by").get_by_text("label").click()
    expect(page.locator("#data-lengths")).to_contain_text("contradiction")
    assert page.evaluate(STICKING_OUT) == []


@pytest.mark.parametrize("size", NARROW_FIRST)
def test_the_about_tab_fits_the_window(open_page: Opener, size: tuple[int, int]) -> None:
    page = open_page(size)
    open_tab(page, "About")
    expect(page.locator("#about-view")).to_contain_text("What was measured where")
    assert page.evaluate(STICKING_OUT.replace(".gradio-container *", "#about-view *")) == []
