"""The package as pip installs it without our pins: what it ships, and that it classifies and serves its page."""

import json
import os
import re
import shutil
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from engine.paths import ROOT
from support.servers import free_port, has_index, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program as a user would who has only the installed package."""
    return subprocess.run(
        command, cwd=cwd, env=environment() | variables, capture_output=True, text=True, timeout=300, check=False
    )


def environment() -> dict[str, str]:
    """Variables without those that tell where our source and our folders are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODZERA", "PYTHONPATH", "PIP_C"))}
    return kept | {"HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that are in git, or would be added to it, and nothing that was built here."""
    folder = tmp_path_factory.mktemp("clean")
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def bin_folder(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the programs of a fresh environment lie, in which Odzera is installed without `constraints.txt`."""
    if not has_index():
        pytest.skip("no package index can be reached")
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=True)
    # PyTorch alone is named: the newest one's ordinary build brings several gigabytes of CUDA, where of the pinned
    # version a build for CPUs is offered.
    pinned = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned
    needed = [pinned[0], str(clean)]
    quickly = ["--quiet", "--disable-pip-version-check", "--retries", "0", "--timeout", "60"]
    command = [folder / "bin" / "python", "-m", "pip", "install", *quickly, *needed]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield folder / "bin"
    # pytest keeps the folders of three runs.
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def home(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository's trained models and study, and none of its code."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("checkpoints", "studies"):
        shutil.copytree(clean / name, folder / name)
    return folder


def test_every_file_of_the_packages_is_installed(bin_folder: Path, clean: Path, home: Path) -> None:
    told = run(bin_folder / "python", "-c", "import engine; print(engine.__file__)", cwd=home)
    there = Path(told.stdout.strip()).parents[1]
    assert there.name == "site-packages", told.stderr
    files = [path.relative_to(clean) for name in ("engine", "gradio_app") for path in (clean / name).rglob("*")]
    wanted = [path for path in files if (clean / path).is_file() and path.suffix != ".md"]
    assert {path.suffix for path in wanted} >= {".py", ".csv", ".css", ".js", ".po", ".svg", ".png", ".jsonl"}
    assert [str(path) for path in wanted if not (there / path).is_file()] == []
    assert (there / "engine" / "data" / "samples" / "DATASHEET.md").is_file()


@pytest.mark.parametrize("told_where", [False, True], ids=["in its folder", "from elsewhere"])
def test_it_classifies_with_the_models_of_a_repository(
    bin_folder: Path, home: Path, tmp_path: Path, told_where: bool
) -> None:
    where = {"ODZERA_HOME": str(home)} if told_where else {}
    words = ["classify", "slang", "Ten koncert to był sztos", "--json"]
    done = run(bin_folder / "odzera", *words, cwd=tmp_path if told_where else home, **where)
    assert done.returncode == 0, done.stderr
    answers = {one["model"]: one["label"] for one in json.loads(done.stdout)}
    assert {"majority", "tfidf", "scratch", "mini-full", "minilm-lora"} <= set(answers)


def test_without_models_it_says_where_they_may_come_from(bin_folder: Path, tmp_path: Path) -> None:
    done = run(bin_folder / "odzera", "classify", "slang", "Ten koncert to był sztos", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"odzera: No model answers for slang; models are looked for in {tmp_path}")
    assert "set ODZERA_HOME to a copy of it" in done.stderr
    trained = run(bin_folder / "odzera", "train", "majority", "--task", "slang", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert list(tmp_path.glob("checkpoints/slang/majority@*/manifest.json"))


def test_its_page_opens_and_its_models_answer(bin_folder: Path, home: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as out:
        command = [bin_folder / "odzera", "app", "--port", str(port)]
        server = subprocess.Popen(command, cwd=home, env=environment(), stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, server, log, 300)
        page = httpx.get(url, timeout=60)
        assert page.status_code == 200
        assert "Odzera" in page.text
        answers = Client(url, verbose=False).predict("Ten koncert to był sztos", api_name="/classify_slang")
        assert {"majority", "tfidf"} <= {one["model"] for one in answers}
    finally:
        server.terminate()
        server.wait(30)
    written = log.read_text(encoding="utf-8")
    assert "Traceback" not in written
    assert "No model answers" not in written
