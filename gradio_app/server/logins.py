"""Who may try a password, and how often."""

import hashlib
import hmac
import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import terminal
from gradio_app.server.below import path_of
from gradio_app.server.gate import LOGIN, again, read_body

WINDOW = 300.0
"""Seconds for which a wrong password is remembered."""
MOST_WRONG = 10
"""Wrong passwords from one address, within that time."""
MOST_FOR_NAME = 50
"""Wrong passwords for one user, from wherever; then an address that gives one has no second try for now."""
MOST_KEPT = 10_000
"""Addresses, and names; what was wrong longest ago is forgotten first."""
NAME_CHARACTERS = 64
"""Of a name that are told apart."""


class Passwords:
    """Compares passwords in the same time, whether the user is there, and however much of the password is right."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """Keep digests of the passwords, not the passwords."""
        self._digests = {user: _digest(password) for user, password in users.items()}
        self._nobody = _digest("")

    def __call__(self, user: str, password: str) -> bool:
        """Whether this is the user's password."""
        known = self._digests.get(user)
        equal = hmac.compare_digest(_digest(password), self._nobody if known is None else known)
        return equal and known is not None

    def __contains__(self, user: object) -> bool:
        """Whether there is such a user."""
        return user in self._digests


class Tries:
    """Wrong passwords of late, by address and by user.

    An address has `MOST_WRONG` of them. A user's name has no limit that others could use up: the right password from
    an address that has given no wrong one is always taken. A crowd of addresses gets one try each.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self._clock = clock
        self._addresses: OrderedDict[str, deque[float]] = OrderedDict()
        self._names: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, address: str, name: str) -> int:
        """Count a try as wrong until it is known to be right; returns the seconds to wait instead, 0 where it may be.

        Counted before the password is looked at: tries that are made at once are all counted.
        """
        wait = self.look(address, name)
        if not wait:
            now = self._clock()
            _add(self._addresses, shorten(address), now, MOST_WRONG)
            _add(self._names, name[:NAME_CHARACTERS], now, MOST_FOR_NAME)
        return wait

    def look(self, address: str, name: str) -> int:
        """The seconds to wait before a try."""
        now = self._clock()
        mine = _recent(self._addresses, shorten(address), now)
        others = _recent(self._names, name[:NAME_CHARACTERS], now)
        most = 1 if len(others) >= MOST_FOR_NAME else MOST_WRONG
        return 0 if len(mine) < most else max(1, math.ceil(mine[-most] + WINDOW - now))

    def succeed(self, address: str, name: str) -> None:
        """The try was right after all. Those before it are kept: a user's own password is no key to others'."""
        for kept, key in ((self._addresses, shorten(address)), (self._names, name[:NAME_CHARACTERS])):
            if kept.get(key):
                kept[key].pop()

    def __len__(self) -> int:
        """Addresses and names that are kept."""
        return len(self._addresses) + len(self._names)


class Logins:
    """Lets passwords be tried, a few at a time; each refusal says how long to wait."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app
        self.tries = Tries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        locked = scope["type"] == "http" and scope["app"].auth is not None
        if not locked or scope["method"] != "POST" or path_of(scope) != LOGIN:
            await self.app(scope, receive, send)
            return
        body = await read_body(receive, scope)
        form = await Request(scope, again(body, receive)).form()
        name, password = form.get("username"), form.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            await self.app(scope, again(body, receive), send)
            return
        # As Gradio reads it.
        name, address = name.strip(), scope["client"][0] if scope.get("client") else ""
        wait = self.tries.begin(address, name)
        if wait:
            line = f"Too many wrong passwords; try again in {wait} s.\n"
            await PlainTextResponse(line, 429, {"Retry-After": str(wait)})(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._end(scope, address, name, message["status"] == 200)
            await send(message)

        await self.app(scope, again(body, receive), sent)

    def _end(self, scope: Scope, address: str, name: str, is_right: bool) -> None:
        if is_right:
            self.tries.succeed(address, name)
            return
        wait = self.tries.look(address, name)
        if wait:
            # What is typed for a name may be a password; only names that are no secret are told.
            user = f"the user {name!a}" if name in scope["app"].auth else "a user that isn't there"
            place = shorten(address)
            terminal.note(
                f"Too many wrong passwords from {ascii(place)[1:-1]}, the last for {user}: refused for {wait} s."
            )


def shorten(address: str) -> str:
    """What is counted as one address: whoever has one of IPv6 has 2**64 of them."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _recent(kept: OrderedDict[str, deque[float]], key: str, now: float) -> list[float]:
    return [one for one in kept.get(key, ()) if one > now - WINDOW]


def _add(kept: OrderedDict[str, deque[float]], key: str, now: float, most: int) -> None:
    kept.setdefault(key, deque(maxlen=most)).append(now)
    kept.move_to_end(key)
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
