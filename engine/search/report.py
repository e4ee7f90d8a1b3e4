"""What is shown of a study: counts, history, importances, the best trials; and the plots saved for the dashboard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from engine.errors import SearchError
from engine.search.search_space import SPACE
from engine.search.storage import explained, open_storage, parse_url
from engine.search.study import REASON, standing_of

BEST = 10
MANY_COMPLETE = 4
"""Fewer complete trials than this say nothing about importances."""


@dataclass(frozen=True)
class StudyView:
    """One study as plain values, for tables and plots."""

    name: str
    study_id: int
    """Its number in the dashboard's addresses."""
    attributes: Mapping[str, Any]
    trials: Mapping[str, int]
    """How many are `complete`, `pruned`, `failed`, `running`, `waiting`."""
    best_value: float | None
    best_params: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    """Trials with a value, in order of number: `number`, `state`, `loss` (the last reported one of pruned trials) and
    `best` (the lowest of complete trials so far)."""
    importances: Mapping[str, float]
    """PED-ANOVA (Watanabe et al., 2023), largest first; they add up to one."""
    best_trials: Sequence[Mapping[str, Any]]
    failures: Mapping[str, int]
    """Reason → trials that failed for it."""

    @property
    def finished(self) -> int:
        """Trials that count."""
        return self.trials["complete"] + self.trials["pruned"]

    def as_summary(self) -> dict[str, Any]:
        """What `odzera studies --json` shows of it."""
        return {
            "name": self.name,
            "task": self.attributes.get("task"),
            "source": self.attributes.get("source"),
            "fingerprint": self.attributes.get("fingerprint"),
            "trials": {state: self.trials[state] for state in ("complete", "pruned", "failed", "running")},
            "best_value": self.best_value,
            "best_params": dict(self.best_params) or None,
        }


def list_studies(storage: str) -> list[StudyView]:
    """Every study of a storage, the one made last first, those without any trial after all others.

    None where there is no such file.

    Raises:
        StoreError: The storage can't be read.
    """
    if not exists(storage):
        return []
    with explained(storage):
        opened = open_storage(storage)
        studies = [optuna.load_study(study_name=name, storage=opened) for name in optuna.get_all_study_names(opened)]
        views = [view(study) for study in reversed(studies)]
        return sorted(views, key=lambda one: one.finished + one.trials["running"] == 0)


def exists(storage: str) -> bool:
    """Whether there is something to open, without making it."""
    from pathlib import Path

    url = parse_url(storage)
    return url.drivername != "sqlite" or Path(str(url.database)).is_file()


def view_study(storage: str, name: str) -> StudyView:
    """One study.

    Raises:
        SearchError: There is none of this name.
        StoreError: The storage can't be read.
    """
    with explained(storage):
        try:
            return view(optuna.load_study(study_name=name, storage=open_storage(storage)))
        except KeyError:
            raise SearchError(f"There is no study '{name}'.") from None


def view(study: optuna.Study) -> StudyView:
    """Read a study into plain values."""
    trials = study.get_trials(deepcopy=False)
    standing = standing_of(trials)
    complete = sorted(
        (one for one in trials if one.state == TrialState.COMPLETE and one.value is not None),
        key=lambda one: one.value or 0.0,
    )
    return StudyView(
        name=study.study_name,
        study_id=study._study_id,
        attributes=study.user_attrs,
        trials={
            "complete": standing.complete,
            "pruned": standing.pruned,
            "failed": standing.failed,
            "running": standing.running,
            "waiting": standing.waiting,
        },
        best_value=standing.best_value,
        best_params=complete[0].params if complete else {},
        history=_history(trials),
        importances=importances(study),
        best_trials=[_row(one) for one in complete[:BEST]],
        failures=_failures(trials),
    )


def importances(study: optuna.Study) -> dict[str, float]:
    """How much each setting matters among the better trials, by PED-ANOVA; empty while too few are complete."""
    complete = [one for one in study.get_trials(deepcopy=False) if one.state == TrialState.COMPLETE]
    if len(complete) < MANY_COMPLETE:
        return {}
    # It brings scikit-learn along, for which a search shouldn't wait.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    try:
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError):
        # All values alike, or no setting that all trials share.
        return {}
    return {name: round(float(share), 4) for name, share in found.items()}


def save_plots(study: optuna.Study) -> list[str]:
    """Save history, importances, parallel coordinates and slices with the study, where the dashboard shows them.

    Returns:
        Names of the plots that were saved; none while fewer than two trials are complete.
    """
    complete = [one for one in study.get_trials(deepcopy=False) if one.state == TrialState.COMPLETE]
    if len(complete) < 2:
        return []
    from optuna import visualization
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna_dashboard import save_plotly_graph_object

    shown = list(importances(study))[:6] or list(SPACE)[:6]
    plots = {
        "history": visualization.plot_optimization_history(study),
        "parallel-coordinates": visualization.plot_parallel_coordinate(study, params=shown),
        "slice": visualization.plot_slice(study, params=shown),
    }
    if importances(study):
        plots["importances"] = visualization.plot_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    titles = {
        "history": "Validation loss, trial by trial",
        "importances": "Importance of the settings (PED-ANOVA)",
        "parallel-coordinates": "The six most important settings of complete trials",
        "slice": "Validation loss against each of the six most important settings",
    }
    for name, figure in plots.items():
        figure.update_layout(title=titles[name])
        save_plotly_graph_object(study, figure, graph_object_id=name)
    return list(plots)


def _history(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    rows, best = [], None
    for trial in trials:
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            best = trial.value if best is None else min(best, trial.value)
        loss = trial.value if trial.state == TrialState.COMPLETE else _last_reported(trial)
        if loss is not None and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            rows.append({"number": trial.number, "state": trial.state.name.lower(), "loss": loss, "best": best})
    return rows


def _last_reported(trial: FrozenTrial) -> float | None:
    return trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else None


def _row(trial: FrozenTrial) -> dict[str, Any]:
    shown = (
        "validation_accuracy",
        "validation_macro_f1",
        "parameters",
        "epochs_run",
        "seconds",
        "peak_memory_mb",
        "stop",
    )
    return {
        "number": trial.number,
        "validation_loss": trial.value,
        **{name: trial.user_attrs.get(name) for name in shown},
        "params": dict(trial.params),
    }


def _failures(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for trial in trials:
        if trial.state == TrialState.FAIL:
            reason = str(trial.user_attrs.get(REASON, "its worker was lost; its settings were queued again"))
            counts[reason] = counts.get(reason, 0) + 1
    return counts
