"""What a data set holds: the figures of `odzera data`."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.folding import fold_frame
from engine.data.near_duplicates import count_near_duplicates
from engine.data.sources import TaskData, as_inputs
from engine.data.splits import find_leaks
from engine.data.tasks import SPLITS
from engine.data.tokens import train_bpe

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCAB_SIZE = 4096
"""That of the recipe `scratch`."""
MOST_ROWS = 20_000
"""Of these, evenly drawn, tokens are counted where there are more: their spread is the same, and it takes seconds."""
AT_ONCE = 4096


def describe(data: TaskData) -> dict[str, Any]:
    """Rows, labels, languages, lengths and leaks of a data set, as plain values."""
    task, frame = data.task, data.frame
    label_names = dict(enumerate(task.labels))
    splits: dict[str, Any] = {}
    # Tokens are counted outside Python's lock, beside what else is counted.
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(count_tokens, data, MOST_ROWS)
        words = fold_frame(frame, task.text_columns)
        leaks = find_leaks(frame, task, words)
        near_duplicates = count_near_duplicates(frame, task, words)
        tokens = counting.result()
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
        "token_rows": len(tokens[task.text_columns[0]]),
        "leaks": leaks,
        "near_duplicates": near_duplicates,
        "files": [file.as_dict() for file in data.report.files],
        "cleaning": {
            "read": data.report.read,
            "kept": data.report.kept,
            "dropped": dict(data.report.dropped),
            "first_rows": {why: list(rows) for why, rows in data.report.rows.items()},
            "notes": list(data.report.notes),
        },
    }


def _languages(frame: pd.DataFrame, default: tuple[str, ...]) -> dict[str, int]:
    if "lang_abv" in frame:
        return {str(code): int(count) for code, count in frame["lang_abv"].value_counts().items()}
    return {default[0]: len(frame)} if len(default) == 1 else {"unknown": len(frame)}


def count_tokens(data: TaskData, most: int | None = None) -> dict[str, pd.Series]:
    """Tokens of every text, by the byte-level BPE that a model from scratch would get from the train split.

    Args:
        data: Cleaned rows.
        most: Where there are more rows, so many of them are counted, and so many train rows make the tokens.
    """
    frame, columns = data.frame, data.task.text_columns
    train = np.flatnonzero(frame["split"] == "train")
    learnt = frame.iloc[_draw(train if len(train) else np.arange(len(frame)), most)]
    tokenizer = train_bpe(as_inputs(learnt, data.task), VOCAB_SIZE)
    counted = frame.iloc[_draw(np.arange(len(frame)), most)]
    return {column: pd.Series(_count_each(tokenizer, counted[column].tolist())) for column in columns}


def _count_each(tokenizer: "Tokenizer", texts: list[str]) -> NDArray[np.int64]:
    """Tokens of each cleaned text: no token reaches over a space, so that each word is encoded once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # A text that spells "<eos>" is a text, as for a model.
    tokenizer.encode_special_tokens = True
    in_texts = pc.split_pattern(pa.array(texts, pa.string()), " ")
    coded = in_texts.flatten().dictionary_encode()
    words = coded.dictionary.to_pylist()
    pieces = (words[at : at + AT_ONCE] for at in range(0, len(words), AT_ONCE))
    # Encodings are large, so only a piece of them is held at a time.
    encoded = (one for piece in pieces for one in tokenizer.encode_batch_fast(piece, add_special_tokens=False))
    sizes = np.fromiter(map(len, encoded), np.int64, len(words))
    return np.add.reduceat(sizes[coded.indices.to_numpy()], in_texts.offsets.to_numpy()[:-1])


def _draw(places: NDArray[np.int64], most: int | None) -> NDArray[np.int64]:
    """At most so many of the places, evenly from all of them."""
    return places if most is None or len(places) <= most else places[np.arange(most) * len(places) // most]


def spread(values: pd.Series) -> dict[str, float]:
    """Mean, median, 95th percentile and maximum."""
    numbers = values.to_numpy(dtype=np.float64)
    return {
        "mean": round(float(numbers.mean()), 1),
        "median": float(np.median(numbers)),
        "p95": float(np.percentile(numbers, 95)),
        "max": float(numbers.max()),
    }
