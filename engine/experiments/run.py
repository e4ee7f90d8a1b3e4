"""One experiment from data to record: a recipe is trained, chosen on validation, tested once and kept."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from engine import __version__
from engine.data.sources import TaskData
from engine.errors import RecipeError
from engine.evaluation.thresholds import tune_weights
from engine.experiments.record import Finished, Fitted, Request, conclude
from engine.machine import EnergyMeter, peak_memory_mb, reset_peak_memory
from engine.store import Store
from engine.training.build import (
    batches_of,
    build,
    choose_device,
    fit_baseline,
    labels_of,
    require_classes,
    threads_for,
)
from engine.training.checkpoints import (
    require_writable,
)
from engine.training.classifiers import Classifier, NeuralModel, WeighedModel, open_nli
from engine.training.few_shot import fit_frozen
from engine.training.loop import Epoch, Tick, train, trainable
from engine.training.parallel import Group, make_accelerator
from engine.training.recipe import Recipe
from engine.training.unlabelled import digest_text


def run_experiment(request: Request, store: Store, tick: Tick | None = None) -> Iterator[Epoch | Finished]:
    """Train, select, test once, and keep the result.

    Yields:
        Each epoch, then `Finished`. Interrupted and called again, it goes on from the last whole epoch.

    Raises:
        OdzeraError: The device, the data or the place won't do; nothing that was there before is lost.
    """
    require_writable(request.checkpoints)
    if not len(request.data.split("test")):
        raise RecipeError(f"{request.data.source} needs train, validation and test rows.")
    for event in fit(request, tick):
        if isinstance(event, Epoch):
            yield event
        else:
            finished = conclude(request, event, store)
            forget_state(request)
            yield finished


def fit(request: Request, tick: Tick | None = None) -> Iterator[Epoch | Fitted]:
    """Train, and choose the epoch on validation; the state of the run stays on disk, so a second call is over at once.

    All processes of a launch call this and train together; the main one alone writes, and fits baselines.

    Yields:
        Each epoch, then `Fitted`; nothing for a baseline in a process that isn't the main one.

    Raises:
        RecipeError: The device or the settings won't do, or another process trains the same.
        DataError: The data can't be learnt from.
    """
    data, recipe = request.data, request.recipe
    if not len(data.split("train")) or not len(data.split("validation")):
        raise RecipeError(f"{data.source} needs train, validation and test rows.")
    require_classes(data)
    accelerator = make_accelerator(choose_device(request.device))
    device, group = accelerator.device, Group.of(accelerator)
    reset_peak_memory(device)
    meter = EnergyMeter(device)
    if recipe.kind in ("baseline", "frozen"):
        if not group.is_main:
            return
        start = time.perf_counter()
        fitted = (
            fit_baseline(recipe, data)
            if recipe.kind == "baseline"
            else fit_frozen(recipe, data, partial(open_nli, request.checkpoints), device)
        )
        model = _with_thresholds(fitted, recipe, data)
        yield Fitted(model, [], time.perf_counter() - start, device, peak_memory_mb(device), meter.joules())
        return
    state_file = _state_file(request)
    with threads_for(recipe, device.type), _alone(state_file, request) if group.is_main else nullcontext():
        neural = build(recipe, data)
        splits = {split: batches_of(neural, data, split, recipe) for split in ("train", "validation")}
        epochs = []
        for epoch in train(
            neural.model,
            splits["train"],
            splits["validation"],
            recipe,
            recipe.select_on or data.task.select_on,
            accelerator=accelerator,
            state_file=state_file,
            tick=tick,
        ):
            epochs.append(epoch)
            yield epoch
        _round_to_half(neural)
        seconds = sum(epoch.seconds for epoch in epochs)
    partly = group.size > 1 or any(epoch.resumed for epoch in epochs)
    joules = None if partly else meter.joules()
    model = _with_thresholds(neural, recipe, data)
    yield Fitted(model, epochs, seconds, device, peak_memory_mb(device), joules, group.size)


def _with_thresholds(model: Classifier, recipe: Recipe, data: TaskData) -> Classifier:
    """The model, its decision weighed as validation would have it where the recipe wants that."""
    if not recipe.tune_thresholds:
        return model
    probabilities = model.probabilities(data.texts("validation"))
    return WeighedModel(model, tune_weights(labels_of(data, "validation"), probabilities))


def take_part(requests: Sequence[Request]) -> None:
    """Train along, in the other processes of a launch; what there is to keep, the main one keeps."""
    for request in requests:
        for _ in fit(request):
            pass


def forget_state(request: Request) -> None:
    """Delete the state of a training run that is over."""
    _state_file(request).unlink(missing_ok=True)


@contextmanager
def _alone(state_file: Path, request: Request) -> Iterator[None]:
    """Hold the training run, so that two processes don't write one state.

    Raises:
        RecipeError: Another process holds it.
    """
    state_file.parent.mkdir(parents=True, exist_ok=True)
    lock_file = state_file.with_suffix(".lock")
    try:
        with FileLock(lock_file, timeout=0):
            yield
            lock_file.unlink(missing_ok=True)
    except Timeout:
        raise RecipeError(f"{request.model_name} is being trained on this data by another process.") from None


def _state_file(request: Request) -> Path:
    """Names a training run: the same recipe on the same data goes on where it was; anything else starts anew."""
    settings = json.dumps(request.recipe.as_dict(), sort_keys=True)
    whole = f"{settings} {request.data.fingerprint} {digest_text(request.recipe)} {__version__}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return request.training / f"{request.data.task.name}-{request.model_name}-{digest}.safetensors"


def _round_to_half(model: NeuralModel) -> None:
    """Round what was trained to float16, as it is stored, so that the figures are those of the file."""
    with torch.no_grad():
        for weight in trainable(model.model).values():
            weight.copy_(weight.half().float())
