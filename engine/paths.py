"""Default places. Only the entry points read them; everything else is handed its paths."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that the packages lie in: the repository, or where pip has installed them."""


@dataclass(frozen=True)
class Places:
    """Where a command reads and writes."""

    checkpoints: Path
    """Trained models, one folder each: `TASK/RECIPE@DATA/`."""
    store: Path
    """SQLite file with runs, epochs and predictions."""
    training: Path
    """State of unfinished training runs, from which they resume."""

    @property
    def studies(self) -> Path:
        """SQLite file with the searches, for optuna-dashboard."""
        return self.store.with_name("optuna.db")


def default_places() -> Places:
    """The folders under `ODZERA_HOME` when it is set, else the repository's, or those where an installed copy runs."""
    home = Path(os.environ.get("ODZERA_HOME") or (ROOT if (ROOT / "checkpoints").is_dir() else Path.cwd()))
    return Places(
        checkpoints=home / "checkpoints",
        store=home / "studies" / "results.db",
        training=home / "checkpoints" / ".training",
    )


def say_no_models(checkpoints: Path, task: str) -> str:
    """A sentence on what to do where no model answers; an installed copy comes without those of the repository."""
    return (
        f"No model answers for {task}; models are looked for in {checkpoints}. Train some: odzera train majority tfidf "
        f"scratch --task {task}. The repository comes with trained ones: set ODZERA_HOME to a copy of it."
    )


def find_pretrained(name: str) -> Path | None:
    """The folder of a pretrained model: a path, a name in the user's checkpoints, or one that ships with the product.

    Models are looked for here by everybody, as installed packages are, so that a recipe can name one.
    """
    places = (Path(name), default_places().checkpoints / name, ROOT / "checkpoints" / name)
    return next((place for place in places if (place / "config.json").is_file()), None)
