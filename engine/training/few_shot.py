"""Untrained models as classifiers: examples are drawn, each number of them is scored, and the best are kept."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data.reading import Readings
from engine.data.sources import TaskData
from engine.data.tasks import Task
from engine.errors import DataError, RecipeError
from engine.evaluation.metrics import Floats, headline
from engine.models.backbones import get_backbone
from engine.models.heads import is_decoder
from engine.models.methods import ParameterCount
from engine.models.pretrained import OPENING, Opened, count_positions, open_untouched
from engine.models.zero_shot.answerers import Answerer, EntailmentModel, Frozen, Inputs, make_answerer
from engine.models.zero_shot.embedding import LogisticModel
from engine.models.zero_shot.prompting import LikelihoodModel
from engine.training.loop import Tick
from engine.training.recipe import Recipe

FIGURES = ("accuracy", "macro_f1", "loss")


@dataclass(frozen=True)
class Rung:
    """A number of examples of each class, and the models that each draw of them made."""

    shots: int
    models: tuple[Answerer, ...]


@dataclass(frozen=True)
class Nli:
    """A trained NLI model, for `entailment`."""

    answer: Callable[[Inputs], tuple[Floats, Readings | None]]
    parameters: int
    origin: Mapping[str, str]
    """What the checkpoint names it by."""


OpenNli = Callable[[str], Nli]
"""Opens a trained NLI model by name."""


class FrozenModel:
    """An untrained model as a classifier; where examples were tried in several numbers, those models too."""

    def __init__(
        self, answerer: Answerer, origin: Mapping[str, str], rungs: Sequence[Rung] = (), backbone: Any = None
    ) -> None:
        self.answerer = answerer
        self.origin = origin
        self.rungs = rungs
        self.backbone = backbone
        """The pretrained model that it reads; None for `entailment`."""

    def probabilities(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> Floats:
        """See `Classifier`."""
        return self.answerer.probabilities(inputs, tick)

    def answer(self, inputs: Sequence[tuple[str, ...]], tick: Tick | None = None) -> tuple[Floats, Readings | None]:
        """See `Classifier`."""
        return self.answerer.answer(inputs, tick)

    def parameters(self) -> ParameterCount:
        """See `Classifier`."""
        return self.answerer.parameters()

    def climb(self, inputs: Sequence[tuple[str, ...]], labels: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Mean and standard deviation over the draws, for each number of examples of each class."""
        table = []
        embedded: Floats | None = None
        for rung in self.rungs:
            figures = []
            for model in rung.models:
                if isinstance(model, LogisticModel):
                    # All heads read the same embeddings.
                    embedded = model.embedder.describe(inputs) if embedded is None else embedded
                    figures.append(headline(labels, model.judge(embedded)))
                else:
                    figures.append(headline(labels, model.probabilities(inputs)))
            row: dict[str, Any] = {"shots": rung.shots, "draws": len(figures)}
            for figure in FIGURES:
                values = [one[figure] for one in figures]
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                row[figure] = {"mean": statistics.fmean(values), "deviation": spread}
            table.append(row)
        return table


def fit_frozen(recipe: Recipe, data: TaskData, open_nli: OpenNli, device: torch.device | str = "cpu") -> FrozenModel:
    """Open the backbone and show it its examples, drawn from the train split.

    Args:
        recipe: A recipe of the kind `frozen`.
        data: What examples are drawn from.
        open_nli: Opens the NLI model that `entailment` asks.
        device: Where the backbone goes.

    Raises:
        DataError: The examples are of one class alone.
        RecipeError: The way doesn't fit the backbone or the task, or not even the fewest examples fit.
        HubError: The backbone can't be had.
    """
    frozen, classes = recipe.frozen, len(data.task.labels)
    if frozen.asks_nli:
        nli = open_nli(recipe.backbone)
        return FrozenModel(EntailmentModel(nli.answer, nli.parameters, data.task), nli.origin)
    opened = open_untouched(get_backbone(recipe.backbone), frozen.way == "likelihood")
    _require_room(recipe, opened)
    opened.model.to(device)
    texts, labels = data.texts("train"), data.split("train")["label"].to_numpy(dtype=np.int64)
    drawn = {shots: list(draw_rows(labels, shots, frozen.draws, recipe.seed)) for shots in frozen.sizes}
    embedded = _embed_once(make_answerer(frozen, opened, data.task, recipe.max_length), texts, drawn)
    rungs = []
    for shots, draws in drawn.items():
        models = []
        for rows in draws if shots else draws[:1]:
            model = make_answerer(frozen, opened, data.task, recipe.max_length)
            if isinstance(model, LikelihoodModel) and not model.prompts.fits(len(rows)):
                # So many examples are more than the positions hold.
                break
            if isinstance(model, LogisticModel):
                if len(np.unique(labels[rows])) < 2:
                    raise DataError(f"{recipe.name} can't learn from {data.source}: all its examples are of one class.")
                model.fit_described(np.stack([embedded[row] for row in rows]), labels[rows], classes)
            else:
                model.fit([texts[row] for row in rows], labels[rows], classes)
            models.append(model)
        if models:
            rungs.append(Rung(shots, tuple(models)))
    if not rungs:
        raise RecipeError(
            f"{recipe.name}: {frozen.sizes[0]} examples of each class don't fit into what the backbone reads at once."
        )
    return FrozenModel(rungs[-1].models[0], opened.origin, rungs if frozen.shots else (), opened.model)


