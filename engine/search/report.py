"""What is shown of a study: counts, history, importances, the best trials; and the plots saved for the dashboard."""

import heapq
import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import SearchError
from engine.search.search_space import SPACE
from engine.search.storage import exists, explained, forget_shared, open_shared
from engine.search.study import REASON
from engine.search.summaries import STATES, StudySummary, known_attributes, read_summaries

BEST = 10
MANY_COMPLETE = 4
"""Fewer complete trials than this say nothing about importances."""
FIGURES = ("validation_accuracy", "validation_macro_f1", "parameters", "epochs_run", "seconds", "peak_memory_mb")
"""Trial attributes that are shown, all of them numbers."""
LONGEST_REASON = 300
MOST_REASONS = 8


@dataclass(frozen=True)
class StudyView(StudySummary):
    """One study with its trials, as plain values, for tables and plots."""

    history: Sequence[Mapping[str, Any]] = ()
    """Trials with a finite value, in order of number: `number`, `state`, `loss` (the last reported one of pruned
    trials) and `best` (the best of complete trials so far)."""
    importances: Mapping[str, float] = field(default_factory=dict)
    """PED-ANOVA (Watanabe et al., 2023), largest first; they add up to one."""
    best_trials: Sequence[Mapping[str, Any]] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    """Reason → trials that failed for it, the most frequent ones."""
    trouble: str = ""
    """Why its trials can't be shown, where they can't."""


class Studies:
    """The studies of one storage. Kept open, so that of a study that goes on only new trials are read."""

    def __init__(self, storage: str) -> None:
        """Keep where they are; nothing is opened yet."""
        self.storage = storage
        self._lock = threading.Lock()
        self._views: dict[str, tuple[str, StudyView]] = {}
        self._importances: dict[str, tuple[int, Mapping[str, float]]] = {}
        self._known: dict[int, tuple[str, str]] = {}

    def summaries(self) -> list[StudySummary]:
        """Every study without its trials, the one made last first, those without any trial after all others.

        None where there is no such file.

        Raises:
            StoreError: The storage can't be read.
        """
        if not self.storage or not exists(self.storage):
            return []
        with explained(self.storage), open_shared(self.storage)._backend.engine.connect() as connection:
            found = read_summaries(connection)
        with self._lock:
            known = {one.study_id: (one.name, one.began) for one in found}
            # A study's number is given to another one after it was deleted; what was kept of them would be mixed up.
            if any(self._known.get(one, was) != was for one, was in known.items()):
                forget_shared()
            self._known = {one: was for one, was in known.items() if was[1]}
        return sorted(reversed(found), key=lambda one: one.finished + one.trials["running"] == 0)

    def view(self, name: str | None) -> StudyView | None:
        """The study of this name with its trials, or None where there is none."""
        return next((self.view_of(one) for one in self.summaries() if one.name == name), None)

    def view_of(self, summary: StudySummary) -> StudyView:
        """A study with its trials, read anew if anything has happened in it.

        Raises:
            StoreError: The storage can't be read.
        """
        with self._lock:
            kept = self._views.get(summary.name)
            if kept is not None and kept[0] == summary.mark:
                return kept[1]
            with explained(self.storage):
                made = self._read(summary)
            self._views[summary.name] = (summary.mark, made)
            return made

    def _read(self, summary: StudySummary) -> StudyView:
        complete = summary.trials["complete"]

        def remembered(study: optuna.Study) -> Mapping[str, float]:
            known = self._importances.get(summary.name)
            if known is None or known[0] != complete:
                known = (complete, importances(study))
                self._importances[summary.name] = known
            return known[1]

        try:
            return view(optuna.load_study(study_name=summary.name, storage=open_shared(self.storage)), remembered)
        except (SQLAlchemyError, StorageInternalError, OSError):
            raise
        except Exception as error:
            # Whatever another program wrote into a study that this one can't make sense of, the others are shown.
            known = {one.name: getattr(summary, one.name) for one in fields(StudySummary)}
            return StudyView(**known, trouble=type(error).__name__)


