"""What a verdict has to do with each word: words, weights, gradients and attention, each against what is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from engine.data.sources import TaskData
from engine.data.tasks import NLI, SLANG, Task
from engine.data.tokens import Located, encode, locate_tokens, train_tokenizer
from engine.evaluation.attribution import (
    Completeness,
    centred_logits,
    merge_tokens,
    occlude,
    occlusion,
    rollout,
    scale,
)
from engine.evaluation.metrics import softmax
from engine.explain.gradients import Blank, attention_flow, integrated_gradients, prepare_eager, stand_in_for_words
from engine.explain.words import cut_words, leave_out, leave_out_each, split_words
from engine.models.backbones import get_backbone
from engine.models.baselines import TfidfLogistic
from engine.models.decoder import Decoder, make_decoder
from engine.models.heads import Head
from engine.models.methods import Method, adapt
from engine.models.ngrams import char_ngrams, lowered, word_ngrams
from engine.models.pretrained import open_backbone
from support.models import TINY_DECODER, saved_decoder

TEXT = ("Ten film to sztos, a zasnąłem!",)
PAIR = ("Ala ma kota, a kot ma Alę.", "Kot nie śpi.")


def words_of(text: str) -> list[str]:
    """The words themselves."""
    return [text[first:last] for first, last in split_words(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no i lipa, serio!!!", ["no", "i", "lipa", ",", "serio", "!!!"]),
        ("don't e-mail o 17:30 za 3,5 zł.", ["don't", "e-mail", "o", "17:30", "za", "3,5", "zł", "."]),
        ("sztos🔥🔥 kocham ❤️", ["sztos", "🔥🔥", "kocham", "❤️"]),
        ("这家小店只收现金。", [*"这家小店只收现金", "。"]),
        ("बिल्ली सो रही है।", ["बिल्ली", "सो", "रही", "है", "।"]),
        ("แมวนอน", ["แม", "ว", "น", "อ", "น"]),
        ("القطة تنام.", ["القطة", "تنام", "."]),
        ("-", ["-"]),
    ],
)
def test_words_are_split_as_people_see_them_in_every_script(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_all_but_white_space_is_in_a_word(nli: TaskData) -> None:
    for text in [text for row in nli.texts("test") for text in row]:
        inside = set().union(*(range(*span) for span in split_words(text)))
        assert [char for place, char in enumerate(text) if place not in inside and not char.isspace()] == []


def test_a_word_is_left_out_and_its_neighbours_stay_apart() -> None:
    text = "sztos🔥super, ale kozak"
    assert [leave_out(text, span) for span in split_words(text)] == [
        "🔥super, ale kozak",
        "sztos super, ale kozak",
        "sztos🔥, ale kozak",
        "sztos🔥super ale kozak",
        "sztos🔥super, kozak",
        "sztos🔥super, ale",
    ]


def test_a_pair_loses_one_word_at_a_time() -> None:
    words = [split_words(text) for text in ("a b", "c")]
    assert leave_out_each(("a b", "c"), words) == [("b", "c"), ("a", "c"), ("a b", "")]


def test_the_longer_text_is_cut_first() -> None:
    assert cut_words(("a b c d e", "f g"), 5) == ("a b c", "f g")
    assert cut_words(("a b", "c"), 5) == ("a b", "c")


def test_centred_logits_come_back_from_probabilities_whatever_was_added_to_all() -> None:
    logits = np.array([[1.5, -0.25, 0.0], [20.0, -30.0, 4.0]])
    expected = logits - logits.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(centred_logits(softmax(logits + 7)), expected, atol=1e-9)
    assert np.isfinite(centred_logits(np.array([[1.0, 0.0, 0.0]]))).all()


def test_occlusion_of_a_model_that_adds_words_up_gives_their_weights_back() -> None:
    weights = {"dobry": 2.0, "zły": -3.0, "film": 0.0}
    asked = []

    def measure(inputs: Any) -> Any:
        asked.append(list(inputs))
        sums = np.array([sum(weights[word] for word in text.split()) for (text,) in inputs])
        return softmax(np.stack([sums, -sums], axis=1))

    text = "dobry zły film"
    found = occlude(measure, (text,), leave_out_each((text,), [split_words(text)]))
    values, completeness = occlusion(found, 0)
    np.testing.assert_allclose(values, [2.0, -3.0, 0.0], atol=1e-9)
    assert completeness.error == pytest.approx(0, abs=1e-9)
    assert len(asked) == 1, "one batch for all words"


def test_words_that_repeat_each_other_show_as_a_completeness_error() -> None:
    def measure(inputs: Any) -> Any:
        logits = np.array([2.0 if "sztos" in text else 0.0 for (text,) in inputs])
        return softmax(np.stack([logits, -logits], axis=1))

    text = "sztos sztos"
    values, completeness = occlusion(occlude(measure, (text,), leave_out_each((text,), [split_words(text)])), 0)
    assert values.tolist() == [0, 0]
    assert (completeness.total, completeness.error, completeness.share) == (pytest.approx(2), pytest.approx(2), 1)


def test_hardly_any_difference_has_no_share() -> None:
    assert Completeness(total=0.01, summed=0.02).share is None


def test_a_token_across_two_words_is_divided_by_letters_and_special_ones_are_the_rest() -> None:
    sides, spans = np.array([-1, 0, 0, 1, -1]), np.array([[0, 0], [0, 2], [2, 8], [0, 3], [0, 0]])
    values = np.array([0.5, 1.0, 4.0, -2.0, 0.25])
    merged, rest = merge_tokens(values, sides, spans, [[(0, 3), (4, 7)], [(0, 3)]])
    # Of "nie tak!" the second token has one letter of the first word and three of the second.
    np.testing.assert_allclose(merged[0], [1 + 1, 3])
    np.testing.assert_allclose(merged[1], [-2])
    assert rest == pytest.approx(0.75)


def test_rollout_keeps_what_flows() -> None:
    generator = np.random.default_rng(0)
    attentions = generator.random((3, 2, 5, 5))
    attentions /= attentions.sum(axis=-1, keepdims=True)
    flow = rollout(attentions)
    np.testing.assert_allclose(flow.sum(axis=1), 1)
    # One layer in which everybody looks at the first position alone: half stays, half comes from there.
    first = np.zeros((1, 1, 3, 3))
    first[..., 0] = 1
    np.testing.assert_allclose(rollout(first), [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]])


def test_scaling_ends_at_one_and_does_not_stretch_noise() -> None:
    assert [text.tolist() for text in scale([np.array([1.0, -4.0]), np.array([2.0])], 0.1)] == [[0.25, -1], [0.5]]
    assert scale([np.array([0.01])], 0.1)[0].tolist() == [pytest.approx(0.1)]


@pytest.mark.parametrize("text", ["Ale SZTOS, 🔥 i w ogóle…", "a", "İstanbul'da", "kot kot kot"])
def test_ngrams_are_those_that_tfidf_counts(text: str, slang: TaskData) -> None:
    model = TfidfLogistic()
    low, places = lowered(text)
    assert len(low) == len(places)
    ours = {
        "word": word_ngrams(low, model.vectorizers["word"].token_pattern, 2),
        "char": char_ngrams(low, 2, 5),
    }
    for view, vectorizer in model.vectorizers.items():
        counted: dict[str, int] = {}
        for term in vectorizer.build_analyzer()(text):
            counted[term] = counted.get(term, 0) + 1
        assert {term: len(places) for term, places in ours[view].items()} == counted


@pytest.mark.parametrize("name", ["slang", "nli"])
def test_the_weights_of_tfidf_add_up_to_its_scores(name: str, slang: TaskData, nli: TaskData) -> None:
    data = slang if name == "slang" else nli
    model = TfidfLogistic(max_features=3000)
    texts = data.texts("train")[:200]
    for vectorizer in model.vectorizers.values():
        vectorizer.fit([text for row in texts for text in row])
    width = sum(len(vectorizer.vocabulary_) for vectorizer in model.vectorizers.values())
    generator = np.random.default_rng(0)
    # Weights of any size show more than those that few rows would give.
    model.coefficients = generator.normal(size=(3, 3 * width if name == "nli" else width)).astype(np.float32)
    model.intercept = generator.normal(size=3)
    for row in data.texts("test")[:20]:
        shares = model.contributions(row)
        assert all(np.abs(text).max() > 0.1 for text in shares)
        scores = sum(text.sum(axis=0) for text in shares) + model.intercept
        np.testing.assert_allclose(softmax(scores[None]), model.probabilities([row]), atol=1e-5)


def test_an_ngram_in_both_texts_of_a_pair_is_shared_by_both() -> None:
    model = TfidfLogistic()
    for vectorizer in model.vectorizers.values():
        vectorizer.fit(["kot pies", "kot pies"])
    width = sum(len(vectorizer.vocabulary_) for vectorizer in model.vectorizers.values())
    # Only what both texts share counts, and only for the first class.
    weights = np.zeros((2, 3 * width), dtype=np.float32)
    weights[0, width : 2 * width] = 1
    model.coefficients, model.intercept = weights, np.zeros(2)
    premise, hypothesis = model.contributions(("kot", "pies kot"))
    assert premise[:, 0].sum() == pytest.approx(hypothesis[5:, 0].sum())
    assert premise[:, 0].sum() > 0
    assert not hypothesis[:4].any(), "the premise has no dog"


def test_the_one_word_that_tfidf_knows_has_all_the_weight() -> None:
    model = TfidfLogistic()
    model.fit([("sztos",), ("sztos",), ("lipa",), ("lipa",)], np.array([0, 0, 1, 1]), 2)
    text = "wczoraj był sztos"
    (shares,) = model.contributions((text,))
    by_word = [shares[first:last, 0].sum() for first, last in split_words(text)]
    assert by_word[2] > 0
    assert by_word[2] == pytest.approx(sum(by_word))


def small_decoder(tokenizer: Any, **shape: Any) -> Decoder:
    """A decoder whose weights are large enough to make its logits differ."""
    torch.manual_seed(0)
    model = make_decoder({**TINY_DECODER, **shape}, 3, tokenizer)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    prepare_eager(model)
    return model


@pytest.fixture(scope="module")
def tokenizer(slang: TaskData) -> Any:
    """A byte-level tokenizer."""
    return train_tokenizer(slang.texts("train")[:200], 600)


@pytest.mark.parametrize(("task", "texts"), [(SLANG, TEXT), (NLI, PAIR)], ids=["text", "pair"])
def test_located_tokens_are_those_that_the_model_reads(task: Task, texts: tuple[str, ...], tokenizer: Any) -> None:
    located = locate_tokens(tokenizer, texts, task, 64)
    assert located.ids.tolist() == encode(tokenizer, [texts], task, 64).ids.tolist()
    merged, _ = merge_tokens(
        np.ones(len(located.ids)), located.sides, located.spans, [split_words(text) for text in texts]
    )
    assert all((text > 0).all() for text in merged), "every word is read"
    assert (located.sides < 0).sum() == len(texts), "the mark between texts and the one at the end"


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_integrated_gradients_of_a_decoder_add_up(pooling: str, tokenizer: Any) -> None:
    model = small_decoder(tokenizer, pooling=pooling)
    located = locate_tokens(tokenizer, TEXT, SLANG, 64)
    values, completeness = integrated_gradients(model, located, 1)
    assert abs(completeness.total) > 0.05
    assert completeness.error <= max(0.02, 0.03 * abs(completeness.total))
    assert values[located.sides < 0].tolist() == [0], "the mark at the end stays in the baseline"
    with torch.inference_mode():
        logits = model(input_ids=torch.from_numpy(located.ids)[None]).logits
    centred = float(logits[0, 1] - logits.mean())
    blank = Blank(model.get_input_embeddings())
    empty = torch.tensor([[Blank.EMPTY] * (len(located.ids) - 1) + [int(located.ids[-1])]])
    with torch.inference_mode():
        bare = model(inputs_embeds=blank(empty)).logits
    assert completeness.total == pytest.approx(centred - float(bare[0, 1] - bare.mean()), abs=1e-4)


def test_the_mask_or_the_unknown_word_stands_for_no_word(folders: dict[str, str], tokenizer: Any) -> None:
    model, bert = opened(folders["bert"], "linear", "full")
    assert stand_in_for_words(bert) == bert.mask_token_id
    assert stand_in_for_words(tokenizer) is None, "a byte-level tokenizer has neither"
    table = model.get_input_embeddings()
    embedded = Blank(table, bert.mask_token_id)(torch.tensor([[Blank.EMPTY, 5]]))
    torch.testing.assert_close(embedded[0], table.weight[[bert.mask_token_id, 5]])


def test_the_baseline_is_not_padding_and_keeps_the_last_token(tokenizer: Any) -> None:
    model = small_decoder(tokenizer, pooling="last")
    located = locate_tokens(tokenizer, TEXT, SLANG, 64)
    blank = Blank(model.get_input_embeddings())
    empty = torch.where(torch.from_numpy(located.sides) >= 0, Blank.EMPTY, torch.from_numpy(located.ids))[None]
    assert tokenizer.pad_token_id not in empty[0].tolist()
    assert int(empty[0, -1]) == tokenizer.eos_token_id
    embedded = blank(empty)
    assert embedded.shape[1] == len(located.ids)
    assert embedded[0, :-1].std(dim=0).max() < 1e-6, "all words are the same one"
    lengths = model.tokens.weight.norm(dim=1)
    assert float(embedded[0, 0].norm()) == pytest.approx(float(lengths.mean()), rel=1e-4)
    torch.testing.assert_close(embedded[0, -1], model.tokens.weight[tokenizer.eos_token_id])


@pytest.fixture(scope="module")
def folders(tiny: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tiny backbones by architecture."""
    made = {"mini": str(saved_decoder(tmp_path_factory.mktemp("mini")))}
    for name in ("bert", "llama"):
        folder = tmp_path_factory.mktemp(name)
        for file, content in tiny[name].items():
            (folder / file).write_bytes(content)
        made[name] = str(folder)
    return made


