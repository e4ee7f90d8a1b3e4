"""Methods: how many weights each trains, counted without weights, and that nothing else moves in training."""

import dataclasses

import pytest
import torch

from engine.data.batches import Batches
from engine.data.sources import TaskData
from engine.data.tokens import encode
from engine.errors import RecipeError
from engine.models.methods import Method, adapt, count_parameters, is_head
from engine.models.pretrained import Head, build_without_weights, get_backbone
from engine.training.build import build
from engine.training.classify import NeuralModel
from engine.training.loop import train, trainable
from engine.training.recipes import RECIPES, count_recipe


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
