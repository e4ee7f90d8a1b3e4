"""The study that comes with the program, and where studies are kept by default."""

import shutil
import sqlite3
from pathlib import Path

import optuna
import pytest
from accelerate import Accelerator
from optuna.trial import TrialState

from engine.data.sources import TaskData
from engine.errors import StoreError
from engine.machine import one_thread
from engine.paths import Places
from engine.search.report import list_studies, view_study
from engine.search.search_space import make_recipe, space_digest
from engine.search.shipped import SHIPPED, default_storage
from engine.search.storage import open_storage
from engine.training.build import batches_of, build
from engine.training.loop import train


@pytest.fixture
def address(places: Places) -> str:
    """The default storage of an empty place."""
    return default_storage(places)


def test_the_shipped_study_is_finished_with_500_trials_on_the_bundled_sample(address: str, slang: TaskData) -> None:
    (study,) = list_studies(address)
    assert study.finished == 500
    assert study.trials["running"] == study.trials["waiting"] == 0
    assert study.attributes["fingerprint"] == slang.fingerprint
    assert study.attributes["source"] == "sample"
    assert SHIPPED.stat().st_size < 10_000_000


def test_the_shipped_study_is_of_this_space(address: str) -> None:
    (study,) = list_studies(address)
    assert study.attributes["space"] == space_digest()


def test_a_trial_of_the_shipped_study_gets_the_same_loss_again(address: str, slang: TaskData) -> None:
    study = optuna.load_study(study_name=list_studies(address)[0].name, storage=open_storage(address))
    pruned = [one for one in study.get_trials(states=(TrialState.PRUNED,)) if one.user_attrs["epochs_run"] == 1]
    trial = min(pruned, key=lambda one: one.user_attrs["seconds"])
    recipe = make_recipe(trial.params)
    neural = build(recipe, slang)
    with one_thread():
        batches = (batches_of(neural, slang, split, recipe) for split in ("train", "validation"))
        epoch = next(iter(train(neural.model, *batches, recipe, "loss", accelerator=Accelerator(cpu=True))))
    # Processors round differently; another tokenizer, model, batch order or loop would be further off.
    assert epoch.validation["loss"] == pytest.approx(trial.intermediate_values[1], abs=0.01)


def test_the_shipped_study_tells_nothing_of_who_made_it() -> None:
    content = SHIPPED.read_bytes()
    for secret in (b"/home/", b"/root/", b"/tmp/", b"file:"):
        assert secret not in content


def test_the_shipped_scratch_model_is_the_studys_best_setting(address: str) -> None:
    from engine.paths import ROOT
    from engine.training.checkpoints import list_checkpoints

    (study,) = list_studies(address)
    checkpoints, _ = list_checkpoints(ROOT / "checkpoints", "slang")
    scratch = next(one for one in checkpoints if one.manifest["name"] == "scratch")
    refit = scratch.manifest["run"]["record"]["refit"]
    assert refit["study"] == study.name
    assert dict(scratch.recipe.decoder) == dict(make_recipe(study.best_params).decoder)
    assert scratch.recipe.lr == study.best_params["lr"]
    assert len(refit["seeds"]) == 5


def test_a_copy_is_made_once_and_never_over_what_is_there(places: Places) -> None:
    address = default_storage(places)
    (name,) = [study.name for study in list_studies(address)]
    optuna.delete_study(study_name=name, storage=open_storage(address))
    assert default_storage(places) == address
    assert list_studies(address) == []
    # Looked at in a copy: whatever opens a study's file may write to it.
    copy = shutil.copyfile(SHIPPED, places.studies.with_name("copy.db"))
    assert view_study(f"sqlite:///{copy}", name).finished == 500


def test_the_file_that_is_shipped_is_whole_and_compact() -> None:
    connection = sqlite3.connect(f"file:{SHIPPED}?mode=ro&immutable=1", uri=True)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    connection.close()


def test_a_place_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("a file, not a folder", encoding="utf-8")
    places = Places(tmp_path / "checkpoints", tmp_path / "studies" / "results.db", tmp_path / "training")
    with pytest.raises(StoreError, match=r"^The studies in [^\n]+ can't be written: [^\n]+$"):
        default_storage(places)


def test_failed_trials_of_the_shipped_study_say_why(address: str) -> None:
    study = optuna.load_study(study_name=list_studies(address)[0].name, storage=open_storage(address))
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        assert trial.user_attrs["reason"]
