"""Curves: what each point is trained on, that nothing is measured twice, and what is said of them."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
from filelock import FileLock

from engine.data.sources import TaskData
from engine.errors import DataError, OdzeraError, RecipeError
from engine.experiments.curves import (
    Curve,
    Job,
    example_jobs,
    fewer,
    fitted_to,
    leads,
    list_curves,
    measure,
    read_curve,
    start_curve,
    token_jobs,
    write_curve,
)
from engine.training.recipes import RECIPES
from support.models import tiny_recipe


def point(series: str, x: float, seed: int, accuracy: float) -> dict[str, object]:
    """A measured point."""
    return {"series": series, "x": x, "seed": seed, "accuracy": accuracy, "macro_f1": accuracy, "loss": 1 - accuracy}


def curve_of(*points: dict[str, object]) -> Curve:
    """A curve of examples."""
    return Curve("examples", "slang", "sample", "0" * 12, 100, points, {"device_name": "a processor"})


def test_a_larger_draw_of_a_seed_holds_the_smaller_and_test_stays_whole(slang: TaskData) -> None:
    small, large = fewer(slang, 50, seed=1), fewer(slang, 400, seed=1)
    ids = {size: set(data.split("train")["id"]) for size, data in (("small", small), ("large", large))}
    assert (len(ids["small"]), len(ids["large"])) == (50, 400)
    assert ids["small"] < ids["large"]
    assert ids["small"] != set(fewer(slang, 50, seed=2).split("train")["id"])
    assert list(small.split("test")["id"]) == list(slang.split("test")["id"])


def test_few_examples_come_with_few_validation_rows(slang: TaskData) -> None:
    whole = len(slang.split("validation"))
    assert len(fewer(slang, 50, seed=0).split("validation")) == 50
    assert len(fewer(slang, 800, seed=0).split("validation")) == 200
    assert len(fewer(slang, len(slang.split("train")), seed=0).split("validation")) == whole


def test_more_examples_than_there_are_cant_be_drawn(slang: TaskData) -> None:
    with pytest.raises(DataError, match=r"^sample has [\d,]+ training examples; 99,999 can't be drawn\.$"):
        fewer(slang, 99_999, seed=0)


@pytest.mark.parametrize("rows", [50, 100, 250, 500, 1000, 4337, 28000])
def test_few_examples_are_seen_often_enough_to_be_learnt(rows: int) -> None:
    for name, least in (("mini-full", 200), ("scratch", 800)):
        recipe = fitted_to(RECIPES[name], rows)
        steps = math.ceil(rows / recipe.batch_size) * recipe.epochs
        assert steps >= least or recipe.epochs == 120
    # What was set for a few thousand rows is left as it is there.
    assert fitted_to(RECIPES["mini-full"], 4337) == RECIPES["mini-full"]
    assert fitted_to(RECIPES["scratch"], 4337) == RECIPES["scratch"]
    assert 2 <= fitted_to(RECIPES["mini-full"], 28000).epochs < RECIPES["mini-full"].epochs


def test_sizes_beyond_the_data_become_all_of_it() -> None:
    jobs = example_jobs({"tfidf": RECIPES["tfidf"]}, (50, 1000, 4337), seeds=2, rows=900)
    assert [(job.x, job.seed) for job in jobs] == [(50, 0), (50, 1), (900, 0), (900, 1)]
    assert [job.recipe.seed for job in jobs] == [0, 1, 0, 1]


@pytest.mark.slow
def test_points_are_measured_once_and_kept(few: TaskData, tmp_path: Path) -> None:
    models = {"tfidf": RECIPES["tfidf"], "scratch": tiny_recipe(epochs=1)}
    jobs = example_jobs(models, (60, 120), seeds=1, rows=len(few.split("train")))
    # One epoch is enough here.
    jobs = [dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, epochs=1)) for job in jobs]
    file = tmp_path / "studies" / "curve-x.json"
    *_, curve = measure(start_curve("examples", few), jobs[:3], few, file, workers=2)
    assert len(curve.points) == 3
    again = list(measure(start_curve("examples", few), jobs, few, file, workers=2))
    assert [len(one.points) for one in again] == [3, 4]
    assert again[-1].points[:3] == curve.points
    assert read_curve(file) == again[-1]
    for measured in again[-1].points:
        assert 0 <= measured["accuracy"] <= 1
        assert measured["parameters"]["total"] > 0
    assert str(tmp_path) not in file.read_text(encoding="utf-8")


def test_points_of_other_settings_are_never_shown_as_these(few: TaskData, tmp_path: Path) -> None:
    file = tmp_path / "curve-x.json"
    job = Job("tfidf", 60, 0, RECIPES["tfidf"], 60)
    list(measure(start_curve("examples", few), [job], few, file))
    other = dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, seed=5))
    with pytest.raises(DataError, match=r"^curve-x\.json holds tfidf at 60 with other settings or another backbone; "):
        list(measure(start_curve("examples", few), [other], few, file))


def test_a_curve_is_measured_by_one_process_at_a_time(few: TaskData, tmp_path: Path) -> None:
    file = tmp_path / "curve-x.json"
    with (
        FileLock(file.with_suffix(".lock")),
        pytest.raises(DataError, match=r"^curve-x\.json is being measured by another process\.$"),
    ):
        list(measure(start_curve("examples", few), [], few, file))


def test_a_single_seed_claims_no_interval() -> None:
    (row,) = curve_of(point("a", 50, 0, 0.5)).series()["a"]
    assert row["accuracy_half"] is None


@pytest.mark.parametrize("change", [{"kind": "rows"}, {"task": "poetry"}, {"points": [{"x": 1}]}, {"points": 3}])
def test_a_file_that_is_no_curve_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    plain = dataclasses.asdict(curve_of(point("a", 50, 0, 0.5))) | change
    (tmp_path / "curve-x.json").write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(DataError, match=r"^curve-x\.json can't be read as a curve: "):
        read_curve(tmp_path / "curve-x.json")


def test_a_file_with_a_curve_of_other_data_is_left_alone(few: TaskData, nli: TaskData, tmp_path: Path) -> None:
    file = tmp_path / "curve-x.json"
    write_curve(file, start_curve("examples", nli))
    before = file.read_bytes()
    with pytest.raises(DataError, match=r"^curve-x\.json holds a curve of other data; choose another --name\.$"):
        list(measure(start_curve("examples", few), [], few, file))
    assert file.read_bytes() == before


def test_a_model_that_cant_be_trained_is_one_line_and_loses_nothing(few: TaskData, tmp_path: Path) -> None:
    file = tmp_path / "curve-x.json"
    fine = Job("tfidf", 60, 0, RECIPES["tfidf"], 60)
    wrong = Job("scratch", 60, 0, tiny_recipe(decoder={"hidden_size": 33, "num_attention_heads": 2}), 60)
    with pytest.raises(OdzeraError) as caught:
        list(measure(start_curve("examples", few), [fine, wrong], few, file))
    assert "\n" not in str(caught.value)
    assert [one["series"] for one in read_curve(file).points] == ["tfidf"]


def test_the_mean_has_students_interval_over_the_seeds() -> None:
    curve = curve_of(*(point("a", 50, seed, value) for seed, value in enumerate((0.5, 0.6, 0.7))))
    (row,) = curve.series()["a"]
    assert row["accuracy"] == pytest.approx(0.6)
    # t(0.975, 2) = 4.3027; the deviation is 0.1.
    assert row["accuracy_half"] == pytest.approx(4.3027 * 0.1 / math.sqrt(3), rel=1e-4)
    assert row["seeds"] == 3


def test_a_lead_is_clear_only_beyond_the_doubt_of_its_seeds() -> None:
    steady = [point("a", 50, seed, 0.70 + seed / 100) for seed in range(3)]
    base = [point("scratch", 50, seed, 0.60 + seed / 100) for seed in range(3)]
    shaky = [point("b", 50, seed, value) for seed, value in enumerate((0.5, 0.7, 0.9))]
    curve = curve_of(*steady, *base, *shaky)
    (clear,) = leads(curve, "a", "scratch", "accuracy")
    assert clear.is_clear
    assert clear.difference == pytest.approx(0.1)
    (unclear,) = leads(curve, "b", "scratch", "accuracy")
    assert not unclear.is_clear
    (single,) = leads(curve_of(steady[0], base[0]), "a", "scratch", "accuracy")
    assert not single.is_clear


def test_places_that_only_one_series_has_are_no_lead() -> None:
    assert leads(curve_of(point("a", 50, 0, 0.7), point("scratch", 60, 0, 0.6)), "a", "scratch", "accuracy") == []


def test_the_users_curve_hides_a_shipped_one_of_its_name(tmp_path: Path) -> None:
    for folder, accuracy in (("own", 0.7), ("shipped", 0.6)):
        write_curve(tmp_path / folder / "curve-x.json", curve_of(point("a", 50, 0, accuracy)))
    (tmp_path / "shipped" / "curve-broken.json").write_text("{", encoding="utf-8")
    curves, refused = list_curves((tmp_path / "own", tmp_path / "shipped"))
    assert [one.points[0]["accuracy"] for one in curves.values()] == [0.7]
    assert len(refused) == 1
    assert refused[0].startswith("curve-broken.json can't be read as a curve: ")


def test_token_jobs_are_every_kept_state_the_end_and_random_weights(tmp_path: Path) -> None:
    model = tmp_path / "checkpoints" / "mini-a"
    run, other = tmp_path / "training" / "pretrain-mini-a-0", tmp_path / "training" / "pretrain-mini-a-reviews-0"
    for folder in (model, run / "at-1048576", run / "at-2097152", other / "at-4194304"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}", encoding="utf-8")
    facts = {"run": run.name, "from": "", "tokens_before": 0, "tokens_seen": 3_000_000}
    (model / "pretraining.json").write_text(json.dumps(facts), encoding="utf-8")
    jobs = token_jobs(RECIPES["mini-full"], [str(model)], tmp_path / "training", seeds=2)
    assert {job.x for job in jobs} == {0.0, 1_048_576.0, 2_097_152.0, 3_000_000.0}
    assert {job.recipe.random_weights for job in jobs if job.x == 0} == {True}
    assert {job.recipe.random_weights for job in jobs if job.x} == {False}
    assert len(jobs) == 8
    frozen = token_jobs(RECIPES["mini-lora"], [str(model)], tmp_path / "training", seeds=1)
    assert 0.0 not in {job.x for job in frozen}
    facts = {"run": "gone", "from": "mini-a", "tokens_before": 3_000_000, "tokens_seen": 500_000}
    (model / "pretraining.json").write_text(json.dumps(facts), encoding="utf-8")
    jobs = token_jobs(RECIPES["mini-full"], [str(model)], tmp_path / "nothing", seeds=1)
    assert [(job.x, job.recipe.random_weights) for job in jobs] == [(3_500_000.0, False)]
    with pytest.raises(RecipeError, match=r"^There is no pretrained model 'none'\.$"):
        token_jobs(RECIPES["mini-full"], ["none"], tmp_path, seeds=1)
