"""Programs that serve on loopback, and the browser that looks at them."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_index() -> bool:
    """Whether a package index answers."""
    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "0", "--timeout", "10"]
    done = subprocess.run([*asked, "--dest", os.devnull, "idna==0"], capture_output=True, text=True, check=False)
    # With an index, the answer is that it has other versions.
    return "from versions: none" not in done.stderr and "from versions:" in done.stderr


def wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path, seconds: float = 240) -> None:
    """Return when the page answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text(encoding="utf-8")
        try:
            httpx.get(url, timeout=5)
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(log.read_text(encoding="utf-8"))


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
