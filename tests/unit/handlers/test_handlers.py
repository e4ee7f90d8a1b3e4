"""What happens when a button is pressed or an endpoint is called, without a page."""

import dataclasses
import math
import re
import shutil
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from engine.data.folds import make_folds
from engine.data.reading import NOTHING_READ
from engine.data.sources import TaskData, load
from engine.data.tasks import NLI, SLANG, Task
from engine.errors import CheckpointError, TextError
from engine.experiments.curves import Curve, write_curve
from engine.experiments.repeats import digest_settings
from engine.experiments.repeats_file import start_repeats, write_repeats
from engine.paths import Places
from engine.search.search_space import SPACE, starting_points
from engine.search.storage import open_storage
from engine.serving.registry import Registry
from engine.store import Repeat, Store
from engine.training.checkpoints import WEIGHTS
from engine.training.recipes import RECIPES
from gradio_app.context import Context, open_context
from gradio_app.handlers.ask import answer_all, ask, show_example
from gradio_app.handlers.curves import show_curve
from gradio_app.handlers.models import show_models
from gradio_app.handlers.study import show_news, show_study
from gradio_app.languages import get_language
from gradio_app.tabs.examples import FIRST_EXAMPLES
from support.models import places_in, train_model

ENGLISH = get_language("en")
TYPED = "gżegżółka-wyszeptała-hasło"
TEXTS = {"slang": [f"{TYPED} ale sztos"], "nli": [f"The {TYPED} is open.", f"Nobody said {TYPED}."]}


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


@pytest.fixture
def copied(trained: Places, tmp_path: Path) -> Places:
    """The trained models in a folder that a test may damage or add to."""
    shutil.copytree(trained.checkpoints.parent, tmp_path / "home")
    return places_in(tmp_path / "home")


def test_answers_are_shown_as_they_come_and_the_last_page_has_them_all(context: Context, task: Task) -> None:
    pages = list(ask(context, ENGLISH, task, None, *TEXTS[task.name]))
    models = context.registry.models(task.name)
    counts = [page.count("data-label=") for page in pages]
    assert counts == sorted(set(counts))
    assert counts[-1] == len(models)
    assert [page.count('data-done="true"') for page in pages] == [0] * (len(pages) - 1) + [1]
    for page in pages:
        assert page.count("<article") == len(models), "a place is kept for every model"


def test_means_over_seeds_are_shown_as_soon_as_they_are_measured(copied: Places, slang: TaskData) -> None:
    # Without those that ship.
    context = dataclasses.replace(open_context(copied), curves=(copied.store.parent,))
    assert "mean accuracy" not in show_models(context, ENGLISH, "slang", slang.fingerprint)
    empty = start_repeats(slang, make_folds(slang, 1))
    recipe = context.registry.find("slang", "scratch").recipe
    figures = {
        **{"recipe": "scratch", "trained_with": digest_settings(recipe), "backbone": "", "f1": [0.0, 0.6, 0.0]},
        **{"loss": 1.0, "train_accuracy": 0.5, "best_epoch": 1, "epochs": 2, "seconds": 1.0, "wall_seconds": 2.0},
        **{"parameters": {"total": 9, "trained": 9}, "machine": "a processor"},
    }
    for seeds in (1, 2):
        jobs = tuple(
            Repeat("slang", slang.fingerprint, empty.design, "scratch", 0, seed, "9.9", "s", str(seed), figures, answer)
            for seed, answer in enumerate(["1" * len(empty.rows)] * seeds)
        )
        write_repeats(copied.store.parent / empty.file_name, dataclasses.replace(empty, jobs=jobs))
        shown = show_models(context, ENGLISH, "slang", slang.fingerprint)
        assert "mean accuracy" in shown
        assert f"<small>{seeds} seed" in shown
    (page,) = list(ask(context, ENGLISH, SLANG, None, "sztos", chosen=["scratch"]))[-1:]
    assert "mean macro F1 over 2 seeds" in page


