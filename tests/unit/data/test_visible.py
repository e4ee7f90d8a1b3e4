"""Texts of nothing that can be seen."""

import pytest

from engine.data.tasks import NLI, SLANG
from engine.data.visible import is_visible
from engine.errors import TextError
from engine.serving.answers import check_input
from engine.serving.batch import EMPTY, _reason

NOTHING = {
    "zero width": "\u200b\u200c\u200d\u2060",
    "variation selectors": "\ufe0f \U000e0101",
    "directional marks": "\u200e\u202e\u2066\u2069\u061c",
    "control characters": "\x07\x1b\x85",
    "blank Hangul": "\u115f\u1160\u3164\uffa0",
    "spaces": "\u00a0\u2003\u3000\u2028",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "braille blank": "\u2800",
    "soft hyphen": "\u00ad",
}


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_a_text_of_nothing_visible_is_empty(text: str) -> None:
    assert not is_visible(text)
    with pytest.raises(TextError, match="The text is empty"):
        check_input(SLANG, [text])
    with pytest.raises(TextError, match="The hypothesis is empty"):
        check_input(NLI, ["Sklep jest otwarty.", text])
    assert _reason([text]) == EMPTY


@pytest.mark.parametrize("text", [".", "😂", "❤\ufe0f", "ㅤя", "\u0301", "👩\u200d👦", "؀"])
def test_one_character_that_can_be_seen_is_a_text(text: str) -> None:
    assert is_visible(text)
    assert check_input(SLANG, [text])
