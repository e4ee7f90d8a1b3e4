"""Benchmarks and scaling: every system gives the same answers, and figures are what they are called."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from engine.bench import scaling
from engine.bench.against_pipeline import PipelineBenchmark, benchmark_answers
from engine.bench.against_trainer import TrainerBenchmark, benchmark_training, train_once
from engine.bench.pipeline_systems import SYSTEMS, Runner, export_graphs, mixed_texts, open_system
from engine.bench.roofline import Machine, Work, count_work, measure_machine
from engine.bench.search import SYSTEMS as SEARCHES
from engine.bench.search import SearchBenchmark, benchmark_searches
from engine.cli import app
from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.models.decoder import make_decoder
from engine.paths import Places
from engine.processes import call_apart
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES
from support.models import cut, tiny_recipe


@pytest.fixture(scope="module")
def small(slang: TaskData) -> TaskData:
    """Some rows of the sample."""
    return cut(slang, 120, 40)


@pytest.fixture(scope="module")
def pairs(nli: TaskData) -> TaskData:
    """Some pairs of the sample."""
    return cut(nli, 60, 30)


def answer(system: str, recipe: Recipe, data: TaskData, folder: Path, number: int = 10) -> np.ndarray:
    """What a system says, in this process."""
    classify = open_system(Runner(recipe, data, system, folder, 1, number))
    texts = mixed_texts(data, number)
    together = classify(texts, True)
    assert len(together) == number
    classify(texts[:1], False)
    return together


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("scratch", "nli"),
        pytest.param("scratch", "slang", marks=pytest.mark.slow),
        pytest.param("minilm-full", "nli", marks=pytest.mark.slow),
    ],
)
def test_the_pipeline_has_the_same_weights_and_says_the_same(
    name: str, task: str, small: TaskData, pairs: TaskData, tmp_path: Path
) -> None:
    recipe = tiny_recipe() if name == "scratch" else RECIPES[name]
    data = small if task == "slang" else pairs
    assert export_graphs(recipe, data, tmp_path).left_out == {}
    expected = answer("torch", recipe, data, tmp_path)
    for system in ("pipeline", "pipeline-256", "fp32"):
        np.testing.assert_array_equal(answer(system, recipe, data, tmp_path), expected)


def test_the_work_of_a_decoder_is_its_matrices_and_its_attention() -> None:
    shape = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    work = count_work(make_decoder(shape | {"intermediate_size": 32}, 3), [10, 20])
    # In each block the four projections of attention and both of the feed-forward layer; and the head.
    weights = 2 * (4 * 16 * 16 + 2 * 16 * 32) + 3 * 16
    assert work.weights == weights
    assert work.operations == 2 * weights * 15 + 4 * 250 * 16 * 2


def test_the_roofline_is_what_takes_longer() -> None:
    machine = Machine(1, gigabytes_per_second=10, gigaflops=100, int8_gigaops=400)
    assert machine.least_ms(Work(10_000_000, 1e6), eight_bits=False) == pytest.approx(4)
    assert machine.least_ms(Work(10_000_000, 1e6), eight_bits=True) == pytest.approx(1)
    assert machine.least_ms(Work(1000, 1e9), eight_bits=False) == pytest.approx(10)
    assert machine.least_ms(Work(1000, 1e9), eight_bits=True) == pytest.approx(2.5)


def test_a_machine_is_measured_in_seconds_and_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    machine = measure_machine(1)
    assert torch.get_num_threads() == before
    # No machine that runs this is outside.
    assert 0.5 < machine.gigabytes_per_second < 2000
    assert 1 < machine.gigaflops < 10_000
    assert machine.int8_gigaops > 1


def test_what_has_no_network_is_refused_before_anything_is_measured(small: TaskData) -> None:
    with pytest.raises(RecipeError, match="tfidf"):
        benchmark_answers(PipelineBenchmark([RECIPES["tfidf"]], small, 1))
    with pytest.raises(RecipeError, match="majority"):
        benchmark_training(TrainerBenchmark([RECIPES["majority"]], small))


@pytest.mark.slow
def test_a_benchmark_has_a_row_for_every_system(small: TaskData) -> None:
    result = benchmark_answers(PipelineBenchmark([tiny_recipe()], small, 1, rounds=1, texts=8))
    rows = {row["system"]: row for row in result["rows"]}
    assert set(rows) == set(SYSTEMS)
    assert result["failures"] == {}
    assert max(rows[name]["times_pipeline"] for name in ("pipeline", "pipeline-256")) == pytest.approx(1)
    assert rows["pipeline-256"]["times_padded"] == pytest.approx(1)
    for row in rows.values():
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["texts_per_second"] > 0
        assert row["memory_mb"] > 50
        assert row["floor_ms"] > 0
    assert rows["fp32"]["same_labels"] == rows["torch"]["same_labels"] == 1


@pytest.mark.parametrize("system", ["trainer", pytest.param("trainer-256", marks=pytest.mark.slow)])
def test_both_loops_end_with_about_the_same_loss(system: str, small: TaskData) -> None:
    recipe = dataclasses.replace(tiny_recipe(), epochs=3, lr=3e-3, head_lr=3e-3, patience=3)
    ours, theirs = train_once("ours", recipe, small), train_once(system, recipe, small)
    assert ours["seconds"] > 0
    assert theirs["seconds"] > 0
    assert ours["loss"] == pytest.approx(theirs["loss"], abs=0.15)


def test_a_graphs_time_and_throughput_are_measured_at_every_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "CALLS", 2)
    points = scaling.time_graph(tiny_recipe(), False)
    assert [x for x, _ in points["length"]] == list(scaling.LENGTHS)
    assert [x for x, _ in points["batch"]] == list(scaling.BATCHES)
    assert all(y > 0 for series in points.values() for _, y in series)


def test_an_exponent_of_one_is_linear() -> None:
    assert scaling._exponent([(1, 5), (2, 6), (4, 12)]) == pytest.approx(1)
    assert scaling._exponent([(2, 1), (4, 4)]) == pytest.approx(2)


def test_memory_is_measured_from_no_model_to_all(trained: Places) -> None:
    # This process holds what other tests have left.
    points = call_apart(scaling.open_models, trained.checkpoints, "slang")["models"]
    assert [number for number, _ in points] == [0, 1, 2, 3, 4]
    assert points[-1][1] >= points[0][1] > 0


def test_an_unknown_figure_is_one_line() -> None:
    result = CliRunner().invoke(app, ["bench", "growth", "--figure", "height"])
    assert result.exit_code == 2
    assert "length, batch, rows, models" in result.output


@pytest.mark.slow
def test_the_commands_give_json(home: Path) -> None:
    runner = CliRunner()
    compared = runner.invoke(
        app,
        [
            "bench",
            "train",
            "scratch-bpe",
            "--against-trainer",
            "--rows",
            "60",
            "--rounds",
            "1",
            "--epochs",
            "1",
            "--task",
            "slang",
            "--json",
        ],
    )
    result = json.loads(compared.stdout)
    assert {row["system"] for row in result["rows"]} == {"ours", "trainer", "trainer-256"}
    assert result["command"] == (
        "odzera bench train scratch-bpe --task slang --rows 60 --rounds 1 --against-trainer --epochs 1"
    )
    grown = runner.invoke(app, ["bench", "growth", "scratch", "--figure", "length", "--figure", "models", "--json"])
    assert set(json.loads(grown.stdout)["series"]) == {"length", "models"}


@pytest.mark.slow
def test_a_recipe_whose_system_fails_leaves_the_others_their_rows(small: TaskData) -> None:
    # A mapping that travels to the processes, where no backbone of that name is known.
    broken = dataclasses.replace(RECIPES["mini-full"], name="broken", backbone="nobody/nothing")
    result = benchmark_training(TrainerBenchmark([tiny_recipe(), broken], small, 1, 1, ("ours",)))
    assert [row["recipe"] for row in result["rows"]] == [tiny_recipe().name]
    assert list(result["failures"]) == ["broken (ours)"]
    assert result["rows"][0]["times_trainer"] is None


@pytest.mark.slow
def test_the_search_and_the_trainer_run_the_same_trials(small: TaskData) -> None:
    request = SearchBenchmark(small, trials=2, epochs=1, rounds=1, rows=40, workers=1)
    result = benchmark_searches(request)
    assert result["failures"] == {}
    rows = {row["system"]: row for row in result["rows"]}
    assert set(rows) == set(SEARCHES)
    assert {row["epochs_run"] for row in rows.values()} == {2}
    assert rows["odzera"]["odzera_is_times_as_fast"] == 1
    assert all(row["trials_per_hour"] > 0 for row in rows.values())
