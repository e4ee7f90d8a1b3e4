"""Scaling of cost with length, batch, rows and models, read from the JSON of `odzera bench growth`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BATCH_LENGTH = 32
"""Tokens of each text in a batch."""
AXES = {
    "length": ("tokens of a text", "ms"),
    "batch": (f"texts of {BATCH_LENGTH} tokens in a batch", "texts/s"),
    "rows": ("train rows", "seconds an epoch"),
    "models": ("models open", "MB resident"),
}
"""Each figure's axes."""


def read_growth(folders: Sequence[Path]) -> dict[str, Any] | None:
    """What `odzera bench growth --json` wrote as `growth.json` to the first folder that has one; None if none has."""
    for folder in folders:
        try:
            found = json.loads((folder / "growth.json").read_text(encoding="utf-8"))
            if set(found["series"]) <= set(AXES) and found["axes"].keys() == found["exponents"].keys():
                return dict(found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None
