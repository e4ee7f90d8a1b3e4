"""How the page is served: the values of its command line, and the refusals that follow from them."""

import argparse
import importlib.util
import ipaddress
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import OdzeraError
from engine.serving.page_options import AUTH, PAGE_OPTIONS

NO_MCP = "--mcp needs one more package: pip install 'mcp>=1.21,<2'"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The values of `PAGE_OPTIONS`, by name."""
    parser = argparse.ArgumentParser(prog="python -m gradio_app", description="Serve Odzera's page.")
    for option in PAGE_OPTIONS:
        about: dict[str, Any] = {"default": option.default, "help": option.help}
        if option.kind is bool:
            action = argparse.BooleanOptionalAction if option.default else "store_true"
            parser.add_argument(option.flag, action=action, **about)
        elif option.kind is list:
            parser.add_argument(option.flag, action="append", metavar=option.metavar, default=[], help=option.help)
        else:
            parser.add_argument(option.flag, type=option.kind, metavar=option.metavar, **about)
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


def read_users(file: Path | None, environment: Mapping[str, str] = os.environ) -> list[tuple[str, str]] | None:
    """Users and their passwords, from a file or else from `ODZERA_AUTH`; None where nobody is asked.

    Raises:
        OdzeraError: The file can't be read, or a line isn't `USER:PASSWORD`. No password is in the message.
    """
    if file is not None:
        try:
            text, source = file.read_text(encoding="utf-8"), str(file)
        except UnicodeDecodeError:
            raise OdzeraError(f"{file} isn't text.") from None
        except OSError as error:
            raise OdzeraError(f"The passwords in {file} can't be read: {error.strerror}.") from None
    else:
        text, source = environment.get(AUTH, ""), AUTH
        if not text:
            return None
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        user, colon, password = line.strip().partition(":")
        if not user or not colon or not password:
            raise OdzeraError(f"{source}, line {number}: USER:PASSWORD is expected.")
        if user in users:
            raise OdzeraError(f"{source}, line {number}: this user is there twice.")
        users[user] = password
    if not users:
        raise OdzeraError(f"{source} names no user: USER:PASSWORD is expected in each line.")
    return list(users.items())


def is_readable_by_others(file: Path | None) -> bool:
    """Whether other people's programs on this machine can read it."""
    return file is not None and os.name == "posix" and bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def why_no_mcp(locked: bool) -> str:
    """One line that says why there can be no MCP server, behind a password or without its package; empty if it can."""
    if locked:
        return "--mcp and --auth don't go together: a language model's tools can't log in."
    if importlib.util.find_spec("mcp") is None:
        return NO_MCP
    return ""


def is_public(host: str, share: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether strangers can come: from the network, through a link, or because it is a Space."""
    return share or bool(environment.get("SPACE_ID")) or not _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
