"""Learning curves, costs and settings of trained models as plain values, for figures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.tasks import Task, get_task
from engine.errors import RecipeError
from engine.evaluation.overfitting import overfitting_point
from engine.models.decoder_config import DecoderConfig
from engine.store import Run, Store
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES

BASELINE_SETTINGS = ("class_weights", "oversample", "tune_thresholds")
NEURAL_SETTINGS = (
    *("epochs", "batch_size", "accumulation", "lr", "head_lr", "weight_decay", "warmup", "schedule"),
    *("schedule_per_epoch", "clip", "label_smoothing", *BASELINE_SETTINGS, "gradient_checkpointing", "patience"),
    *("max_minutes", "max_length", "precision", "select_on", "seed"),
)
METHOD_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "full": (),
    "last": ("blocks", "train_final_norm"),
    "head": (),
    "lora": ("rank", "alpha", "dropout", "targets"),
    "qlora": ("rank", "alpha", "dropout", "targets"),
    "prompt": ("prompt_tokens",),
}
"""Settings that matter for each way of adapting a backbone; the others change nothing."""
HEAD_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "linear": (),
    "mlp": ("width", "dropout"),
    "pooled": ("width", "dropout", "pooling"),
}
DECODER_SETTINGS = tuple(name for name in DecoderConfig.__annotations__ if name not in ("pad_token_id", "model_type"))


@dataclass(frozen=True)
class LearningCurve:
    """How one run went, epoch by epoch."""

    name: str
    epochs: Sequence[Mapping[str, Any]] = ()
    """Rows of `engine.store.Store.epochs`; none for what is fitted in one go."""
    best_epoch: int | None = None
    """The epoch whose weights were kept, or are the best so far."""
    stop: str = ""
    """Why training ended: `epochs`, `patience`, `time` or `diverged`; empty without epochs, and while it goes on."""

    @property
    def overfits_from(self) -> int | None:
        """See `engine.evaluation.overfitting`."""
        return overfitting_point(self.epochs)


@dataclass(frozen=True)
class LearningRun:
    """One trained model: how it came to be, and what that took."""

    curve: LearningCurve
    recipe: str
    kind: str
    """`baseline`, `scratch` or `pretrained`."""
    settings: Mapping[str, Any]
    """Every setting that had a part in it with the value that held, defaults resolved, by the name `--set` takes."""
    costs: Mapping[str, float | None]
    """`seconds`, `seconds_per_epoch`, `peak_memory_mb`, `trained`, `total` (parameters), `size_bytes`, `joules`."""
    test_accuracy: float
    machine: str
    """Device and threads that it was trained on."""

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.curve.name

    @property
    def adapts(self) -> str:
        """The backbone that it adapts; empty where there is none, or its weights were random."""
        settings = self.settings
        return "" if self.kind != "pretrained" or settings.get("random_weights") else str(settings["backbone"])


@dataclass(frozen=True)
class Ratio:
    """What low-rank adapters cost beside training every weight of the same backbone on the same data."""

    adapted: LearningRun
    full: LearningRun
    shares: Mapping[str, float | None]
    """Each cost of the adapted run as a share of the full one's; None where one of both wasn't measured."""

    @property
    def same_machine(self) -> bool:
        """Whether both were trained on the same processor and threads, so that their times compare."""
        return self.adapted.machine == self.full.machine


def list_learning(store: Store, task: Task, fingerprint: str) -> list[LearningRun]:
    """All models that were trained on one data set, oldest first; what was only asked, and not trained, isn't there.

    Raises:
        StoreError: The results can't be read.
    """
    runs = store.runs(task.name, fingerprint)
    return [read_learning(run, store.epochs(run.id)) for run in runs if run.record["settings"]["kind"] != "frozen"]


def read_learning(run: Run, epochs: Sequence[Mapping[str, Any]]) -> LearningRun:
    """One model's learning from its record and its epochs."""
    record = run.record
    cost, machine = record["cost"], record["machine"]
    settings = resolve_settings(record["settings"], get_task(run.task))
    if record.get("precision"):
        settings["precision"] = record["precision"].removeprefix("torch.")
    return LearningRun(
        curve=LearningCurve(run.model, epochs, cost.get("best_epoch"), cost.get("stop", "")),
        recipe=record["recipe"],
        kind=record["settings"]["kind"],
        settings=settings,
        costs={
            **{
                key: cost.get(key) for key in ("seconds", "seconds_per_epoch", "peak_memory_mb", "size_bytes", "joules")
            },
            "trained": record["parameters"]["trained"],
            "total": record["parameters"]["total"],
        },
        test_accuracy=record["scores"]["test"]["accuracy"],
        machine=f"{machine['device_name']}, {machine['threads']}",
    )


