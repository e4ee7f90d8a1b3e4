"""A model card tells what a model learnt from, how well it does, what it cost, and what it isn't for."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.data.tasks import Task, get_task
from engine.data.word_tokens import FILE as WORD_TOKENIZER
from engine.evaluation.metrics import interval_of
from engine.experiments.foundations import of_checkpoint
from engine.sharing.model_folder import BASE, Base, ModelFolder, hub_backbone
from engine.training.checkpoints import Checkpoint

FIGURES: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "mcc": "Matthews correlation",
    "loss": "Loss",
}
LICENCES: Mapping[str, str] = {
    "CC0": "cc0-1.0",
    "MIT": "mit",
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC BY-NC 4.0": "cc-by-nc-4.0",
    "Apache 2.0": "apache-2.0",
}
"""Names as people write them → as the Hub does."""
EXAMPLES: Mapping[str, Sequence[Sequence[str]]] = {
    "slang": (["ale kozak, serio", "no i znowu lipa, autobus uciekł"],),
    "nli": (
        ["The shop opens at six.", "Nobody was in the library."],
        ["It is open at seven.", "The library was empty."],
    ),
}
"""Texts of the example in the card, a list for each column."""


def write_model_card(
    checkpoint: Checkpoint, repo_id: str, made: ModelFolder, comparison: Mapping[str, Any] | None
) -> str:
    """A model card in Markdown, with the front matter that the Hub reads.

    Args:
        checkpoint: The model.
        repo_id: `owner/name` of its repository.
        made: Its files.
        comparison: What `compare_models` says of all models trained on the same data.
    """
    task = get_task(checkpoint.task)
    lines = [
        *_front_matter(checkpoint, task, made),
        *_what_it_is(checkpoint, task),
        *_how_to_use(checkpoint, task, repo_id, made),
        *_data(checkpoint, task),
        *_figures(checkpoint, task),
        *_beside(checkpoint, comparison),
        *_cost(checkpoint),
        *_limits(checkpoint, task),
    ]
    return "\n".join(lines) + "\n"


def _front_matter(checkpoint: Checkpoint, task: Task, made: ModelFolder) -> list[str]:
    data, test = checkpoint.manifest["data"], checkpoint.manifest["run"]["record"]["scores"]["test"]
    licence = str(data.get("licence") or "")
    known = LICENCES.get(licence)
    settings: dict[str, Any] = {
        "language": list(task.languages),
        "library_name": "peft" if made.adapter else "transformers",
        "pipeline_tag": "text-classification",
        "license": known or "other",
    }
    if known is None:
        settings["license_name"] = "as-the-training-data"
    backbone = hub_backbone(checkpoint)
    if backbone and not checkpoint.recipe.random_weights:
        settings["base_model"] = backbone
        settings["base_model_relation"] = "adapter" if made.adapter else "finetune"
    on_hub = re.match(r"hub:([^@]+)", str(data["source"]))
    if on_hub:
        settings["datasets"] = [on_hub[1]]
    settings["tags"] = ["odzera", task.name, checkpoint.recipe.kind]
    dataset = {
        "name": data["source"],
        "type": on_hub[1] if on_hub else f"odzera-{checkpoint.fingerprint}",
        "split": "test",
    }
    metrics = [
        {"type": kind, "name": FIGURES[kind], "value": round(test[kind], 4)} for kind in ("accuracy", "macro_f1")
    ]
    result = {"task": {"type": "text-classification", "name": task.title}, "dataset": dataset, "metrics": metrics}
    settings["model-index"] = [{"name": checkpoint.name, "results": [result]}]
    # JSON's strings and lists are YAML's, too, whatever stands in them.
    return ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()), "---", ""]


def _what_it_is(checkpoint: Checkpoint, task: Task) -> list[str]:
    recipe, record = checkpoint.recipe, checkpoint.manifest["run"]["record"]
    total, trained = record["parameters"]["total"], record["parameters"]["trained"]
    size = f"{total:,} parameters" if total == trained else f"{total:,} parameters, {trained:,} of them trained"
    inputs = " and a ".join(task.text_columns)
    return [
        f"# {checkpoint.name}",
        "",
        f"{recipe.summary}. It reads a {inputs} and says one of {len(task.labels)} labels: "
        f"{', '.join(f'`{label}`' for label in task.labels)}.",
        "",
        f"{task.title}. {size}. Trained with Odzera, which compares small text classifiers from scratch with adapted",
        "pretrained ones.",
        "",
    ]


def _how_to_use(checkpoint: Checkpoint, task: Task, repo_id: str, made: ModelFolder) -> list[str]:
    return [
        "## How to use",
        "",
        "In an environment where Odzera is installed; no code from this repository is run:",
        "",
        "```python",
        *snippet(task, repo_id, made),
        "```",
        "",
        *(_other_ways(made.base) if made.base else ()),
    ]


def _other_ways(base: Base) -> list[str]:
    """Why an adapter isn't opened by its name alone."""
    if base.in_repository:
        why = (
            "looks for the backbone's weights beside the adapter; they are in the folder `base`, with labels and head."
        )
    else:
        why = f"takes labels and head from `{base.repo_id}`; they are in this repository's `config.json`."
    return [
        "`AutoPeftModelForSequenceClassification.from_pretrained` with this repository's name alone ends in an error:",
        f"it {why}",
        "",
    ]


