"""Bad input: exit code 2, one clear line, no traceback, and nothing is written or lost."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from engine.cli import app
from engine.data.tasks import SLANG
from engine.paths import ROOT
from engine.serving.registry import Registry
from engine.store import Store
from engine.training.checkpoints import WEIGHTS
from gradio_app.context import open_context
from gradio_app.handlers.ask import ask
from gradio_app.languages import get_language
from support.models import places_in

GOOD_ROWS = "".join(f"wpis numer {number},{number % 3}\n" for number in range(45))
MEGABYTE = "a" * 1_000_000


def invoke(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(arguments))


def one_line(code: int, out: str, err: str) -> str:
    """The one line on standard error of a program that refused its input."""
    assert code == 2, f"exit code {code}: {err}"
    assert out == ""
    assert "Traceback" not in err
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("odzera: ")
    assert len(lines[0]) < 600
    return lines[0]


def refused(*arguments: str) -> str:
    """Run a command that must refuse its input; its one line."""
    result = invoke(*arguments)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    return one_line(result.exit_code, result.stdout, result.stderr)


def run(module: str, *arguments: str | bytes, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, but for SQLite's own working files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


@pytest.fixture
def kept(home: Path) -> Iterator[Path]:
    """The trained models; a test that changes anything of them fails."""
    before = contents(home)
    yield home
    assert contents(home) == before


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; a test that leaves anything in it fails."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    monkeypatch.setenv("ODZERA_HOME", str(folder))
    yield folder
    assert list(folder.rglob("*")) == []


@pytest.fixture
def own_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained models that a test may damage."""
    folder = tmp_path / "home"
    shutil.copytree(home, folder)
    monkeypatch.setenv("ODZERA_HOME", str(folder))
    return folder


@pytest.fixture
def good_file(tmp_path: Path) -> str:
    """A small labelled file with nothing wrong."""
    path = tmp_path / "good.csv"
    path.write_text(f"text,label\n{GOOD_ROWS}", encoding="utf-8")
    return str(path)


# Texts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The text is empty"),
        (" \t\n", "The text is empty"),
        ("ale\0kozak", "NUL"),
        (MEGABYTE, "1,000,000 characters; at most 5,000"),
    ],
    ids=["empty", "white", "nul", "megabyte"],
)
def test_a_text_that_will_not_do_is_refused(kept: Path, text: str, says: str) -> None:
    assert says in refused("classify", "slang", text)
    assert says in refused("classify", "slang", text, "--json")
    (page,) = ask(open_context(places_in(kept)), get_language("en"), SLANG, None, text)
    assert says in page


def test_the_refused_half_of_a_pair_is_named(kept: Path) -> None:
    assert "The hypothesis is empty" in refused("classify", "nli", "--premise", "It snows.", "--hypothesis", " ")
    assert "The premise has" in refused("classify", "nli", "--premise", MEGABYTE, "--hypothesis", "It snows.")


def test_the_wrong_texts_for_a_task_are_refused(kept: Path) -> None:
    assert "TEXT" in refused("classify", "slang")
    assert "TEXT" in refused("classify", "slang", "--premise", "a", "--hypothesis", "b")
    assert "--premise and --hypothesis" in refused("classify", "nli", "one text")
    assert "--premise and --hypothesis" in refused("classify", "nli", "--premise", "only one")


