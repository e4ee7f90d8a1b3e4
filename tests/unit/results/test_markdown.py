"""Tables in documents: what they say, where they go, and that those in this repository are up to date."""

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


def measured(difference: float, low: float, high: float, verdict: str, is_flat: bool = False) -> dict[str, Any]:
    return {"difference": difference, "low": low, "high": high, "verdict": verdict, "is_flat": is_flat}


CLEAR, UNCLEAR = measured(0.1, 0.021, 0.18, "first better"), measured(-0.0002, -0.03, 0.029, "no clear difference")


def comparison(accuracy: dict[str, Any] = CLEAR, macro_f1: dict[str, Any] = CLEAR) -> dict[str, Any]:
    pair = {"first": "high", "second": "low", "p_holm": 0.034}
    return {
        "task": "slang",
        "data": {"source": "mine.csv", "fingerprint": "abc", "rows": 1_000, "test_rows": 100},
        "rows": [row("low", "scratch", 0.5), row("high", "pretrained", 0.6, 0), row("other", "scratch", 0.4)],
        "mcnemar": [{**pair, "difference": 0.1, "p": 0.01}],
        "differences": [{**pair, "figures": {"accuracy": accuracy, "macro_f1": macro_f1}}],
    }


def test_models_stand_best_first_with_what_they_cost() -> None:
    lines = comparison_table(comparison()).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["`high`", "`low`", "`other`"]
    assert (
        lines[2] == "| `high` | 0.600 (0.580-0.620) | 0.600 (0.580-0.620) | 0.500 | 5,000 (none) | 2.5 | 61 s | 0.50 |"
    )


def test_a_model_that_was_chosen_among_seeds_never_stands_without_what_they_all_had() -> None:
    spread = {"mean": 0.48, "deviation": 0.021}
    compared = comparison()
    compared["rows"][0]["refit"] = {"seeds": [0, 1, 2], "test": {"accuracy": spread, "macro_f1": spread}}
    says = "`low`: settings found by a search, the best of 3 seeds on validation; all 3: accuracy 0.480 ± 0.021"
    for table in (comparison_table, answer_table):
        assert says in table(compared)
        assert "found by a search" not in table(comparison())


@pytest.mark.parametrize(
    ("accuracy", "macro_f1", "says"),
    [
        (
            CLEAR,
            CLEAR,
            "adapted: `high` better. `high` less `low`: +10.0 (+2.1 to +18.0) points of accuracy, +10.0 (+2.1 to "
            "+18.0) of macro F1; McNemar's p = 0.034 after Holm. On",
        ),
        (measured(-0.1, -0.2, -0.05, "second better"),) * 2
        + ("adapted: `low` better. `high` less `low`: -10.0 (-20.0",),
        (UNCLEAR, UNCLEAR, "adapted: no clear difference. `high` less `low`: 0.0 (-3.0 to +2.9) points"),
        (UNCLEAR, CLEAR, "adapted: no clear difference in accuracy, `high` better in macro F1. `high` less `low`"),
        (measured(0, 0, 0, "equal within a point", True), UNCLEAR, "equal within a point in accuracy"),
        (measured(0, 0, 0, "equal within a point", True), UNCLEAR, "0.0 (zero width) points of accuracy"),
    ],
)
def test_the_answer_names_the_best_of_each_kind_and_by_how_much_they_differ(
    accuracy: dict[str, Any], macro_f1: dict[str, Any], says: str
) -> None:
    table = answer_table(comparison(accuracy, macro_f1))
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


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The comparison of the shipped models, by task."""
    folder = tmp_path_factory.mktemp("shipped")
    store, _ = open_results(Places(ROOT / "checkpoints", folder / "results.db", folder / "training"))
    return {task.name: compare_models(store, task) for task in TASKS.values()}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_tables_here_are_what_the_shipped_models_give(name: str, shipped: dict[str, dict[str, Any]]) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    marks = [match["name"] for match in MARKED.finditer(document)]
    assert sum(not one.endswith("-repeated") for one in marks) == len(TASKS)
    for task in TASKS.values():
        assert fill_tables(document, shipped[task.name]) == document, f"odzera compare {task.name} --markdown"
        if f"{task.name}-repeated" in marks:
            table = tabulate(find_repeats([ROOT / "studies"], task.name)[0])
            assert fill_tables(document, table, REPEATED) == document, f"odzera results show {task.name} --markdown"
