"""SQLite as it is on this machine: which journal several writers can trust, and where a database had better not lie."""

import sqlite3
from pathlib import Path

from engine.errors import StoreError

FIXED = {(3, 44): 6, (3, 50): 7, (3, 51): 3}
"""Releases of SQLite, and the patch of each since which a write-ahead log can't corrupt its database.

In 3.7.0 to 3.51.2, a connection that begins the log anew while another one writes may drop that one's pages
(https://sqlite.org/wal.html, "The WAL-Reset Bug").
"""
NETWORK = ("nfs", "cifs", "smb", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "ceph", "glusterfs", "afs")
"""How the names of file systems begin whose locks can't be relied on between hosts."""


def is_wal_safe(version: tuple[int, ...]) -> bool:
    """Whether several processes may write a database with a write-ahead log under this version of SQLite."""
    major, minor, patch = version[:3]
    if (major, minor) > max(FIXED):
        return True
    return (major, minor) in FIXED and patch >= FIXED[major, minor]


def choose_journal(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """`wal` where it is safe, or `delete`, the rollback journal that every program uses unless told otherwise."""
    return "wal" if is_wal_safe(version) else "delete"


def use_journal(connection: sqlite3.Connection) -> str:
    """Choose how a database keeps what it may have to undo; returns what it has now.

    A database with a write-ahead log that others have open keeps the log: SQLite can't take it from them.
    """
    try:
        return str(connection.execute(f"PRAGMA journal_mode={choose_journal()}").fetchone()[0])
    except sqlite3.OperationalError as error:
        # Raised at once: this is one of the few things for which SQLite doesn't wait.
        if "locked" not in str(error):
            raise
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def describe_journal(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """The version and what follows from it, in a line."""
    written = ".".join(map(str, version))
    if is_wal_safe(version):
        return f"{written}, with a write-ahead log"
    return f"{written}, with a rollback journal: before 3.51.3, 3.50.7 and 3.44.6, a write-ahead log may be corrupted"


def find_network(path: Path) -> str:
    """The kind of network disk on which a file lies, or would lie; empty on a disk of this machine."""
    import psutil

    place = path.resolve()
    best, kind = -1, ""
    for partition in psutil.disk_partitions(all=True):
        mount = Path(partition.mountpoint)
        if len(mount.parts) > best and place.is_relative_to(mount):
            best, kind = len(mount.parts), str(partition.fstype)
    return kind if kind.lower().startswith(NETWORK) else ""


def require_whole(path: Path) -> None:
    """Refuse to make a database where a journal of one that is gone still lies: it may hold what was lost.

    Raises:
        StoreError: There is such a journal.
    """
    if path.exists():
        return
    for end in ("-wal", "-journal"):
        journal = path.with_name(path.name + end)
        if journal.exists() and journal.stat().st_size:
            raise StoreError(
                f"{path} is gone, but {journal.name} is still there, which holds its latest changes. "
                f"Put {path.name} back beside it, or remove {journal.name}."
            )