def test_answers_that_come_close_together_are_shown_together(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    list(ask(context, ENGLISH, SLANG, None, "sztos"))
    monkeypatch.setattr("gradio_app.handlers.ask.BURST_SECONDS", 60.0)
    pages = list(ask(context, ENGLISH, SLANG, None, "sztos"))
    assert len(pages) <= 2, "the first answers at once, and all the others together"
    assert pages[-1].count("data-label=") == 4


def test_only_the_chosen_models_are_asked(context: Context) -> None:
    *_, last = ask(context, ENGLISH, SLANG, None, "sztos", chosen=["tfidf", "../../etc", "scratch"])
    assert sorted(re.findall(r'data-model="([^"]+)"', last)) == ["scratch", "tfidf"]
    (page,) = ask(context, ENGLISH, SLANG, None, "sztos", chosen=[])
    assert "at least one model" in page


def test_a_card_tells_the_median_of_the_last_answers(trained: Places) -> None:
    context = open_context(trained)
    first, second = (list(ask(context, ENGLISH, SLANG, None, "sztos", chosen=["tfidf"]))[-1] for _ in range(2))
    assert "p50" not in first
    assert "Median of the last 2 answers" in second


def test_cards_speak_the_pages_language(context: Context) -> None:
    for code, word in (("pl", "pozytywny"), ("ru", "позитив")):
        *_, last = ask(context, get_language(code), SLANG, None, "sztos")
        assert word in last.lower()
        assert "positive</span>" not in last


def test_cards_stand_in_the_same_order_from_first_to_last(context: Context) -> None:
    pages = list(ask(context, ENGLISH, SLANG, None, "sztos"))
    orders = [re.findall(r'data-model="([^"]+)"', page) for page in pages]
    assert sorted(orders[0]) == sorted(one.name for one in context.registry.models("slang"))
    assert all(order == orders[0] for order in orders)


def test_an_example_is_answered_once_for_all_visitors(context: Context, task: Task) -> None:
    first, second = (show_example(context, ENGLISH, task, FIRST_EXAMPLES[task.name]) for _ in range(2))
    assert first == second, "milliseconds too"
    assert first.count("data-label=") == 4


def test_the_users_text_is_in_no_page(context: Context, task: Task) -> None:
    for page in ask(context, ENGLISH, task, None, *TEXTS[task.name]):
        assert TYPED not in page


@pytest.mark.parametrize("text", ["<script>alert(7)</script>", "<img src=x onerror=alert(7)>", "🔥🔥"])
def test_markup_and_emoji_are_answered_and_never_echoed(context: Context, text: str) -> None:
    *_, last = ask(context, ENGLISH, SLANG, None, text)
    assert 'data-done="true"' in last
    assert last.count("data-label=") == 4
    assert text not in last
    assert "alert(7)" not in last


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "empty"), ("  \n", "empty"), (None, "empty"), ("a\0b", "NUL"), (f"{TYPED} " * 50_000, "characters")],
    ids=["empty", "white", "none", "nul", "megabyte"],
)
def test_bad_text_gets_one_notice_at_once(context: Context, text: str, says: str) -> None:
    start = time.process_time()
    (page,) = ask(context, ENGLISH, SLANG, None, text)
    assert time.process_time() - start < 1
    assert 'class="oz-notice"' in page
    assert says in page
    assert TYPED not in page
    assert len(page) < 300


def test_the_half_of_a_pair_that_will_not_do_is_named(context: Context) -> None:
    (page,) = ask(context, ENGLISH, NLI, None, "It rains.", "")
    assert "hypothesis is empty" in page


@pytest.mark.parametrize("fingerprint", ["ffffffffffff", "", "../../etc", None])
def test_unknown_data_falls_back_to_that_shown_first(context: Context, fingerprint: str | None) -> None:
    *_, last = ask(context, ENGLISH, SLANG, fingerprint, "sztos")
    assert last.count("data-label=") == len(context.registry.models("slang"))


