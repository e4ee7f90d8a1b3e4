"""What the commands show: tables and figures. Everything here prints and nothing decides."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from engine.cli.reading_output import reading_cell, reading_notes
from engine.paths import say_no_models
from engine.terminal import err, fail, note, out, print_json

if TYPE_CHECKING:
    from engine.cli.doctor import Finding
    from engine.data.sources import TaskData
    from engine.data.tasks import Task
    from engine.experiments.record import Finished, Request
    from engine.serving.answers import Answer, Failure
    from engine.serving.registry import Registry
    from engine.store import Store
    from engine.training.checkpoints import Checkpoint


def show_source(data: "TaskData") -> None:
    """What is about to be trained on, and what was done to it."""
    sizes = data.frame["split"].value_counts()
    rows = ", ".join(f"{sizes.get(split, 0):,} {split}" for split in ("train", "validation", "test"))
    note(f"{data.source} ({data.fingerprint}): {rows}")
    for why, count in data.report.dropped.items():
        note(f"dropped: {count} {why}")
    for line in data.report.notes:
        note(line)


def follow(request: "Request", store: "Store", quiet: bool = False) -> "Finished":
    """Run an experiment with a progress bar, a line for each epoch, and return its end."""
    from engine.experiments.record import Finished
    from engine.experiments.run import run_experiment

    finished: Finished | None = None
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} batches"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        bar = progress.add_task(f"{request.model_name}", total=None)

        def tick(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        for event in run_experiment(request, store, tick):
            if isinstance(event, Finished):
                finished = event
                continue
            figures = event.validation
            again = " (trained before)" if event.resumed else ""
            stop = f", stopped by {event.stop}" if event.stop not in ("", "epochs") else ""
            if not quiet:
                note(
                    f"{request.model_name} epoch {event.number}: train loss {event.train_loss:.4f}, validation loss "
                    f"{figures['loss']:.4f}, accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}"
                    f"{' *' if event.is_best else ''}, {event.seconds:.1f} s{again}{stop}"
                )
            upcoming = "scoring and timing" if event.stop else f"epoch {event.number + 1}"
            progress.update(bar, description=f"{request.model_name} {upcoming}", completed=0)
    if finished is None:
        raise RuntimeError("An experiment ends with Finished.")
    return finished


def show_finished(finished: "Finished") -> None:
    """One trained model: its test figures and costs."""
    from engine.results.comparison import table_row

    row = table_row(finished.run)
    out.print(
        f"[bold]{row['model']}[/] on {escape(finished.run.source)}: test accuracy {_with_interval(row, 'accuracy')}, "
        f"macro F1 {_with_interval(row, 'macro_f1')}; {seconds(row['training_seconds'])} of training, "
        f"{row['p50_ms']:.2f} ms a text"
    )
    out.print(f"[dim]kept in {escape(str(finished.checkpoint.folder))}[/]", soft_wrap=True)


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
    table = Table(box=None, header_style="bold")
    table.add_column("model")
    table.add_column("label")
    for label in task.labels:
        table.add_column(label, justify="right")
    for heading in ("read", "ms"):
        table.add_column(heading, justify="right")
    for answer in good:
        shares = (f"{answer.scores[label]:.0%}" for label in task.labels)
        table.add_row(answer.model, f"[bold]{answer.label}[/]", *shares, reading_cell(answer), f"{answer.ms:.1f}")
    out.print(table)
    for line in reading_notes(good):
        note(line)
    trained_on = models[0].manifest["data"]
    note(f"Models trained on {trained_on['source']} ({trained_on['fingerprint']}).")
    others = [one for one in registry.data_sets(task.name) if one != models[0].fingerprint]
    if others:
        note(f"Models trained on other data: --data {' or --data '.join(others)}")
    return True


def _with_interval(row: Mapping[str, Any], figure: str) -> str:
    from engine.evaluation.metrics import interval_of

    ends = interval_of(row, figure)
    return f"{row[figure]:.4f} [dim]({f'{ends[0]:.3f}-{ends[1]:.3f}' if ends else 'no interval'})[/]"


def _p_value(p: float) -> str:
    """As the page writes it."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def seconds(value: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`."""
    if value is None:
        return "-"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def show_comparison(comparison: Mapping[str, Any], notes: Sequence[str], as_json: bool) -> None:
    """The table of models trained on the same data."""
    from engine.data.reading import describe_summary
    from engine.results.comparison import describe_absent, describe_few_shot, describe_foundations, describe_refit

    for line in notes:
        note(line)
    if as_json:
        print_json(comparison)
        return
    data = comparison["data"]
    out.print(
        f"[bold]{comparison['task']}[/] on {escape(data['source'])} ({data['fingerprint']}): {data['rows']:,} rows, "
        f"{data['test_rows']:,} of them test. Figures on test, 95 % bootstrap intervals in brackets."
    )
    table = Table(box=None, header_style="bold")
    for column in ("model", "accuracy", "macro F1", "MCC", "loss", "ECE", "parameters", "trained", "training", "ms"):
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=True)
    for row in comparison["rows"]:
        table.add_row(
            row["model"],
            _with_interval(row, "accuracy"),
            _with_interval(row, "macro_f1"),
            f"{row['mcc']:.3f}",
            f"{row['loss']:.3f}",
            f"{row['calibration_error']:.3f}",
            f"{row['total_parameters']:,}",
            f"{row['trained_parameters']:,}",
            seconds(row["training_seconds"]),
            f"{row['p50_ms']:.2f}",
        )
    out.print(table)
    names = [row["model"] for row in comparison["rows"]]
    # The best one, and the one that everything pretrained has to beat.
    for chosen in dict.fromkeys([*names[:1], *(name for name in names if name == "scratch")]):
        against = [one for one in comparison["mcnemar"] if chosen in (one["first"], one["second"])]
        others = (one["second"] if one["first"] == chosen else one["first"] for one in against)
        tests = ", ".join(f"{name} p {_p_value(one['p_holm'])}" for name, one in zip(others, against, strict=True))
        if tests:
            note(f"McNemar's test of {chosen}, p after Holm's correction for all pairs of models, against: {tests}.")
    for describe in (describe_refit, describe_few_shot, describe_foundations):
        for line in filter(None, map(describe, comparison["rows"])):
            note(line)
    for line in describe_absent(data.get("absent", ()), data.get("labels", ())):
        note(line)
    for row in comparison["rows"]:
        for line in describe_summary(row["model"], row.get("reading")):
            note(line)
    if comparison["missing"]:
        note(
            "Fine-tuned rows want their backbones untrained beside them: "
            f"odzera train {' '.join(comparison['missing'])} --task {comparison['task']}"
        )
    for other in comparison["other_data"]:
        note(f"Not in this table: {other['models']} models on {other['source']} (--data {other['fingerprint']}).")


