"""The decoder from scratch: its published sizes, causality, padding, pooling, and its life as a transformers model."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from engine.data.word_tokens import train_words
from engine.models.decoder import Decoder, FeatureEmbedding, make_decoder
from engine.models.decoder_config import DecoderConfig
from engine.training.recipes import RECIPES
from support.models import TINY_DECODER

TEXTS = [[5, 9, 17, 4], [8, 3, 11, 2, 30, 7, 21], [6, 12]]
LONGEST = max(map(len, TEXTS))


def decoder(**changes: object) -> Decoder:
    """A tiny decoder with weights large enough to tell inputs apart, in evaluation mode."""
    torch.manual_seed(3)
    model = make_decoder({**TINY_DECODER, **changes}, num_labels=3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    return model.eval()


def padded(side: str) -> dict[str, torch.Tensor]:
    """`TEXTS` as one batch, padded on one side."""
    ids, mask = [], []
    for text in TEXTS:
        padding = [0] * (LONGEST - len(text))
        real = [1] * len(text)
        ids.append(text + padding if side == "right" else padding + text)
        mask.append(real + padding if side == "right" else padding + real)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def hidden_states(model: Decoder, ids: list[int]) -> torch.Tensor:
    """Hidden states after the last norm, shape (length, width)."""
    kept: list[torch.Tensor] = []
    hook = model.norm.register_forward_hook(lambda module, inputs, output: kept.append(output))
    model(input_ids=torch.tensor([ids]))
    hook.remove()
    return kept[0][0]


@pytest.mark.parametrize(("recipe", "count"), [("scratch-3m4", 3_410_627), ("scratch-5m7", 5_728_003)])
def test_published_shapes_have_their_exact_size(recipe: str, count: int) -> None:
    with torch.device("meta"):
        model = make_decoder(RECIPES[recipe].decoder, num_labels=3)
    assert sum(weight.numel() for weight in model.parameters()) == count


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_later_token_does_not_change_an_earlier_hidden_state(pooling: str) -> None:
    model = decoder(pooling=pooling)
    before, after = hidden_states(model, [5, 9, 17, 4, 8]), hidden_states(model, [5, 9, 17, 4, 99])
    assert torch.equal(before[:4], after[:4])
    assert not torch.allclose(before[4], after[4])


def test_an_earlier_token_changes_a_later_hidden_state() -> None:
    model = decoder()
    before, after = hidden_states(model, [5, 9, 17, 4, 8]), hidden_states(model, [99, 9, 17, 4, 8])
    assert not torch.allclose(before[4], after[4], atol=1e-3)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_padding_on_either_side_leaves_the_logits_as_they_are(side: str, pooling: str) -> None:
    model = decoder(pooling=pooling)
    alone = torch.cat([model(input_ids=torch.tensor([text])).logits for text in TEXTS])
    assert torch.allclose(model(**padded(side)).logits, alone, atol=1e-5)


def test_texts_in_a_batch_do_not_see_each_other() -> None:
    model, batch = decoder(), padded("right")
    changed = batch["input_ids"].clone()
    changed[0, 0] = 77
    before, after = model(**batch).logits, model(changed, batch["attention_mask"]).logits
    assert torch.allclose(before[1:], after[1:], atol=1e-6)
    assert not torch.allclose(before[0], after[0], atol=1e-3)


def test_a_text_of_padding_alone_still_gives_numbers() -> None:
    ids, mask = torch.zeros(2, 4, dtype=torch.long), torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1]])
    for pooling in ("last", "mean"):
        assert decoder(pooling=pooling)(input_ids=ids, attention_mask=mask).logits.isfinite().all()


def test_last_pooling_takes_the_last_real_token() -> None:
    hidden = torch.arange(24.0).view(2, 4, 3)
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]])
    assert torch.equal(decoder(pooling="last").pool(hidden, mask), torch.stack([hidden[0, 1], hidden[1, 3]]))


def test_mean_pooling_takes_real_tokens_alone() -> None:
    hidden = torch.arange(24.0).view(2, 4, 3)
    mask = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1]])
    by_hand = torch.stack([hidden[0, :2].mean(0), hidden[1, 1:].mean(0)])
    assert torch.allclose(decoder(pooling="mean").pool(hidden, mask), by_hand)


def test_the_order_of_words_matters() -> None:
    model = decoder(pooling="mean")
    there, back = (model(input_ids=torch.tensor([ids])).logits for ids in ([5, 9, 17], [17, 9, 5]))
    assert not torch.allclose(there, back, atol=1e-3)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_saved_decoder_comes_back_through_the_auto_classes(head: str, tmp_path) -> None:
    model = decoder(head=head, pooling="mean", final_norm=False, attention_bias=False)
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert isinstance(again, Decoder)
    assert torch.equal(again(**padded("right")).logits, model(**padded("right")).logits)


def test_a_saved_config_keeps_every_option(tmp_path) -> None:
    options = {**TINY_DECODER, "pooling": "mean", "head": "mlp", "embedding_dropout": 0.25, "final_norm": False}
    DecoderConfig(**options, num_labels=5).save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert {name: getattr(again, name) for name in (*options, "num_labels")} == options | {"num_labels": 5}


def test_a_fresh_decoder_of_the_same_seed_is_the_same() -> None:
    assert all(map(torch.equal, decoder().parameters(), decoder().parameters()))


def test_embeddings_instead_of_ids_give_the_same_logits() -> None:
    model, batch = decoder(), padded("left")
    embeds = model.get_input_embeddings()(batch["input_ids"])
    by_embeds = model(inputs_embeds=embeds, attention_mask=batch["attention_mask"]).logits
    assert torch.equal(by_embeds, model(**batch).logits)


def test_a_gradient_reaches_the_embeddings() -> None:
    model = decoder()
    embeds = model.get_input_embeddings()(torch.tensor([TEXTS[0]])).detach().requires_grad_()
    model(inputs_embeds=embeds).logits[0, 1].backward()
    assert (embeds.grad.abs().sum(-1) > 0).all()


def test_labels_bring_the_loss() -> None:
    output = decoder()(**padded("right"), labels=torch.tensor([0, 1, 2]))
    by_hand = -output.logits.log_softmax(-1)[range(3), [0, 1, 2]].mean()
    assert torch.allclose(output.loss, by_hand)


def test_dropped_words_are_a_matter_of_training_alone() -> None:
    model = decoder(dropout=0.0, embedding_dropout=0.5)
    first, second = (model(**padded("right")).logits for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    first, second = (model(**padded("right")).logits for _ in range(2))
    assert not torch.equal(first, second)


def test_an_input_of_every_position_is_taken() -> None:
    model = decoder(max_position_embeddings=12)
    assert model(input_ids=torch.ones(1, 12, dtype=torch.long)).logits.shape == (1, 3)


def test_a_longer_input_is_refused_with_both_lengths() -> None:
    with pytest.raises(ValueError, match=r"13 .*12 positions"):
        decoder(max_position_embeddings=12)(input_ids=torch.ones(1, 13, dtype=torch.long))


def test_no_input_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        decoder()()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"num_attention_heads": 5}, "5 heads don't divide a width of 32"),
        ({"num_attention_heads": 0}, "heads"),
        ({"pooling": "first"}, "pooling is one of"),
        ({"head": "conv"}, "head is one of"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"vocab_size": 258}, "at least 259"),
        ({"vectors": 8}, "need input=words"),
        ({"vectors": -1, "input": "words"}, "at least 0 wide"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(option: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DecoderConfig(**{**TINY_DECODER, **option})


WORDS = {**TINY_DECODER, "input": "words", "pooling": "max+sum"}


def bags(seed: int = 0) -> torch.Tensor:
    """Two texts of four words with up to five features each, the second one a word shorter."""
    ids = torch.randint(3, TINY_DECODER["vocab_size"], (2, 4, 5), generator=torch.Generator().manual_seed(seed))  # type: ignore[call-overload]
    ids[:, 1, 3:] = 0
    ids[1, 3] = 0
    return ids


MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


def test_a_word_is_the_sum_of_its_features_in_any_order() -> None:
    model = decoder(**WORDS)
    ids = bags()
    vectors = model.get_input_embeddings()(ids)
    assert vectors.shape == (2, 4, TINY_DECODER["hidden_size"])
    by_hand = torch.nn.Embedding.forward(model.tokens, ids[0, 0]).sum(0)  # type: ignore[arg-type]
    assert torch.allclose(vectors[0, 0], by_hand, atol=1e-5)
    shuffled = ids[:, :, torch.tensor([4, 2, 0, 1, 3])]
    assert torch.allclose(model(shuffled, MASK).logits, model(ids, MASK).logits, atol=1e-5)


def test_padding_adds_nothing_to_a_word_or_a_text() -> None:
    torch.manual_seed(0)
    model = make_decoder(WORDS, num_labels=3).eval()
    wider = torch.cat([bags(), torch.zeros(2, 4, 3, dtype=torch.long)], dim=2)
    assert torch.allclose(model(wider, MASK).logits, model(bags(), MASK).logits, atol=1e-6)
    assert torch.allclose(model(bags()[1:, :3], MASK[1:, :3]).logits, model(bags(), MASK).logits[1:], atol=1e-6)


def test_padding_stays_zero_in_training() -> None:
    model = make_decoder(WORDS, num_labels=3)
    model(bags(), MASK, labels=torch.tensor([0, 1])).loss.backward()
    gradient = model.get_input_embeddings().weight.grad
    assert gradient[0].abs().max() == 0 < gradient[3:].abs().max()


def test_without_a_block_a_text_is_a_bag_of_its_words_and_their_places() -> None:
    model = decoder(**(WORDS | {"num_hidden_layers": 0, "final_norm": False}))
    with torch.no_grad():
        model.positions.weight.zero_()
    ids = bags()
    assert torch.allclose(model(ids[:, [1, 0, 2, 3]], MASK).logits, model(ids, MASK).logits, atol=1e-5)


def test_the_largest_and_the_sum_are_read_side_by_side() -> None:
    hidden = torch.tensor([[[1.0, -2.0], [3.0, -4.0], [9.0, 9.0]]])
    pooled = make_decoder({**WORDS, "hidden_size": 2, "num_attention_heads": 1}, 3).pool(
        hidden, torch.tensor([[1, 1, 0]])
    )
    assert pooled.tolist() == [[3.0, -2.0, 4.0, -6.0]]


def test_a_decoder_of_words_has_as_many_vectors_as_its_tokenizer_ids() -> None:
    tokenizer = train_words([("kot śpi",), ("kot je",)], 600)
    assert make_decoder(WORDS, 3, tokenizer).config.vocab_size == len(tokenizer) < 600


def with_vectors() -> Decoder:
    """A decoder over 600 features and three words with frozen vectors."""
    torch.manual_seed(0)
    decoder = make_decoder({**WORDS, "vectors": 2, "vector_words": 3}, 3).eval()
    decoder.tokens.fill(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))  # type: ignore[operator]
    return decoder


def test_a_words_frozen_vector_is_added_to_its_features() -> None:
    decoder = with_vectors()
    tokens, first = decoder.tokens, TINY_DECODER["vocab_size"]
    plain = torch.tensor([[[5, 9, 0]]])
    known = torch.tensor([[[5, 9, first + 2]]])  # type: ignore[operator]
    added = (tokens(known) - tokens(plain)).flatten()
    assert torch.allclose(added, tokens.project(torch.tensor([1.0, 1.0])), atol=1e-6)  # type: ignore[operator]
    assert torch.allclose(tokens(plain), FeatureEmbedding.forward(tokens, plain))  # type: ignore[arg-type]


def test_frozen_vectors_take_no_gradient_and_what_projects_them_does() -> None:
    decoder = with_vectors()
    ids = torch.full((1, 2, 2), int(TINY_DECODER["vocab_size"]))  # type: ignore[call-overload]
    decoder(input_ids=ids, labels=torch.tensor([1])).loss.backward()
    assert decoder.tokens.frozen.weight.grad is None  # type: ignore[union-attr]
    assert decoder.tokens.project.weight.grad.abs().sum() > 0  # type: ignore[union-attr]
    assert decoder.own_frozen == ("tokens.frozen.weight",)
    assert not make_decoder(WORDS, 3).own_frozen


def test_a_decoder_adds_to_what_another_model_says() -> None:
    decoder = make_decoder(WORDS, 3).eval()
    base = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, -9.0]])
    alone = decoder(input_ids=bags(), attention_mask=MASK).logits
    assert torch.allclose(decoder(input_ids=bags(), attention_mask=MASK, base_logits=base).logits, alone + base)
