"""A model folder holds a trained model as files that plain `transformers` or `peft` open."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors
from torch import nn
from transformers.utils import logging

from engine import __version__
from engine.data.tasks import Task, get_task
from engine.data.word_tokens import WordTokenizer
from engine.errors import ExportError, HubError
from engine.hub import client
from engine.hub.cache import is_commit
from engine.hub.privacy import replaced
from engine.models.backbone_files import WEIGHTS as BACKBONE_WEIGHTS
from engine.models.backbone_files import locate
from engine.models.backbones import get_backbone
from engine.models.heads import PooledClassifier, is_head
from engine.models.pretrained import OPENING, open_backbone
from engine.paths import find_pretrained
from engine.sharing.hf_baselines import TermTokenizer, baseline_model
from engine.sharing.hf_models import as_pooled_model, pooled_config
from engine.training.checkpoints import VOCABULARY, WEIGHTS, Checkpoint
from engine.training.classifiers import NeuralModel, WeighedModel, open_checkpoint

RECORD = "odzera.json"
"""What was trained how and measured: by it a repository is known to be one of ours."""
BASE = "base"
"""Folder with the frozen backbone that an adapter stands on, where the Hub hasn't got the very same one."""
ADAPTER = "adapter_model.safetensors"
ADAPTERS = ("lora", "qlora", "prompt")


@dataclass(frozen=True)
class Base:
    """Where an adapter's frozen backbone is."""

    repo_id: str
    revision: str = ""
    in_repository: bool = False
    """Whether it lies in the adapter's own repository, under `BASE`."""


@dataclass(frozen=True)
class ModelFolder:
    """A repository's files, and what its card has to say about opening them."""

    files: Mapping[str, bytes]
    adapter: bool = False
    base: Base | None = None
    four_bit: bool = False
    max_length: int = 0
    """Tokens of a text that is not cut; 0: any."""


def write_model(checkpoint: Checkpoint, repo_id: str) -> ModelFolder:
    """Make a repository of a trained model, all but its card.

    Args:
        checkpoint: The model.
        repo_id: `owner/name` of the repository, which adapters name as the place of their backbone.

    Raises:
        ExportError: It has no weights that were trained.
        CheckpointError: It can't be opened.
        HubError: Its backbone can't be had.
    """
    recipe = checkpoint.recipe
    if recipe.kind == "frozen":
        raise ExportError(
            f"{checkpoint.name} was not trained: it asks {recipe.backbone} as it is, so there are no weights to share."
        )
    if recipe.is_hybrid:
        raise ExportError(
            f"{checkpoint.name} is a decoder and TF-IDF, each with a tokenizer of its own, and no one model of "
            "transformers reads both: put it into a Space, or push a scratch and a tfidf apart."
        )
    logging.disable_progress_bar()
    task = get_task(checkpoint.task)
    record = _record(checkpoint)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if recipe.kind == "baseline":
            _save_baseline(checkpoint, task, folder)
            return ModelFolder({**_read(folder), RECORD: record})
        opened = open_checkpoint(checkpoint)
        weights = opened.weights if isinstance(opened, WeighedModel) else None
        inner: Any = opened.model if isinstance(opened, WeighedModel) else opened
        _save_tokenizer(inner.tokenizer, recipe.max_length, folder)
        if recipe.method.kind not in ADAPTERS or recipe.kind == "scratch":
            _save_whole(inner, task, recipe, weights, folder)
            return ModelFolder({**_read(folder), RECORD: record}, max_length=recipe.max_length)
        base = _save_adapter(inner, checkpoint, task, weights, folder, repo_id)
        return ModelFolder(
            {**_read(folder), RECORD: record}, True, base, recipe.method.kind == "qlora", recipe.max_length
        )


def _read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        # The card is ours.
        if path.is_file() and path.name != "README.md"
    }


