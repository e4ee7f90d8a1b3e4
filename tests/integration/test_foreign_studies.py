"""Studies of other programs in a shared storage: each is shown sensibly by itself, and takes nothing else down."""

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from sqlalchemy import text
from typer.testing import CliRunner

from engine.cli import app
from engine.search.report import Studies, StudyView
from engine.search.storage import RDBStorage, open_storage
from gradio_app.context import Context, open_context
from gradio_app.handlers.study import show_news, show_study
from gradio_app.languages import get_language
from gradio_app.views.study import render_study
from support.made_study import make_study

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:optuna.importance")

ENGLISH = get_language("en")
ROOT = Path(__file__).resolve().parents[2]
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(2)</script>',
    "'><svg/onload=alert(3)>",
    "\u202edlrow\u2067 olleh",
    "{n} {reason!r} %s",
    "ż" * 10_000,
)
X = {"x": optuna.distributions.FloatDistribution(0, 1)}


def complete(study: optuna.Study, *values: float) -> None:
    """Add complete trials of these values."""
    for place, value in enumerate(values):
        study.add_trial(create_trial(value=value, params={"x": place / 10}, distributions=X))


def two_objectives(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="two objectives", storage=storage, directions=["minimize", "maximize"])
    for place in range(6):
        study.add_trial(create_trial(values=[place, -place], params={"x": place / 10}, distributions=X))


def odd_attributes(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="odd attributes", storage=storage)
    for name, value in {
        "trials": "many",
        "versions": ["one", 2],
        "source": {"a": 1},
        "fingerprint": None,
        "seed": [1],
        "rows": "three",
    }.items():
        study.set_user_attr(name, value)
    figures = {
        "validation_accuracy": "good",
        "parameters": [1, 2],
        "seconds": {"s": 1},
        "stop": [1],
        "epochs_run": True,
    }
    study.add_trial(create_trial(value=0.5, params={"x": 0.5}, distributions=X, user_attrs=figures))
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"reason": ["a", "list"]}))


def infinite(storage: RDBStorage) -> None:
    complete(optuna.create_study(study_name="infinite", storage=storage), *[math.inf] * 3, -math.inf, math.inf)


def maximised(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="maximised", storage=storage, direction="maximize")
    study.set_metric_names(["F1 <b>"])
    complete(study, 0.2, 0.6, 0.4, 0.9, 0.1, 0.3)


def empty(storage: RDBStorage) -> None:
    optuna.create_study(study_name="empty", storage=storage)


def single(storage: RDBStorage) -> None:
    complete(optuna.create_study(study_name="single", storage=storage), 0.7)


def pruned(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="pruned", storage=storage)
    for value in (1.0, math.nan, math.inf):
        study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: value}))
    study.add_trial(create_trial(state=TrialState.PRUNED))


def failed(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="failed", storage=storage)
    for number in range(30):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"reason": f"reason {number}"}))


def not_a_number(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="not a number", storage=storage)
    choices = optuna.distributions.CategoricalDistribution([math.nan, math.inf])
    study.add_trial(create_trial(value=0.5, params={"c": math.inf}, distributions={"c": choices}))


def one_choice(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="one choice", storage=storage)
    distributions = {
        "only": optuna.distributions.CategoricalDistribution(["a"]),
        "fixed": optuna.distributions.IntDistribution(3, 3),
    }
    for value in range(8):
        study.add_trial(create_trial(value=value, params={"only": "a", "fixed": 3}, distributions=distributions))


def all_alike(storage: RDBStorage) -> None:
    complete(optuna.create_study(study_name="all alike", storage=storage), *[1e9] * 8)


def mixed_settings(storage: RDBStorage) -> None:
    study = optuna.create_study(study_name="mixed settings", storage=storage)
    choices = optuna.distributions.CategoricalDistribution([None, "a", 1, 2.5, True])
    for place, choice in enumerate(choices.choices * 2):
        study.add_trial(create_trial(value=place, params={"c": choice}, distributions={"c": choices}))
    study.add_trial(create_trial(value=0.1))


def broken_rows(storage: RDBStorage) -> None:
    """What neither Optuna nor Odzera writes: a distribution and an attribute that can't be read."""
    study = optuna.create_study(study_name="broken rows", storage=storage)
    study.set_user_attr("source", "x")
    complete(study, 0.5, 0.6)
    ours = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = :study)"
    changes = {
        f"UPDATE trial_params SET distribution_json = :written WHERE {ours}": '{"name": "None", "attributes": {}}',  # noqa: S608
        "UPDATE study_user_attributes SET value_json = :written WHERE study_id = :study": "{",
    }
    with storage.engine.begin() as connection:
        for change, written in changes.items():
            connection.execute(text(change), {"written": written, "study": study._study_id})


