"""The page as a Hugging Face Space serves it; `app.py` of a built Space calls it.

The disk of a Space is lost at every restart. What is written here goes to a temporary folder, and nothing of it is
needed again: results are read from the checkpoints, the study is copied from the one that ships.
"""

import dataclasses
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import terminal
from engine.paths import ROOT, Places
from gradio_app.__main__ import be_private, prepare
from gradio_app.server.stubs import import_gradio

PORT = 7860


def main(gpu: Callable[..., Any] | None = None) -> None:
    """Serve until the Space is stopped.

    Args:
        gpu: Decorates a function that borrows a GPU, as `spaces.GPU` does; None on a Space that is lent none.
    """
    be_private()
    import_gradio()

    from engine.data.tasks import TASKS
    from engine.search.dashboard import PREFIX
    from engine.search.shipped import default_storage
    from engine.serving.zerogpu import open_gpu_registry
    from gradio_app.app import build_app, launch
    from gradio_app.context import open_context
    from gradio_app.server.dashboard import mount_dashboard
    from gradio_app.server.stopping import Stopping, leave

    stopping = Stopping()
    with tempfile.TemporaryDirectory(prefix="odzera-") as folder:
        places = temporary_places(Path(folder))
        storage = default_storage(places)
        context = open_context(places, storage, PREFIX, public=True)
        if gpu is not None:
            context = dataclasses.replace(context, registry=open_gpu_registry(places.checkpoints, gpu, tuple(TASKS)))
        for line in context.notes:
            terminal.note(line)
        app = build_app(context)
        # Where GPUs are lent, PyTorch is patched, so that graphs can't be traced: those that shipped serve.
        threading.Thread(target=prepare, args=(context, gpu is None), daemon=True).start()
        port = int(os.environ.get("GRADIO_SERVER_PORT", PORT))
        blocked = [places.checkpoints, places.store.parent, ROOT / "studies"]
        launch(app, os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), port, blocked, mount_dashboard(storage))  # noqa: S104
        terminal.note(f"Odzera is on port {port}.")
        stopping.serve(app, context.closing)
    leave()


def temporary_places(folder: Path) -> Places:
    """The models that shipped, and a folder for what is written."""
    return Places(ROOT / "checkpoints", folder / "studies" / "results.db", folder / "training")
