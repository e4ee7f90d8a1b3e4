"""The answer cards: what they say of agreement, and that nothing gets in unescaped."""

import dataclasses
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from engine.data.reading import Reading
from engine.data.tasks import NLI, SLANG
from engine.paths import Places
from engine.serving.answers import Answer, Failure
from engine.serving.exports import RUNTIMES
from engine.serving.registry import Registry
from gradio_app.languages import get_language
from gradio_app.views.cards import Facts, facts_of, render_cards, verdict_of_most
from gradio_app.views.classes import SIGNS
from gradio_app.views.names import RUNTIMES as SHORT
from gradio_app.views.units import compact

ENGLISH = get_language("en")
LABELS = SLANG.labels
SCRIPT = "<script>alert('x')</script>"


def answered(model: str, label: str, ms: float = 2.5) -> Answer:
    """An answer that puts 60 % on one label of its task."""
    labels = SLANG.labels if label in SLANG.labels else NLI.labels
    return Answer(model, label, {name: 0.6 if name == label else 0.2 for name in labels}, ms)


def facts(*names: str, blind: str = "") -> list[Facts]:
    """Facts of models; `blind` is one that ignores the text."""
    return [Facts(name, "45k weights", "test macro F1 0.70 (0.65–0.75)", votes=name != blind) for name in names]


