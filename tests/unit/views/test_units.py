"""How quantities are written: each in one way, in every language."""

from collections.abc import Callable, Sequence

import pytest

from engine.cli import output
from gradio_app.languages import Language, get_language
from gradio_app.views import units
from gradio_app.views.names import name_figure, name_language, name_source, name_split

ENGLISH, POLISH, RUSSIAN = (get_language(code) for code in ("en", "pl", "ru"))


def plain(text: str) -> str:
    """With spaces that may break, which are easier to read here."""
    return text.replace("\u00a0", " ")


def seconds(value: float | None) -> str:
    """As the page writes it."""
    return plain(units.duration(ENGLISH, value))


@pytest.mark.parametrize("write", [seconds, output.seconds], ids=["page", "command line"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (57.2, "57 s"),
        (119.4, "119 s"),
        (200.0, "3 min 20 s"),
        (179.7, "3 min 0 s"),
        (2392.0, "39 min 52 s"),
    ],
)
def test_a_duration_is_written_as_people_say_it(write: Callable[[float], str], value: float, shown: str) -> None:
    assert write(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0198, "0.02 s"),
        (0.04, "0.04 s"),
        (9.96, "10 s"),
        (7325, "2 h 2 min"),
        (7500, "2 h 5 min"),
        (7199, "2 h 0 min"),
    ],
)
def test_the_shortest_duration_is_not_none_and_the_longest_is_in_hours(value: float, shown: str) -> None:
    assert seconds(value) == shown


def test_no_time_is_a_dash() -> None:
    assert seconds(None) == "–"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.2, "1 s"), (2.4, "2 s"), (200, "3 min 20 s"), (301, "5 min"), (317, "5 min 20 s"), (7325, "2 h 2 min")],
)
def test_a_guess_is_in_whole_seconds_and_later_in_tens_of_them(value: float, shown: str) -> None:
    assert plain(units.duration(ENGLISH, value, rough=True)) == shown


@pytest.mark.parametrize(
    ("write", "values", "shown"),
    [
        (units.count, (9_999, 22_714_371), ["9,999", "22,714,371"]),
        (
            units.compact,
            (0, 3, 50, 4337, 28_000, 44_643, 822_659, 999_700, 2_097_152, 22_714_371),
            ["0", "3", "50", "4.3k", "28k", "45k", "823k", "1M", "2.1M", "22.7M"],
        ),
        (units.rounded, (0, 0.1824, 51.27, 1064.2, 12_345), ["0", "0.182", "51.3", "1,060", "12k"]),
        (units.setting, (16, 30_000, 0.00012, 1e-5, 0.1), ["16", "30,000", "0.00012", "1e−05", "0.1"]),
        (units.ratio, (0.026257, 0.4, 2.734), ["2.6 %", "40 %", "2.73 ×"]),
        (units.milliseconds, (0.00003, 0.151, 1.234, 12.34, 1234.5), ["0.00003", "0.15", "1.2", "12.3", "1,234"]),
        (units.latency, (12.34,), ["12.3 ms"]),
        (units.size, (12_345, 4_325_129, 25e9), ["12 kB", "4.3 MB", "25.0 GB"]),
        (units.memory, (1155.7,), ["1,156 MB"]),
        (units.energy, (900, 5400, 7200, 432_000), ["0.25 Wh", "1.5 Wh", "2 Wh", "120 Wh"]),
        (
            units.difference,
            (8.13, -0.346, 12.4, -9.96, 0.004, -0.0, 8),
            ["+8.1", "−0.35", "+12", "−10", "0", "0", "+8.0"],
        ),
        (units.points, (0.0813, -0.0004), ["+8.1", "−0.04"]),
        (units.p_value, (0.0004, 0.042, 0.3), ["< 0.001", "0.042", "0.30"]),
        (units.figure, (0.70049, -0.125, None), ["0.700", "−0.125", "–"]),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_every_quantity_has_its_way(
    write: Callable[[Language, float | None], str], values: Sequence[float | None], shown: list[str]
) -> None:
    assert [plain(write(ENGLISH, value)) for value in values] == shown


def test_a_share_is_whole_unless_asked_for_more() -> None:
    shown = [
        plain(units.percent(ENGLISH, share, places))
        for share, places in ((0.1234, 0), (0.1234, 1), (0.1234, None), (0.0263, None), (1, 1))
    ]
    assert shown == ["12 %", "12.3 %", "12 %", "2.6 %", "100.0 %"]


def test_intervals_and_spreads_have_their_signs() -> None:
    assert units.interval(ENGLISH, (-0.04, 0.74), 2) == "−0.04–0.74"
    assert plain(units.spread(ENGLISH, 0.58, 0.0123)) == "0.580 ± 0.012"
    assert units.spread(ENGLISH, 0.58, None) == "0.580"


@pytest.mark.parametrize("say", [ENGLISH, POLISH, RUSSIAN], ids=lambda say: say.code)
def test_a_quantity_is_never_parted_by_a_line_break_and_has_one_kind_of_minus(say: Language) -> None:
    written = [
        units.duration(say, 200),
        units.duration(say, 7500),
        units.duration(say, 3),
        units.percent(say, 0.5),
        units.latency(say, 3),
        units.size(say, 4e6),
        units.memory(say, 4000),
        units.energy(say, 9000),
        units.compact(say, 45_000),
        units.ratio(say, 2),
        units.difference(say, -1),
        units.spread(say, 0.5, 0.1),
    ]
    assert not [text for text in written if " " in text or "-" in text]


def test_quantities_are_written_as_the_language_writes_them() -> None:
    assert "12,3" in units.percent(POLISH, 0.1234, 1)
    assert "0,4" in units.duration(POLISH, 0.42)
    assert plain(units.duration(RUSSIAN, 200)) == "3 мин 20 с"
    assert plain(units.compact(POLISH, 45_000)) == "45 tys."
    assert units.day(POLISH, "2026-11-21T07:00:00+00:00") == "21 lis 2026"
    assert units.day(ENGLISH, "last week") == "last week"


def test_things_are_called_in_the_pages_language_and_by_their_key_where_they_have_no_name() -> None:
    assert name_language(RUSSIAN, "sw") == "суахили"
    assert name_language(ENGLISH, "xx-none") == "xx-none"
    assert [name_figure(ENGLISH, one) for one in ("macro_f1", "new_figure")] == ["macro F1", "new_figure"]
    assert [name_split(ENGLISH, one) for one in ("test", "dev")] == ["test", "dev"]
    assert [name_source(ENGLISH, one) for one in ("sample", "a.csv")] == ["the bundled sample", "a.csv"]
