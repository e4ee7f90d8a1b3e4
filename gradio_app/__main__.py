"""Open the models and the results, and serve the page."""

import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from engine import terminal
from engine.data.tasks import TASKS
from engine.errors import OdzeraError
from engine.hub import client
from engine.paths import default_places, say_no_models
from gradio_app.server.below import prefix_of, read_root_path
from gradio_app.server.options import (
    NO_MCP,
    is_public,
    is_readable_by_others,
    parse_arguments,
    read_users,
    why_no_mcp,
    why_not_free,
)
from gradio_app.server.origins import read_names
from gradio_app.server.stubs import import_gradio

if TYPE_CHECKING:
    from gradio_app.context import Context


def be_private() -> None:
    """No analytics, no telemetry, no chatter; before Gradio is imported."""
    client.be_quiet()
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
    try:
        users, names = read_users(arguments.auth), read_names(arguments.allow_host)
        root = read_root_path(arguments.root_path or os.environ.get("GRADIO_ROOT_PATH", ""))
    except OdzeraError as error:
        terminal.fail(str(error))
        sys.exit(2)
    refused = why_not_free(arguments.host, arguments.port) or (why_no_mcp(bool(users)) if arguments.mcp else "")
    if refused:
        terminal.fail(refused)
        sys.exit(2)
    if is_readable_by_others(arguments.auth):
        terminal.note(f"Others on this machine can read {arguments.auth}: chmod 600 {arguments.auth}")
    be_private()
    terminal.note("Opening the models…")
    import_gradio()

    from engine.search.dashboard import PREFIX
    from engine.search.shipped import default_storage
    from gradio_app.app import build_app, launch
    from gradio_app.context import open_context
    from gradio_app.server.dashboard import mount_dashboard
    from gradio_app.server.stopping import Stopping, leave

    stopping = Stopping()
    places = default_places()
    storage = os.environ.get("ODZERA_STORAGE", "") or default_storage(places)
    public = is_public(arguments.host, arguments.share)
    context = open_context(places, storage, prefix_of(root) + PREFIX, public)
    for line in context.notes:
        terminal.note(line)
    for task in TASKS.values():
        if not context.models(task):
            terminal.note(say_no_models(places.checkpoints, task.name))
    app = build_app(context)
    # The page is up at once; models are opened behind it, and a text that comes first waits for its own model only.
    threading.Thread(target=prepare, args=(context, arguments.export), daemon=True).start()
    blocked = [places.checkpoints, places.store.parent]
    more: dict[str, Any] = {"auth": users, "share": arguments.share, "mcp_server": arguments.mcp}
    more |= {"names": names, "inbrowser": arguments.open, "root_path": root}
    launch(app, arguments.host, arguments.port, blocked, mount_dashboard(storage), **more)
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    address = f"http://{host}:{arguments.port}"
    terminal.note(f"Odzera is on {address} ({time.perf_counter() - started:.1f} s). Ctrl-C stops it.")
    if arguments.mcp and not app.mcp_server:
        app.close(verbose=False)
        terminal.fail(NO_MCP)
        sys.exit(2)
    if arguments.mcp:
        terminal.note(f"Language models find its tools at {address}/gradio_api/mcp/")
    if public and not users:
        terminal.note("Whoever has the address can ask the models; --auth FILE asks for a password.")
    stopping.serve(app, context.closing)
    leave()


if __name__ == "__main__":
    main()
