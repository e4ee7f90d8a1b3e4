"""What charts share: scales, round values, ticks and paths."""

import pytest

from gradio_app.languages import get_language
from gradio_app.views.charts.svg import (
    MARKS,
    WIDE,
    Scale,
    draw_path,
    draw_ticks,
    draw_words,
    nice_step,
    render_key,
    round_values,
    write_levels,
)

ENGLISH = get_language("en")


def test_a_scale_leads_from_end_to_end_and_keeps_what_lies_beyond_on_them() -> None:
    scale = Scale(10, 20, (100, 0))
    assert [scale(value) for value in (10, 15, 20, 5, 99)] == [100, 50, 0, 100, 0]
    assert Scale(3, 3, (0, 80))(3) == 0, "between equal ends there is one place"


def test_equal_ratios_are_equally_far_apart_on_a_logarithmic_scale() -> None:
    scale = Scale(1, 1000, (0, 300), is_log=True)
    assert [scale(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 100, 200, 300])


@pytest.mark.parametrize(("step", "nice"), [(0.013, 0.02), (1, 1), (3, 5), (7, 10), (0.5, 0.5)])
def test_a_step_is_one_two_or_five_times_a_power_of_ten(step: float, nice: float) -> None:
    assert nice_step(step) == pytest.approx(nice)


def test_round_values_lie_between_the_ends_and_are_written_apart() -> None:
    levels = round_values(0.612, 0.748, 7)
    assert levels == [0.62, 0.64, 0.66, 0.68, 0.7, 0.72, 0.74]
    assert write_levels(ENGLISH, levels)(0.62) == "0.62"
    assert write_levels(ENGLISH, round_values(0.7, 0.712, 6))(0.702) == "0.702"


def test_numbers_under_an_axis_never_touch() -> None:
    assert draw_ticks(WIDE, Scale(0, 100, WIDE.across), range(101), str).count("<text") < 20


def test_a_path_is_broken_where_a_point_is_missing_and_needs_two_points() -> None:
    assert 'd="M0.0,1.0L2.0,3.0M4.0,5.0L6.0,7.0"' in draw_path("x", [(0, 1), (2, 3), None, (4, 5), (6, 7)])
    assert draw_path("x", [(0, 1)]) == ""


def test_words_and_titles_are_escaped_and_every_series_has_its_own_sign() -> None:
    html = draw_words(0, 0, "<b>", title="<i>") + render_key(0, "<u>")
    assert "&lt;b&gt;<title>&lt;i&gt;</title>" in html
    assert "<u>" not in html
    assert len({render_key(place) for place in range(len(MARKS))}) == len(MARKS)
