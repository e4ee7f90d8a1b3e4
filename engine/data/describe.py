"""What a data set holds: the figures of `odzera data`."""

from typing import Any

import numpy as np
import pandas as pd

from engine.data.sources import TaskData
from engine.data.splits import find_leaks
from engine.data.tasks import SPLITS
from engine.data.tokens import train_tokenizer

VOCAB_SIZE = 4096
"""That of the recipe `scratch`."""


def describe(data: TaskData) -> dict[str, Any]:
    """Rows, labels, languages, lengths and leaks of a data set, as plain values."""
    task, frame = data.task, data.frame
    label_names = dict(enumerate(task.labels))
    splits: dict[str, Any] = {}
    tokens = count_tokens(data)
    for split in (*SPLITS, "all"):
        rows = data.split(split)
        counts = rows["label"].value_counts()
        splits[split] = {
            "rows": len(rows),
            "labels": {name: int(counts.get(label, 0)) for label, name in label_names.items()},
        }
    return {
        "task": task.name,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "splits": splits,
        "languages": _languages(frame, task.languages),
        "length": {
            column: {"characters": spread(frame[column].str.len()), "tokens": spread(tokens[column])}
            for column in task.text_columns
        },
        "leaks": find_leaks(frame, task),
        "cleaning": {
            "read": data.report.read,
            "kept": data.report.kept,
            "dropped": dict(data.report.dropped),
            "notes": list(data.report.notes),
        },
    }


def _languages(frame: pd.DataFrame, default: tuple[str, ...]) -> dict[str, int]:
    if "lang_abv" in frame:
        return {str(code): int(count) for code, count in frame["lang_abv"].value_counts().items()}
    return {default[0]: len(frame)} if len(default) == 1 else {"unknown": len(frame)}


def count_tokens(data: TaskData) -> dict[str, pd.Series]:
    """Tokens of every text, by the byte-level BPE that a model from scratch would get from the train split."""
    rows = data.texts("train") or data.texts("all")
    tokenizer = train_tokenizer(rows, VOCAB_SIZE).backend_tokenizer
    return {
        column: pd.Series([len(one.ids) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)])
        for column, texts in ((column, data.frame[column]) for column in data.task.text_columns)
    }


def spread(values: pd.Series) -> dict[str, float]:
    """Mean, median, 95th percentile and maximum."""
    numbers = values.to_numpy(dtype=np.float64)
    return {
        "mean": round(float(numbers.mean()), 1),
        "median": float(np.median(numbers)),
        "p95": float(np.percentile(numbers, 95)),
        "max": float(numbers.max()),
    }
