"""Baselines as `transformers` opens them from the Hub: n-grams are the tokens, TF-IDF and its weights the model.

Importing this module teaches the Auto classes both; no code from a repository is ever run.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizer,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from engine.models.baselines import TfidfLogistic

PAD = "<pad>"
MARKS: Mapping[str, str] = {"word": "w", "char": "c"}
"""What a term begins with, as both views may know the same one."""


class BaselineConfig(PreTrainedConfig):
    """A `BaselineModel`."""

    model_type = "odzera-baseline"

    words: int = 0
    """Terms that are words; 0 with 0 `characters` is the majority class."""
    characters: int = 0
    """Terms that are runs of characters."""
    pair: bool = False
    pad_token_id: int | None = 0


class BaselineModel(PreTrainedModel):
    """TF-IDF with logistic regression over the counts of terms, or the shares of the classes whatever the text says."""

    config_class = BaselineConfig
    base_model_prefix = ""

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__(config)
        width, classes = config.words + config.characters, int(config.num_labels or 0)
        self.idf = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.coefficients = nn.Parameter(torch.zeros(classes, 3 * width if config.pair else width), requires_grad=False)
        self.intercept = nn.Parameter(torch.zeros(classes), requires_grad=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Zeros; every weight is in the checkpoint."""

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: Terms, each as often as it occurs, shape (batch, length); 0 is padding.
            attention_mask: Same shape; padding is known without.
            token_type_ids: Same shape, 1 for terms of the second text of a pair.
        """
        # No term at all makes an empty batch, which tokenizers take for one of floats.
        terms = input_ids.long()
        if not self.config.pair:
            return SequenceClassifierOutput(logits=self._logits(self._features(terms, terms > 0)))
        if token_type_ids is None:
            raise ValueError("A pair needs token_type_ids to tell its texts apart.")
        premise = self._features(terms, (terms > 0) & (token_type_ids == 0))
        hypothesis = self._features(terms, (terms > 0) & (token_type_ids == 1))
        both = torch.cat([hypothesis, premise * hypothesis, (premise - hypothesis).abs()], dim=1)
        return SequenceClassifierOutput(logits=self._logits(both))

    def _logits(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.coefficients.T + self.intercept

    def _features(self, terms: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        """TF-IDF of shape (batch, words + characters): sublinear counts, each view of length one."""
        counts = torch.zeros(len(terms), len(self.idf) + 1, dtype=self.idf.dtype, device=terms.device)
        counts.scatter_add_(1, terms, counted.to(counts.dtype))
        found = counts[:, 1:]
        weighed = torch.where(found > 0, found.clamp(min=1).log() + 1, 0) * self.idf
        words, characters = weighed.split([self.config.words, self.config.characters], dim=1)
        return torch.cat([nn.functional.normalize(words), nn.functional.normalize(characters)], dim=1)


class TermTokenizer(PreTrainedTokenizer):
    """Splits a text into the terms that TF-IDF counts: words (1-2) and runs of characters (2-5)."""

    vocab_files_names = {"vocab_file": "terms.json"}  # noqa: RUF012
    model_input_names = ["input_ids", "token_type_ids", "attention_mask"]  # noqa: RUF012

    def __init__(self, vocab_file: str, pad_token: str = PAD, **more: Any) -> None:
        """Read the terms of both views, in the order of the model's columns."""
        self.terms: list[str] = [PAD, *json.loads(Path(vocab_file).read_text(encoding="utf-8"))]
        self.ids = {term: place for place, term in enumerate(self.terms)}
        views = TfidfLogistic().vectorizers
        self.analyzers = {MARKS[view]: vectorizer.build_analyzer() for view, vectorizer in views.items()}
        super().__init__(pad_token=pad_token, **more)

    @property
    def vocab_size(self) -> int:
        """Terms, and the one for padding."""
        return len(self.terms)

    def get_vocab(self) -> dict[str, int]:
        """Term → id."""
        return dict(self.ids)

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        found = (f"{mark}{term}" for mark, analyse in self.analyzers.items() for term in analyse(text))
        return [term for term in found if term in self.ids]

    def tokenize(self, text: str, pair: str | None = None, add_special_tokens: bool = False, **_: Any) -> list[str]:
        """A text as it is: none of its words is special."""
        return self._tokenize(text)

    def _convert_token_to_id(self, token: str) -> int:
        return self.ids.get(token, 0)

    def _convert_id_to_token(self, index: int) -> str:
        return self.terms[index]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Nothing is added."""
        return token_ids_0 + (token_ids_1 or [])

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """0 for the first text, 1 for the second."""
        return [0] * len(token_ids_0) + [1] * len(token_ids_1 or [])

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        """Write the terms."""
        name = f"{filename_prefix}-terms.json" if filename_prefix else "terms.json"
        path = Path(save_directory) / name
        path.write_text(json.dumps(self.terms[1:], ensure_ascii=False), encoding="utf-8")
        return (str(path),)


def baseline_model(
    arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any], labels: Sequence[str]
) -> tuple[BaselineModel, list[str]]:
    """A baseline as a model of transformers, and its terms in the order of its columns.

    Args:
        arrays: What `Baseline.state` gave.
        values: And its plain values.
        labels: Names of the classes.
    """
    named: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: place for place, label in enumerate(labels)},
    }
    if "shares" in arrays:
        model = BaselineModel(BaselineConfig(**named))
        model.intercept.data = torch.from_numpy(np.log(arrays["shares"]).astype(np.float32))
        return model, []
    views = [(mark, values[f"terms.{view}"]) for view, mark in MARKS.items()]
    (_, words), (_, characters) = views
    width = len(words) + len(characters)
    pair = arrays["coefficients"].shape[1] != width
    model = BaselineModel(BaselineConfig(words=len(words), characters=len(characters), pair=pair, **named))
    idf = np.concatenate([arrays[f"idf.{view}"] for view in MARKS])
    for weight, array in ((model.idf, idf), (model.coefficients, arrays["coefficients"])):
        weight.data = torch.from_numpy(np.asarray(array, dtype=np.float32))
    model.intercept.data = torch.from_numpy(np.asarray(arrays["intercept"], dtype=np.float32))
    return model, [f"{mark}{term}" for mark, terms in views for term in terms]


AutoConfig.register(BaselineConfig.model_type, BaselineConfig)
AutoModelForSequenceClassification.register(BaselineConfig, BaselineModel)
AutoTokenizer.register(BaselineConfig, slow_tokenizer_class=TermTokenizer)
