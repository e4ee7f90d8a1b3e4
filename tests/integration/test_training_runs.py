"""Training runs started from the page: real ones, small, in processes of their own."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from engine.data.sources import TaskData, load
from engine.data.tasks import SLANG
from engine.errors import RecipeError
from engine.experiments.background import Progress, TrainingRuns
from engine.experiments.plan import SMALL, estimate_small, free_name, make_plan, small_recipes
from engine.paths import ROOT, Places
from engine.serving.registry import Registry
from engine.store import Store
from engine.training.recipes import RECIPES
from gradio_app.app import build_app
from gradio_app.context import Context, open_context
from gradio_app.handlers.ask import answer_all
from gradio_app.handlers.models import show_models
from gradio_app.handlers.training import run_choices
from gradio_app.handlers.training_run import cancel_run, is_running, look, show_plan, show_run, start_run, with_newest
from gradio_app.languages import get_language
from gradio_app.views.training_run import render_run
from support.models import cut, places_in, train_model

ENGLISH = get_language("en")
UNCHANGED = (None, None, None, None)
SECONDS = 240.0


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory, slang: TaskData) -> Path:
    """A few rows of the bundled sample, as a file."""
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    cut(slang).frame[["text", "label", "split"]].to_csv(file, index=False)
    return file


def open_page(places: Places, source: str) -> Context:
    """The page's context, whose runs train on a small file."""
    context = open_context(places)
    return dataclasses.replace(context, training=TrainingRuns(places, context.store, context.registry.refresh, source))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, rows_file: Path) -> Places:
    """Places with one model on those rows, called as its recipe."""
    places = places_in(tmp_path_factory.mktemp("home"))
    train_model(RECIPES["majority"], load(SLANG, str(rows_file)), places, Store.open(places.store), name="scratch")
    return places


@pytest.fixture(scope="module")
def page(home: Places, rows_file: Path) -> Iterator[Context]:
    """A page that may train."""
    context = open_page(home, str(rows_file))
    yield context
    assert context.training is not None
    context.training.cancel()


def wait_for(context: Context, *states: str) -> Progress:
    """The run's progress, once it is in one of these states."""
    for _ in range(int(SECONDS / 0.02)):
        progress = look(context)
        if progress is not None and progress.state in states:
            return progress
        time.sleep(0.02)
    raise AssertionError(f"{look(context)} never came to {states}")


def files_in(places: Places) -> set[str]:
    """Everything under the checkpoints but locks."""
    found = places.checkpoints.rglob("*")
    return {str(path.relative_to(places.checkpoints)) for path in found if path.is_file() and path.suffix != ".lock"}


def test_a_model_trained_from_the_page_answers_without_a_restart(page: Context) -> None:
    # One run for all that is to be said of it: a process of its own takes seconds to begin.
    name, before = "scratch-page-1", files_in(page.training._places)
    assert "oz-empty" in show_run(page, ENGLISH)
    assert start_run(page, ENGLISH, "slang", "scratch", "", 7, 2, 0.002, 0.1) == ""
    second = start_run(page, ENGLISH, "slang", "majority", "", *UNCHANGED)
    assert f"{name} is being trained just now" in second, "a second visitor is told what is under way"
    states, live = follow(page)
    progress = look(page)
    assert states[0] == "opening"
    assert states[-2:] == ["testing", "done"], progress.reason
    assert live.count("<svg") == 2, "its curve is shown meanwhile"
    assert 'role="progressbar"' in live

    assert {answer["model"] for answer in answer_all(page, SLANG, "ale sztos")} == {"scratch", name}
    assert f'<th scope="row" data-value="{name}"' in show_models(page, ENGLISH, "slang", None)
    choices, _ = run_choices(page, ENGLISH, "slang", None)
    assert [one for _, one in choices] == ["scratch", name]
    assert with_newest(page, ["scratch"], ["scratch", name]) == ["scratch", name]
    shown = show_run(page, ENGLISH)
    assert 'data-state="done"' in shown
    assert f"accuracy {progress.scores['accuracy']:.3f}" in shown

    recipe = page.registry.find("slang", name).recipe
    assert (recipe.seed, recipe.epochs, recipe.lr, recipe.decoder["dropout"]) == (7, 2, 0.002, 0.1)
    changes = "--set seed=7 --set epochs=2 --set lr=0.002 --set decoder.dropout=0.1"
    assert progress.plan.command == f"odzera train scratch --task slang --name {name} {changes}"

    (run,) = [one for one in page.store.runs("slang", progress.fingerprint) if one.model == name]
    rows = page.store.epochs(run.id)
    assert [row["number"] for row in rows] == [1, 2]
    assert [row["train_accuracy"] for row in rows] == [row["train_accuracy"] for row in progress.epochs]
    assert all(0 < row["train_accuracy"] < 1 for row in rows)

    now = files_in(page.training._places)
    assert before <= now
    assert {str(Path(one).parent) for one in now - before} == {f"slang/{name}@{progress.fingerprint}"}


