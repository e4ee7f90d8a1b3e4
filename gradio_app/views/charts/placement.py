"""Where the names of points go, so that none lies on another: pure geometry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

DISTANCES = (9, 16, 25, 36, 50, 68, 90, 115)
ANGLES = (0, 180, 315, 45, 225, 135, 270, 90, 337, 22, 202, 157)
"""Degrees, clockwise, as the screen counts downwards; the first are preferred."""


@dataclass(frozen=True)
class Label:
    """A name's place beside its point."""

    box: Box
    leads: bool
    """Whether it lies so far off that a line should lead to it."""


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    hard: Sequence[Box] = (),
    soft: Sequence[Box] = (),
    rounds: int = 3,
) -> list[Label]:
    """A place for each point's name: near it, inside the frame, off the other names and points.

    Names are placed one after the other, those in a crowd first, and then moved a few times while that helps.

    Args:
        points: Where the points are.
        sizes: Width and height of each name.
        frame: What names stay inside of.
        hard: What is never to be covered, besides the points.
        soft: What is rather not to be covered.
        rounds: How often each name may move.
    """
    marks = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    order = sorted(range(len(points)), key=lambda one: -_crowd(one, points))
    placed: dict[int, tuple[Box, float]] = {}
    for _ in range(rounds):
        before = dict(placed)
        for one in order:
            others = [box for place, (box, _) in placed.items() if place != one]
            covered = [*others, *marks[:one], *marks[one + 1 :], *hard]
            placed[one] = _best(points[one], sizes[one], frame, covered, soft)
        if placed == before:
            break
    return [Label(placed[one][0], placed[one][1] > DISTANCES[1]) for one in range(len(points))]


def _crowd(one: int, points: Sequence[tuple[float, float]]) -> float:
    return sum(1 / (1 + math.dist(points[one], other)) for place, other in enumerate(points) if place != one)


def _best(
    point: tuple[float, float], size: tuple[float, float], frame: Box, hard: Sequence[Box], soft: Sequence[Box]
) -> tuple[Box, float]:
    """The box that covers least, and how far from the point it is."""
    found, least = (_beside(point, size, DISTANCES[0], 0.0), 0.0), math.inf
    for distance in DISTANCES:
        if distance >= least:
            break
        for rank, angle in enumerate(ANGLES):
            box = _beside(point, size, distance, math.radians(angle))
            cost = distance + rank / 10 + 1000 * _outside(box, frame)
            cost += 45 * sum(_overlap(box, other) > 0 for other in soft)
            cost += sum(200 + _overlap(box, other) for other in hard if _overlap(box, other) > 0)
            if cost < least:
                found, least = (box, float(distance)), cost
    return found


def _beside(point: tuple[float, float], size: tuple[float, float], distance: float, angle: float) -> Box:
    """A box whose nearest edge is so far from the point in that direction."""
    across, down = math.cos(angle), math.sin(angle)
    x, y = point[0] + distance * across, point[1] + distance * down
    left = x - size[0] * (1 - across) / 2
    top = y - size[1] * (1 - down) / 2
    return left, top, left + size[0], top + size[1]


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _outside(box: Box, frame: Box) -> float:
    """By how many pixels a box leaves the frame."""
    return max(0.0, frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3])
