"""Prompts: what goes into one, what is cut, and how likely each class's word is after it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from engine.data.tasks import NLI, SLANG
from engine.errors import RecipeError
from engine.machine import one_thread
from engine.models.backbones import get_backbone
from engine.models.networks import NextToken, TorchNetwork
from engine.models.pretrained import Opened, open_untouched
from engine.models.zero_shot import prompting
from engine.models.zero_shot.prompting import LikelihoodModel, Prompts, score_words
from engine.models.zero_shot.task_prompts import WORDINGS
from support.models import saved_decoder

WORDS = {
    "of one token": [(5,), (9,), (17,)],
    "with one stem": [(5, 6), (5, 7), (5, 8)],
    "with stems of one length": [(5, 6), (7, 6), (9, 8)],
    "of many lengths": [(5,), (5, 6), (9, 4, 4), (9, 4, 11, 2)],
}
PROMPTS = [[3, 14, 15, 92, 65], [35], [89, 79, 32, 38, 46, 26, 43], [3, 14]]
TEXTS = [("Co za piękny dzień!",), ("Nuda.",), ("Nie wiem, może jutro, a może wcale nie.",)]
LONG = "Kolejka była długa, a obsługa powolna i niemiła. " * 40


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # What is multiplied here is too small for two.
    with one_thread():
        yield


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def opened(request: Any, tiny: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A tiny decoder of either architecture, with a start token and without one for padding."""
    folder = tmp_path_factory.mktemp(request.param)
    for name, content in tiny[request.param].items():
        (folder / name).write_bytes(content)
    return open_untouched(get_backbone(str(folder)), causal=True)


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A decoder that reads 64 tokens."""
    return open_untouched(get_backbone(str(saved_decoder(tmp_path_factory.mktemp("mini")))), causal=True)


def one_by_one(model: Any, prompts: list[list[int]], words: list[tuple[int, ...]]) -> np.ndarray:
    """The plain definition: a full forward for each prompt and word, and the sum of its tokens' log-softmax."""
    scores = np.zeros((len(prompts), len(words)))
    for row, prompt in enumerate(prompts):
        for column, word in enumerate(words):
            with torch.no_grad():
                shares = model(input_ids=torch.tensor([[*prompt, *word]])).logits[0].log_softmax(-1)
            places = range(len(prompt) - 1, len(prompt) + len(word) - 1)
            scores[row, column] = sum(float(shares[at, token]) for at, token in zip(places, word, strict=True))
    return scores


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_word_scores_the_sum_of_its_tokens_log_likelihoods(opened: Opened, words: list[tuple[int, ...]]) -> None:
    expected = one_by_one(opened.model, PROMPTS, words)
    np.testing.assert_allclose(score_words(TorchNetwork(NextToken(opened.model)), PROMPTS, words), expected, atol=1e-4)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("tokens", [1, 9, 100_000])
