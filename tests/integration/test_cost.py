"""What training costs: bytes that can be worked out by hand, epochs that say when they're extrapolated."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from engine.cli import app
from engine.cli.bench import costs as shown
from engine.data.sources import TaskData
from engine.errors import OdzeraError, RecipeError
from engine.machine import one_thread
from engine.models import backbones
from engine.models.backbones import Backbone
from engine.models.heads import Head
from engine.models.methods import Method
from engine.training.build import build_random
from engine.training.cost.compare import CostRequest, _configurations, compare, measure_costs
from engine.training.cost.measure import MB, PROGRAM_MB, Configuration, measure, needed_mb
from engine.training.cost.options import OPTIONS, get_option, with_option
from engine.training.cost.workload import BATCHINGS, Workload, make_batches, make_workload, plan_epoch
from engine.training.parameter_counts import count_recipe
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES
from support.models import tiny_recipe

TINY = Backbone(
    "tiny",
    "nobody/tiny",
    {
        "model_type": "bert",
        "vocab_size": 500,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    },
)
FULL = Recipe("full", "", "pretrained", backbone="tiny", batch_size=8, max_length=64, precision="float32", lr=1e-3)
LORA = dataclasses.replace(
    FULL, name="lora", method=Method("lora", rank=4, targets="query,value"), batch_size=4, accumulation=2
)
LENGTHS = np.array([5, 60, 7, 9, 30, 6, 8, 10, 12, 40, 11, 5, 14, 20, 6, 7, 33, 9, 10, 12])
WORKLOAD = Workload(LENGTHS, np.minimum(LENGTHS // 2, 4), 3, "its own")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone small enough to train within a second, known by name as the others are."""
    known = MappingProxyType({**backbones.BACKBONES, "tiny": TINY})
    monkeypatch.setattr(backbones, "BACKBONES", known)


def cost(recipe: Recipe, option: str = "grouped", steps: int = 1, load: Workload = WORKLOAD) -> dict[str, Any]:
    """A measurement in this process; 0 steps are an epoch."""
    chosen = get_option(option)
    with one_thread():
        return measure(Configuration(with_option(recipe, chosen, "cpu"), chosen, load, "cpu", steps or None))


