"""The registry of trained models, and every model answering one text side by side."""

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.reading import NOTHING_READ, Readings
from engine.data.sources import TaskData, load
from engine.data.tasks import NLI, SLANG, Task
from engine.errors import CheckpointError, TextError
from engine.evaluation.metrics import Floats
from engine.models.methods import ParameterCount
from engine.paths import Places
from engine.serving import registry as module
from engine.serving.answers import MAX_CHARACTERS, Answer, Failure, check_input, classify_all, in_order
from engine.serving.registry import Registry, _Opened
from engine.serving.runtime import Served, open_served
from engine.store import Store
from engine.training.checkpoints import MANIFEST, WEIGHTS, Checkpoint
from engine.training.classifiers import Classifier, open_checkpoint
from engine.training.recipes import RECIPES
from support.models import cut, places_in, saved_decoder, train_model

TEXTS = {"slang": ("ale sztos, jutro powtórka",), "nli": ("The shop shuts at noon.", "You can shop at midnight.")}
NAMES = {"majority", "tfidf", "scratch", "scratch-b"}


@pytest.fixture
def copied(trained: Places, tmp_path: Path) -> Places:
    """The trained models in a folder that a test may damage."""
    shutil.copytree(trained.checkpoints, tmp_path / "checkpoints")
    return places_in(tmp_path)


