"""Which journal a version of SQLite can be trusted with, and where a database lies."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from engine.errors import StoreError
from engine.sqlite import choose_journal, describe_journal, find_network, require_whole
from engine.store import Store


@pytest.mark.parametrize(
    ("version", "journal"),
    [
        ((3, 6, 23), "delete"),
        ((3, 7, 0), "delete"),
        ((3, 40, 1), "delete"),
        ((3, 44, 5), "delete"),
        ((3, 44, 6), "wal"),
        ((3, 45, 0), "delete"),
        ((3, 50, 6), "delete"),
        ((3, 50, 7), "wal"),
        ((3, 51, 2), "delete"),
        ((3, 51, 3), "wal"),
        ((3, 52, 0), "wal"),
        ((4, 0, 0), "wal"),
    ],
)
def test_a_write_ahead_log_is_used_only_where_it_cant_be_corrupted(version: tuple[int, ...], journal: str) -> None:
    assert choose_journal(version) == journal
    assert ("rollback" in describe_journal(version)) == (journal == "delete")
    assert describe_journal(version).startswith(".".join(map(str, version)))


def test_the_store_uses_the_journal_that_is_safe_here(tmp_path: Path) -> None:
    Store.open(tmp_path / "results.db")
    found = sqlite3.connect(tmp_path / "results.db").execute("PRAGMA journal_mode").fetchone()
    assert found == (choose_journal(),)


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_a_store_is_not_made_where_changes_of_another_still_lie(tmp_path: Path, end: str) -> None:
    (tmp_path / f"results.db{end}").write_bytes(b"x")
    with pytest.raises(StoreError, match=rf"^[^\n]*is gone, but results\.db{end} is still there[^\n]*$"):
        Store.open(tmp_path / "results.db")
    # One without content holds nothing.
    (tmp_path / f"results.db{end}").write_bytes(b"")
    require_whole(tmp_path / "results.db")


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/srv/data/a.db", "nfs4"),
        ("/srv/data/own/a.db", ""),
        ("/srv/data-too/a.db", ""),
        ("/mnt/share/x/a.db", "CIFS"),
        ("/mnt/ssh/a.db", "fuse.sshfs"),
        ("/a.db", ""),
    ],
)
def test_a_network_disk_is_known_by_the_nearest_mount(monkeypatch: pytest.MonkeyPatch, place: str, kind: str) -> None:
    mounts = {"/": "ext4", "/srv/data": "nfs4", "/srv/data/own": "xfs", "/mnt/share": "CIFS", "/mnt/ssh": "fuse.sshfs"}
    found = [SimpleNamespace(mountpoint=mount, fstype=kind) for mount, kind in mounts.items()]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: found if all else [])
    assert find_network(Path(place)) == kind
