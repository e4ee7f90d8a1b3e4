"""The recipes: every system by name, as frozen settings; those of others are in `published_recipes`."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from engine.data.tasks import Task
from engine.errors import RecipeError
from engine.models.decoder_config import DecoderConfig
from engine.models.heads import Head
from engine.models.methods import Method
from engine.models.zero_shot.answerers import Frozen
from engine.training.published_recipes import PUBLISHED_FROM_SCRATCH, PUBLISHED_PRETRAINED
from engine.training.recipe import Recipe
from engine.training.settings import change_settings, flatten

_SCRATCH = Recipe(
    name="scratch",
    summary="Our decoder from scratch: words with their character n-grams, one causal block, R-Drop",
    kind="scratch",
    decoder={
        "input": "words",
        "vocab_size": 51200,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "dropout": 0.3,
        "embedding_dropout": 0.2,
        "pooling": "max+sum",
        # The sum is what one block's states add to the words' own vectors: a norm would take their lengths away.
        "final_norm": False,
    },
    lowercase=True,
    epochs=8,
    batch_size=32,
    lr=3e-3,
    weight_decay=0.1,
    schedule="cosine",
    label_smoothing=0.05,
    r_drop=1.0,
    patience=4,
    precision="float32",
)

_VECTORS = dataclasses.replace(
    _SCRATCH,
    name="vectors",
    summary="Our decoder over frozen word vectors (PPMI, SVD) of unlabelled text: the train split's, and what is given",
    decoder={**_SCRATCH.decoder, "vectors": 64},
    # With the vectors there from the start, the best epoch of eight was the second or third.
    epochs=4,
    select_on="loss",
)

_HYBRID = dataclasses.replace(
    _SCRATCH,
    name="hybrid",
    summary="TF-IDF with our decoder from scratch added: it learns what TF-IDF misses on rows that it wasn't fitted on",
    baseline="tfidf",
    # TF-IDF knows most already; the best epoch of eight was the second or third.
    epochs=4,
)

_BPE = Recipe(
    name="scratch-bpe",
    summary="A decoder from scratch of tokens: byte-level BPE of the train split, mean pooling, strong dropout",
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
    summary="MiniLM",
    kind="pretrained",
    backbone="minilm",
    head=Head("pooled", width=384, dropout=0.1),
    batch_size=32,
    lr=5e-5,
    head_lr=5e-4,
    epochs=3,
    patience=2,
    max_length=128,
)

_MINI = Recipe(
    name="mini",
    summary="Our Polish GPT-mini",
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

_FULL, _LORA, _QLORA = Method(), Method("lora", rank=16, alpha=32), Method("qlora", rank=16, alpha=32)
_PROMPT, _HEAD = Method("prompt", prompt_tokens=16), Method("head")


def _adapted(base: Recipe, name: str, says: str, method: Method, **changes: Any) -> Recipe:
    """A backbone's own settings with a method; `says` goes on after what the backbone is called."""
    whole = {"name": f"{base.name}-{name}", "summary": f"{base.summary}{says}", "method": method, **changes}
    return dataclasses.replace(base, **whole)


_ADAPTED = (
    _adapted(
        _MINILM,
        "last1",
        " (22.7M, English), all frozen but the last block and the head",
        Method("last", 1),
        lr=5e-4,
        head_lr=1e-3,
        epochs=6,
    ),
    _adapted(_MINILM, "lora", " with low-rank adapters on query and value", _LORA, lr=1e-3, head_lr=1e-3, epochs=4),
    _adapted(
        _MINILM,
        "qlora",
        " in 4 bits with low-rank adapters on query and value",
        _QLORA,
        lr=1e-3,
        head_lr=1e-3,
        epochs=4,
    ),
    _adapted(
        _MINILM, "prompt", ", frozen, with 16 trained vectors before the text", _PROMPT, lr=1e-2, head_lr=1e-3, epochs=5
    ),
    _adapted(_MINILM, "head", ", frozen, under a trained head", _HEAD, lr=1e-3, epochs=6),
    _adapted(_MINILM, "full", ", every weight trained", _FULL, lr=1e-4),
    _adapted(
        _MINI,
        "last1",
        ", all frozen but the last block, the final norm and the head",
        Method("last", 1, train_final_norm=True),
        lr=1e-3,
        epochs=8,
    ),
    _adapted(
        _MINI,
        "last3",
        ", all frozen but the last three blocks, the final norm and the head",
        Method("last", 3, train_final_norm=True),
        epochs=6,
    ),
    _adapted(_MINI, "full", ", every weight trained", _FULL),
    _adapted(_MINI, "lora", " with low-rank adapters on the attention's projections", _LORA, lr=2e-3, epochs=8),
    _adapted(_MINI, "qlora", " in 4 bits with low-rank adapters", _QLORA, lr=2e-3, epochs=8),
    # The vectors take 16 of its 256 positions.
    _adapted(
        _MINI,
        "prompt",
        ", frozen, with 16 trained vectors before the text",
        _PROMPT,
        lr=1e-2,
        epochs=10,
        max_length=240,
    ),
    _adapted(_MINI, "head", ", frozen, under a trained head", _HEAD, lr=2e-3, epochs=10),
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
    dataclasses.replace(
        _SCRATCH,
        name="scratch-bag",
        summary="The control of our decoder from scratch: its words and n-grams without a block, so without attention",
        decoder={**_SCRATCH.decoder, "num_hidden_layers": 0},
    ),
    _VECTORS,
    _HYBRID,
    _BPE,
    *PUBLISHED_FROM_SCRATCH,
    *_ADAPTED,
    *PUBLISHED_PRETRAINED,
)

_ENCODER = {
    "zero": ("likeness to descriptions of the classes", Frozen("similarity")),
    "few": ("a logistic head on its frozen embeddings of a few examples", Frozen("logistic", shots="1,4,16,64")),
}
_DECODER = {
    "zero": ("the likelihood of each class's word in a prompt", Frozen("likelihood")),
    "few": ("the likelihood of each class's word after examples", Frozen("likelihood", shots="1,4,16")),
}
_UNTRAINED = (
    ("minilm", "minilm", "MiniLM", ("slang", "nli"), _ENCODER),
    ("mini", "polish-gpt-mini", "Our Polish GPT-mini", ("slang", "nli"), _DECODER),
    ("gpt2", "polish-gpt2", "polish-gpt2-small", ("slang",), _DECODER),
    ("bielik", "bielik", "Bielik-1.5B", ("slang",), _DECODER),
    ("herbert", "herbert", "HerBERT base", ("slang",), _ENCODER),
    ("mbert", "mbert", "Multilingual BERT", ("nli",), _ENCODER),
    ("xlmr", "xlm-roberta", "XLM-RoBERTa base", ("nli",), _ENCODER),
)
"""What every fine-tuned row needs beside it: its backbone untrained, with no example and with a few."""

_FROZEN = (
    *(
        Recipe(f"{name}-{way}", f"{title}, {way}-shot: {says}", "frozen", tasks, backbone=backbone, frozen=frozen)
        for name, backbone, title, tasks, ways in _UNTRAINED
        for way, (says, frozen) in ways.items()
    ),
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
    every = flatten(recipe)
    if recipe.kind == "scratch":
        shape = {one: getattr(DecoderConfig, one) for one in DecoderConfig.__annotations__ if one != "pad_token_id"}
        every |= {f"decoder.{name}": value for name, value in (shape | dict(recipe.decoder)).items()}
    return {
        name: value
        for name, value in every.items()
        if name not in fixed and ("." not in name or name.partition(".")[0] in kept)
    }
