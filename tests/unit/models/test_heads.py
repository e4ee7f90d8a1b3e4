"""Heads: a decoder is read at its last real token wherever the padding is, an encoder under any head gives logits."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch

from engine.data.batches import Batches
from engine.data.tasks import NLI, SLANG
from engine.data.tokens import encode
from engine.machine import one_thread
from engine.models.backbones import get_backbone
from engine.models.heads import HEADS, Head, PooledClassifier
from engine.models.pretrained import Opened, build_without_weights, open_backbone
from support.models import saved_decoder

TEXTS = ["Ten film to sztos!", "Nuda.", "Nie wiem, może jutro, a może wcale nie."]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # What is multiplied here is too small for two.
    with one_thread():
        yield


@pytest.fixture(scope="module")
def folders(tiny: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tiny backbones by architecture."""
    made = {"mini": str(saved_decoder(tmp_path_factory.mktemp("mini")))}
    for name, files in tiny.items():
        folder = tmp_path_factory.mktemp(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        made[name] = str(folder)
    return made


def opened_under(folder: str, kind: str, pair: bool = False) -> Opened:
    """A backbone under a head of this kind."""
    torch.manual_seed(0)
    opened = open_backbone(get_backbone(folder), Head(kind, 16, 0.1), pair, 3)
    opened.model.eval()
    return opened


def logits_of(model: Any, rows: list[list[int]], pad: int, left: bool = False) -> torch.Tensor:
    """Logits of a batch padded on one side."""
    longest = max(map(len, rows))
    ids, mask = torch.full((len(rows), longest), pad), torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        where = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[place, where], mask[place, where] = torch.tensor(row), 1
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=ids, attention_mask=mask).logits
    return logits


def decoders(*kinds: str) -> Any:
    """Each decoder under each head."""
    return pytest.mark.parametrize(
        ("name", "kind"), [(name, kind) for name in ("gpt2", "llama", "mini") for kind in kinds]
    )


@decoders("linear", "mlp", "pooled")
def test_padding_on_either_side_changes_nothing(name: str, kind: str, folders: dict[str, str]) -> None:
    opened = opened_under(folders[name], kind)
    rows = [opened.tokenizer(text)["input_ids"] for text in TEXTS]
    alone = torch.cat([logits_of(opened.model, [row], 0) for row in rows])
    for left in (False, True):
        batch = logits_of(opened.model, rows, opened.tokenizer.pad_token_id, left)
        torch.testing.assert_close(batch, alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(alone[0], alone[1], atol=1e-4)


@decoders("linear", "mlp")
def test_the_last_real_token_is_read_also_where_it_is_the_one_to_pad_with(
    name: str, kind: str, folders: dict[str, str]
) -> None:
    opened = opened_under(folders[name], kind)
    end = opened.tokenizer.eos_token_id
    if name != "mini":
        assert opened.tokenizer.pad_token_id == end
    row = [*opened.tokenizer(TEXTS[0])["input_ids"], end]
    with torch.no_grad():
        hidden = opened.model.backbone(input_ids=torch.tensor([row])).last_hidden_state
        expected, before = (opened.model.classifier(hidden[:, place]) for place in (-1, -2))
    for left in (False, True):
        logits = logits_of(opened.model, [row, [*row, 7, 8, end]], end, left)[:1]
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(expected, before, atol=1e-4)


@decoders("linear", "mlp")
def test_texts_of_one_batch_are_read_as_if_each_were_alone(name: str, kind: str, folders: dict[str, str]) -> None:
    opened = opened_under(folders[name], kind)
    encoded = encode(opened.tokenizer, [(text,) for text in TEXTS], SLANG, 48)
    batches = Batches(encoded, torch.zeros(3, dtype=torch.long).numpy(), 3)
    together = next(batches.in_order_of_length())
    with torch.no_grad():
        logits = opened.model(**together.inputs).logits
    for place, row in enumerate(together.rows):
        alone = logits_of(opened.model, [opened.tokenizer(TEXTS[row])["input_ids"]], 0)
        torch.testing.assert_close(logits[place : place + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", ["xlm-r", "bert", "gpt2", "llama"])
@pytest.mark.parametrize("task", [SLANG, NLI], ids=["slang", "nli"])
def test_every_architecture_gives_a_logit_for_each_class(
    name: str, kind: str, task: Any, folders: dict[str, str]
) -> None:
    opened = opened_under(folders[name], kind, task.is_pair)
    inputs = [tuple(f"{text} {column}" for column in task.text_columns) for text in TEXTS]
    batch = Batches(encode(opened.tokenizer, inputs, task, 48), torch.zeros(3, dtype=torch.long).numpy(), 3).pack(
        torch.arange(3).numpy()
    )
    with torch.no_grad():
        logits = opened.model(**batch.inputs).logits
    assert logits.shape == (3, 3)
    assert torch.isfinite(logits).all()
    # An encoder's own head stays where the head is linear.
    assert isinstance(opened.model, PooledClassifier) == (kind != "linear" or name in ("gpt2", "llama"))


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", ["xlm-r", "llama"])
def test_what_is_counted_without_weights_is_what_is_opened(name: str, kind: str, folders: dict[str, str]) -> None:
    counted = build_without_weights(get_backbone(folders[name]), Head(kind, 16, 0.1), False, 3)
    opened = opened_under(folders[name], kind).model
    assert {key: one.shape for key, one in counted.named_parameters()} == {
        key: one.shape for key, one in opened.named_parameters()
    }


def test_the_end_of_a_text_reaches_an_encoder_under_any_head(folders: dict[str, str]) -> None:
    for kind in HEADS:
        opened = opened_under(folders["xlm-r"], kind)
        one, two = (opened.tokenizer(f"Ten film to {word}")["input_ids"] for word in ("sztos", "żenada"))
        pad = opened.tokenizer.pad_token_id
        assert not torch.allclose(logits_of(opened.model, [one], pad), logits_of(opened.model, [two], pad), atol=1e-6)
        bare = logits_of(opened.model, [one], pad)
        torch.testing.assert_close(
            logits_of(opened.model, [one, [*one, *two[1:]]], pad)[:1], bare, atol=1e-5, rtol=1e-4
        )