def test_the_size_of_the_batches_changes_no_score(opened: Opened, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    words = WORDS["of many lengths"]
    monkeypatch.setattr(prompting, "BATCH_TOKENS", tokens)
    np.testing.assert_allclose(
        score_words(TorchNetwork(NextToken(opened.model)), PROMPTS, words),
        one_by_one(opened.model, PROMPTS, words),
        atol=1e-4,
    )


def test_progress_is_told_in_prompts_and_ends_with_all_of_them(mini: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompting, "BATCH_TOKENS", 8)
    heard: list[tuple[int, int]] = []
    score_words(
        TorchNetwork(NextToken(mini.model)),
        PROMPTS,
        WORDS["of many lengths"],
        lambda done, whole: heard.append((done, whole)),
    )
    assert heard == sorted(heard)
    assert len(heard) > 2
    assert heard[-1] == (4, 4)


def prompts_of(opened: Opened, task: Any, positions: int) -> Prompts:
    """Prompts of so many positions, beginning with a token that no text has."""
    return Prompts(opened.tokenizer, WORDINGS[task.name], task.text_columns, positions, (1,))


def parts_of(prompts: Prompts) -> list[list[int]]:
    """Tokens of the template before, between and after the texts."""
    template = prompts.wording.template
    for column in prompts.columns:
        template = template.replace(f"{{{column}}}", "|")
    return [prompts._tokens(part) for part in template.split("|")]


def test_a_prompt_is_the_start_the_template_and_the_text(opened: Opened) -> None:
    model = LikelihoodModel(opened, SLANG)
    ids = model.prompts.build(("Nuda.",))
    assert ids[0] == opened.tokenizer.bos_token_id
    assert ids.count(ids[0]) == 1
    assert opened.tokenizer.decode(ids[1:]) == "wiadomość: Nuda.\nwydźwięk:"
    assert [opened.tokenizer.decode(word) for word in model.prompts.words()] == [
        " negatywny",
        " neutralny",
        " pozytywny",
    ]


def test_a_text_that_spells_a_special_token_is_a_text(opened: Opened) -> None:
    ids = LikelihoodModel(opened, SLANG).prompts.build((f"a {opened.tokenizer.eos_token} b",))
    assert not {opened.tokenizer.bos_token_id, opened.tokenizer.eos_token_id} & set(ids[1:])


@pytest.mark.parametrize("positions", [48, 64])
def test_a_long_text_is_cut_and_the_words_around_it_are_not(mini: Opened, positions: int) -> None:
    prompts = prompts_of(mini, SLANG, positions)
    ids, (before, after) = prompts.build((LONG,)), parts_of(prompts)
    assert len(ids) == positions - max(map(len, prompts.words()))
    assert ids[1 : 1 + len(before)] == before
    assert ids[-len(after) :] == after
    inside = ids[1 + len(before) : -len(after)]
    assert inside == prompts._tokens(f" {LONG}")[: len(inside)]
    assert prompts.build(("Nuda.",)) == [1, *before, *prompts._tokens(" Nuda."), *after]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    # The template leaves 30 tokens: the longer gives way until both are as long.
    [(50, 5, (25, 5)), (5, 50, (5, 25)), (50, 50, (15, 15)), (50, 20, (15, 15)), (18, 20, (15, 15)), (5, 6, (5, 6))],
)
def test_the_longer_text_of_a_pair_is_cut_first(mini: Opened, first: int, second: int, kept: tuple[int, int]) -> None:
    prompts = prompts_of(mini, NLI, 1000)
    # Each text begins with a space, which is a token here.
    room = sum(map(len, parts_of(prompts))) + 30 + 2
    ids, _, given = prompts._fill(("!" * first, "!" * second), room)
    assert given == first + second + 2
    bang = prompts._tokens("!")[-1]
    runs = "".join("!" if token == bang else " " for token in ids).split()
    assert tuple(map(len, runs)) == kept
    assert len(ids) <= room


def test_a_prompt_with_examples_says_each_ones_word(mini: Opened) -> None:
    prompts = prompts_of(mini, SLANG, 2000)
    examples = [(("Super!",), 2), (("Źle.",), 0), (("W środę.",), 1)]
    text = mini.tokenizer.decode(prompts.build(("Dobrze.",), examples)[1:])
    assert "".join(text.split()) == (
        "wiadomość:Super!wydźwięk:pozytywnywiadomość:Źle.wydźwięk:negatywny"
        "wiadomość:Wśrodę.wydźwięk:neutralnywiadomość:Dobrze.wydźwięk:"
    )


@pytest.mark.parametrize("task", [SLANG, NLI], ids=["slang", "nli"])
@pytest.mark.parametrize("positions", [200, 512, 2048])
def test_a_prompt_that_fits_never_takes_more_than_the_positions(mini: Opened, task: Any, positions: int) -> None:
    prompts = prompts_of(mini, task, positions)
    texts = (LONG,) * len(task.text_columns)
    most = max(count for count in range(60) if prompts.fits(count))
    assert most >= 1
    for count in (0, 1, most):
        ids = prompts.build(texts, [(texts, count % 3)] * count)
        assert len(ids) + max(map(len, prompts.words())) <= positions


