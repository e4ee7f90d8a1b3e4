"""What options are worth against unequal classes: what is trained, what is compared, and that nothing runs twice."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from engine.data.sources import TaskData
from engine.errors import DataError
from engine.experiments.ablation import VARIANTS, imbalance_jobs, tabulate
from engine.experiments.curves import Curve, measure, read_curve, start_curve
from engine.training.recipes import RECIPES
from support.models import cut


def point(series: str, place: int, seed: int, accuracy: float) -> dict[str, object]:
    """A measured point."""
    figures = {"accuracy": accuracy, "macro_f1": accuracy / 2, "loss": 1.0}
    return {"series": series, "x": float(place), "seed": seed, **figures}


def table(*points: dict[str, object]) -> dict[tuple[str, str], dict[str, Any]]:
    """Model and variant → row."""
    curve = Curve("imbalance", "slang", "sample", "0" * 12, 100, points)
    return {(row["model"], row["variant"]): row for row in tabulate(curve)}


def test_every_model_is_trained_with_every_variant_and_seed() -> None:
    jobs = imbalance_jobs({"tfidf": RECIPES["tfidf"], "scratch": RECIPES["scratch"]}, 3)
    assert len({job.key for job in jobs}) == len(jobs) == 2 * len(VARIANTS) * 3
    for job in jobs:
        wanted = list(VARIANTS.values())[int(job.x)]
        for name in ("class_weights", "oversample", "tune_thresholds"):
            # TF-IDF weighs its classes by itself; here only where the variant says so.
            assert getattr(job.recipe, name) == wanted.get(name, False)
        assert (job.recipe.seed, job.rows) == (job.seed, 0)
        assert job.recipe.lr == RECIPES[job.series].lr
    assert len({job.settings for job in jobs}) == len(jobs)


def test_a_gain_is_the_mean_difference_on_the_same_seeds_with_students_interval() -> None:
    points = [point("a", 0, seed, one) for seed, one in enumerate((0.50, 0.60, 0.40))]
    points += [point("a", 1, seed, one) for seed, one in enumerate((0.56, 0.62, 0.47))]
    # A seed of the variant alone has nothing to be compared with, and another model's plain runs are not this one's.
    points += [point("a", 1, 7, 0.99), point("b", 0, 0, 0.10), point("b", 0, 7, 0.10)]
    rows = table(*points)
    first = rows["a", "plain"]
    assert (first["seeds"], first["accuracy_gain"], first["macro_f1_gain"]) == (3, None, None)
    assert first["accuracy"] == pytest.approx(0.5)
    gain = rows["a", "weighted loss"]["accuracy_gain"]
    differences = (0.06, 0.02, 0.07)
    mean = sum(differences) / 3
    deviation = math.sqrt(sum((one - mean) ** 2 for one in differences) / 2)
    assert gain["mean"] == pytest.approx(0.05)
    # 4.30265 is Student's 97.5 % point for two degrees of freedom.
    assert gain["half"] == pytest.approx(4.30265 * deviation / math.sqrt(3), rel=1e-5)
    assert rows["a", "weighted loss"]["macro_f1_gain"]["mean"] == pytest.approx(0.025)


def test_one_seed_claims_no_interval_and_no_plain_run_no_gain() -> None:
    rows = table(point("a", 0, 0, 0.5), point("a", 2, 0, 0.6), point("b", 2, 0, 0.6))
    assert rows["a", "oversampling"]["accuracy_gain"] == {"mean": pytest.approx(0.1), "half": math.inf}
    assert rows["b", "oversampling"]["accuracy_gain"] is None


def test_what_is_measured_is_not_measured_again_and_other_settings_are_refused(slang: TaskData, tmp_path: Path) -> None:
    small, file = cut(slang, 60, 24), tmp_path / "ablation-x.json"
    jobs = imbalance_jobs({"tfidf": RECIPES["tfidf"]}, 1)
    first = list(measure(start_curve("imbalance", small), jobs[3:4], small, file))
    assert [len(step.points) for step in first] == [0, 1]
    (again,) = measure(start_curve("imbalance", small), jobs[3:4], small, file)
    assert again.points == read_curve(file).points == first[-1].points
    (row,) = tabulate(again)
    assert (row["model"], row["variant"], row["accuracy_gain"]) == ("tfidf", "thresholds", None)
    other = [dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, label_smoothing=0.1)) for job in jobs]
    with pytest.raises(DataError, match="with other settings or another backbone; choose another --name"):
        list(measure(start_curve("imbalance", small), other, small, file))