def opened(folder: str, head: str, method: str) -> tuple[Any, Any]:
    """An adapted classifier on a tiny backbone, ready to be looked into, and its tokenizer."""
    torch.manual_seed(0)
    found = open_backbone(get_backbone(folder), Head(head, 16, 0.1), False, 3)
    model = adapt(found.model, Method(method, prompt_tokens=4))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "classifier" in name or "prompt" in name or "lora_B" in name:
                weight.normal_(0, 1)
    prepare_eager(model)
    return model, found.tokenizer


KINDS = [
    ("bert", "linear", "full"),
    ("bert", "pooled", "lora"),
    ("bert", "mlp", "prompt"),
    ("llama", "linear", "last"),
    ("mini", "pooled", "prompt"),
    ("mini", "linear", "full"),
]


@pytest.mark.parametrize(("name", "head", "method"), KINDS)
def test_integrated_gradients_of_pretrained_models_add_up(
    name: str, head: str, method: str, folders: dict[str, str]
) -> None:
    model, tokenizer = opened(folders[name], head, method)
    located = locate_tokens(tokenizer, TEXT, SLANG, 48)
    _, completeness = integrated_gradients(model, located, 0, stand_in_for_words(tokenizer))
    assert abs(completeness.total) > 1e-3
    assert completeness.error <= max(0.02, 0.03 * abs(completeness.total))


