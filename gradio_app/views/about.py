"""What the page is, what was measured where, and on what terms: the About tab."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from engine.results.environment import Environment
from engine.results.provenance import Measured
from gradio_app.languages import Language, message
from gradio_app.views.links import render_link
from gradio_app.views.names import TASKS, name_source
from gradio_app.views.parts import render_empty, render_list, render_pairs, render_row, render_table
from gradio_app.views.units import MISSING, count, day, size

RUNTIMES = {
    "torch": message("PyTorch"),
    "fp32": message("ONNX Runtime"),
    "int8": message("ONNX Runtime, 8 bits"),
    "int8-blocks": message("ONNX Runtime, 8 bits in blocks"),
    "numpy": message("NumPy"),
}
"""What computes a model, as it is called; keys of `engine.serving.exports.RUNTIMES`."""


@dataclass(frozen=True)
class Standing:
    """A model that the page asks."""

    task: str
    name: str
    runtime: str
    """A key of `RUNTIMES`; empty while the model isn't open."""
    backbone: str
    """What it was adapted from, or empty."""
    source: str
    licence: str
    """Of the data that it was trained on, and of what it was adapted from."""


def render_purpose(say: Language) -> str:
    """What Odzera is, in three sentences."""
    sentences = (
        say(
            "Odzera, Polish for “from scratch”, asks one question: train a small text classifier from scratch, or "
            "adapt something pretrained?"
        ),
        say(
            "It trains both kinds on the same rows, tests each once on rows that it has never seen, and shows every "
            "model's answer side by side, with what it costs."
        ),
        say("Every figure was measured, on the machine named beside it, and can be measured again by one command."),
    )
    return f'<section><p class="oz-lead">{" ".join(sentences)}</p></section>'


def render_measured(say: Language, measured: Sequence[Measured]) -> str:
    """A card for each set of figures."""
    title = say("What was measured where")
    if not measured:
        told = say("Nothing is measured yet. Train a model, and its figures stand here.")
        return f"<section><h2>{title}</h2>{render_empty(told)}</section>"
    note = say("FILE stands for data that doesn't come with Odzera; days are in UTC.")
    cards = "".join(_measured(say, one) for one in measured)
    return f'<section><h2>{title}</h2><div class="oz-measured">{cards}</div><p class="oz-note">{note}</p></section>'


def _measured(say: Language, one: Measured) -> str:
    rows = [
        (say("Data"), _data(say, one)),
        (say("Machine"), _machine(say, one)),
        (say("When"), escape(_when(say, one))),
        (say("Versions"), _versions(say, one)),
        (say("Models"), escape(", ".join(one.names))),
        (say("Again"), f"<code>{escape(one.command)}</code>"),
    ]
    pairs = render_pairs((escape(name), value) for name, value in rows if value)
    return f'<article class="oz-set"><h3>{escape(say.again(one.what))}</h3>{pairs}</article>'


def _data(say: Language, one: Measured) -> str:
    if not one.source:
        return ""
    return f"{escape(name_source(say, one.source))} · <code>{escape(one.fingerprint)}</code>"


def _machine(say: Language, one: Measured) -> str:
    if not one.machine:
        return escape(say("not recorded"))
    if not one.threads:
        return escape(one.machine)
    if len(one.threads) == 1:
        threads = say.plural("{n} thread", "{n} threads", one.threads[0])
    else:
        threads = say("{fewest} to {most} threads", fewest=one.threads[0], most=one.threads[-1])
    return f"{escape(one.machine)}, {escape(threads)}"


def _when(say: Language, one: Measured) -> str:
    if not one.first:
        return say("not recorded")
    first, last = day(say, one.first), day(say, one.last)
    return first if first == last else say("{first} to {last}", first=first, last=last)


def _versions(say: Language, one: Measured) -> str:
    named = [f"{name} {number}" for name, number in one.packages.items()]
    first = [f"Odzera {' / '.join(one.odzera)}"] if one.odzera else []
    first += [words for words in named if words.startswith(("Python ", "torch ", "optuna "))]
    rest = [words for words in named if words not in first]
    if not rest:
        return escape(", ".join(first))
    folded = f"<details><summary>{say('other libraries')}</summary>{escape(', '.join(rest))}</details>"
    return f"{escape(', '.join(first))}{folded}"


