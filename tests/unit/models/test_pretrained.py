"""Backbones and the pooled head."""

from pathlib import Path

import pytest
import torch

from engine.data.tasks import NLI, SLANG
from engine.errors import HubError, RecipeError
from engine.models.backbone_files import locate
from engine.models.backbones import BACKBONES, get_backbone
from engine.models.heads import POOLINGS, POOLS, Head, PooledClassifier
from engine.models.pretrained import build_without_weights, open_backbone
from support.models import saved_decoder

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


def small_decoder(pooling: str, pair: bool = False) -> PooledClassifier:
    """A random GPT-2 of two tiny blocks under the pooled head."""
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1)
    head = Head("pooled", width=8, dropout=0.0, pooling=pooling)
    return PooledClassifier(GPT2Model(config), head, pair, 3).eval()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_a_decoder_changes_no_logits_however_it_is_pooled(pooling: str) -> None:
    model = small_decoder(pooling)
    ids = torch.tensor([[4, 5, 6, 2, 9]])
    pad = torch.zeros(1, 3, dtype=torch.long)
    mask = torch.cat([torch.ones_like(ids), pad], 1)
    bare = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    torch.testing.assert_close(bare, model(input_ids=torch.cat([ids, pad], 1), attention_mask=mask).logits)


def test_the_last_real_token_is_read_on_whichever_side_the_padding_is() -> None:
    hidden = torch.arange(24.0).reshape(2, 4, 3)
    weights = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]])
    assert POOLS["last"](hidden, weights).tolist() == [hidden[0, 1].tolist(), hidden[1, 3].tolist()]
    assert POOLS["max"](-hidden, weights).tolist() == [(-hidden[0, 0]).tolist(), (-hidden[1, 2]).tolist()]
    assert POOLS["mean"](hidden, weights).tolist() == [[1.5, 2.5, 3.5], [19.5, 20.5, 21.5]]


def test_a_decoder_pools_a_pair_as_one() -> None:
    model = small_decoder("mean", pair=True)
    assert model.classifier[1].in_features == 16
    assert model(input_ids=torch.tensor([[4, 5, 1, 6]])).logits.shape == (1, 3)


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"^There is no pooling 'median'\. Poolings: mean, max, last\.$"):
        Head("pooled", pooling="median")


def test_random_weights_keep_shape_and_tokenizer_and_nothing_else(tmp_path: Path) -> None:
    backbone = get_backbone(str(saved_decoder(tmp_path / "mini")))
    torch.manual_seed(1)
    trained = open_backbone(backbone, POOLED, False, 3)
    torch.manual_seed(1)
    random = open_backbone(backbone, POOLED, False, 3, random_weights=True)
    ours, theirs = dict(trained.model.named_parameters()), dict(random.model.named_parameters())
    assert {name: one.shape for name, one in ours.items()} == {name: one.shape for name, one in theirs.items()}
    assert not torch.equal(ours["backbone.h.0.attn.c_attn.weight"], theirs["backbone.h.0.attn.c_attn.weight"])
    assert trained.tokenizer.get_vocab() == random.tokenizer.get_vocab()


def test_a_checkpoint_opens_on_the_very_weights_it_was_trained_on_alone(tmp_path: Path) -> None:
    backbone = get_backbone(str(saved_decoder(tmp_path / "mini")))
    digest = open_backbone(backbone, POOLED, False, 3).origin["revision"]
    assert digest.startswith("sha256:")
    open_backbone(backbone, POOLED, False, 3, revision=digest)
    saved_decoder(tmp_path / "mini", seed=1)
    with pytest.raises(HubError, match="was trained on another version") as caught:
        open_backbone(backbone, POOLED, False, 3, revision=digest)
    assert "\n" not in str(caught.value)


def test_a_model_is_found_by_its_name_among_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODZERA_HOME", str(tmp_path))
    saved_decoder(tmp_path / "checkpoints" / "mine")
    assert locate(get_backbone("mine"))[0] == str(tmp_path / "checkpoints" / "mine")


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    folder = saved_decoder(tmp_path / "mini")
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(HubError) as caught:
        open_backbone(get_backbone(str(folder)), POOLED, False, 3)
    assert "\n" not in str(caught.value)
