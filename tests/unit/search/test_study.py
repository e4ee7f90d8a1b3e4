"""A study: made once, joined by the same command, refused to another; what it records of itself."""

import dataclasses
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from optuna_dashboard import get_note

from engine import __version__
from engine.data.sources import TaskData
from engine.errors import SearchError
from engine.search.search_space import starting_points
from engine.search.study import (
    PRUNERS,
    SAMPLERS,
    SearchRequest,
    best_trial,
    code_digest,
    open_study,
    standing_of,
)


@pytest.fixture
def request_of(few: TaskData, tmp_path: Path):
    """Makes requests on a storage of the test's own."""

    def make(**changes: object) -> SearchRequest:
        return SearchRequest(**{"data": few, "storage": str(tmp_path / "optuna.db"), "trials": 10} | changes)  # type: ignore[arg-type]

    return make


def test_a_study_says_what_it_is_on_which_data_and_with_which_code(request_of) -> None:
    request = request_of()
    study = open_study(request)
    attributes = study.user_attrs
    assert attributes["fingerprint"] == request.data.fingerprint
    assert attributes["task"] == "slang"
    assert attributes["versions"]["odzera"] == __version__
    assert attributes["versions"]["optuna"] == optuna.__version__
    assert attributes["code"] == code_digest()
    note = get_note(study)
    for fact in (
        request.data.fingerprint,
        __version__,
        attributes["code"],
        "validation loss",
        "test split is not read",
    ):
        assert fact in note


def test_the_first_settings_are_queued_once(request_of) -> None:
    for _ in range(2):
        study = open_study(request_of())
    queued = [trial.system_attrs["fixed_params"] for trial in study.get_trials()]
    assert queued == starting_points()


def test_no_more_is_queued_than_is_asked_for(request_of) -> None:
    assert len(open_study(request_of(trials=1)).trials) == 1


def test_a_failed_first_setting_is_queued_again_by_the_next_call(request_of) -> None:
    study = open_study(request_of())
    study.tell(study.ask(), state=TrialState.FAIL)
    assert len(open_study(request_of()).get_trials(states=(TrialState.WAITING,))) == 4


def test_the_name_is_the_same_for_the_same_data_and_sampler(request_of) -> None:
    assert request_of().study_name == request_of(seed=3, workers=2).study_name
    assert request_of().study_name != request_of(sampler="random").study_name
    assert request_of(name="mine").study_name == "mine"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pruner": "hyperband"}, "another pruner"),
        ({"sampler": "random"}, "another sampler"),
    ],
)
def test_a_study_of_something_else_is_refused(request_of, change: dict[str, str], says: str) -> None:
    open_study(request_of(name="mine"))
    with pytest.raises(SearchError, match=f"{says}.*--name"):
        open_study(request_of(name="mine", **change))


def test_a_study_of_other_data_is_refused(request_of, few: TaskData) -> None:
    open_study(request_of(name="mine"))
    other = dataclasses.replace(few, fingerprint="000000000000")
    with pytest.raises(SearchError, match="other data"):
        open_study(request_of(name="mine", data=other))


def test_a_study_of_another_space_is_refused(request_of, monkeypatch: pytest.MonkeyPatch) -> None:
    open_study(request_of())
    monkeypatch.setattr("engine.search.study.space_digest", lambda: "ffffffff")
    with pytest.raises(SearchError, match="another search space"):
        open_study(request_of())


@pytest.mark.parametrize(
    "change",
    [
        {"trials": 0},
        {"workers": 0},
        {"workers": 1000},
        {"minutes": 0},
        {"sampler": "cma"},
        {"pruner": "median"},
        {"seed": -1},
        {"sampler": "grid", "trials": 865},
    ],
)
def test_a_request_out_of_range_is_one_line(request_of, change: dict[str, object]) -> None:
    with pytest.raises(SearchError, match=r"^[^\n]+\.$"):
        request_of(**change)


def test_data_without_validation_rows_cant_be_searched_on(request_of, few: TaskData) -> None:
    frame = few.frame[few.frame["split"] != "validation"].reset_index(drop=True)
    with pytest.raises(SearchError, match="no validation rows"):
        request_of(data=dataclasses.replace(few, frame=frame))


def test_what_optuna_changed_by_default_is_set_explicitly() -> None:
    sampler = SAMPLERS["tpe"](5)
    assert sampler._multivariate is True
    assert sampler._constant_liar is True
    assert sampler._group is False
    assert PRUNERS["asha"]()._reduction_factor == 4


def test_two_samplers_of_one_seed_draw_the_same_points(request_of) -> None:
    def first(seed: int) -> object:
        study = optuna.create_study(sampler=SAMPLERS["tpe"](seed))
        return study.ask().suggest_float("x", 0, 1)

    assert first(1) == first(1) != first(2)


def test_trials_are_counted_by_state() -> None:
    study = optuna.create_study()
    for state, value in ((TrialState.COMPLETE, 0.7), (TrialState.COMPLETE, 0.6), (TrialState.FAIL, None)):
        study.add_trial(optuna.create_trial(state=state, value=value))
    study.add_trial(optuna.create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.5}))
    study.enqueue_trial({})
    study.enqueue_trial({})
    study.ask()
    standing = standing_of(study.get_trials())
    assert (standing.complete, standing.pruned, standing.failed) == (2, 1, 1)
    assert (standing.running, standing.waiting) == (1, 1)
    assert standing.finished == 3
    # A pruned trial's last loss isn't a result, however low.
    assert (standing.best_value, standing.best_trial) == (0.6, 1)


def test_without_complete_trials_there_is_no_best() -> None:
    assert best_trial([]) is None
    assert standing_of([]).best_value is None


def test_the_code_digest_is_of_what_trials_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import engine.search.study as module

    assert len(code_digest()) == 8
    before = code_digest()
    monkeypatch.setattr(module, "TRIAL_CODE", (*module.TRIAL_CODE, "search/study.py"))
    assert code_digest() != before
