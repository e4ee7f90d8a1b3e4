"""The folder that is a Hugging Face Space: what is in it, what must not be, and that it serves from anywhere."""

import ast
import dataclasses
import getpass
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio
import httpx
import pytest
from gradio_client import Client
from packaging.markers import default_environment
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from engine.cli import app
from engine.data.sources import TaskData
from engine.errors import OdzeraError, SpaceError
from engine.paths import ROOT, Places
from engine.search.shipped import SHIPPED, default_storage
from engine.serving.exports import find_export, make_export
from engine.serving.registry import Registry
from engine.sharing import space
from engine.sharing.space import Built, build_space
from engine.sharing.space_files import PACKAGES
from engine.sharing.space_hardware import HARDWARE, get_hardware, write_requirements
from engine.store import Store
from engine.training.checkpoints import MANIFEST, read_checkpoint
from support.loopback_uploads import WritableHub, faults_of_space, front_matter
from support.models import places_in, saved_decoder, tiny_recipe, train_model
from support.servers import free_port, has_index, wait_for

ZEROGPU, CPU = HARDWARE["zerogpu"], HARDWARE["cpu"]
BUNDLED = places_in(ROOT)
NAMES = {"majority", "tfidf", "scratch", "scratch-b"}
INSTALLED_AS = {"markdown_it": "markdown-it-py", "sklearn": "scikit-learn", "yaml": "pyyaml", "babel": "babel"}
"""Modules whose package is called otherwise."""
OPTIONAL = {"bitsandbytes", "pynvml", "torch_geometric"}
"""Imported where they are installed."""


