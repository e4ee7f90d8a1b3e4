"""The examples on the page: complete, balanced, unseen in training, in the right script."""

import unicodedata
from collections import Counter

import pytest

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.sources import TaskData
from engine.data.tasks import NLI
from gradio_app.tabs.examples import LANGUAGES, NLI_EXAMPLES, SLANG_EXAMPLES, NliExample, own_name
from gradio_app.tabs.slang import EXAMPLES

SCRIPTS = {
    **dict.fromkeys(("de", "en", "es", "fr", "sw", "tr", "vi"), "LATIN"),
    **dict.fromkeys(("bg", "ru"), "CYRILLIC"),
    **dict.fromkeys(("ar", "ur"), "ARABIC"),
    "el": "GREEK",
    "hi": "DEVANAGARI",
    "th": "THAI",
    "zh": "CJK",
}


def test_every_language_of_the_task_has_a_name_and_two_examples_of_two_classes() -> None:
    assert tuple(sorted(LANGUAGES)) == tuple(sorted(NLI.languages))
    for code in NLI.languages:
        labels = [one.label for one in NLI_EXAMPLES if one.code == code]
        assert len(labels) == len(set(labels)) == 2, code


def test_the_classes_are_balanced() -> None:
    assert Counter(one.label for one in NLI_EXAMPLES) == dict.fromkeys(NLI.labels, 10)


@pytest.mark.parametrize("one", NLI_EXAMPLES, ids=lambda one: f"{one.code}-{one.label}")
def test_a_pair_is_in_the_script_of_its_language(one: NliExample) -> None:
    for text in (one.premise, one.hypothesis):
        letters = [unicodedata.name(char) for char in text if unicodedata.category(char) in ("Lu", "Ll", "Lo", "Lt")]
        assert letters
        assert all(name.startswith(SCRIPTS[one.code]) for name in letters), text
        assert text == " ".join(unicodedata.normalize("NFC", text).split())
        assert len(text) <= MAX_CHARACTERS


def test_no_example_stands_twice_or_in_the_bundled_data(slang: TaskData, nli: TaskData) -> None:
    texts = [text for one in NLI_EXAMPLES for text in (one.premise, one.hypothesis)]
    assert len(texts) == len(set(texts))
    seen = set(nli.frame["premise"]) | set(nli.frame["hypothesis"])
    assert seen.isdisjoint(texts)
    assert len(set(SLANG_EXAMPLES)) == len(SLANG_EXAMPLES) >= 8
    assert {text.lower() for text in slang.frame["text"]}.isdisjoint(text.lower() for text in SLANG_EXAMPLES)


def test_a_language_is_called_by_its_own_name() -> None:
    assert [own_name(code) for code in ("de", "ru", "zh", "el")] == ["Deutsch", "Русский", "中文", "Ελληνικά"]
    assert len({own_name(code) for code in LANGUAGES}) == 15


def test_the_slang_tab_offers_the_examples() -> None:
    assert tuple(EXAMPLES) == SLANG_EXAMPLES
