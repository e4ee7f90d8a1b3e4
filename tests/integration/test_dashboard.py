"""The dashboard: as it comes for its own machine, and read-only below the page's address."""

import gzip
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import optuna
import optuna_dashboard
import pytest
from optuna.trial import create_trial
from optuna_dashboard import save_note
from starlette.testclient import TestClient

from engine.errors import SearchError
from engine.search.dashboard import MOVED, make_dashboard, make_read_only, mount_below, serve
from engine.search.storage import forget_shared, open_storage
from gradio_app.server.dashboard import mount_dashboard
from support.made_study import make_study
from support.servers import free_port

CHANGING = ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND")


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A storage with one study of three trials."""
    place = str(tmp_path / "optuna.db")
    study = optuna.create_study(study_name="study", storage=open_storage(place))
    for number in range(3):
        distribution = optuna.distributions.FloatDistribution(0, 1)
        study.add_trial(create_trial(value=float(number), params={"x": 0.5}, distributions={"x": distribution}))
    return place


@pytest.fixture
def page(address: str) -> Iterator[TestClient]:
    """The mounted dashboard."""
    from starlette.applications import Starlette

    with TestClient(Starlette(routes=mount_dashboard(address))) as client:
        yield client


def names(address: str) -> list[str]:
    """Studies that are there."""
    return optuna.get_all_study_names(open_storage(address))


PATHS = (
    "/dashboard/",
    "/dashboard/api/studies",
    "/dashboard/api/studies/1",
    "/dashboard/api/studies/1/rename",
    "/dashboard/api/studies/1/note",
    "/dashboard/api/trials/1/tell",
    "/dashboard/api/trials/1/user-attrs",
    "/dashboard/static/bundle.js",
    "/dashboard/csv/1",
    "/dashboard/anything",
)


@pytest.mark.parametrize("method", CHANGING)
def test_every_request_but_get_is_refused(page: TestClient, address: str, method: str) -> None:
    for path in PATHS:
        answer = page.request(method, path, json={"study_name": "mine", "directions": ["minimize"]})
        assert answer.status_code == 405, path
        assert answer.headers["allow"] == "GET", path
    assert names(address) == ["study"]


def test_a_method_in_a_header_changes_nothing(page: TestClient, address: str) -> None:
    headers = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}
    assert page.get("/dashboard/api/studies/1?_method=DELETE", headers=headers).status_code == 200
    assert names(address) == ["study"]


def test_the_dashboard_itself_would_delete(address: str) -> None:
    """Why the mounted one is read-only."""
    with serving(make_dashboard(address)) as url:
        assert httpx.request("DELETE", f"{url}/api/studies/1", json={}).is_success
    assert names(address) == []


class serving:
    """Serve an app on a port of its own for a block."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __enter__(self) -> str:
        self.context = serve(self.app, "127.0.0.1", free_port())
        self.address = self.context.__enter__()
        threading.Thread(target=self.address.wait, daemon=True).start()
        return str(self.address)

    def __exit__(self, *error: object) -> None:
        self.address.server.shutdown()
        self.context.__exit__(None, None, None)


def test_pages_data_and_script_are_found_below_the_prefix(page: TestClient) -> None:
    for path in ("/dashboard", "/dashboard/", "/dashboard/studies/1", "/dashboard/studies/1/trials"):
        answer = page.get(path)
        assert answer.status_code == 200
        assert 'src="/dashboard/static/bundle.js"' in answer.text
        assert 'src="/static' not in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    studies = page.get("/dashboard/api/studies").json()["study_summaries"]
    assert [study["study_name"] for study in studies] == ["study"]
    assert len(page.get("/dashboard/api/studies/1?after=0").json()["trials"]) == 3
    assert page.get("/dashboard/csv/1").text.startswith("Number,State")
    assert "javascript" in page.get("/dashboard/static/bundle.js").headers["content-type"]


def test_the_script_asks_for_everything_below_the_prefix(page: TestClient) -> None:
    """The replaced places are counted: another version of the dashboard would have to be looked at."""
    script = page.get("/dashboard/static/bundle.js").content
    for there, here in MOVED.items():
        assert script.count(here) >= 1
        assert there not in script.replace(here, b"")
    assert script.count(b"/dashboard/api/") == 24
    # The one left is in a sentence of Mapbox's.
    assert script.count(b"/api/") == 25


def test_a_page_is_never_answered_in_part_or_not_at_all(page: TestClient) -> None:
    for headers in ({"Range": "bytes=0-10"}, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}):
        answer = page.get("/dashboard/", headers=headers)
        assert answer.status_code == 200
        assert "</html>" in answer.text


def test_buttons_that_would_change_something_are_hidden(page: TestClient) -> None:
    assert "DeleteIcon" in page.get("/dashboard/").text


@pytest.mark.parametrize(
    "path", ["/dashboard/static/../../_app.py", "/dashboard/static/%2e%2e/_app.py", "/dashboard//etc/passwd"]
)
def test_no_other_file_can_be_had(page: TestClient, path: str) -> None:
    answer = page.get(path)
    assert "create_app" not in answer.text
    assert "root:" not in answer.text