class Elements(HTMLParser):
    """Every element with its attributes, in order; fails on tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for _, attrs in self.found if name in (attrs.get("class") or "").split()]

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.found}


def summary(html: str) -> str:
    """The words of the line above the cards."""
    line = re.search(
        r'<div class="oz-summary" role="status">(<span>.*?</span>)(?:<span class="oz-votes".*?)?</div>', html
    )
    assert line is not None
    return " ".join("".join(Elements(line[1]).words).split())


def test_a_card_says_what_was_cut_off_and_what_is_unknown() -> None:
    cut = dataclasses.replace(answered("mini", LABELS[0]), reading=Reading(254, 1412, 3))
    whole = dataclasses.replace(answered("scratch", LABELS[0]), reading=Reading(8, 8, 0))
    cards = render_cards(ENGLISH, SLANG, facts("mini", "scratch"), [cut, whole])
    assert re.findall(r'<p class="oz-read">(.*?)</p>', cards) == [
        "Tokens read: 254 of 1,412; the rest was cut off.",
        "Unknown tokens: 3 of 254; it can&#x27;t tell them apart.",
    ]
    assert "Tokens read: all 8." in cards
    polish = render_cards(get_language("pl"), SLANG, facts("mini"), [cut])
    assert "254 z 1" in polish


def test_names_reasons_and_facts_are_escaped() -> None:
    fact = Facts(SCRIPT, f"{SCRIPT} weights", f'"{SCRIPT}')
    for arrived in ([], [answered(SCRIPT, "positive")], [Failure(SCRIPT, f"broken {SCRIPT}")]):
        html = render_cards(ENGLISH, SLANG, [fact], arrived)
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert Elements(html).tags <= {"div", "p", "article", "h2", "span", "b"}


def test_a_quote_in_a_name_stays_inside_its_attribute() -> None:
    name = '" onmouseover="alert(1)'
    page = Elements(render_cards(ENGLISH, SLANG, facts(name), [answered(name, "negative")]))
    (card,) = page.with_class("oz-card")
    assert card["data-model"] == name
    assert not any("onmouseover" in attrs for _, attrs in page.found)


def test_summary_says_when_all_agree() -> None:
    html = render_cards(ENGLISH, SLANG, facts("a", "b", "c"), [answered(name, "positive") for name in "abc"])
    assert summary(html).startswith("All 3 models")
    assert "positive" in summary(html)
    assert not Elements(html).with_class("oz-differs")


def test_a_model_that_disagrees_with_most_stands_out() -> None:
    html = render_cards(
        ENGLISH,
        SLANG,
        facts("a", "b", "c"),
        [answered("a", "positive"), answered("b", "negative"), answered("c", "positive")],
    )
    assert summary(html).startswith("2 of 3 models")
    (odd,) = Elements(html).with_class("oz-differs")
    assert odd["data-model"] == "b"
    assert html.count(">differs<") == 1, "colour alone does not say it"


def test_an_even_split_has_no_winner_and_nobody_stands_out() -> None:
    html = render_cards(ENGLISH, SLANG, facts("a", "b"), [answered("a", "positive"), answered("b", "negative")])
    assert "split evenly" in summary(html)
    assert not Elements(html).with_class("oz-differs")
    assert verdict_of_most([answered("a", "positive"), answered("b", "negative")], facts("a", "b")) is None


def test_three_ways_with_two_on_one_side_is_no_tie() -> None:
    answers = [answered("a", "positive"), answered("b", "negative"), answered("c", LABELS[1]), answered("d", LABELS[1])]
    assert verdict_of_most(answers, facts("a", "b", "c", "d")) == LABELS[1]


def test_majority_baseline_has_no_vote_and_is_never_marked() -> None:
    known = facts("majority", "a", "b", "c", blind="majority")
    answers = [
        answered("majority", LABELS[1]),
        answered("a", "positive"),
        answered("b", "positive"),
        answered("c", LABELS[1]),
    ]
    assert verdict_of_most(answers, known) == "positive", "with its vote there would be a tie"
    html = render_cards(ENGLISH, SLANG, known, answers)
    assert summary(html).startswith("2 of 3 models")
    assert [card["data-model"] for card in Elements(html).with_class("oz-differs")] == ["c"]


def test_majority_baseline_alone_is_no_verdict() -> None:
    known = facts("majority", blind="majority")
    html = render_cards(ENGLISH, SLANG, known, [answered("majority", LABELS[1])])
    assert "No model trained on such texts" in summary(html)


def test_one_reading_model_is_not_called_all_one_models() -> None:
    html = render_cards(
        ENGLISH,
        SLANG,
        facts("majority", "a", blind="majority"),
        [answered("majority", LABELS[1]), answered("a", "positive")],
    )
    assert "1 models" not in summary(html)


def test_a_failure_gets_a_card_with_its_reason_and_no_vote() -> None:
    arrived = [
        answered("a", "positive"),
        Failure("b", "Checkpoint b@00: weights.safetensors is damaged."),
        answered("c", "positive"),
    ]
    page = Elements(render_cards(ENGLISH, SLANG, facts("a", "b", "c"), arrived))
    (failed,) = page.with_class("oz-failed")
    assert failed["data-model"] == "b"
    assert "data-label" not in failed
    assert any("is damaged" in words for words in page.words)
    assert page.with_class("oz-answers")[0]["data-done"] == "true", "a failure is an end too"
    assert summary(render_cards(ENGLISH, SLANG, facts("a", "b", "c"), arrived)).startswith("Both models")


def test_cards_wait_for_their_answers_in_the_same_order() -> None:
    known = facts("a", "b", "c")
    page = Elements(render_cards(ENGLISH, SLANG, known, [answered("a", "positive")]))
    assert [card["data-model"] for card in page.with_class("oz-card")] == ["a", "b", "c"]
    assert [card["data-model"] for card in page.with_class("oz-waiting")] == ["b", "c"]
    assert page.with_class("oz-answers")[0]["data-done"] == "false"
    assert "1 of 3 models" in summary(render_cards(ENGLISH, SLANG, known, [answered("a", "positive")]))


def test_nobody_is_marked_before_all_have_answered() -> None:
    early = render_cards(ENGLISH, SLANG, facts("a", "b", "c"), [answered("a", "positive"), answered("b", "negative")])
    assert not Elements(early).with_class("oz-differs")


@pytest.mark.parametrize("label", [*SLANG.labels, *NLI.labels])
def test_every_label_has_a_sign_beside_its_colour(label: str) -> None:
    task = SLANG if label in SLANG.labels else NLI
    page = Elements(render_cards(ENGLISH, task, facts("a"), [answered("a", label)]))
    assert len({SIGNS[name] for name in task.labels}) == len(task.labels)
    for name in task.labels:
        shown = (SIGNS[name], f" {name.split(' or ')[0]}")
        # Its own label stands in the summary, the verdict and a bar; the others in a bar each.
        assert list(pairwise(page.words)).count(shown) == (3 if name == label else 1)
        assert page.words.count(shown[1]) == (3 if name == label else 1), "none without its sign"


def test_a_card_shows_a_bar_for_every_class_and_its_milliseconds() -> None:
    answer = Answer("a", "positive", dict(zip(LABELS, (0.05, 0.155, 0.795), strict=True)), 12.34)
    html = render_cards(ENGLISH, SLANG, facts("a"), [answer])
    page = Elements(html)
    assert [fill["style"] for fill in page.with_class("oz-fill")] == ["width:5.0%", "width:15.5%", "width:79.5%"]
    assert "12.3" in page.words
    assert " ms" in page.words
    assert {"5\u00a0%", "16\u00a0%", "80\u00a0%"} <= set(page.words)


def test_a_time_below_a_tenth_of_a_millisecond_is_not_shown_as_nothing() -> None:
    page = Elements(render_cards(ENGLISH, SLANG, facts("a"), [answered("a", "positive", ms=0.007)]))
    assert "0.0" not in page.words


def test_facts_come_from_the_manifest(trained: Places) -> None:
    models = {one.name: one for one in Registry(trained.checkpoints).models("slang")}
    manifests = {name: one.manifest for name, one in models.items()}
    assert not facts_of(ENGLISH, models["majority"]).votes
    fact = facts_of(ENGLISH, models["scratch-b"])
    assert not fact.rests
    assert fact.name == "scratch-b"
    assert fact.votes
    macro_f1 = manifests["scratch-b"]["run"]["record"]["scores"]["test"]["macro_f1"]
    assert f"{macro_f1:.2f}" in fact.quality
    assert compact(ENGLISH, manifests["scratch-b"]["run"]["record"]["parameters"]["total"]) in fact.about


def test_a_test_figure_says_its_mean_over_seeds_when_pointed_at(trained: Places) -> None:
    checkpoint = Registry(trained.checkpoints).find("slang", "scratch")
    means = {"macro_f1": {"mean": 0.5731, "deviation": 0.02}, "seeds": 5, "folds": 1}
    fact = facts_of(ENGLISH, checkpoint, means)
    words = "mean macro F1 over 5 seeds: 0.573\u00a0±\u00a00.020"
    assert f'title="{words}"' in render_cards(ENGLISH, SLANG, [fact], [])
    assert "title=" not in render_cards(ENGLISH, SLANG, [facts_of(ENGLISH, checkpoint)], [])


def test_a_partly_trained_model_says_how_much_of_it_was_trained(trained: Places) -> None:
    checkpoint = Registry(trained.checkpoints).find("slang", "scratch")
    manifest = checkpoint.manifest
    record = {**manifest["run"]["record"], "parameters": {"total": 22_714_371, "trained": 1_775_235}}
    fact = facts_of(
        ENGLISH, dataclasses.replace(checkpoint, manifest={**manifest, "run": {**manifest["run"], "record": record}})
    )
    assert not fact.rests
    assert fact.about == "22.7M weights, 1.8M trained"


def test_a_card_names_its_runtime_and_tells_waiting_apart() -> None:
    answer = dataclasses.replace(answered("a", "positive", ms=0.4), waited_ms=12.3, runtime="int8")
    html = render_cards(ENGLISH, SLANG, facts("a"), [answer])
    assert "ONNX 8-bit" in html
    assert "12.3\u00a0ms of waiting for a free core apart" in html
    assert "waiting" not in render_cards(ENGLISH, SLANG, facts("a"), [answered("a", "positive")])


def test_every_runtime_has_a_word_for_its_card() -> None:
    assert set(SHORT) == set(RUNTIMES)
