"""Experiments: test is read once and after selection, and what is recorded is what the kept model does."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.data.sources import TaskData, load
from engine.data.tasks import SLANG
from engine.errors import CheckpointError, DataError, OdzeraError, RecipeError
from engine.evaluation.metrics import FIGURES
from engine.experiments.record import Finished, Request, adopt_checkpoints, score_with_intervals
from engine.experiments.run import run_experiment
from engine.paths import Places
from engine.store import Store
from engine.training.checkpoints import PREDICTIONS, WEIGHTS, list_checkpoints
from engine.training.classifiers import open_checkpoint
from engine.training.recipes import RECIPES
from support.models import TINY_DECODER, places_in, tiny_recipe, train_model

RECIPE_NAMES = ("majority", "tfidf", "scratch")


def few(data: TaskData, rows: int = 90) -> TaskData:
    """The first rows of each split."""
    return dataclasses.replace(data, frame=data.frame.groupby("split").head(rows).reset_index(drop=True))


@dataclasses.dataclass(frozen=True)
class Done:
    """Three finished experiments, one store and one folder."""

    data: TaskData
    places: Places
    store: Store
    finished: dict[str, Finished]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, slang: TaskData) -> Done:
    """Majority, TF-IDF and a tiny decoder, trained on the same few rows."""
    places, store, data = places_in(tmp_path_factory.mktemp("done")), Store.in_memory(), few(slang)
    recipes = (RECIPES["majority"], RECIPES["tfidf"], tiny_recipe(epochs=3, lr=1e-2))
    return Done(data, places, store, {recipe.name: train_model(recipe, data, places, store) for recipe in recipes})


@dataclasses.dataclass(frozen=True)
class Watched(TaskData):
    """Data that writes down which splits it is asked for."""

    asked: list[str] = dataclasses.field(default_factory=list)

    def texts(self, name: str) -> list[tuple[str, ...]]:
        """See `TaskData`."""
        self.asked.append(name)
        return super().texts(name)


def watched(data: TaskData) -> Watched:
    return Watched(**{one.name: getattr(data, one.name) for one in dataclasses.fields(TaskData)})


def test_the_test_texts_are_not_touched_before_the_last_epoch(slang: TaskData, places: Places, store: Store) -> None:
    data = watched(few(slang, 40))
    request = Request(tiny_recipe(), data, places.checkpoints, places.training, device="cpu")
    for event in run_experiment(request, store):
        assert ("test" in data.asked) == isinstance(event, Finished)


def test_the_labels_of_test_have_no_say_in_training_or_selection(slang: TaskData, tmp_path: Path) -> None:
    data = few(slang, 60)
    wrong = data.frame.assign(label=data.frame["label"].where(data.frame["split"] != "test", 1))
    kept, best = [], []
    for name, frame in (("right", data.frame), ("wrong", wrong)):
        recipe = tiny_recipe(epochs=4, lr=3e-2)
        finished = train_model(
            recipe, dataclasses.replace(data, frame=frame), places_in(tmp_path / name), Store.in_memory()
        )
        kept.append(finished.checkpoint.path(WEIGHTS).read_bytes())
        best.append(finished.run.record["cost"]["best_epoch"])
    assert kept[0] == kept[1]
    assert best[0] == best[1]


@pytest.mark.parametrize("name", RECIPE_NAMES)
@pytest.mark.parametrize("split", ["validation", "test"])
def test_recorded_figures_are_those_of_the_checkpoint_opened_anew(name: str, split: str, done: Done) -> None:
    finished = done.finished[name]
    probabilities = open_checkpoint(finished.checkpoint).probabilities(done.data.texts(split))
    again = score_with_intervals(done.data.split(split)["label"].to_numpy(), probabilities, None).as_dict()
    recorded = finished.run.record["scores"][split]
    assert {one: recorded[one] for one in FIGURES} == pytest.approx({one: again[one] for one in FIGURES}, abs=1e-6)
    assert recorded["confusion"] == again["confusion"]


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_stored_predictions_are_those_of_the_checkpoint_opened_anew(name: str, done: Done) -> None:
    finished, test = done.finished[name], done.data.split("test")
    stored = done.store.predictions(finished.run.id)
    order = [list(test["id"]).index(row) for row in stored.rows]
    probabilities = open_checkpoint(finished.checkpoint).probabilities(done.data.texts("test"))[order]
    assert stored.probabilities == pytest.approx(probabilities, abs=1e-5)
    assert stored.predicted == probabilities.argmax(1).tolist()
    assert stored.labels == test["label"].iloc[order].tolist()


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_a_record_is_complete(name: str, done: Done) -> None:
    record = done.finished[name].run.record
    assert record["recipe"] == name
    assert record["settings"]["name"] == name
    assert record["rows"] == {"train": 90, "validation": 90, "test": 90}
    assert record["parameters"]["total"] >= record["parameters"]["trained"] > 0
    assert record["cost"]["seconds"] > 0
    assert record["cost"]["peak_memory_mb"] > 50
    assert 0 < record["latency"]["p50_ms"] <= record["latency"]["p95_ms"]
    assert record["machine"]["device"] == "cpu"
    assert {"torch", "transformers"} <= set(record["machine"]["packages"])
    assert set(record["scores"]) == {"validation", "test"}


def test_every_figure_but_calibration_has_an_interval_around_it(done: Done) -> None:
    test = done.finished["scratch"].run.record["scores"]["test"]
    for figure in set(FIGURES) - {"calibration_error"}:
        low, high = test["intervals"][figure]
        assert low <= test[figure] <= high


def test_the_cost_of_a_network_is_told_by_epoch(done: Done) -> None:
    cost = done.finished["scratch"].run.record["cost"]
    assert cost["epochs"] == 3
    assert 1 <= cost["best_epoch"] <= 3
    assert cost["seconds_per_epoch"] == pytest.approx(cost["seconds"] / 3)
    assert cost["stop"] == "epochs"


def test_the_recorded_size_is_that_of_the_files(done: Done) -> None:
    for finished in done.finished.values():
        files = [file for file in finished.checkpoint.folder.iterdir() if file.name != "manifest.json"]
        assert finished.run.record["cost"]["size_bytes"] == sum(file.stat().st_size for file in files)


def test_runs_appear_in_the_store(done: Done) -> None:
    assert [run.model for run in done.store.runs("slang", done.data.fingerprint)] == list(RECIPE_NAMES)


def test_epochs_appear_in_the_store(done: Done) -> None:
    finished = done.finished["scratch"]
    rows = done.store.epochs(finished.run.id)
    assert [row["number"] for row in rows] == [1, 2, 3]
    best = max(row["validation_macro_f1"] for row in rows)
    assert rows[finished.run.record["cost"]["best_epoch"] - 1]["validation_macro_f1"] == best


def test_a_manifest_names_the_data_and_its_licence(slang: TaskData, places: Places, store: Store) -> None:
    request = Request(
        RECIPES["majority"], few(slang), places.checkpoints, places.training, device="cpu", licence="CC0-1.0"
    )
    (finished,) = run_experiment(request, store)
    data = finished.checkpoint.manifest["data"]
    assert (data["source"], data["fingerprint"], data["licence"]) == ("sample", slang.fingerprint, "CC0-1.0")
    assert store.data_sets("slang")[0].licence == "CC0-1.0"


def test_a_model_of_another_name_lives_beside_that_of_its_recipe(slang: TaskData, places: Places, store: Store) -> None:
    for name in ("", "wiekszosc"):
        train_model(RECIPES["majority"], few(slang), places, store, name)
    checkpoints, _ = list_checkpoints(places.checkpoints, "slang")
    assert sorted(one.name for one in checkpoints) == ["majority", "wiekszosc"]
    assert len(store.runs("slang", slang.fingerprint)) == 2


def test_a_model_trained_again_at_once_takes_the_place_of_the_first(
    slang: TaskData, places: Places, store: Store
) -> None:
    for rows in range(30, 36):
        finished = train_model(RECIPES["majority"], few(slang, rows), places, store)
        (latest,) = store.runs("slang", slang.fingerprint)
        assert latest.id == finished.run.id
        assert latest.record["rows"]["train"] == rows


def test_rows_that_share_an_id_are_all_kept(slang: TaskData, places: Places, store: Store, tmp_path: Path) -> None:
    rows = few(slang, 60).frame[["text", "label"]]
    # Numbered from the start again and again, as files put together often are.
    rows.assign(id=np.arange(len(rows)) % 10).to_csv(tmp_path / "rows.csv", index=False)
    data = load(SLANG, str(tmp_path / "rows.csv"))
    finished = train_model(RECIPES["majority"], data, places, store)
    assert len(store.predictions(finished.run.id).rows) == len(data.split("test"))


def test_weights_are_kept_in_half_precision(done: Done) -> None:
    weights = load_file(done.finished["scratch"].checkpoint.path(WEIGHTS))
    assert {tensor.dtype for tensor in weights.values()} == {np.dtype("float16")}


def test_nothing_is_left_of_the_state_of_a_finished_run(done: Done) -> None:
    assert [file for file in done.places.training.glob("*") if file.stat().st_size] == []


def test_records_that_travel_with_checkpoints_fill_an_empty_store(done: Done) -> None:
    empty = Store.in_memory()
    assert adopt_checkpoints(empty, done.places.checkpoints, SLANG) == []
    for name, finished in done.finished.items():
        assert empty.predictions(finished.run.id) == done.store.predictions(finished.run.id)
        assert empty.epochs(finished.run.id) == done.store.epochs(finished.run.id)
        (run,) = (one for one in empty.runs("slang", done.data.fingerprint) if one.model == name)
        assert run.record == finished.run.record


def test_records_are_adopted_once(done: Done) -> None:
    store = Store.in_memory()
    for _ in range(2):
        adopt_checkpoints(store, done.places.checkpoints, SLANG)
    assert store.db["runs"].count == 3


def test_a_damaged_record_is_refused_by_name_and_the_others_adopted(done: Done, tmp_path: Path) -> None:
    root = Path(shutil.copytree(done.places.checkpoints, tmp_path / "checkpoints"))
    (folder,) = root.glob("slang/tfidf@*")
    (folder / PREDICTIONS).write_bytes((folder / PREDICTIONS).read_bytes()[:50])
    store = Store.in_memory()
    (line,) = adopt_checkpoints(store, root, SLANG)
    assert folder.name in line
    assert "damaged" in line
    assert [run.model for run in store.runs("slang", done.data.fingerprint)] == ["majority", "scratch"]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_data_without_a_split_is_refused(split: str, slang: TaskData, places: Places, store: Store) -> None:
    frame = slang.frame[slang.frame["split"] != split]
    with pytest.raises(OdzeraError, match="needs train, validation and test rows"):
        train_model(RECIPES["majority"], dataclasses.replace(slang, frame=frame), places, store)


@pytest.mark.parametrize(
    ("text", "labels", "says"),
    [
        ("nuda", [2], "sample can't be learnt from: its 9 train rows are all positive"),
        ("", [0, 1, 2], "tfidf can't learn from sample: "),
    ],
    ids=["one class", "no repeated word"],
)
def test_data_that_a_baseline_cannot_learn_from_is_refused_in_one_line(
    text: str, labels: list[int], says: str, slang: TaskData, places: Places, store: Store
) -> None:
    frame = few(slang, 9).frame
    # Characters far apart, so that no two rows share one.
    texts = [f"{text} {chr(0x4E00 + 7 * place)}".strip() for place in range(len(frame))]
    frame = frame.assign(text=texts, label=np.resize(labels, len(frame)))
    with pytest.raises(DataError, match=rf"^{says}[^\n]+$"):
        train_model(RECIPES["tfidf"], dataclasses.replace(slang, frame=frame), places, store)
    assert list_checkpoints(places.checkpoints, "slang") == ([], [])


def test_a_run_that_is_under_way_is_not_begun_again(slang: TaskData, places: Places, store: Store) -> None:
    request = Request(tiny_recipe(), few(slang, 40), places.checkpoints, places.training, device="cpu")
    running = run_experiment(request, store)
    next(running)
    with pytest.raises(RecipeError, match="scratch is being trained on this data by another process"):
        next(run_experiment(request, store))
    assert isinstance(list(running)[-1], Finished)


@pytest.mark.parametrize("name", ["../x", "a/b", ".ukryty", "a b", "\n"], ids=repr)
def test_a_name_that_is_no_plain_word_is_refused(name: str, slang: TaskData, places: Places) -> None:
    with pytest.raises(RecipeError, match="letters, digits"):
        Request(RECIPES["majority"], slang, places.checkpoints, places.training, name)


def test_a_shape_that_cannot_be_is_refused(slang: TaskData, places: Places, store: Store) -> None:
    recipe = tiny_recipe(decoder={**TINY_DECODER, "num_attention_heads": 5})
    with pytest.raises(RecipeError, match="scratch can't be built"):
        train_model(recipe, few(slang, 20), places, store)


def test_a_device_that_is_not_there_is_refused(slang: TaskData, places: Places, store: Store) -> None:
    request = Request(RECIPES["majority"], slang, places.checkpoints, places.training, device="abacus")
    with pytest.raises(RecipeError, match="auto, cpu or cuda, not 'abacus'"):
        next(run_experiment(request, store))


def test_a_place_that_cannot_be_written_is_refused_before_training(slang: TaskData, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("plik, nie folder")
    places, data = places_in(tmp_path), watched(slang)
    with pytest.raises(CheckpointError, match="checkpoints can't be written"):
        train_model(tiny_recipe(), data, places, Store.in_memory())
    assert data.asked == []
