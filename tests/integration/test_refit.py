"""The best setting on several seeds: trained, summed up, the best on validation kept as `scratch`."""

import dataclasses
import math
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from engine.data.sources import TaskData
from engine.errors import SearchError
from engine.paths import Places
from engine.search.refit import Refit, refit, requests_for, summarise
from engine.search.search_space import SPACE, make_recipe, starting_points
from engine.search.storage import open_storage
from engine.store import Store
from engine.training.checkpoints import list_checkpoints
from engine.training.classifiers import open_checkpoint

BEST = starting_points()[0] | {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 1, "epochs": 4}


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """Two complete trials and a pruned one with the lowest loss, which doesn't count."""
    study = optuna.create_study(study_name="study", storage=open_storage(str(tmp_path / "optuna.db")))
    for settings, loss, state in (
        (BEST, 0.7, TrialState.COMPLETE),
        (BEST | {"lr": 1e-5}, 0.9, TrialState.COMPLETE),
        (BEST | {"lr": 2e-5}, 0.5, TrialState.PRUNED),
    ):
        trial = create_trial(
            state=state,
            value=loss if state == TrialState.COMPLETE else None,
            params=settings,
            distributions=dict(SPACE),
            intermediate_values={1: loss},
        )
        study.add_trial(trial)
    return study


def test_every_seed_has_the_settings_of_the_best_complete_trial(
    study: optuna.Study, few: TaskData, places: Places
) -> None:
    requests = requests_for(study, few, places)
    assert [request.recipe.seed for request in requests] == [0, 1, 2, 3, 4]
    assert {request.model_name for request in requests} == {"scratch"}
    assert all(dataclasses.replace(one.recipe, seed=0) == make_recipe(BEST) for one in requests)


def test_a_study_without_complete_trials_cant_be_refitted(few: TaskData, places: Places, tmp_path: Path) -> None:
    study = optuna.create_study(study_name="empty", storage=open_storage(str(tmp_path / "empty.db")))
    with pytest.raises(SearchError, match="no complete trial"):
        requests_for(study, few, places)


def test_the_best_seed_on_validation_becomes_scratch_with_the_means_of_all(
    study: optuna.Study, few: TaskData, places: Places, store: Store
) -> None:
    requests = requests_for(study, few, places, seeds=(0, 1, 2))
    *progress, end = refit(study, requests, store, workers=2, licence="CC0")
    assert progress == [0, 1, 2, 3]
    assert isinstance(end, Refit)
    record = end.record
    losses = record["validation"]["loss"]["values"]
    assert record["seeds"] == [0, 1, 2]
    assert record["chosen_seed"] == losses.index(min(losses))
    assert record["trial"] == 0
    assert len(set(losses)) == 3
    # In the store, and in the checkpoint that travels.
    runs = store.runs("slang", few.fingerprint)
    assert [run.model for run in runs] == ["scratch"]
    assert runs[0].record["refit"]["test"]["accuracy"]["mean"] == pytest.approx(
        sum(record["test"]["accuracy"]["values"]) / 3, abs=1e-3
    )
    checkpoints, _ = list_checkpoints(places.checkpoints, "slang")
    assert [checkpoint.manifest["name"] for checkpoint in checkpoints] == ["scratch"]
    manifest = checkpoints[0].manifest
    assert manifest["run"]["record"]["refit"] == dict(record)
    assert manifest["recipe"]["seed"] == record["chosen_seed"]
    assert manifest["data"]["licence"] == "CC0"
    # What is kept is the model that was measured.
    kept = open_checkpoint(checkpoints[0]).probabilities(few.texts("test"))
    right = (kept.argmax(1) == few.split("test")["label"].to_numpy()).mean()
    assert right == pytest.approx(record["test"]["accuracy"]["values"][record["chosen_seed"]], abs=1e-4)
    assert not list(places.training.glob("*.safetensors"))


@pytest.mark.slow
def test_interrupted_it_goes_on_from_what_is_trained(
    study: optuna.Study, few: TaskData, places: Places, store: Store
) -> None:
    requests = requests_for(study, few, places, seeds=(0, 1))
    events = refit(study, requests, store, workers=1)
    for event in events:
        if event == 1:
            break
    events.close()
    assert list(places.training.glob("*.safetensors"))
    end = list(refit(study, requests, store, workers=1))[-1]
    assert isinstance(end, Refit)
    assert end.record["seeds"] == [0, 1]
    assert not list(places.training.glob("*.safetensors"))


def test_the_deviation_is_the_samples() -> None:
    rows = [{"accuracy": value, "macro_f1": 0.5, "mcc": 0.1, "loss": 1.0} for value in (0.6, 0.7, 0.8)]
    summary = summarise(rows)
    assert summary["accuracy"]["mean"] == pytest.approx(0.7)
    assert summary["accuracy"]["deviation"] == pytest.approx(0.1)
    assert summary["macro_f1"]["deviation"] == 0
    assert math.isclose(summarise(rows[:1])["accuracy"]["deviation"], 0)
