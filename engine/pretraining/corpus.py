"""Plain text for pretraining: read as a stream, held out in stretches, encoded once into one flat file of tokens."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.columns import text_columns
from engine.data.tables import read_table
from engine.data.tasks import SLANG
from engine.data.texts import TABLES, TextSource, digest_of_files, name_sources, paragraphs
from engine.data.white_space import clean_text
from engine.errors import DataError

AT_ONCE = 2048
"""Paragraphs encoded in one call: enough to keep the tokenizer busy, few enough to need no memory."""
STRETCH = 64
"""Neighbouring paragraphs that are held out together, since a novel's next line is no unseen text."""
ONE_IN = 100
"""Stretches of which one is held out."""

Tokens = NDArray[np.uint16] | NDArray[np.uint32]
Tick = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is."""


@dataclass(frozen=True)
class SourceFacts:
    """What a source gave."""

    name: str
    paragraphs: int
    bytes: int
    """UTF-8 bytes of the cleaned paragraphs, the held-out ones included."""
    tokens: int
    """Tokens to train on, one `<eos>` a paragraph included."""
    held_out_bytes: int
    held_out_tokens: int
    left_out: int = 0
    """Paragraphs that were left out since they stand in a file named by `--except`."""


@dataclass(frozen=True)
class Corpus:
    """Encoded text: one flat array to train on, and a held-out one for each source."""

    train: Tokens
    held_out: Mapping[str, Tokens]
    sources: tuple[SourceFacts, ...]
    vocab_size: int

    def blocks(self, context: int) -> int:
        """Packed sequences of `context` tokens and the one that follows."""
        return max((len(self.train) - 1) // context, 0)

    def unigram_loss(self, source: str) -> float:
        """Nats a held-out token costs a model that only knows how frequent each token is in training (add-one)."""
        counts = np.bincount(self.train, minlength=self.vocab_size) + 1.0
        log_shares = np.log(counts / counts.sum())
        return float(-log_shares[self.held_out[source]].mean())


def texts_to_leave_out(paths: Sequence[Path], column: str = "") -> frozenset[str]:
    """Every paragraph of the files, whatever its split, in the form in which texts are compared: without case.

    Raises:
        DataError: A file is missing, of a kind that isn't read, or a table without a column of text.
    """
    sources = name_sources(paths, column) if paths else []
    return frozenset(_comparable(text) for source in sources for text in _every_row(source))


def remarks(sources: Sequence[TextSource], leave_out: Sequence[Path]) -> list[str]:
    """What whoever names these files should know, a line each."""
    lines = []
    for source in sources:
        if leave_out or source.path.suffix.lower() not in TABLES:
            continue
        columns = {name.strip().casefold() for name in read_table(source.path).columns}
        if "split" not in columns and columns & set(SLANG.aliases["label"]):
            lines.append(
                f"{source.path.name} has labels and no splits: all its rows are read. If some are to judge a model "
                "later, name them with --except."
            )
    return lines


def _every_row(source: TextSource) -> Iterator[str]:
    if source.path.suffix.lower() not in TABLES:
        yield from paragraphs(source)
        return
    table = read_table(source.path)
    # The column that was named may be another file's.
    column = source.column if source.column in table.columns else ""
    for row in table.frame(text_columns(table, column)).itertuples(index=False, name=None):
        yield from (clean_text(value) for value in row)


def _comparable(text: str) -> str:
    return text.casefold()


def is_held_out(index: int, total: int) -> bool:
    """Whether paragraph `index` of `total` is held out: one stretch in a hundred, and a few of a short text."""
    length = max(1, min(STRETCH, total // 200))
    one_in = max(2, min(ONE_IN, total // length // 4))
    return index // length % one_in == one_in // 2


def training_text(sources: Sequence[TextSource], left_out: Collection[str] = ()) -> Iterator[str]:
    """The paragraphs of all sources that aren't held out or left out, as a stream."""
    for source in sources:
        total = count(source)
        for index, text in enumerate(paragraphs(source)):
            if not is_held_out(index, total) and _comparable(text) not in left_out:
                yield text


def held_out_text(sources: Sequence[TextSource]) -> Iterator[str]:
    """The paragraphs of all sources that pretraining on them holds out, as a stream."""
    for source in sources:
        total = count(source)
        yield from (text for index, text in enumerate(paragraphs(source)) if is_held_out(index, total))


