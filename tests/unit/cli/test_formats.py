"""How the command line writes numbers."""

import pytest

from engine.cli import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (57.2, "57 s"),
        (119.4, "119 s"),
        (200.0, "3 min 20 s"),
        (179.7, "3 min 0 s"),
        (2392.0, "39 min 52 s"),
    ],
)
def test_durations_are_readable(value: float | None, shown: str) -> None:
    assert formats.duration(value) == shown


def test_counts_sizes_and_shares_are_written_as_they_are_read() -> None:
    assert formats.count(1_891_587) == "1,891,587"
    assert formats.millions(2_100_000) == "2.1 million"
    assert formats.percent(0.287) == "29%"
    assert formats.megabytes(91_200_000) == "91.2"
