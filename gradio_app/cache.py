"""Comparisons and what is drawn of them: made when first looked at, and again when a run is added."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from engine.data.tasks import Task
from engine.results.comparison import compare_models
from engine.store import Store

Made = TypeVar("Made")


class Results:
    """What visitors have looked at lately, so that many of them cost as much as one."""

    MOST = 200

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()

    def comparison(self, store: Store, task: Task, fingerprint: str) -> dict[str, Any]:
        """The table of models on one data set; shared, so nobody changes it.

        Raises:
            OdzeraError: Nothing is trained on it, or the results can't be read.
        """
        mark = store.mark(task.name, fingerprint)
        return self.remember(("table", task.name, fingerprint), mark, lambda: compare_models(store, task, fingerprint))

    def remember(self, key: Hashable, mark: Hashable, make: Callable[[], Made]) -> Made:
        """What was made under this key while the mark was the same, or what is made now."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] == mark:
                self._kept.move_to_end(key)
                made: Made = known[1]
                return made
        # Made outside the lock: two who come at once may both work, and nobody waits for another's drawing.
        made = make()
        with self._lock:
            self._kept[key] = (mark, made)
            self._kept.move_to_end(key)
            while len(self._kept) > self.MOST:
                self._kept.popitem(last=False)
        return made
