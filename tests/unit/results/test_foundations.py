"""What models rest on: the shipped untrained ones show their backbone's data and licence wherever they stand."""

import pytest

from engine.data.tasks import NLI, SLANG
from engine.experiments.foundations import licences_of, of_checkpoint, of_settings
from engine.experiments.record import adopt_checkpoints
from engine.paths import ROOT
from engine.results.comparison import compare_models, describe_foundations
from engine.serving.registry import Registry
from engine.sharing.space_files import Contents, _add_checkpoint
from engine.store import Store
from gradio_app.languages import get_language
from gradio_app.views.cards import facts_of
from gradio_app.views.tables import render_comparison

SHIPPED = ROOT / "checkpoints"
BOUND = "non-commercial use only"


@pytest.fixture(scope="module")
def shipped() -> Registry:
    """The models that come with the product."""
    return Registry(SHIPPED)


def test_a_model_that_asks_another_rests_on_its_data_and_on_its_backbone(shipped: Registry) -> None:
    asked, minilm = of_checkpoint(shipped.find("slang", "nli-zero"))
    assert (asked.name, asked.data) == ("minilm-lora", "Contradictory, My Dear Watson (Kaggle train.csv)")
    assert BOUND in asked.licence
    assert (minilm.name, minilm.licence) == ("minilm", "Apache 2.0")
    assert minilm.source.endswith("sentence-transformers/all-MiniLM-L6-v2")


def test_a_backbone_of_our_own_has_the_licence_of_its_record(shipped: Registry) -> None:
    (own,) = of_checkpoint(shipped.find("slang", "mini-zero"))
    assert (own.name, own.licence) == ("polish-gpt-mini", "public domain or free licences, each source's own")
    assert of_checkpoint(shipped.find("slang", "scratch")) == []
    assert of_checkpoint(shipped.find("slang", "tfidf")) == []
    (hub,) = of_settings({"kind": "pretrained", "backbone": "somebody/their-model"}, lambda _: None)
    assert (hub.licence, hub.source) == ("", "https://huggingface.co/somebody/their-model")
    assert of_settings({"kind": "pretrained", "backbone": "minilm", "random_weights": True}, lambda _: None) == []


def test_the_licence_is_told_in_the_comparison_on_cards_and_on_a_space(shipped: Registry, store: Store) -> None:
    for task in (NLI, SLANG):
        assert adopt_checkpoints(store, SHIPPED, task) == []
    table = compare_models(store, SLANG)
    row = next(one for one in table["rows"] if one["model"] == "nli-zero")
    assert [one["name"] for one in row["foundations"]] == ["minilm-lora", "minilm"]
    assert BOUND in describe_foundations(row)
    assert describe_foundations(next(one for one in table["rows"] if one["model"] == "minilm-lora")) == ""
    say = get_language("en")
    assert BOUND in render_comparison(say, table)
    zero = shipped.find("slang", "nli-zero")
    assert BOUND in facts_of(say, zero).rests
    contents = Contents()
    _add_checkpoint(contents, zero)
    assert {tuple(tasks) for tasks in contents.licences.values()} == {("slang",)}
    assert list(contents.licences) == licences_of(of_checkpoint(zero))
    assert "CC0" not in contents.licences
