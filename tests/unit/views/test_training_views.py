"""How models learned: the overfitting point, and what the Training tab shows of curves, costs and settings."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import pytest

from engine.data.tasks import NLI, SLANG
from engine.evaluation.overfitting import overfitting_point
from engine.experiments.record import adopt_checkpoints
from engine.paths import ROOT, Places
from engine.results.learning import (
    LearningCurve,
    LearningRun,
    compare_lora,
    lacks_full,
    list_learning,
    resolve_settings,
)
from engine.store import Store
from engine.training.recipes import RECIPES
from gradio_app.context import Context, open_context
from gradio_app.handlers.training import run_choices, show_all
from gradio_app.languages import get_language
from gradio_app.views.hyperparameters import SETTINGS, render_settings
from gradio_app.views.resources import render_costs
from gradio_app.views.training import render_learning
from support.models import places_in

ENGLISH, POLISH = get_language("en"), get_language("pl")
FALLING = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]


def epochs(validation: list[float], training: list[float] | None = None, accuracy: float | None = 0.5) -> list[Any]:
    """Rows as the store gives them."""
    return [
        {
            "number": number,
            "train_loss": fell,
            "train_accuracy": accuracy,
            "validation_loss": loss,
            "validation_accuracy": 0.4 + number / 100,
            "validation_macro_f1": 0.3 + number / 100,
            "lr": 1e-3,
            "seconds": 2.0,
        }
        for number, (loss, fell) in enumerate(zip(validation, training or FALLING, strict=False), start=1)
    ]


@pytest.mark.parametrize(
    ("validation", "training", "point"),
    [
        ([0.9, 0.8, 0.7, 0.75, 0.8, 0.9], FALLING, 3),
        ([0.9, 0.8, 0.7, 0.69, 0.68, 0.67], FALLING, None),
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.9], FALLING, None),
        ([0.9, 0.7, 0.95, 0.68, 0.75, 0.8], FALLING, 4),
        ([0.9, 0.7, 0.701, 0.702, 0.703, 0.704], FALLING, None),
        ([0.7, 0.8, 0.7, 0.8, 0.9, 1.0], FALLING, 3),
        ([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], FALLING, 1),
        ([0.9, 0.7, 0.8, 0.9, 1.0, 1.1], [1.0, 0.9, 1.0, 1.1, 1.2, 1.3], None),
        ([0.9, 0.7, math.nan], [1.0, 0.9, math.nan], None),
        ([0.9, 0.7, 0.8, 0.9, math.nan], [1.0, 0.9, 0.8, 0.7, math.nan], 2),
        ([0.9], [1.0], None),
        ([], [], None),
    ],
    ids=[
        *(
            "it rises for good",
            "it still falls",
            "one epoch may be noise",
            "a hump before the lowest",
            "it has come to rest",
        ),
        *("the last of equals", "from the first epoch on", "training rises too", "it diverges", "it diverges later"),
        *("one epoch", "none"),
    ],
)
def test_overfitting_begins_where_validation_rises_for_good_and_training_falls(
    validation: list[float], training: list[float], point: int | None
) -> None:
    assert overfitting_point(epochs(validation, training)) == point


@pytest.fixture(scope="module")
def shipped() -> Store:
    """The records of the models that ship."""
    store = Store.in_memory()
    for task in (SLANG, NLI):
        assert adopt_checkpoints(store, ROOT / "checkpoints", task) == []
    return store


@pytest.fixture(scope="module")
def runs(shipped: Store) -> dict[str, LearningRun]:
    """The shipped slang models, by name."""
    (data,) = shipped.data_sets("slang")
    return {run.name: run for run in list_learning(shipped, SLANG, data.fingerprint)}


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


def test_models_that_were_never_trained_have_no_learning(runs: dict[str, LearningRun]) -> None:
    assert {"scratch", "tfidf", "mini-lora", "mini-full"} <= set(runs)
    assert not any(name.endswith(("-zero", "-few")) for name in runs)


def test_the_shipped_curves_show_where_they_overfit(runs: dict[str, LearningRun]) -> None:
    full, adapted = runs["mini-full"].curve, runs["mini-lora"].curve
    assert (full.overfits_from, full.stop) == (2, "epochs")
    assert adapted.overfits_from is runs["scratch"].curve.overfits_from is None
    shown = render_learning(ENGLISH, [full, adapted], "accuracy", "epochs")
    assert shown.count('class="oz-ring"') == 2, "one a panel, of the run that overfits alone"
    assert shown.count('class="oz-star"') == 4
    assert "From epoch 2 on it overfits: validation loss 0.770 → 0.824, training loss 0.797 → 0.427." in shown


def test_every_run_has_a_dashed_and_a_solid_line_on_both_panels() -> None:
    curves = [LearningCurve(name, epochs(FALLING), 6, "epochs") for name in ("one", "two", "three")]
    shown = render_learning(ENGLISH, curves, "accuracy", "epochs")
    assert shown.count("<svg") == 2
    assert shown.count('class="oz-trace oz-train"') == 6
    assert shown.count('class="oz-trace"') == 6
    for place, mark in enumerate("●■▲"):
        assert shown.count(f'class="oz-series-{place}"') == 2
        assert f">{mark}<title>" in shown, "every line has a sign of its own"
    assert 'aria-label="loss by epoch, training and validation, of one, two, three"' in shown
    assert "one, epoch 6: validation loss 0.500 · epoch that was kept" in shown


def test_a_record_without_training_accuracy_says_so_and_draws_the_rest() -> None:
    curve = LearningCurve("old", epochs(FALLING, accuracy=None), 6, "epochs")
    shown = render_learning(ENGLISH, [curve], "accuracy", "epochs")
    assert "Training accuracy isn't recorded for old" in shown
    assert shown.count('class="oz-trace oz-train"') == 1
    assert "isn't recorded" not in render_learning(ENGLISH, [curve], "macro_f1", "epochs")
    assert "Macro F1 is measured on validation alone" in render_learning(ENGLISH, [curve], "macro_f1", "epochs")


def test_epochs_lie_at_the_seconds_they_ended() -> None:
    curve = LearningCurve("one", epochs(FALLING[:3]), 3, "epochs")
    by_epoch = render_learning(ENGLISH, [curve], "accuracy", "epochs")
    by_time = render_learning(ENGLISH, [curve], "accuracy", "seconds")
    places = [
        [float(x) for x in re.findall(r'class="oz-dot" cx="([\d.]+)"', shown)[:3]] for shown in (by_epoch, by_time)
    ]
    assert places[0][1] - places[0][0] == pytest.approx(places[0][2] - places[0][1], abs=0.2)
    assert places[0][0] < places[1][0], "the first epoch ends after it began"
    assert "seconds of training" in by_time


def test_a_loss_that_is_no_number_breaks_the_line_and_nothing_else() -> None:
    rows = epochs([0.9, math.nan, 0.8], [1.0, math.nan, 0.9])
    shown = render_learning(ENGLISH, [LearningCurve("one", rows, 1, "diverged")], "accuracy", "epochs")
    assert "nan" not in re.sub(r"<table.*</table>", "", shown)
    assert "the loss was no number any more" in shown


def test_what_has_no_epochs_has_no_curve_and_says_why() -> None:
    shown = render_learning(ENGLISH, [LearningCurve("tfidf")], "accuracy", "epochs")
    assert "<svg" not in shown
    assert "fitted in one go: tfidf" in shown


def test_names_are_escaped_and_numbers_follow_the_language(runs: dict[str, LearningRun]) -> None:
    curve = LearningCurve("<b>&x", epochs(FALLING), 6, "epochs")
    run = dataclasses.replace(runs["scratch"], curve=curve)
    shown = (
        render_learning(ENGLISH, [curve], "accuracy", "epochs")
        + render_costs(ENGLISH, [run], [], {})
        + render_settings(ENGLISH, [run])
    )
    assert "<b>&x" not in shown
    assert "&lt;b&gt;&amp;x" in shown
    assert "0,500" in render_learning(POLISH, [curve], "accuracy", "epochs")


def test_lora_is_set_against_full_on_the_same_backbone(runs: dict[str, LearningRun]) -> None:
    (ratio,) = compare_lora(list(runs.values()))
    assert (ratio.adapted.name, ratio.full.name) == ("mini-lora", "mini-full")
    assert ratio.shares["trained"] == pytest.approx(49667 / 1891587)
    assert lacks_full(list(runs.values()), "slang") == {"minilm": "odzera train minilm-full --task slang"}
    shown = render_costs(ENGLISH, list(runs.values()), [ratio], lacks_full(list(runs.values()), "slang"))
    assert "mini-lora / mini-full" in shown
    assert "<td>2.6\u00a0%</td>" in shown
    assert "<td>2.73\u00a0×</td>" in shown, "adapters took longer, which is said as it is"
    assert "odzera train minilm-full --task slang" in shown


def test_a_backbone_without_a_full_recipe_is_trained_by_changing_the_method(runs: dict[str, LearningRun]) -> None:
    settings = {**runs["mini-lora"].settings, "backbone": "herbert"}
    herbert = dataclasses.replace(runs["mini-lora"], recipe="herbert-lora", settings=settings)
    command = "odzera train herbert-lora --set method.kind=full --name herbert-full --task slang"
    assert lacks_full([herbert], "slang") == {"herbert": command}


def test_bars_are_as_long_as_their_share_of_the_largest(runs: dict[str, LearningRun]) -> None:
    shown = render_costs(ENGLISH, [runs["mini-full"], runs["mini-lora"], runs["tfidf"]], [], {})
    widths = re.findall(r"<h3>Trained parameters</h3>.*?</section>", shown)[0]
    assert [float(one) for one in re.findall(r"width:([\d.]+)%", widths)] == pytest.approx([100, 2.63, 9.04], abs=0.05)
    assert "no epochs" in shown
    assert "Energy wasn't measured" in shown
    assert "<h3>Energy</h3>" not in shown
    measured = dataclasses.replace(runs["mini-full"], costs={**runs["mini-full"].costs, "joules": 7200.0})
    shown = render_costs(ENGLISH, [measured, runs["mini-lora"]], [], {})
    assert "2\u00a0Wh" in shown
    assert "not measured" in shown


def test_settings_that_differ_are_marked_and_can_be_shown_alone(runs: dict[str, LearningRun]) -> None:
    pair = [runs["mini-full"], runs["mini-lora"]]
    whole, unlike = render_settings(ENGLISH, pair), render_settings(ENGLISH, pair, differing=True)
    assert whole.count("<tr") > unlike.count("<tr")
    assert whole.count("oz-unlike-row") == unlike.count("oz-unlike-row") == unlike.count("<tr") - 1
    row = next(one for one in whole.split("<tr") if "<code>method.rank</code>" in one)
    assert "oz-unlike-row" in row
    assert "<td>–</td><td>16</td>" in row
    assert "same settings throughout" in render_settings(ENGLISH, [pair[0], pair[0]], differing=True)


def test_settings_are_shown_with_the_defaults_that_held() -> None:
    settings = resolve_settings(RECIPES["scratch"].as_dict(), SLANG)
    assert settings["decoder.max_position_embeddings"] == 256
    assert settings["decoder.attention_bias"] is True
    assert settings["head_lr"] == settings["lr"] == RECIPES["scratch"].lr
    assert settings["select_on"] == "macro_f1"
    assert not any(name.startswith(("method.", "head.")) for name in settings), "they have no part in it"


@pytest.mark.parametrize("name", [one.name for one in RECIPES.values() if one.kind != "frozen"])
def test_every_setting_of_every_recipe_has_words(name: str) -> None:
    assert set(resolve_settings(RECIPES[name].as_dict(), SLANG)) <= set(SETTINGS)


def test_a_recipe_of_another_version_is_shown_as_it_stands() -> None:
    settings = resolve_settings({**RECIPES["scratch"].as_dict(), "unheard_of": 3}, SLANG)
    assert settings["unheard_of"] == 3
    assert settings["lr"] == RECIPES["scratch"].lr


def test_the_tab_shows_neural_models_first_and_at_most_six(context: Context) -> None:
    choices, chosen = run_choices(context, ENGLISH, "slang", None)
    assert [name for _, name in choices] == ["majority", "tfidf", "scratch", "scratch-b"]
    assert chosen == ["scratch", "scratch-b"]
    curves, costs, settings = show_all(context, ENGLISH, "slang", None, chosen)
    assert curves.count('class="oz-trace oz-train"') == 4, "training accuracy is recorded"
    assert "isn't recorded" not in curves
    assert "<h3>Peak memory</h3>" in costs
    assert re.findall(r"<code>([\w.]+)</code>", "".join(re.findall(r"oz-unlike-row.*?</tr>", settings))) == ["seed"]


@pytest.mark.parametrize("rubbish", [None, "x", 7, [], {}, [None], [["scratch"]], ["<script>"]])
def test_whatever_a_program_sends_gets_an_answer(context: Context, rubbish: object) -> None:
    for values in (
        ("slang", None, rubbish),
        ("slang", rubbish if isinstance(rubbish, str) else None, ["scratch"], rubbish, rubbish, rubbish),
        (rubbish, rubbish, rubbish, rubbish, rubbish, rubbish),
    ):
        shown = show_all(context, ENGLISH, *values)
        assert len(shown) == 3
        assert "script" not in "".join(shown).replace("scratch", "")


def test_a_page_without_models_says_what_to_do(tmp_path: Path) -> None:
    empty = open_context(places_in(tmp_path))
    assert run_choices(empty, ENGLISH, "slang", None) == ([], [])
    curves, costs, settings = show_all(empty, ENGLISH, "slang", None, [])
    assert "No model is trained yet" in curves
    assert (costs, settings) == ("", "")
