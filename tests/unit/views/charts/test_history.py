"""The history of a search: every trial where it belongs, in words and signs too."""

import math

import pytest

from gradio_app.languages import get_language
from gradio_app.views.charts.history import draw_history
from support.html import drawing

ENGLISH, POLISH = get_language("en"), get_language("pl")


def row(number: int, loss: float, state: str = "complete", best: float | None = None) -> dict[str, object]:
    """A trial of a history."""
    return {"number": number, "state": state, "loss": loss, "best": best if best is not None else loss}


def test_every_trial_is_a_dot_with_its_number_and_loss() -> None:
    rows = [row(0, 0.9), row(1, 1.1, "pruned", 0.9), row(2, 0.8)]
    dots = list(drawing(draw_history(ENGLISH, rows, 10)).iter("circle"))
    assert len(dots) == 3
    titles = {dot.find("title").text for dot in dots}  # type: ignore[union-attr]
    assert titles == {"trial 0, complete: 0.9000", "trial 1, pruned: 1.1000", "trial 2, complete: 0.8000"}


def test_a_lower_loss_lies_lower_and_a_later_trial_further_right() -> None:
    dots = list(drawing(draw_history(ENGLISH, [row(0, 0.9), row(5, 0.7)], 10)).iter("circle"))
    first, second = sorted(dots, key=lambda dot: float(dot.get("cx", 0)))
    assert float(second.get("cy", 0)) > float(first.get("cy", 0))


def test_the_axis_reaches_to_the_trials_that_are_still_to_come() -> None:
    (dot,) = drawing(draw_history(ENGLISH, [row(50, 0.7)], 101)).iter("circle")
    assert 350 < float(dot.get("cx", 0)) < 420


@pytest.mark.parametrize("count", [1, 2, 30, 500])
def test_nothing_lies_outside_the_frame(count: int) -> None:
    losses = [1.1 - 0.4 * math.sin(number) ** 2 + (50 if number % 40 == 7 else 0) for number in range(count)]
    element = drawing(draw_history(ENGLISH, [row(n, loss) for n, loss in enumerate(losses)], count))
    _, _, width, height = (float(part) for part in element.get("viewBox", "").split())
    for dot in element.iter("circle"):
        assert 0 <= float(dot.get("cx", -1)) <= width
        assert 0 <= float(dot.get("cy", -1)) <= height


def test_equal_losses_can_be_drawn() -> None:
    assert len(list(drawing(draw_history(ENGLISH, [row(n, 0.5) for n in range(4)], 4)).iter("circle"))) == 4


def test_pruned_trials_alone_have_no_line() -> None:
    rows = [{"number": 0, "state": "pruned", "loss": 1.0, "best": None}]
    assert not list(drawing(draw_history(ENGLISH, rows, 3)).iter("path"))


def test_the_picture_says_in_words_what_it_shows() -> None:
    element = drawing(draw_history(ENGLISH, [row(0, 0.91234)], 3))
    assert element.get("role") == "img"
    assert element.get("aria-label") == "Validation loss of 1 trial; the lowest is 0.9123"


def test_without_trials_there_is_a_sentence() -> None:
    assert "No trial has reported" in draw_history(ENGLISH, [], 10)


def test_numbers_and_words_of_the_history_are_those_of_its_language() -> None:
    html = draw_history(POLISH, [row(0, 0.91), row(1, 1.1, "pruned", 0.91)], 10)
    assert "0,9100" in html
    assert "0.9100" not in html


def test_a_complete_trial_and_a_pruned_one_differ_by_more_than_their_colour() -> None:
    html = draw_history(ENGLISH, [row(0, 0.9), row(1, 1.1, "pruned", 0.9)], 10)
    assert "●</span> complete" in html
    assert "○</span> pruned" in html
