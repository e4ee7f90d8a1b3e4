"""The recipes: every system by name, as a table of frozen settings."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.data.tasks import Task
from engine.errors import RecipeError
from engine.evaluation.metrics import BETTER
from engine.models.backbones import get_backbone
from engine.models.decoder import DecoderConfig, make_decoder
from engine.models.methods import Method, ParameterCount, adapt, count_parameters
from engine.models.pretrained import Head, build_without_weights
from engine.training.settings import change_settings, flatten

KINDS = ("baseline", "scratch", "pretrained")
SCHEDULES = ("linear", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """All settings of one system; the same recipe, data and seed give the same model."""

    name: str
    summary: str
    kind: str
    """`baseline`, `scratch` or `pretrained`."""
    tasks: tuple[str, ...] = ("slang", "nli")
    baseline: str = ""
    backbone: str = ""
    random_weights: bool = False
    """Whether the backbone gives its shape and tokenizer alone, and training begins with random weights."""
    method: Method = field(default_factory=Method)
    head: Head = field(default_factory=Head)
    decoder: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `DecoderConfig`."""
    lowercase: bool = False
    """Whether the tokenizer trained from scratch folds case."""

    epochs: int = 10
    batch_size: int = 32
    accumulation: int = 1
    """Batches whose gradients are added up before a step."""
    lr: float = 1e-3
    """Peak learning rate of the backbone, or of the whole decoder."""
    head_lr: float | None = None
    """Peak learning rate of the head, where it differs."""
    weight_decay: float = 0.01
    warmup: float = 0.1
    """Share of the steps over which the rate rises."""
    schedule: str = "linear"
    schedule_per_epoch: bool = False
    """Whether the rate moves once an epoch instead of once a step."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    label_smoothing: float = 0.0
    class_weights: bool = False
    """Whether the loss weighs classes by the inverse of their frequency."""
    oversample: bool = False
    patience: int = 3
    """Epochs without a better validation figure before training stops."""
    max_minutes: float | None = None
    max_length: int = 256
    """Tokens; longer inputs are cut."""
    precision: str = "auto"
    """`auto`: bfloat16 where the hardware computes in it faster, else float32."""
    select_on: str = ""
    """Validation figure that the best epoch is chosen on; the task's own when empty."""
    seed: int = 0
    reported: Mapping[str, Any] = field(default_factory=dict)
    """What its authors report, for the systems of others."""

    def __post_init__(self) -> None:
        """Check every setting that has a range.

        Raises:
            RecipeError: One is out of it.
        """
        checks = {
            "kind": self.kind in KINDS,
            "schedule": self.schedule in SCHEDULES,
            "precision": self.precision in PRECISIONS,
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "accumulation": self.accumulation >= 1,
            "patience": self.patience >= 1,
            "max_length": self.max_length >= 8,
            "lr": 0 < self.lr < 1,
            "head_lr": self.head_lr is None or 0 < self.head_lr < 1,
            "seed": 0 <= self.seed < 2**32,
            "weight_decay": 0 <= self.weight_decay < 1,
            "warmup": 0 <= self.warmup < 1,
            "clip": self.clip > 0,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "select_on": self.select_on in ("", *BETTER),
            "max_minutes": self.max_minutes is None or self.max_minutes > 0,
        }
        for name, fine in checks.items():
            if not fine:
                raise RecipeError(f"{self.name}: {name} can't be {getattr(self, name)!r}.")
        if self.random_weights and self.method.kind != "full":
            raise RecipeError(f"{self.name}: random_weights are all trained; the method can't be '{self.method.kind}'.")
        positions = self.decoder.get("max_position_embeddings", DecoderConfig.max_position_embeddings)
        if self.kind == "scratch" and self.max_length > positions:
            raise RecipeError(f"{self.name}: max_length {self.max_length} is more than the {positions} positions.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, from which `from_dict` makes the same recipe."""
        plain = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return plain | {
            "tasks": list(self.tasks),
            "method": dataclasses.asdict(self.method),
            "head": dataclasses.asdict(self.head),
            "decoder": dict(self.decoder),
            "reported": dict(self.reported),
        }

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> "Recipe":
        """The inverse of `as_dict`.

        Raises:
            RecipeError: A setting is unknown or out of range.
        """
        try:
            return Recipe(
                **{
                    **plain,
                    "tasks": tuple(plain["tasks"]),
                    "method": Method(**plain["method"]),
                    "head": Head(**plain["head"]),
                }
            )
        except (TypeError, KeyError) as error:
            raise RecipeError(f"The recipe has a setting that this version doesn't know: {error}") from error


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
    Recipe("tfidf", "TF-IDF (words 1-2, characters 2-5) with logistic regression", "baseline", baseline="tfidf"),
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
    *_MINIS,
    dataclasses.replace(_MINILM, name="minilm-full", summary="MiniLM, every weight trained", lr=1e-4, patience=2),
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
        reported={"accuracy": 0.6593, "macro_f1": 0.6296, "mcc": 0.4320, "loss": 0.7768, "ms_per_sample": 800.0},
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
        reported={"accuracy": 0.7145, "macro_f1": 0.6901, "weighted_f1": 0.7076, "ms_per_sample": 1.18},
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
        reported={"accuracy": 0.736, "peak_memory_gb": 12.8, "seconds_per_epoch": 1440},
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
        reported={"accuracy": 0.731, "peak_memory_gb": 3.2, "seconds_per_epoch": 204},
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
        reported={"ms_per_sample": 50.0},
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})


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
    kept = {"scratch": ("decoder",), "pretrained": ("method", "head"), "baseline": ()}[recipe.kind]
    fixed = ("name", "summary", "kind", "baseline")
    return {
        name: value
        for name, value in flatten(recipe).items()
        if name not in fixed and ("." not in name or name.partition(".")[0] in kept)
    }


def count_recipe(recipe: Recipe, pair: bool = False, num_labels: int = 3) -> ParameterCount | None:
    """Count a recipe's model, for single texts or pairs, on the meta device; None for baselines, sized by the data."""
    import torch

    if recipe.kind == "baseline":
        return None
    if recipe.kind == "pretrained":
        backbone = get_backbone(recipe.backbone)
        return count_parameters(adapt(build_without_weights(backbone, recipe.head, pair, num_labels), recipe.method))
    with torch.device("meta"):
        return count_parameters(make_decoder(recipe.decoder, num_labels))