def write_rows(path: Path) -> Path:
    """A small labelled file of its own."""
    words = {0: "lipa straszna", 1: "zbiórka o ósmej", 2: "petarda totalna"}
    rows = [f"{word} numer {number},{label}" for label, word in words.items() for number in range(12)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def two_sets(copied: Places) -> tuple[Places, str, str]:
    """The trained models and, beside them, two trained on another file; with both fingerprints."""
    first = Registry(copied.checkpoints).data_sets("slang")[0]
    data = load(SLANG, str(write_rows(copied.checkpoints.parent / "rows.csv")))
    for name in ("majority", "tfidf"):
        train_model(RECIPES[name], data, copied, Store.in_memory())
    return copied, first, data.fingerprint


def truncate(file: Path) -> None:
    """Lose the second half of a file."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def test_models_stand_cheapest_first(trained: Places, task: Task) -> None:
    models = Registry(trained.checkpoints).models(task.name)
    assert {one.name for one in models} == NAMES
    costs = [one.manifest["run"]["record"]["latency"]["p50_ms"] for one in models]
    assert costs == sorted(costs)
    assert models[0].name == "majority"


def test_data_with_most_models_comes_first(two_sets: tuple[Places, str, str]) -> None:
    places, first, second = two_sets
    assert Registry(places.checkpoints).data_sets("slang") == [first, second]


def test_of_equally_many_models_the_data_trained_on_last_comes_first(two_sets: tuple[Places, str, str]) -> None:
    places, first, second = two_sets
    for name in ("scratch", "scratch-b"):
        shutil.rmtree(places.checkpoints / "slang" / f"{name}@{first}")
    assert Registry(places.checkpoints).data_sets("slang") == [second, first]


def test_models_on_different_data_never_stand_together(two_sets: tuple[Places, str, str]) -> None:
    places, first, second = two_sets
    registry = Registry(places.checkpoints)
    assert {one.fingerprint for one in registry.models("slang")} == {first}
    assert {one.name for one in registry.models("slang", second)} == {"majority", "tfidf"}
    assert {one.fingerprint for one in registry.models("slang", second)} == {second}


def test_a_model_is_found_by_name_data_and_folder(two_sets: tuple[Places, str, str]) -> None:
    places, first, second = two_sets
    registry = Registry(places.checkpoints)
    assert registry.find("slang", "tfidf").fingerprint == second, "the latest of several"
    assert registry.find("slang", f"tfidf@{first}").fingerprint == first
    assert registry.find("slang", f"tfidf@{first[:5]}").fingerprint == first
    assert registry.find("slang", "scratch").fingerprint == first
    folder = places.checkpoints / "slang" / f"majority@{first}"
    assert registry.find("slang", str(folder)).folder == folder


def test_a_model_that_is_not_there_is_named_with_those_that_are(trained: Places) -> None:
    registry = Registry(trained.checkpoints)
    with pytest.raises(CheckpointError, match=r"no trained model 'polka'.*majority, scratch, scratch-b, tfidf"):
        registry.find("slang", "polka")
    with pytest.raises(CheckpointError, match="no trained model"):
        registry.find("slang", "tfidf@ffffffffffff")


def test_data_is_matched_by_its_beginning(trained: Places) -> None:
    registry = Registry(trained.checkpoints)
    (fingerprint,) = registry.data_sets("nli")
    assert registry.match_data("nli", None) is None
    assert registry.match_data("nli", fingerprint[:4]) == fingerprint
    with pytest.raises(CheckpointError, match=f"'zzz'.*{fingerprint}"):
        registry.match_data("nli", "zzz")


def test_an_empty_registry_has_no_models_and_no_complaints(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "nothing")
    assert registry.data_sets("slang") == []
    assert registry.models("slang") == []
    assert registry.refused == {"slang": [], "nli": []}


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        '"text"',
        '{"format": 1}',
        '{"format": 999, "name": "x", "task": "slang", "labels": [], "recipe": {}, "data": {}, "files": {}, "run": {}}',
        '{"format": 1, "name": "x", "task": "slang", "labels": [], "recipe": {}, "data": {}, "files": {}, "run": {}}',
        '{"format": "new", "name": "x", "task": "slang", "labels": 0, "recipe": 0, "data": 0, "files": 0, "run": 0}',
    ],
    ids=["empty", "cut", "list", "string", "few keys", "newer", "hollow", "wrong kinds"],
)
def test_a_foreign_manifest_is_set_aside_by_name_and_the_rest_answer(copied: Places, manifest: str) -> None:
    fingerprint = Registry(copied.checkpoints).data_sets("slang")[0]
    folder = f"scratch-b@{fingerprint}"
    (copied.checkpoints / "slang" / folder / MANIFEST).write_text(manifest, encoding="utf-8")
    registry = Registry(copied.checkpoints)
    assert len(registry.refused["slang"]) == 1
    assert folder in registry.refused["slang"][0]
    assert "\n" not in registry.refused["slang"][0]
    assert registry.refused["nli"] == []
    models = registry.models("slang")
    assert {one.name for one in models} == NAMES - {"scratch-b"}
    answers = list(classify_all(registry, SLANG, TEXTS["slang"], models))
    assert all(isinstance(one, Answer) for one in answers)
    with pytest.raises(CheckpointError, match="scratch-b@"):
        registry.find("slang", "scratch-b")


def test_damaged_weights_are_a_failure_with_a_name_and_the_rest_answer(copied: Places) -> None:
    registry = Registry(copied.checkpoints)
    truncate(registry.find("slang", "tfidf").folder / WEIGHTS)
    answers = {one.model: one for one in classify_all(registry, SLANG, TEXTS["slang"], registry.models("slang"))}
    failure = answers.pop("tfidf")
    assert isinstance(failure, Failure)
    assert "tfidf@" in failure.reason
    assert WEIGHTS in failure.reason
    assert set(answers) == NAMES - {"tfidf"}
    assert all(isinstance(one, Answer) for one in answers.values())
    again = {one.model: one for one in classify_all(registry, SLANG, TEXTS["slang"], registry.models("slang"))}
    assert again["tfidf"] == failure


def test_weights_of_another_model_are_refused_even_when_the_manifest_agrees(copied: Places) -> None:
    registry = Registry(copied.checkpoints)
    foreign, own = registry.find("slang", "tfidf"), registry.find("slang", "scratch")
    shutil.copy(foreign.folder / WEIGHTS, own.folder / WEIGHTS)
    manifest = json.loads((own.folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"][WEIGHTS] = foreign.manifest["files"][WEIGHTS]
    (own.folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    registry = Registry(copied.checkpoints)
    (answer,) = classify_all(registry, SLANG, TEXTS["slang"], [registry.find("slang", "scratch")])
    assert isinstance(answer, Failure)
    assert "scratch" in answer.reason


def test_every_model_answers_with_probabilities_and_the_likeliest_label(trained: Places, task: Task) -> None:
    registry = Registry(trained.checkpoints)
    models = registry.models(task.name)
    answers = in_order(classify_all(registry, task, TEXTS[task.name], models), models)
    assert [one.model for one in answers] == [one.name for one in models], "cheapest first"
    for one in answers:
        assert isinstance(one, Answer)
        assert tuple(one.scores) == task.labels
        assert sum(one.scores.values()) == pytest.approx(1, abs=1e-5)
        assert one.label == max(one.scores, key=lambda label: one.scores[label])
        assert one.ms > 0
        assert set(one.as_dict()) == {"model", "label", "scores", "ms", "waited_ms", "runtime", *NOTHING_READ}


class Gate:
    """A classifier that answers when it may."""

    def __init__(self) -> None:
        self.asked, self.open = threading.Event(), threading.Event()

    def answer(self, inputs: Sequence[tuple[str, ...]]) -> tuple[Floats, None]:
        self.asked.set()
        assert self.open.wait(30)
        return np.full((len(inputs), 3), 1 / 3), None


def held(registry: Registry, checkpoint: Checkpoint) -> Gate:
    """Put a gate in the place of an opened model."""
    gate = Gate()
    registry._opened[checkpoint.folder] = _Opened(served=Served(gate, "numpy"))  # type: ignore[arg-type]
    return gate


def test_a_slow_model_holds_up_no_answer_of_the_others(trained: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    registry = Registry(trained.checkpoints)
    models = registry.models("slang")
    slow = held(registry, models[0])
    answers = classify_all(registry, SLANG, TEXTS["slang"], models)
    early = [next(answers) for _ in models[1:]]
    assert {one.model for one in early} == {one.name for one in models[1:]}
    slow.open.set()
    (last,) = answers
    assert last.model == models[0].name


def test_waiting_for_a_free_core_is_told_apart_from_a_models_own_time(
    trained: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cores", lambda: 1)
    registry = Registry(trained.checkpoints)
    first, second = registry.models("slang")[:2]
    registry.classifier(second)
    gate = held(registry, first)
    answers = classify_all(registry, SLANG, TEXTS["slang"], [first, second])
    threading.Timer(0.4, gate.open.set).start()
    one, two = in_order(answers, [first, second])
    assert isinstance(one, Answer)
    assert isinstance(two, Answer)
    assert one.ms > 300
    assert two.waited_ms > 300
    assert two.ms < 250


def test_a_visitor_who_has_left_keeps_nobody_waiting(trained: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 1)
    registry = Registry(trained.checkpoints)
    first, second, third = registry.models("slang")[:3]
    registry.classifier(first)
    gates = [held(registry, second), held(registry, third)]
    answers = classify_all(registry, SLANG, TEXTS["slang"], [first, second, third])
    next(answers)
    assert gates[0].asked.wait(30)
    answers.close()
    gates[0].open.set()
    (other,) = classify_all(registry, SLANG, TEXTS["slang"], [first])
    assert isinstance(other, Answer)
    assert not gates[1].asked.is_set()


class SlowStart:
    """A real classifier whose first call takes much longer than the rest, as first calls do."""

    def __init__(self, inner: Classifier, seconds: float) -> None:
        self.inner = inner
        self.left = seconds

    def probabilities(self, inputs: Sequence[tuple[str, ...]]) -> Floats:
        return self.answer(inputs)[0]

    def answer(self, inputs: Sequence[tuple[str, ...]]) -> tuple[Floats, Readings | None]:
        time.sleep(self.left)
        self.left = 0
        return self.inner.answer(inputs)

    def parameters(self) -> ParameterCount:
        return self.inner.parameters()


def test_opening_and_the_first_call_are_not_timed(trained: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*given: Any) -> Served:
        served = open_served(*given)
        return dataclasses.replace(served, classifier=SlowStart(served.classifier, 1.5))

    monkeypatch.setattr(module, "open_served", slowly)
    registry = Registry(trained.checkpoints)
    start = time.perf_counter()
    (answer,) = classify_all(registry, SLANG, TEXTS["slang"], [registry.find("slang", "majority")])
    assert time.perf_counter() - start > 1.5
    assert isinstance(answer, Answer)
    assert answer.ms < 1000


def test_two_visitors_at_once_get_the_same_answers(trained: Places) -> None:
    registry = Registry(trained.checkpoints)
    models = registry.models("slang")
    seen: list[list[tuple[str, str]]] = []

    def visit() -> None:
        answers = classify_all(registry, SLANG, TEXTS["slang"], models)
        seen.append(sorted((one.model, one.label) for one in answers if isinstance(one, Answer)))

    visitors = [threading.Thread(target=visit) for _ in range(3)]
    for one in visitors:
        one.start()
    for one in visitors:
        one.join()
    assert len(seen) == 3
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == len(models)


def test_a_model_that_is_trained_anew_while_it_answers_answers_still(trained: Places) -> None:
    registry = Registry(trained.checkpoints)
    checkpoint = registry.find("slang", "majority")
    opened = registry.served(checkpoint).classifier

    class Closed:
        """Closed in the middle of its answer, as `Registry.refresh` does it."""

        def answer(self, inputs: list[tuple[str, ...]]) -> object:
            registry._opened.pop(checkpoint.folder)
            return opened.answer(inputs)

    registry._opened[checkpoint.folder] = _Opened(served=Served(Closed(), "numpy"))  # type: ignore[arg-type]
    (answer,) = classify_all(registry, SLANG, TEXTS["slang"], [checkpoint])
    assert isinstance(answer, Answer)
    assert answer.calls == 1


def test_an_open_model_is_not_opened_again(trained: Places) -> None:
    registry = Registry(trained.checkpoints)
    checkpoint = registry.find("slang", "scratch")
    assert registry.classifier(checkpoint) is registry.classifier(checkpoint)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("\ufeff\x01", "empty"),
        ("a\0b", "NUL"),
        ("a\ud83d", "Unicode"),
        ("x" * (MAX_CHARACTERS + 1), f"{MAX_CHARACTERS + 1:,} characters"),
        ("ż" * 1_000_000, "1,000,000 characters"),
    ],
    ids=["empty", "white", "invisible", "nul", "surrogate", "long", "megabyte"],
)
def test_a_text_that_will_not_do_is_refused_before_any_model_is_asked(trained: Places, text: str, says: str) -> None:
    registry = Registry(trained.checkpoints)
    with pytest.raises(TextError, match=says) as caught:
        classify_all(registry, SLANG, (text,), registry.models("slang"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 120


def test_the_refused_half_of_a_pair_is_named() -> None:
    with pytest.raises(TextError, match="hypothesis is empty"):
        check_input(NLI, ("The lift is stuck.", " "))
    with pytest.raises(TextError, match="premise"):
        check_input(NLI, ("", "Somebody waits."))


@pytest.mark.parametrize(
    "text", ["🔥🔥🔥", "👩‍👩‍👧", "<script>alert(1)</script>", "?", "x" * MAX_CHARACTERS, "ﷺ الحمد"]
)
def test_odd_texts_are_answered(trained: Places, text: str) -> None:
    registry = Registry(trained.checkpoints)
    answers = list(classify_all(registry, SLANG, (text,), registry.models("slang")))
    assert all(isinstance(one, Answer) for one in answers)
    assert len(answers) == len(NAMES)


def test_a_text_is_cleaned_as_training_texts_were() -> None:
    assert check_input(SLANG, ("  ale\n\n kozak\t",)) == ("ale kozak",)
    assert check_input(SLANG, ("z\u0307",)) == ("ż",)


def test_models_opened_at_once_keep_their_own_weights(tmp_path: Path, slang: TaskData) -> None:
    # While transformers opens one, it changes PyTorch's defaults for every thread.
    recipe = dataclasses.replace(RECIPES["mini-zero"], backbone=str(saved_decoder(tmp_path / "mini")))
    checkpoint = train_model(recipe, cut(slang), places_in(tmp_path), Store.in_memory()).checkpoint
    expected = open_checkpoint(checkpoint).probabilities([TEXTS["slang"]])
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(lambda _: open_checkpoint(checkpoint), range(24)):
            np.testing.assert_allclose(opened.probabilities([TEXTS["slang"]]), expected, atol=1e-6)
