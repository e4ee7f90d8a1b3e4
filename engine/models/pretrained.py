"""Pretrained backbones opened with their tokenizers: as classifiers under a head, or untouched."""

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from logging import ERROR, getLogger
from pathlib import Path
from threading import RLock
from typing import Any

import torch

from engine.errors import HubError, RecipeError
from engine.hub import client
from engine.models.backbone_files import locate, require_known
from engine.models.backbones import Backbone
from engine.models.heads import Head, PooledClassifier, is_decoder, is_head

OPENING = RLock()
"""Held while a model is built or opened: transformers then sets PyTorch's defaults and initialisation for the whole
process, and a second thread's model would be left with random weights."""


@dataclass(frozen=True)
class Opened:
    """A classifier with the tokenizer that belongs to it, and where its frozen weights came from."""

    model: Any
    tokenizer: Any
    origin: Mapping[str, str] = field(default_factory=dict)
    """`repo_id` and `revision` (a commit, or the package's version)."""


def build_without_weights(backbone: Backbone, head: Head, pair: bool, num_labels: int) -> Any:
    """Build the classifier on the meta device: every shape, no weights, no memory; a network only for unlisted ones."""
    return build_from_shape(backbone, head, pair, num_labels, torch.device("meta"))


def build_from_shape(backbone: Backbone, head: Head, pair: bool, num_labels: int, device: torch.device) -> Any:
    """Build the classifier with random weights on `device`; what it costs is the same."""
    from transformers import AutoModel, AutoModelForSequenceClassification

    config = _shape(backbone, num_labels=num_labels)
    with device:
        if wants_pooling(head, config):
            return PooledClassifier(AutoModel.from_config(config, **without_pooler(config)), head, pair, num_labels)
        return AutoModelForSequenceClassification.from_config(config)


def build_untouched(backbone: Backbone, causal: bool) -> Any:
    """Build the backbone without a head, or with its language model's, on the meta device."""
    from transformers import AutoModel, AutoModelForCausalLM

    config = _shape(backbone)
    with torch.device("meta"):
        if causal:
            return AutoModelForCausalLM.from_config(config)
        return AutoModel.from_config(config, **without_pooler(config))


def _shape(backbone: Backbone, **more: Any) -> Any:
    from transformers import AutoConfig

    shape = dict(backbone.shape)
    if shape:
        return AutoConfig.for_model(shape.pop("model_type"), **more, **shape)
    return AutoConfig.from_pretrained(locate(backbone)[0], trust_remote_code=False, **more)


def count_positions(config: Any) -> int | None:
    """How many tokens the architecture reads at once; None where nothing limits it."""
    # RoBERTa counts its positions from the one after padding.
    offset = config.pad_token_id + 1 if "roberta" in config.model_type else 0
    positions = getattr(config, "max_position_embeddings", None)
    return None if positions is None else int(positions) - offset


def wants_pooling(head: Head, config: Any) -> bool:
    """Whether `PooledClassifier` reads the backbone: all but an encoder under its architecture's own linear head.

    transformers' own classifiers for decoders find the last token by its id, which fails where the text ends as the
    padding begins, and count positions from the padding where that is on the left.
    """
    return head.kind != "linear" or is_decoder(config)


def without_pooler(config: Any) -> dict[str, bool]:
    """BERT and its kin bring a layer over the first token, which pooling over all has no use for."""
    from transformers import MODEL_MAPPING

    kind: Any = MODEL_MAPPING[type(config)]
    asks = isinstance(kind, type) and "add_pooling_layer" in inspect.signature(kind).parameters
    return {"add_pooling_layer": False} if asks else {}


def _require_classifier(name: str, config: Any, pooled: bool) -> None:
    """Raise where the architecture and the head don't fit together."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, MODEL_MAPPING

    known = MODEL_MAPPING if pooled else MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
    if type(config) not in known or (pooled and config.is_encoder_decoder):
        other = "" if pooled or type(config) not in MODEL_MAPPING else " Try --set head.kind=pooled."
        raise HubError(f"{name}: transformers has no text classifier of the architecture {config.model_type}.{other}")


def _open_tokenizer(name: str, folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        settings = folder / "tokenizer_config.json"
        if settings.is_file() and "auto_map" in json.loads(settings.read_text(encoding="utf-8")):
            raise HubError(
                f"{name}: its tokenizer is code of its own, and code from a repository is never run."
            ) from error
        raise HubError(f"{name}: transformers can't open its tokenizer.") from error


def open_backbone(
    backbone: Backbone,
    head: Head,
    pair: bool,
    num_labels: int,
    revision: str | None = None,
    random_weights: bool = False,
    four_bit: bool = False,
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
        four_bit: Keep the backbone's matrices in 4 bits (NF4; Dettmers et al., 2023).

    Raises:
        HubError: It isn't here and can't be had, or it is no classifier that transformers can build.
        RecipeError: 4 bits are asked for where bitsandbytes doesn't run.
    """
    from transformers import AutoModel, AutoModelForSequenceClassification

    with client.one_line_errors(backbone.repo_id):
        folder, commit, config, tokenizer = _open_parts(backbone, revision, num_labels=num_labels)
        pooled = wants_pooling(head, config)
        _require_classifier(backbone.repo_id, config, pooled)
        kind: Any = AutoModel if pooled else AutoModelForSequenceClassification
        options = without_pooler(config) if pooled else {}
        if random_weights:
            config.dtype = torch.float32
            model: Any = kind.from_config(config, **options)
        else:
            model, told = kind.from_pretrained(
                folder, config=config, output_loading_info=True, **options, **_safely(four_bit)
            )
            _keep_packing(model)
            if not pooled:
                model.fresh_modules = _fresh_modules(told["missing_keys"])
        if pooled:
            model = PooledClassifier(model, head, pair, num_labels)
    model.config.pad_token_id = tokenizer.pad_token_id
    return Opened(model, tokenizer, {"repo_id": backbone.repo_id, "revision": commit})


