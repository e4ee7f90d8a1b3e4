"""Tokens: a byte-level BPE tokenizer trained on the train split alone, and inputs encoded once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from engine.data.reading import Readings
from engine.data.tasks import Task
from engine.data.word_tokens import WordTokenizer, train_words
from engine.errors import TextError
from engine.messages import Message

PAD, SEP, EOS = "<pad>", "<sep>", "<eos>"


@dataclass(frozen=True)
class Encoded:
    """Tokenised inputs without padding.

    Token ids of all inputs lie in one flat array; input `i` is `ids[offsets[i]:offsets[i + 1]]`.
    """

    ids: NDArray[np.int32]
    """Shape (tokens,), or (tokens, features) where a position is a word with its n-grams, padded with `pad_id`."""
    type_ids: NDArray[np.int32] | None
    """0 for the first text of a pair and 1 for the second, for models that tell them apart."""
    offsets: NDArray[np.int64]
    pad_id: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each input, shape (n,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


def train_tokenizer(texts: Iterable[tuple[str, ...]], vocab_size: int, lowercase: bool = False) -> Any:
    """Train a byte-level BPE tokenizer (Sennrich et al., 2016, over bytes as in GPT-2), so no input is unknown.

    Args:
        texts: Inputs of the train split, and of no other.
        vocab_size: Upper limit; a small corpus yields fewer merges.
        lowercase: Fold case first: fewer, better trained tokens, and capitals are lost.

    Returns:
        A `PreTrainedTokenizerFast` that ends every input with `<eos>` and joins pairs with `<sep>`.
    """
    return _wrap(train_bpe(texts, vocab_size, lowercase))


def _wrap(tokenizer: Tokenizer) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        sep_token=SEP,
        eos_token=EOS,
        model_input_names=["input_ids", "attention_mask"],
    )


def train_bpe(texts: Iterable[tuple[str, ...]], vocab_size: int, lowercase: bool = False) -> Tokenizer:
    """The same without transformers around it, whose import takes seconds; for counting."""
    tokenizer = Tokenizer(models.BPE())
    steps: list[Any] = [normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, SEP, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for row in texts for text in row), trainer=trainer)
    special = [(name, tokenizer.token_to_id(name)) for name in (SEP, EOS)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", pair=f"$A {SEP} $B {EOS}", special_tokens=special
    )
    return tokenizer


def train_own_tokenizer(texts: Iterable[tuple[str, ...]], shape: Mapping[str, Any], lowercase: bool) -> Any:
    """The tokenizer of a decoder from scratch.

    Args:
        texts: Inputs of the train split, and of no other.
        shape: Arguments of `engine.models.decoder_config.DecoderConfig`: `input` and `vocab_size` are read.
        lowercase: Fold case first.
    """
    train = train_words if shape.get("input") == "words" else train_tokenizer
    return train(texts, shape["vocab_size"], lowercase)


def own_tokenizer_to_json(tokenizer: Any) -> str:
    """What `own_tokenizer_from_json` makes the same tokenizer of."""
    found = tokenizer.to_json() if isinstance(tokenizer, WordTokenizer) else tokenizer.backend_tokenizer.to_str()
    return str(found)


def own_tokenizer_from_json(text: str, shape: Mapping[str, Any]) -> Any:
    """A tokenizer that `train_own_tokenizer` trained for a decoder of this shape.

    Raises:
        ValueError: It isn't one.
    """
    return WordTokenizer.from_json(text) if shape.get("input") == "words" else _wrap(Tokenizer.from_str(text))


def encode(tokenizer: Any, inputs: Sequence[tuple[str, ...]], task: Task, max_length: int) -> Encoded:
    """Tokenise `inputs`, cutting each at `max_length` tokens (the longer text of a pair first)."""
    if isinstance(tokenizer, WordTokenizer):
        ids, offsets = tokenizer.encode(inputs, max_length)
        return Encoded(ids, None, offsets, tokenizer.pad_token_id)
    wants_types = task.is_pair and "token_type_ids" in tokenizer.model_input_names
    rows: list[list[int]]
    types: list[list[int]]
    if tokenizer.is_fast:
        rows, types = _encode_directly(tokenizer, inputs, task.is_pair, max_length)
    else:
        batch = tokenizer(
            *([row[place] for row in inputs] for place in range(len(task.text_columns))),
            truncation="longest_first" if task.is_pair else True,
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=wants_types,
            # A text that spells "<sep>" is a text, not the mark between premise and hypothesis.
            split_special_tokens=True,
        )
        rows, types = batch["input_ids"], batch.get("token_type_ids", [])
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Encoded(
        ids=_flat(rows),
        type_ids=_flat(types) if wants_types else None,
        offsets=offsets,
        pad_id=int(tokenizer.pad_token_id or 0),
    )


def _encode_directly(
    tokenizer: Any, inputs: Sequence[tuple[str, ...]], pairs: bool, max_length: int
) -> tuple[list[list[int]], list[list[int]]]:
    """What a fast tokenizer does when it is called, without what transformers then does to its result.

    For one short text, that is most of the call: 0.05 instead of 0.13 ms, and 0.11 instead of 0.38 for a pair.
    """
    backend = _set_limits(tokenizer, max_length)
    found = backend.encode_batch_fast(inputs if pairs else [text for (text,) in inputs])
    return [one.ids for one in found], [one.type_ids for one in found]


def _set_limits(tokenizer: Any, max_length: int) -> Any:
    """Let a fast tokenizer cut at `max_length` tokens, and give what does its work."""
    from transformers.tokenization_utils_base import TruncationStrategy
    from transformers.utils.generic import PaddingStrategy

    tokenizer.set_truncation_and_padding(
        padding_strategy=PaddingStrategy.DO_NOT_PAD,
        truncation_strategy=TruncationStrategy.LONGEST_FIRST,
        max_length=max_length,
        stride=0,
        pad_to_multiple_of=None,
        padding_side=None,
    )
    backend = tokenizer.backend_tokenizer
    # As `split_special_tokens`.
    backend.encode_special_tokens = True
    return backend


def count_read(
    tokenizer: Any, inputs: Sequence[tuple[str, ...]], task: Task, max_length: int, encoded: Encoded
) -> Readings:
    """How many of the tokens of each input `encode` has kept, and how many of those the tokenizer doesn't know.

    Only inputs that fill `max_length` may have been cut, so only they are tokenised once more, without a limit.
    """
    if isinstance(tokenizer, WordTokenizer):
        return tokenizer.count_read(inputs, max_length)
    lengths = encoded.lengths
    read = lengths - int(tokenizer.num_special_tokens_to_add(task.is_pair))
    given = read
    if lengths.max(initial=0) >= max_length:
        given = read.copy()
        for row in np.flatnonzero(lengths >= max_length).tolist():
            given[row] = max(given[row], _count_whole(tokenizer, inputs[row], max_length))
    missing = unknown_token(tokenizer)
    if missing is None:
        return Readings(read, given, np.zeros_like(read))
    unknown = encoded.ids == missing
    if not unknown.any():
        return Readings(read, given, np.zeros_like(read))
    before = np.concatenate([[0], np.cumsum(unknown)])
    return Readings(read, given, before[encoded.offsets[1:]] - before[encoded.offsets[:-1]])


def _count_whole(tokenizer: Any, texts: tuple[str, ...], max_length: int) -> int:
    """Tokens of an input, special ones not counted, however many the model reads."""
    if tokenizer.is_fast:
        # What is cut off comes along in pieces; setting no limit would set none for other threads too.
        found = _set_limits(tokenizer, max_length).encode_batch_fast(list(texts), add_special_tokens=False)
        return sum(len(one.ids) + sum(len(rest.ids) for rest in one.overflowing) for one in found)
    whole = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return sum(map(len, whole))


def unknown_token(tokenizer: Any) -> int | None:
    """The token in the place of whatever the vocabulary lacks; None where it lacks nothing, as over bytes."""
    name = tokenizer.unk_token
    if tokenizer.is_fast:
        # Models over bytes have none, though transformers may name one that ends texts.
        name = getattr(tokenizer.backend_tokenizer.model, "unk_token", name)
    if name is None or name in (tokenizer.eos_token, tokenizer.bos_token, tokenizer.pad_token):
        return None
    found = tokenizer.convert_tokens_to_ids(name)
    return None if found is None else int(found)


@dataclass(frozen=True)
class Located:
    """One tokenised input, with what each token covers."""

    ids: NDArray[np.int64]
    """Shape (length,), or (length, features) where a position is a word."""
    type_ids: NDArray[np.int64] | None
    sides: NDArray[np.int64]
    """Which text each token belongs to, shape (length,); -1 for special tokens."""
    spans: NDArray[np.int64]
    """The characters of that text that each token covers, shape (length, 2)."""


def locate_tokens(tokenizer: Any, texts: tuple[str, ...], task: Task, max_length: int) -> Located:
    """The tokens that `encode` gives for one input, with what each covers.

    Raises:
        TextError: The tokenizer is a slow one, which doesn't say.
    """
    if isinstance(tokenizer, WordTokenizer):
        ids, _ = tokenizer.encode([texts], max_length)
        return Located(ids.astype(np.int64), None, *tokenizer.locate(texts, max_length))
    if not tokenizer.is_fast:
        raise TextError(Message("Its tokenizer doesn't tell which letters a token covers."))
    found = _set_limits(tokenizer, max_length).encode(*texts)
    wants_types = task.is_pair and "token_type_ids" in tokenizer.model_input_names
    return Located(
        ids=np.array(found.ids, dtype=np.int64),
        type_ids=np.array(found.type_ids, dtype=np.int64) if wants_types else None,
        sides=np.array([-1 if side is None else side for side in found.sequence_ids], dtype=np.int64),
        spans=np.array(found.offsets, dtype=np.int64).reshape(-1, 2),
    )


def _flat(rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(rows), dtype=np.int32)
