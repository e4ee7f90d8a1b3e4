"""Work in processes of its own."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from engine.errors import DataError, OdzeraError
from engine.messages import Message
from engine.processes import Child, call_apart, describe_end, run_all, run_program
from engine.processes.others import read_clocks


def square(number: int) -> dict[str, int]:
    """Something to do."""
    return {"square": number * number, "process": os.getpid()}


def count_threads() -> tuple[bool, int]:
    """Whether torch was imported before this call, and how many threads it computes on."""
    was = "torch" in sys.modules
    import torch

    return was, torch.get_num_threads()


def die(number: int) -> int:
    """Something that kills its process."""
    os._exit(number)


def wait_unless_first(number: int, folder: str) -> int:
    """Something that takes long, and says which process does it; the first waits for the second to begin."""
    own = Path(folder, str(os.getpid()))
    if number:
        own.touch()
        time.sleep(600)
    while not list(Path(folder).iterdir()):
        time.sleep(0.05)
    return number


def big(number: int) -> bytes:
    """A result that no pipe holds at once."""
    return bytes(number)


def test_every_call_is_made_in_another_process() -> None:
    results = dict(run_all(square, [(1,), (2,), (3,)], workers=2))
    assert {place: result["square"] for place, result in results.items()} == {0: 1, 1: 4, 2: 9}
    assert len({os.getpid(), *(result["process"] for result in results.values())}) == 4


def test_a_large_result_comes_whole() -> None:
    ((_, result),) = run_all(big, [(5_000_000,)], workers=1)
    assert len(result) == 5_000_000


def test_torch_is_imported_by_who_needs_it_and_computes_on_the_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.processes.calls.cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    ((_, found),) = run_all(count_threads, [()], workers=2)
    assert found == (False, 1)


def test_a_process_that_dies_says_so() -> None:
    with pytest.raises(OdzeraError, match=r"^The process ended by itself with exit code 7\.$"):
        list(run_all(die, [(7,)], workers=1))


def test_no_process_outlives_a_call_that_is_given_up(tmp_path: Path) -> None:
    calls = run_all(wait_unless_first, [(0, str(tmp_path)), (1, str(tmp_path))], workers=2)
    assert next(iter(calls)) == (0, 0)
    (still,) = (int(one.name) for one in tmp_path.iterdir())
    os.kill(still, 0)
    calls.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(still, 0)


def refuse_in_words(name: str) -> None:
    """Something that can't be done, and a page may say so in another language."""
    raise DataError(Message("{name} can't be done.", name=name))


def test_an_error_comes_back_as_its_line_and_the_template_it_was_made_from() -> None:
    with pytest.raises(OdzeraError) as raised:
        call_apart(refuse_in_words, "{Two}")
    assert str(raised.value) == "{Two} can't be done."
    assert raised.value.args[0].values == {"name": "{Two}"}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (0, "The process ended by itself with exit code 0."),
        (3, "The process ended by itself with exit code 3."),
        (-signal.SIGKILL, "The process was killed (SIGKILL), as the system does where memory runs out."),
        (-signal.SIGSEGV, "The process was ended by a signal (SIGSEGV)."),
        (-99, "The process was ended by a signal (99)."),
    ],
)
def test_how_a_process_ended_is_said_in_words(code: int, says: str) -> None:
    assert describe_end(code) == says


def double(factor: int, pipe: Connection) -> None:
    """Answers until it is asked about nothing; some questions are its end."""
    while (number := pipe.recv()) is not None:
        if number < 0:
            os.kill(os.getpid(), -number)
        pipe.send((factor * number, os.environ.get("ODZERA_TRIED"), os.environ.get("ODZERA_HERE")))


def test_a_child_answers_in_the_environment_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODZERA_HERE", "here")
    with Child(double, 2, environment={"ODZERA_TRIED": "yes", "ODZERA_HERE": None}) as child:
        assert child.ask(21) == (42, "yes", None)
        assert child.ask(4) == (8, "yes", None)
        assert child.is_alive()
    assert not child.is_alive()
    assert os.environ.get("ODZERA_TRIED") is None
    assert os.environ["ODZERA_HERE"] == "here"


