"""What happens when a training run is planned, started, followed or cancelled, without a page."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from engine.errors import OdzeraError, RecipeError
from engine.experiments.background import Progress, TrainingRuns
from engine.experiments.plan import Plan, make_plan
from engine.messages import Message
from gradio_app.context import Context
from gradio_app.handlers.training import list_runs
from gradio_app.languages import Language
from gradio_app.views.charts.learning import MOST
from gradio_app.views.parts import render_notice
from gradio_app.views.training_run import Took, render_plan, render_run


def look(context: Context) -> Progress | None:
    """The run under way, or the last one."""
    return context.training.look() if context.training is not None else None


def is_running(context: Context) -> bool:
    """Whether a run is under way."""
    progress = look(context)
    return progress is not None and not progress.is_over


def show_run(context: Context, say: Language, figure: object = "accuracy") -> str:
    """How far the run is."""
    return render_run(say, look(context), "macro_f1" if figure == "macro_f1" else "accuracy")


def show_plan(context: Context, say: Language, *wanted: object, estimate: bool = True) -> Iterator[str]:
    """What would be trained, or what is wrong with it; again once it is known how long it takes.

    Args:
        context: Models and results.
        say: The page's language.
        wanted: What `make` takes.
        estimate: Whether to find out how long it takes; a public page never does.
    """
    try:
        plan = make(context, *wanted)
    except OdzeraError as error:
        yield render_notice(say.again(error.args[0]))
        return
    took, runs = _took(context, plan), context.training
    if runs is None or context.public or not estimate:
        yield render_plan(say, plan, took, None)
        return
    if runs.expect(plan) is None:
        yield render_plan(say, plan, took, None, waiting=True)
        # Where it can't be told, the run goes without.
        with suppress(OdzeraError):
            runs.estimate(plan.task)
    yield render_plan(say, plan, took, runs.expect(plan))


def make(
    context: Context,
    task: object,
    recipe: object,
    name: object,
    seed: object,
    epochs: object,
    lr: object,
    dropout: object,
) -> Plan:
    """The plan that these values make, whatever they are: anybody can send anything.

    Args:
        context: Models and results.
        task: `slang` or `nli`.
        recipe: Name of a small recipe.
        name: Of the model to be; a free one when empty.
        seed: This and what follows: the recipe's own when None.
        epochs: At most so many.
        lr: Learning rate.
        dropout: Share.

    Raises:
        RecipeError: Something won't do.
    """
    changes = {"seed": seed, "epochs": epochs, "lr": lr, "dropout": dropout}
    if context.training is None:
        return make_plan(task, recipe, name, (), **changes)
    return context.training.plan(task, recipe, name, **changes)


def start_run(context: Context, say: Language, *wanted: object) -> str:
    """Start a run; returns a notice where that can't be done, and nothing where it has begun."""
    try:
        runs = allowed(context)
        runs.start(make(context, *wanted))
    except OdzeraError as error:
        return render_notice(say.again(error.args[0]))
    return ""


def cancel_run(context: Context, say: Language) -> str:
    """End the run under way; returns a notice where there is none."""
    try:
        runs = allowed(context)
    except OdzeraError as error:
        return render_notice(say.again(error.args[0]))
    return "" if runs.cancel() else render_notice(say("There is no run to cancel."))


def allowed(context: Context) -> TrainingRuns:
    """What starts runs, where this page may.

    Raises:
        RecipeError: Strangers may come, or there is no place to keep models.
    """
    if context.public:
        raise RecipeError(
            Message(
                "Training isn't offered on this public page. At home it is one command, which stands with the form."
            )
        )
    if context.training is None:
        raise RecipeError(Message("This page was opened without a place to keep models, so none can be trained."))
    return context.training


def with_newest(context: Context, names: object, there: Sequence[str]) -> list[str]:
    """Of the chosen models those that are there, and with them one that has just been trained here; at most six."""
    kept = [one for one in names if one in there] if isinstance(names, list) else []
    last = look(context)
    if last is not None and last.state == "done" and last.plan.name in there and last.plan.name not in kept:
        kept = [*kept[: MOST - 1], last.plan.name]
    return kept


def _took(context: Context, plan: Plan) -> Took | None:
    """What the recipe took when it was trained last on the data shown first."""
    with suppress(OdzeraError):
        for run in reversed(list_runs(context, plan.task, None)):
            seconds = run.costs["seconds"]
            if run.recipe == plan.recipe.name and seconds is not None:
                return Took(seconds, len(run.curve.epochs), run.machine.rpartition(",")[0])
    return None
