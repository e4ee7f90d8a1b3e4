"""Confusion matrices: shares, counts, headings and the right answers."""

import re
from xml.etree import ElementTree as xml

from engine.data.tasks import SLANG
from gradio_app.languages import get_language
from gradio_app.views.charts import confusion

ENGLISH = get_language("en")


def test_a_confusion_matrix_is_shares_of_rows_with_counts_to_point_at() -> None:
    row = {"model": "scratch", "confusion": [[3, 1, 0], [0, 8, 2], [0, 0, 0]]}
    html = confusion.draw_confusions(ENGLISH, [row], SLANG.labels)
    table = xml.fromstring(re.search(r"<table.*</table>", html, re.DOTALL).group())  # type: ignore[union-attr]  # noqa: S314
    assert table.findtext("caption") == "scratch"
    lines = [[cell.text for cell in line.findall("td")] for line in table.findall("tbody/tr")]
    assert lines == [["75\u00a0%", "25\u00a0%", "0\u00a0%"], ["0\u00a0%", "80\u00a0%", "20\u00a0%"], ["–", "–", "–"]]
    assert "3 of 4 test rows" in html
    assert [one.get("scope") for one in table.findall("thead/tr/th")] == ["col"] * 3
    assert [one.get("scope") for one in table.findall("tbody/tr/th")] == ["row"] * 3
    assert html.count('class="oz-right"') == 2
