"""Shared fixtures: small real data, small real models, real databases; no mocks."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.data.tasks import NLI, SLANG, Task
from engine.paths import Places
from support.shared import made_once

# What takes seconds to import, the process that only hands tests out to others doesn't wait for.
if TYPE_CHECKING:
    from engine.data.sources import TaskData
    from engine.store import Store
    from support.loopback_uploads import WritableHub

# Models this small gain nothing from a second thread, and wait for it where tests run side by side. It is read when
# torch is imported, here and in the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

# Uploads of the pages that this process starts: what another one's visitors send and delete is none of its business.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="odzera-uploads-")
atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def slang() -> TaskData:
    """The bundled slang sample."""
    from engine.data.sources import load

    return load(SLANG)


@pytest.fixture(scope="session")
def nli() -> TaskData:
    """The bundled NLI sample."""
    from engine.data.sources import load

    return load(NLI)


@pytest.fixture(scope="session")
def few(slang: TaskData) -> TaskData:
    """Some rows of the bundled slang sample."""
    from support.models import cut

    return cut(slang)


@pytest.fixture
def store() -> Store:
    """A real store, in memory."""
    from engine.store import Store

    return Store.in_memory()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Empty places of the test's own."""
    from support.models import places_in

    return places_in(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, slang: TaskData, nli: TaskData) -> Places:
    """Places with four small trained models for each task: majority, tfidf, scratch, and a second scratch."""
    from engine.store import Store
    from engine.training.recipes import RECIPES
    from support.models import places_in, tiny_recipe, train_model

    def train_all(folder: Path) -> None:
        places = places_in(folder)
        store = Store.open(places.store)
        for data in (slang, nli):
            for name in ("majority", "tfidf"):
                train_model(RECIPES[name], data, places, store)
            train_model(tiny_recipe(), data, places, store)
            train_model(tiny_recipe(seed=1), data, places, store, name="scratch-b")
        # What stands in the journal goes into the file, so that the file is the same before and after a look at it.
        store.db.close()

    return places_in(made_once(tmp_path_factory, "trained", train_all))


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
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Tiny random models as a hub would serve them: architecture → file name → content."""
    from support.tiny_repos import save_tiny_models

    folder = made_once(tmp_path_factory, "tiny", save_tiny_models)
    return {one.name: {file.name: file.read_bytes() for file in sorted(one.iterdir())} for one in folder.iterdir()}


@pytest.fixture
def connected(
    tiny: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WritableHub]:
    """A hub that this process talks to, with an empty cache; processes of their own read the environment instead."""
    import datasets
    from huggingface_hub import constants

    from support.loopback_uploads import WritableHub
    from support.tiny_repos import slang_set

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
