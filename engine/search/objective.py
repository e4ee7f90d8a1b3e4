"""One trial: a recipe from the space, trained, reported after every epoch."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import optuna
import torch
from accelerate import Accelerator
from optuna.exceptions import UpdateFinishedTrialError

from engine.data.sources import TaskData
from engine.errors import OdzeraError
from engine.machine import peak_memory_mb, reset_peak_memory
from engine.search.search_space import suggest
from engine.search.study import REASON, WORKER
from engine.training.build import TokenisedData, build
from engine.training.loop import Epoch, train


class TrialFailed(Exception):
    """A trial came to nothing; the message says why, and the study goes on."""


class Objective:
    """Trains the decoder that a trial asks for; returns its lowest validation loss."""

    def __init__(
        self,
        data: TaskData,
        device: str,
        seed: int,
        worker: str,
        started: Callable[[], None] = lambda: None,
        alive: Callable[[], None] = lambda: None,
        epochs: int | None = None,
    ) -> None:
        """Take what all trials share.

        Args:
            data: Rows to train and validate on.
            device: `cpu` or `cuda`.
            seed: Seed of weights, batches and dropout of every trial, so that settings alone differ.
            worker: Who runs the trials; kept with each of them.
            started: Called in every trial as soon as it bears its worker's name.
            alive: Called after every epoch; whatever it raises ends the worker.
            epochs: Epochs of every trial, instead of those that it asks for, and without patience.
        """
        self.tokenised = TokenisedData(data)
        self.data = data
        self.device = torch.device(device)
        self.accelerator = Accelerator(cpu=device == "cpu")
        self.seed = seed
        self.worker = worker
        self.started = started
        self.alive = alive
        self.epochs = epochs

    def __call__(self, trial: optuna.Trial) -> float:
        """Run `trial`.

        Raises:
            TrialPruned: Others did better by this epoch.
            TrialFailed: It diverged or ran out of memory; the trial's `reason` says so.
        """
        # Before the lock is given back: a running trial without a name is a dead one's.
        trial.set_user_attr(WORKER, self.worker)
        self.started()
        start = time.perf_counter()
        reset_peak_memory(self.device)
        try:
            epochs = self._train(trial)
        except optuna.TrialPruned:
            raise
        except UpdateFinishedTrialError:
            # Held for dead while it was merely slow: the trial belongs to somebody else now.
            raise
        except Exception as error:
            # One trial's trouble, whatever it is, is not the study's.
            reason = explain(error)
            with suppress(UpdateFinishedTrialError):
                trial.set_user_attr(REASON, reason)
                trial.set_user_attr("seconds", round(time.perf_counter() - start, 2))
            raise TrialFailed(reason) from error
        finally:
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return min(epoch.validation["loss"] for epoch in epochs)

    def _train(self, trial: optuna.Trial) -> Sequence[Epoch]:
        start = time.perf_counter()
        recipe = dataclasses.replace(suggest(trial), seed=self.seed)
        if self.epochs is not None:
            recipe = dataclasses.replace(recipe, epochs=self.epochs, patience=self.epochs)
        neural = build(recipe, self.data, self.tokenised.tokenizer(recipe))
        parameters = neural.parameters().total
        epochs: list[Epoch] = []
        stop = "pruned"
        try:
            for epoch in train(
                neural.model,
                self.tokenised.batches(recipe, "train"),
                self.tokenised.batches(recipe, "validation"),
                recipe,
                "loss",
                accelerator=self.accelerator,
            ):
                self.alive()
                if epoch.stop == "diverged":
                    raise TrialFailed(f"diverged in epoch {epoch.number}: the loss is not a number")
                epochs.append(epoch)
                trial.report(epoch.validation["loss"], epoch.number)
                stop = epoch.stop
                if not stop and trial.should_prune():
                    stop = "pruned"
                    raise optuna.TrialPruned(f"Pruned after epoch {epoch.number}.")
        finally:
            if epochs:
                seconds = time.perf_counter() - start
                self._describe(trial, epochs, parameters, seconds, stop)
            self.accelerator.free_memory()
        return epochs

    def _describe(
        self, trial: optuna.Trial, epochs: Sequence[Epoch], parameters: int, seconds: float, stop: str
    ) -> None:
        best = min(epochs, key=lambda epoch: epoch.validation["loss"])
        attributes: dict[str, Any] = {
            "validation_accuracy": round(best.validation["accuracy"], 4),
            "validation_macro_f1": round(best.validation["macro_f1"], 4),
            "validation_loss": round(best.validation["loss"], 4),
            "parameters": parameters,
            "epochs_run": len(epochs),
            "best_epoch": best.number,
            "seconds": round(seconds, 2),
            "peak_memory_mb": round(peak_memory_mb(self.device)),
            "stop": stop or "failed",
        }
        with suppress(UpdateFinishedTrialError):
            for name, value in attributes.items():
                trial.set_user_attr(name, value)


def explain(error: Exception) -> str:
    """One line for why a trial failed."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return "out of memory"
    if isinstance(error, TrialFailed | OdzeraError):
        return "diverged: " + text if "not a number" in text and not text.startswith("diverged") else text
    return f"{type(error).__name__}: {text}"[:300]
