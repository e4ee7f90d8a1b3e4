"""Untrained models: how they are set and draw examples, what they answer, and that they open again as they were."""

import dataclasses
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.data.sources import TaskData
from engine.data.tasks import NLI, SLANG
from engine.errors import CheckpointError, DataError, RecipeError
from engine.evaluation.metrics import headline
from engine.experiments.curves import example_jobs
from engine.experiments.record import Finished
from engine.machine import one_thread
from engine.models.backbones import get_backbone
from engine.models.pretrained import open_untouched
from engine.models.zero_shot.answerers import EntailmentModel, Frozen
from engine.models.zero_shot.embedding import Embedder, LogisticModel, SimilarityModel
from engine.paths import Places
from engine.serving.answers import Answer, classify_all
from engine.serving.registry import Registry
from engine.store import Store
from engine.training.checkpoints import read_checkpoint
from engine.training.classifiers import open_checkpoint, open_nli
from engine.training.few_shot import FrozenModel, draw_rows, fit_frozen
from engine.training.parameter_counts import count_recipe
from engine.training.recipe import Recipe
from engine.training.recipes import RECIPES, get_recipe
from support.models import cut, places_in, saved_decoder, train_model

FROZEN = [name for name, recipe in RECIPES.items() if recipe.kind == "frozen"]
SENTENCES = {
    0: (
        "This was a terrible evening and I want my money back.",
        "The soup was cold and the waiter was rude.",
        "I hate this phone, it breaks every week.",
        "What an awful film, a complete waste of time.",
        "The worst service I have ever seen.",
        "I am angry and deeply disappointed.",
        "A boring book with a stupid ending.",
        "The hotel was dirty, noisy and horrible.",
    ),
    1: (
        "The meeting begins at nine on Tuesday.",
        "The library is next to the post office.",
        "Water boils at one hundred degrees.",
        "The train to the coast has six carriages.",
        "She put the box on the second registry.",
        "The report has forty pages and two tables.",
        "Our office moved to another street in May.",
        "The shop sells paper, pencils and string.",
    ),
    2: (
        "I love this song, it makes me so happy!",
        "What a wonderful day, thank you all!",
        "The cake was delicious, the best ever!",
        "Brilliant work, I am so proud of you!",
        "A beautiful film, I enjoyed every minute.",
        "The staff were lovely and helpful, highly recommended!",
        "This is fantastic news, congratulations!",
        "I adore my new bike, it is amazing!",
    ),
}
TEXTS = [(text,) for texts in SENTENCES.values() for text in texts]
LABELS = np.repeat(np.arange(3), 8)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # Small models; on machines that others use too, threads wait for each other.
    with one_thread():
        yield


@pytest.fixture(scope="module")
def small(slang: TaskData) -> TaskData:
    """A few rows of every split."""
    return cut(slang, 60, 24)


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a decoder that reads 64 tokens."""
    return str(saved_decoder(tmp_path_factory.mktemp("mini")))


@dataclasses.dataclass(frozen=True)
class Made:
    """A model of each way, kept in one place."""

    places: Places
    finished: dict[str, Finished]


@pytest.fixture(scope="module")
def made(small: TaskData, nli: TaskData, mini: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A model of each way on small backbones, and the NLI model that one of them asks."""
    places, store = places_in(tmp_path_factory.mktemp("made")), Store.in_memory()
    judge = dataclasses.replace(RECIPES["mini-full"], backbone=mini, epochs=1, max_length=64, lr=0.01, batch_size=8)
    finished = {"judge": train_model(judge, cut(nli, 40, 12), places, store, "judge")}
    recipes = {
        "likelihood": dataclasses.replace(RECIPES["mini-zero"], backbone=mini),
        "similarity": dataclasses.replace(RECIPES["minilm-zero"], backbone=mini, max_length=64),
        "logistic": changed("minilm-few", shots="2,1,4", draws=3, backbone=mini, max_length=64),
        "entailment": dataclasses.replace(RECIPES["nli-zero"], backbone="judge"),
    }
    finished |= {way: train_model(recipe, small, places, store, way) for way, recipe in recipes.items()}
    return Made(places, finished)


