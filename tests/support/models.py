"""Small real models and where they are kept."""

import dataclasses
from pathlib import Path

import torch

from engine.data.sources import TaskData
from engine.data.tokens import train_tokenizer
from engine.experiments.record import Finished, Request
from engine.experiments.run import run_experiment
from engine.models.language_model import LanguageModelConfig, make_language_model
from engine.paths import Places
from engine.store import Store
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES

TINY_DECODER = {
    "vocab_size": 600,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "dropout": 0.1,
}


def tiny_recipe(**changes: object) -> Recipe:
    """A decoder that trains in a second or two."""
    base = dataclasses.replace(RECIPES["scratch-bpe"], name="scratch", decoder=TINY_DECODER, epochs=2, batch_size=64)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def places_in(folder: Path) -> Places:
    """The usual places, under a folder of the test's own."""
    return Places(folder / "checkpoints", folder / "studies" / "results.db", folder / "checkpoints" / ".training")


def train_model(recipe: Recipe, data: TaskData, places: Places, store: Store, name: str = "") -> Finished:
    """Run an experiment to its end."""
    request = Request(recipe, data, places.checkpoints, places.training, name, device="cpu")
    return next(event for event in run_experiment(request, store) if isinstance(event, Finished))


def saved_decoder(folder: Path, seed: int = 0) -> Path:
    """A pretrained decoder in a folder, with its tokenizer."""
    tokenizer = train_tokenizer([("Ala ma kota, a kot ma Alę.",)] * 9, 320)
    torch.manual_seed(seed)
    shape = LanguageModelConfig(vocab_size=320, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, context=64)
    make_language_model(shape, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def cut(data: TaskData, train: int = 160, other: int = 60) -> TaskData:
    """The first rows of every split, for trials that last a second."""
    place = data.frame.groupby("split").cumcount()
    limit = data.frame["split"].map({"train": train, "validation": other, "test": other})
    return dataclasses.replace(data, frame=data.frame[place < limit].reset_index(drop=True))
