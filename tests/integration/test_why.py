"""Asking every model why: the same words for all, reasons where one can't be asked, and what stands on the page."""

import dataclasses
import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from engine.data.sources import TaskData, load
from engine.data.tasks import NLI, SLANG, Task
from engine.errors import TextError
from engine.evaluation.attribution import Completeness
from engine.explain.eager import EagerModels
from engine.explain.why import MOST_WORDS, WAYS, Explainer, Explanation, Passage, explain_all, read_passage
from engine.messages import Message
from engine.models.zero_shot.answerers import Frozen
from engine.paths import ROOT, Places
from engine.serving.answers import Failure, classify_all
from engine.serving.registry import Registry
from engine.store import Store
from engine.training.checkpoints import WEIGHTS
from engine.training.recipes import RECIPES
from gradio_app.context import Context, open_context
from gradio_app.handlers.why import explain
from gradio_app.languages import get_language
from gradio_app.views.heat import render_heat, render_nothing
from support.models import cut, places_in, saved_decoder, tiny_recipe, train_model

ENGLISH, POLISH = get_language("en"), get_language("pl")
TEXTS: dict[str, tuple[str, ...]] = {
    "slang": ("no i znowu lipa, autobus odjechał, ale ekipa spoko 🔥",),
    "nli": ("The bakery opens at six and sells rye bread.", "You can buy bread there at seven."),
}
SCRIPT = "<script>alert('7')</script> \"><img src=x onerror=alert(7)> {model} &amp;"


@pytest.fixture(scope="module")
def context(trained: Places) -> Context:
    """The page's models and results."""
    return open_context(trained)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory, few: TaskData, nli: TaskData) -> Places:
    """One model of every kind on a tiny backbone: adapted in each way, with examples, without, and asking another."""
    places = places_in(tmp_path_factory.mktemp("kinds"))
    store = Store.in_memory()
    backbone = str(saved_decoder(tmp_path_factory.mktemp("backbone")))
    small = {"backbone": backbone, "epochs": 1, "precision": "float32", "max_length": 40}
    for name in ("mini-full", "mini-lora", "mini-last1", "mini-prompt"):
        recipe = dataclasses.replace(RECIPES[name], name=name, **small)
        train_model(recipe, few, places, store)
    frozen = {"backbone": backbone, "max_length": 40}
    for name, frozen_way in (
        ("mini-zero", Frozen("likelihood")),
        ("minilm-zero", Frozen("similarity")),
        ("minilm-few", Frozen("logistic", "4", 1)),
    ):
        train_model(dataclasses.replace(RECIPES[name], frozen=frozen_way, **frozen), few, places, store)
    train_model(tiny_recipe(), cut(nli), places, store)
    train_model(dataclasses.replace(RECIPES["nli-zero"], backbone="scratch"), few, places, store)
    return places


def ask(registry: Registry, task: Task, way: str, *texts: str) -> dict[str, Explanation | Failure]:
    """Every model's explanation, by name."""
    given = texts or TEXTS[task.name]
    return {one.model: one for one in explain_all(Explainer(registry), task, given, registry.models(task.name), way)}


@pytest.mark.parametrize("way", list(WAYS))
def test_every_model_is_explained_in_the_same_words_or_says_why_not(context: Context, task: Task, way: str) -> None:
    passage = read_passage(task, TEXTS[task.name])
    found = ask(context.registry, task, way)
    assert set(found) == {"majority", "tfidf", "scratch", "scratch-b"}
    for one in found.values():
        if isinstance(one, Failure):
            assert way == "attention"
            assert one.model in ("majority", "tfidf")
            assert one.reason == "It has no network."
            continue
        assert one.passage == passage
        assert [len(values) for values in one.values] == [len(words) for words in passage.named()]
        assert one.label in task.labels
        assert one.means == WAYS[way].means
        assert one.ms > 0
    assert way == "attention" or not any(isinstance(one, Failure) for one in found.values())


@pytest.mark.parametrize("way", ["occlusion", "gradients"])
def test_the_verdict_explained_is_the_one_on_the_card(context: Context, task: Task, way: str) -> None:
    cards = classify_all(context.registry, task, TEXTS[task.name], context.registry.models(task.name))
    labels = {one.model: one.label for one in cards if not isinstance(one, Failure)}
    explained = {
        one.model: one.label for one in ask(context.registry, task, way).values() if isinstance(one, Explanation)
    }
    assert explained == labels


