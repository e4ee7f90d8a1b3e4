"""Unlabelled text: what word vectors are learnt from before training, and what a checkpoint says of it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.data.folding import fold_all
from engine.data.sources import TaskData
from engine.data.texts import TextSource, digest_of_files, name_sources, paragraphs
from engine.data.word_tokens import WORD, WordTokenizer
from engine.errors import DataError, RecipeError
from engine.models.decoder_config import DecoderConfig
from engine.models.word_vectors import WordVectors, learn_vectors
from engine.training.recipe import Recipe

OWN_TEXTS = "the train split's own texts"


@dataclass(frozen=True)
class Unlabelled:
    """Texts of which nobody says what they mean."""

    texts: tuple[str, ...]
    """Each once, whatever its case and punctuation."""
    source: str
    """Where they are from, in words."""
    left_out: int
    """Texts of the file that are validation or test rows here, and so weren't read."""

    def origin(self) -> dict[str, str]:
        """For the checkpoint: where its vectors are from."""
        digest = hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:12]
        return {
            "vectors_from": self.source,
            "vectors_texts": str(len(self.texts)),
            "vectors_fingerprint": digest,
            "vectors_left_out": str(self.left_out),
        }


def open_source(given: str) -> TextSource:
    """The file that the setting `unlabelled` names: `FILE`, or `FILE:COLUMN` of a table.

    Raises:
        DataError: It is missing, or of a kind that isn't read.
    """
    file, colon, column = given.rpartition(":")
    named = (file, column) if colon and not Path(given).exists() else (given, "")
    return name_sources([Path(named[0])], named[1])[0]


def digest_text(recipe: Recipe) -> str:
    """Digest of the file that the setting `unlabelled` names; empty where it names none.

    Raises:
        DataError: It is missing, or of a kind that isn't read.
    """
    return digest_of_files([open_source(recipe.unlabelled)]) if recipe.unlabelled else ""


def give_text(recipes: Sequence[Recipe], given: str) -> list[Recipe]:
    """The recipes, those that learn word vectors with the text in `given`, a `FILE` or `FILE:COLUMN`.

    Raises:
        DataError: The file is missing, or of a kind that isn't read.
        RecipeError: None of them learns word vectors.
    """
    open_source(given)
    if not any(recipe.learns_vectors for recipe in recipes):
        names = ", ".join(recipe.name for recipe in recipes)
        raise RecipeError(f"Unlabelled text is for word vectors, as `vectors` has them; there are none in: {names}.")
    return [replace(recipe, unlabelled=given) if recipe.learns_vectors else recipe for recipe in recipes]


def read_unlabelled(recipe: Recipe, data: TaskData) -> Unlabelled:
    """The train split's texts, and those of the recipe's file that are neither validation nor test rows.

    Raises:
        DataError: The file can't be read.
    """
    judged = set(fold_all(list(_texts_of(data, "validation", "test"))))
    texts: dict[str, str] = {}
    own = list(_texts_of(data, "train"))
    for key, text in zip(fold_all(own), own, strict=True):
        texts.setdefault(key, text)
    source, left_out = OWN_TEXTS, 0
    if recipe.unlabelled:
        file = open_source(recipe.unlabelled)
        given = list(paragraphs(file))
        for key, text in zip(fold_all(given), given, strict=True):
            if key in judged:
                left_out += 1
            else:
                texts.setdefault(key, text)
        source = f"{OWN_TEXTS} and {file.path.name}"
    return Unlabelled(tuple(texts.values()), source, left_out)


def _texts_of(data: TaskData, *splits: str) -> Iterator[str]:
    yield from (text for split in splits for row in data.texts(split) for text in row)


def learn_from(recipe: Recipe, data: TaskData) -> tuple[WordVectors, dict[str, str]]:
    """The vectors that a recipe's decoder gets, and where they are from.

    Raises:
        DataError: There is too little text for them, or it can't be read.
    """
    found = read_unlabelled(recipe, data)
    normalise = WordTokenizer((), (), recipe.lowercase).normalise
    words = [WORD.findall(normalise(text)) for text in found.texts]
    shape = DecoderConfig(**recipe.decoder)
    try:
        return learn_vectors(words, shape.vectors, shape.vector_words), found.origin()
    except ValueError as error:
        raise DataError(f"{recipe.name} can't learn word vectors from {found.source}: {error}.") from error
