"""Inputs that people have, the smallest of each kind: read as they are meant, or refused in one line."""

import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.labels import MISSING, fold_label, read_labels
from engine.data.near_duplicates import count_near_duplicates
from engine.data.sources import SourceOptions, TaskData, load, load_for_evaluation
from engine.data.splits import find_leaks
from engine.data.tables import read_table
from engine.data.tables.writing import WRITERS, check_target, written
from engine.data.tasks import NLI, SLANG, Task
from engine.errors import DataError
from engine.paths import ROOT
from engine.serving.batch import Batch, prepare, recognise_columns

CLASSES = ("negative", "neutral", "positive")
LAYOUTS = ROOT.parent / "shared" / "data" / "layouts"


def posts(rows: int = 30) -> list[str]:
    """Different texts with every Polish letter in them."""
    return [f"zażółć gęślą jaźń, ŚCIĄGA ŹLE: wpis {number}" for number in range(rows)]


def csv_of(
    rows: int = 30, labels: Any = CLASSES, separator: str = ",", header: str = "text,label", newline: str = "\n"
) -> str:
    """A plain file of texts and labels in turn, with texts in quotation marks."""
    lines = [header.replace(",", separator)]
    lines += [f'"{text}"{separator}{labels[place % len(labels)]}' for place, text in enumerate(posts(rows))]
    return newline.join(lines) + newline


def keep(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    """A file as it is given."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def evaluated(path: Path, task: Task = SLANG, **options: Any) -> TaskData:
    """All rows of a file, as `evaluate` reads them."""
    return load_for_evaluation(task, str(path), SourceOptions(**options), "all")


def asked(path: Path, task: Task | None = None, **labels: str) -> Batch:
    """A file as `batch` reads it."""
    table = read_table(path)
    return prepare(table, recognise_columns(table, task), labels)


def refused(path: Path, task: Task = SLANG, **options: Any) -> str:
    """Why `evaluate` doesn't take a file: one line."""
    with pytest.raises(DataError) as caught:
        evaluated(path, task, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    return line


def not_asked(path: Path, task: Task | None = None) -> str:
    """Why `batch` doesn't take a file: one line."""
    with pytest.raises(DataError) as caught:
        asked(path, task)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def texts_of(data: TaskData) -> list[str]:
    """Texts of a slang file, in its order."""
    return data.frame["text"].tolist()


def labels_of(data: TaskData) -> list[int]:
    """Class numbers, in the file's order."""
    return data.frame["label"].tolist()


# Wrong results


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (SLANG, ["positive", "neutral", "negative"]),
        (SLANG, ["__label__meta_amb", "__label__meta_plus_m", "__label__meta_minus_m"]),
        (NLI, ["contradiction", "neutral", "entailment"]),
    ],
)
def test_classes_of_a_parquet_file_are_read_by_their_names(tmp_path: Path, task: Task, names: list[str]) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    numbers = [place % 3 for place in range(12)]
    columns: dict[str, Any] = {column: [f"{column} {place}" for place in range(12)] for column in task.text_columns}
    features = Features({column: Value("string") for column in columns} | {"label": ClassLabel(names=names)})
    Dataset.from_dict(columns | {"label": numbers}, features=features).to_parquet(tmp_path / "rows.parquet")
    right = [read_labels([names[number]], task).classes[0] for number in numbers]
    assert labels_of(evaluated(tmp_path / "rows.parquet", task)) == right
    assert asked(tmp_path / "rows.parquet", task).labels.tolist() == right
    assert MISSING not in right


def test_rows_of_datasets_without_a_class_are_left_out(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("large_string"), "label": ClassLabel(names=list(CLASSES))})
    rows = {"text": posts(4), "label": [0, 1, -1, 2]}
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "rows.parquet")
    data = evaluated(tmp_path / "rows.parquet")
    assert (labels_of(data), dict(data.report.dropped)) == ([0, 1, 2], {"unlabelled": 1})


