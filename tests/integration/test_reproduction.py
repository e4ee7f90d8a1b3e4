"""Every system beside what is reported: what is planned, run, left and gone on with, and what is said of it."""

import dataclasses
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.bench import against_published
from engine.bench.against_published import (
    Plan,
    Skipped,
    Started,
    differences,
    plan_all,
    report,
    reported_interval,
    reproduce,
)
from engine.cli import app
from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.experiments.record import Finished
from engine.paths import Places
from engine.store import Store
from engine.training.cost import estimate
from engine.training.loop import Epoch
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES
from support.models import cut, places_in, tiny_recipe, train_model

PUBLISHED = [name for name, recipe in RECIPES.items() if "test_rows" in recipe.reported]
REPORTED = {
    "accuracy": 0.5,
    "test_rows": 24,
    "data": "slang",
    "data_words": "a set of theirs",
    "hardware": "an abacus",
    "notes": ("They say little of their rates.",),
}


@pytest.fixture(scope="module")
def small(slang: TaskData) -> TaskData:
    """A few rows of every split."""
    return cut(slang, 80, 24)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Recipe]:
    """Two recipes in place of all: one of others with what they report, and a baseline."""
    table = {"theirs": tiny_recipe(name="theirs", reported=REPORTED), "majority": RECIPES["majority"]}
    monkeypatch.setattr(against_published, "RECIPES", table)
    return table


def names(plans: list[Plan]) -> list[str]:
    """Recipes in their order."""
    return [plan.recipe.name for plan in plans]


def planned(recipe: Recipe, seconds: float = 0.0) -> Plan:
    """A plan that fits."""
    return Plan(recipe, seconds, 0.0)


def test_what_is_done_comes_first_and_then_the_cheapest(small: TaskData, places: Places, store: Store) -> None:
    train_model(RECIPES["tfidf"], small, places, store)
    only = ("scratch-5m7", "scratch", "mini-full", "tfidf", "majority")
    plans = plan_all(small, places, store, "cpu", only)
    assert names(plans)[:2] == ["tfidf", "majority"]
    assert names(plans)[-1] == "scratch-5m7"
    assert [plan.done is not None for plan in plans] == [True, False, False, False, False]
    seconds = [plan.seconds for plan in plans]
    assert seconds == sorted(seconds)
    assert all(plan.memory_mb > 0 for plan in plans if plan.recipe.kind != "baseline")


def test_what_is_done_is_not_run_again(small: TaskData, places: Places, store: Store) -> None:
    train_model(RECIPES["majority"], small, places, store)
    plans = plan_all(small, places, store, "cpu", ["majority"])
    assert list(reproduce(plans, small, places, store, "cpu")) == []


@pytest.mark.parametrize("change", [{"seed": 1}, {"lr": 0.02}, {"lowercase": False}])
def test_a_model_of_other_settings_is_not_this_recipe_done(
    small: TaskData, places: Places, store: Store, own: Mapping[str, Recipe], change: dict[str, Any]
) -> None:
    train_model(dataclasses.replace(own["theirs"], epochs=1, **change), small, places, store, "theirs")
    assert all(plan.done is None for plan in plan_all(small, places, store, "cpu"))


def test_a_model_on_other_data_is_not_this_recipe_done(small: TaskData, places: Places, store: Store) -> None:
    train_model(RECIPES["majority"], small, places, store)
    (plan,) = plan_all(dataclasses.replace(small, fingerprint="0" * 12), places, store, "cpu", ["majority"])
    assert plan.done is None


def test_a_model_whose_checkpoint_is_gone_is_not_done(small: TaskData, places: Places, store: Store) -> None:
    finished = train_model(RECIPES["majority"], small, places, store)
    finished.checkpoint.folder.rename(places.checkpoints / "elsewhere")
    (plan,) = plan_all(small, places, store, "cpu", ["majority"])
    assert plan.done is None


