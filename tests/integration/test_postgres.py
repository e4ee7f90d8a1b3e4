"""One study on a PostgreSQL server: `.ci/run` starts one; without it these tests are skipped and say so."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState

from engine.data.sources import TaskData
from engine.errors import StoreError
from engine.paths import ROOT
from engine.search import storage
from engine.search.storage import hold, open_lock, open_storage
from support.searches import SEARCH, children, command, save_rows
from support.servers import free_port

SERVER = os.environ.get("ODZERA_TEST_POSTGRES", "")
pytestmark = pytest.mark.skipif(
    not SERVER, reason="no PostgreSQL: ODZERA_TEST_POSTGRES is not set (.ci/run starts one)"
)


@pytest.fixture
def address() -> Iterator[str]:
    """An empty database of the test's own."""
    name = f"odzera_{uuid.uuid4().hex[:8]}"
    server = sqlalchemy.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield sqlalchemy.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_study_is_made_and_read_back(address: str) -> None:
    optuna.create_study(study_name="study", storage=open_storage(address))
    assert optuna.get_all_study_names(open_storage(address)) == ["study"]


def test_the_lock_is_held_by_one_at_a_time(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "BUSY_SECONDS", 1)
    with hold(open_lock(address)), pytest.raises(StoreError, match="can't be used"):
        open_storage(address)
    with hold(open_lock(address)):
        pass


def test_a_killed_holder_gives_the_lock_back(address: str) -> None:
    program = (
        f"import time; from engine.search.storage import open_lock; lock = open_lock({address!r}); "
        "lock.acquire(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with hold(open_lock(address)):
        pass


def test_a_database_that_isnt_there_is_one_line(address: str) -> None:
    missing = sqlalchemy.make_url(address).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(StoreError, match=r'^The studies in [^\n]*"nowhere" does not exist[^\n]*$'):
        open_storage(missing)


def test_a_server_that_isnt_there_is_one_line() -> None:
    with pytest.raises(StoreError, match=r"^The studies in [^\n]*refused[^\n]*$"):
        open_storage(f"postgresql+psycopg://nobody:tajne@127.0.0.1:{free_port()}/none")


@pytest.mark.timeout(900)
def test_two_hosts_with_four_workers_one_of_them_killed_end_with_exactly_their_trials(
    few: TaskData, address: str, tmp_path: Path
) -> None:
    """Two parents with two workers each know nothing of each other but the address, as two hosts would."""
    rows, program = tmp_path / "rows.csv", tmp_path / "search.py"
    save_rows(few, rows)
    program.write_text(SEARCH, encoding="utf-8")
    logs = [tmp_path / name for name in ("first.log", "second.log")]
    hosts = []
    for log in logs:
        with log.open("wb") as out:
            hosts.append(
                subprocess.Popen(
                    [sys.executable, str(program), str(rows), address, "24", "2"],
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                )
            )
    killed = 0
    deadline = time.monotonic() + 800
    while any(host.poll() is None for host in hosts) and time.monotonic() < deadline:
        time.sleep(2)
        team = [child for child in children(hosts[0].pid) if "spawn_main" in command(child)]
        running = running_trials(address)
        if not killed and team and running >= 3:
            os.kill(team[0], signal.SIGKILL)
            killed += 1
    said = [log.read_text(encoding="utf-8")[-2000:] for log in logs]
    assert [host.wait(10) for host in hosts] == [0, 0], said
    assert killed == 1
    states = Counter(trial.state for trial in study_of(address).trials)
    assert states[TrialState.COMPLETE] + states[TrialState.PRUNED] == 24
    assert states[TrialState.RUNNING] == 0
    assert states[TrialState.FAIL] >= 1
    assert not any("Traceback" in one for one in said)


def study_of(address: str) -> optuna.Study:
    """The study of the test."""
    return optuna.load_study(study_name="study", storage=open_storage(address))


def running_trials(address: str) -> int:
    """How many trials run now; none before the study is made."""
    try:
        return len(study_of(address).get_trials(states=(TrialState.RUNNING,)))
    except KeyError:
        return 0