@pytest.mark.parametrize("numbers", ["01", "12", ["0.0", "1.0"], ["-1", "0", "1"], "12345", "1", "02", ["0,0", "1,0"]])
def test_bare_numbers_short_of_the_scale_need_the_users_word(tmp_path: Path, numbers: Any) -> None:
    path = keep(tmp_path, csv_of(labels=[f'"{number}"' for number in numbers]))
    line = refused(path)
    assert "bare numbers" in line
    assert "--label" in line
    assert "positive" in line
    batch = asked(path)
    assert batch.labelled == 0
    assert "--label" in str(batch.doubt)


def test_the_users_word_is_taken_and_said(tmp_path: Path) -> None:
    path = keep(tmp_path, csv_of(labels="01"))
    assert labels_of(evaluated(path, labels={"1": "positive"}))[:2] == [0, 2]
    data = evaluated(path, labels={"0": "neutral", "1": "2"})
    assert labels_of(data)[:2] == [1, 2]
    assert asked(path, **{"1": "positive"}).labels.tolist()[:2] == [0, 2]
    assert "'happy' is none of" in refused(path, labels={"1": "happy"})
    both = keep(tmp_path, csv_of(labels="12"))
    assert "bare numbers" in refused(both, labels={"1": "positive"})


def test_numbers_that_cover_the_classes_are_read_and_said(tmp_path: Path) -> None:
    data = evaluated(keep(tmp_path, csv_of(labels="012")))
    assert labels_of(data)[:3] == [0, 1, 2]
    assert "labels are numbers, read as 0 negative, 1 neutral or ambiguous, 2 positive" in data.report.notes


