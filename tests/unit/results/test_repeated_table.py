"""Tables of repeated trainings: what counts, what is said of them, and files that hold them."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.data.folds import make_folds
from engine.data.sources import TaskData
from engine.errors import DataError
from engine.experiments.repeats import digest_settings
from engine.experiments.repeats_file import Repeats, list_repeats, read_repeats, start_repeats, write_repeats
from engine.paths import Places
from engine.results.markdown import REPEATED, fill_tables, repeated_table
from engine.results.provenance import of_files
from engine.results.repeated import find_repeats, read_means, tabulate
from engine.serving.registry import Registry
from engine.store import Repeat

FIGURES = {
    "recipe": "tfidf",
    "trained_with": "aaa",
    "backbone": "",
    "f1": [0.5, 0.4, 0.0],
    "loss": 0.9,
    "best_epoch": None,
    "epochs": 0,
    "wall_seconds": 3.0,
    "parameters": {"total": 1_000, "trained": 1_000},
    "machine": "a processor, 1 threads",
}
ROWS = Repeats(
    task="slang",
    source="own.csv",
    fingerprint="0123456789ab",
    folds=2,
    by="term",
    fold_seed=0,
    rows=("a", "b", "c", "d", "e", "f"),
    labels="001101",
    fold_of="000011",
    groups=(0, 0, 1, 1, 2, 3),
    machine={"device_name": "a processor", "threads": 1, "python": "3.11", "packages": {}},
    created="2026-11-30T12:00:00+00:00",
)


def training(model: str, fold: int, seed: int, predicted: str, **figures: Any) -> Repeat:
    """One training of two folds."""
    own = {**FIGURES, "seconds": 2.0 + seed, "train_accuracy": 0.9 + seed / 100, **figures}
    when = f"2026-11-30T12:00:0{seed}+00:00"
    return Repeat("slang", ROWS.fingerprint, ROWS.design, model, fold, seed, "0.7.0", "s", when, own, predicted)


def results(*jobs: Repeat, **changes: Any) -> Repeats:
    return dataclasses.replace(ROWS, jobs=jobs, **changes)


BOTH = (
    training("small", 0, 0, "0111"),
    training("small", 1, 0, "00"),
    training("small", 0, 1, "0011"),
    training("small", 1, 1, "01"),
    training("fixed", 0, 0, "1111", train_accuracy=None),
    training("fixed", 1, 0, "11", train_accuracy=None),
)


def test_a_row_has_means_that_were_counted_by_hand() -> None:
    table = tabulate(results(*BOTH))
    first, second = table["rows"]
    assert (first["model"], first["seeds"], first["folds"]) == ("small", 2, 2)
    assert first["accuracy"]["mean"] == pytest.approx((0.75 + 0.5 + 1 + 1) / 4)
    assert first["accuracy"]["lowest"] == pytest.approx(0.75)
    assert first["train_accuracy"] == pytest.approx(0.905)
    assert first["seconds"] == pytest.approx(2.5)
    assert (second["model"], second["seeds"], second["train_accuracy"]) == ("fixed", 1, None)
    assert second["accuracy"]["mean"] == pytest.approx(0.5)
    # F1 of class 1 in fold 0 is 2/3, and in fold 1, too; class 0 has none.
    assert second["macro_f1"]["mean"] == pytest.approx(1 / 3)
    assert second["accuracy"]["deviation"] is None


def test_a_seed_without_all_its_folds_does_not_count() -> None:
    table = tabulate(results(*BOTH[:3], training("new", 0, 0, "0000")))
    (row,) = table["rows"]
    assert (row["model"], row["seeds"]) == ("small", 1)
    assert table["unfinished"] == {"new": 1}
    assert "new, 1 of whose trainings" in repeated_table(table)


def test_the_markdown_table_says_mean_deviation_interval_and_range() -> None:
    text = repeated_table(tabulate(results(*BOTH)))
    lines = text.splitlines()
    assert lines[0].endswith("| training | seeds | folds, accuracy |")
    assert lines[2].startswith("| `small` | 0.812 ± 0.265 (0.")
    assert lines[2].endswith("| 0.905 | 1,000 | 2 s | 2 | 0.750-0.875 |")
    assert lines[3].startswith("| `fixed` | 0.500 (0.")
    assert "2 folds by slang terms, on 6 test rows of 4 slang terms (own.csv, 0123456789ab)" in text
    assert "Measured by version 0.7.0 on a processor, 1 threads." in text


def test_the_sources_own_split_has_no_range_over_folds() -> None:
    one = results(training("small", 0, 0, "001101"), folds=1, fold_of="000000")
    text = repeated_table(tabulate(one))
    assert "folds" not in text
    assert one.file_name == "results-slang-0123456789ab-fixed.json"


def test_the_table_goes_between_its_own_marks_alone() -> None:
    document = "<!-- table slang-all: x -->\nkept\n<!-- end -->\n<!-- table slang-repeated: y -->\nold\n<!-- end -->\n"
    filled = fill_tables(document, tabulate(results(*BOTH)), REPEATED)
    assert "kept" in filled
    assert "\nold\n" not in filled
    assert "| `small` |" in filled
    with pytest.raises(DataError, match="no mark for a table of slang: <!-- table slang-repeated"):
        fill_tables("<!-- table slang-all: x -->\n<!-- end -->\n", tabulate(results(*BOTH)), REPEATED)


def test_a_file_is_read_back_as_it_was_with_a_training_a_line(tmp_path: Path) -> None:
    whole = results(*BOTH)
    write_repeats(tmp_path / whole.file_name, whole)
    assert read_repeats(tmp_path / whole.file_name) == whole
    lines = (tmp_path / whole.file_name).read_text(encoding="utf-8").splitlines()
    assert sum('"predicted"' in line for line in lines) == len(BOTH)
    (told,) = of_files([tmp_path])
    assert told.command == "odzera results make slang --source FILE"
    assert (told.source, told.machine) == ("own.csv", "a processor")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "curve"},
        {"task": "poetry"},
        {"by": "mood"},
        {"labels": "00"},
        {"labels": "001109"},
        {"fold_of": "000012"},
        {"jobs": [{"model": "x"}]},
        {"rows": 3},
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any]) -> None:
    file = tmp_path / ROWS.file_name
    write_repeats(file, results(*BOTH))
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(DataError, match=r"^results-slang-\S+ can't be read as results over seeds and folds: [^\n]+$"):
        read_repeats(file)
    with pytest.raises(DataError, match="There are no such results for slang yet"):
        find_repeats([tmp_path], "slang")


@pytest.mark.parametrize(
    "job",
    [
        training("small", 0, 0, "001"),
        training("small", 0, 0, "0019"),
        training("small", 0, 0, "żółw"),
        training("small", 2, 0, ""),
        training("small", 0, 0, "0011", loss=float("nan")),
        training("small", 0, 0, "0011", seconds="long"),
        training("small", 0, 0, "0011", machine=3),
    ],
)
def test_trainings_that_no_table_can_be_made_of_are_refused(tmp_path: Path, job: Repeat) -> None:
    write_repeats(tmp_path / "results-slang-x.json", results(job))
    with pytest.raises(DataError, match="can't be read as results"):
        read_repeats(tmp_path / "results-slang-x.json")


def test_results_are_found_by_data_and_folds_and_ones_own_hide_those_that_ship(tmp_path: Path) -> None:
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    fixed = results(training("small", 0, 0, "001101"), folds=1, fold_of="000000")
    other = results(*BOTH, fingerprint="ffff" + ROWS.fingerprint[4:])
    for folder, one in ((own, results(*BOTH)), (shipped, results(*BOTH[:2])), (shipped, fixed), (shipped, other)):
        write_repeats(folder / one.file_name, one)
    folders = (own, shipped)
    assert len(list_repeats(folders, "slang")[0]) == 3
    assert len(find_repeats(folders, "slang", "0123")[0].jobs) == len(BOTH)
    assert find_repeats(folders, "slang", folds=1)[0].folds == 1
    assert find_repeats(folders, "slang", "ffff")[0].fingerprint == other.fingerprint
    with pytest.raises(DataError, match=r"odzera results make slang\. There are some on: 0123456789ab \(own\.csv\), 2"):
        find_repeats(folders, "slang", "eeee")


def test_means_stand_beside_a_model_only_where_it_was_made_with_the_settings_measured(
    trained: Places, slang: TaskData, tmp_path: Path
) -> None:
    models = Registry(trained.checkpoints).models("slang")
    settings = {one.name: digest_settings(one.recipe) for one in models}
    empty = start_repeats(slang, make_folds(slang, 1))
    rows = len(empty.rows)
    jobs = [
        Repeat("slang", empty.fingerprint, empty.design, name, 0, seed, "0.7.0", "s", "", own, "1" * rows)
        for name, own in {
            "scratch": {**FIGURES, "seconds": 1.0, "train_accuracy": 0.8, "trained_with": settings["scratch"]},
            "tfidf": {**FIGURES, "seconds": 1.0, "train_accuracy": 0.8, "trained_with": "other"},
        }.items()
        for seed in range(2)
    ]
    assert read_means([tmp_path], "slang", models) == {}
    write_repeats(tmp_path / empty.file_name, dataclasses.replace(empty, jobs=tuple(jobs)))
    means = read_means([tmp_path], "slang", models)
    assert set(means) == {"scratch"}
    assert means["scratch"]["seeds"] == 2
    assert settings["scratch"] == settings["scratch-b"], "a seed is no setting"
    assert read_means([tmp_path], "nli", []) == {}
    assert os.listdir(tmp_path) == [empty.file_name]
