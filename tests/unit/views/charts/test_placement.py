"""Where names of points go."""

import numpy as np
import pytest

from gradio_app.views.charts.placement import DISTANCES, place_labels


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes share an area."""
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


@pytest.mark.parametrize("seed", range(6))
def test_fourteen_names_in_a_crowd_lie_on_no_other_name_and_no_point(seed: int) -> None:
    generator = np.random.default_rng(seed)
    around = generator.normal((200, 150), (70, 60), (14, 2))
    places = [(float(x), float(y)) for x, y in np.clip(around, (60, 30), (520, 320))]
    sizes = [(float(7 * generator.integers(5, 14)), 15.0) for _ in places]
    placed = place_labels(places, sizes, (46, 12, 548, 336))
    boxes = [one.box for one in placed]
    for one in range(14):
        left, top, right, bottom = boxes[one]
        assert left >= 45.9
        assert right <= 548.1
        assert top >= 11.9
        assert bottom <= 336.1
        assert (right - left, bottom - top) == pytest.approx(sizes[one])
        for other in range(one):
            assert not overlap(boxes[one], boxes[other])
        for other, (x, y) in enumerate(places):
            assert other == one or not overlap(boxes[one], (x - 4, y - 4, x + 4, y + 4))


def test_a_lonely_name_stands_beside_its_point_without_a_line() -> None:
    (label,) = place_labels([(100, 100)], [(40, 15)], (0, 0, 300, 300))
    assert not label.leads
    assert label.box[0] - 100 == pytest.approx(DISTANCES[0])
