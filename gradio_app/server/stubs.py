"""Gradio without the type stubs that it writes beside its components: that takes a second of every start."""

import importlib
import inspect
from typing import Any


def import_gradio() -> None:
    """Import Gradio, telling it meanwhile that its components have no source files, for which it then writes none."""
    find = inspect.getfile

    def getfile(object: Any) -> str:
        if inspect.isclass(object) and object.__module__.startswith("gradio."):
            raise OSError("no stubs")
        return find(object)

    inspect.getfile = getfile
    try:
        importlib.import_module("gradio")
    finally:
        inspect.getfile = find
