"""Each visitor's files: in a folder of an unguessable name, out of everyone else's reach, deleted afterwards."""

import contextlib
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from engine.data.tables import MAX_MEGABYTES, Table, read_table
from engine.errors import DataError
from engine.messages import Message

AGE_SECONDS = 3600.0
"""Files that nobody has asked for so long are deleted."""
GRACE_SECONDS = 300.0
"""After a page is closed: a moment without a connection looks the same from here."""

STOPPED_SECONDS = 1.5
"""For runs to end in when the page is stopped."""
UPLOADS = "upload-{process}-{name}"
"""The folder that an upload has for itself, until a visitor hands it in."""
VISITS = "batch-{process}-{name}"

GONE = Message("The file isn't here any more: it is deleted an hour after its last use. Upload it again.")


def name_upload(name: str = "") -> str:
    """A folder for one upload: nobody who knows a file's content can tell where another visitor's copy lies."""
    return UPLOADS.format(process=os.getpid(), name=name or secrets.token_urlsafe(24))


@dataclass
class Visit:
    """One visitor's file, and the run on it."""

    folder: Path
    name: str
    session: str
    asked: float = field(default_factory=time.monotonic)
    """When its visitor last did anything."""
    used: float = field(default_factory=time.monotonic)
    """When it was last read or written."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    runs: int = 0
    """Runs on it that haven't ended."""

    @property
    def source(self) -> Path:
        """The file as it was handed in."""
        return self.folder / self._plain_name()

    def read(self, max_rows: int) -> Table:
        """The file's rows.

        Raises:
            DataError: See `read_table`; or it is deleted by now.
        """
        if not self.source.is_file():
            raise DataError(GONE)
        return read_table(self.source, self.name, max_rows, MAX_MEGABYTES)

    def begin(self) -> threading.Event:
        """Start anew: a run that still goes on ends; what is returned cancels the new one."""
        self.cancelled.set()
        self.cancelled = threading.Event()
        return self.cancelled

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Tell that a run is under way."""
        self.runs += 1
        try:
            yield
        finally:
            self.runs -= 1

    def write(self, content: bytes) -> Path:
        """Keep the file with the answers, in the place of an older one."""
        answers = self.folder / "answers"
        shutil.rmtree(answers, ignore_errors=True)
        answers.mkdir()
        path = answers / self._plain_name("-answers")
        path.write_bytes(content)
        return path

    def _plain_name(self, more: str = "") -> str:
        """The file's name without what could mean something in an address or a header."""
        stem, kind = os.path.splitext(self.name)
        plain = re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:60] or "file"
        return f"{plain}{more}{re.sub(r'[^.a-z0-9]', '', kind.lower())}"


