"""A study of many trials, made in a second or two: `python tests/support/made_study.py STUDIES.db --trials 5000`."""

import argparse
import json
import random
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import insert

from engine.search.search_space import SPACE
from engine.search.storage import open_storage

ROUNDS = (1, 4, 16)


def make_study(address: str, trials: int = 5000, name: str = "made", seed: int = 0) -> str:
    """Write a study such as a search leaves: one trial in five complete, the others pruned, one in fifty failed."""
    storage = open_storage(address)
    study = optuna.create_study(study_name=name, storage=storage)
    for key, value in {"task": "slang", "source": "made", "fingerprint": "0" * 12, "trials": trials}.items():
        study.set_user_attr(key, value)
    chance = random.Random(seed)  # noqa: S311 (no secret)
    rows: dict[Any, list[dict[str, Any]]] = {}
    with storage.engine.begin() as connection:
        before = connection.exec_driver_sql("SELECT coalesce(max(trial_id), 0) FROM trials").scalar() or 0
        for number in range(trials):
            for table, row in _rows_of_trial(chance, study._study_id, before + number + 1, number):
                rows.setdefault(table, []).append(row)
        for table, those in rows.items():
            connection.execute(insert(table), those)
    return name


def _rows_of_trial(
    chance: random.Random, study_id: int, trial_id: int, number: int
) -> list[tuple[Any, dict[str, Any]]]:
    state = TrialState.FAIL if chance.random() < 0.02 else chance.choices(list(STATES), list(STATES.values()))[0]
    start = datetime(2026, 3, 1) + timedelta(seconds=6 * number)
    found: list[tuple[Any, dict[str, Any]]] = [
        (
            models.TrialModel.__table__,
            {
                "trial_id": trial_id,
                "number": number,
                "study_id": study_id,
                "state": state,
                "datetime_start": start,
                "datetime_complete": start + timedelta(seconds=9),
            },
        )
    ]
    params = {key: _draw(chance, one) for key, one in SPACE.items()}
    for key, value in params.items():
        row = {
            "trial_id": trial_id,
            "param_name": key,
            "param_value": SPACE[key].to_internal_repr(value),
            "distribution_json": distribution_to_json(SPACE[key]),
        }
        found.append((models.TrialParamModel.__table__, row))
    loss = 0.8 + 0.4 * chance.random() + 2000 * abs(float(params["lr"]) - 1e-3) * 0.1
    epochs = 12 if state == TrialState.COMPLETE else chance.choice(ROUNDS)
    if state != TrialState.FAIL:
        for step in range(1, epochs + 1):
            row = {
                "trial_id": trial_id,
                "step": step,
                "intermediate_value": loss + 0.5 / step,
                "intermediate_value_type": models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE,
            }
            found.append((models.TrialIntermediateValueModel.__table__, row))
        row = {
            "trial_id": trial_id,
            "objective": 0,
            "value": loss + 0.5 / epochs,
            "value_type": models.TrialValueModel.TrialValueType.FINITE,
        }
        found.append((models.TrialValueModel.__table__, row))
    for key, value in _attributes(chance, state, loss, epochs).items():
        row = {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        found.append((models.TrialUserAttributeModel.__table__, row))
    return found


STATES = {TrialState.COMPLETE: 1, TrialState.PRUNED: 4}


def _draw(chance: random.Random, distribution: Any) -> Any:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return chance.choice(distribution.choices)
    value = chance.uniform(distribution.low, distribution.high)
    return round(value) if isinstance(distribution, optuna.distributions.IntDistribution) else value


def _attributes(chance: random.Random, state: TrialState, loss: float, epochs: int) -> dict[str, Any]:
    if state == TrialState.FAIL:
        return {"worker": "abcd1234", "reason": "out of memory", "seconds": 1.5}
    return {
        "worker": "abcd1234",
        "validation_accuracy": round(chance.uniform(0.5, 0.7), 4),
        "validation_macro_f1": round(chance.uniform(0.5, 0.7), 4),
        "validation_loss": round(loss, 4),
        "parameters": chance.randrange(10**5, 10**7),
        "epochs_run": epochs,
        "best_epoch": epochs,
        "seconds": round(chance.uniform(1, 30), 2),
        "peak_memory_mb": chance.randrange(300, 900),
        "stop": "patience" if state == TrialState.COMPLETE else "pruned",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--trials", type=int, default=5000)
    given = parser.parse_args()
    make_study(given.address, given.trials)
