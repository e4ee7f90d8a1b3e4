"""Tables in documents: what they say, where they go, and that those in this repository are up to date."""

from pathlib import Path
from typing import Any

import pytest

from engine.data.tasks import TASKS
from engine.errors import DataError
from engine.paths import ROOT, Places
from engine.results.comparison import compare_models, open_results
from engine.results.markdown import MARKED, REPEATED, answer_table, comparison_table, fill_tables
from engine.results.repeated import find_repeats, tabulate

DOCUMENTS = ("README.md", "studies/README.md")


def row(model: str, family: str, accuracy: float, trained: int = 5_000) -> dict[str, Any]:
    ends = [accuracy - 0.02, accuracy + 0.02]
    return {
        "model": model,
        "family": family,
        "accuracy": accuracy,
        "macro_f1": accuracy,
        "mcc": 0.5,
        "intervals": {"accuracy": ends, "macro_f1": ends},
        "total_parameters": 5_000,
        "trained_parameters": trained,
        "size_bytes": 2_500_000,
        "training_seconds": 61.4,
        "p50_ms": 0.5,
    }


def comparison(difference: float = 0.1, p: float = 0.01) -> dict[str, Any]:
    return {
        "task": "slang",
        "data": {"source": "mine.csv", "fingerprint": "abc", "rows": 1_000, "test_rows": 100},
        "rows": [row("low", "scratch", 0.5), row("high", "pretrained", 0.6, 0), row("other", "scratch", 0.4)],
        "mcnemar": [{"first": "high", "second": "low", "difference": difference, "p": p / 3, "p_holm": p}],
    }


def test_models_stand_best_first_with_what_they_cost() -> None:
    lines = comparison_table(comparison()).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["`high`", "`low`", "`other`"]
    assert (
        lines[2] == "| `high` | 0.600 (0.580-0.620) | 0.600 (0.580-0.620) | 0.500 | 5,000 (none) | 2.5 | 61 s | 0.50 |"
    )


@pytest.mark.parametrize(
    ("difference", "p", "says"),
    [
        (0.1, 0.01, "`high` is ahead (10.0 points of accuracy, McNemar's p = 0.01 after Holm)"),
        (-0.1, 0.01, "`low` is ahead (10.0 points"),
        (0.1, 0.2, "no clear difference (10.0 points"),
    ],
)
def test_the_answer_names_the_best_of_each_kind_and_whether_they_differ(difference: float, p: float, says: str) -> None:
    table = answer_table(comparison(difference, p))
    assert "| trained from scratch | `low` |" in table
    assert "`other`" not in table
    assert says in table


def test_a_kind_without_a_model_is_left_out_and_nothing_is_compared() -> None:
    one = comparison()
    one["rows"] = one["rows"][:1]
    table = answer_table(one)
    assert "adapted" not in table
    assert table.endswith("On 100 test rows of 1,000 (mine.csv, `abc`).\n")


def test_tables_go_between_their_marks_and_nowhere_else() -> None:
    document = (
        "# A\n\n<!-- table slang-all: x -->\nold\n<!-- end -->\n\n<!-- table nli-all: y -->\nkept\n<!-- end -->\nB\n"
    )
    filled = fill_tables(document, comparison())
    assert "old" not in filled
    assert "kept" in filled
    assert filled.startswith("# A\n\n<!-- table slang-all: x -->\n\n| model |")
    assert filled.endswith("<!-- end -->\nB\n")
    assert fill_tables(filled, comparison()) == filled


def test_a_document_without_a_mark_is_refused() -> None:
    with pytest.raises(DataError, match="no mark for a table of slang"):
        fill_tables("# A\n\n<!-- table nli-all: y -->\n<!-- end -->\n", comparison())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_tables_here_are_what_the_shipped_models_give(name: str, tmp_path: Path) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    marks = [match["name"] for match in MARKED.finditer(document)]
    assert sum(not one.endswith("-repeated") for one in marks) == len(TASKS)
    store, _ = open_results(Places(ROOT / "checkpoints", tmp_path / "results.db", tmp_path / "training"))
    for task in TASKS.values():
        assert fill_tables(document, compare_models(store, task)) == document, f"odzera compare {task.name} --markdown"
        if f"{task.name}-repeated" in marks:
            table = tabulate(find_repeats([ROOT / "studies"], task.name)[0])
            assert fill_tables(document, table, REPEATED) == document, f"odzera results show {task.name} --markdown"
