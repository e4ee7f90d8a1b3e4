"""Figures over seeds and folds: each model is trained as often as asked, nothing twice, and a mishap is a line."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from filelock import FileLock
from typer.testing import CliRunner

from engine.cli import app
from engine.data.sources import load
from engine.data.tasks import SLANG
from engine.errors import DataError
from engine.experiments.record import Finished, Request
from engine.experiments.repeats import Failed, Plan, Progress, depends_on_seed, measure_repeats, plan_repeats
from engine.experiments.repeats_file import read_repeats, write_repeats
from engine.experiments.run import run_experiment
from engine.paths import ROOT
from engine.store import Repeat, Store
from engine.training.checkpoints import PREDICTIONS, list_checkpoints
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES
from support.models import places_in, tiny_recipe, train_model

MOODS = (("dno totalne", "słabo to wyszło"), ("jutro trening", "wpis o pogodzie"), ("petarda", "pięknie zagrane"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty terms with six messages each."""
    rows = [
        f"{MOODS[label][(term + row) % 2]} {row} i {term * 7 % 13} razy słowo{term},{label},słowo{term}"
        for term in range(20)
        for label in range(3)
        for row in range(2)
    ]
    file = tmp_path_factory.mktemp("source") / "own.csv"
    file.write_text("text,label,term\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODZERA_HOME", str(tmp_path))
    return tmp_path


def plan(source: Path, folder: Path, seeds: int = 2, folds: int = 1, **models: Recipe) -> Plan:
    return plan_repeats(models or {"majority": RECIPES["majority"]}, load(SLANG, str(source)), folds, seeds, folder)


def measured(plan: Plan, folder: Path, store: Store, **options: Any) -> list[Progress]:
    return list(measure_repeats(plan, store, folder / plan.empty.file_name, folder, device="cpu", **options))


def answered(plan: Plan) -> list[Repeat]:
    """Every training of a plan, as if it had been done."""
    figures = {
        **{"recipe": "x", "f1": [0.1, 0.1, 0.1], "loss": 1.0, "train_accuracy": None, "best_epoch": None, "epochs": 0},
        **{"seconds": 1.0, "wall_seconds": 2.0, "parameters": {"total": 3, "trained": 3}, "machine": "a processor"},
    }
    empty, found = plan.empty, []
    for job in plan.jobs:
        version, settings, backbone = job.made_by
        own = {**figures, "trained_with": settings, "backbone": backbone}
        answers = "1" * len(empty.places(job.fold))
        common = (empty.task, empty.fingerprint, empty.design, job.model, job.fold, job.recipe.seed, version)
        found.append(Repeat(*common, job.settings, "2026-05-01", own, answers))
    return found


def odzera(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["results", *arguments])


def test_models_with_chance_in_them_are_trained_for_each_seed_and_others_once(source: Path, tmp_path: Path) -> None:
    jobs = plan(source, tmp_path, 3, 2, tfidf=RECIPES["tfidf"], scratch=tiny_recipe()).jobs
    assert sum(job.model == "tfidf" for job in jobs) == 2
    assert sum(job.model == "scratch" for job in jobs) == 6
    assert len({job.settings for job in jobs}) == len(jobs)
    assert [job.recipe.seed for job in jobs] == sorted(job.recipe.seed for job in jobs), "a seed at a time"
    assert depends_on_seed(RECIPES["mini-few"])
    assert not depends_on_seed(RECIPES["mini-zero"])
    assert depends_on_seed(dataclasses.replace(RECIPES["tfidf"], oversample=True))


def test_the_command_measures_shows_and_measures_nothing_twice(source: Path, empty_home: Path) -> None:
    arguments = ("make", "slang", "majority", "tfidf", "--source", str(source), "--seeds", "2", "--folds", "2")
    first = odzera(*arguments, "--json")
    assert first.exit_code == 0, first.output
    table = json.loads(first.stdout)
    assert {row["model"] for row in table["rows"]} == {"majority", "tfidf"}
    assert (table["folds"], table["by"], table["data"]["test_rows"]) == (2, "term", 120)
    (file,) = (empty_home / "studies").glob("results-slang-*-folds2.json")
    kept = read_repeats(file)
    assert len(kept.jobs) == 4
    assert sum(len(job.predicted) for job in kept.jobs) == 2 * 120
    for job in kept.jobs:
        assert 0 <= job.figures["accuracy"] <= 1
        assert job.figures["train_accuracy"] > 0.3
        right = [kept.labels[place] == digit for place, digit in zip(kept.places(job.fold), job.predicted, strict=True)]
        assert job.figures["accuracy"] == pytest.approx(sum(right) / len(right), abs=1e-4)
    assert str(source.parent) not in file.read_text(encoding="utf-8")
    again = odzera(*arguments)
    assert again.exit_code == 0
    assert "4 of 4 trainings done, none left" in again.stderr
    assert read_repeats(file).jobs == kept.jobs
    assert max(map(len, again.stdout.splitlines())) <= 80
    shown = odzera("show", "slang", "--data", kept.fingerprint, "--json")
    assert json.loads(shown.stdout)["rows"] == table["rows"]
    document = empty_home / "own.md"
    document.write_text("<!-- table slang-repeated: own -->\n<!-- end -->\n", encoding="utf-8")
    filled = odzera("show", "slang", "--data", kept.fingerprint, "--markdown", "--into", str(document))
    assert filled.exit_code == 0
    assert "| `tfidf` | " in document.read_text(encoding="utf-8")
    # A clean copy has the file alone; another seed is all that is missing then.
    (empty_home / "studies" / "results.db").unlink()
    assert "4 of 4 trainings done, none left" in odzera(*arguments).stderr