def hostile(storage: RDBStorage) -> None:
    """Somebody else's words wherever a study has words; a study's name may have 512 characters."""
    for place, words in enumerate(HOSTILE):
        study = optuna.create_study(study_name=f"hostile {place} {words}"[:500], storage=storage)
        study.set_metric_names([words])
        for name in ("source", "fingerprint", "sampler", "pruner", "machine", "code"):
            study.set_user_attr(name, words)
        study.set_user_attr("versions", {"odzera": words, "optuna": words})
        name = words[:500]
        choices = optuna.distributions.CategoricalDistribution([words[:5000], "b"])
        for value in range(6):
            params = {name: choices.choices[value % 2], "y": value / 10}
            distributions = {name: choices, "y": X["x"]}
            attributes = {"stop": words, "seconds": words}
            study.add_trial(
                create_trial(value=value, params=params, distributions=distributions, user_attrs=attributes)
            )
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"reason": words}))


MAKERS: tuple[Callable[[RDBStorage], None], ...] = (
    *(two_objectives, odd_attributes, infinite, maximised, empty, single, pruned, failed),
    *(not_a_number, one_choice, all_alike, mixed_settings, broken_rows, hostile),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A storage with a study of every kind."""
    place = str(tmp_path_factory.mktemp("shared") / "optuna.db")
    storage = open_storage(place)
    for make in MAKERS:
        make(storage)
    make_study(place, 30)
    return place


@pytest.fixture(scope="module")
def views(address: str) -> dict[str, StudyView]:
    """Every study, by name."""
    studies = Studies(address)
    return {one.name: studies.view_of(one) for one in studies.summaries()}


def test_every_study_of_a_shared_storage_is_listed_and_shown(views: dict[str, StudyView]) -> None:
    assert len(views) == len(MAKERS) - 1 + len(HOSTILE) + 1
    for study in views.values():
        for code in ("en", "pl", "ru"):
            page = render_study(get_language(code), study, "/dashboard")
            assert "nan" not in re.sub(r"<[^>]*>", "", page).lower().split()
            assert f'href="/dashboard/studies/{study.study_id}"' in page
    assert views["made"].history
    assert [name for name, one in views.items() if one.trouble] == ["broken rows"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("two objectives", "It has 2 objectives"),
        ("odd attributes", "Another program made this study"),
        ("infinite", "No trial has reported a loss yet"),
        ("empty", "no trial is complete yet"),
        ("single", "the best is 0.7"),
        ("pruned", "4 pruned"),
        ("failed", "30 failed"),
        ("one choice", "No setting stands out"),
        ("all alike", "the best is 1e+09"),
        ("broken rows", "The trials of this study can&#x27;t be read"),
    ],
)
def test_an_unusual_study_says_what_it_is(views: dict[str, StudyView], name: str, says: str) -> None:
    page = render_study(ENGLISH, views[name], "/dashboard")
    assert says in page or unescape(says) in page


def test_where_more_is_better_the_largest_value_is_the_best_and_lies_highest(views: dict[str, StudyView]) -> None:
    study = views["maximised"]
    assert (study.best_value, study.best_params) == (0.9, {"x": 0.3})
    assert [row["best"] for row in study.history] == [0.2, 0.6, 0.6, 0.9, 0.9, 0.9]
    assert [row["validation_loss"] for row in study.best_trials][:2] == [0.9, 0.6]
    page = render_study(ENGLISH, study, "")
    assert "highest so far." in page
    assert "lowest" not in page.replace("oz-lowest", "")
    assert "F1 &lt;b&gt;" in page
    assert "validation loss" not in page.lower()


def test_reasons_of_failures_are_few_however_many_there_are(views: dict[str, StudyView]) -> None:
    assert len(views["failed"].failures) <= 8


def test_the_list_as_json_is_json_that_anything_reads(address: str) -> None:
    answer = CliRunner().invoke(app, ["studies", "--storage", address, "--json"])
    assert answer.exit_code == 0

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    studies = {one["name"]: one for one in json.loads(answer.stdout, parse_constant=refuse)}
    assert studies["infinite"]["best_value"] is None
    assert studies["maximised"]["best_value"] == 0.9
    assert studies["two objectives"]["best_value"] is None
    assert answer.stderr == ""


SHOW_ALL = """
import io, sys
from engine.search.dashboard import make_dashboard
from engine.search.report import Studies
studies = Studies(sys.argv[1])
shown = [studies.view_of(one) for one in studies.summaries()]
environ = {"REQUEST_METHOD": "GET", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
app = make_dashboard(sys.argv[1])
for one in shown:
    for path in (f"/api/studies/{one.study_id}", f"/api/studies/{one.study_id}/param_importances"):
        b"".join(app(environ | {"PATH_INFO": path, "wsgi.input": io.BytesIO()}, lambda *_: None))
print(len(shown))
"""


def test_reading_a_shared_storage_warns_of_nothing(address: str) -> None:
    """In a process of its own, as pytest shows warnings that nobody would see."""
    said = subprocess.run(
        [sys.executable, "-c", SHOW_ALL, address],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert int(said.stdout) > len(MAKERS)
    assert said.stderr == ""


@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_hostile_words_are_shown_as_words(views: dict[str, StudyView], place: int) -> None:
    study = next(one for name, one in views.items() if name.startswith(f"hostile {place} "))
    page = render_study(ENGLISH, study, "/dashboard")
    assert not re.search(r"<(img|script|svg/|svg onload)", page)
    assert not re.search(r"<[^>]*\son\w+=", page)
    # Nobody's name makes the page long, and what is written from right to left ends with itself.
    assert len(page) < 40_000
    assert page.count("<bdi>") == page.count("</bdi>")
    assert all("\u202e" in part.partition("</bdi>")[0] for part in page.split("<bdi>")[1:] if "\u202e" in part)
    outside = re.sub(r"<bdi>.*?</bdi>", "", re.sub(r'aria-label="[^"]*"', "", re.sub(r"<text.*?</text>", "", page)))
    assert "\u202e" not in outside


@pytest.fixture
def page(address: str, trained: object) -> Context:
    """A page of these studies."""
    return open_context(trained, address, "/dashboard")  # type: ignore[arg-type]


def test_names_in_the_menu_are_short_and_turn_nothing_around(page: Context) -> None:
    words = [one for one, _ in page.study_choices(ENGLISH)]
    assert max(map(len, words)) < 200
    assert all(one.count("\u2068") == one.count("\u2069") == 2 for one in words)


def test_a_study_that_took_anothers_place_is_read_anew(tmp_path: Path) -> None:
    address = str(tmp_path / "optuna.db")
    complete(optuna.create_study(study_name="a", storage=open_storage(address)), 0.5, 0.6)
    studies = Studies(address)
    assert studies.view("a").best_value == 0.5  # type: ignore[union-attr]
    optuna.delete_study(study_name="a", storage=open_storage(address))
    # SQLite gives numbers anew: another study of the same number, name and count, and even the same best value.
    complete(optuna.create_study(study_name="a", storage=open_storage(address)), 0.5, 0.8)
    assert [row["loss"] for row in studies.view("a").history] == [0.5, 0.8]  # type: ignore[union-attr]


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    address = tmp_path / "optuna.db"
    for name in ("first", "second"):
        storage = open_storage(str(tmp_path / f"{name}.db"))
        optuna.create_study(study_name=name, storage=storage)
        storage.engine.dispose()
    (tmp_path / "first.db").rename(address)
    studies = Studies(str(address))
    assert [one.name for one in studies.summaries()] == ["first"]
    address.unlink()
    (tmp_path / "second.db").rename(address)
    assert [one.name for one in studies.summaries()] == ["second"]


def test_only_new_trials_are_read_and_importances_only_when_a_trial_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "optuna.db")
    make_study(address, 60)
    read: list[int] = []
    weighed: list[int] = []
    from engine.search import report, storage

    read_trials, importances = storage.read_trials, report.importances

    def counted(*given: object) -> list[optuna.trial.FrozenTrial]:
        found = read_trials(*given)  # type: ignore[arg-type]
        read.append(len(found))
        return found

    monkeypatch.setattr(storage, "read_trials", counted)
    monkeypatch.setattr(report, "importances", lambda study: weighed.append(1) or importances(study))
    studies = Studies(address)
    studies.view("made")
    studies.view("made")
    assert sum(read) == 60
    study = optuna.load_study(study_name="made", storage=open_storage(address))
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.5}))
    read.clear()
    assert studies.view("made").finished  # type: ignore[union-attr]
    assert sum(read) <= 2
    assert len(weighed) == 1
    study.add_trial(create_trial(value=0.1))
    assert studies.view("made").best_value == 0.1  # type: ignore[union-attr]
    assert len(weighed) == 2


def test_trials_are_read_as_optuna_reads_them(address: str) -> None:
    storage = open_storage(address)
    for name in ("made", "mixed settings", "two objectives", "pruned", "infinite"):
        study_id = storage.get_study_id_from_name(name)
        ours, theirs = storage.get_all_trials(study_id), RDBStorage._get_trials(storage, study_id, None, set(), -1)
        assert [repr(sorted(vars(one).items(), key=str)) for one in ours] == [
            repr(sorted(vars(one).items(), key=str)) for one in theirs
        ] or ours == theirs
    with pytest.raises(KeyError):
        storage.get_all_trials(999)


def test_a_tick_without_news_reads_no_trials(page: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = show_study(page, ENGLISH, "made")
    monkeypatch.setattr(Studies, "view_of", lambda *_: pytest.fail("it read the trials"))
    monkeypatch.setattr(page._views, "SECONDS", -1.0)
    assert show_news(page, ENGLISH, "made", shown.mark) is None