def test_rows_are_split_by_their_slang_term(tmp_path: Path) -> None:
    lines = [f"słowo {one % 20} w zdaniu {one},{CLASSES[one % 20 % 3]},słowo{one % 20}" for one in range(200)]
    data = load(SLANG, str(keep(tmp_path, "text,label,term\n" + "\n".join(lines))))
    assert find_leaks(data.frame, SLANG) == {"texts": 0, "terms": 0}
    assert min(len(data.split(split)) for split in ("train", "validation", "test")) >= 10
    cut = data.frame.assign(split=["train", "test"] * (len(data.frame) // 2))
    cut["term"] = [f"Słowo {place // 20}!" for place in range(len(cut))]
    assert find_leaks(cut, SLANG)["terms"] == 10


@pytest.mark.parametrize("change", [str.upper, lambda text: f"„{text}”!!!", lambda text: text.replace(" ", "  ")])
def test_what_was_trained_on_is_recognised_in_other_case_and_punctuation(slang: TaskData, change: Any) -> None:
    from engine.data.folding import hash_keys

    seen = hash_keys(slang.texts("train"))
    changed = [(change(text),) for (text,) in slang.texts("train")]
    assert np.isin(hash_keys(changed), seen).all()
    assert not np.isin(hash_keys(slang.texts("test")), seen).any()


def test_duplicates_and_conflicts_are_found_by_the_same_key(tmp_path: Path) -> None:
    rows = "text,label\nale sztos,positive\nALE SZTOS!,negative\nale sztos :(,negative\n"
    rows += "ale sztos 😭,negative\nłał,neutral\n"
    data = evaluated(keep(tmp_path, rows))
    assert texts_of(data) == ["ale sztos", "ale sztos :(", "ale sztos 😭", "łał"], "moods are no punctuation"
    assert data.report.conflicts == 1
    assert data.report.rows["duplicate"] == ("3",)


def test_a_stray_quotation_mark_that_swallows_rows_is_refused(tmp_path: Path) -> None:
    for labels in (CLASSES, "012", ["super", "słabo"]):
        inside = "\n".join(f"wpis {one},{labels[one % len(labels)]}" for one in range(20))
        more = "\n".join(f"dalej {one},{labels[one % len(labels)]}" for one in range(20))
        path = keep(tmp_path, f'text,label\n"ale sztos,{labels[0]}\n{inside}\nlipa",{labels[1]}\n{more}\n')
        for line in (refused(path), not_asked(path)):
            assert "Row 2 of rows.csv opens a quotation mark and closes it 21 lines later" in line


def test_a_text_over_several_lines_is_one_text_and_said_where_its_lines_look_like_rows(tmp_path: Path) -> None:
    path = keep(tmp_path, 'text,label\n"kupiłem, polecam\ni tyle, serio",positive\n"a\nb",negative\nc,neutral\n')
    data = evaluated(path)
    assert texts_of(data) == ["kupiłem, polecam i tyle, serio", "a b", "c"]
    (note,) = data.report.files[0].notes
    assert note == "rows with a text over several lines that look like rows themselves: 2 (first in row 2)"


@pytest.mark.parametrize("header", ["text,text,label", "Text,text,label", "tresc,TREŚĆ,label", "text,label,Label"])
def test_columns_that_differ_in_nothing_are_refused_in_both(tmp_path: Path, header: str) -> None:
    path = keep(tmp_path, f"{header}\nsztos,lipa,positive\n")
    for line in (refused(path), not_asked(path, SLANG)):
        assert "Rename one" in line


def test_one_of_two_columns_alike_can_be_named(tmp_path: Path) -> None:
    path = keep(tmp_path, "Text,text,label\nA,b,positive\n")
    assert texts_of(evaluated(path, columns={"text": "Text"})) == ["A"]


def test_the_columns_that_are_used_are_always_in_the_report(tmp_path: Path) -> None:
    data = evaluated(keep(tmp_path, "ID,Treść,Etykieta\n7,sztos,pozytywna\n"))
    assert data.report.files[0].columns == {"id": "ID", "label": "Etykieta", "text": "Treść"}


def test_a_second_column_of_labels_that_contradicts_is_told(tmp_path: Path) -> None:
    rows = "text,label,sentiment\na,positive,negative\nb,neutral,neutral\nc,negative,\n"
    (note,) = evaluated(keep(tmp_path, rows)).report.files[0].notes
    assert note == "column “sentiment” says otherwise than column “label” in 1 rows (first in row 2)"
    assert asked(keep(tmp_path, rows)).report.notes == (note,)
    numbers = "text,label,label_text\na,0,positive\nb,1,neutral\nc,2,negative\n"
    assert "column “label_text” says otherwise" in refused(keep(tmp_path, numbers))
    assert asked(keep(tmp_path, numbers)).labelled == 0
    assert labels_of(evaluated(keep(tmp_path, numbers), columns={"label": "label_text"})) == [2, 1, 0]


@pytest.mark.parametrize("cell", [{"pl": "sztos"}, ["ale", "sztos"]])
def test_objects_and_lists_are_no_texts(tmp_path: Path, cell: Any) -> None:
    lines = keep(tmp_path, json.dumps({"text": cell, "label": "positive"}), "rows.jsonl")
    pd.DataFrame({"text": [cell], "label": ["positive"]}).to_parquet(tmp_path / "rows.parquet")
    for path in (lines, tmp_path / "rows.parquet"):
        for line in (refused(path), not_asked(path)):
            assert "column “text” holds objects" in line


def test_bytes_are_read_as_utf8_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"text": ["źle".encode()], "label": ["negative"]}).to_parquet(path)
    assert texts_of(evaluated(path)) == ["źle"]
    pd.DataFrame({"text": ["źle".encode("cp1250")], "label": ["negative"]}).to_parquet(path)
    assert "bytes that are not UTF-8" in refused(path)


