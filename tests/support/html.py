"""Charts read back from the page's HTML; parsing them shows that they are well formed."""

import re
from xml.etree import ElementTree


def drawings(html: str) -> list[ElementTree.Element]:
    """The charts in some HTML, the samples of a legend left out."""
    found = re.findall(r"<svg (?!class=\"oz-sample).*?</svg>", html, re.DOTALL)
    return [ElementTree.fromstring(one) for one in found]  # noqa: S314 (our own output)


def drawing(html: str) -> ElementTree.Element:
    """The one chart in some HTML."""
    (one,) = drawings(html)
    return one


def read_html(html: str) -> ElementTree.Element:
    """One element, which must be well formed."""
    return ElementTree.fromstring(html)  # noqa: S314 (our own output)