def test_models_on_chosen_data_alone_are_asked(copied: Places, tmp_path: Path) -> None:
    words = {0: "kiepsko i nudno", 1: "autobus o czwartej", 2: "genialny wieczór"}
    rows = [f"{word} {number},{label}" for label, word in words.items() for number in range(12)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    data = load(SLANG, str(tmp_path / "rows.csv"))
    train_model(RECIPES["tfidf"], data, copied, Store.open(copied.store))
    context = open_context(copied)
    assert [key for _, key in context.data_choices("slang", ENGLISH)][1] == data.fingerprint
    assert "rows.csv" in context.data_choices("slang", ENGLISH)[1][0]
    *_, last = ask(context, ENGLISH, SLANG, data.fingerprint, "sztos")
    assert last.count("<article") == last.count("data-label=") == 1
    shown = show_models(context, ENGLISH, "slang", data.fingerprint)
    assert "rows.csv" in shown
    assert shown.count('<th scope="row"') == 1


def test_a_damaged_model_gets_a_card_that_says_so_and_the_rest_answer(copied: Places) -> None:
    weights = Registry(copied.checkpoints).find("slang", "scratch").folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:100])
    *_, last = ask(open_context(copied), ENGLISH, SLANG, None, "sztos")
    assert 'data-done="true"' in last
    assert last.count("data-label=") == 3
    assert last.count("oz-failed") == 1
    assert f"{WEIGHTS} is damaged" in last


def test_a_refused_checkpoint_is_a_note_of_the_page(copied: Places) -> None:
    folder = Registry(copied.checkpoints).find("nli", "scratch-b").folder
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    context = open_context(copied)
    assert len(context.notes) == 1
    assert folder.name in context.notes[0]
    assert len(answer_all(context, NLI, "It rains.", "It is wet.")) == 3


def test_a_page_without_models_says_how_to_train_them(tmp_path: Path, task: Task) -> None:
    empty = open_context(places_in(tmp_path))
    texts = ["tekst"] * len(task.text_columns)
    (page,) = ask(empty, ENGLISH, task, None, *texts)
    assert f"odzera train majority tfidf scratch --task {task.name}" in page
    with pytest.raises(CheckpointError, match="None is trained yet"):
        answer_all(empty, task, *texts)
    assert "oz-notice" in show_models(empty, ENGLISH, task.name, None)
    assert empty.data_choices(task.name, ENGLISH) == []


def test_programs_get_plain_answers(context: Context, task: Task) -> None:
    answers = answer_all(context, task, *TEXTS[task.name])
    assert [one["model"] for one in answers] == [one.name for one in context.registry.models(task.name)]
    for one in answers:
        assert set(one) == {"model", "label", "scores", "ms", "waited_ms", "runtime", *NOTHING_READ}
        assert sum(one["scores"].values()) == pytest.approx(1, abs=1e-4)
        assert TYPED not in str(one)


def test_programs_learn_which_models_cut_a_text(context: Context) -> None:
    answers = {one["model"]: one for one in answer_all(context, SLANG, "lipa " * 400)}
    cut = answers["scratch"]
    assert cut["truncated"]
    assert cut["tokens_read"] < cut["tokens_given"] >= 400
    assert (answers["tfidf"]["truncated"], answers["tfidf"]["tokens_read"]) == (False, 400)
    assert (answers["majority"]["truncated"], answers["majority"]["tokens_read"]) == (False, None)


def test_programs_get_an_error_for_bad_text(context: Context) -> None:
    with pytest.raises(TextError, match="empty"):
        answer_all(context, SLANG, "")


def test_the_models_table_shows_every_model_on_the_data(context: Context, task: Task) -> None:
    shown = show_models(context, ENGLISH, task.name, None)
    for one in context.registry.models(task.name):
        assert f'<th scope="row" data-value="{one.name}">{one.name}</th>' in shown
    assert context.registry.data_sets(task.name)[0] in shown


