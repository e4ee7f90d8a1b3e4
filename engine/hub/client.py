"""The Hugging Face Hub, asked politely: reachable or not is known in seconds, and every refusal is one line."""

import logging
import os
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.errors import HubError, OdzeraError

HUB_NAME = re.compile(r"(?P<repo_id>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w-][\w.-]*(?:/[\w-][\w.-]*)*))?")
"""`owner/name` or `owner/name@revision`, where a revision may be `refs/pr/2`."""
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
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_ETAG_TIMEOUT": "4",
        "HF_HUB_DOWNLOAD_TIMEOUT": "10",
        # Its notes on each attempt; what comes of them is said in one line.
        "HF_HUB_VERBOSITY": "error",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)
    # The libraries' notes to their own developers.
    warnings.filterwarnings("ignore", category=FutureWarning)
    # It says at every start what faster kernels it could have had.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


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


def own_token() -> str:
    """The access token of this user, from the environment or the login cache, or nothing."""
    from huggingface_hub import get_token

    return get_token() or ""


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
def one_line_errors(what: str, page: str = "", writing: bool = False) -> Iterator[None]:
    """Turn whatever the hub's libraries raise into one `HubError` that says what to do.

    Args:
        what: A repository, or what else was asked for.
        page: The repository's page below the hub's address, where it isn't `what`.
        writing: Whether something is uploaded, so that a refusal means another thing.

    Raises:
        HubError: Something was raised inside.
    """
    try:
        yield
    except OdzeraError:
        raise
    except Exception as error:
        raise HubError(f"{what}: {explain(error, f'{endpoint()}/{page or what}', writing)}") from error


_LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"
_CUT = "the connection was cut midway; what came is kept, and the same command goes on from there."
EXPLANATIONS: Mapping[str, str] = {
    # By the class that huggingface_hub makes of the hub's answer, alone or with its status.
    "GatedRepoError": f"it is gated: accept its terms on {{page}}, then {_LOG_IN}.",
    "RevisionNotFoundError": "the hub has the repository, but not this revision.",
    "RemoteEntryNotFoundError": "the hub has the repository, but not the file {file}.",
    "RepositoryNotFoundError 401": f"the hub shows no such repository without a login: check the name, or {_LOG_IN}.",
    "RepositoryNotFoundError": "the hub has no such repository (or it is private to others).",
    # By the hub's message, its status or the status's first digit.
    "Invalid credentials in Authorization header": "the hub doesn't accept the token: set another HF_TOKEN, or run "
    "'hf auth login'.",
    "401": "the hub wants a login: set HF_TOKEN, or run 'hf auth login'.",
    "403": f"this account may not read it: accept its terms on {{page}}, then {_LOG_IN}.",
    "404": "the hub has no such repository, file or revision.",
    "429": "the hub asks to slow down (too many requests); try again in {wait}.",
    "5": "the hub has a fault of its own (HTTP {status}); try again later.",
    # Without an answer: by what was raised, its class or the start of its message.
    "TimeoutException": "the hub didn't answer in time; try again later.",
    "ConnectError": "the hub can't be reached; try again with a network.",
    "NetworkError": _CUT,
    "RemoteProtocolError": _CUT,
    "Consistency check failed": _CUT,
}

_NOT_WHOLE = "the connection was cut midway; what is on {page} was left as it was. Try again."
WRITING: Mapping[str, str] = {
    **EXPLANATIONS,
    "RepositoryNotFoundError 401": "the hub doesn't accept the token: set another HF_TOKEN, or run 'hf auth login'.",
    "401": "the hub doesn't accept the token: set another HF_TOKEN, or run 'hf auth login'.",
    "402": "the hub wants a paid plan for this kind of Space; free accounts may have Spaces on ZeroGPU (--hardware "
    "zerogpu).",
    "403": "this token may not write there: take one of the role 'write', and a name of your own before the '/'.",
    "404": "the hub has no such account, or this token may not write to it.",
    "409": "the hub is busy with another change of it; try again.",
    "412": "it was changed while this went on, and was left as it is; try again.",
    "413": "the hub takes no files as large as these.",
    "NetworkError": _NOT_WHOLE,
    "RemoteProtocolError": _NOT_WHOLE,
}
"""The same where something is uploaded."""


def explain(error: BaseException, page: str = "", writing: bool = False) -> str:
    """A plain sentence for an error of the hub's libraries, in which no token appears.

    Args:
        error: What was raised; what it was raised from is looked at, too.
        page: Address of the page where a gated repository's terms are accepted.
        writing: Whether something was to be uploaded.
    """
    told = WRITING if writing else EXPLANATIONS
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)
        headers = getattr(response, "headers", {})
        for key in _keys(cause, response):
            if key in told:
                wait, file = headers.get("Retry-After", ""), str(getattr(response, "url", "")).rpartition("/")[2]
                return told[key].format(
                    page=page,
                    file=file.partition("?")[0],
                    status=getattr(response, "status_code", ""),
                    wait=f"{wait} seconds" if wait.isdigit() else "some minutes",
                )
        cause = cause.__cause__
    return without_token((str(error).strip() or type(error).__name__).splitlines()[0])


def _keys(error: BaseException, response: Any) -> Iterator[str]:
    """The keys of `EXPLANATIONS` that fit an error, the most telling first."""
    status = str(getattr(response, "status_code", ""))
    if status:
        yield response.headers.get("X-Error-Message", "")
    for kind in type(error).__mro__:
        yield from (f"{kind.__name__} {status}", kind.__name__)
    yield from (status, status[:1], str(error).partition(":")[0])


def without_token(text: str) -> str:
    """The text with an access token replaced, as libraries quote requests that they can't send."""
    own = own_token()
    return re.sub(r"hf_[A-Za-z0-9]{16,}", "(token)", text.replace(own, "(token)") if own else text)
