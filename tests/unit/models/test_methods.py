"""Methods: how many weights each trains, counted without weights, and that nothing else moves in training."""

import dataclasses
from pathlib import Path

import pytest
import torch

from engine.data.batches import Batches
from engine.data.sources import TaskData
from engine.data.tokens import encode
from engine.errors import RecipeError
from engine.models.backbones import get_backbone
from engine.models.heads import Head, is_head
from engine.models.methods import Method, adapt, count_parameters
from engine.models.pretrained import build_without_weights, open_backbone
from engine.training.build import batches_of, build
from engine.training.classifiers import NeuralModel
from engine.training.loop import train, trainable
from engine.training.parameter_counts import count_recipe
from engine.training.recipes import RECIPES
from support.models import saved_decoder


@pytest.mark.parametrize(
    ("recipe", "total", "trained"),
    [
        ("scratch-3m4", 3_410_627, 3_410_627),
        ("scratch-5m7", 5_728_003, 5_728_003),
        ("gpt2-last1", 125_952_768, 7_090_176),
        ("bielik-last3", 1_548_145_155, 141_247_491),
        ("mbert-full", 177_855_747, 177_855_747),
        ("mbert-lora", 177_855_747 + 589_824, 592_131),
        ("herbert-lora", 124_445_187 + 294_912, 297_219),
    ],
)
def test_a_published_system_has_its_exact_size(recipe: str, total: int, trained: int) -> None:
    count = count_recipe(RECIPES[recipe])
    assert count is not None
    assert (count.total, count.trained) == (total, trained)


def test_a_baseline_has_no_size_before_it_sees_data() -> None:
    assert count_recipe(RECIPES["tfidf"]) is None


def test_counting_takes_no_memory_for_weights() -> None:
    model = build_without_weights(get_backbone("bielik"), Head("mlp"), pair=False, num_labels=3)
    assert {weight.device.type for weight in model.parameters()} == {"meta"}


def minilm(method: Method) -> torch.nn.Module:
    """MiniLM on the meta device, adapted."""
    return adapt(build_without_weights(get_backbone("minilm"), Head(), pair=False, num_labels=3), method)


def test_full_trains_every_weight() -> None:
    count = count_parameters(minilm(Method("full")))
    assert count.total == count.trained


def test_head_trains_the_head_alone() -> None:
    assert set(trainable(minilm(Method("head")))) == {"classifier.weight", "classifier.bias"}


def test_last_trains_the_last_blocks_and_the_head() -> None:
    names = set(trainable(minilm(Method("last", blocks=2))))
    assert {name.split(".")[3] for name in names if name.startswith("bert.encoder.layer.")} == {"4", "5"}
    assert {name for name in names if not name.startswith("bert.encoder.layer.")} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_lora_trains_adapters_and_head() -> None:
    names = trainable(minilm(Method("lora", rank=4)))
    assert all("lora_" in name or is_head(name) for name in names)
    assert sum("lora_" in name for name in names) == 6 * 2 * 2


def test_a_pair_gets_a_wider_head_on_the_same_backbone() -> None:
    recipe = RECIPES["minilm-last1"]
    single, pair = count_recipe(recipe), count_recipe(recipe, pair=True)
    assert single is not None
    assert pair is not None
    assert pair.total - single.total == pair.trained - single.trained == 3 * 384 * recipe.head.width


def test_a_higher_rank_adds_weights_in_proportion() -> None:
    def adapters(rank: int) -> int:
        count = count_parameters(minilm(Method("lora", rank=rank)))
        return count.trained - count_parameters(minilm(Method("head"))).trained

    assert adapters(16) == 4 * adapters(4)


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"no method 'prune'.*full, last, head, lora"):
        minilm(Method("prune"))


@pytest.mark.parametrize("blocks", [0, 7])
def test_blocks_that_are_not_there_cannot_be_trained(blocks: int) -> None:
    with pytest.raises(RecipeError, match="blocks"):
        minilm(Method("last", blocks=blocks))


@pytest.fixture(scope="module", params=["minilm-last1", "minilm-lora"])
def one_epoch(request: pytest.FixtureRequest, nli: TaskData) -> tuple[NeuralModel, dict[str, torch.Tensor]]:
    """A real MiniLM trained for three steps on a handful of rows, and its weights from before."""
    recipe = dataclasses.replace(RECIPES[request.param], epochs=1, batch_size=4, precision="float32", max_length=32)
    model = build(recipe, nli)
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    encoded = encode(model.tokenizer, nli.texts("train")[:12], nli.task, recipe.max_length)
    batches = Batches(encoded, nli.split("train")["label"].to_numpy()[:12], recipe.batch_size)
    list(train(model.model, batches, batches, recipe, "loss"))
    return model, before


def test_no_frozen_tensor_changes_by_a_bit(one_epoch) -> None:
    model, before = one_epoch
    after, trained = model.model.state_dict(), set(trainable(model.model))
    frozen = set(before) - trained
    assert len(frozen) > 80
    assert [name for name in frozen if not torch.equal(before[name], after[name])] == []


def test_every_trained_tensor_changes(one_epoch) -> None:
    model, before = one_epoch
    after = model.model.state_dict()
    assert [name for name in trainable(model.model) if torch.equal(before[name], after[name])] == []


MINI = ("mini-last1", "mini-last3", "mini-full", "mini-lora", "mini-prompt", "mini-random")