def render_environment(say: Language, around: Environment) -> str:
    """Versions, and the machine that the page runs on."""
    rows = [
        (say("Processor or GPU"), around.device),
        (say("Cores"), count(say, around.cores)),
        (say("Memory"), size(say, around.memory_bytes) if around.memory_bytes else MISSING),
        (say("System"), around.system),
        ("Odzera", around.odzera),
        ("Python", around.python),
        *around.libraries.items(),
    ]
    pairs = render_pairs(((escape(name), escape(value)) for name, value in rows), "oz-facts")
    return f"<section><h2>{say('What this page runs on')}</h2>{pairs}</section>"


def render_models(say: Language, models: Sequence[Standing]) -> str:
    """Which model is asked on which runtime, what it was adapted from, and the licence of its data."""
    title = say("The models, and what computes them")
    if not models:
        return f"<section><h2>{title}</h2>{render_empty(say('No model is trained yet.'))}</section>"
    heads = [say("model"), say("task"), say("computed by"), say("adapted from"), say("trained on")]
    heads.append(say("licences of both"))
    note = say(
        "A model that isn't open yet is opened when it is first asked. A trained model is under the licence of its "
        "data and of what it was adapted from."
    )
    rows = (_model(say, one) for one in models)
    table = render_table(say("Models and runtimes"), map(escape, heads), rows, "oz-words")
    return f'<section><h2>{title}</h2>{table}<p class="oz-note">{note}</p></section>'


def _model(say: Language, one: Standing) -> str:
    runtime = say(RUNTIMES[one.runtime]) if one.runtime in RUNTIMES else (one.runtime or say("not open yet"))
    cells = (
        say(TASKS[one.task]) if one.task in TASKS else one.task,
        runtime,
        one.backbone or MISSING,
        name_source(say, say(one.source)) if one.source else say("not recorded"),
        one.licence or say("not recorded"),
    )
    return render_row(escape(one.name), map(escape, cells))


def render_promises(say: Language, most_characters: int) -> str:
    """Privacy and limits."""
    privacy = (
        say("What you type is answered and forgotten: it is neither stored nor logged."),
        say("A file that you upload belongs to your session alone and is deleted afterwards."),
        say("A link that brings a text back carries that text in its address: who has the link can read it."),
        say("The page asks no other site for anything: no fonts, no scripts, no counting of visitors."),
        say("What is kept: figures of trained models, by row number. They hold no texts of visitors."),
    )
    limits = (
        say("A text may have at most {n} characters.", n=count(say, most_characters)),
        say("A model reads as many tokens as it was made for; what is longer is cut off."),
        say("Test figures hold for the data named beside them and say little of other texts."),
        say("The bundled sentences were written for this project and not reviewed by native speakers."),
        say("Don't let these models judge, moderate or watch people."),
    )
    return (
        f'<div class="oz-promises"><section><h2>{say("Privacy")}</h2>{render_list(privacy, "oz-list")}</section>'
        f"<section><h2>{say('Limits')}</h2>{render_list(limits, 'oz-list')}</section></div>"
    )


def render_licences(say: Language, data: Mapping[str, str]) -> str:
    """Of the code, the bundled texts, what is built upon, and the data.

    Args:
        say: The page's language.
        data: Source → licence of what the models were trained on, but for the bundled samples.
    """
    rows = [
        (say("Odzera's code"), "MIT"),
        (say("The bundled sentences"), "CC0 1.0"),
        (
            render_link("all-MiniLM-L6-v2", "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2"),
            "Apache-2.0",
        ),
        ("polish-gpt-mini", say("of texts in the public domain or under free licences, each source's own")),
        *((escape(source), escape(licence) if licence else say("not recorded")) for source, licence in data.items()),
    ]
    return f"<section><h2>{say('Licences')}</h2>{render_pairs(rows, 'oz-facts oz-wide')}</section>"


def render_citation(say: Language, version: str) -> str:
    """How to cite it."""
    fields = {
        "title": "{Odzera: train a small text classifier from scratch, or adapt a pretrained one}",
        "author": "{{The Odzera authors}}",
        "year": "{2026}",
        "version": f"{{{version}}}",
        "license": "{MIT}",
    }
    entry = "@software{odzera,\n" + ",\n".join(f"  {name:<7} = {value}" for name, value in fields.items()) + "\n}"
    told = say("A figure from this page wants its data, its machine and its version beside it: they stand above.")
    return (
        f'<section><h2>{say("How to cite")}</h2><pre class="oz-cite" tabindex="0">{escape(entry)}</pre>'
        f'<p class="oz-note">{told}</p></section>'
    )
