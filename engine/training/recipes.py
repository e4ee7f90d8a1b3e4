"""The recipes: every system by name, as a table of frozen settings."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.data.tasks import Task
from engine.errors import RecipeError
from engine.models.backbones import get_backbone
from engine.models.heads import Head
from engine.models.methods import Method, ParameterCount, adapt, count_parameters
from engine.models.pretrained import build_untouched, build_without_weights
from engine.models.zero_shot.answerers import Frozen
from engine.training.recipe import Recipe
from engine.training.settings import change_settings, flatten

_SLANG = {"data": "slang", "data_words": "the Polish youth slang set, its author's splits (543 test rows)"}
# The reported accuracies are whole numbers of right answers out of 434 rows and not out of 543.
_SLANG_TRAIN_PART = {"data": "slang", "data_words": "the train part of the Polish youth slang set (434 test rows)"}
_WATSON = {"data": "watson", "data_words": "Contradictory, My Dear Watson, a split of its own", "hardware": "one GPU"}
_SHAPE_ALONE = "What its search found isn't reported but for the shape; the other settings are ours."

_SCRATCH = Recipe(
    name="scratch",
    summary="Our decoder from scratch: byte-level BPE of the train split, mean pooling, strong dropout",
    kind="scratch",
    decoder={
        "vocab_size": 4096,
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "dropout": 0.3,
        "embedding_dropout": 0.2,
        "pooling": "mean",
    },
    lowercase=True,
    epochs=30,
    batch_size=32,
    lr=1e-3,
    weight_decay=0.1,
    schedule="cosine",
    label_smoothing=0.05,
    patience=6,
    # Products this small don't gain from bfloat16 what casting to it costs: 51 ms a step against 40 on a CPU where
    # large products gain.
    precision="float32",
)

_MINILM = Recipe(
    name="minilm",
    summary="",
    kind="pretrained",
    backbone="minilm",
    head=Head("pooled", width=384, dropout=0.1),
    batch_size=32,
    lr=5e-5,
    head_lr=5e-4,
    epochs=3,
    max_length=128,
)

_MINI = Recipe(
    name="mini",
    summary="",
    kind="pretrained",
    backbone="polish-gpt-mini",
    head=Head("pooled", width=128, dropout=0.2),
    batch_size=32,
    lr=5e-4,
    head_lr=1e-3,
    weight_decay=0.05,
    epochs=5,
    patience=2,
    schedule="cosine",
    # As for the decoder from scratch: products this small gain nothing from bfloat16.
    precision="float32",
)

_MINIS = (
    dataclasses.replace(
        _MINI,
        name="mini-last1",
        summary="Our Polish GPT-mini, all frozen but the last block, the final norm and the head",
        method=Method("last", 1, train_final_norm=True),
        lr=1e-3,
        epochs=8,
    ),
    dataclasses.replace(
        _MINI,
        name="mini-last3",
        summary="Our Polish GPT-mini, all frozen but the last three blocks, the final norm and the head",
        method=Method("last", 3, train_final_norm=True),
        epochs=6,
    ),
    dataclasses.replace(_MINI, name="mini-full", summary="Our Polish GPT-mini, every weight trained"),
    dataclasses.replace(
        _MINI,
        name="mini-lora",
        summary="Our Polish GPT-mini with low-rank adapters on the attention's projections",
        method=Method("lora", rank=16, alpha=32),
        lr=2e-3,
        epochs=8,
    ),
    dataclasses.replace(
        _MINI,
        name="mini-qlora",
        summary="Our Polish GPT-mini in 4 bits with low-rank adapters",
        method=Method("qlora", rank=16, alpha=32),
        lr=2e-3,
        epochs=8,
    ),
    dataclasses.replace(
        _MINI,
        name="mini-prompt",
        summary="Our Polish GPT-mini, frozen, with 16 trained vectors before the text",
        method=Method("prompt", prompt_tokens=16),
        lr=1e-2,
        epochs=10,
        # The vectors take 16 of its 256 positions.
        max_length=240,
    ),
    dataclasses.replace(
        _MINI,
        name="mini-head",
        summary="Our Polish GPT-mini, frozen, under a trained head",
        method=Method("head"),
        lr=2e-3,
        epochs=10,
    ),
    dataclasses.replace(
        _MINI,
        name="mini-random",
        summary="The shape of our Polish GPT-mini with random weights, every weight trained: what size alone gives",
        random_weights=True,
        lr=1e-3,
        epochs=12,
        patience=4,
    ),
)


def _frozen(name: str, backbone: str, tasks: tuple[str, ...], title: str, is_decoder: bool) -> tuple[Recipe, Recipe]:
    """What a backbone can do untrained, which every fine-tuned row needs beside it: zero-shot and few-shot."""
    ways = ("likelihood", "likelihood") if is_decoder else ("similarity", "logistic")
    how = (
        ("the likelihood of each class's word in a prompt", "the likelihood of each class's word after examples")
        if is_decoder
        else ("likeness to descriptions of the classes", "a logistic head on its frozen embeddings of a few examples")
    )
    zero = Recipe(
        name=f"{name}-zero",
        summary=f"{title}, zero-shot: {how[0]}",
        kind="frozen",
        tasks=tasks,
        backbone=backbone,
        frozen=Frozen(ways[0]),
    )
    few = dataclasses.replace(
        zero,
        name=f"{name}-few",
        summary=f"{title}, few-shot: {how[1]}",
        frozen=Frozen(ways[1], shots="1,4,16" if is_decoder else "1,4,16,64"),
    )
    return zero, few


_ALL = (
    Recipe("majority", "Always the shares of the classes in training", "baseline", baseline="majority"),
    Recipe(
        "tfidf",
        "TF-IDF (words 1-2, characters 2-5) with logistic regression",
        "baseline",
        baseline="tfidf",
        class_weights=True,
    ),
    _SCRATCH,
    Recipe(
        name="scratch-3m4",
        summary="Published decoder from scratch, 3.4M: width 64, 4 blocks, chosen by a 500-trial search",
        kind="scratch",
        tasks=("slang",),
        decoder={
            "vocab_size": 51200,
            "hidden_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "max_position_embeddings": 512,
            "final_norm": False,
        },
        epochs=20,
        lr=5e-4,
        reported={
            "accuracy": 0.5645,
            "f1": 0.5047,
            "training_seconds": 111,
            "seconds_per_epoch": 5.5,
            "ms_per_sample": 1.09,
            "test_rows": 434,
            **_SLANG_TRAIN_PART,
            "notes": (_SHAPE_ALONE,),
        },
    ),
    Recipe(
        name="scratch-5m7",
        summary="Published GPT-2-like decoder from scratch, 5.7M: width 128, 8 blocks, two-layer head",
        kind="scratch",
        tasks=("slang",),
        decoder={
            "vocab_size": 32000,
            "hidden_size": 128,
            "num_hidden_layers": 8,
            "num_attention_heads": 4,
            "intermediate_size": 512,
            "attention_bias": False,
            "dropout": 0.4,
            "head": "mlp",
        },
        epochs=140,
        batch_size=32,
        lr=1e-5,
        weight_decay=0.35,
        warmup=0.0,
        schedule="cosine",
        schedule_per_epoch=True,
        patience=140,
        max_minutes=90,
        reported={
            "accuracy": 0.5488,
            "macro_f1": 0.4400,
            "mcc": 0.2362,
            "loss": 0.9656,
            "ms_per_sample": 5.0,
            "test_rows": 543,
            **_SLANG,
        },
    ),
    dataclasses.replace(
        _MINILM,
        name="minilm-last1",
        summary="MiniLM (22.7M, English), all frozen but the last block and the head",
        method=Method("last", 1),
        lr=5e-4,
        head_lr=1e-3,
        epochs=6,
        patience=2,
    ),
    dataclasses.replace(
        _MINILM,
        name="minilm-lora",
        summary="MiniLM with low-rank adapters on query and value",
        method=Method("lora", rank=16, alpha=32),
        lr=1e-3,
        head_lr=1e-3,
        epochs=4,
        patience=2,
    ),
    dataclasses.replace(
        _MINILM,
        name="minilm-qlora",
        summary="MiniLM in 4 bits with low-rank adapters on query and value",
        method=Method("qlora", rank=16, alpha=32),
        lr=1e-3,
        head_lr=1e-3,
        epochs=4,
        patience=2,
    ),
    dataclasses.replace(
        _MINILM,
        name="minilm-prompt",
        summary="MiniLM, frozen, with 16 trained vectors before the text",
        method=Method("prompt", prompt_tokens=16),
        lr=1e-2,
        head_lr=1e-3,
        epochs=5,
        patience=2,
    ),
    dataclasses.replace(
        _MINILM,
        name="minilm-head",
        summary="MiniLM, frozen, under a trained head",
        method=Method("head"),
        lr=1e-3,
        epochs=6,
        patience=2,
    ),
    dataclasses.replace(_MINILM, name="minilm-full", summary="MiniLM, every weight trained", lr=1e-4, patience=2),
    *_MINIS,
    Recipe(
        name="gpt2-last1",
        summary="polish-gpt2-small, all frozen but the last block and a bias-free head",
        kind="pretrained",
        tasks=("slang",),
        backbone="polish-gpt2",
        method=Method("last", 1),
        lr=5e-5,
        head_lr=5e-4,
        epochs=5,
        reported={
            "accuracy": 0.6866,
            "f1": 0.6852,
            "training_seconds": 2392,
            "seconds_per_epoch": 478,
            "ms_per_sample": 39.45,
            "test_rows": 434,
            **_SLANG_TRAIN_PART,
            "notes": ("Its rates and schedule aren't reported; those here are ours.",),
        },
    ),
    Recipe(
        name="bielik-last3",
        summary="Bielik-1.5B, all frozen but the last 3 blocks, the final norm and a two-layer head",
        kind="pretrained",
        tasks=("slang",),
        backbone="bielik",
        method=Method("last", 3, train_final_norm=True),
        head=Head("mlp"),
        lr=1e-5,
        weight_decay=0.35,
        warmup=0.0,
        epochs=3,
        batch_size=32,
        max_length=256,
        max_minutes=30,
        reported={
            "accuracy": 0.6593,
            "macro_f1": 0.6296,
            "mcc": 0.4320,
            "loss": 0.7768,
            "ms_per_sample": 800.0,
            "test_rows": 543,
            **_SLANG,
            "hardware": "a laptop, for the 80 s per 100 samples",
        },
    ),
    Recipe(
        name="herbert-lora",
        summary="HerBERT base with LoRA of rank 8: the best published result on the slang set",
        kind="pretrained",
        tasks=("slang",),
        backbone="herbert",
        method=Method("lora", rank=8, alpha=16, dropout=0.1),
        lr=2e-4,
        batch_size=8,
        epochs=5,
        reported={
            "accuracy": 0.7145,
            "macro_f1": 0.6901,
            "weighted_f1": 0.7076,
            "ms_per_sample": 1.18,
            "test_rows": 543,
            **_SLANG,
            "notes": ("The reported 124,445,187 parameters leave out the 294,912 of the adapters.",),
        },
    ),
    Recipe(
        name="mbert-full",
        summary="Multilingual BERT, every weight, float32",
        kind="pretrained",
        tasks=("nli",),
        backbone="mbert",
        lr=2e-5,
        batch_size=16,
        epochs=3,
        precision="float32",
        reported={
            "accuracy": 0.736,
            "peak_memory_gb": 12.8,
            "seconds_per_epoch": 1440,
            **_WATSON,
            "precision": "float32",
        },
    ),
    Recipe(
        name="mbert-lora",
        summary="Multilingual BERT with LoRA of rank 16 on query and value",
        kind="pretrained",
        tasks=("nli",),
        backbone="mbert",
        method=Method("lora", rank=16, alpha=32, dropout=0.1),
        lr=5e-5,
        batch_size=8,
        accumulation=2,
        epochs=3,
        reported={
            "accuracy": 0.731,
            "peak_memory_gb": 3.2,
            "seconds_per_epoch": 204,
            **_WATSON,
            "precision": "float16",
        },
    ),
    Recipe(
        name="xlmr-lora",
        summary="XLM-RoBERTa base with LoRA of rank 16 on query and value",
        kind="pretrained",
        tasks=("nli",),
        backbone="xlm-roberta",
        method=Method("lora", rank=16, alpha=32, dropout=0.1),
        lr=2e-4,
        batch_size=16,
        epochs=3,
        reported={
            "ms_per_sample": 50.0,
            **_WATSON,
            "hardware": "a CPU server",
            "notes": ("Its rank, rates and figures aren't reported, only that an answer takes 50 ms.",),
        },
    ),
)

_FROZEN = (
    *_frozen("minilm", "minilm", ("slang", "nli"), "MiniLM", is_decoder=False),
    *_frozen("mini", "polish-gpt-mini", ("slang", "nli"), "Our Polish GPT-mini", is_decoder=True),
    *_frozen("gpt2", "polish-gpt2", ("slang",), "polish-gpt2-small", is_decoder=True),
    *_frozen("bielik", "bielik", ("slang",), "Bielik-1.5B", is_decoder=True),
    *_frozen("herbert", "herbert", ("slang",), "HerBERT base", is_decoder=False),
    *_frozen("mbert", "mbert", ("nli",), "Multilingual BERT", is_decoder=False),
    *_frozen("xlmr", "xlm-roberta", ("nli",), "XLM-RoBERTa base", is_decoder=False),
    Recipe(
        name="nli-zero",
        summary='A trained NLI model asked whether "this message is positive" follows from the text',
        kind="frozen",
        tasks=("slang",),
        backbone="minilm-lora",
        frozen=Frozen("entailment"),
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in (*_ALL, *_FROZEN)})


def get_recipe(name: str, task: Task, changes: Sequence[str] = ()) -> Recipe:
    """Return the recipe called `name` for `task`, with changes like `lr=3e-4` or `decoder.hidden_size=64` applied.

    Raises:
        RecipeError: There is no such recipe, it isn't for this task, or a change doesn't fit.
    """
    if name not in RECIPES:
        raise RecipeError(f"There is no recipe '{name}'. Recipes: {', '.join(RECIPES)}.")
    recipe = RECIPES[name]
    if task.name not in recipe.tasks:
        raise RecipeError(f"The recipe {name} is for {', '.join(recipe.tasks)}, not for {task.name}.")
    return change_settings(recipe, changes, settings(recipe))


def settings(recipe: Recipe) -> dict[str, Any]:
    """Every setting of `recipe` that can be changed, by the name that `--set` takes, with its present value."""
    parts = {"scratch": ("decoder",), "pretrained": ("method", "head"), "frozen": ("frozen",)}
    kept = parts.get(recipe.kind, ())
    fixed = ("name", "summary", "kind", "baseline")
    return {
        name: value
        for name, value in flatten(recipe).items()
        if name not in fixed and ("." not in name or name.partition(".")[0] in kept)
    }


def count_untouched(recipe: Recipe, pair: bool = False, num_labels: int = 3) -> ParameterCount | None:
    """The backbone's parameters and a fitted head's; None where a trained NLI model stands in the backbone's place."""
    if recipe.asks_nli:
        return None
    backbone = build_untouched(get_backbone(recipe.backbone), recipe.frozen.way == "likelihood")
    size = count_parameters(backbone).total
    if recipe.frozen.way != "logistic":
        return ParameterCount(size, 0)
    # A pair is described by both embeddings, their distance and their product.
    head = num_labels * (backbone.config.hidden_size * (4 if pair else 1) + 1)
    return ParameterCount(size + head, head)


def count_recipe(recipe: Recipe, pair: bool = False, num_labels: int = 3) -> ParameterCount | None:
    """Count a recipe's model, for single texts or pairs, on the meta device; None for baselines, sized by the data."""
    import torch

    if recipe.kind == "baseline":
        return None
    if recipe.kind == "frozen":
        return count_untouched(recipe, pair, num_labels)
    if recipe.kind == "pretrained":
        backbone = get_backbone(recipe.backbone)
        return count_parameters(adapt(build_without_weights(backbone, recipe.head, pair, num_labels), recipe.method))
    from engine.models.decoder import make_decoder

    with torch.device("meta"):
        return count_parameters(make_decoder(recipe.decoder, num_labels))
