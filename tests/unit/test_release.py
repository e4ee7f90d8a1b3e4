"""What `pip install .` asks for, and where an installed copy looks for models."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from engine import paths

ROOT = Path(__file__).resolve().parents[2]
NEEDS = [Requirement(one) for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
VERSIONS = {canonicalize_name(name): version for name, version in PINS.items()}
LEANED_ON = {"gradio", "huggingface-hub", "optuna", "optuna-dashboard", "peft", "transformers"}
"""Libraries of which more is used than their public interface."""


@pytest.mark.parametrize("needed", NEEDS, ids=lambda one: one.name)
def test_each_dependency_is_bounded_and_its_pin_lies_within(needed: Requirement) -> None:
    assert VERSIONS[canonicalize_name(needed.name)] in needed.specifier
    bounds = {one.operator for one in needed.specifier}
    assert bounds == ({">=", "<"} if needed.name in LEANED_ON else {">="})
    if needed.name in LEANED_ON:
        major, minor = VERSIONS[needed.name].split(".")[:2]
        assert f"{major}.{int(minor) + 1}.0" not in needed.specifier


def test_an_installed_copy_keeps_its_models_where_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODZERA_HOME", raising=False)
    assert paths.default_places().checkpoints == ROOT / "checkpoints"
    monkeypatch.setattr(paths, "ROOT", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)
    assert paths.default_places().checkpoints == tmp_path / "checkpoints"
