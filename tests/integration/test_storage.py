"""Where studies are kept: addresses, one lock for all, errors in one line."""

import gc
import multiprocessing
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from filelock import Timeout

from engine import sqlite
from engine.errors import StoreError
from engine.search import storage
from engine.search.storage import (
    explained,
    find_dangers,
    forget_shared,
    hold,
    open_lock,
    open_storage,
    parse_url,
    show_url,
)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db"),
        ("/srv/a.db", "sqlite:////srv/a.db"),
        ("here.db", "sqlite:///here.db"),
        ("postgresql://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
        ("postgresql+psycopg://u:p@h:5433/n", "postgresql+psycopg://u:p@h:5433/n"),
    ],
)
def test_an_address_is_read(given: str, read: str) -> None:
    assert parse_url(given).render_as_string(hide_password=False) == read


@pytest.mark.parametrize(
    "wrong", ["mysql://u:p@h/n", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://h/n", "://"]
)
def test_another_address_is_refused_in_one_line(wrong: str) -> None:
    with pytest.raises(StoreError, match=r"^--storage[^\n]+$"):
        parse_url(wrong)


def test_a_password_is_never_shown() -> None:
    address = "postgresql+psycopg://anna:tajne@127.0.0.1:9/none"
    assert "tajne" not in show_url(address)
    with pytest.raises(StoreError) as caught:
        open_storage(address)
    assert "tajne" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_sqlite_is_opened_with_the_journal_that_is_safe_and_a_busy_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str
) -> None:
    monkeypatch.setattr(sqlite, "choose_journal", lambda: journal)
    path = tmp_path / "new" / "studies.db"
    opened = open_storage(f"sqlite:///{path}")
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == (journal,)
    with opened.engine.connect() as connection:
        timeout = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert timeout == storage.BUSY_SECONDS * 1000


def test_a_file_with_a_write_ahead_log_gives_it_up_where_that_isnt_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "studies.db"
    monkeypatch.setattr(sqlite, "choose_journal", lambda: "wal")
    open_storage(str(path)).engine.dispose()
    monkeypatch.setattr(sqlite, "choose_journal", lambda: "delete")
    monkeypatch.setattr(storage, "choose_journal", lambda: "delete")
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("SELECT * FROM studies").fetchall()
        open_storage(str(path))
        # Nobody can take the log from one who has it open; a search with several workers says so.
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        (line,) = find_dangers(str(path), 2)
        assert "keeps its write-ahead log" in line
    forget_shared()
    gc.collect()
    open_storage(str(path))
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert find_dangers(str(path), 2) == []


def test_several_workers_on_a_network_disk_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "find_network", lambda path: "nfs4")
    with pytest.raises(StoreError, match=r"^[^\n]*network disk \(nfs4\)[^\n]*--workers 1[^\n]*PostgreSQL\.$"):
        find_dangers(str(tmp_path / "a.db"), 2)
    (line,) = find_dangers(str(tmp_path / "a.db"), 1)
    assert "nobody else" in line
    assert find_dangers("postgresql://u:p@h/n", 8) == []


def test_changes_of_a_database_that_is_gone_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.db-wal").write_bytes(b"x" * 100)
    with pytest.raises(StoreError, match=r"a\.db is gone, but a\.db-wal is still there"):
        open_storage(str(tmp_path / "a.db"))
    assert not (tmp_path / "a.db").exists()
    (tmp_path / "a.db-wal").unlink()
    open_storage(str(tmp_path / "a.db"))


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Droga Basiu, u nas wszystko po staremu.\n" * 50, encoding="utf-8")
    with pytest.raises(StoreError, match=r"can't be used: file is not a database\.$"):
        open_storage(str(path))
    assert path.read_text(encoding="utf-8").startswith("Droga Basiu")


def test_a_folder_that_cant_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="can't be used"):
        open_storage(str(tmp_path / "file" / "a.db"))


def test_the_lock_is_held_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "BUSY_SECONDS", 0.2)
    address = str(tmp_path / "a.db")
    with hold(open_lock(address)), pytest.raises(Timeout):
        open_lock(address).acquire()
    with hold(open_lock(address)):
        pass


def test_a_lock_that_stays_taken_becomes_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "BUSY_SECONDS", 0.2)
    address = str(tmp_path / "a.db")
    with hold(open_lock(address)), pytest.raises(StoreError, match=r"^The studies in [^\n]+ can't be used"):
        open_storage(address)


def test_a_killed_holder_gives_the_lock_back(tmp_path: Path) -> None:
    address = str(tmp_path / "a.db")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from engine.search.storage import open_lock; "
            f"open_lock({address!r}).acquire(); print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    start = time.monotonic()
    with hold(open_lock(address)):
        assert time.monotonic() - start < 5
    holder.stdout.close()


def test_giving_back_a_lock_that_isnt_held_does_nothing(tmp_path: Path) -> None:
    open_lock(str(tmp_path / "a.db")).release()


def _open(address: str) -> None:
    open_storage(address)


def test_many_processes_can_create_one_storage(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open, args=(str(tmp_path / "a.db"),)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4


def test_a_retry_carries_settings_and_nothing_of_the_first_attempt(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(str(tmp_path / "a.db")))
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("worker", "gone")
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    storage.Retry()(study, study.trials[0])
    again = study.trials[1]
    assert again.state == optuna.trial.TrialState.WAITING
    assert again.params == trial.params
    assert again.user_attrs == {}


def test_settings_that_kill_every_worker_are_not_queued_for_ever(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(str(tmp_path / "a.db")))
    study.enqueue_trial({"x": 0.5})
    for _ in range(10):
        if not study.get_trials(states=(optuna.trial.TrialState.WAITING,)):
            break
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        storage.Retry()(study, study.trials[trial.number])
    assert len(study.trials) == 1 + storage.RETRIES


def test_errors_of_other_kinds_pass_through(tmp_path: Path) -> None:
    with pytest.raises(KeyError), explained(str(tmp_path / "a.db")):
        raise KeyError("mine")