@pytest.mark.parametrize("name", ["w_test.csv", "w_test.tsv", "w_test.jsonl", "w_test.csv.gz"])
def test_a_test_file_beside_the_source_in_another_dialect_is_read(tmp_path: Path, name: str) -> None:
    source = keep(tmp_path, csv_of(60), "w_train.csv")
    content: str | bytes = "tekst;etykieta\n" + "".join(f"osobny wpis {one};{CLASSES[one % 3]}\n" for one in range(9))
    if name.endswith("l"):
        content = "".join(
            json.dumps({"text": f"osobny wpis {one}", "label": CLASSES[one % 3]}) + "\n" for one in range(9)
        )
    keep(tmp_path, gzip.compress(content.encode()) if name.endswith("gz") else content, name)
    data = load(SLANG, str(source))
    assert len(data.split("test")) == 9
    assert f"test split: {name}, found beside the source" in data.report.notes


def test_a_test_file_beside_the_source_that_cant_be_read_stops_everything(tmp_path: Path) -> None:
    source = keep(tmp_path, csv_of(60), "w_train.csv")
    for content in ("wpis,y\nsztos,positive\n", "text,y\nsztos,positive\n", "text,label\nsztos,dobre\n"):
        keep(tmp_path, content, "w_test.csv")
        with pytest.raises(DataError, match=r"w_test\.csv"):
            load(SLANG, str(source))


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv", "rows.txt"])
def test_marks_in_a_tab_separated_file_that_quotes_nothing_stay(tmp_path: Path, name: str) -> None:
    path = keep(tmp_path, 'text\tlabel\n"ale sztos" mówi "elo"\tpositive\nlipa\tnegative\n', name)
    assert texts_of(evaluated(path)) == ['"ale sztos" mówi "elo"', "lipa"]
    assert asked(path).inputs == [('"ale sztos" mówi "elo"',), ("lipa",)]


def test_marks_escaped_by_backslashes_are_marks(tmp_path: Path) -> None:
    path = keep(tmp_path, 'text,label\n"mówi \\"elo\\", i tyle",positive\n"no, \\"lipa\\"",negative\n')
    data = evaluated(path)
    assert texts_of(data) == ['mówi "elo", i tyle', 'no, "lipa"']
    assert "quotation marks are escaped by backslashes" in data.report.files[0].notes
    assert [text for (text,) in asked(path).inputs] == texts_of(data)


def test_a_space_after_each_separator_is_no_part_of_the_cells(tmp_path: Path) -> None:
    path = keep(tmp_path, 'label, text\npositive, "ale, sztos"\nnegative, lipa\n')
    assert texts_of(evaluated(path)) == ["ale, sztos", "lipa"]


# Good files


def test_dictionaries_categories_and_large_strings_of_parquet_are_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts, labels = posts(6), [*CLASSES, *CLASSES]
    columns = {
        "dictionary": pa.table({"text": pa.array(texts).dictionary_encode(), "label": labels}),
        "large": pa.table({"text": pa.array(texts, pa.large_string()), "label": pa.array(labels, pa.string_view())}),
        "category": pa.Table.from_pandas(pd.DataFrame({"text": texts, "label": pd.Categorical(labels)})),
    }
    for table in columns.values():
        pq.write_table(table, tmp_path / "rows.parquet")
        assert texts_of(evaluated(tmp_path / "rows.parquet")) == texts
        assert [text for (text,) in asked(tmp_path / "rows.parquet").inputs] == texts


