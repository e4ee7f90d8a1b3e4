"""Which of a table's columns is what: in any case, with or without accents, as data sets and people write them."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

from engine.data.tables import Table
from engine.data.tables.table import shorten
from engine.data.tasks import TASKS, Task
from engine.errors import DataError
from engine.messages import Message


def fold_name(name: str) -> str:
    """A column's name without case, accents, and what joins its words."""
    plain = unicodedata.normalize("NFKD", name.strip().strip("\ufeff").casefold().replace("ł", "l"))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return "_".join(plain.replace("-", " ").replace("_", " ").split())


_ALIASES = {
    task.name: {
        canonical: tuple(dict.fromkeys(fold_name(alias) for alias in aliases))
        for canonical, aliases in task.aliases.items()
    }
    for task in TASKS.values()
}
"""Task → canonical column → the names it goes by, folded, the likeliest first."""


def match_columns(
    columns: Iterable[str], task: Task, given: Mapping[str, str], wanted: Collection[str] | None = None
) -> dict[str, str]:
    """Canonical column → the table's own, for those that are there; all of them, or those wanted.

    Raises:
        DataError: A column is given that isn't there, or for something that the task doesn't know; or two columns
            differ in nothing but case or accents.
    """
    columns = list(map(str, columns))
    named: dict[str, list[str]] = {}
    for column in columns:
        named.setdefault(fold_name(column), []).append(column)
    found = {}
    for canonical, aliases in _ALIASES[task.name].items():
        if canonical in given:
            found[canonical] = _given(given[canonical], columns, named)
            continue
        name = next((alias for alias in aliases if alias in named), None)
        if name is None or (wanted is not None and canonical not in wanted):
            continue
        if len(named[name]) > 1:
            said = Message(
                "Columns {columns} differ only in case or accents. Rename one, or name the right one with --column "
                "{canonical}=NAME.",
                columns=" and ".join(f"“{shorten(one, 60)}”" for one in named[name]),
                canonical=canonical,
            )
            raise DataError(said)
        found[canonical] = named[name][0]
    unknown = set(given) - set(task.aliases)
    if unknown:
        raise DataError(f"--column names '{sorted(unknown)[0]}', which is none of: {', '.join(task.aliases)}.")
    return found


def _given(name: str, columns: Sequence[str], named: Mapping[str, Sequence[str]]) -> str:
    if name in columns:
        return name
    alike = named.get(fold_name(name), [])
    if len(alike) != 1:
        raise DataError(f"There is no column '{name}'. Columns seen: {shorten(', '.join(columns), 200)}.")
    return alike[0]


def other_labels(columns: Iterable[str], task: Task, chosen: str) -> list[str]:
    """Columns besides the chosen one that are called as labels are."""
    aliases = set(_ALIASES[task.name]["label"])
    return [column for column in columns if column != chosen and fold_name(column) in aliases]


def find_task(columns: Iterable[str], given: Mapping[str, str]) -> Task:
    """The task whose texts a table has; that of one text where it has neither's."""
    names = list(columns)
    for task in (TASKS["nli"], TASKS["slang"]):
        known = {canonical: name for canonical, name in given.items() if canonical in task.aliases}
        # A pair's columns say more than one that is called text.
        if all(column in match_columns(names, task, known, task.text_columns) for column in task.text_columns):
            return task
    return TASKS["slang"]


def text_columns(table: Table, given: str = "") -> list[str]:
    """The columns of a table that hold text, for a use that needs no labels: that of either task, or the one given.

    Raises:
        DataError: None is recognised.
    """
    seen = shorten(", ".join(table.columns), 200)
    if given:
        if given not in table.columns:
            raise DataError(f"{table.name}: there is no column '{given}'. Columns seen: {seen}.")
        return [given]
    for task in TASKS.values():
        found = match_columns(table.columns, task, {})
        if all(column in found for column in task.text_columns):
            return [found[column] for column in task.text_columns]
    raise DataError(f"{table.name}: no column recognised as text. Columns seen: {seen}. Name it with --column NAME.")
