"""The settings of several runs beside each other, marked where they differ."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from engine.results.learning import LearningRun
from gradio_app.languages import Language, message
from gradio_app.views.charts.svg import render_key
from gradio_app.views.parts import render_empty, render_row, render_table
from gradio_app.views.units import MISSING, setting

SETTINGS: Mapping[str, str] = {
    "kind": message("kind"),
    "baseline": message("baseline"),
    "baseline_weight": message("weight of the baseline"),
    "unlabelled": message("text for word vectors, beside the train split"),
    "backbone": message("backbone"),
    "random_weights": message("random weights"),
    "method.kind": message("what is trained"),
    "method.blocks": message("blocks trained"),
    "method.train_final_norm": message("final norm trained"),
    "method.rank": message("rank of the adapters"),
    "method.alpha": message("alpha of the adapters"),
    "method.dropout": message("dropout of the adapters"),
    "method.targets": message("modules adapted"),
    "method.prompt_tokens": message("vectors before the text"),
    "head.kind": message("head"),
    "head.width": message("width of the head"),
    "head.dropout": message("dropout of the head"),
    "head.pooling": message("pooling"),
    "decoder.input": message("read as"),
    "decoder.vocab_size": message("vocabulary"),
    "decoder.vectors": message("width of the frozen word vectors"),
    "decoder.vector_words": message("words with a frozen vector, at most"),
    "decoder.hidden_size": message("width"),
    "decoder.num_hidden_layers": message("blocks"),
    "decoder.num_attention_heads": message("attention heads"),
    "decoder.intermediate_size": message("width of the feed-forward layers"),
    "decoder.max_position_embeddings": message("positions"),
    "decoder.dropout": message("dropout"),
    "decoder.embedding_dropout": message("dropout of whole tokens"),
    "decoder.attention_bias": message("biases in attention"),
    "decoder.final_norm": message("final norm"),
    "decoder.pooling": message("pooling"),
    "decoder.head": message("head"),
    "lowercase": message("case folded"),
    "epochs": message("epochs, at most"),
    "batch_size": message("batch size"),
    "accumulation": message("batches a step"),
    "lr": message("learning rate"),
    "head_lr": message("learning rate of the head"),
    "weight_decay": message("weight decay"),
    "warmup": message("warm-up, share of the steps"),
    "schedule": message("schedule of the rate"),
    "schedule_per_epoch": message("rate moves once an epoch"),
    "clip": message("largest norm of the gradient"),
    "label_smoothing": message("label smoothing"),
    "r_drop": message("weight of R-Drop"),
    "class_weights": message("classes weighted"),
    "oversample": message("rarer classes repeated"),
    "tune_thresholds": message("thresholds tuned"),
    "gradient_checkpointing": message("gradient checkpointing"),
    "patience": message("patience, epochs"),
    "max_minutes": message("time limit, minutes"),
    "max_length": message("longest input, tokens"),
    "precision": message("precision"),
    "select_on": message("epoch chosen on"),
    "seed": message("seed"),
}
"""Setting, as `--set` takes it, and what it is in words, in the order in which they are shown."""
ABSENT: Any = object()
"""Stands for a setting without a part in a run."""


def render_settings(say: Language, runs: Sequence[LearningRun], differing: bool = False) -> str:
    """Every setting that had a part in a run, one column a run, with the rows marked where they differ.

    Args:
        say: The page's language.
        runs: Those chosen.
        differing: Whether to leave out the rows where all are the same.
    """
    if not runs:
        return render_empty(say("Choose a model, and its settings stand here."))
    there = {name for run in runs for name in run.settings}
    rows = []
    for name in [*(name for name in SETTINGS if name in there), *sorted(there - set(SETTINGS))]:
        values = [run.settings.get(name, ABSENT) for run in runs]
        differs = any(value != values[0] for value in values)
        if differs or not differing:
            head, style = _head(say, name, differs), "oz-unlike-row" if differs else ""
            rows.append(render_row(head, [_write(say, value) for value in values], style))
    if not rows:
        return render_empty(say("These runs have the same settings throughout."))
    heads = [say("setting"), *(render_key(place, run.name) for place, run in enumerate(runs))]
    note = say(
        "Δ marks settings that differ; a dash is a setting without a part in that run. Defaults are shown as they held."
    )
    table = render_table(say("Hyperparameters"), heads, rows, "oz-curve oz-settings", "oz-settings-frame")
    return f'{table}<p class="oz-note">{note}</p>'


def _head(say: Language, name: str, differs: bool) -> str:
    sign = f'<span class="oz-unlike" title="{say("they differ")}">Δ</span> ' if differs else ""
    words = say(SETTINGS[name]) if name in SETTINGS else escape(name)
    return f"{sign}{words}<small><code>{escape(name)}</code></small>"


def _write(say: Language, value: Any) -> str:
    if value is ABSENT:
        return MISSING
    if value is None:
        return say("none")
    if value == "":
        return say("default")
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, int | float):
        return setting(say, value)
    return escape(str(value))
