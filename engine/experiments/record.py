"""The record of an experiment: a trained model's scores and latency, its checkpoint, and its row in the store."""

import dataclasses
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_tensors

from engine import __version__
from engine.data.folding import hash_keys
from engine.data.reading import Readings
from engine.data.sources import TaskData
from engine.data.splits import group_keys
from engine.data.tasks import SPLITS, Task
from engine.data.tokens import own_tokenizer_to_json
from engine.errors import CheckpointError, RecipeError
from engine.evaluation.latency import measure_latency
from engine.evaluation.metrics import Floats, Scores, score
from engine.evaluation.significance import bootstrap_intervals
from engine.experiments.foundations import as_plain, of_record
from engine.machine import describe_machine, one_thread
from engine.store import Predictions, Run, Store
from engine.training.build import labels_of
from engine.training.checkpoints import (
    BASELINE,
    EXAMPLES,
    PREDICTIONS,
    SEEN,
    TOKENIZER,
    VOCABULARY,
    WEIGHTS,
    Checkpoint,
    folder_name,
    list_checkpoints,
    save_checkpoint,
)
from engine.training.classifiers import BaselineModel, Classifier, NeuralModel, WeighedModel
from engine.training.few_shot import FrozenModel
from engine.training.loop import Epoch, choose_precision, kept_weights
from engine.training.recipe import Recipe

LATENCY_TEXTS = 64


@dataclass(frozen=True)
class Request:
    """What to train, and where to keep it."""

    recipe: Recipe
    data: TaskData
    checkpoints: Path
    training: Path
    name: str = ""
    """Name of the model; the recipe's when empty."""
    device: str = "auto"
    licence: str = ""
    """Licence of the data, for the manifest."""

    def __post_init__(self) -> None:
        """Check the name, as it becomes part of a path.

        Raises:
            RecipeError: It isn't a plain word.
        """
        check_name(self.model_name)

    @property
    def model_name(self) -> str:
        """Name under which the model is kept."""
        return self.name or self.recipe.name

    @property
    def folder(self) -> Path:
        """Where its checkpoint goes."""
        return self.checkpoints / self.data.task.name / folder_name(self.model_name, self.data.fingerprint)


def check_name(name: str) -> None:
    """Refuse what can't be a model's name.

    Raises:
        RecipeError: It isn't a plain word.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,80}", name):
        raise RecipeError(f"--name takes letters, digits and . _ + -, not '{name}'.")


@dataclass(frozen=True)
class Fitted:
    """A trained model before anybody has looked at the test split."""

    model: Classifier
    epochs: list[Epoch]
    seconds: float
    device: torch.device
    peak_memory_mb: float
    joules: float | None = None
    """Energy of the whole machine while it trained, where a counter can be read and one process trained it all."""
    processes: int = 1
    """How many trained it together; memory and seconds are those of the main one."""


@dataclass(frozen=True)
class Finished:
    """The end of an experiment."""

    checkpoint: Checkpoint
    run: Run


def score_with_intervals(labels: Any, probabilities: Floats, languages: list[str] | None) -> Scores:
    """Scores with their 95 % bootstrap intervals."""
    scores = score(labels, probabilities, languages)
    return dataclasses.replace(scores, intervals=bootstrap_intervals(labels, probabilities))


def conclude(request: Request, fitted: Fitted, store: Store, more: Mapping[str, Any] | None = None) -> Finished:
    """Score on validation and, once, on test; time it; write the checkpoint and the record.

    Args:
        request: What was trained.
        fitted: The trained model.
        store: Where the record goes.
        more: What else the record holds, beside what every one does.
    """
    data, model = request.data, fitted.model
    scores, probabilities, read = _score_splits(data, model)
    with one_thread():
        latency = measure_latency(model.probabilities, data.texts("test")[:LATENCY_TEXTS])
    predictions = _predictions(data, probabilities)
    # The checkpoint keeps the model itself, and its decision's weights apart.
    weights, inner = (model.weights, model.model) if isinstance(model, WeighedModel) else (None, model)
    files, origin = _files(inner, request.recipe)
    files[SEEN] = hash_keys(data.texts("train")).tobytes()
    files[PREDICTIONS] = json.dumps(dataclasses.asdict(predictions), ensure_ascii=False).encode()
    record = _describe(request, fitted) | {
        "scores": {split: one.as_dict() for split, one in scores.items()},
        "reading": None if read is None else read.summary(),
        "cost": _costs(request, fitted) | {"size_bytes": sum(map(len, files.values()))},
        "latency": latency.as_dict() | {"threads": 1},
        **(more or {}),
    }
    if isinstance(inner, FrozenModel) and inner.rungs:
        record["few_shot"] = inner.climb(data.texts("test"), labels_of(data, "test"))
        # More examples than the backbone's positions hold.
        record["few_shot_left_out"] = [one for one in request.recipe.frozen.sizes if one > inner.rungs[-1].shots]
    if request.recipe.learns_vectors:
        record["unlabelled"] = dict(origin)
    if foundations := as_plain(of_record(store, request.recipe.as_dict())):
        record["foundations"] = foundations
    if weights is not None:
        record["decision_weights"] = [round(float(one), 4) for one in weights]
    run = Run(
        id=uuid.uuid4().hex[:12],
        task=data.task.name,
        model=request.model_name,
        source=data.source,
        fingerprint=data.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        record=record,
    )
    epochs = [_plain_epoch(epoch) for epoch in fitted.epochs]
    checkpoint = save_checkpoint(request.folder, _manifest(request, run, epochs, origin, weights), files)
    store.add(run, epochs, predictions)
    return Finished(checkpoint, run)


def _score_splits(data: TaskData, model: Classifier) -> tuple[dict[str, Scores], Floats, Readings | None]:
    """Scores on validation and test, and the probabilities on test and what was read of it, each computed once."""
    scores, probabilities, read = {}, np.empty(0), None
    for split in ("validation", "test"):
        probabilities, read = model.answer(data.texts(split))
        scores[split] = score_with_intervals(labels_of(data, split), probabilities, _languages(data, split))
    return scores, probabilities, read


def _describe(request: Request, fitted: Fitted) -> dict[str, Any]:
    """The record of what was trained, on what, and where."""
    recipe, parameters = request.recipe, fitted.model.parameters()
    return {
        "recipe": recipe.name,
        "settings": recipe.as_dict(),
        "seed": recipe.seed,
        "rows": {split: len(request.data.split(split)) for split in SPLITS},
        "licence": request.licence,
        "parameters": {"total": parameters.total, "trained": parameters.trained},
        "precision": str(choose_precision(recipe.precision, fitted.device)) if fitted.epochs else "",
        "machine": describe_machine(fitted.device),
        "version": __version__,
    }


def _costs(request: Request, fitted: Fitted) -> dict[str, Any]:
    """The record of what training took."""
    epochs = fitted.epochs
    return {
        "seconds": fitted.seconds,
        "epochs": len(epochs),
        "best_epoch": next((epoch.number for epoch in reversed(epochs) if epoch.is_best), None),
        "seconds_per_epoch": fitted.seconds / len(epochs) if epochs else None,
        "samples_per_second": _samples_per_second(request, fitted),
        "peak_memory_mb": fitted.peak_memory_mb,
        "processes": fitted.processes,
        "joules": fitted.joules,
        "stop": epochs[-1].stop if epochs else "",
    }


def _manifest(
    request: Request,
    run: Run,
    epochs: Sequence[Mapping[str, Any]],
    origin: Mapping[str, str],
    weights: Floats | None,
) -> dict[str, Any]:
    """The checkpoint's manifest: everything that opening it and showing it needs, the whole record among it."""
    data = request.data
    return {
        "name": request.model_name,
        "task": data.task.name,
        "labels": list(data.task.labels),
        "recipe": request.recipe.as_dict(),
        "origin": dict(origin),
        "data": {
            "source": data.source,
            "fingerprint": data.fingerprint,
            "rows": run.record["rows"],
            "licence": request.licence,
        },
        "run": dataclasses.asdict(run),
        "epochs": epochs,
        # Unrounded, so that the figures are those of the file.
        **({} if weights is None else {"decision_weights": [float(one) for one in weights]}),
    }


