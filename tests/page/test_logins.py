"""Guessing of passwords: how many are tried, by whom, and what is kept and told of it."""

import threading
import time
from collections.abc import Iterator

import gradio as gr
import httpx
import pytest

from gradio_app.app import launch
from gradio_app.server import logins
from gradio_app.server.errors import QuietBlocks
from gradio_app.server.logins import MOST_FOR_NAME, MOST_KEPT, MOST_WRONG, WINDOW, Passwords, Tries, shorten
from gradio_app.server.origins import read_names
from support.servers import free_port

USER, PASSWORD = "zosia", "wrona-na-plocie"
GUESS = "kura w rosole"


class Clock:
    """Time that goes by when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def guess(tries: Tries, address: str, name: str = USER, times: int = 1) -> list[int]:
    """Wrong passwords from an address."""
    return [tries.begin(address, name) for _ in range(times)]


def test_an_address_has_a_few_tries_and_then_waits() -> None:
    clock = Clock()
    tries = Tries(clock)
    assert guess(tries, "192.0.2.1", times=MOST_WRONG) == [0] * MOST_WRONG
    assert guess(tries, "192.0.2.1", times=3) == [WINDOW] * 3
    assert guess(tries, "192.0.2.1", "another user") == [WINDOW]
    clock.now += WINDOW - 10
    assert guess(tries, "192.0.2.1") == [10]
    clock.now += 10
    assert guess(tries, "192.0.2.1") == [0]


def test_a_stranger_locks_nobody_out() -> None:
    tries = Tries(Clock())
    for number in range(20):
        guess(tries, f"192.0.2.{number}", times=MOST_WRONG + 5)
    assert guess(tries, "198.51.100.7") == [0], "the owner, from home"


def test_a_crowd_of_addresses_has_one_try_each() -> None:
    tries = Tries(Clock())
    for number in range(MOST_FOR_NAME):
        assert guess(tries, f"192.0.2.{number}") == [0]
    assert guess(tries, "198.51.100.1", times=2) == [0, WINDOW]
    assert guess(tries, "198.51.100.1", "somebody else", times=2) == [0, 0]


def test_a_right_password_does_not_count_and_opens_no_way_to_guess_others() -> None:
    tries = Tries(Clock())
    for _ in range(3 * MOST_WRONG):
        assert guess(tries, "192.0.2.1") == [0]
        tries.succeed("192.0.2.1", USER)
    guess(tries, "192.0.2.1", "victim", times=MOST_WRONG - 1)
    assert guess(tries, "192.0.2.1") == [0]
    tries.succeed("192.0.2.1", USER)
    assert guess(tries, "192.0.2.1", "victim", times=2) == [0, WINDOW]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_KEPT <= 10_000
    monkeypatch.setattr(logins, "MOST_KEPT", 100)
    tries = Tries(Clock())
    for number in range(500):
        guess(tries, f"10.0.{number // 250}.{number % 250}", f"{number}" * 1000)
    assert len(tries) == 200
    assert guess(tries, "10.0.1.249", times=MOST_WRONG)[-1] > 0, "those of late are kept"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_line_are_one(one: str, other: str) -> None:
    assert shorten(one) == shorten(other)
    assert shorten("2001:db8:0:1::1") != shorten("2001:db8:0:2::1")
    assert len(shorten("x" * 10_000)) <= 64


def test_a_user_who_is_not_there_takes_as_long_as_one_who_is() -> None:
    passwords = Passwords({USER: PASSWORD, "": "x"})
    assert passwords(USER, PASSWORD)
    for user, password in ((USER, PASSWORD[:-1]), (USER, ""), ("nobody", PASSWORD), ("nobody", ""), (USER, "\ud800")):
        assert not passwords(user, password)
    assert PASSWORD not in str(vars(passwords))

    def seconds(user: str) -> float:
        best = 1.0
        for _ in range(7):
            # Of this process alone, however busy the machine is.
            start = time.process_time()
            for _ in range(300):
                passwords(user, "guess")
            best = min(best, time.process_time() - start)
        return best

    assert 0.5 < seconds(USER) / seconds("nobody") < 2


@pytest.fixture(scope="module")
def locked() -> Iterator[gr.Blocks]:
    """A page behind a password, and behind a proxy that says for whom it asks."""
    with QuietBlocks(analytics_enabled=False) as blocks:
        gr.Textbox()
    launch(blocks, "127.0.0.1", free_port(), names=read_names(["page.example"]), auth=[(USER, PASSWORD)])
    yield blocks
    blocks.close(verbose=False)


def post(page: gr.Blocks, user: str, password: str, address: str, **more: str) -> httpx.Response:
    """Try a password."""
    data = {"username": user, "password": password}
    return httpx.post(f"{page.local_url}login", data=data, headers={"X-Forwarded-For": address} | more, timeout=20)


def test_guesses_are_slowed_told_once_and_the_owner_comes_in(
    locked: gr.Blocks, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = [post(locked, USER, GUESS, "203.0.113.9") for _ in range(MOST_WRONG + 5)]
    assert [one.status_code for one in answers] == [400] * MOST_WRONG + [429] * 5
    refused = answers[-1]
    assert 0 < int(refused.headers["retry-after"]) <= WINDOW
    assert refused.text.count("\n") == 1
    right = post(locked, USER, PASSWORD, "203.0.113.9")
    assert right.status_code == 429, "or the right one would be found among the refused"
    assert not right.cookies
    assert post(locked, USER, PASSWORD, "203.0.113.10").json() == {"success": True}
    printed = "".join(capfd.readouterr()).replace("\n", " ")
    assert printed.count("203.0.113.9") == 1
    assert f"'{USER}'" in printed
    for secret in (GUESS, PASSWORD):
        assert secret not in printed


def test_guesses_made_at_once_are_all_counted(locked: gr.Blocks) -> None:
    seen: list[int] = []
    crowd = [
        threading.Thread(target=lambda: seen.append(post(locked, USER, GUESS, "203.0.113.20").status_code))
        for _ in range(30)
    ]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert sorted(seen) == [400] * MOST_WRONG + [429] * (30 - MOST_WRONG)


def test_a_made_up_name_is_not_printed_and_a_made_up_address_is_no_way_out(
    locked: gr.Blocks, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    typed = "moje-tajne-haslo\x1b[31m"
    # What a visitor writes before the proxy's own word doesn't count.
    seen = [post(locked, typed, GUESS, f"198.51.100.{number}, 203.0.113.30").status_code for number in range(12)]
    assert seen == [400] * MOST_WRONG + [429] * 2
    printed = "".join(capfd.readouterr())
    assert "a user that isn't there" in printed.replace("\n", " ")
    assert "tajne" not in printed
    assert "\x1b[31m" not in printed


def test_a_form_of_any_kind_is_counted(locked: gr.Blocks) -> None:
    parts = {"username": (None, USER), "password": (None, GUESS)}
    head = {"X-Forwarded-For": "203.0.113.40"}
    seen = [
        httpx.post(f"{locked.local_url}login", files=parts, headers=head, timeout=20).status_code
        for _ in range(MOST_WRONG + 1)
    ]
    assert seen == [400] * MOST_WRONG + [429]
    for body in (b"", b"username=zosia", b"password=a", b"%", b'{"username": "zosia"}'):
        answer = httpx.post(f"{locked.local_url}login", content=body, headers=head, timeout=20)
        assert answer.status_code in (400, 422)
        assert not answer.cookies
    assert httpx.post(f"{locked.local_url}login/", data={"username": USER, "password": PASSWORD}).status_code == 404


def test_without_a_proxy_nobody_says_where_he_comes_from() -> None:
    with QuietBlocks(analytics_enabled=False) as blocks:
        gr.Textbox()
    launch(blocks, "127.0.0.1", free_port(), auth=[(USER, PASSWORD)])
    try:
        seen = [post(blocks, USER, GUESS, f"203.0.113.{number}").status_code for number in range(MOST_WRONG + 2)]
    finally:
        blocks.close(verbose=False)
    assert seen == [400] * MOST_WRONG + [429] * 2
