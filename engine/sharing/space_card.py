"""A Space's card and program: its `README.md` and its `app.py`."""

import json
from collections.abc import Iterable, Mapping, Sequence

from engine.data.tasks import TASKS
from engine.sharing.model_card import write_figure
from engine.sharing.space_hardware import Hardware
from engine.training.checkpoints import Checkpoint

TITLE = "Odzera: from scratch or pretrained?"
SUMMARY = "Small text classifiers side by side, with honest figures"
"""At most 60 characters, which the Hub shows under the title."""
TAGS = ("text-classification", "sentiment-analysis", "nli", "polish", "multilingual", "model-comparison")


def write_app(hardware: Hardware, mark: str) -> str:
    """The program that the Space starts."""
    if not hardware.lends_gpu:
        return (
            f'"""Odzera as a Hugging Face Space. {mark}."""\n\n'
            "from gradio_app.space import main\n\n"
            'if __name__ == "__main__":\n'
            "    main()\n"
        )
    return (
        f'"""Odzera as a Hugging Face Space. {mark}."""\n\n'
        "# Before anything that imports PyTorch: it stands in for CUDA until a GPU is lent.\n"
        "import spaces\n\n"
        "from gradio_app.space import main\n\n"
        'if __name__ == "__main__":\n'
        "    # Short turns come first in ZeroGPU's queue, and cost visitors less of their day's share.\n"
        "    main(spaces.GPU(duration=30))\n"
    )


def write_space_card(
    hardware: Hardware,
    *,
    gradio: str,
    checkpoints: Sequence[Checkpoint],
    models: Sequence[str],
    data_sets: Sequence[str],
    preload: Sequence[str],
    licences: Mapping[str, Iterable[str]],
) -> str:
    """`README.md`: the front matter that the Hub reads, and what there is to see.

    Args:
        hardware: What the Space runs on.
        gradio: Version of Gradio.
        checkpoints: The models that are shown.
        models: Repositories on the Hub that they were made from.
        data_sets: Repositories on the Hub that they were trained on.
        preload: Repositories, with a commit each, that the Hub downloads when it builds the Space.
        licences: Licence of the training data and of backbones → names of the tasks.
    """
    settings: dict[str, object] = {
        "title": TITLE,
        "emoji": "🌱",
        "colorFrom": "green",
        "colorTo": "blue",
        "sdk": "gradio",
        "sdk_version": gradio,
        "python_version": hardware.python_version,
        "app_file": "app.py",
        "pinned": False,
        "license": "mit",
        "short_description": SUMMARY,
        "models": list(models),
        "datasets": list(data_sets),
        "tags": list(TAGS),
    }
    if preload:
        settings["preload_from_hub"] = list(preload)
    if not hardware.lends_gpu:
        settings["suggested_hardware"] = hardware.flavour
    # JSON's strings and lists are YAML's, too, whatever stands in them.
    front = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    return "\n".join(["---", *front, "---", "", *_body(hardware, checkpoints, licences), ""])


def _body(hardware: Hardware, checkpoints: Sequence[Checkpoint], licences: Mapping[str, Iterable[str]]) -> list[str]:
    lines = [
        f"# {TITLE}",
        "",
        "Should I train a small text classifier from scratch, or adapt something pretrained? Type a text, and every",
        "model below answers side by side, with its milliseconds, its size and its figures on test rows.",
        "",
    ]
    for task in TASKS.values():
        rows = [one for one in checkpoints if one.task == task.name]
        if rows:
            lines += [f"## {task.title}", "", *_table(rows), ""]
    lines += [
        "Figures on test rows, with 95 % bootstrap intervals; milliseconds for one text where it was measured.",
        "",
        "## Licences",
        "",
        "The program is under the MIT licence. The models are for what their training data and backbones allow:",
        "",
    ]
    for licence, tasks in sorted(licences.items()):
        named = " and ".join(sorted(set(tasks)))
        lines.append(f"- {named}: {licence or 'a licence that who trained them did not name'}")
    if hardware.lends_gpu:
        lines += [
            "",
            "Single texts are answered by the CPU at once; tables of many texts borrow a GPU for the costlier models.",
        ]
    return lines


def _table(checkpoints: Sequence[Checkpoint]) -> list[str]:
    lines = ["| model | data | accuracy | macro F1 | weights | ms |", "|---|---|---|---|---:|---:|"]
    for one in sorted(checkpoints, key=lambda one: (one.name, one.fingerprint)):
        record = one.manifest["run"]["record"]
        test = record["scores"]["test"]
        figures = (write_figure(test, name) for name in ("accuracy", "macro_f1"))
        source = str(one.manifest["data"]["source"]).replace("|", "/")
        lines.append(
            f"| {one.name} | {source} | {' | '.join(figures)} | {record['parameters']['total']:,} "
            f"| {record['latency']['p50_ms']:.2f} |"
        )
    return lines
