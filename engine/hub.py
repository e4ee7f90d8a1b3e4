"""The Hugging Face Hub, asked politely: reachable or not is known in seconds, and every refusal is one line."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import HubError

PROBE_SECONDS = 4.0
_probed: dict[str, bool] = {}


def endpoint() -> str:
    """The hub's address, `HF_ENDPOINT` or the public one."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def be_quiet() -> None:
    """Switch off telemetry and the advice that libraries print, and spinning threads; call it before imports."""
    for name, value in {
        # Threads that wait asleep: spinning ones make training ten times as slow where another program uses a core.
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DISABLE_TELEMETRY": "1",
        "HF_HUB_ETAG_TIMEOUT": "4",
        "HF_HUB_DOWNLOAD_TIMEOUT": "10",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)
    # The libraries' notes to their own developers.
    warnings.filterwarnings("ignore", category=FutureWarning)


def is_reachable(timeout: float = PROBE_SECONDS) -> bool:
    """Whether the hub answers a request within `timeout` seconds, through a proxy where one is set; asked once."""
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", ""):
        return False
    address = endpoint()
    if address not in _probed:
        _probed[address] = _answers(address, timeout)
    return _probed[address]


def _answers(address: str, timeout: float) -> bool:
    answer: list[bool] = []

    def ask() -> None:
        from huggingface_hub import get_session

        try:
            get_session().head(address, timeout=timeout)
        except Exception:
            # Whatever went wrong, there is no answer; the caller says so in words.
            answer.append(False)
        else:
            answer.append(True)

    # In a thread, because looking a name up knows no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout + 0.5)
    return bool(answer and answer[0])


def require_reachable(what: str) -> None:
    """Raise unless the hub answers.

    Raises:
        HubError: It doesn't, or `HF_HUB_OFFLINE` is set.
    """
    if not is_reachable():
        raise HubError(
            f"{what} is on the Hugging Face Hub, which can't be reached from here ({endpoint()}). "
            "Use a local folder or file, or try again with a network."
        )


@contextmanager
def one_line_errors(what: str) -> Iterator[None]:
    """Turn whatever the hub's libraries raise into one `HubError` that says what to do."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        raise HubError(f"{what}: {explain(error)}") from error


def explain(error: Exception) -> str:
    """A plain sentence for an error of the hub's libraries."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    by_status: dict[int, str] = {
        401: "the hub wants a login: set HF_TOKEN, or run 'hf auth login'.",
        403: "this account may not read it: accept its terms on its page, then set HF_TOKEN.",
        404: "the hub has no such repository, file or revision.",
        429: "the hub asks to slow down (too many requests); try again in some minutes.",
    }
    if status in by_status:
        return by_status[status]
    if status is not None and status >= 500:
        return f"the hub has a fault of its own (HTTP {status}); try again later."
    return (str(error).strip() or type(error).__name__).splitlines()[0]