def follow(context: Context) -> tuple[list[str], str]:
    """The states that a run goes through, and what was shown of it last while it was under way."""
    states, live = [], ""
    for _ in range(int(SECONDS / 0.02)):
        progress = look(context)
        if not states or states[-1] != progress.state:
            states.append(progress.state)
        if progress.is_over:
            break
        if progress.epochs:
            live = show_run(context, ENGLISH)
        time.sleep(0.02)
    return states, live


def test_a_cancelled_run_ends_at_once_and_leaves_nothing(page: Context) -> None:
    before = files_in(page.training._places)
    # The bundled sample, so that an epoch takes a while.
    context = dataclasses.replace(page, training=TrainingRuns(page.training._places, page.store, page.registry.refresh))
    assert start_run(context, ENGLISH, "slang", "scratch", "my-own", *UNCHANGED) == ""
    wait_for(context, "training")
    pid = context.training._process.pid
    start = time.monotonic()
    assert cancel_run(context, ENGLISH) == ""
    assert time.monotonic() - start < 2
    assert not Path(f"/proc/{pid}").exists()
    assert look(context).state == "cancelled"
    assert not is_running(context)
    assert files_in(page.training._places) == before
    assert "nothing of it was kept" in show_run(context, ENGLISH)
    assert "There is no run to cancel" in cancel_run(context, ENGLISH)


def test_a_process_that_dies_is_told_and_another_run_may_start(page: Context) -> None:
    before = files_in(page.training._places)
    for _ in range(2):
        assert start_run(page, ENGLISH, "slang", "majority", "", *UNCHANGED) == ""
        os.kill(page.training._process.pid, signal.SIGKILL)
        assert wait_for(page, "failed").reason.startswith("The process was killed (SIGKILL)")
    assert files_in(page.training._places) == before
    shown = show_run(page, ENGLISH)
    assert 'data-state="failed"' in shown
    assert "The process was killed (SIGKILL)" in shown


def test_what_the_engine_says_of_a_failure_is_shown(home: Places, tmp_path: Path) -> None:
    page = open_page(home, str(tmp_path / "{gone}.csv"))
    assert start_run(page, ENGLISH, "slang", "majority", "", *UNCHANGED) == ""
    reason = wait_for(page, "failed").reason
    assert "{gone}.csv" in reason
    assert "oz-notice" in show_run(page, ENGLISH)


def test_two_pages_on_the_same_files_train_one_after_the_other(home: Places, rows_file: Path) -> None:
    other = open_page(home, str(rows_file))
    with FileLock(home.training / "page.lock"):
        assert "Another page trains a model" in start_run(other, ENGLISH, "slang", "majority", "", *UNCHANGED)
    assert look(other) is None


def test_a_public_page_refuses_politely_and_says_how_to_do_it_at_home(page: Context, home: Places) -> None:
    public = dataclasses.replace(open_context(home), public=True)
    refused = start_run(public, ENGLISH, "slang", "majority", "", *UNCHANGED)
    assert "Training isn't offered on this public page" in unescape(refused)
    assert refused == cancel_run(public, ENGLISH)
    assert look(public) is None
    (plan,) = show_plan(public, ENGLISH, "slang", "mini-lora", "mine", None, 3, None, None)
    assert "odzera train mini-lora --task slang --name mine --set epochs=3" in plan
    # The page is there once in each language, English first.
    found = [one for one in build_app(public).blocks.values() if getattr(one, "elem_id", None)]
    shown = {one.elem_id: one for one in reversed(found)}
    assert "isn't offered" in shown["training-refusal"].value
    assert not shown["training-start"].parent.visible


def test_a_page_without_places_says_that_it_can_train_nothing(home: Places) -> None:
    bare = dataclasses.replace(open_context(home), training=None)
    assert "without a place to keep models" in start_run(bare, ENGLISH, "slang", "majority", "", *UNCHANGED)
    assert "oz-empty" in show_run(bare, ENGLISH)


WRONG: list[tuple[tuple[Any, ...], str]] = [
    (("x", "scratch", "", *UNCHANGED), "There is no such task"),
    ((None, None, None, *UNCHANGED), "There is no such task"),
    (("slang", "bielik-last3", "", *UNCHANGED), "Recipes that can be trained here: scratch, tfidf"),
    (("slang", ["scratch"], "", *UNCHANGED), "Recipes that can be trained here"),
    (("nli", "scratch-3m4", "", *UNCHANGED), "Recipes that can be trained here"),
    (("slang", "scratch", "scratch", *UNCHANGED), "There is a model or a recipe called scratch"),
    (("slang", "scratch", "SCRATCH", *UNCHANGED), "There is a model or a recipe called SCRATCH"),
    (("slang", "scratch", "minilm-lora", *UNCHANGED), "There is a model or a recipe called minilm-lora"),
    (("slang", "scratch", "../../etc/x", *UNCHANGED), "A name takes letters"),
    (("slang", "scratch", "a" * 41, *UNCHANGED), "A name takes letters"),
    (("slang", "scratch", "<b>x", *UNCHANGED), "A name takes letters"),
    (("slang", "scratch", ".hidden", *UNCHANGED), "A name takes letters"),
    (("slang", "scratch", 7, *UNCHANGED), "A name takes letters"),
    (("slang", "scratch", "", -1, None, None, None), "The seed is a whole number"),
    (("slang", "scratch", "", 0.5, None, None, None), "The seed is a whole number"),
    (("slang", "scratch", "", None, 0, None, None), "The number of epochs is a whole number from 1 to 100"),
    (("slang", "scratch", "", None, 101, None, None), "The number of epochs is a whole number from 1 to 100"),
    (("slang", "scratch", "", None, True, None, None), "The number of epochs is a whole number from 1 to 100"),
    (("slang", "scratch", "", None, "9" * 9, None, None), "The number of epochs is a whole number from 1 to 100"),
    (("slang", "scratch", "", None, None, 0, None), "The learning rate is a number above 0 and below 1"),
    (("slang", "scratch", "", None, None, float("nan"), None), "The learning rate is a number above 0 and below 1"),
    (("slang", "mini-full", "", None, None, 1, None), "The learning rate is a number above 0 and below 1"),
    (("slang", "scratch", "", None, None, None, 1), "Dropout is a number from 0 to below 1"),
    (("slang", "mini-full", "", None, None, None, -0.1), "Dropout is a number from 0 to below 1"),
]