def changed(name: str, shots: str, draws: int = 5, **more: object) -> Recipe:
    """A recipe with other examples."""
    recipe = RECIPES[name]
    frozen = dataclasses.replace(recipe.frozen, shots=shots, draws=draws)
    return dataclasses.replace(recipe, frozen=frozen, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FROZEN)
def test_every_untrained_recipe_is_plain_data_and_is_counted_without_weights(name: str) -> None:
    recipe = RECIPES[name]
    assert Recipe.from_dict(recipe.as_dict()) == recipe
    count = count_recipe(recipe)
    if recipe.frozen.way == "entailment":
        assert count is None
    else:
        assert count is not None
        assert count.total > 1_000_000
        # Only a logistic head is fitted.
        assert (count.trained > 0) == (recipe.frozen.way == "logistic")


def test_an_untrained_backbone_is_counted_as_it_is_read() -> None:
    # BERT without its pooler: embeddings and their norm, and six blocks.
    width, block = 384, 4 * (384**2 + 384) + 2 * 384 * 1536 + 1536 + 384 + 4 * 384
    minilm = (30522 + 512 + 2 + 2) * width + 6 * block
    # The output embedding of GPT-2 is the input's.
    mini = 8192 * 128 + 256 * 128 + 4 * (12 * 128**2 + 13 * 128) + 2 * 128
    counted = {name: count_recipe(RECIPES[name]) for name in ("minilm-zero", "minilm-few", "mini-zero", "mini-few")}
    assert [one and one.total for one in counted.values()] == [minilm, minilm + 3 * (width + 1), mini, mini]
    pair = count_recipe(RECIPES["minilm-few"], pair=True)
    assert pair is not None
    assert pair.trained == 3 * (4 * width + 1)


def test_what_is_opened_has_the_size_that_was_counted() -> None:
    count = count_recipe(RECIPES["minilm-zero"])
    assert count is not None
    assert Embedder(open_untouched(get_backbone("minilm"), causal=False), 16).size == count.total


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"way": "guess"}, "There is no way 'guess'. Ways: likelihood, similarity, logistic, entailment."),
        ({"shots": "many"}, "frozen: shots are numbers from 1 with commas between, and draws are at least 1."),
        ({"shots": "4,0"}, "frozen: shots are numbers from 1 with commas between, and draws are at least 1."),
        ({"shots": "-1"}, "frozen: shots are numbers from 1 with commas between, and draws are at least 1."),
        ({"draws": 0}, "frozen: shots are numbers from 1 with commas between, and draws are at least 1."),
        ({"way": "similarity", "shots": "1"}, "frozen: similarity looks at no examples, so shots must be empty."),
        ({"way": "entailment", "shots": "1"}, "frozen: entailment looks at no examples, so shots must be empty."),
        ({"way": "logistic"}, "frozen: logistic learns from examples; say how many of each class with shots."),
    ],
)
def test_nonsense_is_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Frozen(**settings)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_numbers_of_examples_are_taken_once_each_and_in_order() -> None:
    assert Frozen(shots="16, 4,4,1").sizes == (1, 4, 16)
    assert Frozen().sizes == (0,)


def test_a_larger_draw_holds_the_smaller_one_and_the_seed_fixes_both() -> None:
    labels = np.random.default_rng(0).integers(0, 3, 300)
    few, many = (list(draw_rows(labels, shots, 4, seed=7)) for shots in (2, 9))
    for small, large in zip(few, many, strict=True):
        assert set(small) < set(large)
        assert np.bincount(labels[small]).tolist() == [2, 2, 2]
        assert np.bincount(labels[large]).tolist() == [9, 9, 9]
    assert [rows.tolist() for rows in draw_rows(labels, 2, 4, seed=7)] == [rows.tolist() for rows in few]
    assert len({tuple(sorted(rows)) for rows in few}) == 4
    assert {tuple(rows) for rows in draw_rows(labels, 2, 4, seed=8)}.isdisjoint(tuple(rows) for rows in few)
    # Mixed, so that a prompt doesn't end with the same class each time.
    assert any(np.any(np.diff(labels[rows]) < 0) for rows in many)


