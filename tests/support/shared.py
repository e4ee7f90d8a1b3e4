"""What is made once for all test processes of a run, and given to each as a copy of its own."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def run_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all test processes of a run have in common."""
    own = tmp_path_factory.getbasetemp()
    # Under pytest-xdist the processes' folders lie side by side in that of the run.
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = root / name
    folder.mkdir(exist_ok=True)
    return folder


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder with what `make` writes; the first process that asks makes it, and the others wait for it.

    Each gets a copy, so that no test sees what another process's tests do.
    """
    made = run_folder(tmp_path_factory, "made-once") / name
    with FileLock(made.with_suffix(".lock")):
        if not made.exists():
            unfinished = made.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(made)
    return Path(shutil.copytree(made, tmp_path_factory.mktemp(name) / "copy"))