@pytest.fixture(scope="module")
def built(trained: Places, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A Space of all models trained here."""
    return build_space(tmp_path_factory.mktemp("built") / "space", trained, ZEROGPU)


def files_of(folder: Path) -> dict[str, bytes]:
    """Path → content of everything in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_input_gives_the_same_bytes(built: Built, trained: Places, tmp_path: Path) -> None:
    again = build_space(tmp_path / "again", trained, ZEROGPU)
    assert files_of(again.folder) == files_of(built.folder)


def test_a_space_holds_the_page_the_models_their_figures_and_the_study(built: Built, trained: Places) -> None:
    there = files_of(built.folder)
    assert {"README.md", "app.py", "requirements.txt", "LICENSE", "gradio_app/app.py"} <= set(there)
    for task in ("slang", "nli"):
        assert {
            Path(name).parts[2].partition("@")[0] for name in there if name.startswith(f"checkpoints/{task}/")
        } == NAMES
    for name, content in there.items():
        if name.startswith("checkpoints/") and name.count("/") == 3:
            assert content == (trained.checkpoints.parent / name).read_bytes(), name
    assert there["studies/slang-sample.db"] == SHIPPED.read_bytes()
    assert not [name for name in there if "__pycache__" in name or Path(name).name.startswith(".")]
    assert not [name for name in there if name.startswith(("tests/", "studies/results.db", "studies/optuna"))]


@pytest.mark.parametrize("hardware", HARDWARE.values(), ids=list(HARDWARE))
def test_the_front_matter_has_only_what_the_hub_documents(hardware: Any, trained: Places, tmp_path: Path) -> None:
    made = build_space(tmp_path / "space", trained, hardware, ["slang/majority"])
    settings = front_matter((made.folder / "README.md").read_text(encoding="utf-8"))
    assert faults_of_space(settings) == []
    assert settings["sdk"] == "gradio"
    assert settings["sdk_version"] == gradio.__version__
    assert settings["app_file"] == "app.py"
    assert {"models", "datasets", "tags", "license", "emoji", "colorFrom", "colorTo"} <= set(settings)
    ours = ".".join(map(str, sys.version_info[:3]))
    assert settings["python_version"] == ("3.12.12" if hardware is ZEROGPU else ours)


def test_nothing_in_it_names_this_machine_its_user_or_a_token(
    trained: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hf_" + "private" * 5
    monkeypatch.setenv("HF_TOKEN", token)
    made = build_space(tmp_path / "space", trained, ZEROGPU)
    folders = {ROOT, ROOT.parent, Path.home(), tmp_path, trained.checkpoints.parent, Path.cwd()}
    for name, content in files_of(made.folder).items():
        for folder in folders - {Path("/")}:
            assert f"{folder}/".encode() not in content, (name, folder)
        assert not re.search(rb"/(?:home|Users)/" + getpass.getuser().encode(), content), name
        assert token.encode() not in content, name
        assert b"hf_loopback" not in content


def changed(places: Places, name: str, folder: Path, **data: Any) -> Places:
    """Copies of these places in which a model's data is said to be another."""
    copied = places_in(folder)
    shutil.copytree(places.checkpoints, copied.checkpoints)
    (path,) = (copied.checkpoints / "slang").glob(f"{name}@*/{MANIFEST}")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["data"].update(data)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return copied


def test_a_model_that_would_tell_a_private_path_is_refused(trained: Places, tmp_path: Path) -> None:
    places = changed(trained, "tfidf", tmp_path / "home", source=f"{tmp_path}/home/studies/secret.csv")
    with pytest.raises(SpaceError, match=r"tfidf@\w+/manifest.json names the folder .*Nothing was written"):
        build_space(tmp_path / "space", places, ZEROGPU)
    assert not (tmp_path / "space").exists()
    assert build_space(tmp_path / "space", places, ZEROGPU, ["majority"]).models


def test_data_sets_of_the_hub_are_named(trained: Places, tmp_path: Path) -> None:
    places = changed(trained, "tfidf", tmp_path / "home", source="hub:owner/slang@0123456789ab")
    made = build_space(tmp_path / "space", places, ZEROGPU, ["slang/tfidf"])
    assert front_matter((made.folder / "README.md").read_text(encoding="utf-8"))["datasets"] == ["owner/slang"]


def test_a_space_that_would_be_too_large_is_refused_with_its_largest_parts(
    trained: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "MOST_BYTES", 3_000_000)
    with pytest.raises(SpaceError, match=r"at most 3 MB are shared. Largest parts: \S+ \d+\.\d MB, .*--models NAME"):
        build_space(tmp_path / "space", trained, ZEROGPU)
    assert not (tmp_path / "space").exists()


def test_the_bundled_models_stay_far_below_the_limit(tmp_path: Path) -> None:
    made = build_space(tmp_path / "space", BUNDLED, ZEROGPU)
    assert made.total_bytes == sum(map(len, files_of(made.folder).values())) < space.MOST_BYTES
    assert (made.folder / "checkpoints" / "polish-gpt-mini" / "model.safetensors").is_file()
    settings = front_matter((made.folder / "README.md").read_text(encoding="utf-8"))
    assert settings["models"] == ["sentence-transformers/all-MiniLM-L6-v2"]


def test_chosen_models_come_alone_and_with_what_they_ask(tmp_path: Path) -> None:
    made = build_space(tmp_path / "space", BUNDLED, CPU, ["slang/majority", "nli-zero"])
    assert [name.partition("@")[0] for name in made.models] == ["slang/majority", "slang/nli-zero", "nli/minilm-lora"]
    assert "minilm-lora comes along, as nli-zero asks it." in made.notes


def test_a_model_that_is_not_there_is_refused_with_those_that_are(trained: Places, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"no trained model 'herbert'. Trained: nli/majority, .*slang/tfidf"):
        build_space(tmp_path / "space", trained, ZEROGPU, ["herbert"])


def test_a_folder_with_other_files_is_left_alone_and_an_older_space_is_replaced(
    trained: Places, tmp_path: Path
) -> None:
    out = tmp_path / "space"
    out.mkdir()
    (out / "app.py").write_text("print('mine')\n", encoding="utf-8")
    with pytest.raises(SpaceError, match="holds other files"):
        build_space(out, trained, ZEROGPU)
    assert [path.name for path in out.iterdir()] == ["app.py"]
    (out / "app.py").unlink()
    build_space(out, trained, ZEROGPU, ["slang/tfidf"])
    build_space(out, trained, ZEROGPU, ["slang/majority"])
    assert [path.name.partition("@")[0] for path in (out / "checkpoints" / "slang").iterdir()] == ["majority"]
    assert [path.name for path in tmp_path.iterdir()] == ["space"]


def test_a_backbone_from_a_folder_goes_along_under_its_own_name(few: TaskData, tmp_path: Path) -> None:
    places = places_in(tmp_path / "home")
    folder = saved_decoder(tmp_path / "somewhere" / "my-gpt")
    recipe = tiny_recipe(kind="pretrained", name="mine", backbone=str(folder), decoder={}, epochs=1, max_length=32)
    train_model(recipe, few, places, Store.open(places.store))
    made = build_space(tmp_path / "space", places, ZEROGPU)
    (there,) = (made.folder / "checkpoints" / "slang").iterdir()
    assert read_checkpoint(there).recipe.backbone == "my-gpt"
    assert (made.folder / "checkpoints" / "my-gpt" / "model.safetensors").is_file()
    assert str(tmp_path).encode() not in b"".join(files_of(made.folder).values())


def test_own_searches_go_along_when_asked_for(trained: Places, tmp_path: Path) -> None:
    places = dataclasses.replace(trained, store=tmp_path / "studies" / "results.db")
    with pytest.raises(SpaceError, match="No search was made here yet"):
        build_space(tmp_path / "space", places, ZEROGPU, own_studies=True)
    default_storage(places)
    before = places.studies.read_bytes()
    first = build_space(tmp_path / "first", places, ZEROGPU, own_studies=True)
    second = build_space(tmp_path / "second", places, ZEROGPU, own_studies=True)
    assert places.studies.read_bytes() == before
    copies = [(one.folder / "studies" / SHIPPED.name).read_bytes() for one in (first, second)]
    assert copies[0] == copies[1]
    places_there = places_in(tmp_path / "there")
    places_there.studies.parent.mkdir(parents=True)
    places_there.studies.write_bytes(copies[0])
    assert default_storage(places_there).endswith("optuna.db")


# What is installed.


def pins(hardware: Any) -> dict[str, str]:
    """Package → version in the requirements."""
    lines = [line for line in write_requirements(hardware).splitlines() if not line.startswith("--")]
    assert all("==" in line for line in lines)
    return dict(line.split("==") for line in lines)


def test_everything_is_pinned_and_pytorch_is_what_the_hardware_takes() -> None:
    assert pins(CPU)["torch"].endswith("+cpu")
    assert write_requirements(CPU).startswith("--extra-index-url https://download.pytorch.org/whl/cpu\n")
    zerogpu = pins(ZEROGPU)
    assert zerogpu["torch"] in ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
    assert "spaces" in zerogpu
    assert "spaces" not in pins(CPU)
    assert zerogpu["gradio"] == pins(CPU)["gradio"] == gradio.__version__


@pytest.mark.parametrize("hardware", HARDWARE.values(), ids=list(HARDWARE))
def test_whatever_the_packages_import_is_pinned(hardware: Any, built: Built) -> None:
    pinned = {canonicalize_name(name) for name in pins(hardware)}
    imported = set()
    for package in PACKAGES:
        for path in (built.folder / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {one.name.partition(".")[0] for one in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add(str(node.module).partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - set(PACKAGES) - OPTIONAL
    missing = {name for name in foreign if canonicalize_name(INSTALLED_AS.get(name, name)) not in pinned}
    assert not missing


def test_a_hardware_that_is_not_there_is_refused() -> None:
    with pytest.raises(OdzeraError, match="Hardware: zerogpu, cpu"):
        get_hardware("tpu")


@pytest.mark.slow
@pytest.mark.parametrize("hardware", HARDWARE.values(), ids=list(HARDWARE))
def test_the_pins_fit_each_other_and_what_the_hub_adds(hardware: Any, tmp_path: Path) -> None:
    if not has_index():
        pytest.skip("no package index can be reached")
    lines = [line for line in write_requirements(hardware).splitlines() if not line.startswith("--")]
    # The Hub installs these beside our own; without its index, PyTorch's other builds can't be seen.
    lines += [f"gradio[oauth,mcp]=={gradio.__version__}", "uvicorn>=0.14.0"]
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("\n".join(line.replace("+cpu", "") for line in lines) + "\n", encoding="utf-8")
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
    command += ["--python-version", hardware.python_version, "--only-binary=:all:", "--target", str(tmp_path / "none")]
    done = subprocess.run([*command, "--report", str(report), "-r", str(wanted)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    chosen = {
        canonicalize_name(one["metadata"]["name"]): one["metadata"]["version"].partition("+")[0]
        for one in json.loads(report.read_text(encoding="utf-8"))["install"]
    }
    for name, version in pins(hardware).items():
        assert chosen[canonicalize_name(name)] == version.partition("+")[0]
    assert default_environment()["sys_platform"] == "linux"


# The program itself.


@pytest.fixture(scope="module")
def served(
    built: Built, trained: Places, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Client, Path, dict[str, str]]]:
    """A copy of the Space for CPUs elsewhere, served by its own `app.py`: a client, the folder, and what was in it."""
    folder = tmp_path_factory.mktemp("elsewhere") / "app"
    made = build_space(folder, trained, CPU)
    # A disk that is read is enough.
    before = {name: hashlib.sha256(content).hexdigest() for name, content in files_of(made.folder).items()}
    port, log = free_port(), folder.parent / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODZERA", "PYTHONPATH", "HF_"))}
    environment = kept | {
        "GRADIO_SERVER_PORT": str(port),
        "SPACE_ID": "tester/thing",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(tmp_path_factory.mktemp("tmp")),
    }
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, server, log)
        yield Client(url, verbose=False, analytics_enabled=False), folder, before
    finally:
        server.terminate()
        server.wait(20)
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_copied_folder_serves_every_model_by_its_own_app(served: tuple[Client, Path, dict[str, str]]) -> None:
    client, _, _ = served
    answers = client.predict("ale kozak, serio", api_name="/classify_slang")
    assert {one["model"] for one in answers} == NAMES
    assert all(sum(one["scores"].values()) == pytest.approx(1, abs=1e-4) for one in answers)
    pairs = client.predict("The shop opens at six.", "It is open at seven.", api_name="/classify_nli")
    assert {one["model"] for one in pairs} == NAMES


@pytest.mark.slow
def test_serving_changes_none_of_its_files(served: tuple[Client, Path, dict[str, str]]) -> None:
    _, folder, before = served
    after = {name: hashlib.sha256(content).hexdigest() for name, content in files_of(folder).items()}
    # Exports are a cache, made again wherever the disk was lost.
    assert {name: one for name, one in after.items() if ".exports" not in name} == before


@pytest.mark.slow
def test_checkpoints_and_studies_are_not_handed_out(served: tuple[Client, Path, dict[str, str]]) -> None:
    client, folder, before = served
    for name in (next(name for name in before if name.endswith(MANIFEST)), "studies/slang-sample.db"):
        for path in (f"gradio_api/file={folder / name}", f"gradio_api/file={name}", name):
            assert httpx.get(f"{client.src}{path}", timeout=10).status_code in (403, 404), path


# Graphs that ship, and a GPU that is lent.


def test_a_proven_graph_goes_along_and_serves_under_another_pytorch(
    trained: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = places_in(tmp_path / "home")
    shutil.copytree(trained.checkpoints, places.checkpoints)
    checkpoint = Registry(places.checkpoints).find("slang", "scratch")
    # Float32 is enough for this, and soon made.
    monkeypatch.setattr("engine.serving.exports.ROUNDED", ())
    export = make_export(checkpoint)
    assert export.serves != "torch"
    made = build_space(tmp_path / "space", places, ZEROGPU, ["slang/scratch"])
    there = made.folder / "checkpoints"
    # The exporter's notes name every line of source that made a node.
    assert str(ROOT).encode() in export.graph.read_bytes()
    assert str(ROOT).encode() not in b"".join(files_of(made.folder).values())
    # The key of exports names PyTorch's version, which is another one on ZeroGPU.
    monkeypatch.setattr("engine.serving.exports.export_key", lambda _: "another")
    registry = Registry(there)
    copied = registry.find("slang", "scratch")
    found = find_export(copied)
    assert found is not None
    assert found.serves == export.serves
    assert registry.served(copied).runtime == export.serves
    assert not registry.waits_for_export(copied)
    # Another checkpoint in its place isn't answered for by the old one's graph.
    manifest = copied.folder / MANIFEST
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert find_export(copied) is None


# The commands.


def test_the_command_builds_and_says_what_is_large(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "space"
    done = CliRunner().invoke(
        app, ["space", "build", str(out), "--models", "slang/tfidf", "--hardware", "cpu", "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["hardware"] == "cpu"
    assert told["bytes"] == sum(map(len, files_of(out).values()))
    assert [name.partition("@")[0] for name in told["models"]] == ["slang/tfidf"]
    refused = CliRunner().invoke(app, ["space", "build", str(out), "--models", "none"])
    assert refused.exit_code == 2


def test_a_space_is_pushed_in_one_commit_and_again_for_nothing(
    home: Path, connected: WritableHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hf_" + "loopback" * 4
    connected.tokens.add(token)
    monkeypatch.setenv("HF_TOKEN", token)
    arguments = ["space", "push", "tester/thing", "--private", "--json"]
    planned = json.loads(CliRunner().invoke(app, [*arguments, "--dry-run"]).stdout)
    assert planned["new"]
    assert connected.uploads() == []
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    repository = connected.repositories["space", "tester/thing"]
    assert repository.private
    assert connected.hardware["tester/thing"] == "zero-a10g"
    assert json.loads(first.stdout)["link"] == f"{connected.endpoint}/spaces/tester/thing"
    there = repository.commits[repository.refs["main"]]
    assert set(planned["changed"]) == set(there) - {".gitattributes"}
    assert "gradio_app/space.py" in there
    before = len(connected.uploads())
    again = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert (again["changed"], again["deleted"], again["commit"]) == ({}, [], None)
    assert len(connected.uploads()) == before
    # Fewer models: what belongs to the others is deleted.
    fewer = json.loads(CliRunner().invoke(app, [*arguments, "--models", "slang/majority"]).stdout)
    assert any("tfidf@" in name for name in fewer["deleted"])
    assert token not in first.output
