"""What figures, splits, tasks, columns, runtimes, languages and data sets are called on the page."""

from collections.abc import Mapping
from functools import lru_cache

from babel import Locale

from gradio_app.languages import Language, message

FIGURES: Mapping[str, str] = {
    "accuracy": message("accuracy"),
    "macro_f1": message("macro F1"),
    "weighted_f1": message("weighted F1"),
    "mcc": message("MCC"),
    "loss": message("loss"),
    "calibration_error": message("calibration error"),
}
"""Figures by the engine's keys."""
SPLITS: Mapping[str, str] = {"train": message("train"), "validation": message("validation"), "test": message("test")}
TASKS: Mapping[str, str] = {"slang": message("Slang"), "nli": message("NLI")}
"""Tasks, as their tabs are called."""
COLUMNS: Mapping[str, str] = {
    "text": message("message"),
    "premise": message("premise"),
    "hypothesis": message("hypothesis"),
}
"""A task's text columns."""
RUNTIMES: Mapping[str, str] = {
    "torch": "PyTorch",
    "fp32": "ONNX",
    "int8": "ONNX 8-bit",
    "int8-blocks": "ONNX 8-bit",
    "numpy": "NumPy",
}
"""What computes a model, in a word or two."""


@lru_cache
def _languages(code: str) -> dict[str, str]:
    return dict(Locale(code).languages)


def name_language(say: Language, code: str) -> str:
    """What a language is called in this one: `de` is German; the code itself where it is no language's."""
    return _languages(say.code).get(code.replace("-", "_"), code)


def name_figure(say: Language, figure: str) -> str:
    """What a figure is called; its key where it has no name."""
    return say(FIGURES[figure]) if figure in FIGURES else figure


def name_split(say: Language, split: str) -> str:
    """What a part of a data set is called."""
    return say(SPLITS[split]) if split in SPLITS else split


def name_source(say: Language, source: object) -> str:
    """What a data set is called."""
    return say("the bundled sample") if source == "sample" else str(source)
