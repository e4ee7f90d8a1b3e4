"""A Space as the Hub would run it: its own requirements in a fresh environment, its own `app.py`, a real browser."""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.paths import ROOT, Places
from engine.sharing.space import build_space
from engine.sharing.space_hardware import HARDWARE, Hardware
from support.servers import CHROMIUM, free_port, has_index, wait_for

MAIN_PAGE = (
    "side_by_side or replaces_the_answers or shows_each_tasks_models or becomes_no_element or shows_the_shipped_search"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module", params=HARDWARE.values(), ids=list(HARDWARE))
def hardware(request: pytest.FixtureRequest) -> Hardware:
    """Each kind of Space; both PyTorch versions are installed in turn."""
    chosen: Hardware = request.param
    return chosen


@pytest.fixture(scope="module")
def python(hardware: Hardware, trained: Places, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with nothing but the Space's own requirements."""
    if not has_index():
        pytest.skip("no package index can be reached")
    folder = tmp_path_factory.mktemp("installed")
    built = build_space(folder / "app", trained, hardware)
    venv.create(folder / "venv", with_pip=True)
    program = folder / "venv" / "bin" / "python"
    # An index that isn't reached is left at the first failure; the one that answers has all of it, or the test fails.
    quickly = ["--quiet", "--disable-pip-version-check", "--retries", "0", "--timeout", "60"]
    command = [program, "-m", "pip", "install", *quickly, "-r", built.folder / "requirements.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def address(python: Path) -> Iterator[str]:
    """The page's address."""
    folder, port = python.parents[2] / "app", free_port()
    log = folder.parent / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODZERA", "PYTHONPATH"))}
    environment = kept | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "SPACE_ID": "tester/app"}
    with log.open("wb") as out:
        server = subprocess.Popen([python, "app.py"], cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, server, log, 300)
        yield url
    finally:
        server.terminate()
        server.wait(30)
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_the_environment_has_the_pytorch_of_its_hardware(python: Path, hardware: Hardware) -> None:
    asked = "import torch; print(torch.__version__, torch.cuda.is_available())"
    done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    version = done.stdout.split()[0]
    assert version.startswith(hardware.pins["torch"]) if hardware.lends_gpu else version.endswith("+cpu")


def test_the_browser_tests_of_the_main_page_pass_against_it(address: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(ROOT / "tests" / "page" / "test_browser.py"),
    ]
    environment = os.environ | {"ODZERA_TEST_ADDRESS": address}
    done = subprocess.run(
        [*command, "-k", MAIN_PAGE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    # A code of 5 would say that none was found.
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
