"""What is shown of a study, as plain values; and the plots that the dashboard keeps."""

import json
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from engine.errors import SearchError, StoreError
from engine.search.report import BEST, importances, list_studies, save_plots, view, view_study
from engine.search.search_space import SPACE, starting_points
from engine.search.storage import open_storage
from engine.search.study import REASON


def some_trial(number: int, state: TrialState = TrialState.COMPLETE) -> optuna.trial.FrozenTrial:
    """A trial with every setting; its loss depends on the rate and a little on dropout."""
    params = starting_points()[0] | {
        "lr": 1e-4 * (number + 1),
        "dropout": 0.05 * (number % 5),
        "epochs": 4 + number % 9,
    }
    loss = 1.0 - 0.02 * number + 0.001 * (number % 5)
    return create_trial(
        state=state,
        value=loss if state == TrialState.COMPLETE else None,
        params=params,
        distributions=dict(SPACE),
        intermediate_values={1: loss + 0.2, 2: loss} if state != TrialState.FAIL else {},
        user_attrs={"validation_accuracy": 0.5, "seconds": 3.0}
        if state != TrialState.FAIL
        else {REASON: "out of memory"},
    )


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A storage of the test's own."""
    return str(tmp_path / "optuna.db")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with sixteen trials: twelve complete, two pruned, two failed."""
    file = tmp_path_factory.mktemp("made") / "optuna.db"
    study = optuna.create_study(study_name="study", storage=open_storage(str(file)))
    study.set_user_attr("task", "slang")
    study.set_user_attr("source", "sample")
    study.set_user_attr("fingerprint", "abc")
    for number in range(12):
        study.add_trial(some_trial(number))
    for _ in range(2):
        study.add_trial(some_trial(3, TrialState.PRUNED))
        study.add_trial(some_trial(3, TrialState.FAIL))
    study._storage._backend.engine.dispose()
    return file


@pytest.fixture
def study(made: Path, address: str) -> optuna.Study:
    """That study, in a storage of the test's own."""
    shutil.copy(made, address)
    return optuna.load_study(study_name="study", storage=open_storage(address))


def test_a_summary_has_the_promised_keys(study: optuna.Study, address: str) -> None:
    summary = json.loads(json.dumps([one.as_summary() for one in list_studies(address)]))
    assert summary == [
        {
            "name": "study",
            "task": "slang",
            "source": "sample",
            "fingerprint": "abc",
            "trials": {"complete": 12, "pruned": 2, "failed": 2, "running": 0},
            "best_value": study.best_value,
            "best_params": study.best_params,
        }
    ]


def test_the_history_has_the_lowest_loss_so_far_of_complete_trials(study: optuna.Study) -> None:
    history = view(study).history
    assert [row["number"] for row in history] == [
        trial.number for trial in study.trials if trial.state != TrialState.FAIL
    ]
    lowest = [row["best"] for row in history]
    assert lowest == sorted(lowest, reverse=True)
    assert lowest[-1] == study.best_value
    pruned = next(row for row in history if row["state"] == "pruned")
    assert pruned["loss"] == study.trials[pruned["number"]].intermediate_values[2]


def test_the_best_trials_come_first_and_are_ten(study: optuna.Study) -> None:
    best = view(study).best_trials
    assert len(best) == BEST
    losses = [row["validation_loss"] for row in best]
    assert losses == sorted(losses)
    assert best[0]["number"] == study.best_trial.number
    assert best[0]["params"] == study.best_params


def test_failures_are_counted_by_reason(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.FAIL))
    assert view(study).failures == {"out of memory": 2, "its worker was lost; its settings were queued again": 1}


def test_the_importances_are_ped_anovas_and_add_up(study: optuna.Study) -> None:
    shares = importances(study)
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert next(iter(shares)) == "lr"


def test_too_few_complete_trials_have_no_importances(address: str) -> None:
    study = optuna.create_study(storage=open_storage(address))
    for number in range(3):
        study.add_trial(some_trial(number))
    assert importances(study) == {}
    assert view(study).importances == {}


def test_an_empty_study_can_be_shown(address: str) -> None:
    optuna.create_study(study_name="empty", storage=open_storage(address))
    shown = view_study(address, "empty")
    assert (shown.finished, shown.best_value, list(shown.history), list(shown.best_trials)) == (0, None, [], [])
    assert shown.as_summary()["best_params"] is None


def test_the_latest_study_comes_first(address: str) -> None:
    for name in ("first", "second"):
        optuna.create_study(study_name=name, storage=open_storage(address))
    assert [one.name for one in list_studies(address)] == ["second", "first"]


def test_a_storage_that_isnt_there_has_no_studies_and_isnt_made(tmp_path: Path) -> None:
    assert list_studies(str(tmp_path / "none.db")) == []
    assert not (tmp_path / "none.db").exists()


def test_a_study_that_isnt_there_is_one_line(study: optuna.Study, address: str) -> None:
    with pytest.raises(SearchError, match=r"^There is no study 'other'\.$"):
        view_study(address, "other")


def test_a_damaged_storage_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "optuna.db"
    path.write_bytes(b"SQLite format 3\x00" + b"\x01" * 4000)
    with pytest.raises(StoreError, match=r"^The studies in [^\n]+ can't be used: [^\n]+$"):
        list_studies(str(path))


def test_four_plots_are_saved_for_the_dashboard_and_written_over(study: optuna.Study) -> None:
    for _ in range(2):
        assert set(save_plots(study)) == {"history", "importances", "parallel-coordinates", "slice"}
    attributes = study._storage.get_study_system_attrs(study._study_id)
    saved = get_plotly_graph_objects(attributes)
    assert set(saved) == {"history", "importances", "parallel-coordinates", "slice"}
    title = json.loads(saved["importances"])["layout"]["title"]["text"]
    assert "PED-ANOVA" in title


def test_one_complete_trial_is_no_plot(address: str) -> None:
    study = optuna.create_study(storage=open_storage(address))
    study.add_trial(some_trial(1))
    assert save_plots(study) == []