@pytest.mark.parametrize("name", MINI)
@pytest.mark.parametrize("pair", [False, True])
def test_every_mini_recipe_is_counted_for_both_tasks(name: str, pair: bool) -> None:
    count = count_recipe(RECIPES[name], pair)
    assert count is not None
    assert RECIPES[name].tasks == ("slang", "nli")
    # 8,192 x 128 embeddings, 256 positions, four blocks, the final norm, and the head of 128 x 128 and 128 x 3.
    whole = 8192 * 128 + 256 * 128 + 4 * (12 * 128**2 + 13 * 128) + 2 * 128 + (128**2 + 128) + (128 * 3 + 3)
    block, norm, head = 12 * 128**2 + 13 * 128, 2 * 128, 128**2 + 128 + 128 * 3 + 3
    lora, prompt = 4 * 16 * (128 + 3 * 128), 16 * 128
    assert (count.total, count.trained) == {
        "mini-last1": (whole, block + norm + head),
        "mini-last3": (whole, 3 * block + norm + head),
        "mini-full": (whole, whole),
        "mini-lora": (whole + lora, lora + head),
        "mini-prompt": (whole + prompt, prompt + head),
        "mini-random": (whole, whole),
    }[name]


@pytest.mark.parametrize("name", MINI)
def test_training_a_mini_moves_no_frozen_weight(name: str, few: TaskData, tmp_path: Path) -> None:
    folder = saved_decoder(tmp_path / "mini")
    method = dataclasses.replace(RECIPES[name].method, blocks=1)
    recipe = dataclasses.replace(
        RECIPES[name], backbone=str(folder), epochs=1, max_length=40, method=method, head=Head("pooled", 16)
    )
    neural = build(recipe, few)
    frozen = {key: one.detach().clone() for key, one in neural.model.named_parameters() if not one.requires_grad}
    moving = {key: one.detach().clone() for key, one in trainable(neural.model).items()}
    batches = [batches_of(neural, few, split, recipe) for split in ("train", "validation")]
    list(train(neural.model, *batches, recipe, "loss"))
    weights = dict(neural.model.named_parameters())
    assert all(torch.equal(weights[key], one) for key, one in frozen.items())
    assert any(not torch.equal(weights[key], one) for key, one in moving.items())
    assert bool(frozen) == (name not in ("mini-full", "mini-random"))


def test_a_prompt_is_read_before_the_text_and_padding_still_changes_nothing(tmp_path: Path) -> None:
    folder = saved_decoder(tmp_path / "mini")
    opened = open_backbone(get_backbone(str(folder)), Head("pooled", 16, 0.0), False, 3)
    ids = torch.tensor([[5, 6, 7, 8]])
    plain = opened.model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    model = adapt(opened.model, Method("prompt", prompt_tokens=4)).eval()
    bare = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    assert not torch.allclose(plain, bare)
    pad = torch.zeros(1, 3, dtype=torch.long)
    padded = model(input_ids=torch.cat([ids, pad], 1), attention_mask=torch.cat([torch.ones_like(ids), pad], 1)).logits
    torch.testing.assert_close(bare, padded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "most"), [("mini-full", 64), ("mini-prompt", 48)])
def test_a_text_longer_than_the_backbone_reads_is_refused_before_training(
    name: str, most: int, few: TaskData, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(RECIPES[name], backbone=str(saved_decoder(tmp_path / "mini")))
    with pytest.raises(
        RecipeError, match=rf"the backbone reads 64 tokens, so max_length can be {most} at most, not \d+"
    ):
        build(recipe, few)
    build(dataclasses.replace(recipe, max_length=most), few)


def test_random_weights_cant_stay_frozen() -> None:
    with pytest.raises(RecipeError, match=r"random_weights are all trained; the method can't be 'lora'"):
        dataclasses.replace(RECIPES["mini-lora"], random_weights=True)


@pytest.mark.parametrize("name", ["mini-full", "minilm-lora"])
def test_computing_activations_again_changes_no_gradient(name: str, few: TaskData, nli: TaskData) -> None:
    recipe = dataclasses.replace(RECIPES[name], precision="float32", max_length=24, head=Head("pooled", 8, 0.0))
    recipe = dataclasses.replace(recipe, method=dataclasses.replace(recipe.method, dropout=0.0))
    data = nli if name == "minilm-lora" else few
    gradients, kept = [], []
    for again in (False, True):
        model = build(dataclasses.replace(recipe, gradient_checkpointing=again), data).model.train()
        without_dropout(model)
        sizes: list[int] = []
        ids = torch.arange(5, 45).view(2, 20)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if data is nli:
            inputs["token_type_ids"] = (torch.arange(20) > 9).long().expand(2, 20)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda one, sizes=sizes: sizes.append(one.numel()) or one, lambda one: one
        ):
            loss = model(**inputs).logits.square().sum()
        loss.backward()
        gradients.append([weight.grad for weight in trainable(model).values()])
        kept.append(sum(sizes))
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)
    assert kept[1] < kept[0] / 2


def without_dropout(model: torch.nn.Module) -> None:
    """Make a model in training repeatable."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def test_the_modules_that_lora_adapts_can_be_named() -> None:
    names = trainable(minilm(Method("lora", rank=4, targets="key, dense")))
    adapted = {name.split(".lora_")[0].rpartition(".")[2] for name in names if "lora_" in name}
    assert adapted == {"key", "dense"}
