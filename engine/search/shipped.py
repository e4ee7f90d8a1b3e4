"""The study that comes with the program is copied to where studies are kept when there is none yet."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from engine.errors import StoreError
from engine.paths import ROOT, Places

SHIPPED = ROOT / "studies" / "slang-sample.db"


def default_storage(places: Places) -> str:
    """The address of `studies/optuna.db`, made from the shipped study at first use.

    Raises:
        StoreError: The place can't be written.
    """
    path = places.studies
    # An installed copy comes without it, but may be started in the repository.
    shipped = next((one for one in (SHIPPED, path.with_name(SHIPPED.name)) if one.is_file()), None)
    if not path.exists() and shipped:
        _copy(shipped, path)
    return f"sqlite:///{path}"


def _copy(there: Path, here: Path) -> None:
    temporary = here.with_name(f".{here.name}.{os.getpid()}.tmp")
    try:
        here.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(there, temporary)
        # Whole or not at all, and never over studies that another process has made meanwhile.
        with suppress(FileExistsError):
            os.link(temporary, here)
    except OSError as error:
        raise StoreError(f"The studies in {here} can't be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
