"""How the page stops: by Ctrl-C or SIGTERM, the same way, and within seconds."""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import gradio as gr

from engine import terminal

WAKE_SECONDS = 0.1
"""How often it looks whether it was told to stop."""
TELLING_SECONDS = 0.4
"""For what visitors are told last to reach them."""


class Stopping:
    """Waits until the program is told to stop; being told before it waits counts too.

    Python runs a signal's handler in the main thread, and where the system gave the signal to another thread, it does
    so only when the main one wakes: it sleeps a little at a time, and waits for no lock.
    """

    def __init__(self) -> None:
        """Listen for SIGTERM and Ctrl-C from now on."""
        self._is_told = False
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, self._tell)

    def _tell(self, number: int, _: Any) -> None:
        self._is_told = True
        # Whoever insists needn't wait.
        signal.signal(number, signal.SIG_DFL)

    def serve(self, app: gr.Blocks, closing: Sequence[Callable[[], None]]) -> None:
        """Serve until told to stop; then end what visitors have begun, delete what is theirs, and close the page.

        Args:
            app: The page, launched.
            closing: Called before it stops answering.
        """
        while not self._is_told:
            time.sleep(WAKE_SECONDS)
        terminal.note("Stopping: what visitors have begun ends, and their files are deleted.")
        workers = [threading.Thread(target=one, daemon=True) for one in closing]
        for one in workers:
            one.start()
        for one in workers:
            one.join()
        time.sleep(TELLING_SECONDS)
        app.close(verbose=False)
        terminal.note("Stopped.")


def leave() -> NoReturn:
    """End the program now that it has stopped, whatever its threads are doing.

    Python would wait for a model that a thread still opens, and native threads abort a process that is taken down below
    them; nothing of that is worth keeping.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
