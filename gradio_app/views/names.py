"""What figures, splits, tasks, columns, runtimes, languages and data sets are called on the page."""

from collections.abc import Mapping
from functools import lru_cache
from html import escape

from babel import Locale

from engine.serving.batch import shorten
from engine.training.recipe import Recipe
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

BACKBONES: Mapping[str, str] = {
    "minilm": "MiniLM",
    "polish-gpt-mini": "Polish GPT-mini",
    "polish-gpt2": "Polish GPT-2",
    "bielik": "Bielik 1.5B",
    "herbert": "HerBERT",
    "mbert": message("Multilingual BERT"),
    "xlm-roberta": "XLM-RoBERTa",
}
"""Pretrained models by the engine's keys."""
METHODS: Mapping[str, str] = {
    "full": message("all weights trained"),
    "head": message("a head trained"),
    "lora": message("LoRA"),
    "qlora": message("LoRA on 4 bits"),
    "prompt": message("a trained prompt"),
}
"""Ways of adapting one, but for those that train some blocks."""


def foreign(text: object, most: int = 60) -> str:
    """Someone else's words as HTML: cut, escaped, and written in a direction of their own that ends with them."""
    return f"<bdi>{escape(shorten(str(text), most))}</bdi>"


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


def name_model(say: Language, recipe: Recipe) -> str:
    """What a model is, in plain words: `Polish GPT-mini, all weights trained`."""
    if recipe.kind == "baseline":
        return say("Most frequent class") if recipe.baseline == "majority" else say("TF-IDF, logistic regression")
    if recipe.kind == "scratch":
        if recipe.is_hybrid:
            return say("TF-IDF and a decoder")
        if recipe.learns_vectors:
            return say("Decoder over word vectors")
        return say("Decoder of words") if recipe.reads_words else say("Decoder of tokens")
    backbone = say(BACKBONES.get(recipe.backbone, recipe.backbone))
    if recipe.random_weights:
        return say("{model}, from random weights", model=backbone)
    if recipe.kind == "frozen":
        if recipe.frozen.asks_nli:
            return say("NLI model, asked what follows")
        how = say("shown a few examples") if recipe.frozen.shots else say("shown nothing")
    elif recipe.method.kind == "last":
        how = say.plural("last block trained", "last {n} blocks trained", recipe.method.blocks)
    else:
        how = say(METHODS[recipe.method.kind])
    return f"{backbone}, {how}"
