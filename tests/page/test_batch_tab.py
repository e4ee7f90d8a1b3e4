"""The Batch tab: what happens on it without a page, whose files are whose, and the served page's own endpoints."""

import csv
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from engine.data.tables import MAX_MEGABYTES, MAX_ROWS
from engine.data.tasks import SLANG
from engine.errors import DataError
from engine.paths import Places
from engine.serving.answers import Answer, classify_all
from gradio_app.app import build_app, launch
from gradio_app.context import Context, open_context
from gradio_app.handlers.batch import (
    MOST_LABELS,
    Choice,
    Desk,
    FileView,
    RunView,
    cancel,
    describe,
    receive,
    receive_sample,
    run,
    start,
)
from gradio_app.handlers.files import Visits, name_upload
from gradio_app.languages import NAMES, get_language
from support.files import files_below
from support.servers import free_port
from support.visitors import Visitor, file_data

ENGLISH = get_language("en")
SCRIPT = "<script>alert(7)</script>"
MODELS = ("tfidf", "scratch")


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


@pytest.fixture
def desk(context: Context, tmp_path: Path) -> Desk:
    """A tab with a folder of uploads of its own."""
    return Desk(context, Visits(tmp_path / "uploads"))


def upload(desk: Desk, content: str | bytes, name: str = "rows.csv") -> dict[str, str]:
    """What a file component sends of a file that was uploaded."""
    folder = desk.visits.uploads / name_upload() / f"{abs(hash(content)):x}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return {"path": str(path), "orig_name": name}


def hand_in(desk: Desk, content: str | bytes, name: str = "rows.csv", session: str = "one") -> FileView:
    """A visitor's file."""
    return receive(desk, ENGLISH, upload(desk, content, name), session, None)


def finish(desk: Desk, view: FileView, **changes: Any) -> RunView:
    """Press the button and wait."""
    start(desk, ENGLISH, view.key)
    choice = {**vars(view.choice), **changes}
    *_, last = run(desk, ENGLISH, view.key, Choice(**choice))
    assert not last.running
    return last


def test_a_file_is_recognised_shown_and_ready(desk: Desk) -> None:
    view = hand_in(desk, "id,tekst,etykieta\n1,ale sztos,positive\n2,lipa,0\n3,,1\n")
    assert view.readable
    assert view.ready
    models = [one.name for one in desk.context.models(SLANG) if one.name != "majority"]
    assert view.choice == Choice("slang", "tekst", None, "etykieta", view.choice.data, models, [])
    assert set(models) < {name for _, name in view.models}
    assert [name for _, name in view.columns] == ["id", "tekst", "etykieta"]
    assert "3 rows, 3 columns" in view.about
    assert "1 row is empty and gets no answer (in the file: 4)" in view.about
    assert "2 rows have a label" in view.about
    assert "ale sztos" in view.preview
    assert "3 models on 2 rows: about" in view.expected


def test_the_models_that_are_quick_come_first_and_those_that_dont_count_arent_chosen(desk: Desk) -> None:
    view = hand_in(desk, "text\nsztos\n")
    assert [name for _, name in view.models] == [one.name for one in desk.context.models(SLANG)]
    assert "majority" not in (view.choice.models or ())


def test_other_columns_and_another_task_can_be_chosen(desk: Desk) -> None:
    view = hand_in(desk, "a,b,c\nIt rains.,It is wet.,0\n")
    assert view.readable
    assert not view.ready
    assert "recognised as the text" in view.about
    assert view.preview
    named = describe(desk, ENGLISH, view.key, Choice("slang", "b", None, "", None, ["tfidf"]))
    assert named.ready
    assert named.choice.models == ["tfidf"]
    assert named.choice.label == ""
    pair = describe(desk, ENGLISH, view.key, Choice("nli", "a", "b", "c"))
    assert pair.ready
    assert (pair.choice.first, pair.choice.second, pair.choice.label) == ("a", "b", "c")
    again = describe(desk, ENGLISH, view.key, Choice("nli", "a", "a", "c"))
    assert "two things at once" in again.about
    assert not again.ready
    foreign = describe(desk, ENGLISH, view.key, Choice("../../etc", "nothing", "at all", "there", "f" * 12, ["bert"]))
    assert not foreign.ready