class Visits:
    """All visitors' files, by keys that only their own pages hold."""

    def __init__(self, uploads: Path, age: float = AGE_SECONDS, grace: float = GRACE_SECONDS) -> None:
        """Keep files below the folder of uploads.

        Args:
            uploads: Where Gradio puts uploads; nothing outside it is ever taken, and downloads are served from it.
            age: See `AGE_SECONDS`.
            grace: See `GRACE_SECONDS`.
        """
        self.uploads, self.age, self.grace = uploads, age, grace
        self._root: tempfile.TemporaryDirectory[str] | None = None
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self.is_closed = False
        self._remove_orphans()

    def _remove_orphans(self) -> None:
        """Delete what servers have left that were killed."""
        left = (self.uploads.glob(one.format(process="*", name="*")) for one in (UPLOADS, VISITS))
        for folder in chain.from_iterable(left) if os.name == "posix" else ():
            process = folder.name.split("-")[1]
            with contextlib.suppress(PermissionError):
                try:
                    os.kill(int(process), 0)
                except (ProcessLookupError, OverflowError):
                    shutil.rmtree(folder, ignore_errors=True)
                except ValueError:
                    continue

    def take(self, payload: object, session: str, old: str | None = None) -> str:
        """Keep an uploaded file in a folder of its own, and forget the visitor's last one; returns its key.

        Args:
            payload: What a file component sends: `{path, orig_name, …}`.
            session: Of the visitor, to delete the file when it ends.
            old: Key of the visitor's last file.

        Raises:
            DataError: It is no upload.
        """
        path, name = self._check(payload)
        visit = self._open(name, session, old)
        try:
            shutil.copyfile(path, visit.source)
        except OSError:
            shutil.rmtree(visit.folder, ignore_errors=True)
            raise DataError(GONE) from None
        self._discard(path)
        return self._key(visit)

    def put(self, content: bytes, name: str, session: str, old: str | None = None) -> str:
        """The same for a file of the page's own."""
        visit = self._open(name, session, old)
        visit.source.write_bytes(content)
        return self._key(visit)

    def _discard(self, path: Path) -> None:
        """Delete an upload that has been copied; whatever was checked before, nothing outside the uploads."""
        if path.is_relative_to(os.path.realpath(self.uploads)):
            with contextlib.suppress(OSError):
                path.unlink()
                path.parent.rmdir()
                path.parent.parent.rmdir()

    def _check(self, payload: object) -> tuple[Path, str]:
        """An upload's path and name; a private endpoint may be called with anything."""
        given: Mapping[str, Any] = payload if isinstance(payload, Mapping) else {}
        path = given.get("path")
        if not isinstance(path, str) or "\0" in path:
            raise DataError(Message("No file was uploaded."))
        found, home = Path(os.path.realpath(path)), Path(os.path.realpath(self.uploads))
        # An upload lies two folders down; what visitors have handed in before is nobody's upload.
        inside = found.parents[2:3] == (home,) and found.parents[1].match(UPLOADS.format(process="*", name="*"))
        if not inside or not found.is_file():
            raise DataError(Message("No file was uploaded."))
        name = given.get("orig_name")
        chosen = name if isinstance(name, str) and name.strip() else found.name
        plain = re.sub(r"[\x00-\x1f\x7f/\\]", "", os.path.basename(chosen)).encode("utf-8", "replace").decode()
        stem, kind = os.path.splitext(plain)
        return found, f"{stem[:80]}{kind[:10]}"

    def _open(self, name: str, session: str, old: str | None) -> Visit:
        self.drop(old)
        self.sweep()
        with self._lock:
            if self._root is None:
                self.uploads.mkdir(parents=True, exist_ok=True)
                # Removed with the process, whatever is still in it.
                prefix = VISITS.format(process=os.getpid(), name="")
                self._root = tempfile.TemporaryDirectory(prefix=prefix, dir=self.uploads)
            folder = Path(self._root.name) / secrets.token_urlsafe(24)
            folder.mkdir(mode=0o700)
        return Visit(folder, name, session)

    def _key(self, visit: Visit) -> str:
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._visits[key] = visit
        self._sweep_later()
        return key

    def get(self, key: object) -> Visit:
        """The visit of this key.

        Raises:
            DataError: There is none; it may have been deleted.
        """
        with self._lock:
            visit = self._visits.get(key) if isinstance(key, str) else None
        if visit is None:
            raise DataError(GONE)
        visit.asked = visit.used = time.monotonic()
        return visit

    def drop(self, key: str | None) -> None:
        """Delete a visitor's file and what was made of it; a run on it ends."""
        with self._lock:
            visit = self._visits.pop(key, None) if isinstance(key, str) else None
        if visit is not None:
            visit.cancelled.set()
            shutil.rmtree(visit.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what nobody has asked for in a long time."""
        old = time.monotonic() - self.age
        for key, visit in list(self._visits.items()):
            if visit.used <= old:
                self.drop(key)
        for folder in self._waiting():
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > self.age:
                    shutil.rmtree(folder, ignore_errors=True)
        self._sweep_later()

    def _waiting(self) -> Iterator[Path]:
        """Uploads that nobody has handed in."""
        return self.uploads.glob(name_upload("*"))

    def close(self) -> None:
        """The page is stopped: runs end, and every file is deleted."""
        self.is_closed = True
        visits = list(self._visits.values())
        for visit in visits:
            visit.cancelled.set()
        until = time.monotonic() + STOPPED_SECONDS
        while any(visit.runs for visit in visits) and time.monotonic() < until:
            time.sleep(0.02)
        for key in list(self._visits):
            self.drop(key)
        for folder in self._waiting():
            shutil.rmtree(folder, ignore_errors=True)
        with self._lock:
            if self._root is not None:
                self._root.cleanup()
                self._root = None

    def _sweep_later(self) -> None:
        with self._lock:
            if self._visits and not (self._timer and self._timer.is_alive()):
                self._timer = threading.Timer(self.age, self._sweep_again)
                self._timer.daemon = True
                self._timer.start()

    def _sweep_again(self) -> None:
        with self._lock:
            self._timer = None
        self.sweep()

    def leave(self, session: str) -> None:
        """A page was closed: what it handed in is deleted, unless the visitor comes back in time."""
        left = time.monotonic()
        keys = [key for key, visit in list(self._visits.items()) if visit.session == session]
        if keys:
            timer = threading.Timer(self.grace, self._leave, (keys, left))
            timer.daemon = True
            timer.start()

    def _leave(self, keys: list[str], left: float) -> None:
        for key in keys:
            visit = self._visits.get(key)
            if visit is not None and visit.asked <= left:
                self.drop(key)
