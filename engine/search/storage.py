"""Where studies are kept: an SQLite file or a PostgreSQL server, opened for many processes to share."""

import sqlite3
import warnings
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, _CachedStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from engine.errors import StoreError
from engine.search.trial_reader import of_study, read_trials
from engine.sqlite import choose_journal, find_network, require_whole, use_journal

# Heartbeats and metric names "may change"; the version is pinned, and tests cover them.
warnings.filterwarnings("ignore", category=ExperimentalWarning)
# Importances of few trials, told with the path of a file of Optuna's.
warnings.filterwarnings("ignore", module=r"optuna\.importance")

BUSY_SECONDS = 60
HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
RETRIES = 3
DRIVERS = ("sqlite", "postgresql+psycopg")


# RuntimeError: tables of another version of Optuna.
TROUBLE = (SQLAlchemyError, sqlite3.Error, OSError, Timeout, RuntimeError, optuna.exceptions.StorageInternalError)


class Retry(RetryHeartbeatStaleTrialCallback):
    """Queues the settings of a trial whose worker died, without what was written about it: that was another attempt."""

    def __init__(self) -> None:
        super().__init__(max_retry=RETRIES)

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Queue `trial` again, unless it has been queued too often."""
        trial.user_attrs = {}
        super().__call__(study, trial)


class Storage(RDBStorage):
    """Optuna's storage; reads many trials quickly, and a heartbeat that can't be kept is made up for by the next."""

    MOST_IDS = 500
    """Ids that a database takes in one question."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        older = [one for one in included_trial_ids if one <= trial_id_greater_than]
        if len(older) > self.MOST_IDS:
            return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        # Raises KeyError where there is no such study.
        self.get_study_name_from_id(study_id)
        with self.engine.connect() as connection:
            trials = read_trials(connection, of_study(study_id, trial_id_greater_than, older))
        return [one for one in trials if states is None or one.state in states]

    def record_heartbeat(self, trial_id: int) -> None:
        """Keep a running trial's sign of life; a thread of its own calls it, where an error would end all of them."""
        with suppress(*TROUBLE):
            super().record_heartbeat(trial_id)


class Lock(Protocol):
    """One lock for all who work on a storage, on every host; gone when its holder is."""

    def acquire(self) -> None:
        """Wait for it."""

    def release(self) -> None:
        """Give it back; nothing happens where it isn't held."""


def parse_url(text: str) -> URL:
    """Read a storage address; a bare path means an SQLite file.

    Raises:
        StoreError: It is no address, or one of another database.
    """
    try:
        url = make_url(text if "://" in text else f"sqlite:///{text}")
    except ArgumentError:
        raise StoreError("--storage takes sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME.") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in DRIVERS:
        raise StoreError(f"--storage is one of {' and '.join(DRIVERS)}, not {url.drivername}.")
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError("--storage sqlite:/// takes the path of a file.")
    return url


def show_url(text: str) -> str:
    """A storage address without its password, for messages."""
    return parse_url(text).render_as_string(hide_password=True)


def open_storage(text: str, heartbeat: int = HEARTBEAT_SECONDS, grace: int = GRACE_SECONDS) -> RDBStorage:
    """Open a storage, and create its tables where there are none.

    Args:
        text: See `parse_url`.
        heartbeat: Seconds between two signs of life of a running trial.
        grace: Seconds of silence after which it counts as dead and is queued again.

    Raises:
        StoreError: It can't be opened.
    """
    url = parse_url(text)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    arguments: dict[str, Any] = (
        {"connect_args": {"timeout": BUSY_SECONDS}} if url.drivername == "sqlite" else {"pool_pre_ping": True}
    )
    with explained(text):
        if url.drivername == "sqlite":
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        # Processes that create the tables together fail, and so do those that change the journal: SQLite doesn't wait
        # there. So one at a time.
        with hold(open_lock(text)):
            if url.drivername == "sqlite":
                _prepare(Path(str(url.database)))
            return Storage(
                url.render_as_string(hide_password=False),
                engine_kwargs=arguments,
                heartbeat_interval=heartbeat,
                grace_period=grace,
                heartbeat_stale_trial_callback=Retry(),
            )


