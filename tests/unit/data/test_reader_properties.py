"""Whatever writes a table, reading it gives the same texts and labels, or a refusal; never others."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.data.labels import read_labels
from engine.data.tables import read_table
from engine.data.tables.writing import WRITERS, written
from engine.data.tasks import SLANG
from engine.data.white_space import clean_text
from engine.errors import DataError
from engine.serving.batch import prepare, recognise_columns

Rows = list[tuple[str, str]]
NAMES = ("negative", "neutral", "positive")
LETTERS = st.sampled_from("aąbcćeęlłnńoóprsśtzźżAĄŚŹŻ019 ,;|\t\"'\\#=-.…„”😂é漢\n")
TEXTS = st.text(LETTERS, min_size=1, max_size=30).map(lambda text: f"w{text}w".replace("\r", ""))
EDGED = st.text(LETTERS, min_size=1, max_size=20).filter(lambda text: clean_text(text) != "")
TABLES = st.lists(st.tuples(TEXTS | EDGED, st.sampled_from(NAMES)), min_size=1, max_size=12)
DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|"),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    }
)
RUNS = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(content: bytes, name: str) -> Rows | None:
    """Cleaned texts and class names of a file, as `batch` takes them; None where it is refused."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            table = read_table(path)
            columns = recognise_columns(table, SLANG)
            batch = prepare(table, columns)
        except DataError:
            return None
    labels = read_labels([*NAMES], SLANG).classes.tolist()
    return [
        (text, NAMES[labels.index(label)]) for (text,), label in zip(batch.inputs, batch.labels.tolist(), strict=True)
    ]


def expected(rows: Rows) -> Rows:
    """The same rows as their texts are cleaned."""
    return [(clean_text(text), label) for text, label in rows]


def as_csv(rows: Rows, **dialect: Any) -> str:
    """Rows as Python's csv writes them."""
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows([("text", "label"), *rows])
    return out.getvalue()


@given(
    TABLES,
    DIALECTS,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from(["csv", "tsv", "txt"]),
)
@example([('"ale', "positive"), ('lipa"', "negative")], {"delimiter": "\t"}, "utf-8", "tsv")
@example([("a, b", "positive"), ("\\", "negative")], {"delimiter": ","}, "utf-8", "csv")
@RUNS
def test_any_dialect_of_csv_is_read_as_it_was_written_or_refused(
    rows: Rows, dialect: dict[str, Any], encoding: str, kind: str
) -> None:
    found = read(as_csv(rows, **dialect).encode(encoding), f"rows.{kind}")
    assert found in (None, expected(rows))


@given(
    st.lists(
        st.tuples(st.text('abcąśź ,;"', min_size=1, max_size=20).map(lambda one: f"w{one}w"), st.sampled_from(NAMES)),
        min_size=1,
        max_size=12,
    ),
    DIALECTS,
)
@RUNS
def test_a_csv_file_without_lines_in_texts_is_never_refused(rows: Rows, dialect: dict[str, Any]) -> None:
    assert read(as_csv(rows, **dialect).encode(), "rows.csv") == expected(rows)


@given(TABLES, st.sampled_from(["cp1250", "iso8859_2"]))
@RUNS
def test_polish_in_an_encoding_of_before_is_read_as_it_was_written_or_refused(rows: Rows, encoding: str) -> None:
    content = as_csv(rows).encode(encoding, "ignore")
    kept = [(text.encode(encoding, "ignore").decode(encoding), label) for text, label in rows]
    found = read(content, "rows.csv")
    if any(clean_text(text) == "" for text, _ in kept):
        return
    assert found in (None, expected(kept))


PANDAS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": lambda frame: frame.to_csv(index=False).encode(),
    "tsv": lambda frame: frame.to_csv(sep="\t").encode(),
    "jsonl": lambda frame: frame.to_json(orient="records", lines=True, force_ascii=False).encode(),
    "json": lambda frame: frame.to_json(orient="records").encode(),
    "parquet": lambda frame: frame.astype({"label": "category"}).to_parquet(),
    "csv.gz": lambda frame: gzip.compress(frame.to_csv(index=False, sep=";").encode("utf-8-sig")),
}


@given(TABLES, st.sampled_from(sorted(PANDAS)))
@RUNS
def test_whatever_pandas_writes_is_read_as_it_was_or_refused(rows: Rows, kind: str) -> None:
    frame = pd.DataFrame(rows, columns=["text", "label"])
    found = read(PANDAS[kind](frame), f"rows.{kind}")
    assert found in (None, expected(rows))
    if kind in ("jsonl", "json", "parquet"):
        assert found is not None


@given(TABLES, st.permutations(NAMES))
@settings(max_examples=25, derandomize=True, deadline=None)
def test_whatever_datasets_writes_is_read_by_its_class_names(rows: Rows, names: list[str]) -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=list(names))})
    data = Dataset.from_dict(
        {"text": [text for text, _ in rows], "label": [names.index(label) for _, label in rows]}, features=features
    )
    out = io.BytesIO()
    data.to_parquet(out)
    assert read(out.getvalue(), "rows.parquet") == expected(rows)


@given(TABLES, st.sampled_from(sorted(WRITERS)), st.sampled_from(sorted(WRITERS)))
@RUNS
def test_a_table_written_in_any_format_is_the_same_when_it_is_read_again(rows: Rows, first: str, second: str) -> None:
    lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
    with TemporaryDirectory() as folder:
        source = Path(folder) / "rows.jsonl"
        source.write_text(lines, encoding="utf-8")
        middle = Path(folder) / f"middle{first}"
        middle.write_bytes(written(read_table(source), {}, first))
        try:
            again = written(read_table(middle), {"model": ["x"] * len(rows)}, second)
        except DataError:
            return
    assert read(again, f"rows{second}") in (None, expected(rows))