def test_fewer_positions_hold_fewer_examples(mini: Opened) -> None:
    most = [
        max((count for count in range(60) if prompts_of(mini, SLANG, positions).fits(count)), default=-1)
        for positions in (20, 90, 256, 1024)
    ]
    assert most[0] == -1
    assert most == sorted(set(most))


def test_examples_that_do_not_fit_are_refused_in_one_line(mini: Opened) -> None:
    model = LikelihoodModel(mini, SLANG)
    with pytest.raises(RecipeError, match=r"^9 examples don't fit into a prompt of 64 tokens\.$"):
        model.fit([("Nuda.",)] * 9, np.zeros(9, dtype=np.int64), 3)


def fitted(opened: Opened, shots: int = 0) -> LikelihoodModel:
    """A model with the first `shots` of `TEXTS` as examples."""
    model = LikelihoodModel(opened, SLANG)
    model.fit(TEXTS[:shots], np.arange(shots), 3)
    return model


@pytest.mark.parametrize("shots", [0, 3])
def test_after_an_empty_text_every_class_is_as_likely(opened: Opened, shots: int) -> None:
    model = fitted(opened, shots)
    np.testing.assert_allclose(model.probabilities([("",)]), np.full((1, 3), 1 / 3), atol=1e-5)
    assert np.ptp(model.prior) > 0.1
    assert np.ptp(model.probabilities([(LONG[:60],)])) > 1e-3


def test_what_the_prompt_says_of_itself_is_taken_off(opened: Opened) -> None:
    model = fitted(opened)
    words = model.prompts.words()
    raw, empty = (one_by_one(opened.model, [model.prompts.build(texts)], words)[0] for texts in (TEXTS[0], ("",)))
    expected = np.exp(raw - empty) / np.exp(raw - empty).sum()
    np.testing.assert_allclose(model.probabilities(TEXTS[:1])[0], expected, atol=1e-5)


def test_padding_to_longer_neighbours_changes_no_probability(opened: Opened) -> None:
    model = fitted(opened, 3)
    alone = np.concatenate([model.probabilities([texts]) for texts in TEXTS])
    np.testing.assert_allclose(model.probabilities([*TEXTS, (LONG,)])[:3], alone, atol=1e-5)


def test_examples_change_the_answer(opened: Opened) -> None:
    assert not np.allclose(fitted(opened).probabilities(TEXTS), fitted(opened, 3).probabilities(TEXTS), atol=1e-4)


def test_a_state_taken_back_gives_the_same_probabilities(opened: Opened) -> None:
    model, again = fitted(opened, 3), LikelihoodModel(opened, SLANG)
    again.restore(*model.state())
    np.testing.assert_array_equal(again.probabilities(TEXTS), model.probabilities(TEXTS))


def test_a_tokenizer_without_a_start_token_takes_the_models(mini: Opened, opened: Opened) -> None:
    assert mini.tokenizer.bos_token_id is None
    assert LikelihoodModel(mini, SLANG).prompts.start == (mini.model.config.bos_token_id,)
    assert LikelihoodModel(opened, SLANG).prompts.start == (opened.tokenizer.bos_token_id,)


@pytest.mark.parametrize("task", [SLANG, NLI], ids=["slang", "nli"])
def test_a_wording_has_an_entry_for_every_class_and_a_place_for_every_text(task: Any) -> None:
    wording = WORDINGS[task.name]
    assert [len(wording.words), len(wording.descriptions)] == [3, 3]
    assert len(wording.hypotheses) == (0 if task.is_pair else 3)
    assert all(f"{{{column}}}" in wording.template for column in task.text_columns)
