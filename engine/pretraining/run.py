"""Pretraining from files to a model folder: tokenizer, corpus, training, held-out figures, sample, card."""

import dataclasses
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from engine import __version__
from engine.data.tasks import TASKS
from engine.data.texts import TextSource, digest_of_files
from engine.data.tokens import train_tokenizer
from engine.errors import RecipeError
from engine.machine import describe_machine, now, peak_memory_mb, reset_peak_memory
from engine.models.backbone_files import digest_of_weights
from engine.models.backbones import BACKBONES
from engine.models.language_model import make_language_model, open_language_model
from engine.paths import find_pretrained
from engine.pretraining.card import write_card
from engine.pretraining.corpus import Corpus, encode_corpus, texts_to_leave_out, training_text
from engine.pretraining.loop import PretrainConfig, Progress, held_out_losses, pretrain
from engine.training.build import choose_device
from engine.training.loop import choose_precision

FACTS = "pretraining.json"
MILESTONE = "at-"
"""Before the number of tokens seen, in the name of a folder with the model as it was by then."""
PROMPTS = ("wczoraj wieczorem", "w tym hotelu", "posłowie przyjęli")
SAMPLE_TOKENS = 40


@dataclass(frozen=True)
class PretrainRequest:
    """What to pretrain, on what, and where to keep it."""

    name: str
    sources: tuple[TextSource, ...]
    config: PretrainConfig
    checkpoints: Path
    training: Path
    device: str = "auto"
    start: Path | None = None
    """Folder of the model to go on from; its tokenizer and shape are kept."""
    leave_out: tuple[Path, ...] = ()
    """Files whose texts must not be trained on."""
    column: str = ""
    licence: str = ""
    """Licence of the text, for the card."""

    def __post_init__(self) -> None:
        """Check the name, as it becomes a folder.

        Raises:
            RecipeError: It isn't a plain word, or belongs to a task or to another model.
        """
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,80}", self.name) or self.name in TASKS:
            raise RecipeError(f"NAME takes letters, digits and . _ + -, and is no task's; not '{self.name}'.")
        if self.name in BACKBONES and (not BACKBONES[self.name].bundled or find_pretrained(self.name)):
            raise RecipeError(
                f"{self.name} is the name of a backbone that comes with the program. Choose another name."
            )
        if self.folder.exists():
            raise RecipeError(f"There is a model {self.name} already, in {self.folder}. Choose another name.")

    @property
    def folder(self) -> Path:
        """Where the model goes."""
        return self.checkpoints / self.name

    @property
    def work(self) -> Path:
        """Where the run keeps its tokens and its state; the same settings on the same files share it.

        How long it may take doesn't count: an hour today and an hour tomorrow are one run.
        """
        settings = dataclasses.asdict(self.config) | {"minutes": None, "save_seconds": None}
        parts = [
            json.dumps(settings, sort_keys=True),
            digest_of_files(self.sources),
            digest_of_weights(self.start) if self.start else "",
            *(hashlib.sha256(path.read_bytes()).hexdigest() for path in self.leave_out if path.is_file()),
            __version__,
        ]
        return self.training / f"pretrain-{self.name}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Preparing:
    """Something is done before training: `done` of `total`, which is 0 where it isn't known."""

    what: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Pretrained:
    """The end: the model's folder and everything that was measured."""

    folder: Path
    facts: Mapping[str, Any]


def run_pretraining(
    request: PretrainRequest,
    tick: Callable[[int, int], None] | None = None,
    tell: Callable[[Preparing], None] = lambda _: None,
) -> Iterator[Progress | Pretrained]:
    """Train a tokenizer (or take that of `start`), encode, train, measure, and write the model's folder.

    Killed and called again, it goes on from its last saved state.

    Args:
        request: What to do.
        tick: Called after each step with steps done and steps there are.
        tell: Called with what is being prepared.

    Yields:
        `Progress` while it trains, then `Pretrained`.

    Raises:
        DataError: The text can't be read, or is too little.
        RecipeError: The settings or the device won't do, or another process works on the same.
    """
    device = torch.device(choose_device(request.device))
    work = request.work
    with _alone(work, request.name):
        ready = _prepare(request, device, work, tell)
        model, tokenizer, corpus = ready.model, ready.tokenizer, ready.corpus
        reset_peak_memory(device)
        log = _Log(work / "log.jsonl")
        trained = False
        for progress in pretrain(
            model,
            corpus,
            ready.config,
            device=device,
            precision=ready.precision,
            state_file=work / "state.safetensors",
            tick=tick,
        ):
            log.add(progress)
            if progress.average and not progress.is_over:
                _write_model(work / f"{MILESTONE}{progress.tokens}", model, tokenizer, progress.average)
            trained = True
            yield progress
        tell(Preparing("measuring on held-out text"))
        _round_to_half(model)
        facts = _describe(request, ready, work, log.read(), trained)
        _publish(request, model, tokenizer, facts, work)
    yield Pretrained(request.folder, facts)


