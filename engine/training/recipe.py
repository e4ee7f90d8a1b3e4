"""A recipe: all settings of one system as one frozen dataclass."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import RecipeError
from engine.evaluation.metrics import BETTER
from engine.messages import Message
from engine.models.decoder_config import DecoderConfig
from engine.models.heads import Head
from engine.models.methods import Method
from engine.models.zero_shot.answerers import Frozen

KINDS = ("baseline", "frozen", "scratch", "pretrained")
SCHEDULES = ("linear", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
LATER: Mapping[str, tuple[str, ...]] = {
    "": ("tune_thresholds", "gradient_checkpointing", "frozen", "r_drop", "baseline_weight", "unlabelled"),
    "method": ("targets",),
}
"""Settings that came after 0.3.0, by part."""


@dataclass(frozen=True)
class Recipe:
    """All settings of one system; the same recipe, data and seed give the same model."""

    name: str
    summary: str
    kind: str
    """`baseline`, `frozen` (pretrained, but not trained here), `scratch` or `pretrained`."""
    tasks: tuple[str, ...] = ("slang", "nli")
    baseline: str = ""
    """Which one; of the kind `scratch`, the one that the decoder adds to."""
    backbone: str = ""
    random_weights: bool = False
    """Whether the backbone gives its shape and tokenizer alone, and training begins with random weights."""
    method: Method = field(default_factory=Method)
    head: Head = field(default_factory=Head)
    frozen: Frozen = field(default_factory=Frozen)
    decoder: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of `DecoderConfig`."""
    lowercase: bool = False
    """Whether the tokenizer trained from scratch folds case."""
    baseline_weight: float = 1.0
    """What the log-probabilities of the baseline are multiplied with before the decoder adds to them."""
    unlabelled: str = ""
    """`FILE`, or `FILE:COLUMN`: text that word vectors are learnt from beside the train split's own; see
    `DecoderConfig.vectors`."""

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
    r_drop: float = 0.0
    """Weight of the disagreement of two passes over an input, each with its own dropout; see `loop.disagreement`."""
    class_weights: bool = False
    """Whether the loss weighs classes by the inverse of their frequency."""
    oversample: bool = False
    """Whether rows of the rarer classes are repeated in training until all classes are as frequent."""
    tune_thresholds: bool = False
    """Whether the classes' weights in the decision are tuned on validation after training."""
    gradient_checkpointing: bool = False
    """Whether activations are computed again in the backward pass instead of kept: less memory, more time."""
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
            "r_drop": 0 <= self.r_drop <= 100,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "select_on": self.select_on in ("", *BETTER),
            "max_minutes": self.max_minutes is None or self.max_minutes > 0,
            "baseline": self.kind != "scratch" or self.baseline in ("", "tfidf"),
            "baseline_weight": 0 < self.baseline_weight <= 10,
        }
        for name, fine in checks.items():
            if not fine:
                raise RecipeError(
                    Message(
                        "{recipe}: {setting} can't be {value}.",
                        recipe=self.name,
                        setting=name,
                        value=repr(getattr(self, name)),
                    )
                )
        if self.random_weights and self.method.kind != "full":
            raise RecipeError(f"{self.name}: random_weights are all trained; the method can't be '{self.method.kind}'.")
        positions = self.decoder.get("max_position_embeddings", DecoderConfig.max_position_embeddings)
        if self.kind == "scratch" and self.max_length > positions:
            raise RecipeError(f"{self.name}: max_length {self.max_length} is more than the {positions} positions.")

        if self.unlabelled and not self.learns_vectors:
            raise RecipeError(f"{self.name} learns no word vectors, so it has no use for unlabelled text.")

    @property
    def learns_vectors(self) -> bool:
        """Whether a decoder from scratch gets frozen word vectors, learnt from unlabelled text first."""
        return self.kind == "scratch" and bool(self.decoder.get("vectors"))

    @property
    def is_hybrid(self) -> bool:
        """Whether a decoder from scratch adds to a baseline."""
        return self.kind == "scratch" and bool(self.baseline)

    @property
    def reads_words(self) -> bool:
        """Whether a decoder from scratch reads words and their n-grams instead of tokens."""
        return self.kind == "scratch" and self.decoder.get("input") == "words"

    @property
    def asks_nli(self) -> bool:
        """Whether a trained NLI model stands in the backbone's place."""
        return self.kind == "frozen" and self.frozen.way == "entailment"

    def identity(self) -> dict[str, Any]:
        """`as_dict` without what its authors report, and without settings after 0.3.0 where they change nothing.

        So what was measured before they existed, or before a reported figure was added, still counts as measured with
        these settings.
        """
        plain, usual = self.as_dict() | {"reported": {}}, Recipe("", "", KINDS[0]).as_dict()
        for part, names in LATER.items():
            for name in names:
                own, default = (plain[part], usual[part]) if part else (plain, usual)
                if own[name] == default[name]:
                    del own[name]
        if self.kind == "baseline" and self.baseline == "tfidf":
            # 0.3.0's weighed the classes whatever this said, and it said no.
            plain["class_weights"] = False if self.class_weights else None
        return plain

    def as_dict(self) -> dict[str, Any]:
        """Plain values, from which `from_dict` makes the same recipe."""
        plain = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return plain | {
            "tasks": list(self.tasks),
            "method": dataclasses.asdict(self.method),
            "head": dataclasses.asdict(self.head),
            "frozen": dataclasses.asdict(self.frozen),
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
                    "frozen": Frozen(**plain.get("frozen", {})),
                }
            )
        except (TypeError, KeyError) as error:
            raise RecipeError(f"The recipe has a setting that this version doesn't know: {error}") from error