def snippet(task: Task, repo_id: str, made: ModelFolder) -> list[str]:
    """The lines of Python that open the model and ask it; `probabilities` holds what it says."""
    imports = ["import engine.auto  # teaches transformers Odzera's architectures", "import torch"]
    names = ["AutoModelForSequenceClassification", "AutoTokenizer"]
    opening = [f'model = AutoModelForSequenceClassification.from_pretrained("{repo_id}").eval()']
    if made.adapter and made.base:
        if not made.base.in_repository:
            names.insert(0, "AutoConfig")
        if made.four_bit:
            names.append("BitsAndBytesConfig")
        if made.base.in_repository:
            imports.append("from huggingface_hub import snapshot_download")
        imports.append("from peft import PeftModel")
        opening = _open_adapter(repo_id, made)
    tokenizer = "AutoTokenizer"
    if WORD_TOKENIZER in made.files:
        tokenizer = "WordTokenizer"
        names.remove("AutoTokenizer")
        imports.insert(1, "from engine.data.word_tokens import WordTokenizer")
    imports.append(f"from transformers import {', '.join(sorted(names))}")
    texts = [json.dumps(list(column), ensure_ascii=False) for column in EXAMPLES[task.name]]
    return [
        *imports,
        "",
        f'tokenizer = {tokenizer}.from_pretrained("{repo_id}")',
        *opening,
        "",
        *(f"{_plural(name)} = {text}" for name, text in zip(task.text_columns, texts, strict=True)),
        f"batch = tokenizer({', '.join(_plural(name) for name in task.text_columns)}, padding=True, truncation=True, "
        'return_tensors="pt")',
        "with torch.inference_mode():",
        "    probabilities = model(**batch).logits.softmax(-1)",
        "print([model.config.id2label[int(best)] for best in probabilities.argmax(-1)])",
    ]


def _plural(name: str) -> str:
    """A variable for a list of them."""
    return "hypotheses" if name == "hypothesis" else f"{name}s"


def _open_adapter(repo_id: str, made: ModelFolder) -> list[str]:
    """The backbone first, then what was trained on it."""
    base = made.base
    if base is None:
        return []
    if base.in_repository:
        # Its own config has the labels and the head.
        lines = [f'folder = snapshot_download("{repo_id}", allow_patterns="{BASE}/*")']
        where = [f'f"{{folder}}/{BASE}"']
    else:
        lines = [f'config = AutoConfig.from_pretrained("{repo_id}")']
        where = [f'"{base.repo_id}"', f'revision="{base.revision}"', "config=config"]
    options = ["dtype=torch.float32"]
    if made.four_bit:
        lines += [
            "four_bit = BitsAndBytesConfig(",
            '    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,',
            '    bnb_4bit_compute_dtype=torch.float32, llm_int8_skip_modules=["classifier", "score"],',
            ")",
        ]
        options.append("quantization_config=four_bit")
    return [
        *lines,
        "base = AutoModelForSequenceClassification.from_pretrained(",
        f"    {', '.join([*where, *options])}",
        ")",
        f'model = PeftModel.from_pretrained(base, "{repo_id}").eval()',
    ]


def _data(checkpoint: Checkpoint, task: Task) -> list[str]:
    data = checkpoint.manifest["data"]
    rows = ", ".join(f"{count:,} {split}" for split, count in sorted(data["rows"].items()))
    made_up = data["source"] == "sample"
    note = "The bundled sample was made for this project, so it is no measure of real messages." if made_up else ""
    source = "Odzera's bundled sample" if made_up else data["source"]
    return [
        "## Data",
        "",
        f"- Source: {source}, fingerprint `{checkpoint.fingerprint}`. {note}".rstrip(),
        f"- Rows: {rows}. Nothing was chosen on test rows; they were read once, after the best epoch was chosen on",
        "  validation.",
        f"- Languages: {', '.join(task.languages)}.",
        *_unlabelled(checkpoint),
        f"- Licence: {data.get('licence') or 'not named by who trained this'}. The model is for what it allows.",
        *(
            f"- It rests on {one.name}, trained on {one.data or 'what is not recorded here'}; licence: "
            f"{one.licence or 'not recorded'}{f' ({one.source})' if one.source.startswith('http') else ''}."
            for one in of_checkpoint(checkpoint)
        ),
        "",
    ]


