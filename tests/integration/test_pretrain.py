"""Pretraining: it learns, it goes on where it was killed, and what it leaves opens anywhere."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.data.texts import name_sources
from engine.data.tokens import train_tokenizer
from engine.errors import OdzeraError, RecipeError
from engine.machine import one_thread
from engine.models.language_model import LanguageModelConfig, make_language_model, open_language_model
from engine.pretraining.corpus import Corpus, encode_corpus, training_text
from engine.pretraining.loop import PretrainConfig, Progress, pretrain, rate_share
from engine.pretraining.run import Pretrained, PretrainRequest, run_pretraining

SHAPE = LanguageModelConfig(vocab_size=500, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, context=32)
TINY = PretrainConfig(shape=SHAPE, passes=1, batch_size=8, warmup_steps=10, precision="float32", save_seconds=0)

WHO = ("Kot", "Pies", "Sąsiad", "Listonosz", "Kuba", "Ciocia", "Rower", "Tramwaj", "Sklep", "Most")
DOES = ("śpi", "czeka", "stoi", "wraca", "milczy", "marznie", "skrzypi", "znika")
WHERE = ("pod mostem", "przy oknie", "za rogiem", "na dworcu", "w lesie", "obok poczty", "nad rzeką")
WHEN = ("rano", "wieczorem", "w niedzielę", "po deszczu", "zimą", "o świcie")


def small_text(folder: Path, lines: int = 600) -> Path:
    """Sentences of our own with a grammar to learn."""
    generator = random.Random(0)  # noqa: S311
    pick = generator.choice
    file = folder / "zdania.txt"
    file.write_text(
        "\n".join(
            f"{pick(WHO)} {pick(DOES)} {pick(WHERE)} {pick(WHEN)}, bo {pick(WHO).lower()} {pick(DOES)} {pick(WHERE)}."
            for _ in range(lines)
        ),
        encoding="utf-8",
    )
    return file


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """An encoded small text."""
    sources = name_sources([small_text(tmp_path)])
    tokenizer = train_tokenizer(((text,) for text in training_text(sources)), 500, lowercase=True)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    return encode_corpus(sources, tokenizer, tmp_path / "corpus")


def fresh(folder: Path, seed: int = 0) -> object:
    """A model with the weights of `seed`."""
    from transformers import AutoTokenizer

    torch.manual_seed(seed)
    return make_language_model(SHAPE, AutoTokenizer.from_pretrained(folder / "tokenizer"))


def run(model: object, corpus: Corpus, config: PretrainConfig, state: Path) -> list[Progress]:
    """Pretrain on the CPU to the end."""
    with one_thread():
        return _run(model, corpus, config, state)


def _run(model: object, corpus: Corpus, config: PretrainConfig, state: Path) -> list[Progress]:
    return list(
        pretrain(
            model,
            corpus,
            config,
            device=torch.device("cpu"),
            precision=torch.float32,
            state_file=state,
        )
    )


def request_for(
    text: Path, folder: Path, name: str = "mini", config: PretrainConfig = TINY, **more: object
) -> PretrainRequest:
    """A request that keeps everything under `folder`."""
    return PretrainRequest(
        name,
        tuple(name_sources([text])),
        config,
        folder / "checkpoints",
        folder / "checkpoints" / ".training",
        "cpu",
        **more,  # type: ignore[arg-type]
    )


def pretrained(request: PretrainRequest) -> Pretrained:
    """Run it to its end."""
    with one_thread():
        *_, end = run_pretraining(request)
    assert isinstance(end, Pretrained)
    return end


def weights_of(model: object) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}  # type: ignore[attr-defined]


class Clock:
    """A clock for the loop: each look at it is so many seconds later, however busy the machine is."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.now = 0.0
        self.seconds = seconds

    def perf_counter(self) -> float:
        self.now += self.seconds
        return self.now


@pytest.fixture
def _own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.pretraining.loop.time", Clock())