def test_an_unknown_task_or_data_gets_no_foreign_table(context: Context) -> None:
    assert "oz-notice" in show_models(context, ENGLISH, "runs; drop table runs", None)
    assert show_models(context, ENGLISH, "slang", "ffffffffffff") == show_models(context, ENGLISH, "slang", None)


def test_warming_up_is_not_stopped_by_a_damaged_model(copied: Places) -> None:
    weights = Registry(copied.checkpoints).find("slang", "tfidf").folder / WEIGHTS
    weights.write_bytes(b"")
    context = open_context(copied)
    context.warm_up()
    *_, last = ask(context, ENGLISH, SLANG, None, "sztos")
    assert last.count("data-label=") == 3
    assert f"{WEIGHTS} is damaged" in last


def test_a_program_is_told_why_no_model_can_answer(copied: Places) -> None:
    for weights in (copied.checkpoints / "slang").glob(f"*/{WEIGHTS}"):
        weights.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"No model can answer.*is damaged"):
        answer_all(open_context(copied), SLANG, "sztos")


def test_a_study_is_shown_with_its_progress_and_the_way_to_the_dashboard(searched: Context) -> None:
    ((words, name),) = searched.study_choices(ENGLISH)
    assert "3 trials" in words
    page = show_study(searched, ENGLISH, name).page
    assert "<b>3 of 4 trials</b>" in page
    assert 'href="/dashboard/studies/1"' in page
    assert "PED-ANOVA" in page
    assert page.count("<circle") == 3
    assert "out of memory" in page


def test_a_study_being_searched_is_shown_anew_when_a_trial_ends(searched: Context, tmp_path: Path) -> None:
    name = searched.study_choices(ENGLISH)[0][1]
    before = show_study(searched, ENGLISH, name)
    assert show_news(searched, ENGLISH, name, before.mark) is None
    study = optuna.load_study(study_name=name, storage=open_storage(searched.storage))
    study.ask()
    searched._views.read = -math.inf
    after = show_news(searched, ENGLISH, name, before.mark)
    assert after is not None
    assert "searching now" in after.page
    assert after.live


def test_what_is_shown_of_a_study_and_its_mark_are_of_one_reading(
    searched: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = searched.study_choices(ENGLISH)[0][1]
    study = optuna.load_study(study_name=name, storage=open_storage(searched.storage))
    # Each look at the studies reads them anew, and each finds one more trial under way.
    monkeypatch.setattr(searched._views, "SECONDS", -1.0)
    read = searched._views.get

    def read_and_go_on(*args: Any) -> Any:
        found = read(*args)
        study.ask()
        return found

    monkeypatch.setattr(searched._views, "get", read_and_go_on)
    shown = show_study(searched, ENGLISH, name)
    assert show_news(searched, ENGLISH, name, shown.mark) is not None


def test_without_studies_the_page_says_how_to_make_one(trained: Places, tmp_path: Path) -> None:
    context = open_context(trained, str(tmp_path / "none.db"), "/dashboard")
    assert context.study_choices(ENGLISH) == []
    assert "odzera search slang" in show_study(context, ENGLISH, None).page
    assert "odzera search slang" in show_study(context, ENGLISH, "a name that isn't there").page


def test_damaged_studies_are_one_notice(trained: Places, tmp_path: Path) -> None:
    (tmp_path / "optuna.db").write_text("nothing of the kind " * 100, encoding="utf-8")
    context = open_context(trained, str(tmp_path / "optuna.db"), "/dashboard")
    assert context.study_choices(ENGLISH) == []
    assert "can&#x27;t be used" in show_study(context, ENGLISH, "any").page
    assert show_study(context, ENGLISH, "any").mark


def test_names_in_a_study_are_escaped(trained: Places, tmp_path: Path) -> None:
    address = str(tmp_path / "optuna.db")
    study = optuna.create_study(study_name="<b>bold</b>", storage=open_storage(address))
    study.set_user_attr("source", "<script>alert(7)</script>")
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={"reason": "<img src=x>"}))
    page = show_study(open_context(trained, address, "/dashboard"), ENGLISH, "<b>bold</b>").page
    for markup in ("<script>", "<img", "<b>bold"):
        assert markup not in page


