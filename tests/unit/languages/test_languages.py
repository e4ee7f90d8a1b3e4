"""The page's languages: nothing is left in English by mistake, and numbers and plurals follow each language."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from engine.messages import Message
from gradio_app.languages import NAMES, choose_language, get_language
from gradio_app.languages.__main__ import collect, find_texts, read_catalogue, untranslated, update

OTHERS = [code for code in NAMES if code != "en"]
FIELDS = re.compile(r"\{[^{}]*\}")
TAGS = re.compile(r"</?\w+[^>]*>")


@pytest.fixture(scope="module")
def template() -> Catalog:
    """Every text that the code says."""
    return collect()


def as_forms(text: object) -> list[str]:
    """A text's forms, singular and plural."""
    return list(text) if isinstance(text, list | tuple) else [str(text)]


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_of_the_page_is_translated(template: Catalog, code: str) -> None:
    catalogue = read_catalogue(code)
    said = {as_forms(one.id)[0] for one in template if one.id}
    known = {as_forms(one.id)[0] for one in catalogue if one.id}
    assert said - known == set(), "run `make words`, and translate what is new"
    assert known - said == set(), "run `make words`: nobody says these any more"
    assert untranslated(catalogue) == []
    assert not [one.id for one in catalogue if one.fuzzy and one.id]


@pytest.mark.parametrize("code", OTHERS)
def test_translations_keep_the_places_of_values_and_the_tags(code: str) -> None:
    for one in read_catalogue(code):
        if not one.id:
            continue
        source = as_forms(one.id)
        for place, form in enumerate(as_forms(one.string)):
            # What is said of one thing may leave the number out, where it is said of one alone and not of 21 too.
            allowed = [source[-1], *(source[:1] if place == 0 and code == "pl" else [])]
            assert set(FIELDS.findall(form)) in [set(FIELDS.findall(text)) for text in allowed], source
            assert sorted(TAGS.findall(form)) == sorted(TAGS.findall(source[-1])), source


@pytest.mark.parametrize("code", OTHERS)
def test_a_plural_has_all_forms_of_its_language(code: str) -> None:
    plurals = [one for one in read_catalogue(code) if one.pluralizable]
    assert plurals
    assert {len(one.string) for one in plurals} == {3}


def test_words_inside_formatted_strings_are_found() -> None:
    source = (
        """f"<p>{say('one')} {say.plural('{n} a', '{n} b', 3)}</p>"\nX = message("two")\nMessage("three {n}", n=1)"""
    )
    assert sorted(texts for texts, _ in find_texts(source)) == [("one",), ("three {n}",), ("two",), ("{n} a", "{n} b")]


@pytest.mark.parametrize("source", ['say(f"{n} rows")', 'say("rows: " + str(n))'])
def test_a_text_that_is_put_together_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="put together"):
        list(find_texts(source))


def test_bringing_catalogues_up_to_date_changes_nothing_that_is(tmp_path: Path) -> None:
    for code in OTHERS:
        (tmp_path / f"{code}.po").write_bytes((Path("gradio_app/languages") / f"{code}.po").read_bytes())
    update(tmp_path)
    for code in OTHERS:
        assert (tmp_path / f"{code}.po").read_text() == (Path("gradio_app/languages") / f"{code}.po").read_text()


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("pl-PL,pl;q=0.9,en-US;q=0.8", "pl"),
        ("de,ru;q=0.7", "ru"),
        ("en,pl;q=0.9", "en"),
        ("pl;q=0.1,ru;q=0.9", "ru"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        (";;q=x,,--", "en"),
    ],
)
def test_a_browser_gets_the_language_it_likes_best(accepted: str, code: str) -> None:
    assert choose_language(accepted) == code


@pytest.mark.parametrize(("code", "written"), [("en", "12,345.68"), ("pl", "12\u202f345,68"), ("ru", "12\u202f345,68")])
def test_numbers_have_the_marks_of_the_language(code: str, written: str) -> None:
    assert get_language(code).number(12345.678, ",.2f") == written


def test_what_the_engine_said_is_said_again() -> None:
    error = Message("The text has {n} characters; at most {most} are taken.", n=12345, most=5000)
    assert error == "The text has 12,345 characters; at most 5,000 are taken."
    assert get_language("en").again(error) == error
    polish = get_language("pl").again(error)
    assert polish != error
    assert "12\u202f345" in polish
    assert get_language("pl").again("nobody translated this") == "nobody translated this"
