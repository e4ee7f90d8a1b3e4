"""A benchmark trains the same model by our loop and by `transformers.Trainer`: same data, batches, rate, epochs."""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import Dataset

from engine.bench.turns import BenchRecord, measure_apart
from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.evaluation.metrics import headline, softmax
from engine.evaluation.turns import Tick, Turns
from engine.training.build import batches_of, build, labels_of, threads_for
from engine.training.classifiers import NeuralModel
from engine.training.loop import train
from engine.training.recipe import Recipe

SYSTEMS = {
    "ours": "our loop: batches of like lengths, no Python in between",
    "trainer": "transformers.Trainer, each batch padded to its longest text",
    "trainer-256": "transformers.Trainer, every text padded to the recipe's longest",
}


@dataclass(frozen=True)
class TrainerBenchmark:
    """What to measure."""

    recipes: Sequence[Recipe]
    data: TaskData
    epochs: int = 2
    rounds: int = 3
    systems: Sequence[str] = ("ours", "trainer", "trainer-256")
    command: str = ""


def benchmark_training(request: TrainerBenchmark, tick: Tick | None = None) -> dict[str, Any]:
    """Train every recipe with every system, in turns, each time with another seed and in a process of its own.

    Returns:
        Plain values: a `BenchRecord` with `rows`, one a recipe and system, of epochs an hour and the validation loss
        after the last epoch, mean and standard deviation over the rounds; and what failed.

    Raises:
        RecipeError: A recipe has no training loop.
        OdzeraError: Every system failed.
    """
    for recipe in request.recipes:
        if recipe.kind in ("baseline", "frozen"):
            raise RecipeError(f"{recipe.name} has no training loop to measure; name a scratch or pretrained recipe.")
        if recipe.reads_words or recipe.r_drop:
            raise RecipeError(
                f"{recipe.name} reads words or is trained with R-Drop, which the Trainer can't do; name scratch-bpe."
            )
    record = BenchRecord(request.command, request.data)
    recipes = {recipe.name: recipe for recipe in request.recipes}

    def given(pair: tuple[str, str], turn: int) -> tuple[str, Recipe, TaskData]:
        name, system = pair
        recipe = recipes[name]
        # Both loops get one rate for all weights and no early end; whatever else the recipe says holds for both.
        plain = dataclasses.replace(
            recipe, seed=recipe.seed + turn, epochs=request.epochs, patience=request.epochs, head_lr=recipe.lr
        )
        return system, plain, request.data

    pairs = [(name, system) for name in recipes for system in request.systems]
    found = measure_apart(train_once, pairs, request.rounds, given, tick)
    return record.close(
        train_rows=len(request.data.split("train")),
        epochs=request.epochs,
        rounds=request.rounds,
        systems={name: SYSTEMS[name] for name in request.systems},
        rows=[_summarise(found, pair, request.epochs) for pair in pairs if pair in found.results],
        failures={f"{name} ({system})": reason for (name, system), reason in found.failures.items()},
    )


def _summarise(found: Turns[tuple[str, str], dict[str, Any]], pair: tuple[str, str], epochs: int) -> dict[str, Any]:
    """A row: one recipe with one system."""
    seconds = itemgetter("seconds")
    name, system = pair
    results = found.results[pair]
    losses = found.figures(pair, itemgetter("loss"))
    return {
        "recipe": name,
        "system": system,
        "epochs_per_hour": 3600 * epochs / found.median(pair, seconds),
        "times_trainer": found.ratio(pair, (name, "trainer"), seconds),
        "loss": statistics.fmean(losses),
        "loss_deviation": statistics.stdev(losses) if len(losses) > 1 else 0.0,
        "accuracy": statistics.fmean(one["accuracy"] for one in results),
        "seconds": [one["seconds"] for one in results],
        "precision": results[0]["precision"],
    }


def train_once(system: str, recipe: Recipe, data: TaskData) -> dict[str, Any]:
    """Train for the recipe's epochs with an evaluation after each; building and tokenising aren't timed."""
    model = build(recipe, data)
    return _ours(model, recipe, data) if system == "ours" else _trainer(model, recipe, data, system == "trainer-256")


def _ours(model: NeuralModel, recipe: Recipe, data: TaskData) -> dict[str, Any]:
    from engine.training.loop import choose_precision

    batches = {split: batches_of(model, data, split, recipe) for split in ("train", "validation")}
    with threads_for(recipe, "cpu"):
        start = time.perf_counter()
        *_, last = train(model.model, batches["train"], batches["validation"], recipe, data.task.select_on)
        seconds = time.perf_counter() - start
    precision = str(choose_precision(recipe.precision, torch.device("cpu")))
    return {
        "seconds": seconds,
        "loss": last.validation["loss"],
        "accuracy": last.validation["accuracy"],
        "precision": precision,
    }


class _Rows(Dataset[dict[str, Any]]):
    """Tokenised rows, as a notebook would hold them."""

    def __init__(self, model: NeuralModel, data: TaskData, split: str, padded: bool, longest: int) -> None:
        columns = [list(column) for column in zip(*data.texts(split), strict=True)]
        self.inputs = model.tokenizer(
            *columns, truncation=True, max_length=longest, padding="max_length" if padded else False
        )
        self.labels = labels_of(data, split).tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {name: values[place] for name, values in self.inputs.items()} | {"labels": self.labels[place]}


def _trainer(model: NeuralModel, recipe: Recipe, data: TaskData, padded: bool) -> dict[str, Any]:
    from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments

    def loss_of(outputs: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
        return functional.cross_entropy(outputs.logits.float(), labels, label_smoothing=recipe.label_smoothing)

    rows = {split: _Rows(model, data, split, padded, recipe.max_length) for split in ("train", "validation")}
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=recipe.batch_size,
            gradient_accumulation_steps=recipe.accumulation,
            per_device_eval_batch_size=64,
            learning_rate=recipe.lr,
            weight_decay=recipe.weight_decay,
            warmup_steps=recipe.warmup,
            lr_scheduler_type=recipe.schedule,
            num_train_epochs=recipe.epochs,
            seed=recipe.seed,
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["labels"],
            use_cpu=True,
        )
        trainer = Trainer(
            model=model.model,
            args=arguments,
            train_dataset=rows["train"],
            eval_dataset=rows["validation"],
            data_collator=DataCollatorWithPadding(model.tokenizer),
            compute_loss_func=loss_of,
        )
        trainer.remove_callback(PrinterCallback)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        logits: Any = trainer.predict(rows["validation"]).predictions
    figures = headline(labels_of(data, "validation"), softmax(logits.astype("float64")))
    return {"seconds": seconds, "loss": figures["loss"], "accuracy": figures["accuracy"], "precision": "torch.float32"}
