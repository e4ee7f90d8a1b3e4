"""What an address brings back: a tab, a text and models."""

import json
from dataclasses import dataclass, field

from engine.data.cleaning import MAX_CHARACTERS
from engine.data.tasks import NLI, SLANG, Task

TABS = ("slang", "nli", "batch", "models", "training", "data", "study", "about")


@dataclass(frozen=True)
class Link:
    """What stands in an address."""

    tab: str = "slang"
    texts: tuple[str, ...] = ()
    """One input of the tab's task; none where the address brings no text."""
    data: str | None = None
    models: list[str] | None = field(default=None)
    """Names of models; all where none are named."""
    before: bool = False

    @property
    def task(self) -> Task | None:
        """The task whose texts these are."""
        return {"slang": SLANG, "nli": NLI}.get(self.tab) if self.texts else None


def read_link(written: object) -> Link:
    """Read what a browser hands over of its address: JSON of an object of strings. What makes no sense is left out."""
    try:
        found = json.loads(written) if isinstance(written, str) and len(written) < 20 * MAX_CHARACTERS else {}
    except ValueError:
        found = {}
    if not isinstance(found, dict):
        return Link()
    given = {str(key): value for key, value in found.items() if isinstance(value, str)}
    tab = given.get("tab", "nli" if "premise" in given else "slang")
    if tab not in TABS:
        return Link()
    task = {"slang": SLANG, "nli": NLI}.get(tab)
    texts = tuple(given.get(column, "") for column in task.text_columns) if task else ()
    names = [name for name in given.get("models", "").split(",") if name] or None
    return Link(tab, texts if any(texts) else (), given.get("data"), names, given.get("before") == "1")