def test_a_model_that_ignores_the_text_has_zeros_and_says_so(context: Context) -> None:
    for way in ("occlusion", "gradients"):
        one = ask(context.registry, SLANG, way)["majority"]
        assert isinstance(one, Explanation)
        assert not any(map(any, one.values))
        assert one.notes == ("No word changes its answer at all.",)


def test_weights_of_tfidf_are_exact_and_gradients_of_a_network_nearly(context: Context, task: Task) -> None:
    found = ask(context.registry, task, "gradients")
    exact = found["tfidf"]
    assert isinstance(exact, Explanation)
    assert exact.completeness is not None
    assert exact.completeness.error < 1e-4
    assert exact.completeness.total == pytest.approx(sum(map(sum, exact.values)), abs=1e-4)
    if task is SLANG:
        assert abs(exact.completeness.total) > 0.1
    for name in ("scratch", "scratch-b"):
        one = found[name]
        assert isinstance(one, Explanation)
        assert one.completeness is not None
        assert one.completeness.error <= max(0.02, 0.03 * abs(one.completeness.total))
        assert sum(map(sum, one.values)) + one.rest == pytest.approx(one.completeness.summed, abs=1e-6)


def test_attention_adds_up_to_one_with_the_rest(context: Context, task: Task) -> None:
    one = ask(context.registry, task, "attention")["scratch"]
    assert isinstance(one, Explanation)
    assert sum(map(sum, one.values)) + one.rest == pytest.approx(1, abs=1e-5)
    assert 0 < one.rest < 1
    assert min(map(min, one.values)) > 0


@pytest.mark.parametrize("way", ["occlusion", "gradients"])
def test_the_one_word_that_tfidf_knows_is_the_strongest(tmp_path: Path, way: str) -> None:
    words = {0: "żenada", 1: "rower", 2: "petarda"}
    rows = [f"{word} {number},{label}" for label, word in words.items() for number in range(12)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    places = places_in(tmp_path)
    train_model(RECIPES["tfidf"], load(SLANG, str(tmp_path / "rows.csv")), places, Store.in_memory())
    one = ask(Registry(places.checkpoints), SLANG, way, "Ona krzyczy: petarda, mówię wam!")["tfidf"]
    assert isinstance(one, Explanation)
    assert one.label == "positive"
    (words_seen,), (values,) = one.passage.named(), one.values
    assert words_seen[int(np.argmax(values))] == "petarda"
    assert max(values) > 10 * max(abs(value) for value in values if value != max(values))


def test_every_kind_of_model_can_leave_words_out(kinds: Places) -> None:
    found = ask(Registry(kinds.checkpoints), SLANG, "occlusion")
    assert len(found) == 8
    for one in found.values():
        assert isinstance(one, Explanation), one
        assert any(map(any, one.values))


@pytest.mark.parametrize("way", ["gradients", "attention"])
def test_networks_that_read_the_text_in_one_pass_are_looked_into_and_others_say_why_not(
    kinds: Places, way: str
) -> None:
    explainer = Explainer(Registry(kinds.checkpoints))
    models = explainer.registry.models("slang")
    found = {one.model: one for one in explain_all(explainer, SLANG, TEXTS["slang"], models, way)}
    refused = {name: one.reason for name, one in found.items() if isinstance(one, Failure)}
    assert set(refused) == {"mini-zero", "nli-zero"}
    assert "inside a prompt" in refused["mini-zero"]
    assert "one question for each class" in refused["nli-zero"]
    assert all(isinstance(reason, Message) for reason in refused.values()), (
        "so that they can be said in other languages"
    )
    for name in set(found) - set(refused):
        one = found[name]
        assert isinstance(one, Explanation)
        if one.completeness is not None:
            assert one.completeness.error <= max(0.02, 0.03 * abs(one.completeness.total)), name
        else:
            assert sum(map(sum, one.values)) + one.rest == pytest.approx(1, abs=1e-5), name
    assert len(explainer.eager) == 6


def test_a_network_too_large_is_named_with_its_size(context: Context) -> None:
    eager = EagerModels()
    with (
        pytest.raises(Exception, match="too large") as told,
        eager.look_into(context.registry.find("slang", "scratch"), 10),
    ):
        pass
    assert isinstance(told.value.args[0], Message)
    assert len(eager) == 0


def test_opened_networks_stay_within_their_memory(context: Context) -> None:
    models = [context.registry.find("slang", name) for name in ("scratch", "scratch-b")]
    roomy, narrow = EagerModels(), EagerModels(budget=200_000)
    for eager, stay in ((roomy, 2), (narrow, 1)):
        for model in (*models, *models):
            with eager.look_into(model, 10**9) as opened:
                assert opened.model is not None
        assert len(eager) == stay


def test_a_damaged_model_says_so_and_the_others_go_on(trained: Places, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    weights = Registry(tmp_path / "checkpoints").find("slang", "scratch").folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:100])
    found = ask(Registry(tmp_path / "checkpoints"), SLANG, "occlusion")
    assert isinstance(found["scratch"], Failure)
    assert "damaged" in found["scratch"].reason
    assert sum(isinstance(one, Explanation) for one in found.values()) == 3


