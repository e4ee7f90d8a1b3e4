"""How far each study of a storage is: counts, best value and settings, read without its trials."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection, func, select

from engine.search.trial_reader import read_trials, table_of

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
    "waiting": TrialState.WAITING,
}
TEXTS = ("task", "source", "fingerprint", "space", "sampler", "pruner", "device", "code", "machine", "created")
NUMBERS = ("trials", "seed")


@dataclass(frozen=True)
class StudySummary:
    """One study as plain values. A storage is shared, so it may be anybody's study, with anything in it."""

    name: str
    study_id: int
    """Its number in the dashboard's addresses."""
    attributes: Mapping[str, Any]
    """What Odzera records with a study, where it is of the kind that Odzera records."""
    trials: Mapping[str, int]
    """How many are `complete`, `pruned`, `failed`, `running`, `waiting`."""
    objectives: int = 1
    maximize: bool = False
    """Whether a larger value is better."""
    metric: str = ""
    """What the value is called, where the study says so."""
    best_value: float | None = None
    """The best finite value of a complete trial; None where there are several objectives."""
    best_params: Mapping[str, Any] = field(default_factory=dict)
    began: str = ""
    """When its first trial began, by which a study is told from one that took its place and number."""

    @property
    def finished(self) -> int:
        """Trials that count."""
        return self.trials["complete"] + self.trials["pruned"]

    @property
    def target(self) -> int:
        """Trials that it is to have; 0 where nobody said."""
        return int(self.attributes.get("trials", 0))

    @property
    def mark(self) -> str:
        """Changes when anything happens in the study that is shown of it."""
        return f"{self.study_id} {self.began} {self.name} {dict(self.trials)} {self.target} {self.best_value}"

    def as_summary(self) -> dict[str, Any]:
        """What `odzera studies --json` shows of it."""
        return {
            "name": self.name,
            "task": self.attributes.get("task"),
            "source": self.attributes.get("source"),
            "fingerprint": self.attributes.get("fingerprint"),
            "trials": {state: self.trials[state] for state in ("complete", "pruned", "failed", "running")},
            "best_value": self.best_value,
            "best_params": {name: _finite(value) for name, value in self.best_params.items()} or None,
        }


def _finite(value: Any) -> Any:
    """A value as it is, or as a word where JSON has no number for it."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def read_summaries(connection: Connection) -> list[StudySummary]:
    """Every study, in the order in which they were made."""
    directions, counts, attributes, metrics = (defaultdict[int, Any](dict) for _ in range(4))
    begun: defaultdict[int, list[Any]] = defaultdict(list)
    table = table_of(models.StudyDirectionModel)
    for study_id, objective, direction in connection.execute(
        select(table.c.study_id, table.c.objective, table.c.direction)
    ):
        directions[study_id][objective] = direction
    table = table_of(models.TrialModel)
    for study_id, state, count, first in connection.execute(
        select(table.c.study_id, table.c.state, func.count(), func.min(table.c.datetime_start)).group_by(
            table.c.study_id, table.c.state
        )
    ):
        counts[study_id][state] = count
        begun[study_id] += [first] if first else []
    table = table_of(models.StudyUserAttributeModel)
    for study_id, key, written in connection.execute(select(table.c.study_id, table.c.key, table.c.value_json)):
        attributes[study_id][key] = _parsed(written)
    table = table_of(models.StudySystemAttributeModel)
    named = select(table.c.study_id, table.c.value_json).where(table.c.key == "study:metric_names")
    for study_id, written in connection.execute(named):
        metrics[study_id] = _parsed(written)
    lowest_value, highest_value = _extremes(connection)
    found = []
    table = table_of(models.StudyModel)
    for study_id, name in connection.execute(select(table.c.study_id, table.c.study_name).order_by(table.c.study_id)):
        single = len(directions[study_id]) == 1
        maximize = single and directions[study_id].get(0) == StudyDirection.MAXIMIZE
        best = (highest_value if maximize else lowest_value).get(study_id) if single else None
        metric = metrics.get(study_id)
        found.append(
            StudySummary(
                name=name,
                study_id=study_id,
                attributes=known_attributes(attributes[study_id]),
                trials={word: counts[study_id].get(state, 0) for word, state in STATES.items()},
                objectives=len(directions[study_id]),
                maximize=maximize,
                metric=str(metric[0]) if single and isinstance(metric, list) and metric else "",
                best_value=best,
                best_params={} if best is None else _params(connection, study_id, best),
                began=str(min(begun[study_id], default="")),
            )
        )
    return found


def known_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that Odzera records; those of other names and those of another kind are left out."""
    kept: dict[str, Any] = {}
    for name, value in attributes.items():
        if (name in TEXTS and isinstance(value, str)) or (name in NUMBERS and _is_count(value)):
            kept[name] = value
        elif name == "versions" and isinstance(value, dict):
            kept[name] = {str(package): str(number) for package, number in value.items()}
        elif name == "rows" and isinstance(value, dict):
            kept[name] = {str(split): count for split, count in value.items() if isinstance(count, int)}
    return kept


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _extremes(connection: Connection) -> tuple[dict[int, float], dict[int, float]]:
    """The lowest and the highest finite value of each study's complete trials."""
    trials, values = table_of(models.TrialModel), table_of(models.TrialValueModel)
    chosen = (
        select(trials.c.study_id, func.min(values.c.value), func.max(values.c.value))
        .join(values, values.c.trial_id == trials.c.trial_id)
        .where(trials.c.state == TrialState.COMPLETE, values.c.objective == 0, values.c.value.is_not(None))
        .group_by(trials.c.study_id)
    )
    rows = connection.execute(chosen).all()
    return {study: low for study, low, _ in rows}, {study: high for study, _, high in rows}


def _params(connection: Connection, study_id: int, value: float) -> dict[str, Any]:
    """The settings of the first complete trial of this value."""
    trials, values = table_of(models.TrialModel), table_of(models.TrialValueModel)
    first = connection.execute(
        select(func.min(trials.c.trial_id))
        .join(values, values.c.trial_id == trials.c.trial_id)
        .where(
            trials.c.study_id == study_id,
            trials.c.state == TrialState.COMPLETE,
            values.c.objective == 0,
            values.c.value == value,
        )
    ).scalar()
    try:
        found = read_trials(connection, [trials.c.trial_id == first])
    except (ValueError, KeyError, TypeError, IndexError):
        # A setting of a kind that this Optuna doesn't know: the other studies are listed all the same.
        return {}
    return dict(found[0].params) if found else {}


def _parsed(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError:
        return None
