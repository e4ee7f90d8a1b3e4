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
from gradio_app.views.cards import Facts, facts_of, lead_of, render_cards, render_example
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
    """Facts of models, each a little less often right than the one before; `blind` is one that ignores the text."""
    return [
        Facts(name, "45k weights", "test macro F1 0.70 (0.65–0.75)", votes=name != blind, accuracy=0.7 - place / 100)
        for place, name in enumerate(names)
    ]


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
        assert Elements(html).tags <= {"div", "section", "p", "article", "h3", "span", "b"}


def test_a_quote_in_a_name_stays_inside_its_attribute() -> None:
    name = '" onmouseover="alert(1)'
    page = Elements(render_cards(ENGLISH, SLANG, facts(name), [answered(name, "negative")]))
    (card,) = page.with_class("oz-card")
    assert card["data-model"] == name
    assert not any("onmouseover" in attrs for _, attrs in page.found)


def test_the_model_that_is_right_most_often_speaks_first_and_the_others_agree() -> None:
    html = render_cards(ENGLISH, SLANG, facts("a", "b", "c"), [answered(name, "positive") for name in "cba"])
    assert summary(html) == "a says ▲ positive; it is right on 70 % of the test rows. Both others agree."
    assert not Elements(html).with_class("oz-badge")


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        (("positive", "negative", "positive"), "1 of the 2 others agree."),
        (("positive", "negative", LABELS[1]), "Neither of the two others agrees."),
        (("positive", "negative", LABELS[1], "negative"), "None of the 3 others agrees."),
        (("positive", *["positive"] * 3), "All 3 others agree."),
        (("positive", "negative"), "The other model doesn't agree."),
        (("positive", "positive"), "The other model agrees."),
    ],
)
def test_models_that_differ_from_the_best_are_counted_and_told_without_alarm(said: tuple[str, ...], ends: str) -> None:
    known = facts(*"abcd"[: len(said)])
    html = render_cards(
        ENGLISH, SLANG, known, [answered(name, label) for name, label in zip("abcd", said, strict=False)]
    )
    assert summary(html).endswith(ends)
    assert html.count(">differs<") == sum(label != "positive" for label in said), "colour alone does not say it"


def test_many_variants_of_a_worse_model_dont_outvote_the_best() -> None:
    answers = [answered("a", "positive"), *(answered(name, "negative") for name in "bcde")]
    lead = lead_of(answers, facts(*"abcde"))
    assert lead is not None
    assert lead.model == "a"
    assert lead_of([], facts("a")) is None


def test_of_equally_good_models_the_same_leads_whichever_answers_first() -> None:
    known = [Facts(name, "", "", accuracy=0.7) for name in "ab"]
    first, second = answered("a", "positive"), answered("b", "negative")
    assert lead_of([first, second], known) == lead_of([second, first], known) == first


def test_a_baseline_that_ignores_the_text_never_leads_nor_counts() -> None:
    known = facts("majority", "a", "b", blind="majority")
    answers = [answered("majority", LABELS[1]), answered("a", "positive"), answered("b", "positive")]
    lead = lead_of(answers, known)
    assert lead is not None
    assert lead.model == "a", "majority is right more often here"
    html = render_cards(ENGLISH, SLANG, known, answers)
    assert summary(html).endswith("The other model agrees.")
    assert not Elements(html).with_class("oz-badge")


def test_majority_baseline_alone_is_no_verdict() -> None:
    known = facts("majority", blind="majority")
    html = render_cards(ENGLISH, SLANG, known, [answered("majority", LABELS[1])])
    assert "No model trained on such texts" in summary(html)


def test_cards_stand_in_groups_by_kind_the_best_on_test_first() -> None:
    kinds = {"t": "baseline", "s": "scratch", "m": "pretrained", "l": "pretrained", "z": "frozen"}
    known = [Facts(name, "", "", kind=kind, accuracy=place / 10) for place, (name, kind) in enumerate(kinds.items())]
    html = render_cards(ENGLISH, SLANG, known, [])
    assert re.findall(r"<h2>(.*?)</h2>", html) == ["Trained from scratch", "Adapted", "Not trained here", "Baselines"]
    assert re.findall(r'data-model="(.)"', html) == ["s", "l", "m", "z", "t"]


def test_a_card_is_called_by_plain_words_with_the_recipes_name_small() -> None:
    fact = Facts("mini-lora", "1.9M weights", "", title="Polish GPT-mini, LoRA")
    html = render_cards(ENGLISH, SLANG, [fact], [])
    assert "<h3>Polish GPT-mini, LoRA</h3>" in html
    assert "<code>mini-lora</code> · 1.9M weights" in html


def test_an_examples_cards_are_called_an_example_and_not_a_visitors_answers() -> None:
    html = render_example(ENGLISH, SLANG, [f"no siema {SCRIPT}"], facts("a"), [answered("a", "positive")])
    assert "For example: <q><bdi>no siema &lt;script&gt;" in html
    assert "data-done" not in html
    assert 'data-model="a"' in html


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
    assert summary(render_cards(ENGLISH, SLANG, facts("a", "b", "c"), arrived)).endswith("The other model agrees.")


def test_cards_wait_for_their_answers_in_the_same_order() -> None:
    known = facts("a", "b", "c")
    page = Elements(render_cards(ENGLISH, SLANG, known, [answered("a", "positive")]))
    assert [card["data-model"] for card in page.with_class("oz-card")] == ["a", "b", "c"]
    assert [card["data-model"] for card in page.with_class("oz-waiting")] == ["b", "c"]
    assert page.with_class("oz-answers")[0]["data-done"] == "false"
    assert "1 of 3 models" in summary(render_cards(ENGLISH, SLANG, known, [answered("a", "positive")]))


def test_nobody_is_marked_before_all_have_answered() -> None:
    early = render_cards(ENGLISH, SLANG, facts("a", "b", "c"), [answered("a", "positive"), answered("b", "negative")])
    assert not Elements(early).with_class("oz-badge")


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
    assert (fact.name, fact.kind) == ("scratch-b", "scratch")
    assert fact.title.startswith("Decoder of")
    assert fact.accuracy == manifests["scratch-b"]["run"]["record"]["scores"]["test"]["accuracy"]
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
