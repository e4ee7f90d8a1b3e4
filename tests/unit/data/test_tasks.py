"""The two tasks: frozen, numbered as published, and without a column name that means two things."""

import dataclasses

import pytest

from engine.data.tasks import NLI, SLANG, SPLITS, TASKS, Task, get_task
from engine.errors import DataError
from engine.evaluation.metrics import BETTER


def test_tasks_are_found_by_name() -> None:
    assert get_task("slang") is SLANG
    assert get_task("nli") is NLI
    assert list(TASKS) == ["slang", "nli"]


def test_an_unknown_task_is_refused_in_one_line_that_names_those_there_are() -> None:
    with pytest.raises(DataError, match=r"'sentyment'.*slang, nli") as caught:
        get_task("sentyment")
    assert "\n" not in str(caught.value)


def test_a_task_cannot_be_changed(task: Task) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        task.aliases["text"] = ("body",)  # type: ignore[index]
    with pytest.raises(TypeError):
        TASKS["other"] = task  # type: ignore[index]


def test_labels_are_numbered_as_the_public_sets_number_them() -> None:
    assert [SLANG.label_aliases[name] for name in ("negative", "neutral", "positive")] == [0, 1, 2]
    assert NLI.labels == ("entailment", "neutral", "contradiction")


def test_every_label_is_recognised_by_its_own_name(task: Task) -> None:
    assert {name: task.label_aliases.get(name) for name in task.labels} == {
        name: number for number, name in enumerate(task.labels)
    }


def test_every_label_alias_is_a_label_and_can_be_matched_without_case(task: Task) -> None:
    assert set(task.label_aliases.values()) == set(range(len(task.labels)))
    assert [name for name in task.label_aliases if name != name.casefold()] == []


def test_no_column_name_means_two_columns(task: Task) -> None:
    names = [name for aliases in task.aliases.values() for name in aliases]
    assert sorted(names) == sorted(set(names))


def test_column_names_are_written_so_that_they_match_without_case(task: Task) -> None:
    assert [name for aliases in task.aliases.values() for name in aliases if name != name.casefold()] == []


def test_every_canonical_column_goes_by_its_own_name(task: Task) -> None:
    assert all(column in aliases for column, aliases in task.aliases.items())
    assert {*task.text_columns, "label", "id", "split"} <= set(task.aliases)


def test_the_best_epoch_is_chosen_on_a_metric_that_exists(task: Task) -> None:
    assert task.select_on in BETTER


def test_only_nli_takes_a_pair() -> None:
    assert not SLANG.is_pair
    assert NLI.is_pair
    assert NLI.text_columns == ("premise", "hypothesis")


def test_languages_are_polish_and_the_fifteen_of_watson() -> None:
    assert SLANG.languages == ("pl",)
    assert " ".join(sorted(NLI.languages)) == "ar bg de el en es fr hi ru sw th tr ur vi zh"


def test_labels_are_described_for_messages() -> None:
    assert NLI.describe_labels() == "0 entailment, 1 neutral, 2 contradiction"


def test_every_task_has_a_set_on_the_hub_with_a_revision(task: Task) -> None:
    assert task.hub.repo_id.count("/") == 1
    assert task.hub.revision


def test_splits_are_in_the_order_of_their_use() -> None:
    assert SPLITS == ("train", "validation", "test")