def resolve_settings(plain: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Every setting of a recorded recipe that had a part in its model, with the value that held.

    Args:
        plain: `Recipe.as_dict`, as this version or an older one wrote it.
        task: What it was trained for; some defaults are the task's.
    """
    try:
        recipe = Recipe.from_dict(plain)
    except RecipeError:
        # A newer version's record, or a foreign one: what it says is shown as it stands.
        return {name: value for name, value in plain.items() if isinstance(value, str | int | float)}
    kept: dict[str, Any] = {"kind": recipe.kind}
    if recipe.kind == "baseline":
        return kept | {"baseline": recipe.baseline} | {name: getattr(recipe, name) for name in BASELINE_SETTINGS}
    kept |= {name: getattr(recipe, name) for name in NEURAL_SETTINGS}
    kept["head_lr"] = recipe.head_lr or recipe.lr
    kept["select_on"] = recipe.select_on or task.select_on
    if recipe.kind == "scratch":
        config = DecoderConfig(**recipe.decoder)
        left_out = () if config.vectors else ("vectors", "vector_words")
        shape = {f"decoder.{name}": getattr(config, name) for name in DECODER_SETTINGS if name not in left_out}
        # Where the file lies on this machine is nobody's business.
        text = {"unlabelled": Path(recipe.unlabelled).name} if recipe.learns_vectors else {}
        parts = {"baseline": recipe.baseline, "baseline_weight": recipe.baseline_weight} if recipe.is_hybrid else {}
        return kept | parts | text | {"lowercase": recipe.lowercase} | shape
    method = {f"method.{name}": getattr(recipe.method, name) for name in METHOD_SETTINGS[recipe.method.kind]}
    head = {f"head.{name}": getattr(recipe.head, name) for name in HEAD_SETTINGS[recipe.head.kind]}
    backbone = {"backbone": recipe.backbone, "random_weights": recipe.random_weights}
    return kept | backbone | {"method.kind": recipe.method.kind, **method, "head.kind": recipe.head.kind, **head}


def compare_lora(runs: Sequence[LearningRun]) -> list[Ratio]:
    """Every LoRA or QLoRA run beside the full one of its backbone; runs are those on one data set."""
    full = {run.adapts: run for run in runs if run.adapts and run.settings["method.kind"] == "full"}
    return [
        Ratio(run, full[run.adapts], {key: _share(run.costs[key], full[run.adapts].costs[key]) for key in run.costs})
        for run in runs
        if run.adapts in full and run.settings["method.kind"] in ("lora", "qlora")
    ]


def lacks_full(runs: Sequence[LearningRun], task: str) -> dict[str, str]:
    """Backbones with a LoRA run and no full one, which a ratio would need → the command that trains it."""
    full = {run.adapts for run in runs if run.adapts and run.settings["method.kind"] == "full"}
    lacking: dict[str, str] = {}
    for run in runs:
        if run.adapts and run.adapts not in full and run.settings["method.kind"] in ("lora", "qlora"):
            there = (
                one.name
                for one in RECIPES.values()
                if (one.kind, one.backbone, one.method.kind) == ("pretrained", run.adapts, "full")
                and not one.random_weights
                and task in one.tasks
            )
            recipe = next(there, f"{run.recipe} --set method.kind=full --name {run.adapts}-full")
            lacking.setdefault(run.adapts, f"odzera train {recipe} --task {task}")
    return lacking


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None
