"""Systems answer texts with the same weights: `transformers.pipeline`, PyTorch as it serves here, and graphs."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from logging import CRITICAL
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.bench.roofline import Work, count_work
from engine.data.sources import TaskData
from engine.data.tokens import encode
from engine.errors import OdzeraError
from engine.machine import resident_memory_mb
from engine.models.methods import ParameterCount, count_parameters
from engine.models.onnx_graphs import GraphNetwork, prepare, quantise, trace
from engine.serving.exports import GRAPHS, RUNTIMES, Holder
from engine.training.build import build_random
from engine.training.classifiers import NeuralModel, TextModel
from engine.training.cost.workload import find_tokenizer
from engine.training.recipe import Recipe

PIPELINES = {
    "pipeline": "transformers pipeline, padded to the longest of a batch",
    "pipeline-256": "transformers pipeline, padded to 256 tokens",
}
SYSTEMS = {**PIPELINES, "torch": RUNTIMES["torch"], **{name: RUNTIMES[name] for name in GRAPHS}}
"""What is compared, and what it is called."""
CALLS = 12
"""Single texts a turn."""
BATCH = 32
PADDED = 256
"""Tokens that the published systems pad every text to; none of them cuts a text of these data."""
Classify = Callable[[Sequence[tuple[str, ...]], bool], Any]
"""Takes texts, and whether they are answered together; gives their classes where they are."""


@dataclass(frozen=True)
class Runner:
    """One system with one model, in its process."""

    recipe: Recipe
    data: TaskData
    system: str
    folder: Path
    threads: int
    texts: int


@dataclass(frozen=True)
class Exported:
    """The graphs of a recipe's model, and what is known of an answer."""

    work: Work
    parameters: int
    mean_tokens: float
    left_out: Mapping[str, str]
    """Graph that couldn't be made → why."""


def _build(recipe: Recipe, data: TaskData) -> NeuralModel:
    """The recipe's model with random weights, the same in every process, and a tokenizer that fits its vocabulary."""
    from engine.models.pretrained import Opened

    model = build_random(recipe, data.task.is_pair, len(data.task.labels), torch.device("cpu")).eval()
    tokenizer, _ = find_tokenizer(recipe, data)
    model.config.pad_token_id = tokenizer.pad_token_id
    return NeuralModel(Opened(model, tokenizer), data.task, PADDED)


def mixed_texts(data: TaskData, number: int) -> list[tuple[str, ...]]:
    """Texts of the test split, mixed by their lengths as they come, each as often as the others."""
    texts = data.texts("test")
    return [texts[place % len(texts)] for place in range(number)]


def export_graphs(recipe: Recipe, data: TaskData, folder: Path) -> Exported:
    """Write the graphs, and count the work of an answer."""
    model = _build(recipe, data)
    lengths = encode(model.tokenizer, mixed_texts(data, CALLS), data.task, PADDED).lengths
    reader = Holder(model).reader
    left_out: dict[str, str] = {}
    for name in GRAPHS:
        try:
            if name == "fp32":
                trace(prepare(reader), folder / "fp32.onnx")
            else:
                quantise(folder / "fp32.onnx", folder / f"{name}.onnx", blockwise=name == "int8-blocks")
        except OdzeraError as error:
            left_out |= {one: str(error) for one in (GRAPHS if name == "fp32" else [name])}
    parameters = count_parameters(model.model).total
    return Exported(count_work(model.model, lengths.tolist()), parameters, float(lengths.mean()), left_out)


def serve(runner: Runner, pipe: Connection) -> None:
    """In the process: open the system, then answer questions until killed."""
    texts = mixed_texts(runner.data, runner.texts)
    classify = open_system(runner)
    for text in texts[:3]:
        classify([text], False)
    gc.collect()
    measures: Mapping[str, Callable[[], Any]] = {
        "answers": lambda: classify(texts, True),
        "memory": resident_memory_mb,
        "many": lambda: _time_together(classify, texts),
        "single": lambda: _time_singly(classify, texts),
    }
    while True:
        pipe.send(measures[pipe.recv()]())


def _time_together(classify: Classify, texts: Sequence[tuple[str, ...]]) -> float:
    start = time.perf_counter()
    classify(texts, True)
    return time.perf_counter() - start


def _time_singly(classify: Classify, texts: Sequence[tuple[str, ...]]) -> list[float]:
    taken = []
    # The first call finds cold caches after the other systems' turns.
    classify([texts[0]], False)
    for text in texts[:CALLS]:
        start = time.perf_counter()
        classify([text], False)
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def open_system(runner: Runner) -> Classify:
    """What answers texts as a system does."""
    return _pipeline(runner) if runner.system in PIPELINES else _ours(runner)


def _ours(runner: Runner) -> Classify:
    """Texts to labels as the page does it."""
    if runner.system == "torch":
        model: TextModel = _build(runner.recipe, runner.data)
    else:
        network = GraphNetwork(runner.folder / f"{runner.system}.onnx", runner.threads)
        tokenizer, _ = find_tokenizer(runner.recipe, runner.data)
        model = TextModel(network, tokenizer, runner.data.task, PADDED, ParameterCount(0, 0))
    return lambda texts, _: model.probabilities(texts).argmax(axis=1)


def _pipeline(runner: Runner) -> Classify:
    """Texts to labels as one would otherwise do it."""
    from transformers import PreTrainedModel, pipeline
    from transformers.utils import logging

    # It lists every architecture it knows where it is given another.
    logging.set_verbosity(CRITICAL)
    built = _build(runner.recipe, runner.data)
    model = built.model
    if not isinstance(model, PreTrainedModel):
        model = _wrap(model)
    model.config.id2label = {place: str(place) for place in range(len(runner.data.task.labels))}
    # transformers types a pipeline by its task's name.
    made: Any = pipeline
    ask = made("text-classification", model=model, tokenizer=built.tokenizer, device="cpu")
    names = ("text", "text_pair")
    longest: dict[str, Any] = {"truncation": True, "max_length": PADDED}
    padded = longest | ({"padding": "max_length"} if runner.system == "pipeline-256" else {})

    def classify(texts: Sequence[tuple[str, ...]], together: bool) -> Any:
        rows = [dict(zip(names, text, strict=False)) if len(text) > 1 else text[0] for text in texts]
        if not together:
            return ask(rows[0], **longest)
        answers = ask(rows, batch_size=BATCH, **padded)
        return np.array([int(one["label"]) for one in answers])

    return classify


def _wrap(classifier: Any) -> Any:
    """A classifier as a model of transformers, which its pipeline takes alone."""
    from transformers import PreTrainedModel

    class Wrapped(PreTrainedModel):
        config_class = type(classifier.config)
        _supports_sdpa = True

        def __init__(self, inner: Any) -> None:
            super().__init__(inner.config)
            self.inner = inner

        def forward(
            self, input_ids: Any = None, attention_mask: Any = None, token_type_ids: Any = None, **more: Any
        ) -> Any:
            types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            return self.inner(input_ids=input_ids, attention_mask=attention_mask, **types)

    return Wrapped(classifier)
