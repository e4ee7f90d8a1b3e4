"""Word vectors by counting: words in like company have like vectors."""

import numpy as np
import pytest

from engine.models.word_vectors import count_neighbours, learn_vectors, mutual_information

ANIMALS, DRINKS = ("kot", "pies", "chomik"), ("kawa", "herbata", "kakao")
TEXTS = [
    *(["mały", animal, "śpi", "na", "kocu"] for animal in ANIMALS for _ in range(8)),
    *(["gorąca", drink, "stoi", "w", "kubku"] for drink in DRINKS for _ in range(8)),
]


def test_words_in_like_company_have_like_vectors() -> None:
    found = learn_vectors(TEXTS, 4, 100)
    table = dict(zip(found.words, found.table.astype(np.float64), strict=True))
    assert table["kot"] @ table["pies"] > 0.9
    assert table["kawa"] @ table["kakao"] > 0.9
    assert abs(table["kot"] @ table["kawa"]) < 0.3


def test_the_same_text_gives_the_same_vectors_of_length_one() -> None:
    first, second = learn_vectors(TEXTS, 4, 100), learn_vectors(TEXTS, 4, 100)
    assert first.table.dtype == np.float16
    assert np.array_equal(first.table, second.table)
    assert np.allclose(np.linalg.norm(first.table.astype(np.float64), axis=1), 1, atol=2e-3)


def test_rare_words_and_those_past_the_limit_have_none() -> None:
    found = learn_vectors([*TEXTS, ["raz", "raz"]], 3, 8)
    assert len(found.words) == 8
    assert "raz" not in learn_vectors([*TEXTS, ["raz", "raz"]], 3, 100).words


def test_neighbours_are_counted_by_their_distance_and_never_across_texts() -> None:
    near = count_neighbours([["a", "b", "x", "a"], ["b"]], ["a", "b"]).toarray()
    # a and b stand at one and at two words from each other; a and a at three.
    assert near == pytest.approx(np.array([[2 / 3, 1.5], [1.5, 0]]))


def test_only_what_is_nearer_than_by_chance_is_kept() -> None:
    near = count_neighbours(TEXTS, ["kot", "śpi", "kawa", "stoi"])
    found = mutual_information(near).toarray()
    assert found[0, 1] > 0
    assert found[0, 3] == 0
    assert (found >= 0).all()


def test_more_numbers_than_words_are_refused() -> None:
    with pytest.raises(ValueError, match="vectors of 50 numbers need more than 50 words"):
        learn_vectors(TEXTS, 50, 100)
