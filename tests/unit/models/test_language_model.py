"""The language model and its loss."""

import pytest
import torch
from torch.nn import functional

from engine.data.tokens import train_tokenizer
from engine.errors import RecipeError
from engine.models import language_model
from engine.models.language_model import LanguageModelConfig, make_language_model, next_token_loss

SHAPE = LanguageModelConfig(vocab_size=320, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, context=64)


@pytest.fixture(scope="module")
def tokenizer() -> object:
    """A small tokenizer."""
    return train_tokenizer([("Ala ma kota, a kot ma Alę.",)] * 9, 320)


@pytest.mark.parametrize("chunk", [7, 64, 512])
def test_the_chunked_loss_and_its_gradients_are_those_of_cross_entropy(
    tokenizer: object, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language_model, "CHUNK", chunk)
    torch.manual_seed(0)
    model = make_language_model(SHAPE, tokenizer).eval()
    tokens = torch.randint(0, model.config.vocab_size, (3, 33))
    logits = model(tokens[:, :-1]).logits
    expected = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    expected.backward()
    wanted = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    loss = next_token_loss(model, tokens)
    (2 * loss).backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad / 2, wanted[name], rtol=1e-4, atol=1e-6)


def test_the_loss_needs_no_gradient_to_be_read(tokenizer: object) -> None:
    model = make_language_model(SHAPE, tokenizer).eval()
    tokens = torch.randint(0, model.config.vocab_size, (2, 20))
    with torch.inference_mode():
        without = next_token_loss(model, tokens).item()
    assert without == pytest.approx(next_token_loss(model, tokens).item(), abs=1e-6)


@pytest.mark.parametrize(
    "changes",
    [{"num_attention_heads": 3}, {"num_attention_heads": 0}, {"vocab_size": 100}, {"context": 4}, {"dropout": 1.0}],
)
def test_a_shape_that_cant_be_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(RecipeError):
        LanguageModelConfig(**{"hidden_size": 32, **changes})  # type: ignore[arg-type]
