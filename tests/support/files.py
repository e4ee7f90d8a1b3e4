"""Files while others delete them."""

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """Every file there; a folder that goes meanwhile, which stops pathlib, is one without files."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]
