"""What must not be shared by mistake: paths of this machine, the name of who uses it, access tokens."""

import getpass
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.hub import client
from engine.paths import ROOT, Places

TOKEN = re.compile(rb"hf_[A-Za-z0-9]{30,}")
HOME = rb"(?:/home/|/Users/|[A-Za-z]:\\+Users\\+)"


@dataclass(frozen=True)
class Private:
    """Something private, and where it stands."""

    file: str
    what: str


def find_private(files: Mapping[str, bytes], places: Places) -> Private | None:
    """The first file that holds something private.

    Args:
        files: Path → content.
        places: Where this program reads and writes.
    """
    needles = list(_needles(places))
    # Cards repeat what checkpoints say, so those are named first.
    for name, content in sorted(files.items(), key=lambda one: (not one[0].startswith("checkpoints/"), one[0])):
        for plain, pattern, what in needles:
            # Finding bytes is many times as fast as matching them, in weights of many megabytes.
            if plain in content and pattern.search(content):
                return Private(name, what)
    return None


def _needles(places: Places) -> Iterator[tuple[bytes, re.Pattern[bytes], str]]:
    """What to look for, as bytes and as a pattern that holds them, and what it is called."""
    yield b"hf_", TOKEN, "an access token"
    own = client.own_token()
    if own:
        yield own.encode(), re.compile(re.escape(own.encode())), "an access token"
    folders = {Path.home(), ROOT, Path.cwd(), Path(tempfile.gettempdir()), places.checkpoints, places.store.parent}
    # The innermost first, which says most.
    for folder in sorted({str(one.absolute()) for one in folders}, key=lambda name: (-len(name), name)):
        # The root folder stands in every address.
        if folder != "/":
            # Not the end of another path or of an address, and as a whole: `/tmp` isn't in `/tmpl`.
            whole = re.compile(rb"(?<![\w./-])" + re.escape(folder.encode()) + rb"[/\\]")
            yield folder.encode(), whole, f"the folder {folder}"
    with suppress(OSError, KeyError, ImportError):
        user = getpass.getuser().encode()
        yield user, re.compile(HOME + re.escape(user) + rb"\b"), "the name of a user's folder"


def replaced(value: Any, old: str, new: str) -> Any:
    """Plain values in which each string `old` is `new`."""
    if isinstance(value, Mapping):
        return {key: replaced(one, old, new) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(one, old, new) for one in value]
    return new if value == old else value
