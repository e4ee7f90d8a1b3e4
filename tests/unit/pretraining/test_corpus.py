"""Text for pretraining: what is read, what is held out, and what is refused."""

import gzip
import lzma
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.data.texts import name_sources, paragraphs
from engine.data.tokens import train_tokenizer
from engine.errors import DataError
from engine.pretraining.corpus import (
    Corpus,
    encode_corpus,
    is_held_out,
    remarks,
    texts_to_leave_out,
    training_text,
)

LINES = [f"Zdanie numer {number} o kocie, który śpi na parapecie i liczy do {number % 7}." for number in range(400)]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A small text, a paragraph a line."""
    file = tmp_path / "koty.txt"
    file.write_text("\n".join(LINES), encoding="utf-8")
    return file


def test_compressed_text_reads_the_same(text: Path, tmp_path: Path) -> None:
    with lzma.open(tmp_path / "xz.txt.xz", "wt", encoding="utf-8") as file:
        file.write("\n".join(LINES))
    with gzip.open(tmp_path / "gz.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(LINES))
    sources = name_sources([text, tmp_path / "xz.txt.xz", tmp_path / "gz.txt.gz"])
    assert [source.name for source in sources] == ["koty", "xz", "gz"]
    assert [list(paragraphs(source)) for source in sources] == [LINES] * 3


def test_a_table_gives_its_text_column_and_its_train_rows_alone(tmp_path: Path) -> None:
    file = tmp_path / "tabela.csv"
    file.write_text(
        "id,text,split\n1,Pierwszy wiersz,train\n2,Do oceny,test\n3,Do wyboru,validation\n4,Drugi wiersz,Train\n",
        encoding="utf-8",
    )
    (source,) = name_sources([file])
    assert list(paragraphs(source)) == ["Pierwszy wiersz", "Drugi wiersz"]


def test_a_table_of_pairs_gives_both_texts(tmp_path: Path) -> None:
    file = tmp_path / "pary.csv"
    file.write_text("premise,hypothesis\nPada deszcz,Jest mokro\nŚwieci słońce,Jest noc\n", encoding="utf-8")
    (source,) = name_sources([file])
    assert list(paragraphs(source)) == ["Pada deszcz", "Jest mokro", "Świeci słońce", "Jest noc"]


def test_a_column_that_isnt_recognised_is_named(tmp_path: Path) -> None:
    file = tmp_path / "inne.csv"
    file.write_text("nr,felieton\n1,Dobre\n2,Słabe\n", encoding="utf-8")
    (source,) = name_sources([file])
    with pytest.raises(
        DataError, match=r"^inne\.csv: no column recognised as text\. Columns seen: nr, felieton\. [^\n]+$"
    ):
        list(paragraphs(source))
    (source,) = name_sources([file], "felieton")
    assert list(paragraphs(source)) == ["Dobre", "Słabe"]


def test_files_of_one_name_are_told_apart(text: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "koty.txt"
    other.write_text("Inny tekst\n", encoding="utf-8")
    (tmp_path / "koty#2.txt").write_text("Jeszcze inny\n", encoding="utf-8")
    names = [source.name for source in name_sources([tmp_path / "koty#2.txt", text, other])]
    assert names == ["koty#2", "koty", "koty#3"]


def test_a_file_named_twice_is_refused(text: Path) -> None:
    with pytest.raises(DataError, match=r"^koty\.txt is named twice\.$"):
        name_sources([text, text])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("pusty.txt", b"", "pusty.txt holds no paragraphs of text; at least 4 are needed."),
        ("biały.txt", b"  \n\n\t\n", "biały.txt holds no paragraphs of text; at least 4 are needed."),
        ("krótki.txt", b"Raz\nDwa\nTrzy\n", "krótki.txt holds 3 paragraphs of text; at least 4 are needed."),
        ("latin2.txt", "Zażółć gęślą jaźń\n".encode("iso-8859-2") * 9, "latin2.txt is not UTF-8 text"),
        ("zły.txt.xz", b"to nie jest xz", "zły.txt.xz can't be read: "),
        ("ucięty.txt.xz", lzma.compress(b"Wiersz\n" * 999)[:-20], "ucięty.txt.xz can't be read: "),
        ("zły.txt.gz", b"to nie jest gzip", "zły.txt.gz can't be read: "),
    ],
)
def test_unreadable_or_empty_text_is_one_clear_line(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(training_text(name_sources([tmp_path / name])))
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^There is no file .*brak\.txt\.$"):
        name_sources([tmp_path / "brak.txt"])
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    with pytest.raises(DataError, match=r"^scan\.pdf: text of this kind is not read\."):
        name_sources([tmp_path / "scan.pdf"])


@pytest.mark.parametrize("total", [4, 10, 40, 399, 1000, 12_345, 300_000])
def test_a_share_of_every_text_is_held_out_and_most_is_not(total: int) -> None:
    held = sum(is_held_out(index, total) for index in range(total))
    assert held >= 1
    assert held <= max(1, total // 2)
    if total >= 10_000:
        assert 0.005 < held / total < 0.05


def test_neighbours_are_held_out_together_in_a_long_text() -> None:
    marks = [is_held_out(index, 100_000) for index in range(100_000)]
    changes = sum(one != other for one, other in pairwise(marks))
    assert sum(marks) / (changes / 2) == pytest.approx(64, rel=0.1)


def test_held_out_text_is_never_trained_on(text: Path, tmp_path: Path) -> None:
    sources = name_sources([text])
    trained = list(training_text(sources))
    held = [line for index, line in enumerate(LINES) if is_held_out(index, len(LINES))]
    assert held
    assert not set(held) & set(trained)
    assert len(held) + len(trained) == len(LINES)
    corpus = _encoded(sources, tmp_path)
    tokenizer = train_tokenizer([(line,) for line in trained], 400)
    decoded = tokenizer.decode(corpus.held_out["koty"].tolist())
    for line in held:
        assert line.split(",")[0].split("numer ")[1] in decoded


def test_texts_of_an_evaluation_file_are_left_out_whatever_their_case(text: Path, tmp_path: Path) -> None:
    judged = tmp_path / "test.csv"
    judged.write_text(f'text,label\n"{LINES[0].upper()}",0\n"{LINES[5]}",1\n', encoding="utf-8")
    left_out = texts_to_leave_out([judged])
    sources = name_sources([text])
    assert not {LINES[0], LINES[5]} & set(training_text(sources, left_out))
    corpus = _encoded(sources, tmp_path, left_out)
    assert corpus.sources[0].left_out == 2


def test_a_file_to_leave_out_is_read_like_any_other_or_refused(text: Path, tmp_path: Path) -> None:
    (tmp_path / "test.html").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"^test\.html: text of this kind is not read\."):
        texts_to_leave_out([tmp_path / "test.html"])
    with pytest.raises(DataError, match=r"^There is no file "):
        texts_to_leave_out([tmp_path / "none.csv"])
    judged = tmp_path / "test.csv"
    judged.write_text("text,split\nPierwsze,train\nDrugie,test\n", encoding="utf-8")
    # The column named for another table isn't looked for here.
    assert texts_to_leave_out([judged], "opinia") == {"pierwsze", "drugie"}


def test_a_labelled_table_without_splits_is_remarked_on(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("text,label\nDobre,2\n", encoding="utf-8")
    sources = name_sources([file])
    assert len(remarks(sources, [])) == 1
    assert remarks(sources, [file]) == []
    file.write_text("text,label,split\nDobre,2,train\n", encoding="utf-8")
    assert remarks(sources, []) == []


def test_encoded_text_is_the_text_and_ends_every_paragraph(text: Path, tmp_path: Path) -> None:
    sources = name_sources([text])
    trained = list(training_text(sources))
    tokenizer = train_tokenizer([(line,) for line in trained], 400)
    corpus = encode_corpus(sources, tokenizer, tmp_path / "work")
    assert int((np.asarray(corpus.train) == tokenizer.eos_token_id).sum()) == len(trained)
    first = corpus.train[: int(np.argmax(np.asarray(corpus.train) == tokenizer.eos_token_id))]
    assert tokenizer.decode(first.tolist()).strip() == trained[0]
    (facts,) = corpus.sources
    assert facts.paragraphs == len(LINES)
    assert facts.bytes == sum(len(line.encode()) for line in LINES)
    assert (facts.tokens, facts.held_out_tokens) == (len(corpus.train), len(corpus.held_out["koty"]))


def test_a_second_call_encodes_nothing_unless_the_text_has_changed(text: Path, tmp_path: Path) -> None:
    sources = name_sources([text])
    tokenizer = train_tokenizer([(line,) for line in LINES], 400)
    calls: list[str] = []
    for _ in range(2):
        encode_corpus(sources, tokenizer, tmp_path / "work", tick=lambda what, done, total: calls.append(what))
    assert len(calls) == 1
    text.write_text("\n".join([*LINES, "Jeszcze jedno zdanie."]), encoding="utf-8")
    corpus = encode_corpus(sources, tokenizer, tmp_path / "work", tick=lambda what, done, total: calls.append(what))
    assert len(calls) == 2
    assert corpus.sources[0].paragraphs == len(LINES) + 1


def test_the_unigram_loss_is_that_of_token_frequencies() -> None:
    train = np.array([0, 0, 0, 1], dtype=np.uint16)
    corpus = Corpus(train, {"x": np.array([0, 1], dtype=np.uint16)}, (), vocab_size=2)
    # Add-one over two tokens: 4/6 and 2/6.
    assert corpus.unigram_loss("x") == pytest.approx(-(np.log(4 / 6) + np.log(2 / 6)) / 2)


def _encoded(sources: object, folder: Path, left_out: frozenset[str] = frozenset()) -> Corpus:
    tokenizer = train_tokenizer(((text,) for text in training_text(sources, left_out)), 400)  # type: ignore[arg-type]
    return encode_corpus(sources, tokenizer, folder / "work", left_out)  # type: ignore[arg-type]
