"""Sources: whatever file a person has is recognised, or refused in one line that says what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from engine.data.sources import SourceOptions, TaskData, load, load_for_evaluation
from engine.data.tasks import NLI, SLANG, Task
from engine.errors import DataError
from engine.paths import ROOT

SHARED = ROOT.parent / "shared" / "data"
CHAT = [
    ("znowu lagi, nie da się grać", 0),
    ("mecz jest o osiemnastej na orliku", 1),
    ("ziomek oddał mi swoje bilety, kozak", 2),
    ("ten wykład to była zamuła roku", 0),
    ("kto bierze głośnik na działkę 🔊", 1),
    ("babcia zrobiła pierogi, sztos 😍", 2),
]
TRIPS = [
    ("Prom odpłynął, zanim dojechaliśmy do portu.", "Spóźniliśmy się na prom.", 0),
    ("Prom odpłynął, zanim dojechaliśmy do portu.", "Na promie grała orkiestra.", 1),
    ("Prom odpłynął, zanim dojechaliśmy do portu.", "Weszliśmy na pokład jako pierwsi.", 2),
]

Writer = Callable[[pd.DataFrame, Path], None]
WRITERS: dict[str, Writer] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, force_ascii=False),
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
}


def chat(repeats: int = 10, start: int = 0) -> pd.DataFrame:
    """Messages with the columns `text` and `label`, all different."""
    rows = [(f"{text} [{number}]", label) for number in range(start, start + repeats) for text, label in CHAT]
    return pd.DataFrame(rows, columns=["text", "label"])


def trips(repeats: int = 20, start: int = 0) -> pd.DataFrame:
    """Pairs with the columns `premise`, `hypothesis` and `label`, all different."""
    rows = [(f"{number}. {one}", two, label) for number in range(start, start + repeats) for one, two, label in TRIPS]
    return pd.DataFrame(rows, columns=["premise", "hypothesis", "label"])


def write(frame: pd.DataFrame, path: Path) -> str:
    """Write a table in the kind that the path's ending names."""
    WRITERS[path.suffix[1:]](frame, path)
    return str(path)


