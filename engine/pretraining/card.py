"""The card of a pretrained model: its text, its held-out figures, its uses and its limits."""

import json
from collections.abc import Mapping
from typing import Any


def write_card(facts: Mapping[str, Any]) -> str:
    """A model card in Markdown, with the front matter that the Hub reads.

    Args:
        facts: What `engine.pretraining` measured.
    """
    sections = (
        _front_matter(facts),
        _what_it_is(facts),
        _text(facts),
        _held_out(facts),
        ["## What it writes", "", *(f"> {' '.join(text.split())}\n" for text in facts["samples"])],
        _limits(facts),
    )
    return "\n".join(line for section in sections for line in section)


def _front_matter(facts: Mapping[str, Any]) -> list[str]:
    licence = ["license: other", f"license_name: {json.dumps(facts['licence'])}"] if facts["licence"] else []
    return [
        "---",
        "language: pl",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        *licence,
        "tags: [gpt2, odzera]",
        "---",
        "",
    ]


def _what_it_is(facts: Mapping[str, Any]) -> list[str]:
    shape = facts["config"]["shape"]
    begun = f"goes on from {facts['from']}" if facts["from"] else "begins with random weights"
    return [
        f"# {facts['name']}",
        "",
        f"A causal language model of GPT-2's shape with {facts['parameters']:,} parameters. It {begun} and was",
        "trained on plain text by `odzera pretrain`.",
        "",
        f"- Shape: {shape['num_hidden_layers']} blocks, width {shape['hidden_size']}, "
        f"{shape['num_attention_heads']} heads, vocabulary {shape['vocab_size']:,} (byte-level BPE), context "
        f"{shape['context']} tokens; {facts['size_bytes'] / 1e6:.1f} MB in float16.",
        f"- Tokens seen: {facts['tokens_seen'] / 1e6:.1f} million ({facts['passes']:.2f} passes over the text), in "
        f"{facts['seconds'] / 60:.0f} minutes on {facts['machine']['device_name']} "
        f"({facts['tokens_per_second']:,.0f} tokens a second, {facts['precision']}).",
        "",
    ]


def _text(facts: Mapping[str, Any]) -> list[str]:
    left_out = facts["left_out"]
    held = sum(source["held_out_tokens"] for source in facts["sources"])
    share = held / (held + sum(source["tokens"] for source in facts["sources"]))
    return [
        "## Text",
        "",
        "| source | paragraphs | MB | tokens to train on | held out |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {_cell(source['name'])} | {source['paragraphs']:,} | {source['bytes'] / 1e6:.1f} "
            f"| {source['tokens']:,} | {source['held_out_tokens']:,} |"
            for source in facts["sources"]
        ),
        "",
        f"Held out are stretches of neighbouring paragraphs, {share:.1%} of the tokens. What they say may stand",
        "elsewhere in the text a second time; that isn't looked for.",
        *([f"{left_out:,} paragraphs were left out, as they stand in evaluation files."] if left_out else []),
        "",
        f"Licence of the text: {facts['licence'] or 'not named by who trained this'}.",
        "",
    ]


def _cell(name: str) -> str:
    """A name that ends no cell of a table."""
    return name.replace("|", "/")


def _held_out(facts: Mapping[str, Any]) -> list[str]:
    before = [f"{name} {one['perplexity']:.1f}" for name, one in facts["held_out_before"].items()]
    return [
        "## Held-out text",
        "",
        "| source | perplexity a token | bits a byte | perplexity of token frequencies alone |",
        "|---|---:|---:|---:|",
        *(
            f"| {_cell(name)} | {one['perplexity']:.1f} | {one['bits_per_byte']:.3f} "
            f"| {one['unigram_perplexity']:,.0f} |"
            for name, one in facts["held_out"].items()
        ),
        "",
        *([f"Perplexity of {facts['from']} on the same text, before: {', '.join(before)}.", ""] if before else []),
    ]


def _limits(facts: Mapping[str, Any]) -> list[str]:
    case = "Capitals are folded: it reads and writes lower case alone." if facts["config"]["lowercase"] else ""
    return [
        "## Limits",
        "",
        f"It knows what it has read: see the sources above. {case}",
        "It is far too small to know facts or to hold a thread: it is made to be fine-tuned as a classifier, and to be",
        "compared with a model that starts from random weights, not to write. What its sources think of people, it may",
        "repeat.",
        "",
        "```python",
        "from transformers import AutoModelForSequenceClassification",
        "",
        f'model = AutoModelForSequenceClassification.from_pretrained("checkpoints/{facts["name"]}", num_labels=3)',
        "```",
        "",
    ]