def list_studies(storage: str) -> list[StudySummary]:
    """Every study of a storage; see `Studies.summaries`.

    Raises:
        StoreError: The storage can't be read.
    """
    return Studies(storage).summaries()


def view_study(storage: str, name: str) -> StudyView:
    """One study.

    Raises:
        SearchError: There is none of this name.
        StoreError: The storage can't be read.
    """
    found = Studies(storage).view(name)
    if found is None:
        raise SearchError(f"There is no study '{name}'.")
    return found


def view(study: optuna.Study, weigh: "Callable[[optuna.Study], Mapping[str, float]] | None" = None) -> StudyView:
    """Read a study into plain values.

    Args:
        study: Anybody's.
        weigh: What gives the importances, instead of `importances`.
    """
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials)
    directions = study.directions
    single = len(directions) == 1
    maximize = single and directions[0] == StudyDirection.MAXIMIZE
    values = {} if not single else {one.number: one.value for one in trials if one.state == TrialState.COMPLETE}
    ranked = [one for one in trials if (value := values.get(one.number)) is not None and math.isfinite(value)]
    sign = -1.0 if maximize else 1.0
    best = heapq.nsmallest(BEST, ranked, key=lambda one: (sign * (values[one.number] or 0.0), one.number))
    return StudyView(
        name=study.study_name,
        study_id=study._study_id,
        attributes=known_attributes(study.user_attrs),
        trials={word: states[state] for word, state in STATES.items()},
        objectives=len(directions),
        maximize=maximize,
        metric=(study.metric_names or [""])[0] if single else "",
        best_value=values[best[0].number] if best else None,
        best_params=best[0].params if best else {},
        history=_history(trials, maximize) if single else (),
        importances=(weigh or importances)(study),
        best_trials=[_row(one) for one in best],
        failures=_failures(trials),
    )


def importances(study: optuna.Study) -> dict[str, float]:
    """How much each setting matters among the better trials, by PED-ANOVA.

    Empty while too few trials are complete, where there are several objectives, and where no setting matters.
    """
    if len(study.directions) > 1:
        return {}
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if sum(one.value is not None and math.isfinite(one.value) for one in complete) < MANY_COMPLETE:
        return {}
    # It brings scikit-learn along, for which a search shouldn't wait.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    try:
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), normalize=False)
    except (ValueError, RuntimeError, ArithmeticError, AssertionError, KeyError, TypeError):
        # No setting that trials share, or one that is of several kinds.
        return {}
    whole = sum(found.values())
    if not found or not math.isfinite(whole) or whole <= 0:
        return {}
    return {name: round(float(share / whole), 4) for name, share in found.items()}


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


def _history(trials: Sequence[FrozenTrial], maximize: bool) -> list[dict[str, Any]]:
    better: Callable[[float, float], float] = max if maximize else min
    rows: list[dict[str, Any]] = []
    best: float | None = None
    for trial in trials:
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            continue
        complete = trial.state == TrialState.COMPLETE
        value = trial.value if complete else _last_reported(trial)
        if value is None or not math.isfinite(value):
            continue
        if complete:
            best = value if best is None else better(best, value)
        rows.append({"number": trial.number, "state": trial.state.name.lower(), "loss": value, "best": best})
    return rows


def _last_reported(trial: FrozenTrial) -> float | None:
    return trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else None


def _row(trial: FrozenTrial) -> dict[str, Any]:
    stop = trial.user_attrs.get("stop")
    return {
        "number": trial.number,
        "validation_loss": trial.value,
        **{name: _figure(trial.user_attrs.get(name)) for name in FIGURES},
        "stop": stop if isinstance(stop, str) else None,
        "params": dict(trial.params),
    }


def _figure(value: object) -> float | None:
    """A number above zero or zero itself, or None: in a foreign study anything may bear the name."""
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return value if fine else None  # type: ignore[return-value]


def _failures(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    lost = "its worker was lost; its settings were queued again"
    reasons = (str(one.user_attrs.get(REASON, lost)) for one in trials if one.state == TrialState.FAIL)
    return dict(Counter(reason[:LONGEST_REASON] for reason in reasons).most_common(MOST_REASONS))