@pytest.fixture
def searched(trained: Places, tmp_path: Path) -> Context:
    """A page with one study: two complete trials, a pruned one and a failed one."""
    address = str(tmp_path / "optuna.db")
    study = optuna.create_study(study_name="study", storage=open_storage(address))
    for name, value in (("source", "sample"), ("trials", 4), ("fingerprint", "abc")):
        study.set_user_attr(name, value)
    for loss in (0.9, 0.7):
        study.add_trial(
            optuna.create_trial(
                value=loss,
                params=starting_points()[0],
                distributions=dict(SPACE),
                intermediate_values={1: loss},
                user_attrs={"validation_accuracy": 0.6, "seconds": 2.0, "parameters": 1000, "stop": "patience"},
            )
        )
    study.add_trial(optuna.create_trial(state=TrialState.PRUNED, intermediate_values={1: 1.2}))
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={"reason": "out of memory"}))
    return open_context(trained, address, "/dashboard")


def point(series: str, x: float, seed: int, accuracy: float) -> dict[str, object]:
    """A measured point of a curve."""
    return {"series": series, "x": x, "seed": seed, "accuracy": accuracy, "macro_f1": accuracy / 2, "loss": 1.0}


@pytest.fixture
def measured(trained: Places, tmp_path: Path) -> Context:
    """A page with one curve."""
    points = [
        point(series, x, seed, accuracy + seed / 100)
        for series, x, accuracy in (("scratch", 50, 0.5), ("mini-full", 50, 0.6), ("scratch", 1000, 0.7))
        for seed in range(3)
    ]
    curve = Curve("examples", "slang", "<i>reviews</i>", "0" * 12, 543, tuple(points), {"device_name": "a processor"})
    write_curve(tmp_path / "curve-x.json", curve)
    return dataclasses.replace(open_context(trained), curves=(tmp_path,))


def test_a_curve_is_shown_with_its_figure_its_numbers_and_what_it_says(measured: Context) -> None:
    assert measured.curve_choices(ENGLISH) == [("training examples · <i>reviews</i>", "x")]
    page = show_curve(measured, ENGLISH, "x", "accuracy")
    assert "<svg" in page
    assert "0.610<small>± 0.025</small>" in page
    assert "mini-full against scratch: clearly ahead at 50 (+10 points at 50)." in page
    assert "543 test rows, up to 3 seeds a point, on a processor" in page
    assert "&lt;i&gt;reviews" in page
    assert "<i>reviews" not in page


def test_another_figure_of_a_curve_can_be_chosen_and_nonsense_is_accuracy(measured: Context) -> None:
    assert "0.305<small>" in show_curve(measured, ENGLISH, "x", "macro_f1")
    assert show_curve(measured, ENGLISH, "x", "<script>") == show_curve(measured, ENGLISH, "x", "accuracy")


def test_without_a_curve_the_page_says_how_to_make_one(measured: Context, tmp_path: Path) -> None:
    assert "odzera curve examples slang" in show_curve(measured, ENGLISH, "another", "accuracy")
    assert dataclasses.replace(measured, curves=(tmp_path / "empty",)).curve_choices(ENGLISH) == []


def test_a_curve_that_cant_be_read_is_said_at_the_start(trained: Places, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "curve-broken.json").write_text("[]", encoding="utf-8")
    places = dataclasses.replace(trained, store=tmp_path / "studies" / "results.db")
    assert any(note.startswith("curve-broken.json can't be read") for note in open_context(places).notes)
