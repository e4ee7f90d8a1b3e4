"""Before and after: backbones asked as they were before models were trained on them."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.data.sources import TaskData
from engine.data.tasks import SLANG
from engine.models.heads import Head
from engine.models.methods import Method
from engine.paths import Places
from engine.results.comparison import compare_models, describe_few_shot
from engine.serving.answers import Answer, Failure, classify_all, in_order
from engine.serving.registry import Registry
from engine.store import Run, Store
from engine.training.checkpoints import Checkpoint
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES
from gradio_app.context import open_context
from gradio_app.handlers.ask import ask
from gradio_app.languages import get_language
from gradio_app.views.cards import Facts, facts_of_untouched, lead_of
from support.models import cut, places_in, saved_decoder, train_model

TEXT = ("ale sztos",)


@pytest.fixture(scope="module")
def small(slang: TaskData) -> TaskData:
    """A few rows of every split."""
    return cut(slang, 48, 16)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder that reads 64 tokens."""
    return saved_decoder(tmp_path_factory.mktemp("backbone"))


def quick(name: str, backbone: str, **changes: object) -> Recipe:
    """A recipe on our GPT-mini, on another backbone and over in a second."""
    base = dataclasses.replace(RECIPES[name], backbone=backbone, max_length=40, epochs=1, head=Head("pooled", width=16))
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(small: TaskData, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Two models trained on one backbone, one on its shape alone, and a baseline."""
    places = places_in(tmp_path_factory.mktemp("made"))
    store = Store.open(places.store)
    for recipe in (
        quick("mini-head", str(backbone)),
        quick("mini-lora", str(backbone), method=Method("lora", rank=4, alpha=8)),
        quick("mini-random", str(backbone)),
        RECIPES["majority"],
    ):
        train_model(recipe, small, places, store)
    return places


@pytest.fixture(scope="module")
def zero_shot(small: TaskData, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The backbone as a zero-shot model."""
    recipe = dataclasses.replace(RECIPES["mini-zero"], backbone=str(backbone))
    return train_model(recipe, small, places_in(tmp_path_factory.mktemp("zero")), Store.in_memory()).checkpoint


def test_each_backbone_is_asked_once_and_none_that_gave_its_shape_alone(made: Places, backbone: Path) -> None:
    registry = Registry(made.checkpoints)
    (one,) = registry.untouched(registry.models("slang"))
    assert (one.backbone, one.task, one.name) == (str(backbone), "slang", f"{backbone} untouched")
    assert one.revision
    alone = [registry.find("slang", name) for name in ("majority", "mini-random")]
    assert registry.untouched(alone) == []


def test_a_backbone_whose_zero_shot_model_is_there_is_not_asked_twice(made: Places, zero_shot: Checkpoint) -> None:
    registry = Registry(made.checkpoints)
    assert registry.untouched([*registry.models("slang"), zero_shot]) == []


def test_it_answers_as_the_zero_shot_recipe_does(made: Places, zero_shot: Checkpoint) -> None:
    registry = Registry(made.checkpoints)
    tuned = registry.find("slang", "mini-head")
    asked = [zero_shot, *registry.untouched([tuned])]
    expected, answer = in_order(classify_all(registry, SLANG, TEXT, asked), asked)
    assert isinstance(expected, Answer)
    assert isinstance(answer, Answer)
    assert answer.label == expected.label
    assert answer.scores == pytest.approx(expected.scores, abs=1e-6)
    (after,) = classify_all(registry, SLANG, TEXT, [tuned])
    assert isinstance(after, Answer)
    assert after.scores != pytest.approx(expected.scores, abs=1e-3)


def test_the_command_adds_the_backbones_where_it_is_asked_to(
    made: Places, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODZERA_HOME", str(made.checkpoints.parent))
    models = {"mini-head", "mini-lora", "mini-random", "majority"}
    for more, added in (([], set()), (["--untouched"], {f"{backbone} untouched"})):
        result = CliRunner().invoke(app, ["classify", "slang", *TEXT, *more, "--json"])
        assert result.exit_code == 0, result.output
        assert sorted(one["model"] for one in json.loads(result.stdout)) == sorted(models | added)


def test_a_backbone_that_is_gone_is_a_failure_and_the_others_go_on(
    small: TaskData, backbone: Path, tmp_path: Path
) -> None:
    copy, places = tmp_path / "backbone", places_in(tmp_path)
    shutil.copytree(backbone, copy)
    train_model(quick("mini-head", str(copy)), small, places, Store.in_memory())
    train_model(RECIPES["majority"], small, places, Store.in_memory())
    registry = Registry(places.checkpoints)
    models = registry.models("slang")
    shutil.rmtree(copy)
    asked = [*registry.untouched(models), registry.find("slang", "majority")]
    answers = in_order(classify_all(registry, SLANG, TEXT, asked), asked)
    assert [type(one) for one in answers] == [Failure, Answer]
    failed = answers[0]
    assert isinstance(failed, Failure)
    assert failed.model == f"{copy} untouched"
    assert "\n" not in failed.reason


def test_on_the_page_it_has_a_card_that_does_not_vote(made: Places, backbone: Path) -> None:
    context = open_context(made)
    without = list(ask(context, get_language("en"), SLANG, None, *TEXT))
    pages = list(ask(context, get_language("en"), SLANG, None, *TEXT, before=True))
    name = f'data-model="{backbone} untouched"'
    assert name not in without[-1]
    for page in pages:
        assert page.count("<article") == without[-1].count("<article") + 1
        assert page.count(name) == 1
        assert "before training: zero-shot" in page
    assert 'data-done="true"' in pages[-1]
    # The same model speaks first, with its backbone beside it or not, and majority, which ignores the text, never.
    assert "of the test rows." in without[-1]
    summary = without[-1][: without[-1].index('<div class="oz-groups">')]
    assert pages[-1].startswith(summary)


def test_what_is_untouched_changes_no_verdict() -> None:
    def say(model: str, label: str) -> Answer:
        return Answer(model, label, {}, 1.0)

    facts = [
        Facts("a", "", ""),
        facts_of_untouched(get_language("en"), "b untouched"),
        facts_of_untouched(get_language("en"), "c untouched"),
    ]
    answers = [say("a", "positive"), say("b untouched", "negative"), say("c untouched", "negative")]
    assert lead_of(answers, facts) == answers[0]


def test_the_table_names_the_untrained_rows_that_a_tuned_backbone_lacks(
    small: TaskData, places: Places, store: Store
) -> None:
    real = train_model(RECIPES["majority"], small, places, store).run

    def run(name: str) -> Run:
        record = {**real.record, "recipe": name, "settings": RECIPES[name].as_dict()}
        return dataclasses.replace(real, id=name, model=name, record=record)

    assert compare_models(store, SLANG)["missing"] == []
    for name, missing in {
        # Its weights are random, so that there is no untrained backbone to compare with.
        "mini-random": [],
        "mini-head": ["mini-zero", "mini-few"],
        "mini-zero": ["mini-few"],
        "minilm-lora": ["minilm-zero", "minilm-few", "mini-few"],
        "minilm-few": ["minilm-zero", "mini-few"],
        "mini-few": ["minilm-zero"],
        "minilm-zero": [],
    }.items():
        store.add(run(name), [], store.predictions(real.id))
        assert compare_models(store, SLANG)["missing"] == missing


def test_figures_of_several_numbers_of_examples_are_one_sentence() -> None:
    rungs = [
        {"shots": shots, "draws": 5, "accuracy": {"mean": mean, "deviation": 0.0671}}
        for shots, mean in ((1, 0.3951), (4, 0.5))
    ]
    assert describe_few_shot({"model": "mini-few", "few_shot": rungs}) == (
        "mini-few: accuracy by examples of each class, mean of 5 draws ± standard deviation: "
        "1: 0.395 ± 0.067, 4: 0.500 ± 0.067. Its row is the first draw of 4."
    )
    assert describe_few_shot({"model": "mini-zero", "few_shot": None}) == ""
