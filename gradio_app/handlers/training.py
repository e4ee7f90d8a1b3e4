"""What the Training tab shows of models that are trained, without a page."""

from collections.abc import Sequence

from engine.data.tasks import TASKS
from engine.errors import OdzeraError
from engine.results.learning import LearningRun, compare_lora, lacks_full, list_learning
from gradio_app.context import Context
from gradio_app.languages import Language
from gradio_app.views.charts.learning import MOST
from gradio_app.views.hyperparameters import render_settings
from gradio_app.views.parts import render_notice
from gradio_app.views.resources import render_costs
from gradio_app.views.training import render_learning


def list_runs(context: Context, task_name: object, fingerprint: object) -> list[LearningRun]:
    """The trained models on one data set, the first one's where it isn't known; none where there are none.

    Raises:
        StoreError: The results can't be read.
    """
    task = TASKS.get(task_name) if isinstance(task_name, str) else None
    if task is None:
        return []
    known = context.registry.data_sets(task.name)
    if not known:
        return []
    return list_learning(context.store, task, fingerprint if fingerprint in known else known[0])


def run_choices(
    context: Context, say: Language, task_name: object, fingerprint: object
) -> tuple[list[tuple[str, str]], list[str]]:
    """Models to choose from as (words, name), and those that are shown at first: with a curve, at most six."""
    try:
        runs = list_runs(context, task_name, fingerprint)
    except OdzeraError:
        return [], []
    choices = []
    for run in runs:
        count = len(run.curve.epochs)
        about = say.plural("{n} epoch", "{n} epochs", count) if count else say("no epochs")
        choices.append((f"{run.name} · {about}", run.name))
    return choices, [run.name for run in runs if run.curve.epochs][:MOST]


def show_all(
    context: Context,
    say: Language,
    task_name: object,
    fingerprint: object,
    names: object,
    figure: object = "accuracy",
    across: object = "epochs",
    differing: object = False,
) -> tuple[str, str, str]:
    """Curves, costs and settings of the chosen models.

    Args:
        context: Models and results.
        say: The page's language.
        task_name: `slang` or `nli`.
        fingerprint: Of the data.
        names: The models; unknown ones are passed over.
        figure: `accuracy` or `macro_f1`.
        across: `epochs` or `seconds`.
        differing: Whether to leave out settings that are the same in all.
    """
    try:
        runs = list_runs(context, task_name, fingerprint)
    except OdzeraError as error:
        return (render_notice(say.again(error.args[0])),) * 3
    if not runs:
        return (
            render_notice(say("No model is trained yet. Train one below, and its learning curve stands here.")),
            "",
            "",
        )
    chosen = _choose(runs, names)
    return (
        render_learning(
            say,
            [run.curve for run in chosen],
            "macro_f1" if figure == "macro_f1" else "accuracy",
            "seconds" if across == "seconds" else "epochs",
        ),
        render_costs(say, chosen, compare_lora(runs), lacks_full(runs, str(task_name))),
        render_settings(say, chosen, differing is True),
    )


def _choose(runs: Sequence[LearningRun], names: object) -> list[LearningRun]:
    """The runs of these names, in the order in which they were chosen; at most six."""
    known = {run.name: run for run in runs}
    wanted = names if isinstance(names, list) else []
    return [known[name] for name in dict.fromkeys(one for one in wanted if isinstance(one, str)) if name in known][
        :MOST
    ]
