"""`Trainer.hyperparameter_search` runs a study's trials on GPT-2 of the same shapes, as one would otherwise do it."""

import tempfile
from typing import Any

import optuna
import torch
from torch.utils.data import Dataset
from transformers import (
    DataCollatorWithPadding,
    GPT2Config,
    GPT2ForSequenceClassification,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from engine.data.sources import TaskData
from engine.data.tokens import train_tokenizer
from engine.search.search_space import suggest
from engine.search.storage import open_storage
from engine.search.study import PRUNERS
from engine.training.build import labels_of
from engine.training.recipe import Recipe

PADDED_LENGTH = 256
"""Tokens that the published systems pad every text to."""


class _Rows(Dataset[dict[str, Any]]):
    """Tokenised rows, as a notebook would hold them."""

    def __init__(self, tokenizer: Any, texts: list[tuple[str, ...]], labels: list[int], padded: bool) -> None:
        columns = [list(column) for column in zip(*texts, strict=True)]
        self.inputs = tokenizer(
            *columns, truncation=True, max_length=PADDED_LENGTH, padding="max_length" if padded else False
        )
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {name: values[place] for name, values in self.inputs.items()} | {"labels": self.labels[place]}


class _TokenisedRows:
    """The rows of both splits under each vocabulary that trials ask for, tokenised once and not timed."""

    def __init__(self, data: TaskData, padded: bool) -> None:
        self._data, self._padded = data, padded
        self._rows: dict[tuple[int, str], _Rows] = {}
        self.tokenizers: dict[int, Any] = {}

    def get(self, vocab_size: int, split: str) -> _Rows:
        if vocab_size not in self.tokenizers:
            self.tokenizers[vocab_size] = train_tokenizer(self._data.texts("train"), vocab_size, True)
        if (vocab_size, split) not in self._rows:
            texts, labels = self._data.texts(split), labels_of(self._data, split).tolist()
            self._rows[vocab_size, split] = _Rows(self.tokenizers[vocab_size], texts, labels, self._padded)
        return self._rows[vocab_size, split]


def trainer_search(
    data: TaskData, storage: str, name: str, trials: int, epochs: int, padded: bool, pruner: str, threads: int
) -> None:
    """Run the queued trials of a study with the Trainer, the tokenizers made once and not timed.

    Args:
        data: Rows to train and validate on.
        storage: Where the study is.
        name: The study's name; its trials are queued already.
        trials: How many to run.
        epochs: Epochs of every trial.
        padded: Pad every text to `PADDED_LENGTH` tokens, or each batch to its longest.
        pruner: Name of a pruner of `PRUNERS`.
        threads: Processor threads of torch.
    """
    torch.set_num_threads(threads)
    rows = _TokenisedRows(data, padded)
    study = optuna.load_study(study_name=name, storage=open_storage(storage))
    queued = [trial.system_attrs["fixed_params"]["vocab_size"] for trial in study.get_trials(deepcopy=False)]
    for vocab_size in set(queued):
        for split in ("train", "validation"):
            rows.get(vocab_size, split)

    def set_up(trial: optuna.Trial) -> dict[str, Any]:
        recipe = suggest(trial)
        vocab_size = recipe.decoder["vocab_size"]
        trainer.train_dataset = rows.get(vocab_size, "train")
        trainer.eval_dataset = rows.get(vocab_size, "validation")
        trainer.data_collator = DataCollatorWithPadding(rows.tokenizers[vocab_size])
        return _arguments_of(recipe) | {"num_train_epochs": epochs}

    with tempfile.TemporaryDirectory() as folder:
        trainer = _make_trainer(folder, data, rows, queued[0])
        trainer.hyperparameter_search(
            hp_space=set_up,
            compute_objective=lambda metrics: metrics["eval_loss"],
            n_trials=trials,
            backend="optuna",
            direction="minimize",
            study_name=name,
            storage=open_storage(storage),
            load_if_exists=True,
            pruner=PRUNERS[pruner](),
        )


def _arguments_of(recipe: Recipe) -> dict[str, Any]:
    """A recipe's settings as the Trainer calls them."""
    return {
        "learning_rate": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "warmup_steps": recipe.warmup,
        "lr_scheduler_type": recipe.schedule,
        "per_device_train_batch_size": recipe.batch_size,
        "label_smoothing_factor": recipe.label_smoothing,
    }


def _make_trainer(folder: str, data: TaskData, rows: _TokenisedRows, vocab_size: int) -> Trainer:
    def model_init(trial: Any = None) -> GPT2ForSequenceClassification:
        # The Trainer asks for a model once before there is any trial.
        shape = _SMALLEST if trial is None else suggest(trial).decoder
        return GPT2ForSequenceClassification(gpt2_config(shape, len(data.task.labels)))

    trainer = Trainer(
        model_init=model_init,
        train_dataset=rows.get(vocab_size, "train"),
        eval_dataset=rows.get(vocab_size, "validation"),
        args=TrainingArguments(
            output_dir=folder,
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            per_device_eval_batch_size=64,
            use_cpu=not torch.cuda.is_available(),
        ),
    )
    # It prints every evaluation, even so.
    trainer.remove_callback(PrinterCallback)
    return trainer


_SMALLEST = {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "dropout": 0.0}


def gpt2_config(shape: Any, num_labels: int) -> GPT2Config:
    """GPT-2 with a decoder's shape: the same vocabulary, width, heads, blocks, feed-forward width and dropout."""
    # A field of every configuration, which GPT-2's own signature doesn't list.
    labels: dict[str, Any] = {"num_labels": num_labels}
    return GPT2Config(
        vocab_size=shape["vocab_size"],
        n_positions=PADDED_LENGTH,
        n_embd=shape["hidden_size"],
        n_layer=shape["num_hidden_layers"],
        n_head=shape["num_attention_heads"],
        n_inner=shape.get("intermediate_size"),
        resid_pdrop=shape["dropout"],
        embd_pdrop=shape["dropout"],
        attn_pdrop=shape["dropout"],
        **labels,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=2,
    )