def test_a_few_passes_bring_held_out_loss_below_the_unigram_models(corpus: Corpus, tmp_path: Path) -> None:
    config = PretrainConfig(shape=SHAPE, passes=8, batch_size=8, warmup_steps=10, precision="float32")
    *_, last = run(fresh(tmp_path), corpus, config, tmp_path / "state.safetensors")
    assert last.held_out["zdania"] < 0.6 * corpus.unigram_loss("zdania")


def test_a_run_stopped_at_any_step_ends_as_an_unbroken_one(corpus: Corpus, tmp_path: Path) -> None:
    unbroken = fresh(tmp_path)
    events = run(unbroken, corpus, TINY, tmp_path / "unbroken.safetensors")
    broken = fresh(tmp_path)
    state = tmp_path / "broken.safetensors"
    events_of = {"device": torch.device("cpu"), "precision": torch.float32, "state_file": state}
    with one_thread():
        run_of = pretrain(broken, corpus, TINY, **events_of)  # type: ignore[arg-type]
        progress = next(run_of)
        # The state is saved after its event was handed out, so the next one is asked for, and lost.
        next(run_of)
    assert progress.step == 25 < events[-1].step
    # Other weights to begin with: all that counts must come from the state.
    again = fresh(tmp_path, seed=7)
    more = run(again, corpus, TINY, state)
    assert more[0].step > 25
    for name, weight in weights_of(unbroken).items():
        assert torch.equal(weight, weights_of(again)[name]), name
    assert more[-1].held_out == events[-1].held_out


def test_a_run_that_is_over_is_over_at_once_with_the_same_weights(corpus: Corpus, tmp_path: Path) -> None:
    first = fresh(tmp_path)
    run(first, corpus, TINY, tmp_path / "state.safetensors")
    second = fresh(tmp_path, seed=7)
    assert run(second, corpus, TINY, tmp_path / "state.safetensors") == []
    for name, weight in weights_of(first).items():
        assert torch.equal(weight, weights_of(second)[name]), name


def test_a_damaged_state_begins_anew(corpus: Corpus, tmp_path: Path) -> None:
    state = tmp_path / "state.safetensors"
    state.write_bytes(b"not a state")
    assert run(fresh(tmp_path), corpus, TINY, state)[0].step <= 25


@pytest.mark.usefixtures("_own_clock")
def test_minutes_end_the_run_in_time_and_with_its_cooldown(corpus: Corpus, tmp_path: Path) -> None:
    config = PretrainConfig(shape=SHAPE, passes=10_000, minutes=0.05, batch_size=8, warmup_steps=5, precision="float32")
    *_, last = run(fresh(tmp_path), corpus, config, tmp_path / "state.safetensors")
    assert last.is_over
    assert last.seconds == pytest.approx(3, abs=0.2)
    assert last.lr < 0.1 * config.lr


