"""What the Models tab shows, without a page."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from engine.data.tasks import TASKS, Task
from engine.evaluation.metrics import interval_of
from engine.results import inspection
from engine.serving.runtime import served_latency
from gradio_app.context import Context
from gradio_app.languages import Language, message
from gradio_app.views import differences, mistakes, significance, tables
from gradio_app.views.charts import breakdown, confusion, scatter
from gradio_app.views.names import FIGURES
from gradio_app.views.parts import render_notice

QUALITIES: Mapping[str, str] = {name: FIGURES[name] for name in ("accuracy", "macro_f1", "mcc")}
"""What can be drawn upwards."""
TIMES: Mapping[str, str] = {
    "p50_ms": message("ms a text, after training"),
    "served_ms": message("ms a call, as served"),
}
"""What can be drawn across as time."""
SIZES: Mapping[str, str] = {
    "peak_memory_mb": message("peak memory in training, MB"),
    "total_parameters": message("parameters"),
    "size_mb": message("MB on disk"),
}
"""What can be drawn across as size."""
PAGE = 10
"""Mistakes shown at first, and added by each press."""
MOST_MISTAKES = 200

Comparison = dict[str, Any]


def find(context: Context, task_name: str | None, fingerprint: str | None) -> tuple[Task, Comparison] | None:
    """The task and its models' results on this data, or on that shown first; None where there are none."""
    task = TASKS.get(str(task_name))
    comparison = context.comparison(task, fingerprint) if task else None
    return (task, comparison) if task and comparison else None


def _show(
    context: Context,
    say: Language,
    task_name: str | None,
    fingerprint: str | None,
    part: str,
    draw: Callable[[Task, Comparison], str],
    chosen: Hashable = None,
    measured: Hashable = None,
) -> str:
    """A part of the tab, drawn once for all visitors who read this language; nothing where there are no results.

    Args:
        context: Models and results.
        say: The page's language.
        task_name: `slang` or `nli`.
        fingerprint: Of the data.
        part: Its name.
        draw: Draws it.
        chosen: What a visitor has chosen; each choice is kept.
        measured: What else it depends on; when that changes, it is drawn anew.
    """
    found = find(context, task_name, fingerprint)
    if found is None:
        return ""
    key = (part, say.code, *_mark(found[1])[:2], chosen)
    return context.results.remember(key, (_mark(found[1]), measured), lambda: draw(*found))


def _mark(comparison: Comparison) -> tuple[str, ...]:
    """What a comparison's drawings depend on: the task, the data and the runs."""
    return (comparison["task"], comparison["data"]["fingerprint"], *(row["run"] for row in comparison["rows"]))


def show_models(context: Context, say: Language, task_name: str | None, fingerprint: str | None) -> str:
    """The table of models on one data set."""
    if str(task_name) not in TASKS:
        return render_notice(say("There is no such task."))
    served = served_times(context, task_name, fingerprint)
    found = find(context, task_name, fingerprint)
    means = context.means(found[0], found[1]["data"]["fingerprint"]) if found else {}

    def draw(task: Task, comparison: Comparison) -> str:
        return tables.render_comparison(say, comparison, served, means)

    measured = (tuple(served.items()), tuple((name, row["made"]) for name, row in means.items()))
    shown = _show(context, say, task_name, fingerprint, "table", draw, measured=measured)
    return shown or render_notice(say("No results yet. Train a model and they stand here."))


def show_tradeoffs(
    context: Context,
    say: Language,
    task_name: str | None,
    fingerprint: str | None,
    quality: str | None,
    time: str | None,
    size: str | None,
) -> str:
    """Quality against time and against size."""
    served = served_times(context, task_name, fingerprint)
    costs = {_known(time, TIMES, "p50_ms"): TIMES, _known(size, SIZES, "peak_memory_mb"): SIZES}
    chosen = (quality if quality in QUALITIES else None, *costs)

    def draw(task: Task, comparison: Comparison) -> str:
        shown = _known(quality, QUALITIES, task.select_on)
        drawn = (_scatter(say, comparison, served, shown, cost, words[cost]) for cost, words in costs.items())
        return f'<div class="oz-tradeoffs">{"".join(drawn)}</div>'

    return _show(context, say, task_name, fingerprint, "tradeoffs", draw, chosen, tuple(served.items()))