def test_bytes_that_are_no_unicode_are_refused(home: Path) -> None:
    done = run("engine", "classify", "slang", b"ale \xff\xfe lipa", ODZERA_HOME=str(home))
    assert "not valid Unicode" in one_line(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "text", ["🔥🔥🔥", "<script>alert('x')</script>", "[bold]tekst[/bold]", "'; drop table runs;--"]
)
def test_odd_but_honest_texts_are_answered_and_not_echoed(kept: Path, text: str) -> None:
    result = invoke("classify", "slang", text, "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 4
    assert text not in result.output
    *_, page = ask(open_context(places_in(kept)), get_language("en"), SLANG, None, text)
    assert page.count("data-label=") == 4
    assert text not in page
    assert "<script" not in page


# Names


def test_an_unknown_task_is_refused_with_those_there_are(fresh: Path) -> None:
    for command in (
        ["classify", "poetry", "tekst"],
        ["compare", "poetry"],
        ["data", "poetry"],
        ["recipes", "--task", "poetry"],
        ["train", "tfidf", "--task", "poetry"],
        ["evaluate", "tfidf", "--task", "poetry"],
    ):
        line = refused(*command)
        assert "'poetry'" in line
        assert "slang, nli" in line


def test_an_unknown_recipe_is_refused_with_those_there_are(fresh: Path) -> None:
    line = refused("train", "tfidf", "gigantic", "--task", "slang")
    assert "'gigantic'" in line
    assert "scratch" in line
    assert "for nli, not for slang" in refused("train", "mbert-lora", "--task", "slang")


def test_an_unknown_model_is_refused_with_those_there_are(kept: Path) -> None:
    for command in (["evaluate", "oracle", "--task", "slang"], ["classify", "slang", "sztos", "--model", "oracle"]):
        line = refused(*command)
        assert "'oracle'" in line
        assert "majority, scratch, scratch-b, tfidf" in line
    assert "manifest.json is missing" in refused("evaluate", str(kept / "checkpoints"), "--task", "slang")


def test_a_model_of_the_other_task_is_refused(kept: Path) -> None:
    (folder,) = (kept / "checkpoints" / "nli").glob("tfidf@*")
    assert "nli" in refused("evaluate", str(folder), "--task", "slang")
    assert "nli" in refused("classify", "slang", "sztos", "--model", str(folder))


def test_unknown_data_is_refused_with_those_there_are(kept: Path) -> None:
    for command in (["compare", "slang", "--data", "beef"], ["classify", "slang", "sztos", "--data", "beef"]):
        line = refused(*command)
        assert "beef" in line
        assert Registry(kept / "checkpoints").data_sets("slang")[0] in line


def test_comparing_where_nothing_is_trained_says_what_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODZERA_HOME", str(tmp_path))
    assert "odzera train" in refused("compare", "slang")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("lr=fast", "'fast'"),
        ("lr=nan", "lr can't be nan"),
        ("lr=-1", "lr can't be"),
        ("head_lr=-1", "head_lr can't be"),
        ("epochs=0", "epochs can't be 0"),
        ("epochs=1.5", "'1.5'"),
        ("batch_size=0", "batch_size can't be 0"),
        ("precision=float8", "precision can't be"),
        ("kind=scratch", "kind"),
        ("baseline=oracle", "oracle"),
        ("colour=blue", "colour=blue"),
        ("lr", "FIELD=VALUE"),
    ],
)
def test_a_setting_out_of_range_is_refused(fresh: Path, good_file: str, change: str, says: str) -> None:
    assert says in refused("train", "majority", "--task", "slang", "--source", good_file, "--set", change)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--device", "tpu"], "'tpu'"),
        (["--resplit", "thirds"], "'thirds'"),
        (["--column", "text"], "--column takes"),
        (["--column", "text=body"], "no column 'body'"),
        (["--column", "colour=text"], "'colour'"),
        (["--validation", "nowhere.csv"], "nowhere.csv"),
        (["--name", "first", "tfidf"], "--name names one model"),
    ],
    ids=["device", "resplit", "column form", "column", "column name", "validation", "name of two"],
)
def test_an_option_that_will_not_do_is_refused(fresh: Path, good_file: str, options: list[str], says: str) -> None:
    assert says in refused("train", "majority", "--task", "slang", "--source", good_file, *options)


@pytest.mark.parametrize(
    "name",
    ["../../elsewhere", "a/b", "a@b", "two\nlines", ".hidden", "x" * 300],
    ids=["outside", "folder", "at", "lines", "hidden", "long"],
)
def test_a_model_name_that_is_no_folder_name_is_refused(fresh: Path, good_file: str, name: str) -> None:
    line = refused("train", "majority", "--task", "slang", "--source", good_file, "--name", name)
    assert "name" in line
    assert not (fresh.parent / "elsewhere").exists()


def test_a_folder_outside_is_not_reached_by_changing_the_recipes_name(fresh: Path, good_file: str) -> None:
    refused("train", "majority", "--task", "slang", "--source", good_file, "--set", "name=../../../elsewhere")


def test_an_unknown_split_is_refused(kept: Path) -> None:
    assert "'dev'" in refused("evaluate", "tfidf", "--task", "slang", "--split", "dev")


