"""`odzera classify`: one text, or one premise and hypothesis, asked of every trained model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.base import JsonOption, TaskArgument, app, friendly
from engine.cli.formats import milliseconds, percent
from engine.cli.tokens_read import reading_cell, reading_notes
from engine.paths import default_places, say_no_models
from engine.terminal import fail, make_table, note, out, print_json, waiting

if TYPE_CHECKING:
    from engine.data.tasks import Task
    from engine.serving.answers import Answer, Failure
    from engine.serving.registry import Registry
    from engine.training.checkpoints import Checkpoint


@app.command()
@friendly
def classify(
    task: TaskArgument,
    text: Annotated[str | None, typer.Argument(help="The text, for slang.")] = None,
    premise: Annotated[str | None, typer.Option(help="For nli.")] = None,
    hypothesis: Annotated[str | None, typer.Option(help="For nli.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only these models. Repeatable.")] = None,
    data: Annotated[str | None, typer.Option(help="Models trained on this data (fingerprint).")] = None,
    untouched: Annotated[
        bool, typer.Option("--untouched", help="Ask the backbones too, as they were before training.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every trained model about one text, or one premise and hypothesis.

    Example: `odzera classify slang "ale kozak, serio"`
    """
    from engine.data.tasks import get_task
    from engine.errors import TextError
    from engine.serving.answers import check_input, classify_all, in_order
    from engine.serving.registry import Registry

    chosen = get_task(task)
    given = {"text": text, "premise": premise, "hypothesis": hypothesis}
    wrong = [name for name, value in given.items() if (value is not None) != (name in chosen.text_columns)]
    if wrong:
        wanted = "TEXT" if not chosen.is_pair else "--premise and --hypothesis"
        raise TextError(f"The task {task} takes {wanted}.")
    texts = [str(given[column]) for column in chosen.text_columns]
    check_input(chosen, texts)
    registry = Registry(default_places().checkpoints)
    models = (
        [registry.find(task, one) for one in model] if model else registry.models(task, registry.match_data(task, data))
    )
    asked = [*models, *(registry.untouched(models) if untouched else ())]
    with waiting("asking", as_json):
        answers = in_order(classify_all(registry, chosen, texts, asked), asked)
    if not show_answers(chosen, answers, registry, models, as_json):
        raise typer.Exit(2)


def show_answers(
    task: "Task",
    answers: Sequence["Answer | Failure"],
    registry: "Registry",
    models: Sequence["Checkpoint"],
    as_json: bool,
) -> bool:
    """Every model's verdict, the cheapest model first; returns whether any model answered."""
    from engine.serving.answers import Failure

    for failure in (one for one in answers if isinstance(one, Failure)):
        fail(f"{failure.model}: {failure.reason}")
    for line in registry.refused[task.name]:
        fail(line)
    good = [one for one in answers if not isinstance(one, Failure)]
    if as_json:
        print_json([one.as_dict() for one in good])
    if not answers:
        fail(say_no_models(registry.root, task.name))
    if as_json or not good:
        return bool(good)
    table = make_table("model", "label", *task.labels, "read", "ms", left=("label",))
    for answer in good:
        shares = (percent(answer.scores[label]) for label in task.labels)
        table.add_row(
            answer.model, f"[bold]{answer.label}[/]", *shares, reading_cell(answer), milliseconds(answer.ms, 1)
        )
    out.print(table)
    for line in reading_notes(good):
        note(line)
    trained_on = models[0].manifest["data"]
    note(f"Models trained on {trained_on['source']} ({trained_on['fingerprint']}).")
    others = [one for one in registry.data_sets(task.name) if one != models[0].fingerprint]
    if others:
        note(f"Models trained on other data: --data {' or --data '.join(others)}")
    return True