def refusal(task: Task, source: str | Path, options: SourceOptions | None = None) -> str:
    """The message with which a source is refused: always one line of a readable length."""
    with pytest.raises(DataError) as caught:
        load(task, str(source), options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def rows_of(data: TaskData) -> list[tuple[object, ...]]:
    return sorted(data.frame[[*data.task.text_columns, "label"]].itertuples(index=False, name=None))


# Kinds of files


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    data = load(SLANG, write(chat(), tmp_path / f"chat.{kind}"))
    assert rows_of(data) == sorted(chat().itertuples(index=False, name=None))
    assert data.source == f"chat.{kind}"
    assert data.fingerprint == load(SLANG, write(chat(), tmp_path / "same.csv")).fingerprint


@pytest.mark.parametrize("kind", WRITERS)
def test_pairs_are_read_from_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    data = load(NLI, write(trips(), tmp_path / f"trips.{kind}"))
    assert rows_of(data) == sorted(trips().itertuples(index=False, name=None))
    assert data.texts("all")[0] == ("0. Prom odpłynął, zanim dojechaliśmy do portu.", "Spóźniliśmy się na prom.")


def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "CHAT.CSV"
    path.write_bytes(chat().to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig"))
    assert rows_of(load(SLANG, str(path))) == sorted(chat().itertuples(index=False, name=None))


def test_texts_that_look_like_missing_values_or_numbers_stay_texts(tmp_path: Path) -> None:
    odd = ["null", "NA", "007", "1.0", "nan", "2024-01-02"]
    frame = pd.concat([chat(), pd.DataFrame({"text": odd, "label": 1})])
    for kind in WRITERS:
        data = load(SLANG, write(frame, tmp_path / f"odd.{kind}"))
        assert set(odd) <= set(data.frame["text"]), kind


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_missing_text_is_an_empty_row_and_not_a_word(tmp_path: Path, kind: str) -> None:
    frame = chat().astype({"text": "string"})
    frame.loc[3, "text"] = pd.NA
    data = load(SLANG, write(frame, tmp_path / f"gap.{kind}"))
    assert dict(data.report.dropped) == {"empty": 1}
    assert len(data.frame) == len(frame) - 1


@pytest.mark.parametrize("dtype", ["int8", "float64", "category", "string"])
def test_labels_of_any_type_in_parquet_are_numbers(tmp_path: Path, dtype: str) -> None:
    data = load(SLANG, write(chat().astype({"label": dtype}), tmp_path / "typed.parquet"))
    assert rows_of(data) == sorted(chat().itertuples(index=False, name=None))


def test_fields_with_commas_quotes_and_line_ends_survive(tmp_path: Path) -> None:
    hard = 'powiedział: "spoko, luz",\ni tyle go widzieli'
    frame = pd.concat([chat(), pd.DataFrame({"text": [hard], "label": [0]})])
    for kind in WRITERS:
        data = load(SLANG, write(frame, tmp_path / f"hard.{kind}"))
        assert 'powiedział: "spoko, luz", i tyle go widzieli' in set(data.frame["text"]), kind


# Columns


def test_columns_of_kaggles_file_are_recognised(tmp_path: Path) -> None:
    frame = trips().assign(
        id=lambda rows: [f"{row:010x}" for row in range(len(rows))], lang_abv="pl", language="Polish"
    )
    frame = frame[["id", "premise", "hypothesis", "lang_abv", "language", "label"]]
    data = load(NLI, write(frame, tmp_path / "train.csv"))
    assert set(data.frame["lang_abv"]) == {"pl"}
    assert sorted(data.frame["id"]) == sorted(frame["id"])


def test_polish_columns_of_the_hub_set_are_recognised(tmp_path: Path) -> None:
    frame = chat().rename(columns={"text": "tekst", "label": "sentyment"})
    frame = frame.assign(
        **{
            "słowo slangowe": "kozak",
            "znaczenie wyrazów slangowych": "ktoś godny podziwu",
            "źródło": "rozmowa",
            "powiązana data": "2024",
        }
    )
    frame["tekst"] += "   "
    data = load(SLANG, write(frame, tmp_path / "slang.csv"))
    assert rows_of(data) == sorted(chat().itertuples(index=False, name=None))
    assert set(data.frame["term"]) == {"kozak"}
    assert set(data.frame["meaning"]) == {"ktoś godny podziwu"}


def test_columns_are_recognised_in_any_order_and_case(tmp_path: Path) -> None:
    frame = trips().rename(columns=str.upper)[["LABEL", "HYPOTHESIS", "PREMISE"]]
    assert rows_of(load(NLI, write(frame, tmp_path / "x.csv"))) == sorted(trips().itertuples(index=False, name=None))


def test_columns_of_other_nli_sets_are_recognised(tmp_path: Path) -> None:
    frame = trips().set_axis(["sentence1", "sentence2", "gold_label"], axis=1)
    frame["gold_label"] = frame["gold_label"].map(dict(enumerate(NLI.labels)))
    assert rows_of(load(NLI, write(frame, tmp_path / "x.csv"))) == sorted(trips().itertuples(index=False, name=None))


def test_labels_may_be_names_in_either_language_and_any_case(tmp_path: Path) -> None:
    frame = chat()
    frame["label"] = frame["label"].map({0: " Negatywny ", 1: "neutral", 2: "POSITIVE"})
    assert rows_of(load(SLANG, write(frame, tmp_path / "x.csv"))) == sorted(chat().itertuples(index=False, name=None))


def test_columns_can_be_named(tmp_path: Path) -> None:
    frame = chat().set_axis(["wpis", "nastrój"], axis=1)
    options = SourceOptions(columns={"text": "wpis", "label": "nastrój"})
    data = load(SLANG, write(frame, tmp_path / "x.csv"), options)
    assert rows_of(data) == sorted(chat().itertuples(index=False, name=None))


def test_a_named_column_goes_before_one_that_is_recognised(tmp_path: Path) -> None:
    frame = chat().assign(body=lambda rows: "pełny wpis: " + rows["text"])
    data = load(SLANG, write(frame, tmp_path / "x.csv"), SourceOptions(columns={"text": "body"}))
    assert data.frame["text"].str.startswith("pełny wpis: ").all()


def test_naming_a_column_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    source = write(chat(), tmp_path / "x.csv")
    assert "'wpis'" in refusal(SLANG, source, SourceOptions(columns={"text": "wpis"}))
    assert "text, label" in refusal(SLANG, source, SourceOptions(columns={"text": "wpis"}))


def test_naming_a_column_for_something_unknown_lists_what_can_be_named(tmp_path: Path) -> None:
    message = refusal(SLANG, write(chat(), tmp_path / "x.csv"), SourceOptions(columns={"body": "text"}))
    assert "'body'" in message
    assert "text, term" in message


# Refusals


def test_wrong_columns_are_refused_with_those_seen_and_those_wanted(tmp_path: Path) -> None:
    frame = pd.DataFrame({"kot": ["mruczy"], "pies": ["szczeka"]})
    message = refusal(NLI, write(frame, tmp_path / "zoo.csv"))
    assert "zoo.csv" in message
    assert "Columns seen: kot, pies" in message
    assert "Wanted: premise, hypothesis, label" in message
    assert "--column premise=NAME" in message


def test_a_file_of_the_other_task_is_refused(tmp_path: Path) -> None:
    assert "premise or hypothesis" in refusal(NLI, write(chat(), tmp_path / "chat.csv"))
    assert "Columns seen: premise, hypothesis, label" in refusal(SLANG, write(trips(), tmp_path / "trips.csv"))


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_file_in_windows_1250_is_read_and_said(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"stary.{kind}"
    write(chat(), path)
    path.write_bytes(path.read_text(encoding="utf-8").replace("🔊", "").replace("😍", "").encode("cp1250"))
    data = load(SLANG, str(path))
    assert "babcia zrobiła pierogi, sztos [3]" in set(data.frame["text"])
    assert data.report.files[0].encoding == "Windows-1250"


@pytest.mark.parametrize("label", ["3", "1.5", "good", "-2"])
def test_a_label_outside_the_three_is_refused_with_its_row(tmp_path: Path, label: str) -> None:
    frame = chat().astype({"label": str})
    frame.loc[4, "label"] = label
    message = refusal(SLANG, write(frame, tmp_path / "x.csv"))
    assert f"label '{label}' in row 6" in message
    assert "0 negative, 1 neutral or ambiguous, 2 positive" in message


def test_a_row_with_too_many_fields_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(chat().to_csv(index=False) + "no weź, serio, przestań,0\n", encoding="utf-8")
    assert f"Row {len(chat()) + 2} of x.csv has 4 cells" in refusal(SLANG, path)


def test_a_file_whose_every_row_has_a_field_too_many_is_refused_rather_than_shifted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    # The comma in the text should have been quoted; read as an index, half of every text would be lost in silence.
    path.write_text("text,label\n" + "".join(f"no weź, serio {row},{row % 3}\n" for row in range(30)), encoding="utf-8")
    assert "x.csv" in refusal(SLANG, path)


def test_an_open_quotation_mark_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(chat().to_csv(index=False) + '"ucięte w pół,0\nnastępne,1\n', encoding="utf-8")
    assert "x.csv can't be read" in refusal(SLANG, path)


@pytest.mark.parametrize("line", ['{"text": "ucięte w pó', "[1, 2]", "7", '"sam tekst"'])
def test_lines_that_are_no_json_objects_are_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f"{line}\n{line}\n", encoding="utf-8")
    assert "x.jsonl" in refusal(SLANG, path)


@pytest.mark.parametrize("kind", WRITERS)
def test_an_empty_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    path.touch()
    assert f"x.{kind}" in refusal(SLANG, path)


def test_a_file_with_a_header_alone_is_refused(tmp_path: Path) -> None:
    line = refusal(SLANG, write(chat().iloc[:0], tmp_path / "x.csv"))
    assert line.startswith("x.csv has no rows below the first one")


def test_a_file_of_blank_texts_is_refused(tmp_path: Path) -> None:
    message = refusal(SLANG, write(chat().assign(text="  "), tmp_path / "x.csv"))
    assert message == f"x.csv has no rows left after cleaning ({len(chat())} read)."


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert "There is no file" in refusal(SLANG, tmp_path / "nic.csv")
    (tmp_path / "x.docx").write_bytes(b"PK")
    assert ".csv, .tsv, .tab, .txt, .jsonl" in refusal(SLANG, tmp_path / "x.docx")


def test_a_file_too_small_to_split_is_refused(tmp_path: Path) -> None:
    assert "too few to split" in refusal(SLANG, write(chat(1), tmp_path / "x.csv"))


# Several files


def test_validation_and_test_found_beside_the_source_are_used_and_named(tmp_path: Path) -> None:
    source = write(chat(10), tmp_path / "small_train.csv")
    write(chat(2, start=10), tmp_path / "small_val.csv")
    write(chat(3, start=12), tmp_path / "small_test.csv")
    data = load(SLANG, source)
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [60, 12, 18]
    assert "validation split: small_val.csv, found beside the source" in data.report.notes
    assert "test split: small_test.csv, found beside the source" in data.report.notes


def test_files_that_are_named_go_before_those_beside_the_source(tmp_path: Path) -> None:
    source = write(chat(10), tmp_path / "train.csv")
    write(chat(2, start=10), tmp_path / "test.csv")
    other = tmp_path / "other.jsonl"
    write(chat(5, start=20), other)
    data = load(SLANG, source, SourceOptions(test=other))
    assert len(data.split("test")) == 30


def test_an_unlabelled_test_file_beside_the_source_is_left_out_with_a_note(tmp_path: Path) -> None:
    source = write(trips(20), tmp_path / "train.csv")
    write(trips(5, start=20).drop(columns="label"), tmp_path / "test.csv")
    data = load(NLI, source)
    assert len(data.frame) == 60
    assert "test.csv beside the source has no labels, so it was not used as test split" in data.report.notes


def test_an_unlabelled_test_file_that_is_named_is_refused(tmp_path: Path) -> None:
    source = write(chat(10), tmp_path / "train.csv")
    unlabelled = tmp_path / "kaggle.csv"
    write(chat(5, start=10).drop(columns="label"), unlabelled)
    assert "no column recognised as label" in refusal(SLANG, source, SourceOptions(test=unlabelled))


def test_a_split_that_is_missing_is_taken_from_train_with_a_note(tmp_path: Path) -> None:
    source = write(chat(20), tmp_path / "train.csv")
    write(chat(2, start=20), tmp_path / "test.csv")
    data = load(SLANG, source)
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [108, 12, 12]
    assert set(data.split("test")["text"]) == set(chat(2, start=20)["text"])
    assert "no validation split given: one row in ten of train each was taken for it" in data.report.notes


def test_every_row_has_an_id_though_only_the_train_file_has_such_a_column(tmp_path: Path) -> None:
    train = chat(10).assign(id=lambda rows: [f"t{row}" for row in range(len(rows))])
    source = write(train, tmp_path / "train.csv")
    write(chat(2, start=10), tmp_path / "test.csv")
    data = load(SLANG, source)
    assert data.frame["id"].map(type).eq(str).all()
    assert data.frame["id"].is_unique


def test_rows_without_an_id_of_their_own_get_one_that_a_later_run_finds_again(tmp_path: Path) -> None:
    first = load(SLANG, write(chat(), tmp_path / "one.csv"))
    second = load(SLANG, write(chat().sample(frac=1, random_state=2), tmp_path / "two.csv"))
    assert first.frame["id"].is_unique
    assert first.frame.set_index("text")["id"].to_dict() == second.frame.set_index("text")["id"].to_dict()


# Splits and groups


def test_a_split_column_is_kept_as_its_author_wrote_it(tmp_path: Path) -> None:
    frame = chat().assign(split=lambda rows: [("train", "Validation", " test ")[row % 3] for row in range(len(rows))])
    data = load(SLANG, write(frame, tmp_path / "x.csv"))
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [20, 20, 20]


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    message = refusal(SLANG, write(chat().assign(split="egzamin"), tmp_path / "x.csv"))
    assert "Unknown split 'egzamin'" in message
    assert "train, validation, test" in message


def test_resplit_all_splits_every_row_anew(tmp_path: Path) -> None:
    frame = chat(20).assign(split=["train"] * 40 + ["validation"] * 40 + ["test"] * 40)
    data = load(SLANG, write(frame, tmp_path / "x.csv"), SourceOptions(resplit="all"))
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [96, 12, 12]


def test_resplit_train_leaves_the_other_rows_out(tmp_path: Path) -> None:
    frame = chat(20).assign(split=["train"] * 100 + ["validation"] * 10 + ["test"] * 10)
    data = load(SLANG, write(frame, tmp_path / "x.csv"), SourceOptions(resplit="train"))
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [80, 10, 10]
    assert set(data.frame["text"]) == set(frame["text"][:100])


def test_an_unknown_way_to_resplit_is_refused() -> None:
    assert "author, all, train" in refusal(SLANG, "sample", SourceOptions(resplit="half"))


def linked(folder: Path) -> tuple[str, pd.DataFrame]:
    """Pairs in which premises 2n and 2n + 1 say the same in other words, and a file beside them that knows it."""
    frame = trips(40).assign(id=lambda rows: [f"p{row}" for row in range(len(rows))])
    groups = pd.DataFrame({"id": frame["id"], "premise_group": [f"g{row // 6}" for row in range(len(frame))]})
    groups.to_csv(folder / "premise_groups.csv", index=False)
    return write(frame, folder / "train.csv"), groups


def test_premise_groups_beside_the_source_are_kept_together(tmp_path: Path) -> None:
    source, groups = linked(tmp_path)
    data = load(NLI, source)
    joined = data.frame.merge(groups, on="id", suffixes=("", "_file"))
    assert (joined["premise_group"] == joined["premise_group_file"]).all()
    assert (data.frame.groupby("premise_group")["split"].nunique() == 1).all()
    assert "premise groups: premise_groups.csv" in data.report.notes


def test_without_the_groups_file_those_premises_would_be_parted(tmp_path: Path) -> None:
    source, groups = linked(tmp_path)
    (tmp_path / "premise_groups.csv").unlink()
    joined = load(NLI, source).frame.merge(groups, on="id")
    assert (joined.groupby("premise_group")["split"].nunique() > 1).any()


def test_a_pair_that_the_groups_file_does_not_know_is_grouped_by_its_premise(tmp_path: Path) -> None:
    source, groups = linked(tmp_path)
    groups.iloc[:60].to_csv(tmp_path / "premise_groups.csv", index=False)
    data = load(NLI, source)
    unknown = data.frame[~data.frame["id"].isin(groups["id"][:60])]
    assert (unknown["premise_group"] == unknown["premise"]).all()


@pytest.mark.parametrize("blank", ["", " "])
def test_a_pair_with_a_blank_group_is_grouped_by_its_premise(tmp_path: Path, blank: str) -> None:
    data = load(NLI, write(trips(30).assign(premise_group=blank), tmp_path / "x.csv"))
    assert data.frame["split"].value_counts().to_dict() == {"train": 72, "validation": 9, "test": 9}


def test_a_groups_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    source, groups = linked(tmp_path)
    groups.set_axis(["id", "cluster"], axis=1).to_csv(tmp_path / "premise_groups.csv", index=False)
    assert "needs the columns id, premise_group; it has id, cluster" in refusal(NLI, source)


def test_a_named_groups_file_wants_ids_in_the_source(tmp_path: Path) -> None:
    source = write(trips(), tmp_path / "x.csv")
    groups = tmp_path / "groups.csv"
    pd.DataFrame({"id": ["p0"], "premise_group": ["g0"]}).to_csv(groups, index=False)
    assert "the source has no id column" in refusal(NLI, source, SourceOptions(groups=groups))


def test_premise_groups_for_a_task_without_premises_are_refused(tmp_path: Path) -> None:
    source = write(chat().assign(id=lambda rows: rows.index.astype(str)), tmp_path / "x.csv")
    groups = tmp_path / "groups.csv"
    pd.DataFrame({"id": ["0"], "premise_group": ["g0"]}).to_csv(groups, index=False)
    assert "group" in refusal(SLANG, source, SourceOptions(groups=groups))


# Fingerprints


def marked() -> pd.DataFrame:
    return chat().assign(split=lambda rows: [("train", "validation", "test")[row % 3] for row in range(len(rows))])


def test_the_fingerprint_does_not_depend_on_order_columns_or_white_space(tmp_path: Path) -> None:
    first = load(SLANG, write(marked(), tmp_path / "one.csv"))
    other = marked().sample(frac=1, random_state=1).assign(term="luz", text=lambda rows: "  " + rows["text"] + " ")
    second = load(SLANG, write(other, tmp_path / "two.tsv"))
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 12
    assert set(first.fingerprint) <= set("0123456789abcdef")


@pytest.mark.parametrize(("column", "value"), [("text", "zupełnie inny wpis"), ("label", 2), ("split", "validation")])
def test_the_fingerprint_depends_on_texts_labels_and_splits(tmp_path: Path, column: str, value: object) -> None:
    first = load(SLANG, write(marked(), tmp_path / "one.csv"))
    changed = marked()
    assert changed.loc[0, column] != value
    changed.loc[0, column] = value
    assert load(SLANG, write(changed, tmp_path / "two.csv")).fingerprint != first.fingerprint


def test_the_fingerprint_depends_on_how_rows_are_resplit(tmp_path: Path) -> None:
    source = write(marked(), tmp_path / "x.csv")
    ways = [SourceOptions(), SourceOptions(resplit="all"), SourceOptions(resplit="train")]
    ways.append(SourceOptions(resplit="all", seed=1))
    assert len({load(SLANG, source, way).fingerprint for way in ways}) == len(ways)


# The sample, and reading for evaluation


def test_the_sample_is_the_default_source(task: Task) -> None:
    assert load(task).source == "sample"
    assert load(task).fingerprint == load(task, "sample").fingerprint


def test_a_source_is_named_without_the_folders_of_this_machine(tmp_path: Path) -> None:
    data = load(SLANG, write(chat(), tmp_path / "chat.csv"))
    assert data.source == "chat.csv"
    assert str(tmp_path) not in json.dumps([*data.report.notes, data.source])


def test_a_file_to_score_is_read_whole_however_small(tmp_path: Path) -> None:
    source = write(chat(1), tmp_path / "train.csv")
    write(chat(2, start=5), tmp_path / "test.csv")
    data = load_for_evaluation(SLANG, source, SourceOptions(), "all")
    assert rows_of(data) == sorted(chat(1).itertuples(index=False, name=None))


def test_scoring_one_split_reads_that_split(tmp_path: Path) -> None:
    source = write(chat(10), tmp_path / "train.csv")
    write(chat(2, start=20), tmp_path / "test.csv")
    data = load_for_evaluation(SLANG, source, SourceOptions(), "test")
    assert set(data.split("test")["text"]) == set(chat(2, start=20)["text"])


def test_an_unknown_split_to_score_is_refused() -> None:
    with pytest.raises(DataError, match=r"Unknown split 'dev'.*train, validation, test, all"):
        load_for_evaluation(SLANG, "sample", SourceOptions(), "dev")


# Real files


@pytest.mark.skipif(not (SHARED / "reviews_pl").is_dir(), reason="the Polish reviews are not here")
def test_the_polish_reviews_are_read_with_the_files_beside_them() -> None:
    data = load(SLANG, str(SHARED / "reviews_pl" / "small_train.csv"))
    assert len(data.split("test")) > 500
    assert len(data.split("validation")) > 500
    assert len(data.split("train")) > 4000
    assert set(data.frame["label"]) == {0, 1, 2}


@pytest.mark.skipif(not (SHARED / "watson").is_dir(), reason="the Watson pairs are not here")
def test_kaggles_file_is_read_as_it_is_downloaded() -> None:
    data = load(NLI, str(SHARED / "watson" / "train.csv"))
    assert data.report.read == 10_407
    assert set(data.frame["lang_abv"]) == set(NLI.languages)
    assert "premise groups: premise_groups.csv" in data.report.notes