def _fresh_modules(missing: Iterable[str]) -> tuple[str, ...]:
    """Modules below the head that the checkpoint has no weights for, such as the pooler of a BERT without one.

    They begin at random, so that every method has to train and keep them with the head.
    """
    return tuple(sorted({name.rpartition(".")[0] for name in missing if not is_head(name)}))


def open_untouched(backbone: Backbone, causal: bool | None, revision: str | None = None) -> Opened:
    """Open the backbone as it was pretrained: with its language model's head, or without any.

    Args:
        backbone: Which one.
        causal: Whether to open it as a causal language model; None: where it is a decoder.
        revision: Commit to insist on, for a kept model.

    Raises:
        HubError: It isn't here and can't be had.
        RecipeError: `causal` is asked of an encoder.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    with client.one_line_errors(backbone.repo_id):
        folder, commit, config, tokenizer = _open_parts(backbone, revision)
        _require_classifier(backbone.repo_id, config, pooled=True)
        causal = is_decoder(config) if causal is None else causal
        if causal and not is_decoder(config):
            # transformers would open it all the same, and it would see the word that it shall foretell.
            raise RecipeError(f"{backbone.name} is an encoder, so it can't say what comes next: use way=similarity.")
        kind: Any = AutoModelForCausalLM if causal else AutoModel
        options = {} if causal else without_pooler(config)
        model = kind.from_pretrained(folder, config=config, **options, **_safely())
    return Opened(model, tokenizer, {"repo_id": backbone.repo_id, "revision": commit})


def _open_parts(backbone: Backbone, revision: str | None, **more: Any) -> tuple[str, str, Any, Any]:
    """Folder, commit, config and tokenizer."""
    from transformers import AutoConfig
    from transformers.utils import logging

    # The bar and the report of new head weights come for every model at every start and help nobody.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    folder, commit = locate(backbone, revision)
    require_known(backbone.repo_id, Path(folder))
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **more)
    tokenizer = _open_tokenizer(backbone.repo_id, Path(folder))
    if tokenizer.pad_token_id is None:
        # Llama's has none; padding is masked, so that any token will do.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise HubError(f"{backbone.repo_id}: its tokenizer has no token to pad with.")
    return folder, commit, config, tokenizer


def _safely(four_bit: bool = False) -> dict[str, Any]:
    safely: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "dtype": torch.float32}
    if not four_bit:
        return safely
    require_four_bit()
    from transformers import BitsAndBytesConfig

    compute = torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
    four = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        # The head is new and is trained, so it isn't rounded.
        llm_int8_skip_modules=["classifier", "score"],
    )
    return safely | {"quantization_config": four, "device_map": {"": "cuda" if torch.cuda.is_available() else "cpu"}}


def _keep_packing(model: Any) -> None:
    """Let matrices in 4 bits be read the same way in training and after it.

    On processors with AVX512-BF16, bitsandbytes 0.50 packs them anew at the first evaluation, for a product without
    gradients: in the epochs after it, training would no longer reach the adapters below.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def require_four_bit() -> None:
    """Raise unless bitsandbytes is here and multiplies in 4 bits on this machine.

    Raises:
        RecipeError: It doesn't.
    """
    if find_spec("bitsandbytes") is None:
        raise RecipeError(
            "QLoRA needs bitsandbytes, which isn't installed: pip install 'odzera[qlora]'. Without it, use the method "
            "lora: the same adapters on weights that aren't rounded."
        )
    # It tells at import which kernels it would rather have.
    getLogger("bitsandbytes").setLevel(ERROR)
    try:
        four: Any = import_module("bitsandbytes.nn")

        device = "cuda" if torch.cuda.is_available() else "cpu"
        with torch.inference_mode():
            four.Linear4bit(64, 64, quant_type="nf4").to(device)(torch.ones(1, 64, device=device))
    except Exception as error:
        # Whatever its native code brings along, the answer is one line.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RecipeError(
            f"QLoRA: bitsandbytes doesn't run on this machine ({reason}). Use the method lora."
        ) from error
