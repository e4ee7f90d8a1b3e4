"""What one would otherwise write: `Trainer.hyperparameter_search` on GPT-2 of the same shapes, to race against."""

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
from engine.search.search_space import suggest
from engine.search.storage import open_storage
from engine.search.study import PRUNERS
from engine.training.build import labels_of

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
    from engine.data.tokens import train_tokenizer

    torch.set_num_threads(threads)
    rows: dict[tuple[int, str], _Rows] = {}
    tokenizers: dict[int, Any] = {}

    def rows_of(vocab_size: int, split: str) -> _Rows:
        if (vocab_size, split) not in rows:
            tokenizer = tokenizers.setdefault(vocab_size, train_tokenizer(data.texts("train"), vocab_size, True))
            rows[vocab_size, split] = _Rows(tokenizer, data.texts(split), labels_of(data, split).tolist(), padded)
        return rows[vocab_size, split]

    study = optuna.load_study(study_name=name, storage=open_storage(storage))
    queued = [trial.system_attrs["fixed_params"]["vocab_size"] for trial in study.get_trials(deepcopy=False)]
    for vocab_size in set(queued):
        for split in ("train", "validation"):
            rows_of(vocab_size, split)

    def space(trial: optuna.Trial) -> dict[str, Any]:
        recipe = suggest(trial)
        vocab_size = recipe.decoder["vocab_size"]
        trainer.train_dataset = rows_of(vocab_size, "train")
        trainer.eval_dataset = rows_of(vocab_size, "validation")
        trainer.data_collator = DataCollatorWithPadding(tokenizers[vocab_size])
        return {
            "learning_rate": recipe.lr,
            "weight_decay": recipe.weight_decay,
            "warmup_steps": recipe.warmup,
            "lr_scheduler_type": recipe.schedule,
            "per_device_train_batch_size": recipe.batch_size,
            "label_smoothing_factor": recipe.label_smoothing,
            "num_train_epochs": epochs,
        }

    def model_init(trial: Any = None) -> GPT2ForSequenceClassification:
        # The Trainer asks for a model once before there is any trial.
        shape = _SMALLEST if trial is None else suggest(trial).decoder
        return GPT2ForSequenceClassification(gpt2_config(shape, len(data.task.labels)))

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model_init=model_init,
            train_dataset=rows_of(queued[0], "train"),
            eval_dataset=rows_of(queued[0], "validation"),
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
        trainer.hyperparameter_search(
            hp_space=space,
            compute_objective=lambda metrics: metrics["eval_loss"],
            n_trials=trials,
            backend="optuna",
            direction="minimize",
            study_name=name,
            storage=open_storage(storage),
            load_if_exists=True,
            pruner=PRUNERS[pruner](),
        )


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