@pytest.mark.parametrize("nothing", ["", "-", "-1", "hidden", "NaN", "null", " "])
def test_rows_without_a_label_are_dropped_and_counted(tmp_path: Path, nothing: str) -> None:
    path = keep(tmp_path, csv_of(9) + f"bez etykiety,{nothing}\n")
    data = evaluated(path)
    assert dict(data.report.dropped) == {"unlabelled": 1}
    assert data.report.rows == {"unlabelled": ("11",)}
    assert data.report.read == 10
    batch = asked(path)
    assert (batch.labelled, batch.unknown_labels, len(batch.inputs)) == (9, [], 10)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-32-be", "UTF-32"),
        ("cp1250", "Windows-1250"),
        ("iso8859_2", "ISO-8859-2"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_encoding_and_separator_is_read_and_said(
    tmp_path: Path, encoding: str, said: str, separator: str
) -> None:
    content = csv_of(6, separator=separator, header="TREŚĆ,etykieta", newline="\r\n").encode(encoding)
    for name in ("rows.csv", "rows.tsv", "rows.txt"):
        path = keep(tmp_path, content, name)
        data = evaluated(path)
        assert texts_of(data) == posts(6)
        assert (data.report.files[0].encoding, data.report.files[0].format) == (said, "CSV")
        assert read_table(path).reading.separator == separator
        assert [text for (text,) in asked(path).inputs] == posts(6)


@pytest.mark.parametrize("word", ["są", "ślub", "źle", "łąka", "Śnieg", "jaźń"])
def test_polish_encodings_of_before_are_told_apart_by_one_word(tmp_path: Path, word: str) -> None:
    for encoding in ("cp1250", "iso8859_2"):
        path = keep(tmp_path, f"text,label\n{word} tu,positive\n".encode(encoding))
        assert texts_of(evaluated(path)) == [f"{word} tu"]
    path = keep(tmp_path, "text,label\nżółte koło,positive\n".encode("cp1250"))
    assert evaluated(path).report.files[0].encoding == "Windows-1250 or ISO-8859-2", "both say the same"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("короче сила, бро", "cp1251"),
        ("c'était déjà très bien", "cp1252"),
        ("¿qué tal mañana, señor?", "latin-1"),
        ("zażółć gęślą jaźń", "cp852"),
        ("zażółć gęślą jaźń", "mac_latin2"),
        ("příliš žluťoučký kůň", "cp1250"),
    ],
)
def test_no_other_encoding_is_taken_for_polish(tmp_path: Path, text: str, encoding: str) -> None:
    path = keep(tmp_path, f"text,label\n{text},positive\n".encode(encoding))
    for line in (refused(path), not_asked(path)):
        assert "rows.csv is not UTF-8: see line 2" in line


def test_a_polish_excels_file_is_read(tmp_path: Path) -> None:
    rows = "tekst;etykieta;waga\r\nźle było, serio;0;0,5\r\nmoże być;1;1,25\r\nświetnie;2;0,75\r\n"
    path = keep(tmp_path, rows.encode("cp1250"))
    data = evaluated(path)
    assert (texts_of(data), labels_of(data)) == (["źle było, serio", "może być", "świetnie"], [0, 1, 2])
    file = data.report.files[0]
    assert (file.encoding, file.separator) == ("Windows-1250", "semicolon")


def test_a_workbook_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    table = read_table(keep(tmp_path, csv_of(4) + "\nod końca,-\n"))
    for name in ("rows.xlsx", "rows.csv"):
        path = keep(tmp_path, written(table, {}, ".xlsx"), name)
        data = evaluated(path)
        assert texts_of(data) == posts(4)
        assert data.report.files[0].format == "Excel"
        assert dict(data.report.dropped) == {"unlabelled": 1}


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".parquet", ".xlsx"])
def test_gzip_of_every_kind_is_read_under_any_name(tmp_path: Path, kind: str) -> None:
    content = written(read_table(keep(tmp_path, csv_of(6))), {}, kind)
    for name in (f"x{kind}.gz", f"x{kind}", "x.csv"):
        data = evaluated(keep(tmp_path, gzip.compress(content), name))
        assert texts_of(data) == posts(6)
        assert data.report.files[0].packed


