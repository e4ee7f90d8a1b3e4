"""What an address brings back, whatever stands in it."""

import json

import pytest

from engine.data.tasks import NLI, SLANG
from gradio_app.handlers.link import Link, read_link


def test_a_slang_question_is_brought_back_with_its_models() -> None:
    link = read_link(json.dumps({"tab": "slang", "text": "ale sztos", "models": "tfidf,scratch", "before": "1"}))
    assert link == Link("slang", ("ale sztos",), None, ["tfidf", "scratch"], True)
    assert link.task is SLANG


def test_a_premise_alone_says_which_tab_it_is_for() -> None:
    link = read_link(json.dumps({"premise": "It rains.", "hypothesis": "It is wet.", "data": "abc"}))
    assert (link.tab, link.texts, link.data, link.models) == ("nli", ("It rains.", "It is wet."), "abc", None)
    assert link.task is NLI


def test_a_link_to_a_tab_brings_no_text() -> None:
    assert read_link(json.dumps({"tab": "models"})) == Link("models")
    assert read_link(json.dumps({"tab": "nli"})).task is None


@pytest.mark.parametrize(
    "written",
    [
        None,
        7,
        [],
        "",
        "{",
        "[]",
        '"x"',
        "null",
        '{"tab": "../../etc"}',
        '{"tab": 7, "text": []}',
        '{"text": null}',
        "x" * 10**6,
    ],
)
def test_what_makes_no_sense_opens_the_page_as_it_is(written: object) -> None:
    assert read_link(written) == Link()


def test_fields_that_make_no_sense_leave_the_others_alone() -> None:
    assert read_link('{"tab": "slang", "text": "sztos", "models": 3, "data": {}, "__theme": "dark"}').texts == (
        "sztos",
    )
