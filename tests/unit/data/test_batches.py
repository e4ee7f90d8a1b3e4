"""Batches: every row once, the same for the same seed, and padded no further than the longest of the batch."""

from collections import Counter

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.data.batches import Batch, Batches
from engine.data.sources import TaskData
from engine.data.tasks import SLANG
from engine.data.tokens import Encoded, encode, train_tokenizer


@pytest.fixture(scope="module")
def train(slang: TaskData) -> Batches:
    """The train split of the slang sample in batches of 32."""
    tokenizer = train_tokenizer(slang.texts("train"), 600)
    encoded = encode(tokenizer, slang.texts("train"), SLANG, 128)
    return Batches(encoded, slang.split("train")["label"].to_numpy(dtype=np.int64), 32)


def small(lengths: list[int], labels: list[int], batch_size: int = 4, oversample: bool = False) -> Batches:
    """Inputs whose tokens say which input they belong to: input 3 is 4, 4, 4, …"""
    ids = np.repeat(np.arange(1, len(lengths) + 1), lengths).astype(np.int32)
    types = np.concatenate([np.arange(length) % 2 for length in lengths]).astype(np.int32)
    encoded = Encoded(ids, types, np.concatenate([[0], np.cumsum(lengths)]), pad_id=99)
    return Batches(encoded, np.array(labels, dtype=np.int64), batch_size, oversample)


def rows(batches: list[Batch]) -> NDArray[np.int64]:
    return np.concatenate([batch.rows for batch in batches])


def same(one: list[Batch], two: list[Batch]) -> bool:
    return len(one) == len(two) and all(
        np.array_equal(first.rows, second.rows)
        and torch.equal(first.labels, second.labels)
        and all(torch.equal(first.inputs[name], second.inputs[name]) for name in first.inputs)
        for first, second in zip(one, two, strict=True)
    )


def padding(batches: list[Batch]) -> float:
    cells = sum(batch.inputs["attention_mask"].numel() for batch in batches)
    return 1 - sum(int(batch.inputs["attention_mask"].sum()) for batch in batches) / cells


def test_an_epoch_has_every_row_once(train: Batches) -> None:
    assert sorted(rows(list(train.training(0, 0)))) == list(range(len(train.encoded)))


def test_evaluation_has_every_row_once_longest_first(train: Batches) -> None:
    order = rows(list(train.in_order_of_length()))
    assert sorted(order) == list(range(len(train.encoded)))
    assert (np.diff(train.encoded.lengths[order]) <= 0).all()


def test_the_same_seed_and_epoch_give_the_same_batches(train: Batches) -> None:
    assert same(list(train.training(5, 2)), list(train.training(5, 2)))


@pytest.mark.parametrize(("seed", "epoch"), [(5, 3), (6, 2), (2, 5)])
def test_another_seed_or_epoch_gives_other_batches(train: Batches, seed: int, epoch: int) -> None:
    first, other = list(train.training(5, 2)), list(train.training(seed, epoch))
    assert not same(first, other)
    # Not only their order: which rows meet in a batch differs too.
    assert {frozenset(batch.rows) for batch in first} != {frozenset(batch.rows) for batch in other}


def test_evaluation_always_gives_the_same_batches(train: Batches) -> None:
    assert same(list(train.in_order_of_length()), list(train.in_order_of_length()))


def test_a_batch_is_padded_to_its_longest_and_no_further(train: Batches) -> None:
    for batch in (*train.training(1, 0), *train.in_order_of_length()):
        longest = int(train.encoded.lengths[batch.rows].max())
        shape = (len(batch.rows), longest)
        assert {tuple(value.shape) for value in batch.inputs.values()} == {shape}


def test_short_batches_stay_short(train: Batches) -> None:
    widths = {batch.inputs["input_ids"].shape[1] for batch in train.training(1, 0)}
    assert min(widths) < max(widths) / 2


def test_rows_of_like_length_meet_so_that_little_is_padded(train: Batches) -> None:
    shuffled = np.random.default_rng(0).permutation(len(train.encoded))
    at_random = [train.pack(part) for part in np.array_split(shuffled, len(train))]
    assert padding(list(train.training(0, 0))) < 0.1 < padding(at_random)


def test_batches_come_neither_shortest_first_nor_longest_first(train: Batches) -> None:
    widths = [batch.inputs["input_ids"].shape[1] for batch in train.training(0, 0)]
    assert abs(np.corrcoef(np.arange(len(widths)), widths)[0, 1]) < 0.4


def test_tokens_mask_and_labels_belong_to_the_rows(train: Batches) -> None:
    encoded = train.encoded
    for batch in train.training(3, 1):
        for place, row in enumerate(batch.rows):
            mask = batch.inputs["attention_mask"][place].bool()
            ids = batch.inputs["input_ids"][place]
            assert ids[mask].tolist() == encoded.ids[encoded.offsets[row] : encoded.offsets[row + 1]].tolist()
            assert (ids[~mask] == encoded.pad_id).all()
        assert batch.labels.tolist() == train.labels[batch.rows].tolist()


def test_padding_stands_at_the_end() -> None:
    batch = small([3, 1], [0, 1]).pack(np.array([1, 0]))
    assert batch.inputs["input_ids"].tolist() == [[2, 99, 99], [1, 1, 1]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch.inputs["token_type_ids"].tolist() == [[0, 0, 0], [0, 1, 0]]
    assert batch.labels.tolist() == [1, 0]
    assert {value.dtype for value in (*batch.inputs.values(), batch.labels)} == {torch.int64}


def test_models_that_know_no_types_get_none(train: Batches) -> None:
    assert set(train.pack(np.array([0])).inputs) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize("count", [1, 3, 4, 5, 199, 200, 201, 433])
def test_an_epoch_is_as_long_as_it_says(count: int) -> None:
    batches = small([2] * count, [row % 3 for row in range(count)])
    epoch = list(batches.training(0, 0))
    assert len(epoch) == len(batches) == -(-count // 4)
    assert max(len(batch.rows) for batch in epoch) <= 4


def test_oversampling_makes_all_labels_as_frequent_and_loses_no_row() -> None:
    batches = small([2] * 30, [0] * 6 + [1] * 20 + [2] * 4, oversample=True)
    epoch = list(batches.training(0, 0))
    assert Counter(np.concatenate([batch.labels for batch in epoch]).tolist()) == {0: 20, 1: 20, 2: 20}
    assert set(rows(epoch)) == set(range(30))
    assert Counter(rows(epoch).tolist())[10] == 1
    assert len(epoch) == len(batches) == 15


def test_oversampling_repeats_other_rows_in_other_epochs_and_the_same_for_the_same_seed() -> None:
    batches = small([2] * 30, [0] * 6 + [1] * 20 + [2] * 4, oversample=True)
    first = Counter(rows(list(batches.training(0, 0))).tolist())
    assert first == Counter(rows(list(batches.training(0, 0))).tolist())
    assert first != Counter(rows(list(batches.training(0, 1))).tolist())


def test_oversampling_can_do_without_a_label() -> None:
    batches = small([2] * 9, [0] * 6 + [2] * 3, oversample=True)
    epoch = list(batches.training(0, 0))
    assert Counter(np.concatenate([batch.labels for batch in epoch]).tolist()) == {0: 6, 2: 6}
    assert len(epoch) == len(batches)


def test_evaluation_is_never_oversampled() -> None:
    batches = small([2] * 30, [0] * 6 + [1] * 20 + [2] * 4, oversample=True)
    assert sorted(rows(list(batches.in_order_of_length()))) == list(range(30))