def count(source: TextSource) -> int:
    """Paragraphs in a source.

    Raises:
        DataError: There are too few to train on some and hold some out.
    """
    total = sum(1 for _ in paragraphs(source))
    if total < 4:
        raise DataError(f"{source.path.name} holds {total or 'no'} paragraphs of text; at least 4 are needed.")
    return total


def encode_corpus(
    sources: Sequence[TextSource],
    tokenizer: Any,
    folder: Path,
    left_out: Collection[str] = (),
    tick: Tick | None = None,
) -> Corpus:
    """Encode all sources into `folder`, or open what an earlier call left there.

    Args:
        sources: As `name_sources` returns them.
        tokenizer: A fast tokenizer of transformers.
        folder: Where the tokens go; it may be deleted at any time.
        left_out: Texts that must not be trained on, as `texts_to_leave_out` returns them.
        tick: See `Tick`.

    Raises:
        DataError: A source can't be read, or is too short.
    """
    key = _key(sources, tokenizer, left_out)
    described = folder / "corpus.json"
    if described.is_file() and json.loads(described.read_text(encoding="utf-8")).get("key") == key:
        return open_corpus(folder)
    folder.mkdir(parents=True, exist_ok=True)
    described.unlink(missing_ok=True)
    dtype = np.uint16 if len(tokenizer) <= 2**16 else np.uint32
    facts = []
    with (folder / "train.bin").open("wb") as train:
        for place, source in enumerate(sources):
            with (folder / f"held-out-{place}.bin").open("wb") as held:
                facts.append(_encode(source, tokenizer, dtype, train, held, left_out, tick))
    plain = {
        "key": key,
        "dtype": np.dtype(dtype).name,
        "vocab_size": len(tokenizer),
        "sources": [asdict(one) for one in facts],
    }
    temporary = described.with_suffix(".tmp")
    temporary.write_text(json.dumps(plain), encoding="utf-8")
    os.replace(temporary, described)
    return open_corpus(folder)


def _encode(
    source: TextSource, tokenizer: Any, dtype: Any, train: Any, held: Any, left_out: Collection[str], tick: Tick | None
) -> SourceFacts:
    total = count(source)
    sizes = {"bytes": 0, "tokens": 0, "held_out_bytes": 0, "held_out_tokens": 0, "left_out": 0}
    stream = enumerate(paragraphs(source))
    end = tokenizer.eos_token_id
    while batch := list(islice(stream, AT_ONCE)):
        kept = [(index, text) for index, text in batch if _comparable(text) not in left_out]
        sizes["left_out"] += len(batch) - len(kept)
        # A text that spells "<eos>" is a text, not an end.
        encoded = tokenizer([text for _, text in kept], split_special_tokens=True)["input_ids"] if kept else []
        for (index, text), ids in zip(kept, encoded, strict=True):
            if ids[-1:] != [end]:
                # Not every tokenizer ends a text by itself.
                ids = [*ids, end]
            out = is_held_out(index, total)
            (held if out else train).write(np.asarray(ids, dtype=dtype).tobytes())
            size = len(text.encode())
            sizes["bytes"] += size
            sizes["held_out_tokens" if out else "tokens"] += len(ids)
            sizes["held_out_bytes"] += size if out else 0
        if tick:
            tick(f"encoding {source.name}", batch[-1][0] + 1, total)
    return SourceFacts(source.name, total, **sizes)


def open_corpus(folder: Path) -> Corpus:
    """Map the encoded text into memory, without reading it."""
    plain = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    dtype = np.dtype(plain["dtype"])
    sources = tuple(SourceFacts(**one) for one in plain["sources"])
    held = {
        source.name: np.fromfile(folder / f"held-out-{place}.bin", dtype=dtype) for place, source in enumerate(sources)
    }
    if not sum(source.tokens for source in sources):
        raise DataError("Nothing is left to train on: every paragraph is held out or left out.")
    return Corpus(np.memmap(folder / "train.bin", dtype=dtype, mode="r"), held, sources, plain["vocab_size"])


def _key(sources: Sequence[TextSource], tokenizer: Any, left_out: Collection[str]) -> str:
    settings = tokenizer.backend_tokenizer.to_str() + digest_of_files(sources) + "\n".join(sorted(left_out))
    return hashlib.sha256(settings.encode()).hexdigest()