@dataclass(frozen=True)
class _Ready:
    """Everything that training needs, made from the request or found from an earlier process."""

    config: PretrainConfig
    model: Any
    tokenizer: Any
    corpus: Corpus
    precision: torch.dtype
    before: Mapping[str, float]
    """Held-out losses of the model that is gone on from."""


def _prepare(request: PretrainRequest, device: torch.device, work: Path, tell: Callable[[Preparing], None]) -> _Ready:
    """Clean the folder of work, and make tokenizer, model and corpus."""
    for left in work.glob("*.tmp"):
        # A save that was killed.
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    left_out = texts_to_leave_out(request.leave_out, request.column)
    torch.manual_seed(request.config.seed)
    if request.start:
        model, tokenizer = open_language_model(request.start)
    else:
        tokenizer = _tokenizer(request, left_out, work, tell)
        model = make_language_model(request.config.shape, tokenizer)
    config = _as_it_is(request.config, model, tokenizer)
    corpus = encode_corpus(
        request.sources, tokenizer, work, left_out, lambda what, done, total: tell(Preparing(what, done, total))
    )
    precision = choose_precision(config.precision, device)
    before = _held_out_before(request, model.to(device), corpus, config, precision, work, tell)
    return _Ready(config, model, tokenizer, corpus, precision, before)


def _describe(
    request: PretrainRequest, ready: _Ready, work: Path, events: list[dict[str, Any]], trained: bool
) -> dict[str, Any]:
    """The facts of a trained model: settings, text, cost, figures on held-out text, samples.

    `trained` says whether this process took a step, rather than one before it.
    """
    config, corpus, device = ready.config, ready.corpus, next(ready.model.parameters()).device
    losses = held_out_losses(ready.model, corpus, config.shape.context, torch.float32)
    tokens, seconds = events[-1]["tokens"], events[-1]["seconds"]
    return {
        "name": request.name,
        "run": work.name,
        "from": request.start.name if request.start else "",
        "from_digest": digest_of_weights(request.start) if request.start else "",
        "config": dataclasses.asdict(config),
        "parameters": sum(weight.numel() for weight in ready.model.parameters()),
        "tokens_before": _tokens_before(request.start),
        "tokens_seen": tokens,
        "passes": tokens / len(corpus.train),
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "precision": str(ready.precision).removeprefix("torch."),
        "peak_memory_mb": peak_memory_mb(device) if trained else None,
        "sources": [dataclasses.asdict(source) for source in corpus.sources],
        "left_out": sum(source.left_out for source in corpus.sources),
        "held_out": figures(corpus, losses),
        "held_out_before": figures(corpus, ready.before) if ready.before else {},
        "curve": events,
        "samples": sample(ready.model, ready.tokenizer, config.seed),
        "licence": request.licence,
        "machine": describe_machine(device),
        "created": now(),
        "version": __version__,
    }


def _tokens_before(start: Path | None) -> int:
    """Tokens that the model it goes on from has seen, where that is known."""
    if start is None or not (start / FACTS).is_file():
        return 0
    facts = json.loads((start / FACTS).read_text(encoding="utf-8"))
    return int(facts["tokens_before"] + facts["tokens_seen"])


def _tokenizer(
    request: PretrainRequest, left_out: frozenset[str], work: Path, tell: Callable[[Preparing], None]
) -> Any:
    from transformers import AutoTokenizer

    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        tell(Preparing("training the tokenizer"))
        texts = ((text,) for text in training_text(request.sources, left_out))
        config = request.config
        train_tokenizer(texts, config.shape.vocab_size, config.lowercase).save_pretrained(work / "tokenizer.tmp")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(work / "tokenizer.tmp", folder)
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def _as_it_is(config: PretrainConfig, model: Any, tokenizer: Any) -> PretrainConfig:
    """The settings with the shape and the case of what is really trained: that of `start`, or a smaller vocabulary."""
    own = model.config
    shape = dataclasses.replace(
        config.shape,
        vocab_size=own.vocab_size,
        hidden_size=own.hidden_size,
        num_hidden_layers=own.num_hidden_layers,
        num_attention_heads=own.num_attention_heads,
        context=min(config.shape.context, own.max_position_embeddings),
    )
    normalizer = tokenizer.backend_tokenizer.normalizer
    lowercase = normalizer is not None and normalizer.normalize_str("A") == "a"
    return dataclasses.replace(config, shape=shape, lowercase=lowercase)