@pytest.mark.parametrize(("values", "says"), WRONG)
def test_wrong_values_get_one_line_and_start_nothing(page: Context, values: tuple[Any, ...], says: str) -> None:
    before = look(page)
    notice = start_run(page, ENGLISH, *values)
    assert says in notice
    assert notice.count("<") == 2, "it is a notice and nothing else"
    (plan,) = show_plan(page, ENGLISH, *values)
    assert plan == notice
    assert look(page) == before


def test_a_recipe_as_it_stands_needs_no_settings() -> None:
    plan = make_plan("slang", "mini-full", "", (), epochs=5, lr=5e-4, dropout=0.2, seed=0)
    assert plan.changes == ()
    assert plan.recipe == RECIPES["mini-full"]
    assert make_plan("slang", "mini-full", "", (), dropout=0.3).recipe.head.dropout == 0.3
    assert make_plan("slang", "majority", "", (), epochs=-5, lr=9).recipe == RECIPES["majority"], "it has none of these"


def test_a_free_name_is_never_one_that_exists() -> None:
    assert free_name("scratch", ()) == "scratch-page-1"
    assert free_name("scratch", ("scratch-page-1", "Scratch-Page-2")) == "scratch-page-3"
    with pytest.raises(RecipeError, match="mine; scratch-page-1 is free"):
        make_plan("slang", "scratch", "mine", {"mine"})


def test_small_recipes_are_those_that_the_product_can_train_alone() -> None:
    for name in SMALL:
        recipe = RECIPES[name]
        assert recipe.kind in ("baseline", "scratch") or recipe.backbone == "polish-gpt-mini"
    assert small_recipes("x") == []


def test_every_small_recipe_has_an_estimate() -> None:
    found = estimate_small("slang")
    assert set(found) == {recipe.name for recipe in small_recipes("slang")}
    assert all(beside > 0 for beside, _ in found.values())
    assert found["scratch"][1] > 0
    assert found["majority"][1] == 0


def test_the_time_left_is_that_of_the_epochs_to_come() -> None:
    plan = make_plan("slang", "scratch", "", (), epochs=10)
    rows = tuple(
        {
            **{"number": number, "train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "lr": 1e-3},
            **{"validation_accuracy": 0.5, "validation_macro_f1": 0.5, "seconds": 6.0},
        }
        for number in (1, 2)
    )
    shown = render_run(ENGLISH, Progress(plan, "training", rows, 2, batches=(40, 80), seconds=20.0))
    assert "epoch 3 of at most 10 · batch 40 of 80 · at most 45\u00a0s left" in shown
    assert 'aria-valuenow="25"' in shown
    assert "20\u00a0s so far" in shown


def test_a_registry_sees_new_models_and_opens_changed_ones_anew(places: Places, few: TaskData) -> None:
    store = Store.open(places.store)
    train_model(RECIPES["majority"], few, places, store)
    registry = Registry(places.checkpoints)
    first = registry.find("slang", "majority")
    opened = registry.classifier(first)
    train_model(RECIPES["tfidf"], few, places, store)
    registry.refresh("slang")
    assert [one.name for one in registry.models("slang")] == sorted(
        ["majority", "tfidf"], key=["majority", "tfidf"].index
    )
    assert registry.classifier(registry.find("slang", "majority")) is opened
    train_model(RECIPES["majority"], few, places, store)
    registry.refresh("slang")
    assert registry.classifier(registry.find("slang", "majority")) is not opened


@pytest.mark.slow
def test_a_run_ends_with_its_page(tmp_path: Path, rows_file: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from support.models import places_in\n"
        "from gradio_app.context import open_context\n"
        "runs = open_context(places_in(Path(sys.argv[1]))).training\n"
        "runs.start(runs.plan('slang', 'scratch'))\n"
        "print(runs._process.pid, flush=True)\n"
        "os._exit(1)\n"
    )
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    pid = int(done.stdout.split()[-1])
    for _ in range(int(SECONDS)):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(1)
    raise AssertionError("it goes on without a page")
