"""Trials read from Optuna's tables column by column: mapping each row to an object takes ten times as long."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import ColumnElement, Connection, Table, select

SPECIAL = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
"""What a number's type says where it is none that a database can hold."""


def read_trials(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[FrozenTrial]:
    """Read the trials for which all conditions on the table of trials hold, in order of their ids.

    A trial's state is read before what belongs to it. So what is read of a finished trial is whole.
    """
    trials = table_of(models.TrialModel)
    columns = (trials.c.trial_id, trials.c.number, trials.c.state, trials.c.datetime_start, trials.c.datetime_complete)
    found = {
        row.trial_id: FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            datetime_start=_local(row.datetime_start),
            datetime_complete=_local(row.datetime_complete),
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=row.trial_id,
        )
        for row in connection.execute(select(*columns).where(*conditions).order_by(trials.c.trial_id))
    }
    if not found:
        return []

    def belonging(model: Any, *names: str) -> Iterator[tuple[FrozenTrial, Any]]:
        table = table_of(model)
        key = next(iter(table.primary_key.columns))
        wanted = select(table.c.trial_id, *(table.c[name] for name in names))
        joined = wanted.join(trials, table.c.trial_id == trials.c.trial_id).where(*conditions).order_by(key)
        # A trial that has begun since, or whose state has changed, isn't among those found.
        return ((found[row[0]], row) for row in connection.execute(joined) if row[0] in found)

    for trial, (_, name, value, written) in belonging(
        models.TrialParamModel, "param_name", "param_value", "distribution_json"
    ):
        distribution = _distribution(written)
        trial._distributions[name] = distribution
        trial._params[name] = distribution.to_external_repr(value)
    for trial, (_, step, value, kind) in belonging(
        models.TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type"
    ):
        trial.intermediate_values[step] = _number(value, kind)
    values: dict[int, dict[int, float]] = {}
    for trial, (_, objective, value, kind) in belonging(models.TrialValueModel, "objective", "value", "value_type"):
        values.setdefault(trial._trial_id, {})[objective] = _number(value, kind)
    for trial_id, those in values.items():
        found[trial_id].values = [those[objective] for objective in sorted(those)]
    for trial, (_, name, written) in belonging(models.TrialUserAttributeModel, "key", "value_json"):
        trial._user_attrs[name] = json.loads(written)
    for trial, (_, name, written) in belonging(models.TrialSystemAttributeModel, "key", "value_json"):
        trial._system_attrs[name] = json.loads(written)
    return list(found.values())


def of_study(study_id: int, newer_than: int = -1, or_among: Iterable[int] = ()) -> list[ColumnElement[bool]]:
    """Conditions: trials of a study, all of them or those with a larger id or one of these ids."""
    trials = table_of(models.TrialModel)
    conditions: list[ColumnElement[bool]] = [trials.c.study_id == study_id]
    if newer_than > -1:
        conditions.append((trials.c.trial_id > newer_than) | trials.c.trial_id.in_(list(or_among)))
    return conditions


def table_of(model: Any) -> Table:
    """The table of one of Optuna's models."""
    table: Table = model.__table__
    return table


@lru_cache(maxsize=4096)
def _distribution(written: str) -> BaseDistribution:
    return json_to_distribution(written)


def _number(value: float | None, kind: Any) -> float:
    return SPECIAL[kind.name] if value is None else value


def _local(moment: datetime | None) -> datetime | None:
    """Optuna keeps moments in UTC and hands them out in local time, neither with a time zone."""
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