def test_labels_that_arent_known_are_scored_once_a_visitor_says_what_they_mean(desk: Desk) -> None:
    view = hand_in(desk, "text,label\nale sztos,fajne\nlipa i tyle,kiepskie\nno dobra,positive\nnuda,a=b\n")
    assert [name for name, _ in view.labels] == ["fajne", "kiepskie", "a=b"]
    assert "1 row has a label to score by" in view.about
    assert [value for _, value in view.labels[0][1]] == ["", *(f"fajne={one}" for one in SLANG.labels), "fajne="]
    fields = {**vars(view.choice), "meanings": ["fajne=positive", "kiepskie=negative", "a=b=", "positive=negative"]}
    said = describe(desk, ENGLISH, view.key, Choice(**fields))
    assert said.choice.meanings == ["fajne=positive", "kiepskie=negative", "a=b="]
    assert [name for name, _ in said.labels] == ["fajne", "kiepskie", "a=b"]
    assert "3 rows have a label to score by" in said.about
    assert "none of" not in said.about
    assert "Measured against the labels" in finish(desk, said, models=["tfidf"]).results
    other = describe(desk, ENGLISH, view.key, Choice(**{**fields, "label": ""}))
    assert (other.labels, other.choice.meanings) == ([], [])


def test_bare_numbers_that_dont_cover_the_classes_are_scored_by_a_visitors_word(desk: Desk) -> None:
    view = hand_in(desk, "text,label\nale sztos,4\nlipa i tyle,1\nsztos nad sztosy,4\nnuda,\n")
    assert [name for name, _ in view.labels] == ["1", "4"]
    assert "Nothing is scored" in view.about
    half = finish(desk, view, models=["tfidf"], meanings=["1=negative", ""]).results
    assert "Measured against the labels" not in half
    whole = finish(desk, view, models=["tfidf"], meanings=["1=negative", "4=positive"]).results
    assert "Measured against the labels" in whole


def test_nobody_is_asked_what_a_whole_column_of_texts_means(desk: Desk) -> None:
    rows = "".join(f"wpis {number},zdanie numer {number}\n" for number in range(MOST_LABELS + 1))
    assert hand_in(desk, f"text,label\n{rows}").labels == []


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("", "rows.csv", "rows.csv is empty"),
        ("text\nsztos\n", "rows.docx", "of kind “.docx”"),
        (b"text\n\xff\n", "rows.csv", "not UTF-8: see line 2"),
        ('{"text": ', "rows.jsonl", "Line 1 of rows.jsonl is not JSON"),
        ("text\n" + "sztos\n" * (MAX_ROWS + 1), "rows.csv", f"{MAX_ROWS + 1:,} rows; at most {MAX_ROWS:,}"),
        (b"t" * (MAX_MEGABYTES * 2**20 + 10), "rows.csv", f"at most {MAX_MEGABYTES} MB"),
    ],
)
def test_a_wrong_file_gets_one_notice_and_is_gone_at_once(
    desk: Desk, content: str | bytes, name: str, says: str
) -> None:
    view = hand_in(desk, content, name)
    assert 'class="oz-notice"' in view.about
    assert says in view.about
    assert not view.readable
    assert files_below(desk.visits.uploads) == []


def test_nothing_in_a_file_is_ever_markup(desk: Desk) -> None:
    rows = f'"{SCRIPT}",label\n"{SCRIPT} sztos","{SCRIPT}"\nlipa niestety,0\nale co {SCRIPT},2\n'
    view = hand_in(desk, rows, "<b>rows.csv")
    chosen = describe(desk, ENGLISH, view.key, Choice("slang", SCRIPT, None, "label"))
    last = finish(desk, chosen)
    assert last.download is not None
    assert "&lt;script&gt;" in chosen.preview
    for page in (view.about, view.preview, chosen.about, chosen.preview, chosen.expected, last.results, last.progress):
        assert "<script" not in page
        assert "<b>rows" not in page


