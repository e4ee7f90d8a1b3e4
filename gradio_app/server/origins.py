"""Whose requests are answered: a browser carries them from any website to any address that it can reach.

A page on another site can send a request here, and read the answer where it is told that it may. A name that its owner
points at this machine (DNS rebinding) makes the two one site to the browser. So a page for this machine alone answers
to names that only lead to this machine, and every page answers none but its own.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import OdzeraError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?P<port>[0-9]{1,5}))?")
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>.+)")
PORTS = {"http": 80, "https": 443}
FRAMES = ("iframe", "frame", "embed", "object")


class Address(NamedTuple):
    """What stands in the header `Host`; no port is the scheme's own."""

    name: str
    port: int | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is an IP address: nobody can point those elsewhere."""
        try:
            ipaddress.ip_address(self.name.strip("[]"))
        except ValueError:
            return False
        return True


class Refusal(NamedTuple):
    """How a request is refused."""

    status: int
    line: str


@dataclass(frozen=True)
class Asked:
    """What a request says of where it comes from; empty where it says nothing."""

    method: str = "GET"
    hosts: Sequence[str] = ()
    forwarded_host: str = ""
    origins: Sequence[str] = ()
    site: str = ""
    """`Sec-Fetch-Site`, which no script can set."""
    mode: str = ""
    dest: str = ""
    is_page: bool = True
    """Whether the path is of a page that others may link to."""


@dataclass(frozen=True)
class Own:
    """Which addresses are the page's own."""

    bound: str
    port: int
    names: tuple[Address, ...] = ()
    """Of a proxy in front, a share link or a Space; without a port, at any."""
    is_public: bool = False
    """Whether it can be reached from elsewhere, under names that it doesn't know."""
    only_names: bool = False
    """Whether a public page answers to `names` and to numbers alone."""
    is_framed: bool = False
    """Whether it is shown within another site, as a Space is."""

    def answers(self, host: Address) -> bool:
        """Whether it is spoken to under this name."""
        if any(host.name == name and port in (None, host.port) for name, port in self.names):
            return True
        if self.is_public:
            return not self.only_names or host.is_number or host.name == "localhost"
        return host.name in (*LOOPBACK, self.bound) and (host.port or PORTS["http"]) == self.port


def read_address(text: str) -> Address | None:
    """Read a host and its port; None where it is anything else, as `localhost.`, `user@localhost` or a list."""
    found = HOST.fullmatch(text.lower())
    if found is None:
        return None
    name, port = found["name"], int(found["port"]) if found["port"] else None
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1])}]"
        except ValueError:
            return None
    return Address(name, port) if port is None or 0 < port < 65536 else None


def read_names(given: Iterable[str]) -> tuple[Address, ...]:
    """Read the names given by `--allow-host`.

    Raises:
        OdzeraError: One is no `NAME` or `NAME:PORT`.
    """
    names = []
    for one in given:
        try:
            # Browsers write names in other alphabets this way.
            address = read_address(one if one.isascii() else one.encode("idna").decode())
        except UnicodeError:
            address = None
        if address is None:
            raise OdzeraError(f"--allow-host takes NAME or NAME:PORT, as in odzera.example, not {one!r}.")
        names.append(address)
    return tuple(names)


def why_refused(asked: Asked, own: Own) -> Refusal | None:
    """Why a request isn't answered; None where it is.

    Programs say nothing of where they come from, and are answered; browsers do, and can't be made not to.
    """
    hosts = [read_address(host) for host in asked.hosts]
    if asked.forwarded_host:
        # Gradio takes the page's address from it.
        hosts.append(read_address(asked.forwarded_host))
    return _wrong_host(asked, hosts, own) or _wrong_origin(asked, hosts, own) or _other_site(asked, own)


def _wrong_host(asked: Asked, hosts: Sequence[Address | None], own: Own) -> Refusal | None:
    if own.is_public and not own.only_names and len(asked.hosts) < 2:
        return None
    if len(asked.hosts) != 1 or None in hosts:
        return Refusal(421, "Odzera answers to no such name; others are given by odzera app --allow-host NAME")
    for host in hosts:
        if host is not None and not own.answers(host):
            wanted = host.name if host.name not in LOOPBACK or host.port is None else f"{host.name}:{host.port}"
            return Refusal(421, f"Odzera isn't known by this name; if it is: odzera app --allow-host {wanted}")
    return None


def _wrong_origin(asked: Asked, hosts: Sequence[Address | None], own: Own) -> Refusal | None:
    if all(_is_own(origin, hosts, own) for origin in asked.origins):
        return None
    return Refusal(403, "Not from another site; behind a proxy, its name is given by odzera app --allow-host NAME")


def _is_own(origin: str, hosts: Sequence[Address | None], own: Own) -> bool:
    found = ORIGIN.fullmatch(origin.lower())
    page = read_address(found["host"]) if found else None
    if found is None or page is None:
        return False
    default = PORTS[found["scheme"]]
    port = page.port or default
    # A name at any port is one that is answered to; what else is served at its other ports is another site.
    return any(
        one is not None and page.name == one.name and port == (one.port or default) for one in (*hosts, *own.names)
    )


def _other_site(asked: Asked, own: Own) -> Refusal | None:
    if asked.site in ("", "none", "same-origin"):
        return None
    shown = ("", "document", *(FRAMES if own.is_framed else ()))
    if asked.method == "GET" and asked.mode == "navigate" and asked.dest in shown and asked.is_page:
        return None
    return Refusal(403, "Not from another site.")