def open_zero_shot(backbone: str, revision: str | None, task: Task, max_length: int = 256) -> FrozenModel:
    """A backbone as it was before anything was trained on it, asked in the way that fits it.

    Args:
        backbone: Its name, folder or repository.
        revision: Its commit or digest, or what stands for it.
        task: What to ask.
        max_length: Tokens of a text that an encoder reads.

    Raises:
        HubError: It can't be had.
    """
    with OPENING:
        opened = open_untouched(get_backbone(backbone), None, revision)
    way = "likelihood" if is_decoder(opened.model.config) else "similarity"
    answerer = make_answerer(Frozen(way), opened, task, max_length)
    answerer.fit([], np.empty(0, dtype=np.int64), len(task.labels))
    return FrozenModel(answerer, opened.origin, backbone=opened.model)


def _require_room(recipe: Recipe, opened: Opened) -> None:
    """Raise where a text may be cut to more tokens than the backbone reads; prompts are cut to what it does."""
    room = count_positions(opened.model.config)
    if recipe.frozen.way != "likelihood" and room is not None and recipe.max_length > room:
        raise RecipeError(
            f"{recipe.name}: the backbone reads {room} tokens, so max_length can be {room} at most, not "
            f"{recipe.max_length}."
        )


def _embed_once(
    model: Answerer, texts: Sequence[tuple[str, ...]], drawn: Mapping[int, Sequence[NDArray[np.int64]]]
) -> dict[int, NDArray[np.float64]]:
    """Row → embedding, for all rows of all draws: the larger ones hold the smaller."""
    if not isinstance(model, LogisticModel):
        return {}
    rows = sorted({int(row) for draws in drawn.values() for draw in draws for row in draw})
    return dict(zip(rows, model.embedder.describe([texts[row] for row in rows]), strict=True))


def draw_rows(labels: NDArray[np.int64], shots: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """`shots` rows of each class for each draw, in mixed order; a larger number of one draw holds the smaller.

    A class with fewer rows gives all it has.
    """
    for draw in range(draws):
        generator = np.random.default_rng((seed, draw))
        each = [generator.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)]
        yield generator.permutation(np.concatenate(each)) if shots else np.empty(0, dtype=np.int64)


def restore_frozen(
    recipe: Recipe,
    task: Task,
    revision: str | None,
    arrays: Mapping[str, NDArray[Any]],
    values: Mapping[str, Any],
    open_nli: OpenNli,
) -> FrozenModel:
    """The model that a checkpoint keeps.

    Args:
        recipe: Its recipe.
        task: Its task.
        revision: The backbone's commit, or what stands for it.
        arrays: What `Answerer.state` gave.
        values: And its plain values.
        open_nli: Opens the NLI model that `entailment` asks.
    """
    if recipe.frozen.asks_nli:
        nli = open_nli(recipe.backbone)
        return FrozenModel(EntailmentModel(nli.answer, nli.parameters, task), nli.origin)
    opened = open_untouched(get_backbone(recipe.backbone), recipe.frozen.way == "likelihood", revision)
    answerer = make_answerer(recipe.frozen, opened, task, recipe.max_length)
    answerer.restore(arrays, values)
    return FrozenModel(answerer, opened.origin, backbone=opened.model)