def split_of(result: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of each part."""
    return {name: round(size * MB) for name, size in result["split_mb"].items()}


def tensors(recipe: Recipe) -> list[torch.nn.Parameter]:
    """The weights of a recipe's model that are trained."""
    model = build_random(recipe, True, 3, torch.device("meta"))
    return [weight for weight in model.parameters() if weight.requires_grad]


def test_every_weight_trained_takes_four_times_its_bytes() -> None:
    counted = count_recipe(FULL, pair=True)
    assert counted
    split = split_of(cost(FULL))
    assert split["weights"] == 4 * counted.total
    assert split["gradients"] == 4 * counted.total
    # Two moments a weight, and one step count a tensor.
    assert split["optimizer"] == 8 * counted.total + 4 * len(tensors(FULL))


def test_lora_has_gradients_and_moments_of_its_adapters_and_head_alone() -> None:
    counted = count_recipe(LORA, pair=True)
    assert counted
    # Two matrices of 4 × 32 for query and value in each of three blocks, and a head of 32 × 3 + 3.
    assert counted.trained == 3 * 2 * 2 * 4 * 32 + 99
    result = cost(LORA)
    split = split_of(result)
    assert split["gradients"] == 4 * counted.trained
    assert split["optimizer"] == 8 * counted.trained + 4 * len(tensors(LORA))
    # peft keeps the head it began from, 99 weights that the count leaves out.
    assert split["weights"] == 4 * (counted.total + 99)
    assert (result["total_parameters"], result["trained_parameters"]) == (counted.total, counted.trained)


def test_activations_are_those_that_the_backward_pass_needs() -> None:
    linear = dataclasses.replace(FULL, method=Method("head"), head=Head("mlp", width=16, dropout=0.0))
    one = Workload(np.array([10] * 8), np.array([4] * 8), 3, "its own")
    rows = 8
    split = split_of(cost(linear, load=one))
    # A head of Linear-LayerNorm-GELU-Dropout-Linear on the frozen encoder's 32 features; nothing under it is kept.
    kept = {
        "the first layer's input": rows * 32,
        "the norm's input, mean and deviation": rows * 16 + 2 * rows,
        "GELU's input": rows * 16,
        "the last layer's input": rows * 16,
        "log-probabilities": rows * 3,
        "labels, of eight bytes": 2 * rows,
        "the loss's weight": 1,
    }
    assert split["activations"] == 4 * sum(kept.values())


def test_checkpointing_keeps_fewer_activations() -> None:
    usual, again = (split_of(cost(FULL, option)) for option in ("grouped", "checkpointing"))
    assert again["activations"] < usual["activations"] / 2
    # The inputs of the three blocks, at least: 60 tokens padded in a batch of 8 at 32 features.
    assert again["activations"] >= 3 * 8 * 60 * 32 * 4
    assert again["weights"] == usual["weights"]


def test_activations_are_those_of_one_batch_and_not_of_an_accumulated_step() -> None:
    even = Workload(np.array([30] * 16), np.array([10] * 16), 3, "its own")
    halves, whole = (split_of(cost(LORA, option, load=even)) for option in ("grouped", "unaccumulated"))
    assert whole["activations"] == pytest.approx(2 * halves["activations"], rel=0.02)


def test_bfloat16_keeps_copies_of_weights_that_frozen_bfloat16_saves() -> None:
    usual, half, frozen = (split_of(cost(LORA, option)) for option in ("grouped", "bf16", "frozen-bf16"))
    assert usual["cast_weights"] == 0
    assert half["cast_weights"] > 10 * frozen["cast_weights"]
    assert half["activations"] < usual["activations"]
    frozen_weights = count_recipe(LORA, pair=True).total + 99 - count_recipe(LORA, pair=True).trained  # type: ignore[union-attr]
    assert usual["weights"] - frozen["weights"] == 2 * frozen_weights


@pytest.mark.parametrize("name", ["mbert-full", "mbert-lora", "bielik-last3", "scratch-5m7", "mini-prompt"])
def test_the_measured_shape_has_the_recipe_s_parameters(name: str) -> None:
    recipe = RECIPES[name]
    model = build_random(recipe, "nli" in recipe.tasks, 3, torch.device("meta"))
    counted = count_recipe(recipe, pair="nli" in recipe.tasks)
    assert counted
    kept = [one for name, one in model.named_parameters() if "original_module" not in name]
    assert sum(one.numel() for one in kept) == counted.total
    assert sum(one.numel() for one in kept if one.requires_grad) == counted.trained


def test_an_epoch_of_a_few_steps_is_extrapolated_and_says_so() -> None:
    result = cost(LORA, steps=2)
    assert result["extrapolated"] is True
    assert result["steps_timed"] == 2
    # 20 rows in batches of 4, two batches a step; the last step has one.
    assert result["steps_per_epoch"] == 3
    assert result["seconds_per_epoch"] == pytest.approx(3 * result["seconds_per_step"])
    assert result["samples_per_second"] == pytest.approx(20 / result["seconds_per_epoch"])
    assert 0 < sum(result["phases"].values()) <= result["seconds_per_step"]


def test_a_whole_epoch_is_not_extrapolated() -> None:
    result = cost(FULL, steps=0)
    assert (result["extrapolated"], result["steps_timed"], result["rows"]) == (False, 3, 20)


def test_steps_to_time_are_spread_over_the_epoch_s_lengths() -> None:
    short = dataclasses.replace(FULL, batch_size=1)
    config = build_random(short, True, 3, torch.device("meta")).config
    plan = plan_epoch(make_batches(WORKLOAD, short, config, "grouped"), short)
    chosen = [int(LENGTHS[window[0][0]]) for window in plan.spread(4)]
    assert chosen == [int(np.sort(LENGTHS)[place]) for place in (2, 7, 12, 17)]


def test_batches_are_padded_as_the_option_says() -> None:
    config = build_random(FULL, True, 3, torch.device("meta")).config
    plans = {name: plan_epoch(make_batches(WORKLOAD, FULL, config, name), FULL) for name in BATCHINGS}
    assert plans["padded"].widest == 64
    assert plans["padded"].padding == pytest.approx(1 - LENGTHS.sum() / (20 * 64))
    assert plans["grouped"].widest == plans["shuffled"].widest == 60
    assert plans["grouped"].padding < plans["shuffled"].padding < plans["padded"].padding


def test_inputs_have_the_texts_lengths_and_no_padding_inside() -> None:
    config = build_random(FULL, True, 3, torch.device("meta")).config
    inputs = WORKLOAD.inputs(config)
    assert inputs.lengths.tolist() == LENGTHS.tolist()
    assert inputs.ids.min() > 0
    assert inputs.ids.max() < 500
    assert inputs.type_ids is not None
    assert inputs.type_ids[5:65].tolist() == [0] * 56 + [1] * 4


def test_lengths_are_measured_with_the_model_s_own_tokenizer_where_it_is_here(nli: TaskData) -> None:
    here, away = (make_workload(RECIPES[name], nli, rows=2000) for name in ("minilm-full", "mbert-full"))
    assert here.tokenizer == "its own"
    assert "trained on these texts" in away.tokenizer
    assert len(here.lengths) == len(away.lengths) == 2000
    for load in (here, away):
        assert load.second is not None
        assert ((load.second > 0) & (load.second < load.lengths)).all()


ROW = {
    "seconds_per_step": 1.0,
    "seconds_per_epoch": 10.0,
    "steps_per_epoch": 10,
    "phases": {"forward": 0.3, "backward": 0.6, "optimizer": 0.1},
    "peak_memory_mb": 1100.0,
    "split_mb": {"weights": 300.0, "gradients": 250.0, "optimizer": 450.0, "program": 100.0, "unexplained": 0.0},
}


def row(recipe: str, option: str, **changes: Any) -> dict[str, Any]:
    """A measurement as it might be."""
    return {**ROW, "recipe": recipe, "option": option, **changes}


def test_the_conclusion_names_what_keeps_lora_from_the_goal() -> None:
    split = {"weights": 240.0, "gradients": 1.0, "optimizer": 2.0, "program": 100.0, "unexplained": 57.0}
    rows = [
        row("full", "padded"),
        row("lora", "padded", split_mb=split, peak_memory_mb=400.0, seconds_per_epoch=5.0, seconds_per_step=0.5),
        row("lora", "bf16", split_mb=split, peak_memory_mb=350.0, seconds_per_epoch=1.9, seconds_per_step=0.2),
    ]
    rows[1]["phases"] = {"forward": 0.3, "backward": 0.19, "optimizer": 0.01}
    found = compare(rows, FULL, LORA)
    assert found
    # Without the program's 100 MB: 300 of 1,000.
    assert found["memory_ratio"] == pytest.approx(0.3)
    assert found["speed_ratio"] == pytest.approx(2)
    assert [one["part"] for one in found["memory"]["kept_by"]] == ["weights", "unexplained"]
    assert found["memory"]["reached_by"] == ["bf16"]
    assert [one["part"] for one in found["speed"]["kept_by"]] == ["forward"]
    assert found["speed"]["room"] == pytest.approx(0.2)
    said = list(shown.conclude(found))
    assert said[0] == "lora (padded): 0.30 of full's peak memory, 2.0 times its speed an epoch."
    assert "weights 240 (full (padded): 300)" in said[1]
    assert "the forward pass 0.3 (full (padded): 0.3)" in said[2]
    assert all("Reached with: bf16." in one for one in said[1:])


def test_published_figures_are_told_beside_ours() -> None:
    full, lora = RECIPES["mbert-full"], RECIPES["mbert-lora"]
    found = compare([row("mbert-full", "padded"), row("mbert-lora", "padded")], full, lora)
    assert found
    assert next(shown.conclude(found)) == (
        "mbert-lora (padded): 1.00 of mbert-full's peak memory, 1.0 times its speed an epoch; "
        "published: 0.25 and 7.1 times."
    )


@pytest.mark.slow
def test_the_command_measures_each_recipe_in_turns_and_compares(few: TaskData, tmp_path: Any) -> None:
    few.frame[["text", "label", "split"]].to_csv(tmp_path / "rows.csv", index=False)
    arguments = ["bench", "train", "mini-full", "mini-lora", "--task", "slang", "--source", str(tmp_path / "rows.csv")]
    limits = ["--set", "batch_size=4", "--steps", "1", "--rounds", "1", "--option", "grouped", "--json"]
    result = CliRunner().invoke(app, [*arguments, *limits, "--rows", "16"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    full, lora = found["rows"]
    assert (full["memory_ratio"], full["speed_ratio"]) == (1.0, 1.0)
    assert lora["trained_parameters"] < full["trained_parameters"] == count_recipe(RECIPES["mini-full"]).total  # type: ignore[union-attr]
    assert lora["extrapolated"]
    assert lora["rows"] == 16
    assert found["comparisons"][0]["against"] == "mini-full"
    assert found["machine"]["device"] == "cpu"
    # The split adds up to the peak, and the program is of a plausible size.
    for one in found["rows"]:
        assert sum(one["split_mb"].values()) == pytest.approx(one["peak_memory_mb"])
        assert one["split_mb"]["program"] > 100


def here(work: Callable[..., Any], *given: Any) -> Any:
    """`call_apart` in this process, where the tiny backbone is known."""
    with one_thread():
        return work(*given)


def test_the_table_fits_120_columns(
    few: TaskData, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "out", Console(highlight=False, width=120))
    monkeypatch.setattr("engine.training.cost.compare.call_apart", here)
    result = measure_costs(CostRequest([FULL, LORA], few, "cpu", ("padded", "grouped"), 64, steps=1, rounds=2))
    assert [len(one["rounds_seconds_per_step"]) for one in result["rows"]] == [2, 2, 2, 2]
    for one in result["rows"]:
        one |= {"recipe": "bielik-last3", "peak_memory_mb": 123_456.0, "seconds_per_epoch": 1441.0, "option": "grouped"}
    shown.show_costs(result, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:12])) <= 120
    assert sum("about 24 min 1 s" in line for line in lines) == 4
    assert not any("…" in line for line in lines)


def test_a_recipe_that_fails_leaves_the_others(few: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_for_lora(work: Callable[..., Any], configuration: Configuration) -> Any:
        if configuration.recipe.name == "lora":
            raise OdzeraError("There is no room.")
        return here(work, configuration)

    monkeypatch.setattr("engine.training.cost.compare.call_apart", fail_for_lora)
    result = measure_costs(CostRequest([FULL, LORA], few, "cpu", ("grouped",), 64, steps=1, rounds=2, command="x"))
    assert [row["recipe"] for row in result["rows"]] == ["full"]
    assert result["failures"] == {"lora (grouped)": "There is no room."}
    assert result["comparisons"] == []
    assert result["command"] == "x"


def test_all_options_leave_out_those_that_change_nothing(few: TaskData) -> None:
    def names(recipe: Recipe) -> set[str]:
        todo = _configurations(CostRequest([recipe], few, "cpu", ("all",)))
        return {one.option.name for one in todo}

    assert names(LORA) == set(OPTIONS)
    # Nothing is frozen, and nothing accumulated.
    assert names(FULL) == set(OPTIONS) - {"frozen-bf16", "unaccumulated"}
    assert "checkpointing" not in names(tiny_recipe())


def test_what_doesn_t_fit_into_memory_is_not_begun(few: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.cost.compare.free_memory_mb", lambda device: 4000.0)
    with pytest.raises(RecipeError, match=r"bielik-last3 \(grouped\) needs about .* GB of memory, and 3.9 GB are free"):
        measure_costs(CostRequest([RECIPES["bielik-last3"]], few, "cpu", ("grouped",)))


def test_memory_is_foreseen_about_as_it_is_measured() -> None:
    wide = Workload(np.full(64, 60), np.full(64, 20), 3, "its own")
    big = dataclasses.replace(FULL, batch_size=64)
    chosen = get_option("grouped")
    foreseen = needed_mb(Configuration(big, chosen, wide, "cpu", None)) - PROGRAM_MB
    split = cost(big, load=wide)["split_mb"]
    parts = sum(split[part] for part in ("weights", "gradients", "optimizer", "activations"))
    assert parts / 1.5 < foreseen < parts * 1.5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tfidf"], "tfidf has no training loop to measure"),
        (["mbert-full", "--option", "turbo"], "--option takes padded, grouped"),
        (["mbert-full", "--option", "padded+shuffled"], "batches are padded or shuffled, not both"),
        (["mbert-full", "--option", "frozen-bf16"], "no weights are frozen"),
        (["scratch", "--option", "checkpointing"], "can't compute its activations again"),
        (["mbert-full", "nobody"], "There is no recipe 'nobody'"),
        (["mbert-full", "--task", "slang"], "The recipe mbert-full is for nli, not for slang"),
        (["mbert-full", "--rows", "0"], "--rows are at least 1"),
        (["mbert-full", "--steps", "-1"], "--steps is at least 0"),
    ],
)
def test_what_cant_be_measured_is_one_line(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["bench", "train", *arguments])
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_single_texts_have_no_second_one(few: TaskData) -> None:
    load = make_workload(RECIPES["scratch-3m4"], few)
    assert not load.pair
    assert load.lengths.max() <= RECIPES["scratch-3m4"].max_length
