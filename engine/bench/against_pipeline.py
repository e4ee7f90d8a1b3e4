"""Answers raced against `transformers.pipeline`: the same weights and texts, each system in a process of its own."""

import gc
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from logging import CRITICAL
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import __version__
from engine.bench.roofline import Machine, count_work, measure_machine
from engine.data.sources import TaskData
from engine.data.tokens import encode
from engine.errors import OdzeraError, RecipeError
from engine.hub import client
from engine.machine import describe_machine, now, resident_memory_mb
from engine.models.methods import ParameterCount, count_parameters
from engine.models.onnx_graphs import GraphNetwork, prepare, quantise, trace
from engine.processes import run_all
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
"""What is raced, and what it is called."""
PUBLISHED = {
    "scratch-3m4": {"ms": 1.09, "hardware": "their authors' GPU"},
    "gpt2-last1": {"ms": 39.45, "hardware": "their authors' GPU"},
}
RACED = ("scratch-3m4", "minilm-full", "gpt2-last1", "mbert-full")
CALLS = 12
"""Single texts a turn."""
BATCH = 32
PADDED = 256
"""Tokens that the published systems pad every text to; none of them cuts a text of these data."""


@dataclass(frozen=True)
class RaceRequest:
    """What to race."""

    recipes: Sequence[Recipe]
    data: TaskData
    threads: int
    rounds: int = 5
    texts: int = 128
    """Texts of mixed lengths in a turn of throughput."""


@dataclass(frozen=True)
class _Runner:
    """One system with one model, in its process."""

    recipe: Recipe
    data: TaskData
    system: str
    folder: Path
    threads: int
    texts: int


