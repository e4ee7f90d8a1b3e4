"""Resources: energy is read from counters where there are any, and is unknown where there are none."""

from pathlib import Path

import pytest
import torch

from engine import machine
from engine.machine import EnergyMeter


def counter(root: Path, name: str, microjoules: int, wrap: int = 1_000_000_000) -> Path:
    """A processor package's folder as Linux shows it."""
    folder = root / name
    folder.mkdir()
    (folder / "max_energy_range_uj").write_text(f"{wrap}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


@pytest.fixture
def meter_of(monkeypatch: pytest.MonkeyPatch):
    """Makes a meter that reads the counters under a folder."""

    def make(root: Path) -> EnergyMeter:
        own = machine._rapl_counters
        monkeypatch.setattr(machine, "_rapl_counters", lambda: own(root))
        return EnergyMeter(torch.device("cpu"))

    return make


def test_joules_are_those_since_the_meter_was_made(tmp_path: Path, meter_of) -> None:
    file = counter(tmp_path, "intel-rapl:0", 5_000_000)
    meter = meter_of(tmp_path)
    file.write_text("7500000\n")
    assert meter.joules() == pytest.approx(2.5)


def test_all_packages_are_added_up_and_their_parts_are_not(tmp_path: Path, meter_of) -> None:
    files = [counter(tmp_path, name, 0) for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0")]
    meter = meter_of(tmp_path)
    for file in files:
        file.write_text("1000000\n")
    assert meter.joules() == pytest.approx(2.0)


def test_a_counter_that_began_again_from_zero_is_read_on(tmp_path: Path, meter_of) -> None:
    file = counter(tmp_path, "intel-rapl:0", 9_000_000, wrap=10_000_000)
    meter = meter_of(tmp_path)
    file.write_text("500000\n")
    assert meter.joules() == pytest.approx(1.5)


def test_without_a_counter_energy_is_unknown_and_not_zero(tmp_path: Path, meter_of) -> None:
    assert meter_of(tmp_path).joules() is None