def test_several_ask_at_once_and_get_what_one_alone_gets(context: Context) -> None:
    alone = {way: ask(context.registry, SLANG, way)["scratch"] for way in WAYS}
    together: list[tuple[str, Explanation | Failure]] = []

    def again(way: str) -> None:
        together.append((way, ask(context.registry, SLANG, way)["scratch"]))

    threads = [threading.Thread(target=again, args=(way,)) for way in [*WAYS] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 9
    for way, one in together:
        before = alone[way]
        assert isinstance(one, Explanation)
        assert isinstance(before, Explanation)
        np.testing.assert_allclose(one.values[0], before.values[0], atol=1e-4)


def test_a_long_text_is_cut_and_says_how_much(context: Context) -> None:
    text = "sztos " * 200
    passage = read_passage(SLANG, (text,))
    assert [len(words) for words in passage.words] == [MOST_WORDS]
    assert passage.left_out == 72
    assert passage.texts[0] == " ".join(["sztos"] * MOST_WORDS)
    *_, last = explain(context, ENGLISH, SLANG, None, "occlusion", text)
    assert "Only the first 128 words" in last
    *_, last = explain(context, ENGLISH, SLANG, None, "occlusion", "sztos")
    assert "Only the first" not in last


def test_words_that_a_network_cant_read_are_told(context: Context) -> None:
    text = " ".join(f"ździebełko{number}" for number in range(100))
    one = ask(context.registry, SLANG, "gradients", text)["scratch"]
    assert isinstance(one, Explanation)
    assert "first 256 tokens" in one.notes[0]
    assert one.values[0][-1] == 0


@pytest.mark.parametrize(
    ("way", "text", "says"),
    [("occlusion", "", "empty"), ("occlusion", "a\0b", "NUL"), ("guess", "sztos", "no way"), (None, "sztos", "no way")],
)
def test_what_will_not_do_gets_one_notice(context: Context, way: str, text: str, says: str) -> None:
    with pytest.raises(TextError, match=says):
        explain_all(context.explainer, SLANG, (text,), [], way)
    (page,) = explain(context, ENGLISH, SLANG, None, way, text)
    assert 'class="oz-notice"' in page
    assert says in page


def test_a_wrong_way_is_escaped(context: Context) -> None:
    (page,) = explain(context, ENGLISH, SLANG, None, "<script>", "sztos")
    assert "<script" not in page


def test_without_models_there_is_a_notice(tmp_path: Path) -> None:
    (page,) = explain(open_context(places_in(tmp_path)), ENGLISH, SLANG, None, "occlusion", "sztos")
    assert "No model is trained" in page


def test_rows_are_yielded_as_they_come_in_one_order_and_with_the_same_words(context: Context, task: Task) -> None:
    pages = list(explain(context, ENGLISH, task, None, "occlusion", *TEXTS[task.name]))
    assert [page.count("data-label=") for page in pages] == list(range(5))
    assert [page.count('data-done="true"') for page in pages] == [0, 0, 0, 0, 1]
    names = [f'data-model="{model.name}"' for model in context.models(task)]
    words = sum(len(spans) for spans in read_passage(task, TEXTS[task.name]).words)
    for page in pages:
        assert sorted(names, key=page.index) == names
    assert pages[-1].count('data-w="') == 4 * words
    assert pages[-1].count('dir="auto"') == 4 * len(TEXTS[task.name])
    assert pages[-1].count("completeness error") >= 4


def test_markup_is_shown_and_never_an_element(context: Context) -> None:
    for page in explain(context, ENGLISH, SLANG, None, "occlusion", SCRIPT):
        assert "<script" not in page
        assert "<img" not in page
        tags = set(re.findall(r"<\s*/?\s*([a-zA-Z]+)", page))
        assert tags <= {"section", "p", "span", "ul", "li", "div", "b", "bdi"}
        assert not re.search(r"<[^>]*\son[a-z]+\s*=", page)
    assert "&lt;" in page
    assert "&amp;" in page
    assert "{" in page


def explanation(passage: Passage, values: tuple[tuple[float, ...], ...], way: str = "occlusion") -> Explanation:
    """An explanation made by hand."""
    return Explanation("scratch", way, "positive", passage, values, 0.25, Completeness(2.0, 1.5), 12.3)


def test_strength_and_direction_are_told_by_colour_line_and_word() -> None:
    passage = read_passage(SLANG, ("petarda lipa i",))
    page = render_heat(ENGLISH, SLANG, "occlusion", passage, ["scratch"], [explanation(passage, ((2.0, -1.0, 0.01),))])
    assert '<span class="oz-w oz-for" data-w="0-0" style="--s:1.00" title="+2.0">petarda</span>' in page
    assert '<span class="oz-w oz-against" data-w="0-1" style="--s:0.50" title="−1.0">lipa</span>' in page
    assert '<span class="oz-w" data-w="0-2" title="+0.01">i</span>' in page
    assert "completeness error: 0.50 of 2.00 logits (25\u00a0%)" in page
    assert "<bdi>petarda</bdi>\u00a0+2.0" in page
    assert "<bdi>lipa</bdi>\u00a0−1.0" in page
    assert "12.3\u00a0ms" in page
    assert "solid line" in page
    assert "dotted line" in page


def test_attention_has_no_direction_and_no_completeness_error() -> None:
    passage = read_passage(SLANG, ("petarda lipa",))
    one = dataclasses.replace(explanation(passage, ((0.5, 0.25),), "attention"), completeness=None)
    page = render_heat(ENGLISH, SLANG, "attention", passage, ["scratch"], [one])
    assert "oz-for" not in page
    assert "oz-against" not in page
    assert page.count("oz-w oz-seen") == 3, "two words and the legend"
    assert "25\u00a0% on special tokens and prompts" in page
    assert "completeness error" not in page


def test_numbers_are_written_as_the_language_writes_them() -> None:
    passage = read_passage(SLANG, ("petarda lipa",))
    page = render_heat(POLISH, SLANG, "occlusion", passage, ["scratch"], [explanation(passage, ((2.0, -1.0),))])
    assert "+2,0" in page
    assert "+2.0" not in page


def test_models_that_cant_be_asked_stand_together_under_one_reason() -> None:
    passage = read_passage(SLANG, ("petarda",))
    failures = [Failure(name, Message("It has no network.")) for name in ("majority", "tfidf")]
    page = render_heat(ENGLISH, SLANG, "attention", passage, ["majority", "tfidf"], failures)
    assert "<li><b>majority, tfidf</b>: It has no network.</li>" in page
    assert "oz-heat-row" not in page.replace("oz-heat-rows", "")
    assert "No model can be asked this way" in page


def test_waiting_rows_show_the_text_and_the_empty_place_says_what_comes() -> None:
    passage = read_passage(NLI, TEXTS["nli"])
    page = render_heat(ENGLISH, NLI, "gradients", passage, ["scratch"], [])
    assert 'data-done="false"' in page
    assert "0 of 1 models" in page
    assert "The bakery opens at six and sells rye bread." in page
    assert "Hypothesis" in page
    assert 'class="oz-empty"' in render_nothing(ENGLISH)


@pytest.fixture(scope="module")
def bundled() -> Registry:
    """The models that ship with the product."""
    root = ROOT / "checkpoints"
    if not (root / "slang").is_dir():
        pytest.skip("the bundled models aren't here")
    return Registry(root)


@pytest.mark.parametrize("way", list(WAYS))
def test_the_bundled_small_decoder_is_explained_within_two_seconds(bundled: Registry, way: str) -> None:
    text = (
        "super ekipa, ale kozak wieczór, serio szacun za występ, a potem lipa, bo autobus odjechał sprzed nosa i "
        "trzeba było wracać na nogach przez deszcz"
    )
    model = bundled.find("slang", "scratch")
    explainer = Explainer(bundled)
    # Opening isn't part of it.
    list(explain_all(explainer, SLANG, (text,), [model], way))
    # Computing time, which another program's work doesn't lengthen.
    start = time.process_time()
    (one,) = explain_all(explainer, SLANG, (text,), [model], way)
    assert isinstance(one, Explanation)
    assert sum(map(len, one.passage.named())) >= 25
    assert time.process_time() - start < 2
