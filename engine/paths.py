"""Default places. Only the entry points read them; everything else is handed its paths."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Places:
    """Where a command reads and writes."""

    checkpoints: Path
    """Trained models, one folder each: `TASK/RECIPE@DATA/`."""
    store: Path
    """SQLite file with runs, epochs, predictions and latencies."""
    training: Path
    """State of unfinished training runs, from which they resume."""

    @property
    def studies(self) -> Path:
        """SQLite file with the searches, for optuna-dashboard."""
        return self.store.with_name("optuna.db")


def default_places() -> Places:
    """The repository's own folders, or those under `ODZERA_HOME` when it is set."""
    home = Path(os.environ.get("ODZERA_HOME", ROOT))
    return Places(
        checkpoints=home / "checkpoints",
        store=home / "studies" / "results.db",
        training=home / "checkpoints" / ".training",
    )


def find_pretrained(name: str) -> Path | None:
    """The folder of a pretrained model: a path, a name in the user's checkpoints, or one that ships with the product.

    Models are looked for here by everybody, as installed packages are, so that a recipe can name one.
    """
    places = (Path(name), default_places().checkpoints / name, ROOT / "checkpoints" / name)
    return next((place for place in places if (place / "config.json").is_file()), None)