@pytest.mark.parametrize(
    "arguments",
    [
        ["sing"],
        ["train"],
        ["train", "tfidf"],
        ["classify"],
        ["classify", "slang", "tekst", "--modle", "tfidf"],
        ["app", "--port", "many"],
        ["train", "tfidf", "--task", "slang", "--seed", "x"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_command_typed_wrong_is_answered_in_one_line(fresh: Path, arguments: list[str]) -> None:
    done = run("engine", *arguments)
    one_line(done.returncode, done.stdout, done.stderr)


# Files

BAD_FILES: dict[str, tuple[str, bytes, list[str]]] = {
    "wrong columns": ("a.csv", b"body,mood\nale sztos,2\n", ["text", "label", "Columns seen: body, mood", "--column"]),
    "no label": ("a.csv", b"text,mood\nale sztos,2\n", ["label", "Columns seen: text, mood"]),
    "another separator": ("a.csv", b"text/label\nale sztos/2\n", ["Columns seen: text/label"]),
    "cp1251": ("a.csv", "text,label\nкороче сила,1\n".encode("cp1251"), ["a.csv is not UTF-8: see line 2"]),
    "numbers short of the scale": ("a.csv", b"text,label\nale sztos,1\n", ["bare numbers (1)", "--label 1=positive"]),
    "label 3": ("a.csv", f"text,label\n{GOOD_ROWS}ale,3\n".encode(), ["'3'", "row 47", "0 negative", "2 positive"]),
    "label -1": ("a.csv", b"text,label\nale sztos,-1\n", ["none of its rows has a label"]),
    "label word": ("a.csv", b"text,label\nale sztos,happy\n", ["'happy'", "row 2"]),
    "label empty": ("a.csv", b"text,label\nale sztos,\n", ["none of its rows has a label"]),
    "more fields than columns": ("a.csv", b"text,label\nale sztos,2,1\nco za lipa,0,1\n", ["a.csv"]),
    "fewer columns than fields later": (
        "a.csv",
        b"text,label\nale sztos,2\nco, za, lipa,0\n",
        ["Row 3 of a.csv has 4 cells"],
    ),
    "open quote": ("a.csv", b'text,label\n"ale sztos,2\nlipa,0\n', ["a.csv"]),
    "empty": ("a.csv", b"", ["a.csv"]),
    "header alone": ("a.csv", b"text,label\n", ["a.csv has no rows"]),
    "empty texts": ("a.csv", b"text,label\n ,1\n\t,2\n ,0\n", ["no rows left after cleaning"]),
    "bytes": ("a.csv", bytes(range(256)) * 20, ["a.csv"]),
    "spreadsheet": ("a.xlsx", b"PK\x03\x04", ["a.xlsx can't be read"]),
    "document": ("a.docx", b"PK\x03\x04", ["“.docx”", ".csv, .tsv"]),
    "broken json": ("a.jsonl", b'{"text": "ale sztos", "lab', ["a.jsonl"]),
    "json of numbers": ("a.jsonl", b"1\n2\n", ["a.jsonl"]),
    "json of lists": ("a.jsonl", b'["ale sztos", 2]\n["lipa", 0]\n', ["a.jsonl"]),
    "broken parquet": ("a.parquet", b"PAR1 and no more PAR1", ["a.parquet"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_by_every_command_that_reads_it(
    case: str, fresh: Path, trained: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, says = BAD_FILES[case]
    path = tmp_path / name
    path.write_bytes(content)
    source = ("--source", str(path))
    lines = [refused("data", "slang", *source), refused("train", "tfidf", "--task", "slang", *source)]
    with monkeypatch.context() as patch:
        patch.setenv("ODZERA_HOME", str(trained.checkpoints.parent))  # type: ignore[attr-defined]
        lines.append(refused("evaluate", "majority", "--task", "slang", *source, "--split", "all"))
    for line in lines:
        for words in says:
            assert words in line
    assert path.read_bytes() == content


def test_a_file_that_is_not_there_is_named(fresh: Path, tmp_path: Path) -> None:
    assert "nowhere.csv" in refused("data", "slang", "--source", str(tmp_path / "nowhere.csv"))
    refused("data", "slang", "--source", str(tmp_path))
    assert "--source" in refused("data", "slang", "--source", "")
    refused("data", "slang", "--source", "x" * 400 + ".csv")


def test_too_few_rows_are_refused_with_a_way_out(fresh: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("text,label\nale sztos,2\nco za lipa,0\nno i,1\n", encoding="utf-8")
    assert "--validation and --test" in refused("train", "tfidf", "--task", "slang", "--source", str(path))


def test_slang_rows_are_refused_for_nli(fresh: Path, good_file: str) -> None:
    line = refused("train", "tfidf", "--task", "nli", "--source", good_file)
    assert "premise or hypothesis" in line
    assert "Columns seen: text, label" in line


# Checkpoints and places


def test_a_truncated_model_is_named_and_the_others_still_answer(own_home: Path) -> None:
    (weights,) = (own_home / "checkpoints" / "slang").glob(f"scratch@*/{WEIGHTS}")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    before = contents(own_home / "checkpoints")
    result = invoke("classify", "slang", "ale kozak", "--json")
    assert result.exit_code == 0
    assert {one["model"] for one in json.loads(result.stdout)} == {"majority", "tfidf", "scratch-b"}
    (line,) = result.stderr.splitlines()
    assert weights.parent.name in line
    assert WEIGHTS in line
    assert weights.parent.name in refused("evaluate", "scratch", "--task", "slang")
    assert {row["model"] for row in json.loads(invoke("compare", "slang", "--json").stdout)["rows"]} >= {"tfidf"}
    assert contents(own_home / "checkpoints") == before


def test_asking_only_a_truncated_model_is_an_error(own_home: Path) -> None:
    (weights,) = (own_home / "checkpoints" / "slang").glob(f"scratch@*/{WEIGHTS}")
    weights.write_bytes(weights.read_bytes()[:100])
    result = invoke("classify", "slang", "ale kozak", "--model", "scratch")
    assert weights.parent.name in one_line(result.exit_code, result.stdout, result.stderr)


def test_a_manifest_that_is_no_json_is_named_and_the_others_still_answer(own_home: Path) -> None:
    (manifest,) = (own_home / "checkpoints" / "nli").glob("tfidf@*/manifest.json")
    manifest.write_bytes(b"\x00\xff{")
    result = invoke("classify", "nli", "--premise", "It snows.", "--hypothesis", "It is cold.", "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 3
    (line,) = result.stderr.splitlines()
    assert manifest.parent.name in line


def test_checkpoints_that_cannot_be_written_stop_training_before_it_starts(
    tmp_path: Path, good_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    blocked = folder / "checkpoints"
    blocked.write_text("somebody's notes", encoding="utf-8")
    monkeypatch.setenv("ODZERA_HOME", str(folder))
    line = refused("train", "tfidf", "--task", "slang", "--source", good_file)
    assert str(blocked) in line
    assert "ODZERA_HOME" in line
    assert blocked.read_text(encoding="utf-8") == "somebody's notes"
    assert Store.open(places_in(folder).store).data_sets("slang") == []


def test_results_that_cannot_be_opened_stop_training_and_stay_as_they_are(own_home: Path, good_file: str) -> None:
    database = own_home / "studies" / "results.db"
    for file in database.parent.glob("results.db*"):
        file.unlink()
    database.write_text("somebody's notes, and no database " * 100, encoding="utf-8")
    before = contents(own_home)
    assert "results.db" in refused("train", "tfidf", "--task", "slang", "--source", good_file)
    table = invoke("compare", "slang", "--json")
    assert table.exit_code == 0
    assert len(json.loads(table.stdout)["rows"]) == 4, "results travel with checkpoints"
    assert contents(own_home) == before


# Ports and the hub


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port of this machine that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_in_use_is_refused_at_once(home: Path, busy_port: int) -> None:
    done = run("engine", "app", "--port", str(busy_port), ODZERA_HOME=str(home))
    line = one_line(done.returncode, done.stdout, done.stderr)
    assert str(busy_port) in line
    assert f"--port {busy_port + 1}" in line


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    done = run("gradio_app", "--port", port)
    assert port in one_line(done.returncode, done.stdout, done.stderr)


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    done = run("gradio_app", "--host", "192.0.2.1", "--port", "7861")
    assert "192.0.2.1" in one_line(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address where connecting is neither taken nor refused: a listener whose queue is full."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


Asking = Callable[[str], tuple[str, float]]


@pytest.fixture
def ask_hub(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Asks for the hub's data set at an address; the one line and the seconds, in a process that has started."""

    def ask_at(endpoint: str) -> tuple[str, float]:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        start = time.monotonic()
        line = refused("data", "slang", "--source", "hub")
        return line, time.monotonic() - start

    return ask_at


def test_a_hub_out_of_reach_costs_seconds_and_one_line(ask_hub: Asking) -> None:
    line, seconds = ask_hub("http://10.255.255.1")
    assert "hub" in line.lower()
    assert seconds < 10


def test_a_hub_behind_a_wall_costs_seconds_and_one_line(ask_hub: Asking, black_hole: str) -> None:
    line, seconds = ask_hub(black_hole)
    assert "can't be reached" in line
    assert black_hole in line
    assert seconds < 10


def test_a_hub_that_takes_the_call_and_says_nothing_costs_seconds_and_one_line(ask_hub: Asking, busy_port: int) -> None:
    _, seconds = ask_hub(f"http://127.0.0.1:{busy_port}")
    assert seconds < 10


def test_a_hub_switched_off_is_said_in_one_line(fresh: Path) -> None:
    assert "can't be reached" in refused("train", "tfidf", "--task", "slang", "--source", "hub")