def test_a_class_with_fewer_rows_gives_all_it_has() -> None:
    labels = np.array([0] * 9 + [1] * 2 + [2] * 5)
    (rows,) = draw_rows(labels, 4, 1, seed=0)
    assert np.bincount(labels[rows]).tolist() == [4, 2, 4]
    assert set(rows[labels[rows] == 1]) == {9, 10}


def test_an_encoder_cannot_say_what_comes_next(small: TaskData) -> None:
    recipe = get_recipe("minilm-zero", SLANG, ["frozen.way=likelihood"])
    with pytest.raises(RecipeError) as caught:
        fit_frozen(recipe, small, open_nli_nowhere)
    assert str(caught.value) == "minilm is an encoder, so it can't say what comes next: use way=similarity."


def open_nli_nowhere(name: str) -> object:
    """For ways that ask no NLI model."""
    raise AssertionError(name)


def test_a_decoder_can_be_compared_with_descriptions_too(made: Made) -> None:
    model = open_checkpoint(made.finished["similarity"].checkpoint)
    probabilities = model.probabilities(TEXTS)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert np.ptp(probabilities[:, 0]) > 0.01


def test_a_text_longer_than_the_backbone_reads_is_refused_at_once(small: TaskData, mini: str) -> None:
    recipe = dataclasses.replace(RECIPES["minilm-zero"], backbone=mini)
    with pytest.raises(RecipeError, match=r"^minilm-zero: the backbone reads 64 tokens, so max_length can be 64 at"):
        fit_frozen(recipe, small, open_nli_nowhere)


def test_examples_of_one_class_teach_nothing_and_are_refused(small: TaskData, mini: str) -> None:
    frame = small.frame[small.frame["label"] == 2]
    recipe = changed("minilm-few", "2", backbone=mini, max_length=64)
    with pytest.raises(DataError, match=r"^minilm-few can't learn from .*: all its examples are of one class\.$"):
        fit_frozen(recipe, dataclasses.replace(small, frame=frame), open_nli_nowhere)


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    """The real MiniLM."""
    return Embedder(open_untouched(get_backbone("minilm"), causal=False), 32)


def test_four_examples_of_each_class_teach_a_head_on_a_real_backbone(minilm: Embedder) -> None:
    model, right = LogisticModel(minilm), []
    for rows in draw_rows(LABELS, 4, 3, seed=0):
        model.fit([TEXTS[row] for row in rows], LABELS[rows], 3)
        others = np.setdiff1d(np.arange(len(TEXTS)), rows)
        right.append((model.probabilities([TEXTS[row] for row in others]).argmax(1) == LABELS[others]).mean())
    # Chance is a third.
    assert statistics.fmean(right) > 0.75
    assert model.parameters().trained == 3 * 384 + 3


def test_descriptions_alone_tell_praise_from_complaint_on_a_real_backbone(minilm: Embedder) -> None:
    model = SimilarityModel(minilm, SLANG)
    model.fit([], np.empty(0, dtype=np.int64), 3)
    probabilities = model.probabilities(TEXTS)
    clear = LABELS != 1
    assert ((probabilities[:, 2] > probabilities[:, 0]) == (LABELS == 2))[clear].mean() > 0.75


def test_an_embedding_is_the_mean_of_the_last_states_at_unit_length(minilm: Embedder) -> None:
    texts = ["What a day!", "A much longer sentence about nothing in particular, with commas."]
    tokens = minilm.tokenizer(texts[0], return_tensors="pt")
    with torch.no_grad():
        mean = minilm.network.reader.model(**tokens).last_hidden_state[0].mean(0).double()
    embedded = minilm.embed(texts)
    np.testing.assert_allclose(embedded[0], (mean / mean.norm()).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1)