def test_who_asks_a_child_that_dies_is_told_how_it_died() -> None:
    with Child(double, 2) as child:
        with pytest.raises(OdzeraError, match=r"killed \(SIGKILL\)"):
            child.ask(-signal.SIGKILL)
        with pytest.raises(OdzeraError, match=r"killed \(SIGKILL\)"):
            child.ask(1)


def sleep_with_another(pipe: Connection) -> None:
    """Starts a program that takes long, says which it is, and takes long itself."""
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pipe.send((os.getpid(), started.pid))
    time.sleep(600)


def is_gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends within some seconds."""
    end = time.monotonic() + seconds
    while True:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.05)


def test_a_child_is_killed_with_all_that_it_started() -> None:
    with Child(sleep_with_another) as child:
        own, started = child.receive()
    assert is_gone(own, 0)
    assert is_gone(started)


@pytest.mark.parametrize("program", [False, True])
def test_nothing_outlives_a_parent_that_is_killed(program: bool) -> None:
    if program and sys.platform != "linux":
        pytest.skip("only Linux ends a program with its parent")
    parent = (
        "import sys, time\n"
        "from engine.processes import Child, run_program\n"
        "from test_processes import sleep_with_another\n"
        "if __name__ == '__main__':\n"
        f"    if {program}:\n"
        "        with run_program([sys.executable, '-c', 'import time; time.sleep(600)']) as one:\n"
        "            print(one.process.pid, flush=True)\n"
        "            time.sleep(600)\n"
        "    print(*Child(sleep_with_another).receive(), flush=True)\n"
        "    time.sleep(600)\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    with subprocess.Popen(
        [sys.executable, "-c", parent], env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        pids = [int(pid) for pid in running.stdout.readline().split()]
        running.kill()
    assert pids
    assert all(is_gone(pid) for pid in pids)


def test_a_program_ends_with_its_block_and_says_what_it_printed_last() -> None:
    code = "import subprocess, sys, time; print('first', 'last', sep=chr(10), flush=True); time.sleep(600)"
    with run_program([sys.executable, "-c", code]) as running:
        pid = running.process.pid
        while running.last_line() != "last":
            time.sleep(0.02)
        assert running.is_alive()
    assert is_gone(pid, 0)


def test_a_program_that_ends_without_a_word_is_told_by_its_exit_code() -> None:
    with run_program([sys.executable, "-c", "raise SystemExit(4)"]) as running:
        running.process.wait(60)
        assert not running.is_alive()
        assert running.last_line() == "The process ended by itself with exit code 4."


def test_a_program_that_does_not_end_when_asked_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.processes.program.TERMINATE_SECONDS", 0.2)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    with run_program([sys.executable, "-c", code]) as running:
        while running.last_line() != "deaf":
            time.sleep(0.02)
    assert running.process.returncode == -signal.SIGKILL


def name_process(system: str, turn: int) -> tuple[str, int, int]:
    """What is measured, and where."""
    if system == "dies":
        os._exit(3)
    return system, turn, os.getpid()


def test_each_measurement_is_made_in_a_process_of_its_own() -> None:
    # Imported here: the processes import this file.
    from engine.bench.turns import measure_apart

    found = measure_apart(name_process, ("a", "dies"), 1, lambda system, turn: (system, turn))
    assert found.failures == {"dies": "The process ended by itself with exit code 3."}
    assert [one[:2] for one in found.results["a"]] == [("a", 0)]
    assert found.results["a"][0][2] != os.getpid()


def spin(seconds: float) -> None:
    """Compute for so many seconds of a core."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_our_own_work_is_that_of_this_process_and_of_the_children_it_waited_for() -> None:
    before = read_clocks()
    spin(0.3)
    call_apart(spin, 0.3)
    after = read_clocks()
    assert after.own - before.own >= 0.58
    assert after.every - before.every > 0
