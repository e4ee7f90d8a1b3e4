"""A page as it is served: in its language, made once for all visitors to whom it is the same."""

import asyncio
import gzip
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Send

from gradio_app.server.pages import MOST_KEPT, OwnLanguage

PAGE = (
    '<!doctype html><html lang="en"><head><meta property="og:title" content="Gradio" />'
    "<title>x</title></head><body>{} {}</body></html>"
)


class Made:
    """An application that makes pages as Gradio does, and how many it has made."""

    def __init__(self) -> None:
        self.pages = 0
        self.status = 200
        routes = [Route(path, self.make) for path in ("/", "/pl", "/ru", "/other")]
        self.app = Starlette(routes=routes, middleware=[Middleware(OwnLanguage)])
        self.app.auth = None  # type: ignore[attr-defined]

    def make(self, request: Request) -> Response:
        self.pages += 1
        return HTMLResponse(PAGE.format(request.url.path, request.headers["host"]), self.status)


@pytest.fixture
def made() -> Made:
    """Pages that are counted."""
    return Made()


@pytest.fixture
def visitor(made: Made) -> Iterator[TestClient]:
    """Somebody whose browser speaks English."""
    with TestClient(made.app, headers={"accept-language": "en"}) as client:
        yield client


def test_a_page_is_made_once_for_all_visitors(made: Made, visitor: TestClient) -> None:
    first = visitor.get("/")
    again = visitor.get("/", params={"lang": "en", "anything": "else"})
    assert made.pages == 1
    assert first.text == again.text
    assert first.headers == again.headers
    assert int(again.headers["content-length"]) < len(again.content)


def test_each_language_has_its_own(made: Made, visitor: TestClient) -> None:
    for _ in range(2):
        assert '<html lang="en">' in visitor.get("/").text
        assert '<html lang="pl">' in visitor.get("/pl").text
        assert '<html lang="ru">' in visitor.get("/ru").text
    assert made.pages == 3


def test_what_previews_tell_is_our_own(visitor: TestClient) -> None:
    page = visitor.get("/pl").text
    assert 'content="Gradio"' not in page
    assert 'property="og:title" content="Odzera"' in page
    assert page.index("<head>") < page.index("og:title")


def test_it_is_compressed_for_those_who_can_read_that(visitor: TestClient) -> None:
    plain = visitor.get("/", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["content-length"]) == len(plain.content)
    with visitor.stream("GET", "/", headers={"accept-encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content


def test_nobody_gets_a_page_that_was_made_for_another_address(made: Made, visitor: TestClient) -> None:
    for name in ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server"):
        visitor.get("/", headers={name: "https"})
    assert "evil.example" in visitor.get("/", headers={"host": "evil.example"}).text
    assert "evil.example" not in visitor.get("/").text
    assert made.pages == 6


def test_addresses_that_are_made_up_fill_no_memory(made: Made, visitor: TestClient) -> None:
    for number in range(2 * MOST_KEPT):
        visitor.get("/", headers={"host": f"host{number}.example"})
    kept = made.app.middleware_stack.app._kept  # type: ignore[union-attr]
    assert len(kept) == MOST_KEPT
    before = made.pages
    visitor.get("/", headers={"host": f"host{2 * MOST_KEPT - 1}.example"})
    assert made.pages == before


@pytest.mark.parametrize("query", ["page=pl", "deep_link=abc"])
def test_what_gradio_makes_another_page_for_is_made(made: Made, visitor: TestClient, query: str) -> None:
    for _ in range(2):
        visitor.get(f"/?{query}")
    assert made.pages == 2


def test_behind_a_password_every_page_is_made_for_its_visitor(made: Made, visitor: TestClient) -> None:
    made.app.auth = {"ala": "kot"}  # type: ignore[attr-defined]
    for _ in range(2):
        visitor.get("/")
    assert made.pages == 2


def test_a_page_that_failed_isnt_kept(made: Made, visitor: TestClient) -> None:
    made.status = 500
    assert visitor.get("/").status_code == 500
    made.status = 200
    assert visitor.get("/").status_code == 200
    assert made.pages == 2


def test_who_reads_slowly_holds_nobody_up(made: Made) -> None:
    async def get(host: str, send: Send) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"lang=en",
            "headers": [(b"host", host.encode())],
        }

        async def receive() -> Message:
            return {"type": "http.request"}

        await made.app(scope, receive, send)

    async def visit() -> list[Message]:
        begun, got = asyncio.Event(), list[Message]()

        async def stall(_: Message) -> None:
            begun.set()
            await asyncio.Event().wait()

        async def take(message: Message) -> None:
            got.append(message)

        slow = asyncio.create_task(get("slow.example", stall))
        await asyncio.wait_for(begun.wait(), 10)
        await asyncio.wait_for(get("quick.example", take), 10)
        slow.cancel()
        return got

    assert [message.get("status") for message in asyncio.run(visit())] == [200, None]


def test_what_is_no_page_is_left_alone(made: Made, visitor: TestClient) -> None:
    for _ in range(2):
        assert 'content="Gradio"' in visitor.get("/other").text
    assert made.pages == 2
