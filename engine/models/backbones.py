"""Pretrained backbones by name: where each comes from, at which revision, and its shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.errors import RecipeError
from engine.hub import client
from engine.messages import message
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
    """A branch is resolved to a commit at first use, which goes into the checkpoint and is what is loaded again."""
    package: bool = False
    """Whether the weights are installed from the package index and need no network."""
    bundled: bool = False
    """Whether the weights ship with the product, in `checkpoints/`."""
    licence: str = ""
    """As far as it is known here; its page on the hub decides. Empty where it isn't known for sure."""
    data: str = ""
    """What it was trained on, in a few words of that page."""


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
                licence="Apache 2.0",
                data=message("over a billion pairs of sentences, listed on its page"),
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
                # No commit was to be had when this was written, so the first use resolves one; so for Bielik.
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
                licence="Apache 2.0",
                data=message("Polish texts collected by SpeakLeash"),
            ),
            Backbone(
                "herbert",
                "allegro/herbert-base-cased",
                {"model_type": "bert", "vocab_size": 50000, "max_position_embeddings": 514},
                # The branch main (50e33e0567be0c0b313832314c586e3df0dc2297) has a pickle alone; this pull request is
                # the hub's own conversion to safetensors.
                revision="refs/pr/2",
                licence="CC BY 4.0",
                data=message("Polish corpora, listed on its page"),
            ),
            Backbone(
                "mbert",
                "google-bert/bert-base-multilingual-cased",
                {"model_type": "bert", "vocab_size": 119547},
                revision="3f076fdb1ab68d5b2880cb87a0886f315b8146f8",
                licence="Apache 2.0",
                data=message("Wikipedia in 104 languages"),
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
                revision="e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
                licence="MIT",
                data=message("CommonCrawl in 100 languages"),
            ),
        )
    }
)


def get_backbone(name: str) -> Backbone:
    """Return the backbone called `name`, one for a local folder of that path, or one for a repository of the hub.

    Args:
        name: A key of `BACKBONES`, a folder, a model of `odzera pretrain`, `owner/name` or `owner/name@revision`.

    Raises:
        RecipeError: It is none of these.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if find_pretrained(name):
        return Backbone(name, name, {})
    on_hub = client.HUB_NAME.fullmatch(name)
    if on_hub:
        return Backbone(name, on_hub["repo_id"], {}, on_hub["revision"] or "main")
    raise RecipeError(
        f"There is no backbone '{name}'. Backbones: {', '.join(BACKBONES)}, a model of `odzera pretrain`, a folder "
        "with a config.json, or owner/name (or owner/name@revision) on the Hugging Face Hub."
    )
