"""Tables of results in Markdown, and the documents that hold them."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import DataError
from engine.evaluation.metrics import interval_of
from engine.results.comparison import describe_refit
from engine.results.pairs import describe_difference, describe_verdict
from engine.results.repeated import describe_table

FAMILIES: Mapping[str, str] = {
    "scratch": "trained from scratch",
    "pretrained": "pretrained, then adapted",
    "frozen": "pretrained, left frozen",
    "hybrid": "TF-IDF and a decoder",
    "baseline": "baseline",
}
"""A row's family → what it is called."""
MARKED = re.compile(r"(?P<begin><!-- table (?P<name>[\w-]+): [^\n]*-->\n).*?(?P<end><!-- end -->)", re.DOTALL)
"""A place for a table in a document; its first line says which command writes it."""


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """Every model of a comparison, the best on test first, with intervals and costs.

    Args:
        comparison: What `engine.results.comparison.compare_models` returns.
    """
    head = ("model", "accuracy", "macro F1", "MCC", "weights (trained)", "MB", "training", "ms, p50")
    rows = _best_first(comparison)
    return _table(head, [_row(row) for row in rows]) + _chosen_among_seeds(rows)


def answer_table(comparison: Mapping[str, Any]) -> str:
    """The best model of each family by macro F1, and below them whether scratch and adapted differ."""
    best = _best_of_families(comparison)
    head = ("", "best model", "accuracy", "macro F1", "weights (trained)", "ms, p50")
    rows = []
    for family, row in best.items():
        name, accuracy, macro_f1, _, weights, _, _, ms = _row(row)
        rows.append((FAMILIES[family], name, accuracy, macro_f1, weights, ms))
    return f"{_table(head, rows)}\n{_verdict(comparison, best)}\n{_chosen_among_seeds(list(best.values()))}"


RENDERED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"all": comparison_table, "answer": answer_table}
"""A table's kind → what writes it."""


def repeated_table(table: Mapping[str, Any]) -> str:
    """Every model's mean over seeds and folds, the best first, and below how to read it.

    Args:
        table: What `engine.results.repeated.tabulate` returns.
    """
    head = ("model", "accuracy", "macro F1", "train accuracy", "weights (trained)", "training", "seeds")
    folds = ("folds, accuracy",) if table["folds"] > 1 else ()
    rows = []
    for row in table["rows"]:
        train = "" if row["train_accuracy"] is None else f"{row['train_accuracy']:.3f}"
        means = (_mean(row["accuracy"]), _mean(row["macro_f1"]))
        own = (f"`{row['model']}`", *means, train, _weights(row), f"{row['seconds']:.0f} s", str(row["seeds"]))
        spread = (f"{row['accuracy']['lowest']:.3f}-{row['accuracy']['highest']:.3f}",) if folds else ()
        rows.append((*own, *spread))
    return f"{_table((*head, *folds), rows)}\n{' '.join(describe_table(table))}\n"


REPEATED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"repeated": repeated_table}
"""The same for what `engine.results.repeated.tabulate` returns."""


def fill_tables(
    document: str, values: Mapping[str, Any], rendered: Mapping[str, Callable[[Mapping[str, Any]], str]] = RENDERED
) -> str:
    """A document with the tables of a task written anew between their marks.

    A mark is `<!-- table TASK-KIND: COMMAND -->`, with a key of `rendered` for KIND, and ends at `<!-- end -->`.

    Raises:
        DataError: The document has no mark for this task.
    """
    names = {f"{values['task']}-{kind}": render for kind, render in rendered.items()}
    if not any(match["name"] in names for match in MARKED.finditer(document)):
        raise DataError(f"There is no mark for a table of {values['task']}: <!-- table {next(iter(names))}: … -->")

    def write(match: re.Match[str]) -> str:
        render = names.get(match["name"])
        return match[0] if render is None else f"{match['begin']}\n{render(values)}\n{match['end']}"

    return MARKED.sub(write, document)


def fill_file(
    path: Path, values: Mapping[str, Any], rendered: Mapping[str, Callable[[Mapping[str, Any]], str]] = RENDERED
) -> None:
    """`fill_tables` in a file.

    Raises:
        DataError: It can't be read as a document, or has no mark for this task.
    """
    try:
        document = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as a document: {error}.") from error
    path.write_text(fill_tables(document, values, rendered), encoding="utf-8")


def _best_first(comparison: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(comparison["rows"], key=lambda row: (-row["accuracy"], row["model"]))


def _best_of_families(comparison: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    rows = sorted(comparison["rows"], key=lambda row: -row["macro_f1"])
    found = {family: next((row for row in rows if row["family"] == family), None) for family in FAMILIES}
    return {family: row for family, row in found.items() if row is not None}


def _chosen_among_seeds(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each model that was chosen among seeds: what they all had. A chosen one says too much of itself."""
    said = [text.replace(row["model"], f"`{row['model']}`", 1) for row in rows if (text := describe_refit(row))]
    return "".join(f"\n{line}\n" for line in said)


def _verdict(comparison: Mapping[str, Any], best: Mapping[str, Mapping[str, Any]]) -> str:
    """The answer to the product's question from the paired bootstrap, with McNemar's p after Holm's correction."""
    data = comparison["data"]
    where = f"{data['test_rows']:,} test rows of {data['rows']:,} ({data['source']}, `{data['fingerprint']}`)"
    if not {"scratch", "pretrained"} <= best.keys():
        return f"On {where}."
    names = {best["scratch"]["model"], best["pretrained"]["model"]}
    test = next((one for one in comparison["mcnemar"] if {one["first"], one["second"]} == names), None)
    if test is None:
        return f"On {where}."
    pair = next(one for one in comparison["differences"] if {one["first"], one["second"]} == names)
    accuracy, macro_f1 = (describe_verdict(pair, figure, quote="`") for figure in ("accuracy", "macro_f1"))
    verdict = accuracy if accuracy == macro_f1 else f"{accuracy} in accuracy, {macro_f1} in macro F1"
    ahead = " points of accuracy, ".join(describe_difference(one) for one in pair["figures"].values())
    return (
        f"Scratch against adapted: {verdict}. `{pair['first']}` less `{pair['second']}`: {ahead} of "
        f"macro F1; McNemar's p = {test['p_holm']:.2g} after Holm. On {where}."
    )


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"`{row['model']}`",
        _with_interval(row, "accuracy"),
        _with_interval(row, "macro_f1"),
        f"{row['mcc']:.3f}",
        _weights(row),
        f"{row['size_bytes'] / 1e6:.1f}",
        f"{row['training_seconds']:.0f} s",
        f"{row['p50_ms']:.2f}",
    )


def _weights(row: Mapping[str, Any]) -> str:
    total, trained = row["total_parameters"], row["trained_parameters"]
    return _short(total) + ("" if total == trained else f" ({_short(trained) if trained else 'none'})")


def _mean(figure: Mapping[str, Any]) -> str:
    around = "" if figure["deviation"] is None else f" ± {figure['deviation']:.3f}"
    return f"{figure['mean']:.3f}{around} ({figure['low']:.3f}-{figure['high']:.3f})"


def _with_interval(row: Mapping[str, Any], figure: str) -> str:
    ends = interval_of(row, figure)
    return f"{row[figure]:.3f} ({ends[0]:.3f}-{ends[1]:.3f})" if ends else f"{row[figure]:.3f}"


def _short(count: int) -> str:
    """`171k`, `1.9M`; below a thousand as it is."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f}M"
    return f"{count / 1e3:.0f}k" if count >= 10_000 else f"{count:,}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