def test_offline_a_recipe_whose_backbone_is_not_here_is_passed_over_with_the_reason(
    small: TaskData, places: Places, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    plans = plan_all(small, places, store, "cpu", ["gpt2-last1", "herbert-zero", "mini-zero"])
    reasons = {plan.recipe.name: plan.why_not for plan in plans}
    assert reasons["mini-zero"] == ""
    assert "sdadas/polish-gpt2-small isn't on this machine" in reasons["gpt2-last1"]
    assert "allegro/herbert-base-cased isn't on this machine" in reasons["herbert-zero"]
    events = list(reproduce([plan for plan in plans if plan.why_not], small, places, store, "cpu"))
    assert [type(event) for event in events] == [Skipped, Skipped]


def test_too_little_memory_is_a_reason(
    small: TaskData, places: Places, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against_published, "free_memory_mb", lambda device: 512.0)
    plans = {plan.recipe.name: plan for plan in plan_all(small, places, store, "cpu", ["majority", "mini-full"])}
    assert plans["majority"].why_not == ""
    needed = plans["mini-full"].memory_mb
    assert plans["mini-full"].why_not == f"needs about {needed / 1024:.1f} GB of memory; 0.5 GB are free here"


def test_recipes_of_one_tokenizer_share_what_was_tokenised(
    small: TaskData, places: Places, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(recipe: Recipe, data: TaskData) -> Any:
        made.append(recipe.name)
        return make(recipe, data)

    make = estimate.make_workload
    monkeypatch.setattr(estimate, "make_workload", counted)
    plan_all(small, places, store, "cpu", ["mini-full", "mini-head", "mini-lora", "mini-prompt", "scratch"])
    # One reads fewer tokens, as its vectors take positions, and one has a tokenizer of its own.
    assert made == ["mini-full", "mini-prompt", "scratch"]


def test_an_unknown_recipe_is_refused(small: TaskData, places: Places, store: Store) -> None:
    with pytest.raises(RecipeError, match=r"^There is no recipe 'gpt9'"):
        plan_all(small, places, store, "cpu", ["gpt9"])


def test_a_budget_that_ends_leaves_a_recipe_after_an_epoch_and_the_next_call_goes_on(
    small: TaskData, places: Places, store: Store, tmp_path: Path
) -> None:
    recipe = tiny_recipe(epochs=3)
    plans = [planned(recipe), planned(RECIPES["majority"], seconds=1.0)]
    seen = []
    for event in reproduce(plans, small, places, store, "cpu", budget_minutes=0.4 / 60):
        seen.append(event)
        if isinstance(event, Started):
            time.sleep(0.5)
    started, epoch, left, unbegun = seen
    assert isinstance(started, Started)
    assert started.left == 2
    assert isinstance(epoch, Epoch)
    assert isinstance(left, Skipped)
    assert left.reason == "was left after epoch 1; the same command goes on from it"
    assert isinstance(unbegun, Skipped)
    assert unbegun.reason == "takes less than a minute, more than the budget has left"

    again = list(reproduce(plans[:1], small, places, store, "cpu"))
    assert [(one.number, one.resumed) for one in again if isinstance(one, Epoch)] == [
        (1, True),
        (2, False),
        (3, False),
    ]
    unbroken = train_model(recipe, small, places_in(tmp_path / "unbroken"), Store.in_memory())
    finished = again[-1]
    assert isinstance(finished, Finished)
    assert finished.run.record["scores"] == unbroken.run.record["scores"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(5.0, "less than a minute"), (70.0, "about a minute"), (190.0, "about 3 minutes")]
)
def test_what_the_budget_cant_hold_is_not_begun(
    small: TaskData, places: Places, store: Store, seconds: float, said: str
) -> None:
    plan = planned(RECIPES["majority"], seconds)
    (event,) = reproduce([plan], small, places, store, "cpu", budget_minutes=0)
    assert event == Skipped(plan, f"takes {said}, more than the budget has left")
    assert store.runs("slang", small.fingerprint) == []


def test_one_that_fails_does_not_stop_the_others(small: TaskData, places: Places, store: Store) -> None:
    broken = tiny_recipe(name="broken", decoder={"vocab_size": 300, "hidden_size": 33, "num_attention_heads": 2})
    events = list(reproduce([planned(broken), planned(RECIPES["majority"])], small, places, store, "cpu"))
    assert [type(event) for event in events] == [Started, Skipped, Started, Finished]
    failed = events[1]
    assert isinstance(failed, Skipped)
    assert failed.reason.startswith("broken can't be built: ")
    assert "\n" not in failed.reason


def test_the_report_has_what_is_reported_beside_what_was_measured(
    small: TaskData, places: Places, store: Store, own: Mapping[str, Recipe]
) -> None:
    plans = plan_all(small, places, store, "cpu")
    before = {row["recipe"]: row for row in report(plans, small, places, store)}
    assert before["theirs"]["here"] is None
    assert before["theirs"]["differences"] == []
    assert before["theirs"]["reported_on"] == "a set of theirs, on an abacus"

    list(reproduce(plans, small, places, store, "cpu"))
    rows = report(plans, small, places, store)
    assert [row["here"]["accuracy"] for row in rows] == sorted((row["here"]["accuracy"] for row in rows), reverse=True)
    theirs = next(row for row in rows if row["recipe"] == "theirs")
    run = next(run for run in store.runs("slang", small.fingerprint) if run.model == "theirs")
    assert theirs["reported"]["accuracy"] == 0.5
    assert theirs["reported_interval"] == pytest.approx(wilson(12, 24))
    assert theirs["here"]["accuracy"] == run.record["scores"]["test"]["accuracy"]
    low, high = theirs["here"]["intervals"]["accuracy"]
    assert low <= theirs["here"]["accuracy"] <= high
    assert theirs["data"] == {"source": "sample", "fingerprint": small.fingerprint, "test_rows": 24}
    device = run.record["machine"]["device_name"]
    assert theirs["differences"] == [
        "Other data: theirs was a set of theirs, here it is sample.",
        f"Theirs ran on an abacus, this on {device}.",
        "They say little of their rates.",
    ]
    # What the store keeps went through JSON, and still counts as the same recipe.
    assert all(plan.done for plan in plan_all(small, places, store, "cpu"))


@pytest.mark.parametrize(("right", "word", "way"), [(0, "outside", "higher"), (24, "outside", "lower")])
def test_on_the_same_data_it_is_said_whether_the_reported_figure_is_within_the_interval(
    small: TaskData, places: Places, store: Store, right: int, word: str, way: str
) -> None:
    run = train_model(RECIPES["tfidf"], small, places, store).run
    recipe = dataclasses.replace(
        RECIPES["tfidf"], reported={**REPORTED, "accuracy": right / 24, "precision": "float16"}
    )
    public = dataclasses.replace(small, source="hub:somebody/slang@0123")
    said = " ".join(differences(recipe, run, public))
    gap = abs(run.record["scores"]["test"]["accuracy"] - right / 24)
    assert f"The reported accuracy lies {word} the interval here; here it is {gap:.3f} {way}." in said
    assert "Other data" not in said
    exact = dataclasses.replace(recipe, reported={**REPORTED, "accuracy": run.record["scores"]["test"]["accuracy"]})
    assert "lies within the interval here; here it is 0.000" in " ".join(differences(exact, run, public))


def test_another_precision_is_told(small: TaskData, places: Places, store: Store) -> None:
    run = train_model(tiny_recipe(epochs=1), small, places, store).run
    recipe = tiny_recipe(reported={**REPORTED, "precision": "float16"})
    assert "Theirs computed in float16, this in float32." in differences(recipe, run, small)
    same = tiny_recipe(reported={**REPORTED, "precision": "float32"})
    assert not any("computed" in line for line in differences(same, run, small))


def wilson(right: int, rows: int) -> tuple[float, float]:
    """Wilson's 95 % interval from its formula."""
    z, share = 1.959964, right / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return middle - half, middle + half


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_reported_accuracy_is_a_whole_number_of_right_answers_on_its_rows_alone(name: str) -> None:
    reported = RECIPES[name].reported
    whole = {
        rows: round(reported["accuracy"] * rows)
        for rows in (434, 543)
        if round(round(reported["accuracy"] * rows) / rows, 4) == reported["accuracy"]
    }
    assert list(whole) == [reported["test_rows"]]
    right = whole[reported["test_rows"]]
    assert reported_interval(reported) == pytest.approx(wilson(right, reported["test_rows"]), abs=1e-6)


def test_every_published_slang_system_says_on_how_many_rows_it_was_measured() -> None:
    assert {"scratch-3m4", "scratch-5m7", "gpt2-last1", "bielik-last3", "herbert-lora"} == set(PUBLISHED)
    assert reported_interval(RECIPES["mbert-full"].reported) is None
    assert reported_interval({}) is None


def test_the_command_runs_reports_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODZERA_HOME", str(tmp_path / "home"))
    words = {0: "dno i trzy metry mułu", 1: "trening o piątej", 2: "rozwaliłaś system"}
    rows = [f"{word} {number},{label}" for label, word in words.items() for number in range(20)]
    file = tmp_path / "rows.csv"
    file.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    chosen = ["majority", "tfidf", "mini-zero"]
    command = ["reproduce", "slang", "--source", str(file), *(part for one in chosen for part in ("--only", one))]

    def answer(*more: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*command, "--json", *more])
        assert result.exit_code == 0, result.output
        return {row["recipe"]: row for row in json.loads(result.stdout)}

    none = answer("--budget-minutes", "0")
    assert set(none) == set(chosen)
    assert all(row["here"] is None for row in none.values())
    assert {row["not_run"] for row in none.values()} == {"takes less than a minute, more than the budget has left"}

    all_of_them = answer()
    for name, row in all_of_them.items():
        assert row["not_run"] == ""
        assert row["here"]["model"] == name
        assert row["here"]["intervals"]["accuracy"][0] <= row["here"]["accuracy"]
        assert 0 <= row["validation"] <= 1
        assert row["summary"] == RECIPES[name].summary
    again = answer("--budget-minutes", "0")
    assert [row["here"]["run"] for row in again.values()] == [row["here"]["run"] for row in all_of_them.values()]

    shown = CliRunner().invoke(app, [*command, "--only", "scratch", "--budget-minutes", "0"])
    assert shown.exit_code == 0
    assert "4 recipes: 3 done, 1 to run" in shown.stderr
    assert "not run: scratch: takes less than a minute, more than the budget has left." in shown.stdout
