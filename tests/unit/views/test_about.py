"""What the About tab says: what was measured where, what the page runs on, and nothing that names a person."""

import dataclasses
import getpass
import json
import platform
import re
import shutil
import socket
from importlib.metadata import version
from pathlib import Path

import pytest

from engine.data.cleaning import MAX_CHARACTERS
from engine.experiments.curves import Curve, write_curve
from engine.paths import ROOT, Places
from engine.results.environment import describe_environment
from engine.results.provenance import of_files, of_models, of_pretrained, of_study
from engine.serving.registry import Registry
from gradio_app.context import Context, open_context
from gradio_app.handlers.about import show_about
from gradio_app.languages import get_language
from gradio_app.views.links import METHODS, PLACES, render_link, render_links
from support.models import places_in

ENGLISH = get_language("en")


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


@pytest.fixture(scope="module")
def page(context: Context) -> str:
    """The tab."""
    return show_about(context, ENGLISH)


def test_every_trained_model_belongs_to_one_set_of_figures(context: Context) -> None:
    models = [*context.registry.models("slang"), *context.registry.models("nli")]
    sets = of_models(models)
    assert sorted(name for one in sets for name in one.names) == sorted(one.name for one in models)
    machine = models[0].manifest["run"]["record"]["machine"]
    for one in sets:
        assert one.machine == machine["device_name"]
        assert one.packages["torch"] == version("torch")
        assert one.packages["Python"] == platform.python_version()
        assert one.first <= one.last
    assert sets[0].command == "odzera train majority scratch tfidf --task slang"


def test_models_of_different_machines_and_those_of_a_search_stand_apart(trained: Places, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    for name, changes in (("tfidf", {"machine": "another"}), ("scratch", {"refit": True})):
        file = Registry(tmp_path / "checkpoints").find("slang", name).folder / "manifest.json"
        manifest = json.loads(file.read_text(encoding="utf-8"))
        record = manifest["run"]["record"]
        if "machine" in changes:
            record["machine"]["device_name"] = changes["machine"]
        else:
            record["refit"] = {"seeds": [0, 1]}
        file.write_text(json.dumps(manifest), encoding="utf-8")
    sets = of_models(Registry(tmp_path / "checkpoints").models("slang"))
    assert [one.names for one in sets if one.machine == "another"] == [("tfidf",)]
    assert [one.names for one in sets if one.command == "odzera search slang"] == [("scratch",)]


def test_everything_measured_that_ships_says_where_and_when(page: str) -> None:
    shipped = of_files([ROOT / "studies"])
    assert len(shipped) == len(list((ROOT / "studies").glob("*.json"))) >= 6
    for one in [*shipped, *of_pretrained([ROOT / "checkpoints"])]:
        assert one.machine
        assert one.first
        assert one.odzera
        assert one.packages["torch"]
        assert one.command.startswith("odzera ")
    for one in shipped:
        assert str(one.what) in page


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kind": "examples"}', '{"kind": 3, "machine": []}'])
def test_a_file_that_cant_be_read_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "curve-x.json").write_text(text, encoding="utf-8")
    (tmp_path / "growth.json").write_text(text, encoding="utf-8")
    assert of_files([tmp_path]) == []


def test_the_first_folders_file_hides_the_same_in_the_next(tmp_path: Path) -> None:
    for folder, source in (("a", "mine"), ("b", "shipped")):
        (tmp_path / folder).mkdir()
        machine = {"device_name": "x", "threads": 1, "python": "3", "packages": {}}
        write_curve(tmp_path / folder / "curve-x.json", Curve("tokens", "slang", source, "f" * 12, 5, (), machine))
    (found,) = of_files([tmp_path / "a", tmp_path / "b"])
    assert found.source == "mine"
    assert found.first == ""


def test_a_study_says_what_searched_it() -> None:
    versions = {"odzera": "0.2.0", "optuna": "5.0.0"}
    found = of_study(
        "s", {"task": "nli", "source": "rows.csv", "machine": "m", "versions": versions, "created": "2026"}
    )
    assert found.command == "odzera search nli --source FILE"
    assert (found.odzera, found.packages) == (("0.2.0",), {"optuna": "5.0.0"})


