"""Work in processes of its own."""

import os
import time
from pathlib import Path

import pytest

from engine.errors import DataError, OdzeraError
from engine.processes import run_all


def square(number: int) -> dict[str, int]:
    """Something to do."""
    return {"square": number * number, "process": os.getpid()}


def refuse(number: int) -> int:
    """Something that can't be done for 1."""
    if number == 1:
        raise DataError("One can't be done.")
    return number


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
    assert os.getpid() not in {result["process"] for result in results.values()}


def test_a_large_result_comes_whole() -> None:
    ((_, result),) = run_all(big, [(5_000_000,)], workers=1)
    assert len(result) == 5_000_000


def test_an_error_comes_back_as_its_line() -> None:
    with pytest.raises(OdzeraError, match=r"^One can't be done\.$"):
        list(run_all(refuse, [(1,)], workers=1))


def test_a_process_that_dies_says_so() -> None:
    with pytest.raises(OdzeraError, match=r"^A process ended with exit code 7; try again\.$"):
        list(run_all(die, [(7,)], workers=1))


def test_no_process_outlives_a_call_that_is_given_up(tmp_path: Path) -> None:
    calls = run_all(wait_unless_first, [(0, str(tmp_path)), (1, str(tmp_path))], workers=2)
    assert next(iter(calls)) == (0, 0)
    (still,) = (int(one.name) for one in tmp_path.iterdir())
    os.kill(still, 0)
    calls.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(still, 0)