def show_recipes(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Every recipe with its size and what its authors report."""
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, header_style="bold")
    for column in ("recipe", "task", "parameters", "trained", "reported", "what it is"):
        table.add_column(column, justify="right" if column in ("parameters", "trained") else "left")
    for row in rows:
        sizes = (
            "by data" if row[key] is None else f"{row[key]:,}" for key in ("total_parameters", "trained_parameters")
        )
        reported = row["reported"].get("accuracy")
        table.add_row(
            row["name"], row["task"], *sizes, f"acc {reported:.4f}" if reported else "", escape(row["summary"])
        )
    out.print(table)


def show_data(description: Mapping[str, Any], as_json: bool) -> None:
    """What a data set holds."""
    if as_json:
        print_json(description)
        return
    out.print(f"[bold]{description['task']}[/] from {escape(description['source'])} ({description['fingerprint']})")
    table = Table(box=None, header_style="bold")
    table.add_column("split")
    table.add_column("rows", justify="right")
    labels = list(description["splits"]["all"]["labels"])
    for label in labels:
        table.add_column(label, justify="right")
    for split, values in description["splits"].items():
        shares = (
            f"{values['labels'][label]:,} ({values['labels'][label] / max(1, values['rows']):.0%})" for label in labels
        )
        table.add_row(split, f"{values['rows']:,}", *shares)
    out.print(table)
    languages = ", ".join(f"{code} {count:,}" for code, count in description["languages"].items())
    out.print(f"languages: {languages}")
    for column, units in description["length"].items():
        for unit, figures in units.items():
            out.print(
                f"{column}, {unit}: median {figures['median']:.0f}, mean {figures['mean']}, 95 % up to "
                f"{figures['p95']:.0f}, longest {figures['max']:.0f}"
            )
    leaks = ", ".join(f"{name} {count}" for name, count in description["leaks"].items())
    out.print(f"on two sides of a split: {leaks}")
    cleaning = description["cleaning"]
    dropped = ", ".join(f"{count} {why}" for why, count in cleaning["dropped"].items()) or "none"
    out.print(f"cleaning: {cleaning['read']:,} rows read, {cleaning['kept']:,} kept; dropped: {dropped}")
    for line in cleaning["notes"]:
        note(line)


def show_evaluation(result: Mapping[str, Any], as_json: bool) -> None:
    """A model's figures on any labelled data."""
    from engine.data.reading import describe_summary
    from engine.evaluation.metrics import interval_of
    from engine.results.comparison import describe_absent

    if as_json:
        print_json(result)
        return
    data = result["data"]
    out.print(
        f"[bold]{result['model']}[/], trained on {escape(result['trained_on']['source'])}, on {data['rows']:,} rows of "
        f"{escape(data['source'])} ({data['split']})"
    )
    for figure in ("accuracy", "macro_f1", "weighted_f1", "mcc", "loss"):
        out.print(f"  {figure:<18}{_with_interval(result, figure)}")
    out.print(f"  {'calibration_error':<18}{result['calibration_error']:.4f}")
    table = Table(box=None, header_style="bold")
    for column in ("class", "precision", "recall", "F1", "rows"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for label, figures in zip(result["labels"], result["per_class"], strict=True):
        numbers = (f"{figures[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(label, *numbers, f"{figures['support']:,}")
    out.print(table)
    for code, figures in result["per_language"].items():
        out.print(
            f"  {code}: accuracy {figures['accuracy']:.3f}, macro F1 {figures['macro_f1']:.3f} ({figures['rows']} rows)"
        )
    for line in describe_absent(result["absent"], result["labels"]):
        note(line)
    if any(interval_of(result, figure) is None for figure in ("accuracy", "macro_f1", "weighted_f1", "mcc", "loss")):
        note("No interval: the rows are too few, or too much alike, to tell how sure that figure is.")
    for line in describe_summary(result["model"], result.get("reading")):
        note(line)
    if result["rows_seen_in_training"]:
        fail(
            f"{result['rows_seen_in_training']:,} of these rows were in the training data, so these figures flatter it."
        )


def show_findings(findings: Sequence["Finding"], as_json: bool) -> None:
    """What the doctor found."""
    if as_json:
        print_json([one.as_dict() for one in findings])
        return
    for finding in findings:
        mark = "[green]ok[/]  " if finding.fine else ("[red]BAD[/] " if finding.needed else "[yellow]note[/]")
        out.print(f"{mark} [bold]{finding.name}[/]: {escape(finding.says)}", soft_wrap=True)