def test_the_page_says_what_it_runs_on(page: str) -> None:
    around = describe_environment()
    for words in (around.device, around.python, around.odzera, version("gradio"), version("torch")):
        assert words in page
    assert f"{MAX_CHARACTERS:,} characters" in page


def test_a_models_runtime_is_named_once_it_is_open(trained: Places) -> None:
    context = open_context(trained)
    tfidf = context.registry.find("slang", "tfidf")
    assert context.registry.runtime(tfidf) == ""
    before = show_about(context, ENGLISH)
    assert "NumPy" not in before
    assert before.count("not open yet") == 8
    context.registry.classifier(tfidf)
    after = show_about(context, ENGLISH)
    assert after.count("not open yet") == 7
    assert "<td>NumPy</td>" in after


def test_nothing_names_this_machine_a_person_or_a_folder(context: Context, page: str, trained: Places) -> None:
    words = re.sub(r"<[^>]+>|https://[^\"]+", " ", page)
    assert str(trained.checkpoints.parent) not in page
    assert str(ROOT) not in page
    assert not re.search(r"(?<![\w.<])/(home|work|tmp|root|usr|Users|var)\b", page)
    tokens = set(re.split(r"[\s,;:()]+", words))
    assert socket.gethostname() not in tokens
    assert platform.node() not in tokens
    assert getpass.getuser() not in tokens
    assert "file://" not in page


def test_a_backbone_that_was_a_folder_goes_by_its_last_part(trained: Places, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    file = Registry(tmp_path / "checkpoints").find("slang", "scratch").folder / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["origin"] = {"repo_id": "/home/anna/models/my-gpt", "revision": "sha256:1"}
    manifest["data"]["source"] = "<b>rows</b>.csv"
    file.write_text(json.dumps(manifest), encoding="utf-8")
    page = show_about(open_context(places_in(tmp_path)), ENGLISH)
    assert "my-gpt" in page
    assert "anna" not in page
    assert "<b>rows" not in page


def test_links_lead_to_the_secure_web_in_tabs_that_learn_nothing(page: str) -> None:
    addresses = [address for *_, address in METHODS] + [address for _, address in PLACES]
    assert len(set(addresses)) == len(addresses)
    outside = re.findall(r'<a href="(https?:[^"]+)"([^>]*)>', page)
    assert {address for address, _ in outside} >= set(addresses)
    assert all(address.startswith("https://") for address, _ in outside)
    assert all('rel="noopener noreferrer"' in rest and 'target="_blank"' in rest for _, rest in outside)
    with pytest.raises(ValueError, match="https"):
        render_link("x", "javascript:alert(7)")


def test_the_dashboard_and_the_source_are_linked_where_there_are_any(context: Context) -> None:
    assert "dashboard" not in render_links(ENGLISH, "./?view=api", "", "")
    assert 'href="/dashboard/"' in show_about(dataclasses.replace(context, dashboard="/dashboard"), ENGLISH)
    assert "README.md" in render_links(ENGLISH, "./?view=api", "", "")
    assert 'href="https://example.org/odzera"' in render_links(ENGLISH, "./", "", "https://example.org/odzera")


def test_without_anything_measured_the_page_still_says_what_it_is(tmp_path: Path) -> None:
    empty = dataclasses.replace(open_context(places_in(tmp_path)), curves=(), places=None)
    page = show_about(empty, ENGLISH)
    assert "No model is trained yet" in page
    assert "from scratch" in page


def test_studies_that_cant_be_read_do_not_take_the_page_with_them(trained: Places, tmp_path: Path) -> None:
    (tmp_path / "optuna.db").write_text("nothing of the kind " * 100, encoding="utf-8")
    page = show_about(open_context(trained, str(tmp_path / "optuna.db"), "/dashboard"), ENGLISH)
    assert "What was measured where" in page
    assert str(tmp_path) not in page