@pytest.mark.parametrize(("name", "head", "method"), KINDS)
def test_attention_is_there_and_adds_up_to_one_with_that_on_a_prompt(
    name: str, head: str, method: str, folders: dict[str, str]
) -> None:
    model, tokenizer = opened(folders[name], head, method)
    located = locate_tokens(tokenizer, TEXT, SLANG, 48)
    flow = attention_flow(model, located)
    assert flow.shape == located.ids.shape
    assert (flow >= 0).all()
    if method == "prompt":
        assert 0.1 < flow.sum() < 0.99
    else:
        assert flow.sum() == pytest.approx(1, abs=1e-5)


def test_the_weights_of_a_decoder_are_those_that_its_fused_kernel_uses(tokenizer: Any) -> None:
    model = small_decoder(tokenizer)
    block = model.blocks[0]
    hidden = torch.randn(1, 7, 32)
    weights = block.attention(hidden, None)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 7))
    assert not weights.triu(1).any(), "nobody looks ahead"
    value = block.qkv(block.attention_norm(hidden)).split(32, dim=-1)[2].view(1, 7, 2, 16).transpose(1, 2)
    mixed = hidden + block.out((weights @ value).transpose(1, 2).reshape(1, 7, 32))
    mixed = mixed + block.down(torch.nn.functional.gelu(block.up(block.feed_forward_norm(mixed))))
    torch.testing.assert_close(mixed, block(hidden, None), atol=1e-4, rtol=1e-4)


