"""Who may come in: passwords, public pages, options off by default, and what a browser needs to install the page."""

import asyncio
import http.client
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client
from PIL import Image
from typer.testing import CliRunner

from engine.cli import app as commands
from engine.errors import OdzeraError
from engine.paths import ROOT, Places
from engine.search.shipped import default_storage
from gradio_app.app import build_app, launch
from gradio_app.context import open_context
from gradio_app.languages import NAMES
from gradio_app.server.dashboard import mount_dashboard
from gradio_app.server.options import is_public, is_readable_by_others, parse_arguments, read_users
from gradio_app.server.pwa import ICONS
from support.servers import free_port

USER, PASSWORD = "ala", "kot:ma 9 żyć"


@pytest.fixture(scope="module")
def locked(trained: Places) -> Iterator[gr.Blocks]:
    """The page behind a password, with the dashboard mounted before it."""
    storage = default_storage(trained)
    blocks = build_app(open_context(trained, storage, "/dashboard"))
    launch(blocks, "127.0.0.1", free_port(), routes=mount_dashboard(storage), auth=[(USER, PASSWORD)])
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture
def stranger(locked: gr.Blocks) -> Iterator[httpx.Client]:
    """Somebody without the password."""
    with httpx.Client(base_url=locked.local_url, timeout=20) as client:
        yield client


@pytest.fixture
def guest(stranger: httpx.Client) -> httpx.Client:
    """Somebody who has logged in."""
    assert stranger.post("/login", data={"username": USER, "password": PASSWORD}).json() == {"success": True}
    return stranger


