"""How a pair of models is described."""

from engine.results.pairs import describe_difference


def test_differences_are_signed_points_with_their_ends_and_zero_width_is_called_so() -> None:
    ahead = {"difference": 0.0884, "low": 0.026, "high": 0.147, "is_flat": False}
    assert describe_difference(ahead) == "+8.8 (+2.6 to +14.7)"
    assert describe_difference(ahead | {"difference": -0.0002, "low": -0.02}) == "0.0 (-2.0 to +14.7)"
    assert describe_difference({"difference": 0.0, "low": 0.0, "high": 0.0, "is_flat": True}) == "0.0 (zero width)"
