"""Backbones and the pooled head."""

from pathlib import Path

import pytest
import torch

from engine.data.tasks import NLI, SLANG
from engine.errors import HubError, RecipeError
from engine.models.pretrained import (
    BACKBONES,
    Head,
    PooledClassifier,
    build_without_weights,
    get_backbone,
    open_backbone,
)

POOLED = Head("pooled", width=8, dropout=0.0)


def small_classifier(pair: bool) -> PooledClassifier:
    """A random BERT of two tiny blocks under the pooled head."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    return PooledClassifier(BertModel(config, add_pooling_layer=False), POOLED, pair, 3).eval()


def test_padding_changes_no_logits() -> None:
    model = small_classifier(pair=True)
    ids = torch.tensor([[1, 5, 6, 2, 9, 2]])
    types = torch.tensor([[0, 0, 0, 0, 1, 1]])
    bare = model(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=types).logits
    pad = torch.zeros(1, 3, dtype=torch.long)
    padded = model(
        input_ids=torch.cat([ids, pad], 1),
        attention_mask=torch.cat([torch.ones_like(ids), pad], 1),
        token_type_ids=torch.cat([types, pad], 1),
    ).logits
    torch.testing.assert_close(bare, padded, atol=1e-5, rtol=1e-5)


def test_the_two_texts_of_a_pair_are_pooled_apart() -> None:
    model = small_classifier(pair=True)
    ids = torch.tensor([[1, 5, 6, 2, 9, 2]])
    early = model(input_ids=ids, token_type_ids=torch.tensor([[0, 0, 0, 0, 1, 1]])).logits
    late = model(input_ids=ids, token_type_ids=torch.tensor([[0, 0, 1, 1, 1, 1]])).logits
    assert not torch.allclose(early, late)


def test_a_pair_without_token_types_is_refused() -> None:
    with pytest.raises(ValueError, match="token_type_ids"):
        small_classifier(pair=True)(input_ids=torch.tensor([[1, 2]]))


def test_the_packaged_backbone_opens_without_a_network() -> None:
    opened = open_backbone(BACKBONES["minilm"], POOLED, SLANG.is_pair, 3)
    assert opened.origin["repo_id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert opened.tokenizer.pad_token_id == opened.model.config.pad_token_id


def test_the_shape_counted_without_weights_is_the_shape_of_the_weights() -> None:
    counted = build_without_weights(BACKBONES["minilm"], POOLED, NLI.is_pair, 3)
    opened = open_backbone(BACKBONES["minilm"], POOLED, NLI.is_pair, 3)
    assert {name: tuple(one.shape) for name, one in counted.named_parameters()} == {
        name: tuple(one.shape) for name, one in opened.model.named_parameters()
    }


def test_a_backbone_that_is_nowhere_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match="minilm"):
        get_backbone("no-such-model")


def test_a_local_folder_is_a_backbone(tmp_path: Path) -> None:
    from transformers import BertConfig

    BertConfig(vocab_size=50, hidden_size=16).save_pretrained(tmp_path)
    assert get_backbone(str(tmp_path)).repo_id == str(tmp_path)


def test_a_backbone_on_the_hub_is_one_line_where_there_is_no_hub() -> None:
    with pytest.raises(HubError, match="can't be reached") as caught:
        open_backbone(BACKBONES["herbert"], Head(), SLANG.is_pair, 3)
    assert "\n" not in str(caught.value)
