"""The training loop: the same seed gives the same weights, broken off or not, and every setting does what it says."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors import safe_open
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import SequenceClassifierOutput

from engine.data.batches import Batches
from engine.data.sources import TaskData
from engine.data.tokens import Encoded
from engine.errors import OdzeraError, RecipeError
from engine.models.decoder import make_decoder
from engine.paths import ROOT
from engine.store import Store
from engine.training.loop import Epoch, balanced_weights, disagreement, make_optimizer, rate_factor, train
from engine.training.recipe import Recipe
from support.models import TINY_DECODER, tiny_recipe

Weights = dict[str, torch.Tensor]


def batches(rows: int, batch_size: int = 16, seed: int = 0, length: int | None = None) -> Batches:
    """Rows of random tokens in which the first token gives the class away; of one length where it is given."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    lengths = generator.integers(3, 12, rows) if length is None else np.full(rows, length)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = generator.integers(10, 600, offsets[-1]).astype(np.int32)
    ids[offsets[:-1]] = 3 + labels
    return Batches(Encoded(ids, None, offsets, 0), labels, batch_size)


TRAINING, VALIDATION = batches(96), batches(48, seed=1)


def fresh(seed: int = 0, **changes: object) -> nn.Module:
    """A new tiny decoder."""
    torch.manual_seed(seed)
    return make_decoder({**TINY_DECODER, **changes}, 3)


def follow(
    model: nn.Module, recipe: Recipe, training: Batches = TRAINING, select_on: str = "loss", **options: object
) -> list[Epoch]:
    """Train to the end and return the epochs."""
    return list(train(model, training, VALIDATION, recipe, select_on, accelerator=Accelerator(cpu=True), **options))


def weights_of(model: nn.Module) -> Weights:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def same(first: Weights, second: Weights) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def trained(recipe: Recipe, seed: int = 0) -> Weights:
    model = fresh(seed)
    follow(model, recipe)
    return weights_of(model)


def test_training_learns_what_there_is_to_learn() -> None:
    epochs = follow(fresh(), tiny_recipe(epochs=12, lr=1e-2, patience=12))
    assert epochs[-1].validation["accuracy"] > 0.9 > epochs[0].validation["accuracy"]


def test_the_same_seed_gives_the_same_weights() -> None:
    first = trained(tiny_recipe())
    torch.manual_seed(1234)
    assert same(trained(tiny_recipe()), first)


def test_another_seed_of_batches_and_dropout_gives_other_weights() -> None:
    assert not same(trained(tiny_recipe(seed=0)), trained(tiny_recipe(seed=1)))