def exists(text: str) -> bool:
    """Whether there is something to open, without making it."""
    url = parse_url(text)
    return url.drivername != "sqlite" or Path(str(url.database)).is_file()


def open_shared(text: str) -> _CachedStorage:
    """Open a storage once for all who read it in this process: finished trials, which don't change, are read once.

    A file that was replaced by another is opened anew.

    Raises:
        StoreError: It can't be opened.
    """
    url = parse_url(text)
    with explained(text):
        # The number of a file that is held open isn't given to another one.
        found = Path(str(url.database)).stat() if exists(text) and url.drivername == "sqlite" else None
    return _open_once(text, (found.st_dev, found.st_ino) if found else None)


def forget_shared() -> None:
    """Open storages anew from now on, without anything that was kept of their studies."""
    _open_once.cache_clear()


@lru_cache(maxsize=4)
def _open_once(text: str, file: tuple[int, int] | None) -> _CachedStorage:
    return _CachedStorage(open_storage(text))


@contextmanager
def explained(text: str) -> Iterator[None]:
    """Turn the databases' errors into one `StoreError`, without the password."""
    try:
        yield
    except TROUBLE as error:
        cause = _database_error(error)
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        password = parse_url(text).password
        if password:
            reason = reason.replace(str(password), "***")
        raise StoreError(f"The studies in {show_url(text)} can't be used: {reason.rstrip('.')}.") from None


def _database_error(error: BaseException) -> BaseException:
    """What the database itself said, below the errors that were made of it."""
    while (below := getattr(error, "orig", None) or error.__cause__) is not None:
        error = below
    return error


def _prepare(path: Path) -> None:
    """Refuse what is left of another database, and choose the journal."""
    require_whole(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        use_journal(connection)
    finally:
        connection.close()


def find_dangers(text: str, workers: int) -> list[str]:
    """What is to be known of a storage before several processes write to it, a line each.

    Raises:
        StoreError: They mustn't: it lies on a network disk.
    """
    url = parse_url(text)
    if url.drivername != "sqlite":
        return []
    path = Path(str(url.database))
    found = []
    network = find_network(path)
    if network:
        told = f"{path} lies on a network disk ({network}), whose locks SQLite can't rely on"
        if workers > 1:
            raise StoreError(f"{told}. Use --workers 1, a disk of this machine or PostgreSQL.")
        found.append(f"{told}: let nobody else write to it meanwhile")
    if exists(text) and choose_journal() != "wal":
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            if use_journal(connection) == "wal":
                found.append(
                    f"{path} keeps its write-ahead log while others have it open; with SQLite {sqlite3.sqlite_version} "
                    "several workers may corrupt it, so close them first (the page, a dashboard)"
                )
    return found


def open_lock(text: str) -> Lock:
    """The lock of a storage: a locked file beside SQLite's, an advisory lock on PostgreSQL."""
    url = parse_url(text)
    if url.drivername == "sqlite":
        path = Path(str(url.database))
        path.parent.mkdir(parents=True, exist_ok=True)
        return _LockedFile(path.with_name(f".{path.name}.lock"))
    return _AdvisoryLock(url)


class hold(AbstractContextManager[None]):
    """Hold a lock for a block."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.release()


class _LockedFile:
    def __init__(self, path: Path) -> None:
        self.file = FileLock(path, timeout=BUSY_SECONDS, thread_local=False)

    def acquire(self) -> None:
        self.file.acquire()

    def release(self) -> None:
        self.file.release(force=True)


class _AdvisoryLock:
    # "odzera" in ASCII: any number will do, as long as everybody takes the same.
    KEY = int.from_bytes(b"odzera", "big")

    def __init__(self, url: URL) -> None:
        self.engine = sqlalchemy.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self.held: sqlalchemy.Connection | None = None

    def acquire(self) -> None:
        connection = self.engine.connect()
        connection.execute(sqlalchemy.text(f"SET lock_timeout = '{BUSY_SECONDS}s'"))
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": self.KEY})
        self.held = connection

    def release(self) -> None:
        if self.held is not None:
            # Closing the connection gives the lock back, as dying would.
            self.held.close()
            self.held = None
