"""Models as `transformers` opens them from the Hub: a backbone under a head of ours, in a config and a class.

Importing this module teaches `AutoConfig` and `AutoModelForSequenceClassification` the architecture; no code from a
repository is ever run.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from engine.models.heads import Head, PooledClassifier
from engine.models.pretrained import without_pooler

COPIED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "vocab_size")
"""Settings of the backbone that peft and pipelines look for in the classifier's own config."""


class PooledConfig(PreTrainedConfig):
    """A `PooledModel`: the backbone's config as plain values, and the head."""

    model_type = "odzera-pooled"

    backbone: dict[str, Any] | None = None
    """Config of the backbone, with its `model_type`."""
    head: dict[str, Any] | None = None
    """Arguments of `engine.models.heads.Head`."""
    pair: bool = False
    head_bias: bool = False
    """Whether a linear head has a bias, which weighs the classes."""
    hidden_size: int = 0
    num_hidden_layers: int = 0
    num_attention_heads: int = 0
    max_position_embeddings: int | None = None
    vocab_size: int = 0
    pad_token_id: int | None = None


class PooledModel(PreTrainedModel):
    """`PooledClassifier` as a model of transformers; the weights have the same names."""

    config_class = PooledConfig
    base_model_prefix = "backbone"
    _supports_sdpa = True

    def __init__(self, config: PooledConfig) -> None:
        super().__init__(config)
        shape = dict(config.backbone or {})
        inner = AutoConfig.for_model(shape.pop("model_type"), **shape)
        inner.pad_token_id = config.pad_token_id
        backbone = AutoModel.from_config(inner, **without_pooler(inner))
        built = PooledClassifier(backbone, Head(**(config.head or {})), config.pair, int(config.num_labels or 0))
        self.backbone, self.classifier = built.backbone, built.classifier
        self.knows_types, self.takes = built.knows_types, built.takes
        self.is_decoder, self.apart, self.pool = built.is_decoder, built.apart, built.pool
        if config.head_bias and isinstance(self.classifier, nn.Linear) and self.classifier.bias is None:
            self.classifier.bias = nn.Parameter(torch.zeros(self.classifier.out_features))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """As PyTorch began them: what isn't in a checkpoint is the head of an adapter's base, which brings its own."""

    def get_input_embeddings(self) -> nn.Module:
        """The backbone's token embedding."""
        return self.backbone.get_input_embeddings()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **more: object,
    ) -> SequenceClassifierOutput:
        """Classify a batch; see `PooledClassifier.forward`."""
        classify: Any = PooledClassifier.forward
        result: SequenceClassifierOutput = classify(
            self, input_ids, attention_mask, token_type_ids, inputs_embeds, **more
        )
        return result


def pooled_config(
    backbone: Any, head: Mapping[str, Any], pair: bool, labels: Mapping[int, str], head_bias: bool
) -> PooledConfig:
    """The config of a classifier on `backbone`, a model of transformers."""
    shape = backbone.config.to_diff_dict() | {"model_type": backbone.config.model_type}
    for name in ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"):
        shape.pop(name, None)
    copied: dict[str, Any] = {name: getattr(backbone.config, name, None) for name in COPIED}
    return PooledConfig(
        backbone=shape,
        head=dict(head),
        pair=pair,
        head_bias=head_bias,
        pad_token_id=backbone.config.pad_token_id,
        id2label=dict(labels),
        label2id={label: place for place, label in labels.items()},
        **copied,
    )


def as_pooled_model(model: PooledClassifier, config: PooledConfig) -> PooledModel:
    """The same weights in a model of transformers."""
    with torch.device("meta"):
        made = PooledModel(config)
    made.backbone, made.classifier = model.backbone, model.classifier
    return made


AutoConfig.register(PooledConfig.model_type, PooledConfig)
AutoModelForSequenceClassification.register(PooledConfig, PooledModel)