def test_other_settings_are_trained_anew_and_take_the_place_of_the_old(source: Path, tmp_path: Path) -> None:
    store = Store.in_memory()
    usual = plan(source, tmp_path, scratch=tiny_recipe(), majority=RECIPES["majority"])
    changed = plan(source, tmp_path, scratch=tiny_recipe(lr=5e-4))
    store.add_repeats(answered(usual))
    (first,) = measured(usual, tmp_path, store)
    assert (first.done, first.of) == (3, 3)
    (missing,) = measured(changed, tmp_path, store, minutes=0)
    assert (missing.done, missing.of) == (0, 2)
    store.add_repeats(answered(changed))
    (second,) = measured(changed, tmp_path, store)
    # A row never mixes settings, and another model's stays as it was.
    assert {job.model: job.figures["trained_with"] for job in second.repeats.jobs} == {
        "scratch": changed.jobs[0].made_by[1],
        "majority": usual.jobs[1].made_by[1],
    }
    assert len(second.repeats.jobs) == 3
    (back,) = measured(usual, tmp_path, store)
    assert back.repeats.jobs == first.repeats.jobs


def test_what_another_version_measured_is_trained_anew(source: Path, tmp_path: Path) -> None:
    store = Store.in_memory()
    wanted = plan(source, tmp_path)
    store.add_repeats(dataclasses.replace(one, version="0.0.1") for one in answered(wanted))
    (only,) = measured(wanted, tmp_path, store, minutes=0)
    assert (only.done, only.repeats.jobs) == (0, ())


def test_a_model_that_cant_be_trained_is_told_and_the_others_go_on(source: Path, tmp_path: Path) -> None:
    wrong = tiny_recipe(decoder={"hidden_size": 33, "num_attention_heads": 2})
    wanted = plan(source, tmp_path, 1, wrong=wrong, scratch=tiny_recipe(epochs=1))
    events = measured(wanted, tmp_path, Store.in_memory(), usual={"scratch": 3.0})
    (failed,) = [one.last for one in events if isinstance(one.last, Failed)]
    assert failed.job.model == "wrong"
    assert "\n" not in failed.reason
    assert [one.done for one in events] == [0, 0, 1]
    assert events[0].seconds_left > events[1].seconds_left > events[2].seconds_left == 0
    (job,) = events[-1].repeats.jobs
    assert (job.model, job.figures["best_epoch"], job.figures["epochs"]) == ("scratch", 1, 1)
    assert job.figures["parameters"]["total"] > 0
    assert read_repeats(tmp_path / wanted.empty.file_name) == events[-1].repeats


def test_no_training_begins_after_the_minutes(source: Path, tmp_path: Path) -> None:
    (only,) = measured(plan(source, tmp_path), tmp_path, Store.in_memory(), minutes=0)
    assert (only.done, only.of) == (0, 1)
    assert only.seconds_left > 0


def test_one_process_measures_at_a_time_and_other_folds_are_left_alone(source: Path, tmp_path: Path) -> None:
    wanted = plan(source, tmp_path)
    file = tmp_path / wanted.empty.file_name
    with (
        FileLock(file.with_suffix(".lock")),
        pytest.raises(DataError, match=r"^results-slang-\S+ is being measured by another process\.$"),
    ):
        measured(wanted, tmp_path, Store.in_memory())
    write_repeats(file, wanted.empty)
    before = file.read_bytes()
    other = dataclasses.replace(wanted, empty=dataclasses.replace(wanted.empty, groups=(0,) * len(wanted.empty.rows)))
    with pytest.raises(DataError, match=r"holds results on other folds; move it elsewhere to measure anew\.$"):
        measured(other, tmp_path, Store.in_memory())
    assert file.read_bytes() == before


