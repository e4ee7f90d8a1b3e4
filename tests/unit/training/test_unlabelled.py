"""Unlabelled text: what is read of it, and what never is."""

import dataclasses
from pathlib import Path

import pytest

from engine.data.sources import TaskData
from engine.data.tasks import SLANG
from engine.errors import DataError, RecipeError
from engine.experiments.repeats import digest_settings
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES, get_recipe
from engine.training.unlabelled import OWN_TEXTS, give_text, read_unlabelled

VECTORS = RECIPES["vectors"]


def with_text(file: object) -> Recipe:
    return dataclasses.replace(VECTORS, unlabelled=str(file))


def test_without_a_file_the_train_texts_are_read_and_no_other(few: TaskData) -> None:
    found = read_unlabelled(VECTORS, few)
    assert sorted(found.texts) == sorted({text for (text,) in few.texts("train")})
    assert (found.source, found.left_out) == (OWN_TEXTS, 0)


def test_judged_rows_are_left_out_whatever_their_case_and_punctuation(few: TaskData, tmp_path: Path) -> None:
    judged = [few.texts(split)[3][0] for split in ("validation", "test")]
    file = tmp_path / "posts.txt"
    file.write_text("\n".join([judged[0].upper(), f"{judged[1]} !!!", "zupełnie nowy wpis"]), encoding="utf-8")
    found = read_unlabelled(with_text(file), few)
    assert found.left_out == 2
    assert found.texts[-1] == "zupełnie nowy wpis"
    assert not {text.casefold() for text in judged} & {text.casefold() for text in found.texts}
    assert found.origin()["vectors_from"] == f"{OWN_TEXTS} and posts.txt"
    assert found.origin() != read_unlabelled(VECTORS, few).origin()


def test_a_table_gives_the_column_that_is_named_and_its_train_rows_alone(few: TaskData, tmp_path: Path) -> None:
    file = tmp_path / "posts.csv"
    file.write_text("id,body,split\n1,wpis pierwszy,train\n2,wpis drugi,test\n", encoding="utf-8")
    texts = read_unlabelled(with_text(f"{file}:body"), few).texts
    assert texts[-1] == "wpis pierwszy"
    assert "wpis drugi" not in texts
    with pytest.raises(DataError, match="there is no column 'ghost'"):
        read_unlabelled(with_text(f"{file}:ghost"), few)


def test_text_goes_to_the_recipes_with_vectors_alone(tmp_path: Path) -> None:
    file = tmp_path / "posts.txt"
    file.write_text("wpis\n", encoding="utf-8")
    given = give_text([RECIPES["tfidf"], VECTORS], str(file))
    assert [recipe.unlabelled for recipe in given] == ["", str(file)]
    with pytest.raises(RecipeError, match="there are none in: scratch, hybrid"):
        give_text([RECIPES["scratch"], RECIPES["hybrid"]], str(file))
    with pytest.raises(DataError, match="There is no file"):
        give_text([VECTORS], "/nowhere/posts.txt")
    with pytest.raises(RecipeError, match="scratch learns no word vectors"):
        get_recipe("scratch", SLANG, [f"unlabelled={file}"])


def test_another_file_is_another_model_and_none_is_the_recipe_as_it_was(tmp_path: Path) -> None:
    assert digest_settings(with_text(tmp_path / "a")) != digest_settings(VECTORS)
    for name in ("unlabelled", "baseline_weight"):
        assert name not in RECIPES["scratch"].identity()
    assert digest_settings(RECIPES["hybrid"]) != digest_settings(RECIPES["scratch"])
    # What was measured by these digests is still what these recipes are.
    assert digest_settings(RECIPES["scratch"]) == "bd3bb85fa24c"
    assert digest_settings(RECIPES["tfidf"]) == "388dc8b4a087"