def _held_out_before(
    request: PretrainRequest,
    model: Any,
    corpus: Corpus,
    config: PretrainConfig,
    precision: torch.dtype,
    work: Path,
    tell: Callable[[Preparing], None],
) -> dict[str, float]:
    """Held-out losses of the model that is gone on from; kept, since a resumed run has other weights by then."""
    kept = work / "before.json"
    if not request.start:
        return {}
    if not kept.is_file():
        tell(Preparing("measuring the model before"))
        losses = held_out_losses(model, corpus, config.shape.context, precision)
        temporary = kept.with_suffix(".tmp")
        temporary.write_text(json.dumps(losses), encoding="utf-8")
        os.replace(temporary, kept)
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def figures(corpus: Corpus, losses: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Source → loss (nats a token), perplexity, bits a byte (comparable across tokenizers), unigram perplexity."""
    facts = {source.name: source for source in corpus.sources}
    return {
        name: {
            "loss": loss,
            "perplexity": math.exp(loss),
            "bits_per_byte": loss * facts[name].held_out_tokens / facts[name].held_out_bytes / math.log(2),
            "unigram_perplexity": math.exp(corpus.unigram_loss(name)),
        }
        for name, loss in losses.items()
    }


def sample(model: Any, tokenizer: Any, seed: int = 0) -> list[str]:
    """A few words that the model writes after each of our prompts."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    model.eval()
    device = next(model.parameters()).device
    written = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"].to(device)
        ids = ids[:, : model.config.max_position_embeddings // 2]
        room = min(SAMPLE_TOKENS, model.config.max_position_embeddings - ids.shape[1])
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            out = model.generate(
                ids, max_new_tokens=room, do_sample=True, top_p=0.9, temperature=0.8, repetition_penalty=1.2
            )
        written.append(tokenizer.decode(out[0], skip_special_tokens=True).strip())
    return written


def _round_to_half(model: Any) -> None:
    """Round to float16, as it is stored, so that the figures are those of the file."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half().float())


def _write_model(folder: Path, model: Any, tokenizer: Any, weights: Mapping[str, torch.Tensor] | None = None) -> None:
    """Write what `AutoModelForSequenceClassification.from_pretrained` opens: config, float16 weights, tokenizer."""
    from transformers.utils import logging

    # By name and once each: a state dict holds the embedding a second time, as the output's.
    chosen = weights or dict(model.named_parameters())
    halves = {name: tensor.detach().half().cpu() for name, tensor in chosen.items()}
    logging.disable_progress_bar()
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary, state_dict=halves)
    config = json.loads((temporary / "config.json").read_text(encoding="utf-8"))
    (temporary / "config.json").write_text(json.dumps(config | {"dtype": "float16"}, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def _publish(request: PretrainRequest, model: Any, tokenizer: Any, facts: Mapping[str, Any], work: Path) -> None:
    """Put the model with card and figures in its place, whole or not at all."""
    whole = work / "whole"
    _write_model(whole, model, tokenizer)
    size = sum(file.stat().st_size for file in whole.iterdir())
    kept = {**facts, "size_bytes": size, "digest": digest_of_weights(whole)}
    (whole / FACTS).write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (whole / "README.md").write_text(write_card(kept), encoding="utf-8")
    request.checkpoints.mkdir(parents=True, exist_ok=True)
    os.replace(whole, request.folder)


@contextmanager
def _alone(work: Path, name: str) -> Iterator[None]:
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / "lock", timeout=0):
            yield
    except Timeout:
        raise RecipeError(f"{name} is being pretrained on this text by another process.") from None


class _Log:
    """The events of a run, those of earlier processes included; a resumed run writes again what it lost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: dict[int, dict[str, Any]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    # A line cut by a kill; the step is run again.
                    continue
                self.events[event["step"]] = event

    def add(self, progress: Progress) -> None:
        self.events = {step: event for step, event in self.events.items() if step < progress.step}
        event: dict[str, Any] = {
            "step": progress.step,
            "tokens": progress.tokens,
            "loss": round(progress.loss, 4),
            "seconds": round(progress.seconds, 1),
            "tokens_per_second": round(progress.tokens_per_second),
        }
        if progress.held_out:
            event["held_out"] = {name: round(loss, 4) for name, loss in progress.held_out.items()}
        self.events[progress.step] = event
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    def read(self) -> list[dict[str, Any]]:
        return [self.events[step] for step in sorted(self.events)]