@pytest.mark.parametrize("header", ["sep=;\n", "sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_a_first_line_that_names_the_separator_is_honoured(tmp_path: Path, header: str) -> None:
    path = keep(tmp_path, f"{header}text;label\nsztos, serio;positive\nno, lipa, wiesz;zła\n")
    line = refused(path)
    assert "label 'zła' in row 3" in line


def test_separators_are_counted_outside_quotation_marks(tmp_path: Path) -> None:
    path = keep(tmp_path, '"text;a,b,c,d";label\n"e, f, g, h";positive\n"i, j; k, l";negative\n')
    table = read_table(path)
    assert (table.reading.separator, list(table.columns)) == (";", ["text;a,b,c,d", "label"])


def test_a_list_of_objects_is_read_and_items_are_counted(tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(posts(3), CLASSES, strict=True)]
    for name in ("rows.json", "rows.jsonl", "rows.csv"):
        for content in (json.dumps(rows, ensure_ascii=False), json.dumps(rows, indent=2), json.dumps({"data": rows})):
            assert texts_of(evaluated(keep(tmp_path, content, name))) == posts(3)
    bad = keep(tmp_path, json.dumps([*rows, {"text": "x", "label": "złe"}]), "rows.json")
    assert "label 'złe' in item 4" in refused(bad)
    lines = keep(tmp_path, "\n".join(map(json.dumps, rows)), "rows.json")
    assert texts_of(evaluated(lines)) == posts(3)


def test_a_cell_too_long_for_a_model_is_set_aside_by_its_row(tmp_path: Path) -> None:
    path = keep(tmp_path, csv_of(6) + f'"{"a" * 140_000}",positive\nkoniec,neutral\n')
    data = evaluated(path)
    assert dict(data.report.dropped) == {"too long": 1}
    assert data.report.rows == {"too long": ("8",)}
    assert texts_of(data)[-1] == "koniec"
    assert asked(path).refused == {"long": [8]}


SPELLINGS = [
    (SLANG, 0, "negative NEG Negatywny negatywna NEGATYWNE LABEL_0 label_0 __label__meta_minus_m __label__z_minus_s"),
    (SLANG, 1, "neutral neu neutralna LABEL_1 __label__meta_zero __label__meta_amb ambiguous niejednoznaczny"),
    (SLANG, 2, "positive pos pozytywny POZYTYWNA pozytywne LABEL_2 __label__meta_plus_m"),
    (NLI, 0, "entailment ENTAILMENT entails entailed e E LABEL_0 A_entails_B wynikanie"),
    (NLI, 1, "neutral n NEUTRAL A_neutral_B LABEL_1"),
    (NLI, 2, "contradiction contradictory contradicts c CONTRADICTION A_contradicts_B LABEL_2 sprzeczność"),
]


@pytest.mark.parametrize(("task", "label", "spellings"), SPELLINGS)
def test_the_usual_spellings_of_labels_are_known(task: Task, label: int, spellings: str) -> None:
    words = spellings.split()
    assert read_labels(words, task).classes.tolist() == [label] * len(words)


def test_a_label_that_may_be_two_classes_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = keep(tmp_path, "premise,hypothesis,label\npada,mokro,entailment\npada,sucho,non-entailment\n")
    line = refused(path, NLI)
    assert "label 'non-entailment' in row 3" in line
    assert "either of two classes" in line
    assert "--label non-entailment=CLASS" in line
    assert labels_of(evaluated(path, NLI, labels={"non-entailment": "contradiction"})) == [0, 2]
    assert len(evaluated(path, NLI, labels={"non-entailment": ""}).frame) == 1


def test_other_labels_can_be_named(tmp_path: Path) -> None:
    path = keep(tmp_path, "text,label\na,super\nb,słabo\nc,tak sobie\n")
    assert "Say what it means: --label super=CLASS" in refused(path)
    named = {"super": "positive", "SŁABO": "negatywny", "tak sobie": "1"}
    assert labels_of(evaluated(path, labels=named)) == [2, 0, 1]


@pytest.mark.parametrize(
    ("header", "row", "labels"),
    [
        ("pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment", "1\tA\tB\t2.1\t{}", NLI.labels),
        ("pair_ID\tsentence_A\tsentence_B\tentailment_label\tentailment_AB", "1\tA\tB\t{}\tA_x_B", NLI.labels),
        (
            "language\tgold_label\tsentence1\tsentence2\tpairID",
            "ar\t{}\tA\tB\t7",
            ("entailment", "neutral", "contradictory"),
        ),
        ("uid\tcontext\thypothesis\tlabel\treason", "u\tA\tB\t{}\tbecause", ("e", "n", "c")),
        ("gold_label\tsentence1\tsentence2\tlabel1", "{}\tA\tB\tneutral", NLI.labels),
        ("promptID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label", "1\tfiction\tA\tB\tneutral\t{}", NLI.labels),
    ],
    ids=["CDSC-E", "SICK", "XNLI", "ANLI", "SNLI", "MNLI"],
)
def test_layouts_of_known_data_sets_are_recognised(
    tmp_path: Path, header: str, row: str, labels: tuple[str, ...]
) -> None:
    lines = [
        row.format(label).replace("A", f"zdanie {place}").replace("B", "drugie") for place, label in enumerate(labels)
    ]
    data = evaluated(keep(tmp_path, "\n".join([header, *lines]), "rows.txt"), NLI)
    assert labels_of(data) == [0, 1, 2]
    if header.startswith("language"):
        assert set(data.frame["lang_abv"]) == {"ar"}


@pytest.mark.parametrize(
    ("name", "kept"), [("cdsc_test.txt", 998), ("sick_pl_trial.txt", 495), ("excel_polish.csv", 200)]
)
@pytest.mark.skipif(not LAYOUTS.is_dir(), reason="the layouts are not here")
def test_a_real_file_of_each_layout_is_read_whole(name: str, kept: int) -> None:
    data = load(SLANG if name.startswith("excel") else NLI, str(LAYOUTS / name))
    assert data.report.kept == kept
    assert data.report.files[0].rows == data.report.read
    assert "Ä" not in "".join(data.frame[data.task.text_columns[0]])


# Messages


def test_rows_are_counted_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    path = keep(tmp_path, 'text,label\n"dwa\nwiersze",positive\n\n"a\nb\nc",neutral\nd,dziwne\n')
    assert "label 'dziwne' in row 5" in refused(path)
    lines = keep(tmp_path, '{"text": "a", "label": "positive"}\n\n{"text": "b", "label": "dziwne"}\n', "rows.jsonl")
    assert "label 'dziwne' in line 3" in refused(lines)


def test_too_many_cells_are_said_with_their_row_and_cause(tmp_path: Path) -> None:
    for path in (keep(tmp_path, "text,label\nsztos,positive\n\nno, lipa,negative\n"),):
        for line in (refused(path), not_asked(path)):
            assert "Row 4 of rows.csv has 3 cells, but 2 columns are named" in line
            assert "text with “,” in it has to stand in quotation marks" in line
    every = keep(tmp_path, "text,label\n" + "".join(f"{one},a,positive\n" for one in range(5)))
    assert "Every row of rows.csv has 3 cells" in refused(every)


@pytest.mark.parametrize("place", ["", "-", "/dev/stdin", "folder"])
def test_what_is_no_file_is_said_to_be_none(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    says = {"": "names no file", "-": "not from standard input", "folder": "is a folder"}
    with pytest.raises(DataError) as caught:
        load(SLANG, place)
    line = str(caught.value)
    assert says.get(place, "a stream or a device") in line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "isn't read (.xls)"),
        (b"%PDF-1.7 text,label", "isn't read (PDF)"),
        (b"PK\x03\x04nothing", "workbook is broken"),
        (b"\x1f\x8bnothing", "gzip is broken"),
        (b"PAR1nothing", "Parquet is broken"),
        (b"SQLite format 3\0", "isn't read (SQLite)"),
    ],
)
def test_other_files_under_a_tables_name_are_called_what_they_are(tmp_path: Path, content: bytes, says: str) -> None:
    for line in (refused(keep(tmp_path, content)), not_asked(keep(tmp_path, content))):
        assert says in line