def test_a_last_token_head_is_read_at_the_last_token_and_a_mean_everywhere(tokenizer: Any) -> None:
    located = locate_tokens(tokenizer, TEXT, SLANG, 64)
    one_layer: dict[str, Any] = {"num_hidden_layers": 1}
    last = attention_flow(small_decoder(tokenizer, pooling="last", **one_layer), located)
    mean = attention_flow(small_decoder(tokenizer, pooling="mean", **one_layer), located)
    # Half of what the last token holds is its own.
    assert last[-1] > 0.5
    assert mean[-1] < last[-1]
    assert mean[:5].sum() > mean[-5:].sum(), "all later tokens may look at the first ones"


def test_attention_is_not_asked_for_afterwards(folders: dict[str, str]) -> None:
    model, tokenizer = opened(folders["bert"], "linear", "full")
    attention_flow(model, locate_tokens(tokenizer, TEXT, SLANG, 48))
    with torch.inference_mode():
        assert not model(input_ids=torch.tensor([[2, 5, 3]])).attentions


def test_a_pair_read_apart_takes_half_of_its_attention_from_each_text(folders: dict[str, str]) -> None:
    torch.manual_seed(0)
    found = open_backbone(get_backbone(folders["bert"]), Head("pooled", 16, 0.1), True, 3)
    prepare_eager(found.model)
    located = locate_tokens(found.tokenizer, PAIR, NLI, 48)
    assert located.type_ids is not None
    assert attention_flow(found.model, located).sum() == pytest.approx(1, abs=1e-5)
    _, completeness = integrated_gradients(found.model, located, 0)
    assert completeness.error <= max(0.02, 0.03 * abs(completeness.total))


def test_words_behind_the_last_token_that_is_read_get_nothing(tokenizer: Any) -> None:
    located: Located = locate_tokens(tokenizer, TEXT, SLANG, 6)
    words = split_words(TEXT[0])
    merged, _ = merge_tokens(np.ones(len(located.ids)), located.sides, located.spans, [words])
    assert merged[0][0] > 0
    assert merged[0][-1] == 0