def test_a_run_ends_with_answers_figures_and_a_file(desk: Desk) -> None:
    view = receive_sample(desk, ENGLISH, "slang", "one", None)
    start(desk, ENGLISH, view.key)
    *told, last = run(desk, ENGLISH, view.key, view.choice)
    assert told
    *steps, adding = told
    assert all(one.running and 'role="progressbar"' in one.progress and "left" in one.progress for one in steps)
    assert "Adding up" in adding.progress
    assert "All 3 models say the same in" in last.results
    for name in view.choice.models or ():
        assert f'<th scope="row">{name}' in last.results
    for heading in ("What each model says", "Measured against the labels", "How often two models say the same"):
        assert heading in last.results
    assert last.download is not None
    assert last.download.name == "slang-answers.csv"
    with last.download.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    models = [desk.context.registry.find("slang", name) for name in MODELS]
    for answer in classify_all(desk.context.registry, SLANG, [rows[0]["text"]], models):
        assert isinstance(answer, Answer)
        assert rows[0][answer.model] == answer.label
        assert float(rows[0][f"{answer.model}_probability"]) == pytest.approx(max(answer.scores.values()), abs=1e-3)


def test_both_samples_are_whole_and_told_apart(desk: Desk) -> None:
    slang = receive_sample(desk, ENGLISH, "slang", "one", None)
    nli = receive_sample(desk, ENGLISH, "nli", "one", slang.key)
    assert (slang.choice.task, nli.choice.task) == ("slang", "nli")
    assert "20 rows have a label" in slang.about
    assert "16 rows have a label" in nli.about
    last = finish(desk, nli)
    assert last.download is not None
    rows = [json.loads(line) for line in last.download.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 16
    assert all({"tfidf", "tfidf_probability", "agreement"} <= set(row) for row in rows)
    with pytest.raises(DataError):
        desk.visits.get(slang.key)


def test_every_language_says_what_is_in_a_file(desk: Desk) -> None:
    for code in NAMES:
        view = receive_sample(desk, get_language(code), "nli", code, None)
        start(desk, get_language(code), view.key)
        *_, last = run(desk, get_language(code), view.key, view.choice)
        assert "{" not in f"{view.about}{view.preview}{view.expected}{last.results}"
        assert last.download is not None


def test_a_run_without_models_or_with_foreign_names_says_so(desk: Desk) -> None:
    view = hand_in(desk, "text\nsztos\n")
    for models in ([], ["bert", "../../etc/passwd"], None):
        assert "Choose at least one model" in finish(desk, view, models=models).progress
    assert "no such task" in finish(desk, view, task="bert").progress


def test_cancel_ends_the_run_and_what_is_answered_can_be_downloaded(desk: Desk) -> None:
    view = hand_in(desk, "text\n" + "".join(f"sztos numer {n}\n" for n in range(10_000)))
    start(desk, ENGLISH, view.key)
    stopped = 0.0
    last = RunView("")
    for last in run(desk, ENGLISH, view.key, view.choice):
        if not stopped and "of 10,000 rows" in last.progress and ">0 of" not in last.progress:
            assert "Cancelling" in cancel(desk, ENGLISH, view.key)
            stopped = time.perf_counter()
    assert time.perf_counter() - stopped < 2
    assert "Cancelled after" in last.results
    assert last.download is not None
    assert len(last.download.read_text(encoding="utf-8").splitlines()) == 10_001


def test_pressing_again_ends_the_run_before(desk: Desk) -> None:
    view = hand_in(desk, "text\n" + "".join(f"sztos numer {n}\n" for n in range(10_000)))
    start(desk, ENGLISH, view.key)
    first = run(desk, ENGLISH, view.key, view.choice)
    next(first)
    start(desk, ENGLISH, view.key)
    *_, last = first
    assert "Cancelled" in last.results


OUTSIDE = ["{other}", "{uploads}/../other.csv", "other.csv", "", "a\0b", "{uploads}", "{uploads}/gone/rows.csv"]


@pytest.mark.parametrize("way", OUTSIDE)
def test_only_uploads_are_read(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text\nhasło\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    desk.visits.uploads.mkdir(parents=True, exist_ok=True)
    path = way.format(uploads=desk.visits.uploads, other=other)
    for payload in ({"path": path, "orig_name": "rows.csv"}, {"path": path}, path, [path], None, {"path": [path]}):
        view = receive(desk, ENGLISH, payload, "one", None)
        assert "No file was uploaded" in view.about
        assert "hasło" not in str(view)
    assert other.is_file()


def test_nothing_outside_the_uploads_is_deleted_even_where_it_was_let_through(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text\nsztos\n", encoding="utf-8")
    desk.visits._discard(other)
    assert other.is_file()
    inside = Path(upload(desk, "text\nsztos\n")["path"])
    desk.visits._discard(inside)
    assert not inside.exists()


def test_a_link_to_a_file_outside_is_no_upload(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("text\nhasło\n", encoding="utf-8")
    payload = upload(desk, "text\nsztos\n")
    os.unlink(payload["path"])
    os.symlink(secret, payload["path"])
    assert "No file was uploaded" in receive(desk, ENGLISH, payload, "one", None).about
    assert secret.exists()


def test_what_another_visitor_handed_in_cant_be_taken_by_its_path(desk: Desk) -> None:
    hand_in(desk, "text\nsztos\n")
    (source,) = files_below(desk.visits.uploads)
    assert "No file was uploaded" in receive(desk, ENGLISH, {"path": str(source)}, "two", None).about
    assert source.exists()


def test_two_visitors_with_the_same_file_have_one_each(desk: Desk) -> None:
    one, two = (hand_in(desk, "text\nsztos\n", session=name) for name in ("one", "two"))
    assert one.key != two.key
    desk.visits.drop(one.key)
    assert finish(desk, two).download is not None
    assert "any more: it is deleted" in describe(desk, ENGLISH, one.key, None).about
    assert "any more: it is deleted" in start(desk, ENGLISH, one.key).progress
    assert "any more: it is deleted" in finish(desk, one).progress
    assert "any more: it is deleted" in cancel(desk, ENGLISH, one.key)


def test_a_sessions_id_opens_nothing_and_names_no_folder(desk: Desk) -> None:
    view = hand_in(desk, "text\nsztos\n", session="abcdefghijk")
    last = finish(desk, view)
    assert "abcdefghijk" not in str(last.download)
    assert view.key not in str(last.download)
    for key in ("abcdefghijk", "", None, 0, [view.key], f"{view.key} "):
        with pytest.raises(DataError):
            desk.visits.get(key)


def become_gone(folder: Path) -> bool:
    """Whether the files there are deleted before long."""
    end = time.monotonic() + 20
    while files_below(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not files_below(folder)


def test_files_go_with_the_next_one_with_their_age_and_with_the_visitor(context: Context, tmp_path: Path) -> None:
    desk = Desk(context, Visits(tmp_path, age=60, grace=0.5))
    first = hand_in(desk, "text\nsztos\n")
    finish(desk, first)
    assert len(files_below(tmp_path)) == 2
    second = receive(desk, ENGLISH, upload(desk, "text\nlipa\n"), "one", first.key)
    assert [path.read_text() for path in files_below(tmp_path)] == ["text\nlipa\n"]
    desk.visits.leave("two")
    desk.visits.leave("one")
    desk.visits.get(second.key)
    time.sleep(0.8)
    assert desk.visits.get(second.key), "the visitor came back"
    desk.visits.leave("one")
    assert become_gone(tmp_path)
    young = Desk(context, Visits(tmp_path, age=0.5))
    hand_in(young, "text\nsztos\n")
    assert become_gone(tmp_path), "nobody asked for it again"


def test_leaving_in_the_middle_ends_the_run(desk: Desk) -> None:
    view = hand_in(desk, "text\n" + "".join(f"sztos numer {n}\n" for n in range(10_000)))
    start(desk, ENGLISH, view.key)
    going = run(desk, ENGLISH, view.key, view.choice)
    next(going)
    desk.visits.drop(view.key)
    begun = time.perf_counter()
    *_, last = going
    assert time.perf_counter() - begun < 2
    assert last.download is None


def test_what_a_killed_server_left_is_deleted(tmp_path: Path) -> None:
    left = tmp_path / "batch-4194305-abc" / "token"
    left.mkdir(parents=True)
    (left / "source.csv").write_text("text\n")
    mine = tmp_path / f"batch-{os.getpid()}-abc"
    mine.mkdir()
    Visits(tmp_path)
    assert not left.exists()
    assert mine.exists()


def test_a_page_without_models_says_so(tmp_path: Path) -> None:
    empty = Places(tmp_path / "checkpoints", tmp_path / "results.db", tmp_path / "training")
    desk = Desk(open_context(empty), Visits(tmp_path / "uploads"))
    view = hand_in(desk, "text\nsztos\n")
    assert "No model is trained" in view.about
    assert not view.ready


# The served page.


@pytest.fixture(scope="module")
def page(context: Context) -> Iterator[gr.Blocks]:
    """The page, served."""
    blocks = build_app(context)
    launch(blocks, "127.0.0.1", free_port())
    yield blocks
    blocks.close(verbose=False)


def test_the_served_page_answers_an_uploaded_file_and_hands_it_to_its_visitor(page: gr.Blocks) -> None:
    visitor = Visitor(page, "visitor-one")
    content = b"text,label\nale sztos,2\nno i lipa,0\n"
    status, path = visitor.upload(content, "rows.csv")
    assert status == 200
    told = visitor.call(visitor.number("batch-file", "upload"), file_data(path), "")
    assert told["success"], told
    kept, key = told["output"]["data"][:2]
    assert len(key) >= 32
    assert httpx.get(f"{visitor.api}/file={kept['path']}").content == content
    assert not Path(path).exists(), "it lies in one place, which is the visitor's own"
    choice = ["slang", "text", None, "label", None, ["tfidf"], *[None] * MOST_LABELS]
    visitor.call(visitor.number("batch-run", "click"), key)
    told = visitor.call(visitor.number("batch-run", "click", then=True), key, *choice)
    assert told["success"], told
    made = told["output"]["data"][2]["value"]
    answer = httpx.get(f"{visitor.api}/file={made['path']}")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.text.startswith("text,label,tfidf,tfidf_probability\nale sztos,2,")
    stranger = Visitor(page, "visitor-one-too")
    for guess in ("", "visitor-one", key[:-1]):
        told = stranger.call(stranger.number("batch-run", "click", then=True), guess, *choice)
        assert "any more: it is deleted" in str(told["output"])
    folder = Path(made["path"]).parent.parent
    for way in (folder, folder.parent, f"{folder.parent}/"):
        assert httpx.get(f"{visitor.api}/file={way}").status_code >= 400
    visitor.call(visitor.number("batch-file", "clear"), key)
    assert not folder.exists()
    assert httpx.get(f"{visitor.api}/file={made['path']}").status_code >= 400


@pytest.mark.parametrize("way", ["{folder}/rows.csv", "{folder}/../{name}/rows.csv", "rows.csv", "/proc/self/environ"])
@pytest.mark.parametrize("meta", [True, False], ids=["as a browser", "bare"])
def test_the_upload_endpoint_reads_and_moves_no_other_file(
    page: gr.Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, meta: bool
) -> None:
    # A file of the test's own: were the check missing, it would be moved away.
    other = tmp_path / "rows.csv"
    other.write_text("text\nnobody's business\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    path = way.format(folder=tmp_path, name=tmp_path.name)
    payload = file_data(path) if meta else {"path": path, "orig_name": "rows.csv"}
    visitor = Visitor(page, "visitor-two")
    try:
        told = visitor.call(visitor.number("batch-file", "upload"), payload, "")
    except httpx.HTTPStatusError as error:
        if error.response.status_code != 403:
            raise
        told = {"success": False}
    assert "business" not in json.dumps(told)
    assert "PATH=" not in json.dumps(told)
    assert not told["success"] or "No file was uploaded" in told["output"]["data"][2]
    assert other.is_file()


def test_a_file_over_the_limit_isnt_even_kept(page: gr.Blocks) -> None:
    status, _ = Visitor(page, "visitor-three").upload(b"t" * (MAX_MEGABYTES * 2**20 + 2**20), "rows.csv")
    assert status == 413


def test_closing_the_page_tells_the_server(page: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    monkeypatch.setattr(Visits, "leave", lambda _, session: left.append(session))
    monkeypatch.setenv("GRADIO_HEARTBEAT_INTERVAL", "0.2")
    visitor = Visitor(page, "visitor-four")
    with httpx.stream("GET", f"{visitor.api}/heartbeat/{visitor.session}", timeout=10) as stream:
        next(stream.iter_lines())
    ended = threading.Event()
    for _ in range(50):
        if left:
            break
        ended.wait(0.1)
    assert set(left) == {"visitor-four"}