def test_small_sets_are_refused_for_the_true_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="9 rows are too few to split 80/10/10: at least 10 are needed"):
        load(SLANG, str(keep(tmp_path, csv_of(9))))
    rows = csv_of(30, labels=["positive"] * 14 + ["neutral"])
    with pytest.raises(DataError, match="each label needs at least 3 rows, but neutral or ambiguous has 2"):
        load(SLANG, str(keep(tmp_path, rows)))


def test_one_class_alone_is_not_trained_on(tmp_path: Path) -> None:
    from engine.training.build import require_classes

    data = load(SLANG, str(keep(tmp_path, csv_of(30, labels=["positive"]))))
    with pytest.raises(DataError, match="its 24 train rows are all positive"):
        require_classes(data)


# Files with answers


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("source", [".csv", ".jsonl", ".parquet", ".xlsx"])
def test_answers_are_written_in_the_format_that_the_ending_names(tmp_path: Path, source: str, kind: str) -> None:
    first = read_table(keep(tmp_path, 'text,id\n"=1+1; ""a""",1\n"dwa\twiersze",2\n'))
    table = read_table(keep(tmp_path, written(first, {}, source), f"rows{source}"))
    path = keep(tmp_path, written(table, {"model": ["positive", None], "share": [0.5, None]}, kind), f"out{kind}")
    back = read_table(path)
    assert list(back.columns) == ["text", "id", "model", "share"]
    assert back.strings("text") == first.strings("text"), "a formula is a text like any other"
    assert [back.strings(name) for name in ("id", "model", "share")] == [["1", "2"], ["positive", ""], ["0.5", ""]]