def race_classifiers(request: RaceRequest, tick: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Time every system on every recipe, in turns.

    Weights are random, the same in all systems of a recipe; they change neither time nor memory. Whether 8 bits would
    serve a trained model is decided by its answers, see `engine.serving.exports`.

    Args:
        request: What to race.
        tick: Called with the recipes done and those there are.

    Returns:
        Plain values: `machine`, `floor`, and `rows`, one a recipe and system.

    Raises:
        RecipeError: A recipe has no network.
    """
    for recipe in request.recipes:
        if recipe.kind in ("baseline", "frozen"):
            raise RecipeError(f"{recipe.name} can't be raced; name a scratch or pretrained recipe.")
    ((_, floor),) = run_all(measure_machine, [(request.threads,)], workers=1)
    rows: list[dict[str, Any]] = []
    for done, recipe in enumerate(request.recipes, start=1):
        with tempfile.TemporaryDirectory() as folder:
            ((_, told),) = run_all(_export, [(recipe, request.data, Path(folder))], workers=1)
            rows += _race(recipe, request, Path(folder), told, floor)
        if tick:
            tick(done, len(request.recipes))
    return {
        "task": request.data.task.name,
        "source": request.data.source,
        "fingerprint": request.data.fingerprint,
        "rounds": request.rounds,
        "texts": request.texts,
        "machine": describe_machine(torch.device("cpu")) | {"threads": request.threads},
        "created": now(),
        "version": __version__,
        "floor": asdict(floor),
        "systems": SYSTEMS,
        "rows": rows,
    }


def _race(
    recipe: Recipe, request: RaceRequest, folder: Path, told: Mapping[str, Any], floor: Machine
) -> list[dict[str, Any]]:
    systems = [name for name in SYSTEMS if name not in told["left_out"]]
    single: dict[str, list[float]] = {name: [] for name in systems}
    many: dict[str, list[float]] = {name: [] for name in systems}
    memory: dict[str, float] = {}
    answers: dict[str, Any] = {}
    with ExitStack() as stack:
        asked = {
            name: stack.enter_context(
                _process(_Runner(recipe, request.data, name, folder, request.threads, request.texts))
            )
            for name in systems
        }
        for name, ask in asked.items():
            answers[name] = ask("answers")
        for turn in range(request.rounds):
            for name in systems[:: -1 if turn % 2 else 1]:
                single[name] += asked[name]("single")
                many[name].append(asked[name]("many"))
        for name, ask in asked.items():
            memory[name] = ask("memory")
    # One text is the same call in both pipelines, so the faster of their medians is what has to be beaten.
    usual = min(statistics.median(single[name]) for name in PIPELINES)
    rows = []
    for name in systems:
        p50, p95 = np.percentile(single[name], (50, 95))
        least = floor.floor_ms(told["work"], name.startswith("int8"))
        per_second = request.texts / statistics.median(many[name])
        rows.append(
            {
                "recipe": recipe.name,
                "parameters": told["parameters"],
                "system": name,
                "p50_ms": float(p50),
                "p95_ms": float(p95),
                "texts_per_second": per_second,
                "memory_mb": memory[name],
                "times_pipeline": usual / float(p50),
                "times_padded": per_second * statistics.median(many["pipeline-256"]) / request.texts,
                "floor_ms": least,
                "times_floor": float(p50) / least,
                "same_labels": float((answers[name] == answers["pipeline"]).mean()),
                "mean_tokens": told["mean_tokens"],
                "published": PUBLISHED.get(recipe.name),
            }
        )
    return rows


def _build(recipe: Recipe, data: TaskData) -> NeuralModel:
    """The recipe's model with random weights, the same in every process, and a tokenizer that fits its vocabulary."""
    from engine.models.pretrained import Opened

    model = build_random(recipe, data.task.is_pair, len(data.task.labels), torch.device("cpu")).eval()
    tokenizer, _ = find_tokenizer(recipe, data)
    model.config.pad_token_id = tokenizer.pad_token_id
    return NeuralModel(Opened(model, tokenizer), data.task, PADDED)


def _texts(data: TaskData, number: int) -> list[tuple[str, ...]]:
    """Texts of the test split, mixed by their lengths as they come, each as often as the others."""
    texts = data.texts("test")
    return [texts[place % len(texts)] for place in range(number)]


def _export(recipe: Recipe, data: TaskData, folder: Path) -> dict[str, Any]:
    """Write the graphs, and count the work of an answer."""
    model = _build(recipe, data)
    lengths = encode(model.tokenizer, _texts(data, CALLS), data.task, PADDED).lengths
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
    return {
        "work": count_work(model.model, lengths.tolist()),
        "parameters": count_parameters(model.model).total,
        "mean_tokens": float(lengths.mean()),
        "left_out": left_out,
    }


@contextmanager
def _process(runner: _Runner) -> Iterator[Callable[[str], Any]]:
    """Start a runner's process; what is yielded asks it and waits for its answer."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(runner, theirs), daemon=True)
    process.start()
    theirs.close()

    def ask(what: str) -> Any:
        try:
            ours.send(what)
            return ours.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            process.join()
            raise OdzeraError(f"{runner.recipe.name} in {SYSTEMS[runner.system]} ended by itself.") from None

    try:
        yield ask
    finally:
        process.kill()
        process.join()


def _serve(runner: _Runner, pipe: Connection) -> None:
    """In the process: open the system, then answer questions until killed."""
    client.be_quiet()
    torch.set_num_threads(runner.threads)
    texts = _texts(runner.data, runner.texts)
    classify = _pipeline(runner) if runner.system in PIPELINES else _ours(runner)
    for text in texts[:3]:
        classify([text], False)
    gc.collect()
    while True:
        what = pipe.recv()
        if what == "answers":
            pipe.send(classify(texts, True))
        elif what == "memory":
            pipe.send(resident_memory_mb())
        elif what == "many":
            start = time.perf_counter()
            classify(texts, True)
            pipe.send(time.perf_counter() - start)
        else:
            taken = []
            # The first call finds cold caches after the other systems' turns.
            classify([texts[0]], False)
            for text in texts[:CALLS]:
                start = time.perf_counter()
                classify([text], False)
                taken.append((time.perf_counter() - start) * 1000)
            pipe.send(taken)


Classify = Callable[[Sequence[tuple[str, ...]], bool], Any]


def _ours(runner: _Runner) -> Classify:
    """Texts to labels as the page does it."""
    if runner.system == "torch":
        model: TextModel = _build(runner.recipe, runner.data)
    else:
        network = GraphNetwork(runner.folder / f"{runner.system}.onnx", runner.threads)
        tokenizer, _ = find_tokenizer(runner.recipe, runner.data)
        model = TextModel(network, tokenizer, runner.data.task, PADDED, ParameterCount(0, 0))
    return lambda texts, _: model.probabilities(texts).argmax(axis=1)


def _pipeline(runner: _Runner) -> Classify:
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