@pytest.mark.slow
def test_a_killed_run_goes_on_and_loses_one_training_at_most(source: Path, empty_home: Path) -> None:
    arguments = ("make", "slang", "majority", "--source", str(source), "--folds", "3")
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "results", *arguments], cwd=ROOT, text=True, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "1 of 3 trainings done" in line)
        process.send_signal(signal.SIGKILL)
    (file,) = (empty_home / "studies").glob("results-slang-*.json")
    assert len(read_repeats(file).jobs) == 1
    again = odzera(*arguments)
    assert again.exit_code == 0, again.output
    assert again.stderr.startswith("1 of 3 trainings done, about ")
    assert len(read_repeats(file).jobs) == 3


def test_a_trained_model_is_one_of_the_trainings_on_its_own_split(source: Path, tmp_path: Path) -> None:
    wanted = plan(source, tmp_path, scratch=tiny_recipe())
    (part,) = wanted.parts
    request = Request(tiny_recipe(), part, tmp_path, tmp_path / "training", "scratch")
    *_, finished = run_experiment(request, Store.in_memory())
    assert isinstance(finished, Finished)
    checkpoint = finished.checkpoint
    # It couldn't be known from one that was trained anew otherwise.
    checkpoint.manifest["run"]["record"]["cost"]["seconds"] = 123.0
    *_, last = measured(wanted, tmp_path, Store.in_memory(), trained={"scratch": checkpoint})
    first, second = sorted(last.repeats.jobs, key=lambda job: job.seed)
    assert first.figures["seconds"] == 123.0
    assert list(first.predicted) == [str(label) for label in checkpoint.read_json(PREDICTIONS)["predicted"]]
    assert first.figures["epochs"] == second.figures["epochs"] == tiny_recipe().epochs
    assert second.figures["seconds"] < 100, "another seed"


def test_ship_trains_seed_0_on_the_sources_own_split_once(source: Path, empty_home: Path) -> None:
    arguments = ("make", "slang", "majority", "--source", str(source), "--folds", "1", "--ship")
    assert odzera(*arguments).exit_code == 0
    (checkpoint,) = list_checkpoints(empty_home / "checkpoints", "slang")[0]
    assert (checkpoint.name, checkpoint.recipe.seed) == ("majority", 0)
    created = checkpoint.manifest["run"]["created"]
    # Without names, what was trained on this data is measured.
    again = odzera("make", "slang", "--source", str(source), "--folds", "1", "--ship")
    assert again.exit_code == 0, again.output
    (checkpoint,) = list_checkpoints(empty_home / "checkpoints", "slang")[0]
    assert checkpoint.manifest["run"]["created"] == created


def test_a_trained_model_without_its_block_is_measured_under_a_name_of_its_own(source: Path, empty_home: Path) -> None:
    usual = ("--source", str(source), "--seeds", "1", "--folds", "1", "--json")
    tiny = tiny_recipe(decoder=dict(RECIPES["scratch"].decoder) | {"hidden_size": 8}, epochs=1)
    places = places_in(empty_home)
    trained = train_model(tiny, load(SLANG, str(source)), places, Store.in_memory()).checkpoint
    name = f"scratch@{trained.fingerprint}"
    made = odzera("make", "slang", name, "--set", "decoder.num_hidden_layers=0", "--name", "scratch-0", *usual)
    assert made.exit_code == 0, made.output
    (row,) = json.loads(made.stdout)["rows"]
    assert row["model"] == "scratch-0"
    assert row["total_parameters"] < trained.manifest["run"]["record"]["parameters"]["total"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["ghost"], "There is no recipe 'ghost'"),
        (["majority", "--set", "seed=3"], "--name says what it is called"),
        (["majority", "tfidf", "--name", "both"], "are for one MODEL"),
        (["majority", "--name", "../up"], "--name takes letters"),
        (["majority", "--unlabelled", "/nowhere/posts.txt"], "There is no file /nowhere/posts.txt"),
        (
            ["majority", "--folds", "9", "--source", "three"],
            "three.csv can't be cut into 9 folds: it has 3 slang terms",
        ),
        (["majority", "--source", "none"], "none.csv"),
        ([], "There is no model to train"),
    ],
)
def test_bad_input_is_one_line(options: list[str], says: str, empty_home: Path, source: Path) -> None:
    lines = source.read_text(encoding="utf-8").splitlines()
    (empty_home / "three.csv").write_text("\n".join(lines[:19]) + "\n", encoding="utf-8")
    (empty_home / "none.csv").write_text(lines[0] + "\n", encoding="utf-8")
    named = [str(empty_home / f"{one}.csv") if one in ("three", "none") else one for one in options]
    result = odzera("make", "slang", *named)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list((empty_home / "studies").glob("results-slang-*.json"))


def test_results_that_arent_there_are_one_line(empty_home: Path) -> None:
    for options, says in ((["--data", "eeee"], "odzera results make slang"), (["--into", "x.md"], "--markdown")):
        result = odzera("show", "slang", *options)
        assert result.exit_code == 2
        assert says in result.stderr
