"""Several processes train the model that one would: the same losses and weights, everything kept and said once."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn import functional

from engine.data.batches import Batches
from engine.data.sources import TaskData, load
from engine.data.tasks import SLANG
from engine.data.tokens import Encoded
from engine.errors import OdzeraError, RecipeError
from engine.experiments.record import Finished, Request
from engine.experiments.run import run_experiment
from engine.paths import ROOT
from engine.processes import one_voice
from engine.store import Store
from engine.training.checkpoints import WEIGHTS, list_checkpoints
from engine.training.loop import balanced_weights
from engine.training.parallel import Group, is_lonely_launch
from engine.training.recipes import get_recipe
from support.models import places_in
from support.servers import free_port

# An odd number of rows, so that shares are uneven, and one row in the last batch, which leaves a process without any.
ROWS = {"train": 65, "validation": 70, "test": 20}
SMALL = ("epochs=3", "batch_size=16", "precision=float32", "max_length=32")
EXACT = (
    *SMALL,
    *(f"decoder.{one}" for one in ("vocab_size=400", "hidden_size=32", "num_hidden_layers=2", "num_attention_heads=2")),
    *("decoder.intermediate_size=64", "decoder.dropout=0", "decoder.embedding_dropout=0"),
    *("accumulation=2", "class_weights=true", "label_smoothing=0.1", "select_on=loss", "lr=3e-3"),
)


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory, slang: TaskData) -> Path:
    """A few rows of the bundled sample, as a file that a command can read."""
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    place = slang.frame.groupby("split").cumcount()
    kept = slang.frame[place < slang.frame["split"].map(ROWS)]
    kept[["text", "label", "split"]].to_csv(file, index=False)
    return file


def request(home: Path, source: Path, recipe: str, settings: tuple[str, ...]) -> Request:
    """What `odzera train` makes of its arguments."""
    places = places_in(home)
    chosen = get_recipe(recipe, SLANG, list(settings))
    return Request(chosen, load(SLANG, str(source)), places.checkpoints, places.training, device="cpu")


def launch(
    home: Path, source: Path, recipes: tuple[str, ...], settings: tuple[str, ...], *more: str
) -> subprocess.CompletedProcess[str]:
    """`odzera train` by `accelerate launch`, in two processes."""
    launcher = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    launcher += ["--dynamo_backend", "no", "--main_process_port", str(free_port())]
    arguments = ["train", *recipes, "--task", "slang", "--source", str(source), "--device", "cpu", *more]
    changes = [part for one in settings for part in ("--set", one)]
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *launcher, "-m", "engine", *arguments, *changes],
        cwd=ROOT,
        env={**os.environ, "ODZERA_HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@dataclass(frozen=True)
class Both:
    """The same model, trained by one process and by two."""

    alone: Finished
    home: Path
    said: subprocess.CompletedProcess[str]

    @property
    def together(self) -> dict[str, Any]:
        """Manifest of the model that two processes trained."""
        (checkpoint,), _ = list_checkpoints(self.home / "checkpoints", "slang")
        return dict(checkpoint.manifest)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, rows_file: Path) -> Both:
    """A run in this process, and one in two others."""
    asked = request(tmp_path_factory.mktemp("alone"), rows_file, "scratch", EXACT)
    *_, alone = run_experiment(asked, Store.in_memory())
    assert isinstance(alone, Finished)
    home = tmp_path_factory.mktemp("together")
    return Both(alone, home, launch(home, rows_file, ("scratch",), EXACT, "--json"))


def test_two_processes_get_the_losses_of_one(both: Both) -> None:
    assert both.said.returncode == 0, both.said.stderr
    one, two = both.alone.checkpoint.manifest["epochs"], both.together["epochs"]
    right = [[epoch["train_accuracy"] * ROWS["train"] for epoch in epochs] for epochs in (one, two)]
    assert right[1] == pytest.approx(right[0], abs=1), "a rounding error may turn one example"
    assert [epoch["train_loss"] for epoch in two] == pytest.approx([epoch["train_loss"] for epoch in one], abs=1e-5)
    for mine, theirs in zip(two, one, strict=True):
        assert mine["validation"] == pytest.approx(theirs["validation"], abs=1e-5)
    # Epochs far apart, or the same losses would be no wonder.
    assert max(epoch["train_loss"] for epoch in one) - min(epoch["train_loss"] for epoch in one) > 0.01


def test_two_processes_end_with_the_weights_of_one(both: Both) -> None:
    (folder,) = (both.home / "checkpoints").glob("slang/scratch@*")
    one, two = load_file(both.alone.checkpoint.path(WEIGHTS)), load_file(folder / WEIGHTS)
    assert one.keys() == two.keys()
    for name, theirs in one.items():
        mine, theirs = two[name].astype(float), theirs.astype(float)
        if name.endswith("qkv.bias"):
            # A key's bias changes nothing: its gradient is rounding errors, which Adam blows up.
            mine, theirs = (np.delete(whole.reshape(3, -1), 1, axis=0) for whole in (mine, theirs))
        # They are kept as float16, so what differs in the eighth digit may differ by one step of it.
        assert mine == pytest.approx(theirs, rel=2**-10, abs=1e-5), name


def test_everything_is_kept_and_said_once(both: Both) -> None:
    (row,) = json.loads(both.said.stdout)
    assert both.said.stderr == ""
    store = Store.open(places_in(both.home).store)
    (run,) = store.runs("slang", row["fingerprint"])
    assert len(store.epochs(run.id)) == 3
    assert row["checkpoint"] == str(next((both.home / "checkpoints").glob("slang/*")))
    assert [file for file in (both.home / "checkpoints" / ".training").glob("*") if file.stat().st_size] == []


def test_the_record_says_how_many_processes_trained(both: Both) -> None:
    assert both.together["run"]["record"]["cost"]["processes"] == 2
    assert both.alone.run.record["cost"]["processes"] == 1


@dataclass(frozen=True)
class Stopped:
    """A launch that keeps a baseline, goes on with a model, and is refused a third, which another process trains."""

    home: Path
    said: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, rows_file: Path) -> Stopped:
    """It ends, or the time limit of `launch` fails the tests."""
    home = tmp_path_factory.mktemp("stopped")
    begun = run_experiment(request(home, rows_file, "scratch", SMALL), Store.in_memory())
    next(begun)
    begun.close()
    held = run_experiment(request(home, rows_file, "mini-last1", SMALL), Store.in_memory())
    next(held)
    said = launch(home, rows_file, ("majority", "scratch", "mini-last1"), SMALL)
    held.close()
    return Stopped(home, said)


@pytest.mark.slow
def test_an_error_ends_all_processes_with_one_line(stopped: Stopped) -> None:
    assert stopped.said.returncode != 0
    lines = [line for line in stopped.said.stderr.splitlines() if line.startswith("odzera:")]
    assert lines == ["odzera: mini-last1 is being trained on this data by another process."]


@pytest.mark.slow
def test_two_processes_go_on_where_one_stopped(stopped: Stopped) -> None:
    epochs = [line for line in stopped.said.stderr.splitlines() if line.startswith("scratch epoch")]
    assert len(epochs) == 3
    assert ["trained before" in line for line in epochs] == [True, False, False]


@pytest.mark.slow
def test_baselines_are_fitted_once(stopped: Stopped) -> None:
    assert stopped.said.stdout.count("majority on") == 1
    checkpoints, _ = list_checkpoints(stopped.home / "checkpoints", "slang")
    assert sorted(one.name for one in checkpoints) == ["majority", "scratch"]
    assert Store.open(places_in(stopped.home).store).db["runs"].count == 2


@pytest.mark.parametrize(("rows", "size"), [(16, 2), (15, 4), (5, 3), (1, 2), (2, 4)])
def test_shares_hold_every_row_of_a_batch_once(rows: int, size: int) -> None:
    batch = np.random.default_rng(rows).permutation(100)[:rows]
    shares = [Group(rank, size).share(batch, np.ones(rows)) for rank in range(size)]
    assert all(len(share.rows) for share in shares)
    assert sorted(row for share in shares if share.part for row in share.rows) == sorted(batch)
    assert sum(share.part for share in shares) == pytest.approx(1)


def test_a_process_of_its_own_reads_the_batch_as_it_is() -> None:
    batch = np.array([4, 2, 9])
    share = Group().share(batch, np.ones(3))
    assert share.rows is batch
    assert share.part == 1


@pytest.mark.parametrize("size", [2, 3, 9])
@pytest.mark.parametrize("weighed", [False, True], ids=["plain", "class weights"])
def test_the_losses_of_the_shares_add_up_to_that_of_the_batch(size: int, weighed: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(7, 3, generator=generator), torch.tensor([0, 0, 0, 0, 1, 2, 2])
    weight = balanced_weights(labels.numpy(), 3) if weighed else None

    def loss(rows: np.ndarray) -> float:
        return float(functional.cross_entropy(logits[rows], labels[rows], weight=weight, label_smoothing=0.2))

    counts = np.ones(7) if weight is None else weight[labels].numpy()
    shares = [Group(rank, size).share(np.arange(7), counts) for rank in range(size)]
    assert sum(share.part * loss(share.rows) for share in shares) == pytest.approx(loss(np.arange(7)), rel=1e-6)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_processes_take_turns_at_the_batches_of_validation(size: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 9, 150)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    batches = Batches(Encoded(np.ones(offsets[-1], np.int32), None, offsets, 0), np.zeros(150, np.int64), 16)
    whole = [batch.rows.tolist() for batch in batches.in_order_of_length()]
    shared = [[batch.rows.tolist() for batch in batches.in_order_of_length(rank, size)] for rank in range(size)]
    assert shared == [whole[rank::size] for rank in range(size)]


def test_processes_draw_different_dropout_and_the_same_again_in_the_same_epoch() -> None:
    def draw(rank: int, epoch: int) -> float:
        torch.manual_seed(0)
        Group(rank, 3).seed(7, epoch)
        return float(torch.rand(()))

    draws = [draw(rank, epoch) for rank in (1, 2) for epoch in (1, 2)]
    assert len({*draws, draw(0, 1)}) == 5
    assert draws == [draw(rank, epoch) for rank in (1, 2) for epoch in (1, 2)]
    # The main process's own draws go on where the state of the run left them.
    assert draw(0, 1) == draw(0, 2)


@pytest.mark.parametrize(
    ("rank", "error", "line"),
    [
        ("0", RecipeError("Zły przepis."), "Zły przepis."),
        ("1", RecipeError("Zły przepis."), "Process 2 of 2: Zły przepis."),
        ("0", RuntimeError("Connection closed by peer\nstack"), "Process 1 of 2: Connection closed by peer"),
    ],
    ids=["main", "other", "echo"],
)
def test_a_process_that_may_be_ended_waits_before_it_speaks(
    rank: str, error: Exception, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("engine.processes.launch.time.sleep", slept.append)
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OdzeraError) as raised, one_voice():
        raise error
    assert str(raised.value) == line
    assert bool(slept) == line.startswith("Process")


def test_an_error_of_a_process_of_its_own_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), one_voice():
        raise ZeroDivisionError


def test_ctrl_c_is_answered_by_the_main_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, expected in (("0", KeyboardInterrupt), ("1", SystemExit)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(expected), one_voice():
            raise KeyboardInterrupt


def test_a_launch_of_several_that_started_one_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_PORT", raising=False)
    # What `accelerate launch --cpu` leaves in the environment, of one process and of two.
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert not is_lonely_launch()
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert is_lonely_launch()