RESUMABLE = {
    "as it is": {},
    "accumulated": {"accumulation": 4, "batch_size": 8},
    "oversampled": {"oversample": True},
    "cosine by epoch": {"schedule": "cosine", "schedule_per_epoch": True, "head_lr": 1e-2},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("changes", RESUMABLE.values(), ids=RESUMABLE)
def test_resumed_run_ends_with_the_same_weights(changes: dict[str, object], tmp_path: Path) -> None:
    recipe, state = tiny_recipe(epochs=3, **{"batch_size": 16, **changes}), tmp_path / "run.safetensors"
    rows = Batches(TRAINING.encoded, TRAINING.labels, recipe.batch_size, recipe.oversample)
    unbroken, broken, resumed = fresh(), fresh(), fresh()
    whole = follow(unbroken, recipe, rows)
    epochs = train(broken, rows, VALIDATION, recipe, "loss", accelerator=Accelerator(cpu=True), state_file=state)
    next(epochs)
    epochs.close()
    torch.manual_seed(77)
    again = follow(resumed, recipe, rows, state_file=state)
    assert same(weights_of(resumed), weights_of(unbroken))
    assert [(one.train_loss, one.validation) for one in again] == [(one.train_loss, one.validation) for one in whole]
    assert [one.resumed for one in again] == [True, False, False]


def test_a_run_that_was_finished_is_not_trained_again(tmp_path: Path) -> None:
    state, first, second = tmp_path / "run.safetensors", fresh(), fresh()
    follow(first, tiny_recipe(), state_file=state)
    again = follow(second, tiny_recipe(), state_file=state)
    assert [one.resumed for one in again] == [True, True]
    assert same(weights_of(second), weights_of(first))


def test_a_truncated_state_is_as_good_as_none(tmp_path: Path) -> None:
    state, model = tmp_path / "run.safetensors", fresh()
    follow(fresh(), tiny_recipe(), state_file=state)
    state.write_bytes(state.read_bytes()[:1000])
    epochs = follow(model, tiny_recipe(), state_file=state)
    assert [one.resumed for one in epochs] == [False, False]
    assert same(weights_of(model), trained(tiny_recipe()))


def test_frozen_weights_are_not_in_the_state(tmp_path: Path) -> None:
    model = fresh()
    model.tokens.requires_grad_(False)
    before = model.tokens.weight.clone()
    follow(model, tiny_recipe(), state_file=tmp_path / "run.safetensors")
    with safe_open(tmp_path / "run.safetensors", "pt") as file:
        assert not [name for name in file.keys() if "tokens" in name]  # noqa: SIM118 (not a dict)
    assert torch.equal(model.tokens.weight, before)


def command(home: Path, source: Path) -> subprocess.Popen[str]:
    """`odzera train` as a process of its own, on one thread, so that two of them don't fight."""
    arguments = ["train", "scratch", "--task", "slang", "--source", str(source)]
    settings = [part for one in ("epochs=8", "precision=float32", "max_length=32") for part in ("--set", one)]
    return subprocess.Popen(
        [sys.executable, "-m", "engine", *arguments, *settings],
        cwd=ROOT,
        env={**os.environ, "ODZERA_HOME": str(home), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_command_repeated_ends_with_the_same_weights_file(slang: TaskData, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    slang.frame.groupby("split").head(160)[["text", "label", "split"]].to_csv(source, index=False)
    unbroken, killed = command(tmp_path / "unbroken", source), command(tmp_path / "killed", source)
    checkpoints, deadline = tmp_path / "killed" / "checkpoints", time.monotonic() + 240
    while not list(checkpoints.glob(".training/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(30) == -signal.SIGKILL
    assert not list(checkpoints.glob("slang/*"))

    again = command(tmp_path / "killed", source)
    _, said = again.communicate(timeout=240)
    unbroken.communicate(timeout=240)
    assert (again.returncode, unbroken.returncode) == (0, 0)
    assert 1 <= said.count("(trained before)") < 8
    (one,), (other,) = (
        list((tmp_path / name / "checkpoints").glob("slang/*/weights.safetensors")) for name in ("killed", "unbroken")
    )
    assert one.read_bytes() == other.read_bytes()
    assert not list(checkpoints.glob(".training/*.safetensors"))
    store = Store.open(tmp_path / "killed" / "studies" / "results.db")
    assert store.db["runs"].count == 1


def test_the_best_epoch_is_the_one_that_stays() -> None:
    model, seen = fresh(), {}
    # So fast that it soon gets worse.
    recipe = tiny_recipe(epochs=6, lr=0.3, schedule="constant", patience=6)
    for epoch in train(model, TRAINING, VALIDATION, recipe, "loss", accelerator=Accelerator(cpu=True)):
        seen[epoch.validation["loss"]] = weights_of(model)
        last = epoch
    assert last.validation["loss"] > min(seen)
    assert same(weights_of(model), seen[min(seen)])


@pytest.mark.parametrize(("figure", "better"), [("loss", min), ("macro_f1", max)])
def test_the_best_epoch_is_chosen_on_the_figure_asked_for(figure: str, better) -> None:
    epochs = follow(fresh(), tiny_recipe(epochs=5, lr=3e-2, patience=5), select_on=figure)
    figures = [one.validation[figure] for one in epochs]
    best = [one.number for one in epochs if one.is_best][-1]
    assert best == 1 + figures.index(better(figures))


def test_training_stops_when_patience_is_over() -> None:
    # Steps too small to change any prediction, so the first epoch stays the best.
    epochs = follow(fresh(), tiny_recipe(epochs=9, lr=1e-9, patience=2), select_on="accuracy")
    assert [one.stop for one in epochs] == ["", "", "patience"]


def test_training_stops_after_the_last_epoch() -> None:
    assert [one.stop for one in follow(fresh(), tiny_recipe(epochs=2))] == ["", "epochs"]


def test_training_stops_within_a_batch_of_its_minutes() -> None:
    ticks: list[tuple[int, int]] = []
    (epoch,) = follow(
        fresh(), tiny_recipe(epochs=50, max_minutes=1e-6), tick=lambda done, total: ticks.append((done, total))
    )
    assert (epoch.stop, ticks) == ("time", [(1, 6)])
    assert math.isfinite(epoch.validation["loss"])


def test_minutes_spent_before_a_break_count(tmp_path: Path) -> None:
    recipe, state = tiny_recipe(epochs=50, max_minutes=1.0), tmp_path / "run.safetensors"
    slow = train(fresh(), TRAINING, VALIDATION, recipe, "loss", accelerator=Accelerator(cpu=True), state_file=state)
    first = next(slow)
    slow.close()
    short = tiny_recipe(epochs=50, max_minutes=first.seconds / 60)
    assert follow(fresh(), short, state_file=state)[1].stop == "time"


def test_ticks_count_batches_up_to_the_last() -> None:
    ticks: list[tuple[int, int]] = []
    follow(fresh(), tiny_recipe(epochs=1), tick=lambda done, total: ticks.append((done, total)))
    assert ticks == [(done, 6) for done in range(1, 7)]


def test_balanced_weights_are_inverse_frequencies() -> None:
    assert balanced_weights(np.array([0, 0, 0, 1, 2, 2]), 3).tolist() == pytest.approx([6 / 9, 6 / 3, 6 / 6])


def test_a_class_without_rows_weighs_nothing() -> None:
    assert balanced_weights(np.array([0, 0, 0, 1]), 3).tolist() == pytest.approx([4 / 6, 4 / 2, 0])


def first_loss(**changes: object) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The loss of the first batch, which holds all rows, with logits from before the first step, and labels."""
    rows, model = batches(25, batch_size=25), fresh(dropout=0.0)
    batch = rows.pack(np.arange(25))
    with torch.no_grad():
        logits = model(**batch.inputs).logits
    recipe = tiny_recipe(**{"epochs": 1, "label_smoothing": 0.0, **changes})
    return follow(model, recipe, rows)[0].train_loss, logits, batch.labels


def test_class_weights_weigh_the_loss() -> None:
    loss, logits, labels = first_loss(class_weights=True)
    expected = functional.cross_entropy(logits, labels, weight=balanced_weights(labels.numpy(), 3))
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert loss != pytest.approx(float(functional.cross_entropy(logits, labels)), rel=1e-5)


def test_label_smoothing_smooths_the_loss() -> None:
    loss, logits, labels = first_loss(label_smoothing=0.3)
    assert loss == pytest.approx(float(functional.cross_entropy(logits, labels, label_smoothing=0.3)), rel=1e-5)


def test_training_accuracy_counts_the_examples_that_were_right_as_they_went_by() -> None:
    rows, model = batches(25, batch_size=25), fresh(dropout=0.0)
    batch = rows.pack(np.arange(25))
    with torch.no_grad():
        right = model(**batch.inputs).logits.argmax(-1) == batch.labels
    (epoch,) = follow(model, tiny_recipe(epochs=1), rows)
    assert 0 < right.sum() < 25
    assert epoch.train_accuracy == pytest.approx(float(right.float().mean()))


def test_class_weights_do_without_a_class_that_training_lacks() -> None:
    rows = batches(32)
    without = Batches(rows.encoded, np.minimum(rows.labels, 1), 16)
    (epoch,) = follow(fresh(), tiny_recipe(epochs=1, class_weights=True), without)
    assert math.isfinite(epoch.train_loss)


def test_two_half_batches_accumulated_equal_a_whole_one() -> None:
    def weights(batch_size: int, accumulation: int) -> Weights:
        # No biases in attention: a key's has no gradient but rounding errors, which Adam would blow up.
        model = fresh(dropout=0.0, attention_bias=False)
        recipe = tiny_recipe(epochs=3, accumulation=accumulation, schedule="constant", warmup=0.0, patience=3)
        follow(model, recipe, batches(16, batch_size, length=7))
        return weights_of(model)

    whole, halves, two_steps = weights(16, 1), weights(8, 2), weights(8, 1)
    assert all(torch.allclose(whole[name], halves[name], atol=1e-4) for name in whole)
    assert not all(torch.allclose(whole[name], two_steps[name], atol=1e-4) for name in whole)


def test_the_head_has_a_rate_of_its_own() -> None:
    model = fresh()
    before = weights_of(model)
    follow(model, tiny_recipe(epochs=1, lr=1e-2, head_lr=1e-12, weight_decay=0.0))
    moved = {name: float((weight.detach() - before[name]).abs().max()) for name, weight in model.named_parameters()}
    assert max(moved["score.weight"], moved["score.bias"]) < 1e-8
    assert min(moved["tokens.weight"], moved["blocks.1.up.weight"]) > 1e-4


def test_weight_decay_spares_biases_and_norms() -> None:
    model = fresh()
    decayed = {
        id(weight)
        for group in make_optimizer(model, tiny_recipe(weight_decay=0.2)).param_groups
        for weight in group["params"]
        if group["weight_decay"] == 0.2
    }
    names = {name for name, weight in model.named_parameters() if id(weight) in decayed}
    assert {"tokens.weight", "blocks.0.qkv.weight", "score.weight"} <= names
    assert not [name for name in names if "norm" in name or name.endswith("bias")]


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", [0.01, 0.5, 1, 1, 1]),
        ("linear", [0.01, 0.5, 1, 0.5, 0]),
        ("cosine", [0.01, 0.5, 1, 0.5, 0]),
    ],
)
def test_a_schedule_rises_and_decays(schedule: str, shares: list[float]) -> None:
    recipe = tiny_recipe(schedule=schedule, warmup=0.2)
    assert [rate_factor(recipe, progress) for progress in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx(shares)


def test_cosine_stays_above_linear_at_first_and_below_it_at_last() -> None:
    cosine, linear = (tiny_recipe(schedule=name, warmup=0.0) for name in ("cosine", "linear"))
    assert rate_factor(cosine, 0.25) > rate_factor(linear, 0.25)
    assert rate_factor(cosine, 0.75) < rate_factor(linear, 0.75)


def test_a_schedule_by_epoch_moves_between_epochs_alone() -> None:
    recipe = tiny_recipe(epochs=4, lr=1e-3, schedule="linear", warmup=0.0, schedule_per_epoch=True, patience=4)
    assert [one.lr for one in follow(fresh(), recipe)] == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])


class Overflowing(nn.Module):
    """A classifier of three weights, fine as long as they are small; past a height of its own it overflows."""

    def __init__(self, steepness: float) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(3))
        self.steepness = steepness

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SequenceClassifierOutput:
        logits = self.scores / 1000 + 0 * (self.steepness * self.scores).exp()
        return SequenceClassifierOutput(logits=logits.expand(len(input_ids), 3))


HUGE = {"lr": 0.9, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0}


def test_a_rate_that_diverges_at_once_is_an_error_that_names_it() -> None:
    with pytest.raises(OdzeraError, match=r"not a number in the first epoch: lr 0.9 is too large"):
        follow(Overflowing(200), tiny_recipe(**HUGE))


def test_a_rate_that_diverges_later_stops_training_and_leaves_the_best_weights() -> None:
    model = Overflowing(30)
    epochs = follow(model, tiny_recipe(epochs=9, patience=9, **HUGE), batches(16))
    assert 1 < len(epochs) < 9
    assert (epochs[-1].stop, epochs[-1].is_best) == ("diverged", False)
    with torch.no_grad():
        assert model(**VALIDATION.pack(np.arange(48)).inputs).logits.isfinite().all()


def test_a_huge_rate_leaves_a_decoder_with_finite_weights() -> None:
    model = fresh()
    epochs = follow(model, tiny_recipe(epochs=4, **HUGE, clip=1e6))
    assert epochs[-1].stop in ("epochs", "patience", "diverged")
    assert all(weight.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize(
    "setting",
    [{"lr": 3.0}, {"lr": math.nan}, {"head_lr": -1e-3}, {"head_lr": math.nan}, {"seed": -1}, {"max_minutes": 0.0}],
    ids=str,
)
def test_a_setting_that_would_break_the_loop_is_refused_by_name(setting: dict[str, float]) -> None:
    (name,) = setting
    with pytest.raises(RecipeError, match=f"{name} can't be"):
        tiny_recipe(**setting)


def test_equal_answers_agree_and_others_disagree_by_their_divergence() -> None:
    same_twice = torch.tensor([[1.0, 0.0, 0.0]]).repeat(4, 1)
    assert float(disagreement(same_twice)) == pytest.approx(0)
    one, other = torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1])
    by_hand = ((one * (one / other).log()).sum() + (other * (other / one).log()).sum()) / 2
    assert float(disagreement(torch.stack([one.log(), other.log()]))) == pytest.approx(float(by_hand), abs=1e-6)


def test_r_drop_makes_answers_agree_more_under_dropout() -> None:
    def apart(model: nn.Module) -> float:
        torch.manual_seed(0)
        model.train()
        batch = next(iter(TRAINING.training(0, 1)))
        twice = {name: tensor.repeat_interleave(2, 0) for name, tensor in batch.inputs.items()}
        with torch.no_grad():
            return float(disagreement(model(**twice).logits))

    found = {}
    # Both pass over every input twice; the weight alone differs.
    for weight in (1e-9, 5.0):
        model = fresh(dropout=0.4)
        follow(model, tiny_recipe(epochs=12, lr=1e-2, patience=12, r_drop=weight))
        found[weight] = apart(model)
    assert found[5.0] < found[1e-9] / 2, found
