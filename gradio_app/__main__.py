"""Open the models and the results, and serve the page."""

import argparse
import logging
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from engine import console, hub
from engine.paths import default_places

if TYPE_CHECKING:
    from gradio_app.context import Context


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """`--host`, `--port` and `--no-export`."""
    parser = argparse.ArgumentParser(prog="python -m gradio_app", description="Serve Odzera's page.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on")
    parser.add_argument(
        "--export",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="export models that aren't yet, behind the page, so that they answer faster",
    )
    return parser.parse_args(arguments)


def why_not_free(host: str, port: int) -> str:
    """One line that says why the port can't be listened on; empty when it can."""
    if not 0 < port < 65536:
        return f"{port} is no port; ports are 1 to 65535."
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            # As the server itself will: a port that has just been closed is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return f"Port {port} on {host} can't be used ({error.strerror}). Try another: odzera app --port {port + 1}"
    return ""


def be_private() -> None:
    """No analytics, no telemetry, no chatter; before Gradio is imported."""
    hub.be_quiet()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # Requests are logged by address and path; nobody asked for a log of visitors.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def prepare(context: "Context", export: bool) -> None:
    """Open the models, and let them answer faster."""
    context.warm_up()
    if export:
        context.speed_up()


def main() -> None:
    """Serve until interrupted; exit code 2 and one line where that can't be done."""
    started = time.perf_counter()
    arguments = parse_arguments()
    busy = why_not_free(arguments.host, arguments.port)
    if busy:
        console.fail(busy)
        sys.exit(2)
    be_private()
    console.note("Opening the models…")

    from engine.search.dashboard import PREFIX
    from engine.search.shipped import default_storage
    from gradio_app.app import build_app, launch
    from gradio_app.context import open_context
    from gradio_app.mount import mount_dashboard

    places = default_places()
    storage = os.environ.get("ODZERA_STORAGE", "") or default_storage(places)
    context = open_context(places, storage, PREFIX)
    for line in context.notes:
        console.note(line)
    app = build_app(context)
    # The page is up at once; models are opened behind it, and a text that comes first waits for its own model only.
    threading.Thread(target=prepare, args=(context, arguments.export), daemon=True).start()
    blocked = [places.checkpoints, places.store.parent]
    launch(app, arguments.host, arguments.port, blocked, mount_dashboard(storage))
    console.note(
        f"Odzera is on http://{arguments.host}:{arguments.port} "
        f"({time.perf_counter() - started:.1f} s). Ctrl-C stops it."
    )
    try:
        app.block_thread()
    except KeyboardInterrupt:
        app.close()


if __name__ == "__main__":
    main()