def test_a_damaged_storage_leaves_the_page_with_a_sentence(tmp_path: Path) -> None:
    from starlette.applications import Starlette

    (tmp_path / "optuna.db").write_text("no database at all " * 100, encoding="utf-8")
    client = TestClient(Starlette(routes=mount_dashboard(str(tmp_path / "optuna.db"))))
    answer = client.get("/dashboard/")
    assert answer.status_code == 503
    assert "can't be used" in answer.text


def test_read_only_by_itself_is_read_only_too(address: str) -> None:
    with serving(make_read_only(make_dashboard(address))) as url:
        assert httpx.request("DELETE", f"{url}/api/studies/1", json={}).status_code == 405
        assert httpx.get(f"{url}/api/studies").json()["study_summaries"]
    assert names(address) == ["study"]


@pytest.mark.parametrize("port", [0, 70000])
def test_a_port_that_is_none_is_one_line(address: str, port: int) -> None:
    with pytest.raises(SearchError, match=r"^[^\n]*is no port"), serve(make_dashboard(address), "127.0.0.1", port):
        pass


def test_a_port_that_is_taken_is_one_line(address: str) -> None:
    app = mount_below(make_dashboard(address))
    with serving(app) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(SearchError, match=f"Port {port}.*--port {port + 1}"), serve(app, "127.0.0.1", port):
            pass


def test_what_the_dashboard_needs_most_is_what_it_would_have_said_itself(tmp_path: Path) -> None:
    place = str(tmp_path / "optuna.db")
    make_study(place, 40)
    study = optuna.load_study(study_name="made", storage=open_storage(place))
    for choice in ('"params": null', "<b>ż\u202e", None, True, 2.5):
        choices = optuna.distributions.CategoricalDistribution(['"params": null', "<b>ż\u202e", None, True, 2.5])
        attributes = {"words": '"params": null', "list": [1, "a"], choice if isinstance(choice, str) else "n": 1}
        study.add_trial(
            create_trial(value=1, params={"c": choice}, distributions={"c": choices}, user_attrs=attributes)
        )
    study.add_trial(create_trial(value=float("inf"), intermediate_values={1: float("nan"), 2: float("-inf")}))
    study.enqueue_trial({"x": 0.5})
    save_note(study, "a note")
    save_note(optuna.trial.Trial(study, study.trials[3]._trial_id), "a note of a trial")
    opened = open_storage(place)
    theirs, ours = TestApp(optuna_dashboard.wsgi(opened)), TestApp(make_dashboard(place))
    for query in ("", "?after=0", "?after=44", "?after=1000"):
        assert ours.json(f"/api/studies/1{query}") == theirs.json(f"/api/studies/1{query}")
    # Again, with what was kept, after something has happened.
    save_note(optuna.trial.Trial(study, study.trials[3]._trial_id), "another note")
    study.tell(study.ask(), 0.1)
    forget_shared()
    assert ours.json("/api/studies/1") == TestApp(optuna_dashboard.wsgi(open_storage(place))).json("/api/studies/1")
    assert ours.get("/api/studies/99")[0].startswith("404")
    assert ours.get("/api/studies/1?after=-1")[0].startswith("400")


class TestApp:
    """Asks a WSGI app."""

    __test__ = False

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, address: str, **headers: str) -> tuple[str, dict[str, str], bytes]:
        path, _, query = address.partition("?")
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": ""} | headers
        environ |= {"SERVER_NAME": "here", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
        started: list[Any] = []
        body = b"".join(self.app(environ | {"wsgi.input": io.BytesIO()}, lambda *given: started.extend(given)))
        return started[0], dict(started[1]), body

    def json(self, address: str) -> Any:
        found = json.loads(self.get(address)[2])
        for trial in found.get("trials", []) + found.get("best_trials", []):
            trial["user_attrs"].sort(key=lambda one: one["key"])
        for name in ("union_user_attrs", "intersection_search_space", "union_search_space"):
            found[name] = sorted(found[name], key=str)
            for one in found[name]:
                if "choices" in one.get("distribution", {}):
                    one["distribution"]["choices"].sort(key=str)
        return found


def test_a_large_answer_is_packed_for_those_who_can_unpack_it(tmp_path: Path) -> None:
    place = str(tmp_path / "optuna.db")
    make_study(place, 40)
    app = TestApp(make_dashboard(place))
    _, headers, packed = app.get("/api/studies/1", HTTP_ACCEPT_ENCODING="gzip, br")
    assert headers["Content-Encoding"] == "gzip"
    assert len(packed) == int(headers["Content-Length"])
    _, plain, body = app.get("/api/studies/1")
    assert "Content-Encoding" not in plain
    assert gzip.decompress(packed) == body
    assert len(packed) < len(body) / 8


@pytest.mark.parametrize("path", ["/static/bundle.js", "/favicon.ico"])
def test_files_are_given_to_those_who_dont_say_what_they_can_unpack(address: str, path: str) -> None:
    status, _, body = TestApp(make_dashboard(address)).get(path)
    assert status.startswith("200")
    assert len(body) > 1000
