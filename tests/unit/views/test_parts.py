"""Pieces that tabs are built of: notices, tables, progress bars, headings."""

import pytest

from gradio_app.languages import get_language
from gradio_app.views.parts import (
    render_empty,
    render_heading,
    render_jumps,
    render_list,
    render_notice,
    render_progress,
    render_row,
    render_table,
)
from support.html import read_html

ENGLISH = get_language("en")
SCRIPT = "<script>alert('x')</script>"


def test_notices_are_escaped() -> None:
    assert SCRIPT not in render_notice(SCRIPT)
    assert 'role="alert"' in render_notice("The text is empty.")
    assert SCRIPT not in render_empty(SCRIPT, SCRIPT)
    assert render_empty("Make it:", "odzera x").endswith("<code>odzera x</code></div>")


def test_a_table_has_headings_on_both_sides_and_a_frame_with_a_name() -> None:
    rows = [render_row("a", [1, '<td class="oz-best">2</td>'], "oz-odd"), render_row('<th id="b">b</th>', [3, 4])]
    frame = read_html(render_table('"A" & b', ["<td></td>", "one", '<th id="two">two</th>'], rows, "oz-x", "oz-y"))
    assert dict(frame.attrib) == {"class": "oz-scroll oz-y", "tabindex": "0", "role": "region", "aria-label": '"A" & b'}
    assert [one.get("class") for one in frame.iter("table")] == ["oz-table oz-x"]
    assert [one.tag for one in frame.findall("table/thead/tr/*")] == ["td", "th", "th"]
    body = frame.findall("table/tbody/tr")
    assert [[cell.text for cell in row] for row in body] == [["a", "1", "2"], ["b", "3", "4"]]
    assert [row[0].get("scope") for row in body] == ["row", None]
    assert (body[0].get("class"), body[0][2].get("class")) == ("oz-odd", "oz-best")


@pytest.mark.parametrize(("share", "now"), [(0.0, "0"), (0.456, "46"), (1.0, "100")])
def test_a_progress_bar_says_how_far_it_is(share: float, now: str) -> None:
    bar = read_html(render_progress("<Answers>", share))
    assert (bar.get("role"), bar.get("aria-label"), bar.get("aria-valuenow")) == ("progressbar", "<Answers>", now)


def test_a_list_without_items_is_nothing() -> None:
    assert render_list([], "oz-list") == ""
    assert render_list(["a", "b"], "oz-list") == '<ul class="oz-list"><li>a</li><li>b</li></ul>'


def test_jumps_lead_to_the_headings_that_are_there() -> None:
    html = render_jumps(ENGLISH, sections := [("table", "Test figures"), ("mistakes", "Surest <mistakes>")])
    for name, title in sections:
        assert f'href="#part-{name}"' in html
        assert f'id="part-{name}"' in render_heading(ENGLISH, name, title)
    assert "<mistakes>" not in html