def test_a_pair_is_both_embeddings_their_distance_and_their_product(minilm: Embedder) -> None:
    one, two = minilm.embed(["A dog runs.", "An animal moves."])
    (row,) = minilm.describe([("A dog runs.", "An animal moves.")])
    np.testing.assert_allclose(row, np.concatenate([one, two, abs(one - two), one * two]), atol=1e-6)


def test_the_record_has_a_row_for_each_number_of_examples_with_mean_and_deviation(
    made: Made, small: TaskData, mini: str
) -> None:
    table = made.finished["logistic"].run.record["few_shot"]
    assert [(row["shots"], row["draws"]) for row in table] == [(1, 3), (2, 3), (4, 3)]
    texts, labels = small.texts("train"), small.split("train")["label"].to_numpy()
    tests, truth = small.texts("test"), small.split("test")["label"].to_numpy()
    embedder = Embedder(open_untouched(get_backbone(mini), causal=False), 64)
    for row in table:
        figures = []
        for rows in draw_rows(labels, row["shots"], 3, seed=0):
            model = LogisticModel(embedder)
            model.fit([texts[at] for at in rows], labels[rows], 3)
            figures.append(headline(truth, model.probabilities(tests)))
        for figure in ("accuracy", "macro_f1", "loss"):
            values = [one[figure] for one in figures]
            assert row[figure]["mean"] == pytest.approx(np.mean(values), abs=1e-4)
            assert row[figure]["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-4)
        assert row["loss"]["deviation"] > 0
    # What is kept is the first draw of the most examples.
    kept = next(iter(draw_rows(labels, 4, 1, seed=0)))
    model = LogisticModel(embedder)
    model.fit([texts[at] for at in kept], labels[kept], 3)
    assert made.finished["logistic"].run.record["scores"]["test"]["loss"] == pytest.approx(
        headline(truth, model.probabilities(tests))["loss"], abs=1e-4
    )


def test_zero_shot_has_no_table_of_examples(made: Made) -> None:
    assert "few_shot" not in made.finished["likelihood"].run.record


def test_numbers_of_examples_that_do_not_fit_are_left_out(small: TaskData) -> None:
    model = fit_frozen(changed("mini-few", "1,40", 2), small, open_nli_nowhere)
    (row,) = model.climb(small.texts("test")[:4], np.array([0, 1, 2, 0]))
    assert (row["shots"], row["draws"]) == (1, 2)
    (rows, _) = draw_rows(small.split("train")["label"].to_numpy(), 1, 2, seed=0)
    examples = model.answerer.state()[1]["examples"]
    assert [tuple(texts) for texts, _ in examples] == [small.texts("train")[at] for at in rows]


def test_where_not_even_one_example_fits_it_is_said_in_one_line(small: TaskData, mini: str) -> None:
    with pytest.raises(RecipeError) as caught:
        fit_frozen(changed("mini-few", "1", backbone=mini), small, open_nli_nowhere)
    assert str(caught.value) == ("mini-few: 1 examples of each class don't fit into what the backbone reads at once.")


def test_entailment_answers_with_the_shares_of_what_follows(made: Made) -> None:
    nli = open_nli(made.places.checkpoints, "judge")
    model = open_checkpoint(made.finished["entailment"].checkpoint)
    hypotheses = ("This message is negative.", "This message is neutral.", "This message is positive.")
    expected = []
    for (text,) in TEXTS[:4]:
        follows = [nli.answer([(text, hypothesis)])[0][0, 0] for hypothesis in hypotheses]
        expected.append(np.array(follows) / sum(follows))
    np.testing.assert_allclose(model.probabilities(TEXTS[:4]), expected, atol=1e-6)
    assert np.ptp(expected) > 1e-4
    assert (model.parameters().total, model.parameters().trained) == (nli.parameters, 0)


def test_where_nothing_follows_at_all_every_class_is_as_likely() -> None:
    model = EntailmentModel(lambda pairs: (np.tile([0.0, 0.5, 0.5], (len(pairs), 1)), None), 0, SLANG)
    np.testing.assert_allclose(model.probabilities(TEXTS[:2]), np.full((2, 3), 1 / 3))


def test_entailment_is_no_answer_to_pairs() -> None:
    with pytest.raises(RecipeError, match=r"^Entailment answers no task of pairs, so not nli\.$"):
        EntailmentModel(lambda pairs: (np.ones((len(pairs), 3)), None), 0, NLI)


def test_without_an_nli_model_it_says_how_to_get_one(small: TaskData, places: Places) -> None:
    with pytest.raises(CheckpointError, match=r"^There is no trained model 'minilm-lora' for nli: odzera train"):
        train_model(RECIPES["nli-zero"], small, places, Store.in_memory())


def test_entailment_opens_again_with_the_very_nli_model_it_was_made_with(
    made: Made, small: TaskData, nli: TaskData, tmp_path: Path
) -> None:
    places, store = places_in(tmp_path), Store.in_memory()
    data = cut(nli, 300, 30)
    train_model(RECIPES["tfidf"], data, places, store, "judge")
    recipe = dataclasses.replace(RECIPES["nli-zero"], backbone="judge")
    kept = train_model(recipe, small, places, store).checkpoint
    # One on other data comes beside it and is not asked, though it is the latest of that name.
    train_model(RECIPES["tfidf"], dataclasses.replace(data, fingerprint="0" * 12), places, store, "judge")
    before = open_checkpoint(kept).probabilities(TEXTS)
    other = train_model(RECIPES["majority"], data, places, store, "judge").checkpoint
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(kept)
    assert str(caught.value) == (
        f"Checkpoint {kept.folder.name} was made with another {other.folder.name} than the one that is here now."
    )
    assert np.ptp(before) > 0


@pytest.mark.parametrize("way", ["likelihood", "similarity", "logistic", "entailment"])
def test_a_checkpoint_of_each_way_opens_again_and_answers_the_same_to_the_bit(
    made: Made, way: str, small: TaskData
) -> None:
    first, again = (open_checkpoint(read_checkpoint(made.finished[way].checkpoint.folder)) for _ in range(2))
    assert isinstance(first, FrozenModel)
    np.testing.assert_array_equal(first.probabilities(TEXTS), again.probabilities(TEXTS))
    tests, truth = small.texts("test"), small.split("test")["label"].to_numpy()
    scores = made.finished[way].run.record["scores"]["test"]
    assert headline(truth, again.probabilities(tests))["loss"] == scores["loss"]


def test_the_registry_answers_with_untrained_models_too(made: Made) -> None:
    registry = Registry(made.places.checkpoints)
    answers = list(classify_all(registry, SLANG, ["Ten koncert to sztos!"], registry.models("slang")))
    assert all(isinstance(answer, Answer) for answer in answers)
    assert {answer.model for answer in answers} == {"likelihood", "similarity", "logistic", "entailment"}
    for answer in answers:
        model = open_checkpoint(made.finished[answer.model].checkpoint)
        np.testing.assert_allclose(
            list(answer.scores.values()), model.probabilities([("Ten koncert to sztos!",)])[0], atol=1e-6
        )


def test_a_curve_takes_untrained_models_and_knows_them_by_their_weights(tmp_path: Path) -> None:
    folder = str(saved_decoder(tmp_path / "mini"))
    recipe = changed("minilm-few", "2", backbone=folder)
    (job,) = example_jobs({"few": recipe}, [20], 1, 100)
    assert job.recipe == recipe
    before = job.settings
    saved_decoder(tmp_path / "mini", seed=1)
    assert job.settings != before