def test_the_rate_rises_stays_and_falls() -> None:
    config = PretrainConfig(warmup_steps=10, cooldown=0.2)
    shares = [rate_share(step, 100, config) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[10:80] == [1.0] * 70
    assert shares[90] == pytest.approx(0.5)
    assert shares[-1] == pytest.approx(0.05)


def test_a_rate_that_is_too_large_is_one_line(corpus: Corpus, tmp_path: Path) -> None:
    config = PretrainConfig(
        shape=SHAPE, passes=5, lr=0.99, clip=1e9, batch_size=8, warmup_steps=0, optimizer="adamw", precision="float32"
    )
    model = fresh(tmp_path)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(1e30)  # type: ignore[attr-defined]
    with pytest.raises(OdzeraError, match=r"^The loss is not a number after \d+ steps: lr 0\.99 is too large here\.$"):
        run(model, corpus, config, tmp_path / "state.safetensors")


def test_text_shorter_than_one_sequence_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    short = Corpus(corpus.train[:20], corpus.held_out, corpus.sources, corpus.vocab_size)
    with pytest.raises(RecipeError, match=r"^The text has 20 tokens: less than one sequence of 32\.$"):
        run(fresh(tmp_path), short, TINY, tmp_path / "state.safetensors")


def test_the_folder_opens_as_a_classifier_and_says_what_it_is(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    end = pretrained(request_for(small_text(tmp_path), tmp_path, licence="CC0"))
    model = AutoModelForSequenceClassification.from_pretrained(end.folder, num_labels=3)
    assert (model.config.model_type, model.config.num_labels) == ("gpt2", 3)
    tokenizer = AutoTokenizer.from_pretrained(end.folder)
    assert tokenizer.decode(tokenizer("Kot śpi.")["input_ids"]).strip() == "kot śpi.<eos>"
    stored = load_file(end.folder / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float16}
    assert sum(weight.numel() for weight in stored.values()) == end.facts["parameters"]
    facts = json.loads((end.folder / "pretraining.json").read_text(encoding="utf-8"))
    figures = facts["held_out"]["zdania"]
    assert figures["perplexity"] < figures["unigram_perplexity"]
    assert facts["tokens_seen"] == facts["curve"][-1]["tokens"] > 0
    assert len(facts["samples"]) == 3
    card = (end.folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage: pl\n")
    assert facts["config"]["shape"]["vocab_size"] == model.config.vocab_size
    for said in ("CC0", "zdania", f"{figures['perplexity']:.1f}", f"{facts['parameters']:,}", "Limits", "lower case"):
        assert said in card
    assert str(tmp_path) not in card + json.dumps(facts)


def test_going_on_keeps_tokenizer_and_shape_and_helps_on_the_new_text(tmp_path: Path) -> None:
    first = pretrained(request_for(small_text(tmp_path), tmp_path))
    other = tmp_path / "recenzje.txt"
    other.write_text("\n".join(f"Hotel {n % 9} był czysty, a śniadanie {n % 5} pyszne." for n in range(300)), "utf-8")
    second = pretrained(request_for(other, tmp_path, "mini-hotele", start=first.folder))
    assert second.facts["from"] == "mini"
    assert second.facts["tokens_before"] == first.facts["tokens_seen"]
    before, after = second.facts["held_out_before"]["recenzje"], second.facts["held_out"]["recenzje"]
    assert after["perplexity"] < before["perplexity"]
    one, two = open_language_model(first.folder), open_language_model(second.folder)
    assert one[1].get_vocab() == two[1].get_vocab()
    assert one[0].config.n_embd == two[0].config.n_embd
    assert "goes on from mini" in (second.folder / "README.md").read_text(encoding="utf-8")


def test_a_model_is_never_written_over(tmp_path: Path) -> None:
    text = small_text(tmp_path)
    (tmp_path / "checkpoints" / "mini").mkdir(parents=True)
    with pytest.raises(RecipeError, match=r"^There is a model mini already, in [^\n]+\. Choose another name\.$"):
        request_for(text, tmp_path)


def test_the_name_of_a_backbone_is_not_given_to_another_model(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"^minilm is the name of a backbone that comes with the program\."):
        request_for(small_text(tmp_path), tmp_path, "minilm")


@pytest.mark.usefixtures("_own_clock")
def test_more_minutes_go_on_and_too_few_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    state = tmp_path / "state.safetensors"
    config = dataclasses.replace(TINY, passes=10_000, minutes=60)
    with one_thread():
        run_of = pretrain(
            fresh(tmp_path), corpus, config, device=torch.device("cpu"), precision=torch.float32, state_file=state
        )
        for _ in range(3):
            event = next(run_of)
    short = dataclasses.replace(config, minutes=event.seconds / 60 / 2)
    with pytest.raises(RecipeError, match=r"^This run has trained for [\d.]+ minutes; [^\n]+ --minutes \d+\.$"):
        run(fresh(tmp_path), corpus, short, state)
    longer = dataclasses.replace(config, minutes=event.seconds / 60 + 0.03)
    *_, last = run(fresh(tmp_path), corpus, longer, state)
    assert last.step > event.step
    assert last.lr < 0.1 * config.lr


def test_a_model_of_another_kind_cant_be_gone_on_from(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    train_tokenizer([("Ala ma kota.",)] * 9, 300).save_pretrained(tmp_path / "bert")
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForMaskedLM(BertConfig(vocab_size=300, **shape)).save_pretrained(tmp_path / "bert")
    with pytest.raises(RecipeError, match=r"^bert can't be gone on from: it takes a model of GPT-2's shape"):
        open_language_model(tmp_path / "bert")


@pytest.mark.parametrize("name", ["slang", "nli", "../out", "", "a b", ".hidden"])
def test_a_name_that_isnt_a_plain_word_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match=r"^NAME takes letters"):
        request_for(small_text(tmp_path), tmp_path, name)


@pytest.mark.parametrize(
    "changes",
    [{"passes": 0}, {"minutes": 0}, {"optimizer": "sgd"}, {"lr": 2}, {"cooldown": 1.0}, {"precision": "int8"}],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=rf"^Pretraining: {next(iter(changes))} can't be "):
        PretrainConfig(**changes)  # type: ignore[arg-type]


def command(text: Path, *more: str) -> list[str]:
    """The command line for a small model."""
    shape = ("vocab_size=500", "hidden_size=32", "num_hidden_layers=2", "num_attention_heads=2", "context=32")
    changes = [part for one in shape for part in ("--set", f"shape.{one}")]
    return [sys.executable, "-m", "engine", "pretrain", "mini", "--text", str(text), *changes, *more]


@pytest.mark.slow
def test_the_command_shows_perplexity_and_a_sample(tmp_path: Path) -> None:
    text = small_text(tmp_path)
    environment = {**os.environ, "ODZERA_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command(text, str(tmp_path / "zdania2.txt"), "--passes", "1"), capture_output=True, text=True, env=environment
    )
    assert done.returncode == 2
    assert "There is no file" in done.stderr
    done = subprocess.run(command(text, "--except", str(text), str(text)), capture_output=True, text=True)
    assert done.returncode == 2
    assert "every file takes a --text or an --except of its own" in done.stderr
    done = subprocess.run(command(text, "--passes", "1"), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "perplexity" in done.stdout
    assert "> wczoraj wieczorem" in done.stdout
    assert "tokens/s" in done.stderr
    assert (tmp_path / "home" / "checkpoints" / "mini" / "config.json").is_file()


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    text = small_text(tmp_path, lines=3000)
    more = ("--passes", "6", "--set", "batch_size=8", "--set", "save_seconds=0.2", "--set", "precision=float32")
    homes = {name: tmp_path / name for name in ("unbroken", "killed")}
    environments = {
        name: {**os.environ, "ODZERA_HOME": str(home), "OMP_NUM_THREADS": "1"} for name, home in homes.items()
    }
    subprocess.run(command(text, *more), check=True, capture_output=True, env=environments["unbroken"])
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(
            command(text, *more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environments["killed"],
            start_new_session=True,
        )
        deadline = time.monotonic() + 240
        states = homes["killed"] / "checkpoints" / ".training"
        before = _newest(states)
        while process.poll() is None and time.monotonic() < deadline and _newest(states) == before:
            time.sleep(0.05)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2
    subprocess.run(command(text, *more), check=True, capture_output=True, env=environments["killed"])
    files = [home / "checkpoints" / "mini" / "model.safetensors" for home in homes.values()]
    assert files[0].read_bytes() == files[1].read_bytes()
    facts = [json.loads(file.with_name("pretraining.json").read_text(encoding="utf-8")) for file in files]
    assert [event["step"] for event in facts[0]["curve"]] == [event["step"] for event in facts[1]["curve"]]


def _newest(folder: Path) -> float:
    return max((file.stat().st_mtime for file in folder.glob("pretrain-*/state.safetensors")), default=0.0)
