"""Shared fixtures: small real data, small real models, real databases; no mocks."""

import dataclasses
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from loopback_uploads import WritableHub
from tiny_repos import slang_set, tiny_models

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that wait asleep: spinning ones take the cores that other tests and programs need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from engine.data.sources import TaskData, load
from engine.data.tasks import NLI, SLANG, Task
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
    base = dataclasses.replace(RECIPES["scratch"], decoder=TINY_DECODER, epochs=2, batch_size=64, precision="float32")
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


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Models this small gain nothing from a second one, and wait for it where tests run side by side.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def slang() -> TaskData:
    """The bundled slang sample."""
    return load(SLANG)


@pytest.fixture(scope="session")
def nli() -> TaskData:
    """The bundled NLI sample."""
    return load(NLI)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cut(data: TaskData, train: int = 160, other: int = 60) -> TaskData:
    """The first rows of every split, for trials that last a second."""
    place = data.frame.groupby("split").cumcount()
    limit = data.frame["split"].map({"train": train, "validation": other, "test": other})
    return dataclasses.replace(data, frame=data.frame[place < limit].reset_index(drop=True))


@pytest.fixture(scope="session")
def few(slang: TaskData) -> TaskData:
    """Some rows of the bundled slang sample."""
    return cut(slang)


@pytest.fixture
def store() -> Store:
    """A real store, in memory."""
    return Store.in_memory()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Empty places of the test's own."""
    return places_in(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, slang: TaskData, nli: TaskData) -> Places:
    """Places with four small trained models for each task: majority, tfidf, scratch, and a second scratch."""
    places = places_in(tmp_path_factory.mktemp("trained"))
    store = Store.open(places.store)
    for data in (slang, nli):
        for name in ("majority", "tfidf"):
            train_model(RECIPES[name], data, places, store)
        train_model(tiny_recipe(), data, places, store)
        train_model(tiny_recipe(seed=1), data, places, store, name="scratch-b")
    return places


@pytest.fixture
def home(trained: Places, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ODZERA_HOME` set to the trained models, for tests of the command line."""
    folder = trained.checkpoints.parent
    monkeypatch.setenv("ODZERA_HOME", str(folder))
    return folder


@pytest.fixture(params=[SLANG, NLI], ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    """Each task in turn."""
    chosen: Task = request.param
    return chosen


@pytest.fixture(scope="session")
def tiny() -> dict[str, dict[str, bytes]]:
    """Tiny random models as a hub would serve them: architecture → file name → content."""
    return tiny_models()


@pytest.fixture
def connected(
    tiny: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WritableHub]:
    """A hub that this process talks to, with an empty cache; processes of their own read the environment instead."""
    import datasets
    from huggingface_hub import constants

    hub = WritableHub()
    for name, files in tiny.items():
        hub.add("model", f"tiny/{name}", files)
    hub.add("dataset", SLANG.hub.repo_id, slang_set())
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # The libraries have read the environment when they were imported.
    for module, names in {
        constants: {
            "ENDPOINT": hub.endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_OFFLINE": False,
            # Large files then go the way that the hub on loopback speaks.
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
        },
        datasets.config: {
            "HF_HUB_OFFLINE": False,
            "HF_ENDPOINT": hub.endpoint,
            "HF_UPDATE_DOWNLOAD_COUNTS": False,
            "HF_DATASETS_CACHE": tmp_path / "hf" / "datasets",
            "DOWNLOADED_DATASETS_PATH": tmp_path / "hf" / "datasets" / "downloads",
        },
    }.items():
        for name, value in names.items():
            monkeypatch.setattr(module, name, value)
    yield hub
    hub.close()