def _scatter(say: Language, comparison: Comparison, served: tables.Served, quality: str, cost: str, words: str) -> str:
    # What ignores the text costs nothing, and would stretch the axis to show it: it is a line across.
    rows = [row for row in comparison["rows"] if row["recipe"] != "majority"]
    guess = next((row[quality] for row in comparison["rows"] if row["recipe"] == "majority"), None)
    costs = {row["model"]: _cost(row, served, cost) for row in rows}
    points = [
        scatter.Point(
            row["model"],
            row["family"],
            float(value),
            row[quality],
            # Without an interval there is no whisker.
            *(interval_of(row, quality) or (row[quality], row[quality])),
        )
        for row in rows
        if (value := costs[row["model"]])
    ]
    left_out = [name for name, value in costs.items() if not value]
    return scatter.draw_scatter(say, points, say(words), say(QUALITIES[quality]), guess, left_out)


def _cost(row: Mapping[str, Any], served: tables.Served, cost: str) -> float | None:
    if cost == "served_ms":
        return served[row["model"]][1] if row["model"] in served else None
    value: float = row["size_bytes"] / 1e6 if cost == "size_mb" else row[cost]
    return value


def show_confusions(context: Context, say: Language, task_name: str | None, fingerprint: str | None) -> str:
    """Every model's confusion matrix."""

    def draw(task: Task, comparison: Comparison) -> str:
        return confusion.draw_confusions(say, comparison["rows"], task.labels)

    return _show(context, say, task_name, fingerprint, "confusions", draw)


def show_significance(context: Context, say: Language, task_name: str | None, fingerprint: str | None) -> str:
    """By how much the best model is ahead, and McNemar's test of every two."""

    def draw(task: Task, comparison: Comparison) -> str:
        tests = significance.render_significance(say, comparison["rows"], comparison["mcnemar"])
        return differences.render_differences(say, comparison) + tests

    return _show(context, say, task_name, fingerprint, "significance", draw)


def show_classes(
    context: Context, say: Language, task_name: str | None, fingerprint: str | None, figure: str | None
) -> str:
    """One figure of every model on each class."""
    chosen = _known(figure, breakdown.CLASS_FIGURES, "f1")

    def draw(task: Task, comparison: Comparison) -> str:
        mark = _mark(comparison)
        # Bootstrapped once for all languages and figures.
        figures = context.results.remember(
            ("class figures", *mark[:2]),
            mark,
            lambda: {row["model"]: inspection.class_figures(row) for row in comparison["rows"]},
        )
        return breakdown.draw_classes(say, figures, task.labels, chosen)

    return _show(context, say, task_name, fingerprint, "classes", draw, chosen)


def show_languages(context: Context, say: Language, task_name: str | None, fingerprint: str | None) -> str:
    """Every model's accuracy in each language; nothing where there is only one."""

    def draw(task: Task, comparison: Comparison) -> str:
        figures = {row["model"]: inspection.language_figures(row) for row in comparison["rows"]}
        return breakdown.draw_languages(say, figures)

    return _show(context, say, task_name, fingerprint, "languages", draw)


def show_mistakes(
    context: Context, say: Language, task_name: str | None, fingerprint: str | None, model: str | None, shown: int
) -> tuple[str, bool]:
    """The mistakes that a model was surest of, and whether there are more of them."""
    found = find(context, task_name, fingerprint)
    if found is None:
        return "", False
    task, comparison = found
    texts = inspection.find_texts(task, comparison["data"]["fingerprint"])
    if texts is None:
        return mistakes.render_no_texts(say), False
    row = next((row for row in comparison["rows"] if row["model"] == model), comparison["rows"][0])
    shown = min(max(shown, PAGE), MOST_MISTAKES)
    found_mistakes = inspection.confident_mistakes(context.store.predictions(row["run"]), texts)
    html = mistakes.render_mistakes(say, task, found_mistakes, shown, comparison["data"]["test_rows"])
    return html, shown < min(len(found_mistakes), MOST_MISTAKES)


def readable_models(context: Context, say: Language, task_name: str | None, fingerprint: str | None) -> list[str]:
    """Models whose mistakes can be read, those that read the text first; none where the texts aren't at hand."""
    found = find(context, task_name, fingerprint)
    if found is None or inspection.find_texts(found[0], found[1]["data"]["fingerprint"]) is None:
        return []
    rows = found[1]["rows"]
    return [row["model"] for row in sorted(rows, key=lambda row: row["recipe"] == "majority")]


def served_times(context: Context, task_name: str | None, fingerprint: str | None) -> dict[str, tuple[str, float]]:
    """Model → the runtime that answers for it now, and its milliseconds, where they are known."""
    found = find(context, task_name, fingerprint)
    checkpoints = context.models(found[0], found[1]["data"]["fingerprint"]) if found else []
    times = {one.name: served_latency(one) for one in checkpoints}
    return {name: time for name, time in times.items() if time is not None}


def _known(chosen: str | None, choices: Mapping[str, str], usual: str) -> str:
    return chosen if chosen is not None and chosen in choices else usual