def _record(checkpoint: Checkpoint) -> bytes:
    """Recipe, data and figures, as the manifest has them."""
    kept = ("name", "task", "labels", "recipe", "data", "origin", "epochs", "run", "decision_weights")
    told = {key: checkpoint.manifest[key] for key in kept if key in checkpoint.manifest}
    backbone = checkpoint.recipe.backbone
    if backbone and Path(backbone).is_dir():
        # Where a folder lies on this machine is nobody's business.
        told = replaced(told, backbone, Path(backbone).resolve().name)
    if checkpoint.recipe.unlabelled:
        told = replaced(told, checkpoint.recipe.unlabelled, Path(checkpoint.recipe.unlabelled).name)
    text = json.dumps({"odzera": __version__, **told}, ensure_ascii=False, indent=1, sort_keys=True)
    return text.encode() + b"\n"


def _named(task: Task) -> dict[int, str]:
    return dict(enumerate(task.labels))


def _save_baseline(checkpoint: Checkpoint, task: Task, folder: Path) -> None:
    arrays = load_arrays(checkpoint.path(WEIGHTS))
    model, terms = baseline_model(arrays, checkpoint.read_json(VOCABULARY), task.labels)
    weights = checkpoint.manifest.get("decision_weights")
    if weights:
        model.intercept.data += torch.log(torch.tensor(weights, dtype=torch.float32))
    model.save_pretrained(folder)
    # Written by the tokenizer itself, which reads it first.
    (folder / "terms.json").write_text(json.dumps(terms, ensure_ascii=False), encoding="utf-8")
    TermTokenizer(str(folder / "terms.json")).save_pretrained(folder)


def _save_tokenizer(tokenizer: Any, max_length: int, folder: Path) -> None:
    tokenizer.model_max_length = max_length
    if isinstance(tokenizer, WordTokenizer):
        tokenizer.save_pretrained(folder)
        return
    # A text that spells "<sep>" is a text, here as in training.
    tokenizer.split_special_tokens = True
    tokenizer.init_kwargs["split_special_tokens"] = True
    tokenizer.name_or_path = tokenizer.init_kwargs["name_or_path"] = ""
    if tokenizer.is_fast:
        # What the last call cut at isn't the tokenizer's own.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder)


def _save_whole(opened: NeuralModel, task: Task, recipe: Any, weights: Any, folder: Path) -> None:
    """Every weight, frozen ones too: a model that needs no other."""
    model = opened.model
    if isinstance(model, PooledClassifier):
        config = pooled_config(
            model.backbone, _head_of(recipe), task.is_pair, _named(task), _weigh_head(model, weights)
        )
        model = as_pooled_model(model, config)
    else:
        _weigh_head(model, weights)
        model.config.id2label = _named(task)
        model.config.label2id = {label: place for place, label in _named(task).items()}
    model.save_pretrained(folder)


def _head_of(recipe: Any) -> dict[str, Any]:
    head = recipe.head
    return {"kind": head.kind, "width": head.width, "dropout": head.dropout, "pooling": head.pooling}


def _weigh_head(model: nn.Module, weights: Any) -> bool:
    """Put the classes' weights in the decision into the head's bias: a factor of a probability is a summand there.

    Returns:
        Whether the head got a bias for that, which it hadn't.
    """
    if weights is None:
        return False
    last = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and is_head(name) and "original_module" not in name
    ][-1]
    summand = torch.from_numpy(np.log(np.asarray(weights, dtype=np.float64))).to(last.weight.dtype)
    fresh = last.bias is None
    last.bias = nn.Parameter(summand if fresh else last.bias.detach() + summand)
    return fresh


