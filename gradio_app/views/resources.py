"""What training took: bars for each run, and what low-rank adapters took of the full run's."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from engine.results.learning import LearningRun, Ratio
from gradio_app.languages import Language, message
from gradio_app.views.charts.bars import draw_bar, draw_bars
from gradio_app.views.charts.svg import render_key, series_style
from gradio_app.views.parts import render_empty, render_row, render_table
from gradio_app.views.units import MISSING, compact, duration, energy, memory, points, ratio, size

Writer = Callable[[Language, float], str]
COSTS: Sequence[tuple[str, str, Writer]] = (
    ("seconds", message("Training time"), duration),
    ("seconds_per_epoch", message("Time an epoch"), duration),
    ("peak_memory_mb", message("Peak memory"), memory),
    ("trained", message("Trained parameters"), compact),
    ("size_bytes", message("Checkpoint on disk"), size),
    ("joules", message("Energy"), energy),
)
"""Key, title, how it is written."""


def render_costs(
    say: Language, runs: Sequence[LearningRun], ratios: Sequence[Ratio], lacking: Mapping[str, str]
) -> str:
    """What each run took as bars, and what low-rank adapters took of the full run's.

    Args:
        say: The page's language.
        runs: Those chosen.
        ratios: LoRA beside full, on the same data.
        lacking: Backbone with a LoRA run and no full one → the command that would train one.
    """
    if not runs:
        return render_empty(say("Choose a model, and what its training took stands here."))
    measured = [one for one in COSTS if any(run.costs[one[0]] is not None for run in runs)]
    bars = "".join(_render_cost(say, runs, *one) for one in measured)
    notes = [
        say(
            "Peak memory on a processor is that of the whole process, Python and its libraries included: several "
            "hundred MB before anything is trained."
        )
    ]
    if all(run.costs["joules"] is None for run in runs):
        notes.append(say("Energy wasn't measured: where they were trained, no counter could be read."))
    machines = list(dict.fromkeys(run.machine for run in runs))
    if len(machines) > 1:
        notes.append(
            say(
                "They were trained on different machines or threads ({machines}), so times compare roughly.",
                machines=escape("; ".join(machines)),
            )
        )
    return (
        f'<div class="oz-costs">{bars}</div>{_render_ratios(say, ratios, lacking)}'
        f'<p class="oz-note">{" ".join(notes)}</p>'
    )


def _render_cost(say: Language, runs: Sequence[LearningRun], key: str, title: str, write: Writer) -> str:
    largest = max(run.costs[key] or 0.0 for run in runs) or 1.0
    bars = []
    for place, run in enumerate(runs):
        value = run.costs[key]
        said = say("not measured") if value is None else write(say, value)
        if key == "seconds_per_epoch" and not run.curve.epochs:
            said = say("no epochs")
        name = f"{render_key(place)} {escape(run.name)}"
        bars.append(draw_bar(name, said, (value or 0.0) / largest, style=series_style(place)))
    return f'<section class="oz-cost"><h3>{say(title)}</h3>{draw_bars(bars, "oz-curve")}</section>'


def _render_ratios(say: Language, ratios: Sequence[Ratio], lacking: Mapping[str, str]) -> str:
    """A table of ratios, or how to get one."""
    missing = " ".join(
        say(
            "{backbone} has a LoRA run and no full one here, so there is nothing to set it against: {command}",
            backbone=f"<b>{escape(one)}</b>",
            command=f"<code>{escape(command)}</code>",
        )
        for one, command in lacking.items()
    )
    hint = f'<p class="oz-note">{missing}</p>' if missing else ""
    if not ratios:
        return hint
    shown = [(key, say(title)) for key, title, _ in COSTS if any(one.shares[key] is not None for one in ratios)]
    rows = [
        render_row(
            f"{escape(one.adapted.name)} / {escape(one.full.name)}",
            [*(_write_share(say, one.shares[key]) for key, _ in shown), _write_points(say, one)],
        )
        for one in ratios
    ]
    heads = [say("same backbone, same data"), *(title for _, title in shown), say("test accuracy")]
    apart = escape(", ".join(one.adapted.name for one in ratios if not one.same_machine))
    doubt = say("Times of {models} and the full run come from different machines.", models=apart) if apart else ""
    title = say("LoRA as a share of full fine-tuning")
    return f"<h3>{title}</h3>{render_table(title, heads, rows)}{hint}" + (
        f'<p class="oz-note">{doubt}</p>' if doubt else ""
    )


def _write_share(say: Language, share: float | None) -> str:
    return MISSING if share is None else ratio(say, share)


def _write_points(say: Language, one: Ratio) -> str:
    return say("{points} points", points=points(say, one.adapted.test_accuracy - one.full.test_accuracy))