def _unlabelled(checkpoint: Checkpoint) -> list[str]:
    """What a decoder's word vectors were learnt from, so that it doesn't pass for one without them."""
    if not checkpoint.recipe.learns_vectors:
        return []
    origin = checkpoint.manifest["origin"]
    count, left_out = int(origin["vectors_texts"]), int(origin["vectors_left_out"])
    without = f"; {left_out:,} more were left out, as they are validation or test rows" if left_out else ""
    return [
        f"- Its frozen word vectors were counted on {count:,} texts without labels, {origin['vectors_from']}",
        f"  (fingerprint `{origin['vectors_fingerprint']}`){without}. Those texts' licence binds it too.",
    ]


def _figures(checkpoint: Checkpoint, task: Task) -> list[str]:
    test = checkpoint.manifest["run"]["record"]["scores"]["test"]
    lines = [
        "## Figures",
        "",
        f"On {test['rows']:,} test rows, with 95 % bootstrap intervals.",
        "",
        "| figure | value | interval |",
        "|---|---:|---|",
    ]
    for name, title in FIGURES.items():
        ends = interval_of(test, name)
        lines.append(f"| {title} | {test[name]:.3f} | {f'{ends[0]:.3f} to {ends[1]:.3f}' if ends else 'none'} |")
    lines += [f"| Expected calibration error | {test['calibration_error']:.3f} | |", ""]
    lines += ["| label | precision | recall | F1 | rows |", "|---|---:|---:|---:|---:|"]
    for label, one in zip(task.labels, test["per_class"], strict=True):
        lines.append(
            f"| {label} | {one['precision']:.3f} | {one['recall']:.3f} | {one['f1']:.3f} | {one['support']:,} |"
        )
    if test["per_language"]:
        lines += ["", "| language | accuracy | macro F1 | rows |", "|---|---:|---:|---:|"]
        for code, one in sorted(test["per_language"].items()):
            lines.append(f"| {code} | {one['accuracy']:.3f} | {one['macro_f1']:.3f} | {one['rows']:,} |")
    return [*lines, ""]


def _beside(checkpoint: Checkpoint, comparison: Mapping[str, Any] | None) -> list[str]:
    """The other models on the same data: a figure alone says little."""
    if comparison is None or len(comparison["rows"]) < 2:
        return []
    lines = [
        "## Beside the others",
        "",
        "Models trained on the same rows and scored on the same test rows.",
        "",
        "| model | accuracy | macro F1 | weights (trained) | ms |",
        "|---|---|---|---:|---:|",
    ]
    for row in comparison["rows"]:
        shown = (write_figure(row, name) for name in ("accuracy", "macro_f1"))
        name = f"**{row['model']}**" if row["model"] == checkpoint.name else row["model"]
        lines.append(
            f"| {name} | {' | '.join(shown)} | {row['total_parameters']:,} ({row['trained_parameters']:,}) "
            f"| {row['p50_ms']:.2f} |"
        )
    return [*lines, ""]


def write_figure(figures: Mapping[str, Any], name: str) -> str:
    """`0.712 (0.660-0.760)`, without the brackets where rows are too few for an interval."""
    ends = interval_of(figures, name)
    return f"{figures[name]:.3f} ({ends[0]:.3f}-{ends[1]:.3f})" if ends else f"{figures[name]:.3f}"


def _cost(checkpoint: Checkpoint) -> list[str]:
    record = checkpoint.manifest["run"]["record"]
    cost, latency, machine = record["cost"], record["latency"], record["machine"]
    epochs = f", {cost['epochs']} epochs" if cost.get("epochs") else ""
    memory = f", {cost['peak_memory_mb']:,.0f} MB of memory at most" if cost.get("peak_memory_mb") else ""
    return [
        "## Cost",
        "",
        f"- Training: {cost['seconds']:,.1f} s{epochs}{memory}, on {machine['device_name']}.",
        f"- One text: {latency['p50_ms']:.2f} ms (median; 95 % within {latency['p95_ms']:.2f} ms), on "
        f"{latency.get('threads', machine['threads'])} thread(s).",
        f"- Trained weights: {cost['size_bytes'] / 1e6:.1f} MB.",
        "",
    ]


def _limits(checkpoint: Checkpoint, task: Task) -> list[str]:
    test = checkpoint.manifest["run"]["record"]["scores"]["test"]
    low, high = interval_of(test, "accuracy") or (0.0, 1.0)
    cut = checkpoint.recipe.max_length
    lines = [
        "## Limits",
        "",
        f"- Of {test['rows']:,} test rows it gets {1 - test['accuracy']:.0%} wrong; on other texts that share may lie",
        f"  well outside {1 - high:.0%} to {1 - low:.0%}, which is the interval for texts like these.",
        "- It knows the language of its training rows alone, and repeats what they think of people.",
        "- Its probabilities are no certainties: see the calibration error. It is not for decisions about people.",
    ]
    if checkpoint.recipe.kind != "baseline":
        lines.append(f"- It reads {cut} tokens; what comes after them is cut.")
    if task.name == "slang":
        lines.append("- Slang ages: a word may mean something else in a year.")
    return lines