def test_a_place_for_answers_is_checked_before_anything_is_computed(tmp_path: Path) -> None:
    there = keep(tmp_path, "x", "there.csv")
    for path, says in [
        (tmp_path / "nowhere" / "out.csv", "There is no folder"),
        (tmp_path / "out.docx", "'.docx' are not written"),
        (tmp_path / "out", "are not written"),
        (there, "--force overwrites it"),
        (tmp_path, "is a folder"),
    ]:
        with pytest.raises(DataError, match=says):
            check_target(path, force=False)
    check_target(there, force=True)
    check_target(tmp_path / "out.xlsx", force=False)


def test_nearly_the_same_texts_on_two_sides_are_counted_as_comparing_all_pairs_counts_them() -> None:
    draw = random.Random(3)  # noqa: S311
    words = [f"słowo{number}" for number in range(60)]
    texts = [draw.sample(words, draw.randint(4, 12)) for _ in range(120)]
    texts += [[*text[:-1], "inne"] for text in texts[:60]]
    frame = pd.DataFrame({"text": [" ".join(text) for text in texts], "split": ["train"] * 120 + ["test"] * 60})
    sets = [frozenset(text) for text in texts]
    near = [any(len(one & two) >= 0.8 * len(one | two) for two in sets[:120]) for one in sets[120:]]
    found = count_near_duplicates(frame, SLANG)
    assert 0 < sum(near) < 60
    assert found == pytest.approx(sum(near), abs=3)


def test_folding_leaves_no_case_accent_or_joint_in_a_label() -> None:
    assert {fold_label(one) for one in ("Non-Entailment", "NON_ENTAILMENT", "non entailment ")} == {"non entailment"}
    assert {fold_label(one) for one in ("1", "1.0", "+1", "01", "1,00")} == {"1"}


def test_a_page_refuses_what_unpacks_to_much_more(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    with gzip.open(bomb, "wb") as file:
        file.write(b"text\n" + b"a" * 2**20)
    with pytest.raises(DataError, match="once it is unpacked"):
        read_table(keep(tmp_path, bomb.getvalue()), max_megabytes=0.1)
