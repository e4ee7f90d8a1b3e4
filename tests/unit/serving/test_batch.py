"""A whole file answered: reading it, asking models in turn, what is said of it, and the file handed back."""

import csv
import io
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef
from typer.testing import CliRunner

from engine.cli import app as commands
from engine.data.sources import TaskData
from engine.data.tables import Table, read_table
from engine.data.tables.writing import written
from engine.data.tasks import NLI, SLANG, Task
from engine.errors import DataError
from engine.evaluation.agreement import agreement_of_rows, measure_agreement
from engine.messages import Message
from engine.paths import Places
from engine.serving.answers import Answer, classify_all
from engine.serving.batch import (
    MOST_ROWS,
    Batch,
    Columns,
    Outcome,
    Paces,
    Progress,
    name_columns,
    prepare,
    recognise_columns,
    run_batch,
)
from engine.serving.batch_results import (
    agreement,
    answered_file,
    has_vote,
    label_shares,
    predicted,
    score_models,
    summarise,
    voters,
)
from engine.serving.registry import Registry
from engine.training.checkpoints import WEIGHTS, Checkpoint

TEXTS = ["ale sztos, brawo", "znowu, niestety; lipa", 'mówi "spoko" i tyle', "o której\tjutro?", "=SUMA(A1)"]
LABELS = ["positive", "0", "Neutralny", "1.0", "negatywny"]
NUMBERS = [2, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def registry(trained: Places) -> Registry:
    """Four small models for each task."""
    return Registry(trained.checkpoints)


def write(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    """A file as it is given."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_text(folder: Path, content: str | bytes, name: str = "rows.csv") -> Table:
    """A file's table."""
    return read_table(write(folder, content, name))


def as_csv(rows: Sequence[Sequence[str]], delimiter: str = ",", newline: str = "\n") -> str:
    """Rows as spreadsheets write them."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return out.getvalue()


def finish(registry: Registry, batch: Batch, models: Sequence[Checkpoint]) -> Outcome:
    """A run's end."""
    *_, last = run_batch(registry, batch, models)
    assert isinstance(last, Outcome)
    return last


def slang_batch(folder: Path, rows: int) -> Batch:
    """So many messages without labels."""
    lines = [[f"{TEXTS[place % len(TEXTS)]} {place}"] for place in range(rows)]
    table = read_text(folder, as_csv([["text"], *lines]))
    return prepare(table, recognise_columns(table))


def refusal(folder: Path, content: str | bytes, name: str = "rows.csv", **limits: int) -> str:
    """Why a file isn't taken: one line, which a page can say in its own language."""
    with pytest.raises(DataError) as caught:
        read_table(write(folder, content, name), max_rows=limits.get("max_rows"))
    assert isinstance(caught.value.args[0], Message)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("", "rows.csv", "rows.csv is empty"),
        ("\ufeff \n", "rows.csv", "rows.csv is empty"),
        ("text,label\n", "rows.csv", "no rows below the first one"),
        ("text\nsztos", "rows.docx", "of kind “.docx”"),
        ("text\nsztos", "rows", "of kind “?”"),
        ("text\nsztos\nтекст\n".encode("cp1251"), "rows.csv", "not UTF-8: see line 3"),
        ("text\nsztos".encode("utf-16") + b"x", "rows.csv", "begins as UTF-16"),
        ("text\nszt\0os", "rows.csv", "NUL bytes in line 2"),
        ("text,id\nsztos,1\nno i, co,2\n", "rows.csv", "Row 3 of rows.csv has 3 cells, but 2 columns"),
        ('text,id\nsztos,1\n"lipa,2\n', "rows.csv", "can't be read from line 3 on"),
        ("text,id,text\na,1,b\n", "rows.csv", "two columns called “text”"),
        ('{"text": "a"}\n{"text": }\n', "rows.jsonl", "Line 2 of rows.jsonl is not JSON: see character 10"),
        ('{"text": "a"}\n\n["b"]\n', "rows.jsonl", "Line 3 of rows.jsonl is not a JSON object"),
        ('[{"text": "a"}, 7]', "rows.jsonl", "Item 2 of rows.jsonl is not a JSON object"),
        ('{"text": "a", "text": "b"}', "rows.jsonl", "Line 1 of rows.jsonl has “text” twice"),
        ('{"a": ' + "[" * 100_000 + "\n", "rows.jsonl", "Line 1 of rows.jsonl is not JSON"),
        ('{"\\ud800": 1}', "rows.jsonl", "aren't valid Unicode"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, content: str | bytes, name: str, says: str) -> None:
    assert says in refusal(tmp_path, content, name)


def test_too_many_rows_and_too_many_bytes_are_refused(tmp_path: Path) -> None:
    assert "has 4 rows; at most 3 are taken" in refusal(tmp_path, "text\n" + "sztos\n" * 4, max_rows=3)
    assert len(read_table(tmp_path / "rows.csv", max_rows=4).numbers) == 4
    write(tmp_path, "text\n" + "s" * 2**20)
    with pytest.raises(DataError, match=r"at most 0\.5 MB"):
        read_table(tmp_path / "rows.csv", max_megabytes=0.5)


def test_more_columns_than_a_page_takes_are_refused_there_alone(tmp_path: Path) -> None:
    path = write(tmp_path, ",".join(f"c{n}" for n in range(101)) + "\n1\n")
    assert len(read_table(path).columns) == 101
    with pytest.raises(DataError, match="101 columns; at most 100"):
        read_table(path, max_rows=10)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file rows\.csv"):
        read_table(tmp_path / "rows.csv")


@pytest.mark.parametrize("bom", [False, True], ids=["plain", "bom"])
@pytest.mark.parametrize(("name", "delimiter"), [("rows.csv", ","), ("rows.csv", ";"), ("rows.tsv", "\t")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_sheet_comes_back_as_it_was_with_columns_behind(
    tmp_path: Path, name: str, delimiter: str, newline: str, bom: bool
) -> None:
    rows = [["", "text", "label"], *([str(place), *row] for place, row in enumerate(zip(TEXTS, LABELS, strict=True)))]
    content = as_csv(rows, delimiter, newline).encode("utf-8-sig" if bom else "utf-8")
    table = read_text(tmp_path, content, name)
    assert table.column("text") == TEXTS
    assert list(table.numbers) == [2, 3, 4, 5, 6]
    assert written(table, {}) == content
    more = written(table, {"model": ["a", "b", None, "d", "e"], "model_probability": [0.5, 1.0, None, 0.25, 0.1]})
    assert more.startswith(b"\xef\xbb\xbf") == bom
    back = list(csv.reader(io.StringIO(more.decode("utf-8-sig"), newline=""), delimiter=delimiter))
    assert [row[:3] for row in back] == rows
    assert [row[3:] for row in back[:4]] == [["model", "model_probability"], ["a", "0.5"], ["b", "1.0"], ["", ""]]


def test_marks_in_a_tsv_that_doesnt_quote_are_just_marks(tmp_path: Path) -> None:
    content = 'text\tid\n"sztos to mało\t1\nsztos" mówi\t2\n'
    table = read_text(tmp_path, content, "rows.tsv")
    assert table.column("text") == ['"sztos to mało', 'sztos" mówi']
    assert written(table, {"m": ["a", "b"]}).decode() == 'text\tid\tm\n"sztos to mało\t1\ta\nsztos" mówi\t2\tb\n'


def test_every_byte_of_a_jsonl_line_stays(tmp_path: Path) -> None:
    lines = ['{"text": "a\\u0142e", "n": 1.50}', '{"text":"b\u2028c", "deep": {"x": [1, 2]} }', "{}"]
    table = read_text(tmp_path, "\r\n".join(lines), "rows.jsonl")
    assert list(table.columns) == ["text", "n", "deep"]
    assert table.column("text") == ["ałe", "b\u2028c", ""]
    back = written(table, {"m": ["x", None, "ż"], "p": [0.5, None, 1.0]}).decode().split("\n")
    assert back[0] == '{"text": "a\\u0142e", "n": 1.50, "m": "x", "p": 0.5}'
    assert back[1].startswith('{"text":"b\u2028c", "deep": {"x": [1, 2]}, ')
    assert json.loads(back[1])["m"] is None
    assert json.loads(back[2]) == {"m": "ż", "p": 1.0}


def test_new_columns_take_no_name_that_is_there_and_none_that_is_a_formula(tmp_path: Path) -> None:
    table = read_text(tmp_path, "text,tfidf\nsztos,=1+1\n")
    header, row, _ = written(table, {"tfidf": ["negative"], "=cmd": ["positive"]}).decode().split("\n")
    assert header == "text,tfidf,tfidf_2,cmd"
    assert row == "sztos,=1+1,negative,positive", "the visitor's own cells stay as they were"


def test_short_rows_and_blank_lines_are_taken(tmp_path: Path) -> None:
    table = read_text(tmp_path, "text,label,id\nsztos\n\nlipa,0,7,,\n")
    assert table.column("label") == ["", "0"]
    assert list(table.numbers) == [2, 4], "as a spreadsheet counts"


@pytest.mark.parametrize(
    ("columns", "task", "texts", "label"),
    [
        (["text", "label"], SLANG, ("text",), "label"),
        (["Tekst", "Sentyment"], SLANG, ("Tekst",), "Sentyment"),
        (["sentence1", "sentence2", "gold_label"], NLI, ("sentence1", "sentence2"), "gold_label"),
        (["text", "premise", "hypothesis"], NLI, ("premise", "hypothesis"), None),
        (["a", "b"], SLANG, (None,), None),
    ],
)
def test_the_task_is_told_by_the_columns(
    tmp_path: Path, columns: list[str], task: Task, texts: tuple[str | None, ...], label: str | None
) -> None:
    table = read_text(tmp_path, as_csv([columns, ["x"] * len(columns)]))
    assert recognise_columns(table) == Columns(task, texts, label)


def test_columns_can_be_named_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    table = read_text(tmp_path, "body,mood\nsztos,positive\n")
    found = recognise_columns(table, SLANG)
    with pytest.raises(DataError, match=r"No column of rows.csv is recognised as the text.*body, mood"):
        prepare(table, found)
    batch = prepare(table, name_columns(found, ["text=body", "label=mood"]))
    assert (batch.inputs, batch.labels.tolist()) == ([("sztos",)], [2])
    for columns, says in [
        (Columns(SLANG, ("gone",)), "no column “gone”"),
        (Columns(SLANG, ("body",), "body"), "two things at once"),
        (Columns(NLI, ("body", "body")), "two things at once"),
    ]:
        with pytest.raises(DataError, match=says):
            prepare(table, columns)
    with pytest.raises(DataError, match="--column takes"):
        name_columns(found, ["words=body"])


def test_labels_are_read_by_name_and_by_number(tmp_path: Path) -> None:
    table = read_text(tmp_path, as_csv([["text", "label"], *zip(TEXTS, LABELS, strict=True)]))
    batch = prepare(table, recognise_columns(table))
    assert batch.labels.tolist() == NUMBERS
    lines = '{"text": "a", "label": 2}\n{"text": "b", "label": 0.0}\n{"text": "c"}\n{"text": "d", "label": null}\n'
    lines += '{"text": "e", "label": "1"}\n'
    table = read_text(tmp_path, lines, "rows.jsonl")
    assert prepare(table, recognise_columns(table)).labels.tolist() == [2, 0, -1, -1, 1]


def test_rows_that_cant_be_answered_are_set_aside_by_reason(tmp_path: Path, registry: Registry) -> None:
    rows = [
        {"text": "sztos", "label": "positive"},
        {"text": " "},
        {"label": 1},
        {"text": "a" * 5001},
        {"text": ["a"]},
        {"text": "pół \ud83d znaku"},
        {"text": "lipa", "label": "spam"},
        {"text": 7, "label": "negative"},
    ]
    table = read_text(tmp_path, "\n".join(map(json.dumps, rows)), "rows.jsonl")
    batch = prepare(table, recognise_columns(table))
    assert batch.refused == {"empty": [2, 3], "long": [4], "odd": [5, 6]}
    assert batch.inputs == [("sztos",), ("lipa",), ("7",)]
    assert (batch.labels.tolist(), batch.unknown_labels, batch.labelled) == ([2, -1, 0], [7], 2)
    outcome = finish(registry, batch, registry.models("slang"))
    back = [json.loads(line) for line in answered_file(outcome, voters(outcome, registry.models("slang"))).splitlines()]
    assert [row["tfidf"] is None for row in back] == [False, True, True, True, True, True, False, False]
    assert {**back[5], "text": ""} == {**rows[5], "text": "", **{key: None for key in back[5] if key != "text"}}
    assert score_models(outcome)["tfidf"].rows == 2


def test_a_file_without_a_single_answerable_row_is_refused(tmp_path: Path) -> None:
    table = read_text(tmp_path, "text,id\n,1\n ,2\n")
    with pytest.raises(DataError, match=r"No row of rows.csv can be answered"):
        prepare(table, recognise_columns(table))


def test_answers_are_those_of_single_questions(
    tmp_path: Path, registry: Registry, task: Task, slang: TaskData, nli: TaskData
) -> None:
    inputs = {"slang": slang, "nli": nli}[task.name].texts("test")[:40]
    table = read_text(tmp_path, as_csv([task.text_columns, *inputs]))
    models = registry.models(task.name)
    outcome = finish(registry, prepare(table, recognise_columns(table)), models)
    assert list(outcome.probabilities) == [one.name for one in models]
    for place, texts in enumerate(inputs):
        for answer in classify_all(registry, task, texts, models):
            assert isinstance(answer, Answer)
            row = outcome.probabilities[answer.model][place]
            assert row == pytest.approx(list(answer.scores.values()), abs=1e-4)
            assert task.labels[int(row.argmax())] == answer.label


def test_rows_that_were_cut_are_told_in_the_summary_and_in_columns_of_the_file(
    tmp_path: Path, registry: Registry
) -> None:
    table = read_text(tmp_path, as_csv([["text"], ["ale sztos"], ["\u200b\ufe0f"], ["lipa " * 400], ["ภาษาไทย"]]))
    models = [registry.find("slang", name) for name in ("majority", "tfidf", "scratch")]
    batch = prepare(table, recognise_columns(table))
    assert batch.refused == {"empty": [3]}
    outcome = finish(registry, batch, models)
    assert outcome.readings["scratch"][1].truncated
    told = {row["model"]: row["reading"] for row in summarise(outcome, models)["models"]}
    assert told["majority"] is None
    assert (told["scratch"]["rows_truncated"], told["scratch"]["rows_with_unknown"]) == (1, 0)
    assert (told["tfidf"]["rows_truncated"], told["tfidf"]["rows_all_unknown"]) == (0, 1)
    rows = list(csv.DictReader(io.StringIO(answered_file(outcome, []).decode())))
    # A model has a column more only where there is something to say.
    assert {one for one in rows[0] if one.endswith(("_truncated", "_unknown"))} == {
        "scratch_truncated",
        "tfidf_unknown",
    }
    cut = [row["scratch_truncated"] for row in rows]
    assert (cut[0], cut[1], cut[3]) == ("0.0", "", "0.0")
    assert 0.5 < float(cut[2]) < 1
    assert [row["tfidf_unknown"] for row in rows] == ["0.0", "", "0.0", "1.0"]


def test_figures_are_scikit_learns(tmp_path: Path, registry: Registry, slang: TaskData) -> None:
    rows = slang.split("test").head(120)
    table = read_text(tmp_path, as_csv([["text", "label"], *zip(rows["text"], map(str, rows["label"]), strict=True)]))
    outcome = finish(registry, prepare(table, recognise_columns(table)), registry.models("slang"))
    truth = rows["label"].to_numpy()
    for name, scores in score_models(outcome).items():
        said = predicted(outcome)[name]
        assert scores.rows == 120
        assert scores.accuracy == pytest.approx(accuracy_score(truth, said))
        assert scores.macro_f1 == pytest.approx(f1_score(truth, said, average="macro", labels=[0, 1, 2]))
        assert scores.weighted_f1 == pytest.approx(f1_score(truth, said, average="weighted"))
        assert scores.mcc == pytest.approx(matthews_corrcoef(truth, said))
        assert scores.loss == pytest.approx(log_loss(truth, outcome.probabilities[name], labels=[0, 1, 2]))
        assert scores.intervals["accuracy"][0] <= scores.accuracy <= scores.intervals["accuracy"][1]
        shares = label_shares(outcome)[name]
        assert list(shares.values()) == pytest.approx([(said == label).mean() for label in range(3)])


def test_agreement_is_counted_over_rows_that_all_have_answered() -> None:
    said = {"a": np.array([0, 1, 2, -1]), "b": np.array([0, 1, 1, 1]), "c": np.array([0, 2, 0, 1])}
    measured = measure_agreement(said)
    assert (measured.rows, measured.unanimous) == (3, 1)
    assert np.array(measured.pairs) == pytest.approx(np.array([[1, 2 / 3, 1 / 3], [2 / 3, 1, 0.5], [1 / 3, 0.5, 1]]))
    assert agreement_of_rows(said) == pytest.approx([1, 2 / 3, 1 / 3, 1])
    assert np.isnan(agreement_of_rows({"a": said["a"]})).all(), "one model agrees with nobody"
    never = measure_agreement({"a": np.array([-1]), "b": np.array([0])})
    assert np.isnan(never.pairs[0][1])


def test_models_that_ignore_the_text_dont_count_where_others_do(tmp_path: Path, registry: Registry) -> None:
    models = registry.models("slang")
    assert [one.name for one in models if not has_vote(one)] == ["majority"]
    outcome = finish(registry, slang_batch(tmp_path, 5), models)
    assert set(voters(outcome, models)) == {"tfidf", "scratch", "scratch-b"}
    few = [registry.find("slang", name) for name in ("majority", "tfidf")]
    assert voters(finish(registry, slang_batch(tmp_path, 5), few), few) == ["majority", "tfidf"]
    alone = finish(registry, slang_batch(tmp_path, 5), few[1:])
    assert answered_file(alone, voters(alone, few)).decode().startswith("text,tfidf,tfidf_probability\n")


def test_progress_grows_to_the_end_and_names_the_time_left(tmp_path: Path, registry: Registry) -> None:
    models, paces = registry.models("slang"), Paces()
    batch = slang_batch(tmp_path, 3000)
    before = {one.name: paces.rows_a_second(one) for one in models}
    *told, last = run_batch(registry, batch, models, paces=paces)
    assert isinstance(last, Outcome)
    steps = [one for one in told if isinstance(one, Progress)]
    assert len(steps) == len(told) >= len(models)
    shares = [one.share for one in steps]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] <= 1
    assert all(one.left >= 0 and one.rows == 3000 and set(one.done) == set(before) for one in steps)
    assert [one.elapsed for one in steps] == sorted(one.elapsed for one in steps)
    assert not last.cancelled
    assert all(paces.rows_a_second(one) != before[one.name] for one in models), "it learns the pace of this machine"


def test_cancelling_ends_within_a_piece_and_keeps_what_is_answered(tmp_path: Path, registry: Registry) -> None:
    models = [registry.find("slang", name) for name in ("tfidf", "scratch")]
    batch, cancelled = slang_batch(tmp_path, 10_000), threading.Event()
    stopped = 0
    for event in run_batch(registry, batch, models, cancelled):
        if isinstance(event, Progress) and event.done["scratch"] and not stopped:
            cancelled.set()
            stopped = event.done["scratch"]
    assert isinstance(event, Outcome)
    assert event.cancelled
    assert stopped
    done = {name: int((said != -1).sum()) for name, said in predicted(event).items()}
    assert done["tfidf"] == 10_000
    # A piece takes a fraction of a second.
    assert stopped <= done["scratch"] <= stopped + MOST_ROWS < 10_000
    common = agreement(event, ["tfidf", "scratch"])
    assert common.rows == done["scratch"]
    lines = answered_file(event, ["tfidf", "scratch"]).decode().splitlines()
    assert lines[1].count(",,") == 0
    assert lines[-1].endswith(",,,")


def test_a_run_that_nobody_follows_any_more_stops_asking(tmp_path: Path, registry: Registry) -> None:
    run = run_batch(registry, slang_batch(tmp_path, 10_000), [registry.find("slang", "scratch")])
    next(run)
    next(run)
    run.close()
    time.sleep(0.5)
    assert registry.turns._work_queue.qsize() == 0
    assert registry.pool.waiting == 0


def test_a_failing_model_doesnt_stop_the_others(trained: Places, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    registry = Registry(tmp_path / "checkpoints")
    registry.find("slang", "tfidf").folder.joinpath(WEIGHTS).write_bytes(b"")
    models = [registry.find("slang", name) for name in ("tfidf", "scratch")]
    outcome = finish(registry, slang_batch(tmp_path, 20), models)
    assert [one.model for one in outcome.failures] == ["tfidf"]
    assert f"{WEIGHTS} is damaged" in outcome.failures[0].reason
    assert list(outcome.probabilities) == ["scratch"]
    assert not np.isnan(outcome.probabilities["scratch"]).any()
    assert summarise(outcome, models)["failures"].keys() == {"tfidf"}


def test_questions_are_answered_while_files_are(tmp_path: Path, registry: Registry) -> None:
    models = [registry.find("slang", name) for name in ("tfidf", "scratch")]
    stop = threading.Event()
    ended: list[Outcome] = []
    batch = slang_batch(tmp_path, 10_000)

    def answer_file() -> None:
        ended.extend(one for one in run_batch(registry, batch, models * 3, stop) if isinstance(one, Outcome))

    files = [threading.Thread(target=answer_file) for _ in range(3)]
    for one in files:
        one.start()
    time.sleep(0.3)
    waits = []
    for _ in range(10):
        start = time.perf_counter()
        list(classify_all(registry, SLANG, ["sztos"], models))
        waits.append(time.perf_counter() - start)
    running = not ended
    stop.set()
    for one in files:
        one.join(20)
    assert running
    assert len(ended) == 3
    assert np.median(waits) < 1, "pieces are small, and never fill every place"


def test_the_command_writes_the_file_and_tells_the_figures(home: Path, tmp_path: Path) -> None:
    source = write(tmp_path, as_csv([["text", "label"], *zip(TEXTS, LABELS, strict=True)], ";"))
    out = tmp_path / "out.csv"
    told = CliRunner().invoke(commands, ["batch", "slang", str(source), "--out", str(out), "--json"])
    assert told.exit_code == 0, told.output
    result = json.loads(told.stdout)
    assert result["columns"] == {"text": "text", "label": "label"}
    assert {one["model"] for one in result["models"]} == {"tfidf", "scratch", "scratch-b"}
    assert all(one["scores"]["rows"] == 5 for one in result["models"])
    assert result["agreement"]["rows"] == 5
    with out.open(encoding="utf-8", newline="") as file:
        back = list(csv.DictReader(file, delimiter=";"))
    assert [row["text"] for row in back] == TEXTS
    assert {row["tfidf"] for row in back} <= set(SLANG.labels)
    assert all(1 / 3 <= float(row["agreement"]) <= 1 for row in back)
    again = ["batch", "slang", str(source), "--out", str(out), "--model", "tfidf"]
    assert "--force overwrites it" in CliRunner().invoke(commands, again).output
    words = CliRunner().invoke(commands, [*again, "--force"])
    assert words.exit_code == 0
    assert "accuracy" in words.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["slang", "rows.csv", "--out", "rows.csv"], "the file itself"),
        (["nli", "rows.csv", "--out", "out.csv"], "recognised as the premise"),
        (["slang", "gone.csv", "--out", "out.csv"], "no file gone.csv"),
        (["slang", "rows.csv", "--out", "out.csv", "--model", "bert"], "no trained model 'bert'"),
        (["slang", "rows.csv", "--out", "out.csv", "--column", "text"], "--column takes"),
    ],
)
def test_the_command_says_in_one_line_what_it_cant_do(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    write(tmp_path, "text\nsztos\n")
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(commands, ["batch", *arguments])
    assert told.exit_code == 2
    assert says in " ".join(told.output.split())
    assert not (tmp_path / "out.csv").exists()