def _save_adapter(
    opened: NeuralModel, checkpoint: Checkpoint, task: Task, weights: Any, folder: Path, repo_id: str
) -> Base:
    """What was trained, in peft's format, and the config of the classifier that it belongs to."""
    recipe = checkpoint.recipe
    adapted = opened.model
    fresh_bias = _weigh_head(adapted, weights)
    with OPENING:
        torch.manual_seed(0)
        plain = open_backbone(
            get_backbone(recipe.backbone),
            recipe.head,
            task.is_pair,
            len(task.labels),
            checkpoint.manifest["origin"].get("revision"),
        ).model
    pooled = isinstance(plain, PooledClassifier)
    if pooled:
        config: Any = pooled_config(plain.backbone, _head_of(recipe), task.is_pair, _named(task), fresh_bias)
        config.architectures = ["PooledModel"]
    else:
        config = plain.config
        config.id2label = _named(task)
        config.label2id = {label: place for place, label in _named(task).items()}
    base = _find_base(checkpoint, plain) or Base(repo_id, in_repository=True)
    settings = next(iter(adapted.peft_config.values()))
    # A repository that brings its own backbone has no weights but in `BASE`, so that whatever looks for them elsewhere
    # says so; it is opened in two steps, see the card.
    settings.base_model_name_or_path = base.repo_id
    settings.revision = base.revision or None
    adapted.save_pretrained(folder, save_embedding_layers=False)
    config.save_pretrained(folder)
    if pooled:
        _refuse_other_heads(folder / ADAPTER)
    if base.in_repository:
        if fresh_bias and pooled:
            plain.classifier.bias = nn.Parameter(torch.zeros(len(task.labels)))
        # With the labels, and under the head that the adapter fills: it opens by itself as what the adapter fits.
        (as_pooled_model(plain, config) if pooled else plain).save_pretrained(folder / BASE)
    return base


def _refuse_other_heads(file: Path) -> None:
    """Add weights to an adapter's file that fit no head of transformers' own.

    peft skips names that a model lacks, and leaves what a file lacks at random: an adapter under a head of ours would
    open on the bare backbone without a word, as `LABEL_0` and nonsense. A wrong shape is an error.
    """
    tensors = load_tensors(file)
    head = next(name for name in tensors if is_head(name))
    before = head[: head.index("classifier")]
    for name in ("classifier.weight", "classifier.dense.weight", "score.weight"):
        tensors.setdefault(before + name, torch.zeros(1))
    save_tensors(tensors, file, metadata={"format": "pt"})


def hub_backbone(checkpoint: Checkpoint) -> str:
    """The repository on the Hub that a model's backbone came from, or nothing where it came from elsewhere."""
    recipe = checkpoint.recipe
    if recipe.kind != "pretrained":
        return ""
    backbone = get_backbone(recipe.backbone)
    local = find_pretrained(backbone.repo_id) and not is_commit(str(checkpoint.manifest["origin"].get("revision")))
    return "" if backbone.bundled or local else backbone.repo_id


def _find_base(checkpoint: Checkpoint, plain: Any) -> Base | None:
    """The backbone's repository on the Hub, if it has the very weights that were trained on, under usual names."""
    if not hub_backbone(checkpoint):
        return None
    backbone = get_backbone(checkpoint.recipe.backbone)
    revision = str(checkpoint.manifest["origin"].get("revision", ""))
    try:
        file = Path(locate(backbone, revision or None, download=False)[0]) / BACKBONE_WEIGHTS
        if not file.is_file() or not _names_fit(file, plain.base_model):
            return None
        return _same_on_hub(backbone.repo_id, revision if is_commit(revision) else "main", file)
    except HubError:
        return None


def _names_fit(file: Path, backbone: nn.Module) -> bool:
    """Whether a file's weights are called as the bare backbone's, without a prefix."""
    with safe_open(file, framework="pt") as opened:
        return set(dict(backbone.named_parameters())) <= set(opened.keys())


def _same_on_hub(repo_id: str, revision: str, file: Path) -> Base | None:
    from huggingface_hub import HfApi

    if not client.is_reachable():
        return None
    with client.one_line_errors(repo_id):
        info = HfApi(endpoint=client.endpoint()).model_info(repo_id, revision=revision, files_metadata=True)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    there = {one.rfilename: one.lfs.sha256 for one in info.siblings or [] if one.lfs}
    return Base(repo_id, info.sha or "") if there.get(BACKBONE_WEIGHTS) == digest and info.sha else None
