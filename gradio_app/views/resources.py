"""What training took, as bars and as shares of full fine-tuning: pure functions over plain values."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from engine.results.learning import LearningRun, Ratio
from gradio_app.languages import Language, message
from gradio_app.views.cards import short
from gradio_app.views.learning_curves import MOST
from gradio_app.views.plots import MARKS


def duration(say: Language, seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `1 h 5 min`."""
    if seconds < 10:
        return say("{seconds} s", seconds=say.number(seconds, ".2g" if seconds < 1 else ".1f"))
    whole = round(seconds)
    if whole < 120:
        return say("{seconds} s", seconds=whole)
    if whole < 7200:
        return say("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    return say("{hours} h {minutes} min", hours=whole // 3600, minutes=whole % 3600 // 60)


def _bytes(say: Language, count: float) -> str:
    if count >= 1e5:
        return say("{size} MB", size=say.number(count / 1e6, ",.1f"))
    return say("{size} kB", size=say.number(count / 1e3, ",.0f"))


Writer = Callable[[Language, float], str]
COSTS: Sequence[tuple[str, str, Writer]] = (
    ("seconds", message("Training time"), duration),
    ("seconds_per_epoch", message("Time an epoch"), duration),
    (
        "peak_memory_mb",
        message("Peak memory"),
        lambda say, value: say("{size} MB", size=say.number(value, ",.0f")),
    ),
    ("trained", message("Trained parameters"), lambda say, value: say.written(short(int(value)))),
    ("size_bytes", message("Checkpoint on disk"), _bytes),
    ("joules", message("Energy"), lambda say, value: say("{energy} Wh", energy=say.number(value / 3600, ",.2f"))),
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
        return f'<p class="oz-empty">{say("Choose a model, and what its training took stands here.")}</p>'
    measured = [one for one in COSTS if any(run.costs[one[0]] is not None for run in runs)]
    bars = "".join(_bars(say, runs, *one) for one in measured)
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
        f'<div class="oz-costs">{bars}</div>{_against_full(say, ratios, lacking)}'
        f'<p class="oz-note">{" ".join(notes)}</p>'
    )


def _bars(say: Language, runs: Sequence[LearningRun], key: str, title: str, write: Writer) -> str:
    largest = max(run.costs[key] or 0.0 for run in runs) or 1.0
    rows = []
    for place, run in enumerate(runs):
        value = run.costs[key]
        said = say("not measured") if value is None else write(say, value)
        if key == "seconds_per_epoch" and not run.curve.epochs:
            said = say("no epochs")
        rows.append(
            f'<div class="oz-bar oz-series-{place % MOST}"><span><span class="oz-key">{MARKS[place % MOST]}</span> '
            f'{escape(run.name)}</span><span class="oz-share">{said}</span><span class="oz-track">'
            f'<span class="oz-fill" style="width:{100 * (value or 0.0) / largest:.2f}%"></span></span></div>'
        )
    return (
        f'<section class="oz-cost"><h3>{say(title)}</h3><div class="oz-bars oz-curve">{"".join(rows)}</div></section>'
    )


def _against_full(say: Language, ratios: Sequence[Ratio], lacking: Mapping[str, str]) -> str:
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
    head = "".join(f'<th scope="col">{say(title)}</th>' for key, title, _ in COSTS if _has(ratios, key))
    body = "".join(
        f'<tr><th scope="row">{escape(one.adapted.name)} / {escape(one.full.name)}</th>'
        + "".join(f"<td>{_share(say, one.shares[key])}</td>" for key, _, _ in COSTS if _has(ratios, key))
        + f"<td>{_points(say, one)}</td></tr>"
        for one in ratios
    )
    apart = [one.adapted.name for one in ratios if not one.same_machine]
    doubt = (
        say("Times of {models} and the full run come from different machines.", models=escape(", ".join(apart)))
        if apart
        else ""
    )
    title = say("LoRA as a share of full fine-tuning")
    return (
        f"<h3>{title}</h3>"
        f'<div class="oz-scroll" tabindex="0" role="region" aria-label="{title}"><table class="oz-table"><thead><tr>'
        f'<th scope="col">{say("same backbone, same data")}</th>{head}<th scope="col">{say("test accuracy")}</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div>{hint}" + (f'<p class="oz-note">{doubt}</p>' if doubt else "")
    )


def _has(ratios: Sequence[Ratio], key: str) -> bool:
    return any(one.shares[key] is not None for one in ratios)


def _share(say: Language, share: float | None) -> str:
    if share is None:
        return "–"
    if share < 1:
        return say("{share} %", share=say.number(100 * share, ".2g" if share < 0.1 else ".0f"))
    return say("{times} ×", times=say.number(share, ".2f"))


def _points(say: Language, one: Ratio) -> str:
    difference = 100 * (one.adapted.test_accuracy - one.full.test_accuracy)
    return say("{points} points", points=say.number(difference, "+.1f").replace("-", "−"))