def _samples_per_second(request: Request, fitted: Fitted) -> float | None:
    """Training examples a second; None where nothing was trained."""
    if request.recipe.kind == "frozen":
        return None
    return len(request.data.split("train")) * max(1, len(fitted.epochs)) / fitted.seconds


def _plain_epoch(epoch: Epoch) -> dict[str, Any]:
    plain = dataclasses.asdict(epoch)
    del plain["resumed"]
    return plain


def _languages(data: TaskData, split: str) -> list[str] | None:
    return list(data.split(split)["lang_abv"]) if "lang_abv" in data.frame else None


def _predictions(data: TaskData, probabilities: Floats) -> Predictions:
    test = data.split("test")
    groups = group_keys(test, data.task)
    return Predictions(
        rows=list(test["id"]),
        labels=[int(label) for label in test["label"]],
        predicted=[int(label) for label in probabilities.argmax(axis=1)],
        probabilities=[[round(float(one), 5) for one in row] for row in probabilities],
        languages=_languages(data, "test") or [""] * len(test),
        clusters=[] if groups is None else groups.factorize()[0].tolist(),
    )


def _files(model: Classifier, recipe: Recipe) -> tuple[dict[str, bytes], Mapping[str, str]]:
    """What a checkpoint keeps of a model, and where the rest came from."""
    if isinstance(model, BaselineModel):
        return _kept(*model.baseline.state(), VOCABULARY), {}
    if isinstance(model, FrozenModel):
        return _kept(*model.answerer.state(), EXAMPLES), model.origin
    if not isinstance(model, NeuralModel):
        raise CheckpointError(f"A {type(model).__name__} can't be kept.")
    weights = {name: weight.detach().half().cpu().contiguous() for name, weight in kept_weights(model.model).items()}
    files = {WEIGHTS: save_tensors(weights)}
    if recipe.kind == "scratch":
        files[TOKENIZER] = own_tokenizer_to_json(model.tokenizer).encode()
    if model.tfidf is not None:
        kept = _kept(*model.tfidf.baseline.state(), VOCABULARY)
        files |= {BASELINE: kept[WEIGHTS], VOCABULARY: kept[VOCABULARY]}
    return files, model.origin


def _kept(arrays: Mapping[str, Floats], values: Mapping[str, Any], name: str) -> dict[str, bytes]:
    """Arrays as safetensors, and plain values as the JSON file `name`."""
    tensors = {key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}
    return {WEIGHTS: save_tensors(tensors), name: json.dumps(values, ensure_ascii=False).encode()}


def adopt_checkpoints(store: Store, root: Path, task: Task) -> list[str]:
    """Copy the records that travel with checkpoints into the store; returns a line for each one refused."""
    checkpoints, refused = list_checkpoints(root, task.name)
    for checkpoint in checkpoints:
        run = Run(**checkpoint.manifest["run"])
        if store.has(run.id):
            continue
        try:
            predictions = Predictions(**checkpoint.read_json(PREDICTIONS))
            store.add(run, checkpoint.manifest["epochs"], predictions)
        except CheckpointError as error:
            refused.append(str(error))
        except (TypeError, ValueError, KeyError):
            refused.append(f"Checkpoint {checkpoint.folder.name}: its results can't be read.")
    return refused