BEHIND = [
    ("GET", "/config"),
    ("GET", "/config/"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/openapi.json"),
    ("GET", "/gradio_api/queue/data?session_hash=a"),
    ("GET", "/gradio_api/queue/status"),
    ("GET", "/gradio_api/heartbeat/a"),
    ("GET", "/gradio_api/call/classify_slang/a"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/upload_progress?upload_id=a"),
    ("GET", "/gradio_api/mcp/"),
    ("GET", "/dashboard"),
    ("GET", "/dashboard/"),
    ("GET", "/dashboard/api/studies"),
    ("GET", "/dashboard/static/bundle.js"),
    ("GET", "//dashboard/api/studies"),
    ("GET", "/dashboard/../dashboard/api/studies"),
    ("GET", "/%64ashboard/api/studies"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/call/classify_slang"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/reset"),
]


@pytest.mark.parametrize(("method", "path"), BEHIND)
def test_nothing_is_had_without_the_password(locked: gr.Blocks, method: str, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", locked.server_port, timeout=20)
    body = json.dumps({"data": ["ale kozak"], "fn_index": 0, "session_hash": "a"}) if method == "POST" else None
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read().decode()
    connection.close()
    assert answer.status in (401, 404), said
    assert len(said) < 200
    assert "study" not in said


def test_a_stranger_sees_a_login_and_nothing_of_the_page(stranger: httpx.Client) -> None:
    for path in ("/", "/?lang=en", *(f"/{code}" for code in list(NAMES)[1:])):
        page = stranger.get(path)
        assert page.status_code == 200
        assert '"auth_required":true' in page.text
        for word in ("classify_slang", "classify_nli", "slang-text", "macro F1", "tfidf"):
            assert word not in page.text
        assert re.search(r"window\.gradio_api_info = {};</script>", page.text)
    assert stranger.head("/").status_code == 200
    for user, password in ((USER, "kot"), (USER, ""), ("", PASSWORD), ("'", "' or 1=1 --")):
        assert not stranger.post("/login", data={"username": user, "password": password}).is_success
    assert not stranger.cookies


def test_with_the_password_all_is_there(guest: httpx.Client) -> None:
    assert "slang-text" in guest.get("/").text
    assert guest.get("/config").json()["username"] == USER
    assert guest.get("/dashboard/api/studies").json()["study_summaries"]
    assert guest.get("/gradio_api/queue/status").status_code == 200


def test_a_program_logs_in_too(locked: gr.Blocks) -> None:
    client = Client(locked.local_url, auth=(USER, PASSWORD), verbose=False, analytics_enabled=False)
    assert len(client.predict("ale kozak", api_name="/classify_slang")) == 4
    with pytest.raises(ValueError, match="Could not login"):
        Client(locked.local_url, auth=(USER, "falsch"), verbose=False, analytics_enabled=False)


def test_a_made_up_cookie_opens_nothing(locked: gr.Blocks, stranger: httpx.Client) -> None:
    cookies = {f"access-token{kind}-{locked.app.cookie_id}": "guess" for kind in ("", "-unsecure")}
    for jar in (cookies, {"access-token": "guess"}, {name: "" for name in cookies}):
        head = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        assert stranger.get("/dashboard/api/studies", headers=head).status_code == 401


def test_a_guests_cookie_is_no_use_to_other_sites(guest: httpx.Client) -> None:
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    assert guest.get("/config", headers=elsewhere).status_code == 403
    assert guest.post("/gradio_api/queue/join", json={"data": []}, headers=elsewhere).status_code == 403
    here = {"Origin": str(guest.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert guest.get("/config", headers=elsewhere | here).status_code == 200


def test_after_logging_out_the_cookie_is_worth_nothing(guest: httpx.Client) -> None:
    kept = dict(guest.cookies)
    guest.get("/logout")
    again = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
    guest.cookies.clear()
    assert guest.get("/config", headers=again).status_code == 401


def test_users_come_from_a_file_or_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"{USER}:{PASSWORD}\n\nola:pies\n", encoding="utf-8")
    assert read_users(file, {}) == [(USER, PASSWORD), ("ola", "pies")]
    assert read_users(None, {"ODZERA_AUTH": "ola:pies"}) == [("ola", "pies")]
    assert read_users(None, {}) is None
    file.chmod(0o644)
    assert is_readable_by_others(file)
    file.chmod(0o600)
    assert not is_readable_by_others(file)


@pytest.mark.parametrize(
    "text", ["", "\n \n", "ala", "ala:", ":kot", "ala:secret\nola", "ala:secret\nala:other"], ids=repr
)
def test_a_damaged_file_of_users_is_one_line_without_a_password(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(OdzeraError, match=r"USER:PASSWORD|twice") as caught:
        read_users(file, {})
    assert "\n" not in str(caught.value)
    for word in ("secret", "other"):
        assert word not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "bytes"])
def test_a_file_of_users_that_cannot_be_read_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "users"
    if content is not None:
        file.write_bytes(content)
    result = run_page("--auth", str(file))
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert str(file) in result.stderr.replace("\n", "")


def run_page(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The program, where it is expected to end at once."""
    environment = {name: value for name, value in os.environ.items() if name not in ("ODZERA_AUTH", "COLUMNS")}
    return subprocess.run(
        [sys.executable, "-m", "gradio_app", "--port", str(free_port()), *arguments],
        cwd=ROOT,
        env=environment | {"COLUMNS": "1000"} | more,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_name_that_cannot_be_one_stops_the_start() -> None:
    result = run_page("--allow-host", "https://page.example")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "NAME or NAME:PORT" in result.stderr


def test_a_path_that_cannot_be_one_stops_the_start() -> None:
    result = run_page("--root-path", '/"><script>')
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--root-path takes" in result.stderr


def test_tools_that_could_not_be_made_are_not_announced(tmp_path: Path, trained: Places) -> None:
    """A package that is there, but isn't whole."""
    (tmp_path / "mcp").mkdir()
    (tmp_path / "mcp" / "__init__.py").touch()
    result = run_page(
        "--mcp", "--no-export", PYTHONPATH=f"{tmp_path}:{ROOT}", ODZERA_HOME=str(trained.store.parents[1])
    )
    assert result.returncode == 2
    assert "pip install 'mcp" in result.stderr
    assert "Language models find" not in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_without_its_package_the_mcp_server_says_what_to_install() -> None:
    try:
        import mcp  # noqa: F401
    except ImportError:
        result = run_page("--mcp")
        assert result.returncode == 2
        assert "pip install 'mcp" in result.stderr
        assert "Traceback" not in result.stderr
    else:
        pytest.skip("the package is installed")


def test_tools_that_cannot_log_in_are_not_put_behind_a_password(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ala:kot", encoding="utf-8")
    result = run_page("--mcp", "--auth", str(file))
    assert result.returncode == 2
    assert "don't go together" in result.stderr


def test_language_models_are_served_the_two_endpoints_as_tools(trained: Places) -> None:
    mcp = pytest.importorskip("mcp", reason="the MCP server's package isn't installed")
    from mcp.client.streamable_http import streamablehttp_client

    blocks = build_app(open_context(trained))
    launch(blocks, "127.0.0.1", free_port(), mcp_server=True)

    async def talk() -> tuple[set[str], str]:
        async with (
            streamablehttp_client(f"{blocks.local_url}gradio_api/mcp/") as (incoming, outgoing, _),
            mcp.ClientSession(incoming, outgoing) as session,
        ):
            await session.initialize()
            tools = {one.name for one in (await session.list_tools()).tools}
            (name,) = (one for one in tools if one.endswith("classify_slang"))
            answer = await session.call_tool(name, {"text": "ale kozak, serio"})
            return tools, str(answer.content)

    try:
        tools, answer = asyncio.run(talk())
    finally:
        blocks.close(verbose=False)
    assert {name.rpartition("classify_")[2] for name in tools} == {"slang", "nli"}
    assert "tfidf" in answer


def test_everything_that_lets_strangers_in_is_off_by_default() -> None:
    given = parse_arguments([])
    assert (given.host, given.auth, given.share, given.mcp, given.open) == ("127.0.0.1", None, False, False, False)
    assert given.allow_host == []


def test_the_command_hands_every_option_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, program: started.append(program))
    runner = CliRunner()
    users = str(tmp_path / "users")
    options = ["--host", "0.0.0.0", "--port", "7861", "--no-export", "--open", "--auth", users, "--share", "--mcp"]  # noqa: S104
    options += ["--allow-host", "page.example", "--allow-host", "door.example:8443", "--root-path", "/od"]
    assert runner.invoke(commands, ["app", *options]).exit_code == 0
    assert runner.invoke(commands, ["app"]).exit_code == 0
    full, plain = (parse_arguments(program[3:]) for program in started)
    assert vars(full) == {
        "host": "0.0.0.0",  # noqa: S104
        "port": 7861,
        "allow_host": ["page.example", "door.example:8443"],
        "root_path": "/od",
        "export": False,
        "open": True,
        "auth": Path(users),
        "share": True,
        "mcp": True,
    }
    assert vars(plain) == vars(parse_arguments([]))


@pytest.mark.parametrize(
    ("host", "share", "environment", "public"),
    [
        ("127.0.0.1", False, {}, False),
        ("127.1.2.3", False, {}, False),
        ("localhost", False, {}, False),
        ("::1", False, {}, False),
        ("0.0.0.0", False, {}, True),  # noqa: S104
        ("::", False, {}, True),
        ("192.168.1.5", False, {}, True),
        ("box.example", False, {}, True),
        ("127.0.0.1", True, {}, True),
        ("127.0.0.1", False, {"SPACE_ID": "ala/odzera"}, True),
    ],
)
def test_a_page_is_public_where_strangers_can_come(
    host: str, share: bool, environment: dict[str, str], public: bool
) -> None:
    assert is_public(host, share, environment) is public


def test_the_manifest_names_the_app_in_each_language(stranger: httpx.Client) -> None:
    manifests: dict[str, dict[str, Any]] = {
        code: stranger.get("/manifest.json", params={"lang": code}).json() for code in NAMES
    }
    for code, one in manifests.items():
        assert (one["name"], one["lang"], one["display"]) == ("Odzera", code, "standalone")
        assert stranger.get(one["start_url"].removeprefix("."), follow_redirects=False).status_code == 200
    assert len({one["start_url"] for one in manifests.values()}) == len(NAMES)
    assert {one["id"] for one in manifests.values()} == {"odzera"}
    assert stranger.get("/manifest.json?lang=../etc").json() == manifests["en"]


def test_the_icons_are_the_apps_own_in_their_sizes(stranger: httpx.Client) -> None:
    for icon in stranger.get("/manifest.json").json()["icons"]:
        answer = stranger.get("/" + icon["src"])
        assert answer.headers["content-type"].startswith(icon["type"])
        if icon["sizes"] != "any":
            image = Image.open(io.BytesIO(answer.content))
            assert "x".join(map(str, image.size)) == icon["sizes"]
            if icon["purpose"] == "maskable":
                corner = image.convert("RGBA").getpixel((0, 0))
                assert corner == (15, 118, 110, 255), "a mask may cut anything but the middle"
    assert set(ICONS) == {icon["src"].removeprefix("icons/") for icon in stranger.get("/manifest.json").json()["icons"]}
    for name in ("style.css", "..%2fapp.py", "%2e%2e/app.py", "page.js"):
        assert stranger.get(f"/icons/{name}").status_code == 404
