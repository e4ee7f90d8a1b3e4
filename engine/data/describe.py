"""What a data set holds: the figures of `odzera data`."""

from typing import Any

import numpy as np
import pandas as pd

from engine.data.sources import TaskData
from engine.data.splits import find_leaks
from engine.data.tasks import SPLITS


def describe(data: TaskData) -> dict[str, Any]:
    """Rows, labels, languages, lengths and leaks of a data set, as plain values."""
    task, frame = data.task, data.frame
    label_names = dict(enumerate(task.labels))
    splits: dict[str, Any] = {}
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
            column: {"characters": spread(frame[column].str.len()), "tokens": spread(_words(frame[column]))}
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


def _words(texts: pd.Series) -> pd.Series:
    """Tokens of the byte-level pre-tokenizer (words, numbers, runs of punctuation), before any model's merges."""
    from tokenizers import pre_tokenizers

    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return texts.map(lambda text: len(splitter.pre_tokenize_str(text)))


def spread(values: pd.Series) -> dict[str, float]:
    """Mean, median, 95th percentile and maximum."""
    numbers = values.to_numpy(dtype=np.float64)
    return {
        "mean": round(float(numbers.mean()), 1),
        "median": float(np.median(numbers)),
        "p95": float(np.percentile(numbers, 95)),
        "max": float(numbers.max()),
    }
